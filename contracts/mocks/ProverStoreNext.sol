// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {IIoID} from "../interfaces/identity/IIoID.sol";
import {IIoIDRegistry} from "../interfaces/identity/IIoIDRegistry.sol";
import {IProverStore} from "../interfaces/w3bstream/IProverStore.sol";

/// @dev A next version of ProverStore for the upgrade's test: it counts what each prover released, in a field at the end of the namespace.
contract ProverStoreNext is IProverStore, AccessManagedUpgradeable, UUPSUpgradeable {
    uint16 public constant DEFAULT_CAPACITY = 8;
    uint16 public constant MAX_CAPACITY = 1024;
    uint32 public constant DEFAULT_HEARTBEAT_TTL = 120;
    uint32 public constant MIN_HEARTBEAT_TTL = 10;
    uint32 public constant MAX_HEARTBEAT_TTL = 1 days;
    /// @dev Basis points.
    uint16 public constant MAX_REBATE_RATIO = 10_000;

    uint256 private constant SELECTIVE = 0;

    /// @dev One slot: all that an assignment and a settlement read or write. Registered when `beneficiary` is not zero.
    struct Prover {
        address beneficiary;
        uint40 heartbeat;
        uint16 inflight;
        uint16 capacity;
        uint16 rebateRatio;
        bool paused;
    }

    /// @custom:storage-location erc7201:trellis.storage.ProverStore
    struct Store {
        address taskManager; // with heartbeatTtl in one slot: read together on the hot path
        uint32 heartbeatTtl;
        mapping(address prover => Prover) provers;
        mapping(address prover => address) devices;
        mapping(address prover => mapping(uint256 vmType => bool)) vmTypes;
        /// @dev Of a selective prover, which is a flag at project 0: no project has that id.
        mapping(address prover => mapping(uint256 projectId => bool)) accepted;
        mapping(address prover => uint256) released;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.ProverStore")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0x3f74799ad6b00e6cbc037c71e34d3709e168da1465abfc23dbba2de7c51bc900;

    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable ioIDRegistry;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor(address ioIDRegistry_) {
        if (ioIDRegistry_ == address(0)) revert ProverStore_ZeroAddress();
        ioIDRegistry = ioIDRegistry_;
        _disableInitializers();
    }

    modifier onlyTaskManager() {
        if (msg.sender != _store().taskManager) revert ProverStore_NotTaskManager(msg.sender);
        _;
    }

    function initialize(address authority_) external initializer {
        __AccessManaged_init(authority_);
        _store().heartbeatTtl = DEFAULT_HEARTBEAT_TTL;
        emit HeartbeatTtlSet(DEFAULT_HEARTBEAT_TTL);
    }

    /// @inheritdoc IProverStore
    function register(address device) external {
        _register(device);
    }

    /// @inheritdoc IProverStore
    function register() external {
        _register(IIoIDRegistry(ioIDRegistry).deviceOfSigner(msg.sender));
    }

    /// @inheritdoc IProverStore
    function heartbeat() external {
        Prover storage p = _caller();
        p.heartbeat = uint40(block.timestamp);
        emit Heartbeat(msg.sender);
    }

    /// @inheritdoc IProverStore
    function pause() external {
        Prover storage p = _caller();
        if (p.paused) revert ProverStore_WrongPause(msg.sender, true);
        p.paused = true;
        emit ProverPaused(msg.sender);
    }

    /// @inheritdoc IProverStore
    function resume() external {
        Prover storage p = _caller();
        if (!p.paused) revert ProverStore_WrongPause(msg.sender, false);
        p.paused = false;
        emit ProverResumed(msg.sender);
    }

    /// @inheritdoc IProverStore
    function setCapacity(uint16 capacity) external {
        if (capacity == 0 || capacity > MAX_CAPACITY) revert ProverStore_BadCapacity(capacity);
        _caller().capacity = capacity;
        emit CapacitySet(msg.sender, capacity);
    }

    /// @inheritdoc IProverStore
    function changeBeneficiary(address _beneficiary) external {
        if (_beneficiary == address(0)) revert ProverStore_ZeroBeneficiary();
        _caller().beneficiary = _beneficiary;
        emit BeneficiarySet(msg.sender, _beneficiary);
    }

    /// @inheritdoc IProverStore
    function setRebateRatio(uint16 _ratio) external {
        if (_ratio > MAX_REBATE_RATIO) revert ProverStore_BadRatio(_ratio, MAX_REBATE_RATIO);
        _caller().rebateRatio = _ratio;
        emit RebateRatioSet(msg.sender, _ratio);
    }

    /// @inheritdoc IProverStore
    function addVMType(uint256 _type) external {
        _caller();
        _store().vmTypes[msg.sender][_type] = true;
        emit VMTypeAdded(msg.sender, _type);
    }

    /// @inheritdoc IProverStore
    function delVMType(uint256 _type) external {
        _caller();
        _store().vmTypes[msg.sender][_type] = false;
        emit VMTypeDeleted(msg.sender, _type);
    }

    /// @inheritdoc IProverStore
    function setSelective(bool selective) external {
        _caller();
        _store().accepted[msg.sender][SELECTIVE] = selective;
        emit SelectiveSet(msg.sender, selective);
    }

    /// @inheritdoc IProverStore
    function acceptProject(uint256 projectId, bool accepted) external {
        _caller();
        if (projectId == SELECTIVE) revert ProverStore_BadProject(projectId);
        _store().accepted[msg.sender][projectId] = accepted;
        emit ProjectAccepted(msg.sender, projectId, accepted);
    }

    /// @inheritdoc IProverStore
    function acquire(address prover, uint256 projectId) external onlyTaskManager returns (bool taken) {
        Store storage $ = _store();
        Prover memory p = $.provers[prover];
        if (_status(p, $.heartbeatTtl) != Status.Idle || !_takes($, prover, projectId)) return false;
        $.provers[prover].inflight = p.inflight + 1;
        return true;
    }

    /// @inheritdoc IProverStore
    function release(address prover, uint256 count) external onlyTaskManager returns (address beneficiary_) {
        Prover storage p = _store().provers[prover];
        beneficiary_ = p.beneficiary;
        // The task manager releases what it acquired, so this cannot go below zero; checked arithmetic says so.
        p.inflight = uint16(p.inflight - count);
        _store().released[prover] += count;
    }

    /// @inheritdoc IProverStore
    function setHeartbeatTtl(uint32 ttl) external restricted {
        if (ttl < MIN_HEARTBEAT_TTL || ttl > MAX_HEARTBEAT_TTL) revert ProverStore_BadTtl(ttl);
        _store().heartbeatTtl = ttl;
        emit HeartbeatTtlSet(ttl);
    }

    /// @inheritdoc IProverStore
    function setTaskManager(address taskManager_) external restricted {
        Store storage $ = _store();
        if (taskManager_ == address(0)) revert ProverStore_ZeroAddress();
        if ($.taskManager != address(0)) revert ProverStore_AlreadySet($.taskManager);
        $.taskManager = taskManager_;
        emit TaskManagerSet(taskManager_);
    }

    /// @inheritdoc IProverStore
    function statusOf(address prover) external view returns (Status) {
        Store storage $ = _store();
        return _status($.provers[prover], $.heartbeatTtl);
    }

    function releasedBy(address prover) external view returns (uint256) {
        return _store().released[prover];
    }

    /// @inheritdoc IProverStore
    function takes(address prover, uint256 projectId) external view returns (bool) {
        return _takes(_store(), prover, projectId);
    }

    /// @inheritdoc IProverStore
    function isPaused(address _prover) external view returns (bool) {
        return _store().provers[_prover].paused;
    }

    /// @inheritdoc IProverStore
    function beneficiary(address _prover) external view returns (address) {
        return _store().provers[_prover].beneficiary;
    }

    /// @inheritdoc IProverStore
    function rebateRatio(address _prover) external view returns (uint16) {
        return _store().provers[_prover].rebateRatio;
    }

    /// @inheritdoc IProverStore
    function isVMTypeSupported(address _prover, uint256 _type) external view returns (bool) {
        return _store().vmTypes[_prover][_type];
    }

    /// @inheritdoc IProverStore
    function deviceOf(address prover) external view returns (address) {
        return _store().devices[prover];
    }

    /// @inheritdoc IProverStore
    function capacityOf(address prover) external view returns (uint16) {
        return _store().provers[prover].capacity;
    }

    /// @inheritdoc IProverStore
    function inflight(address prover) external view returns (uint16) {
        return _store().provers[prover].inflight;
    }

    /// @inheritdoc IProverStore
    function lastHeartbeat(address prover) external view returns (uint40) {
        return _store().provers[prover].heartbeat;
    }

    /// @inheritdoc IProverStore
    function heartbeatTtl() external view returns (uint32) {
        return _store().heartbeatTtl;
    }

    /// @inheritdoc IProverStore
    function taskManager() external view returns (address) {
        return _store().taskManager;
    }

    function _register(address device) private {
        Store storage $ = _store();
        if ($.provers[msg.sender].beneficiary != address(0)) revert ProverStore_AlreadyRegistered(msg.sender);
        IIoIDRegistry registry = IIoIDRegistry(ioIDRegistry);
        if (device == address(0) || registry.signerOf(device) != msg.sender) {
            revert ProverStore_NotDeviceKey(device, msg.sender);
        }
        uint256 tokenId = registry.deviceTokenId(device);
        (address wallet, ) = IIoID(registry.ioID()).wallet(tokenId);
        $.provers[msg.sender] = Prover({
            beneficiary: wallet,
            heartbeat: uint40(block.timestamp),
            inflight: 0,
            capacity: DEFAULT_CAPACITY,
            rebateRatio: 0,
            paused: false
        });
        $.devices[msg.sender] = device;
        emit ProverRegistered(msg.sender, device, tokenId);
        emit BeneficiarySet(msg.sender, wallet);
        emit CapacitySet(msg.sender, DEFAULT_CAPACITY);
        emit Heartbeat(msg.sender);
    }

    /// @dev The caller's own entry, while it is its ioID's key: a key that was rotated because it leaked must not lead fees astray.
    function _caller() private view returns (Prover storage p) {
        Store storage $ = _store();
        p = $.provers[msg.sender];
        if (p.beneficiary == address(0)) revert ProverStore_NotRegistered(msg.sender);
        address device = $.devices[msg.sender];
        if (IIoIDRegistry(ioIDRegistry).signerOf(device) != msg.sender) {
            revert ProverStore_NotDeviceKey(device, msg.sender);
        }
    }

    function _takes(Store storage $, address prover, uint256 projectId) private view returns (bool) {
        return !$.accepted[prover][SELECTIVE] || $.accepted[prover][projectId];
    }

    function _status(Prover memory p, uint256 ttl) private view returns (Status) {
        if (p.beneficiary == address(0)) return Status.None;
        if (p.paused || block.timestamp > p.heartbeat + ttl) return Status.Offline;
        return p.inflight < p.capacity ? Status.Idle : Status.Busy;
    }

    function _store() private pure returns (Store storage $) {
        assembly ("memory-safe") {
            $.slot := STORE
        }
    }

    function _authorizeUpgrade(address) internal override restricted {}
}
