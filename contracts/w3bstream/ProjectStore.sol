// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {IProgramRegistry} from "../interfaces/verifiers/IProgramRegistry.sol";
import {IProjectStore} from "../interfaces/w3bstream/IProjectStore.sol";
import {AssignmentTerms, ClockKind, SettlementTerms, Terms, TermsAmounts} from "../types/Terms.sol";

/// @title See `IProjectStore`.
/// @dev Wiring: constructor(project, programRegistry), both deployed before; initialize(authority, replayAllowed); then setRouter.
contract ProjectStore is IProjectStore, AccessManagedUpgradeable, UUPSUpgradeable {
    uint8 public constant MAX_DECIMALS = 18;
    uint32 public constant MIN_TASK_SECONDS = 10;
    uint32 public constant MAX_TASK_SECONDS = 30 days;
    uint32 public constant MIN_DAPP_GAS = 30_000;
    /// @dev Half of the transaction gas cap of EIP-7825 (2^24), so that a call that has to pay for a dapp always fits.
    uint32 public constant MAX_DAPP_GAS = 1 << 23;
    /// @dev What a receiver gets when it is bound to terms that had none.
    uint32 public constant DEFAULT_DAPP_GAS = 1_000_000;

    struct ProjectState {
        bool bound;
        bool paused;
        uint16 version;
        bool credential; // one is required: an assignment without it does not read which
    }

    /// @dev Terms as stored: the first two words serve an assignment, the first five a settlement.
    struct StoredTerms {
        address token;
        uint96 proverFee;
        uint96 pricePerReading;
        uint96 sequencerFee;
        uint32 taskSeconds;
        uint32 maxSkew;
        address receiver;
        uint32 dappGas;
        uint24 threshold;
        uint24 rangeMax;
        ClockKind clock;
        uint8 decimals;
        bytes32 programId;
        bytes32 termsId;
        uint40 clockOrigin;
        uint40 clockStart;
        uint32 clockSpeed;
        uint64 channel;
        int64 rangeMin;
        uint32 maxAge;
    }

    /// @custom:storage-location erc7201:trellis.storage.ProjectStore
    struct Store {
        mapping(uint256 projectId => ProjectState) states;
        mapping(uint256 projectId => mapping(address account => bool)) coordinators;
        mapping(uint256 projectId => mapping(uint32 version => StoredTerms)) terms;
        mapping(uint256 projectId => ProjectConfig) configs;
        mapping(uint256 projectId => mapping(bytes32 key => bytes)) attributes;
        uint256 count;
        address binder;
        address router;
        bool replayAllowed;
        mapping(uint256 projectId => bytes32 typeId) requiredCredential;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.ProjectStore")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0x43163fd82c31c66be6ede43366e8054f235d8428757894d18376f52f4a91c900;

    /// @inheritdoc IProjectStore
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable project;
    /// @inheritdoc IProjectStore
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable programRegistry;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor(address project_, address programRegistry_) {
        if (project_ == address(0) || programRegistry_ == address(0)) revert ProjectStore_ZeroAddress();
        project = project_;
        programRegistry = programRegistry_;
        _disableInitializers();
    }

    modifier onlyProjectOwner(uint256 projectId) {
        if (IERC721(project).ownerOf(projectId) != msg.sender) revert ProjectStore_NotOwner(projectId, msg.sender);
        _;
    }

    /// @param replayAllowed_  True on local networks only: terms may then name a replay clock.
    function initialize(address authority_, bool replayAllowed_) external initializer {
        __AccessManaged_init(authority_);
        _store().replayAllowed = replayAllowed_;
    }

    /// @inheritdoc IProjectStore
    function bind(uint256 _projectId) external {
        Store storage $ = _store();
        if (msg.sender != $.binder && msg.sender != ownerOf(_projectId)) {
            revert ProjectStore_NotOwner(_projectId, msg.sender);
        }
        ownerOf(_projectId); // reverts for a project that does not exist, whoever binds
        if ($.states[_projectId].bound) revert ProjectStore_AlreadyBound(_projectId);
        $.states[_projectId].bound = true;
        ++$.count;
        emit ProjectBinded(_projectId);
    }

    /// @inheritdoc IProjectStore
    function publishTerms(
        uint256 projectId,
        Terms calldata terms_
    ) external onlyProjectOwner(projectId) returns (uint32 version, bytes32 termsId) {
        return _publish(projectId, terms_);
    }

    /// @inheritdoc IProjectStore
    function setReceiver(uint256 projectId, address receiver) external returns (uint32 version, bytes32 termsId) {
        Store storage $ = _store();
        if (msg.sender != $.router) revert ProjectStore_NotRouter(msg.sender);
        Terms memory next = terms(projectId, $.states[projectId].version);
        next.receiver = receiver;
        if (next.dappGas == 0) next.dappGas = DEFAULT_DAPP_GAS;
        return _publish(projectId, next);
    }

    /// @inheritdoc IProjectStore
    function setCoordinator(uint256 projectId, address coordinator, bool allowed) external onlyProjectOwner(projectId) {
        if (coordinator == address(0)) revert ProjectStore_ZeroAddress();
        _store().coordinators[projectId][coordinator] = allowed;
        emit CoordinatorSet(projectId, coordinator, allowed);
    }

    /// @inheritdoc IProjectStore
    function setRequiredCredential(uint256 projectId, bytes32 typeId) external onlyProjectOwner(projectId) {
        Store storage $ = _store();
        $.states[projectId].credential = typeId != 0;
        $.requiredCredential[projectId] = typeId;
        emit RequiredCredentialSet(projectId, typeId);
    }

    /// @inheritdoc IProjectStore
    function pause(uint256 _projectId) external onlyProjectOwner(_projectId) {
        _setPaused(_projectId, true);
        emit ProjectPaused(_projectId);
    }

    /// @inheritdoc IProjectStore
    function resume(uint256 _projectId) external onlyProjectOwner(_projectId) {
        _setPaused(_projectId, false);
        emit ProjectResumed(_projectId);
    }

    /// @inheritdoc IProjectStore
    function updateConfig(
        uint256 _projectId,
        string calldata _uri,
        bytes32 _hash
    ) external onlyProjectOwner(_projectId) {
        _requireBound(_projectId);
        _store().configs[_projectId] = ProjectConfig(_uri, _hash);
        emit ProjectConfigUpdated(_projectId, _uri, _hash);
    }

    /// @inheritdoc IProjectStore
    function setAttributes(
        uint256 _projectId,
        bytes32[] calldata _keys,
        bytes[] calldata _values
    ) external onlyProjectOwner(_projectId) {
        if (_keys.length != _values.length) revert ProjectStore_LengthMismatch(_keys.length, _values.length);
        mapping(bytes32 => bytes) storage values = _store().attributes[_projectId];
        for (uint256 i = 0; i < _keys.length; ++i) {
            values[_keys[i]] = _values[i];
            emit AttributeSet(_projectId, _keys[i], _values[i]);
        }
    }

    /// @inheritdoc IProjectStore
    function setBinder(address _binder) external restricted {
        _store().binder = _binder;
        emit BinderSet(_binder);
    }

    /// @inheritdoc IProjectStore
    function setRouter(address router_) external restricted {
        Store storage $ = _store();
        if (router_ == address(0)) revert ProjectStore_ZeroAddress();
        if ($.router != address(0)) revert ProjectStore_AlreadySet($.router);
        $.router = router_;
        emit RouterSet(router_);
    }

    /// @inheritdoc IProjectStore
    function termsVersion(uint256 projectId) external view returns (uint32) {
        return _store().states[projectId].version;
    }

    /// @inheritdoc IProjectStore
    function terms(uint256 projectId, uint32 version) public view returns (Terms memory) {
        StoredTerms storage t = _termsOf(projectId, version);
        return
            Terms({
                programId: t.programId,
                channel: t.channel,
                rangeMin: t.rangeMin,
                rangeMax: t.rangeMax,
                threshold: t.threshold,
                decimals: t.decimals,
                pricePerReading: t.pricePerReading,
                proverFee: t.proverFee,
                sequencerFee: t.sequencerFee,
                token: t.token,
                receiver: t.receiver,
                dappGas: t.dappGas,
                clock: t.clock,
                clockOrigin: t.clockOrigin,
                clockStart: t.clockStart,
                clockSpeed: t.clockSpeed,
                taskSeconds: t.taskSeconds,
                maxAge: t.maxAge,
                maxSkew: t.maxSkew
            });
    }

    /// @inheritdoc IProjectStore
    function termsIdOf(uint256 projectId, uint32 version) external view returns (bytes32) {
        return _termsOf(projectId, version).termsId;
    }

    /// @inheritdoc IProjectStore
    function isCoordinator(uint256 projectId, address coordinator) external view returns (bool) {
        return _store().coordinators[projectId][coordinator];
    }

    /// @inheritdoc IProjectStore
    function requiredCredential(uint256 projectId) external view returns (bytes32) {
        return _store().requiredCredential[projectId];
    }

    /// @inheritdoc IProjectStore
    function timeOf(uint256 projectId, uint32 version) external view returns (uint256) {
        return _timeOf(_termsOf(projectId, version));
    }

    /// @inheritdoc IProjectStore
    function receiverOf(uint256 projectId) external view returns (address) {
        Store storage $ = _store();
        return $.terms[projectId][$.states[projectId].version].receiver;
    }

    /// @inheritdoc IProjectStore
    function assignmentTerms(
        uint256 projectId,
        address coordinator
    ) external view returns (AssignmentTerms memory quote) {
        Store storage $ = _store();
        ProjectState memory state = $.states[projectId];
        StoredTerms storage t = $.terms[projectId][state.version];
        quote.version = state.version;
        quote.paused = state.paused;
        quote.coordinator = $.coordinators[projectId][coordinator];
        quote.token = t.token;
        // Checked to fit when the terms were published.
        unchecked {
            quote.hold = uint96(TermsAmounts.hold(t.proverFee, t.sequencerFee, t.pricePerReading));
        }
        quote.taskSeconds = t.taskSeconds;
        if (state.credential) quote.requiredCredential = $.requiredCredential[projectId];
    }

    /// @inheritdoc IProjectStore
    function settlementTerms(uint256 projectId, uint32 version) external view returns (SettlementTerms memory quote) {
        StoredTerms storage t = _store().terms[projectId][version];
        quote.termsId = t.termsId;
        quote.programId = t.programId;
        quote.rates.token = t.token;
        quote.receiver = t.receiver;
        quote.rates.pricePerReading = t.pricePerReading;
        quote.rates.proverFee = t.proverFee;
        quote.rates.sequencerFee = t.sequencerFee;
        quote.dappGas = t.dappGas;
        quote.threshold = t.threshold;
        quote.rangeMax = t.rangeMax;
        quote.horizon = _timeOf(t) + t.maxSkew;
    }

    /// @inheritdoc IProjectStore
    function tokenOf(uint256 projectId, uint32 version) external view returns (address) {
        return _store().terms[projectId][version].token;
    }

    /// @inheritdoc IProjectStore
    function isPaused(uint256 _projectId) external view returns (bool) {
        return _store().states[_projectId].paused;
    }

    /// @inheritdoc IProjectStore
    function isValidProject(uint256 _projectId) external view returns (bool) {
        return _store().states[_projectId].bound;
    }

    /// @inheritdoc IProjectStore
    function ownerOf(uint256 _projectId) public view returns (address) {
        return IERC721(project).ownerOf(_projectId);
    }

    /// @inheritdoc IProjectStore
    function config(uint256 _projectId) external view returns (ProjectConfig memory) {
        return _store().configs[_projectId];
    }

    /// @inheritdoc IProjectStore
    function attribute(uint256 _projectId, bytes32 _name) external view returns (bytes memory) {
        return _store().attributes[_projectId][_name];
    }

    /// @inheritdoc IProjectStore
    function attributes(uint256 _projectId, bytes32 _name) external view returns (bytes memory) {
        return _store().attributes[_projectId][_name];
    }

    /// @inheritdoc IProjectStore
    function attributesOf(uint256 _projectId, bytes32[] calldata _keys) external view returns (bytes[] memory values_) {
        values_ = new bytes[](_keys.length);
        for (uint256 i = 0; i < _keys.length; ++i) {
            values_[i] = _store().attributes[_projectId][_keys[i]];
        }
    }

    /// @inheritdoc IProjectStore
    function count() external view returns (uint256) {
        return _store().count;
    }

    /// @inheritdoc IProjectStore
    function binder() external view returns (address) {
        return _store().binder;
    }

    /// @inheritdoc IProjectStore
    function router() external view returns (address) {
        return _store().router;
    }

    /// @inheritdoc IProjectStore
    function replayAllowed() external view returns (bool) {
        return _store().replayAllowed;
    }

    function _publish(uint256 projectId, Terms memory t) private returns (uint32 version, bytes32 termsId) {
        Store storage $ = _store();
        _requireBound(projectId);
        _check(t);
        version = uint32($.states[projectId].version) + 1;
        // A task's slot keeps 16 bits of version.
        if (version > type(uint16).max) revert ProjectStore_TooManyVersions(projectId, type(uint16).max);
        termsId = keccak256(abi.encode(block.chainid, address(this), projectId, version, t));
        $.states[projectId].version = uint16(version);

        StoredTerms storage s = $.terms[projectId][version];
        s.token = t.token;
        s.proverFee = t.proverFee;
        s.pricePerReading = t.pricePerReading;
        s.sequencerFee = t.sequencerFee;
        s.taskSeconds = t.taskSeconds;
        s.maxSkew = t.maxSkew;
        s.receiver = t.receiver;
        s.dappGas = t.dappGas;
        s.threshold = t.threshold;
        s.rangeMax = t.rangeMax;
        s.clock = t.clock;
        s.decimals = t.decimals;
        s.programId = t.programId;
        s.termsId = termsId;
        s.clockOrigin = t.clockOrigin;
        s.clockStart = t.clockStart;
        s.clockSpeed = t.clockSpeed;
        s.channel = t.channel;
        s.rangeMin = t.rangeMin;
        s.maxAge = t.maxAge;
        emit TermsPublished(projectId, version, termsId);
    }

    function _check(Terms memory t) private view {
        (address verifier, ) = IProgramRegistry(programRegistry).verifierOf(t.programId);
        if (verifier == address(0)) revert ProjectStore_UnknownProgram(t.programId);
        if (t.token.code.length == 0) revert ProjectStore_NotContract(t.token);
        if (t.receiver != address(0)) {
            if (t.receiver.code.length == 0) revert ProjectStore_NotContract(t.receiver);
            if (t.dappGas < MIN_DAPP_GAS) revert ProjectStore_BadDappGas(t.dappGas, MIN_DAPP_GAS, MAX_DAPP_GAS);
        }
        if (t.dappGas > MAX_DAPP_GAS) revert ProjectStore_BadDappGas(t.dappGas, MIN_DAPP_GAS, MAX_DAPP_GAS);
        if (t.channel == 0) revert ProjectStore_ZeroChannel();
        if (t.decimals > MAX_DECIMALS) revert ProjectStore_BadDecimals(t.decimals, MAX_DECIMALS);
        if (t.rangeMax == 0 || int256(t.rangeMin) + int256(uint256(t.rangeMax)) > type(int64).max) {
            revert ProjectStore_BadRange(t.rangeMin, t.rangeMax);
        }
        if (t.threshold > t.rangeMax) revert ProjectStore_BadThreshold(t.threshold, t.rangeMax);
        if (t.taskSeconds < MIN_TASK_SECONDS || t.taskSeconds > MAX_TASK_SECONDS) {
            revert ProjectStore_BadTaskSeconds(t.taskSeconds, MIN_TASK_SECONDS, MAX_TASK_SECONDS);
        }
        uint256 hold = TermsAmounts.hold(t.proverFee, t.sequencerFee, t.pricePerReading);
        if (hold > type(uint96).max) revert ProjectStore_HoldTooLarge(hold);
        if (t.clock == ClockKind.Replay) {
            if (!_store().replayAllowed) revert ProjectStore_ReplayRefused();
            if (t.clockSpeed == 0 || t.clockStart == 0) {
                revert ProjectStore_BadClock(t.clockOrigin, t.clockStart, t.clockSpeed);
            }
        } else if (t.clockOrigin != 0 || t.clockStart != 0 || t.clockSpeed != 0) {
            revert ProjectStore_BadClock(t.clockOrigin, t.clockStart, t.clockSpeed);
        }
    }

    function _setPaused(uint256 projectId, bool paused) private {
        _requireBound(projectId);
        ProjectState storage state = _store().states[projectId];
        if (state.paused == paused) revert ProjectStore_WrongPause(projectId, paused);
        state.paused = paused;
    }

    function _requireBound(uint256 projectId) private view {
        if (!_store().states[projectId].bound) revert ProjectStore_NotBound(projectId);
    }

    function _termsOf(uint256 projectId, uint32 version) private view returns (StoredTerms storage t) {
        t = _store().terms[projectId][version];
        if (t.termsId == 0) revert ProjectStore_NoTerms(projectId, version);
    }

    /// @dev A replay that has not started stands at its origin.
    function _timeOf(StoredTerms storage t) private view returns (uint256) {
        if (t.clock == ClockKind.Wall) return block.timestamp;
        uint256 start = t.clockStart;
        uint256 elapsed = block.timestamp > start ? block.timestamp - start : 0;
        return uint256(t.clockOrigin) + elapsed * t.clockSpeed;
    }

    function _store() private pure returns (Store storage $) {
        assembly ("memory-safe") {
            $.slot := STORE
        }
    }

    function _authorizeUpgrade(address) internal override restricted {}
}
