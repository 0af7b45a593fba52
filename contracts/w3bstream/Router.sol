// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {IDataKeyRegistry} from "../interfaces/identity/IDataKeyRegistry.sol";
import {IProgramRegistry} from "../interfaces/verifiers/IProgramRegistry.sol";
import {IVerifier} from "../interfaces/verifiers/IVerifier.sol";
import {IDapp} from "../interfaces/w3bstream/IDapp.sol";
import {IProjectStore} from "../interfaces/w3bstream/IProjectStore.sol";
import {IRouter} from "../interfaces/w3bstream/IRouter.sol";
import {ITaskManager, Settlement} from "../interfaces/w3bstream/ITaskManager.sol";
import {BoundedCall} from "../libraries/BoundedCall.sol";
import {Statistics} from "../types/Statistics.sol";
import {TaskRecord, TaskState, WindowResult} from "../types/Tasks.sol";
import {MAX_WINDOW_READINGS, SettlementTerms} from "../types/Terms.sol";

/// @title See `IRouter`.
/// @dev Wiring: constructor(taskManager, proverStore, projectStore, programRegistry, dataKeyRegistry), all deployed before;
/// initialize(authority); then TaskManager.setRouter and ProjectStore.setRouter.
contract Router is IRouter, AccessManagedUpgradeable, UUPSUpgradeable, ReentrancyGuardTransient {
    /// @dev Bounds every loop; 32 proofs at 210k gas are under half of the gas cap of EIP-7825.
    uint256 public constant MAX_ITEMS = 32;
    /// @dev Kept back for what follows the dapp call: the failure's slot, two events and the return.
    uint256 public constant GAS_RESERVE = 80_000;
    /// @dev Most bytes that are copied of what a dapp returns.
    uint256 public constant MAX_REASON = 256;
    uint256 private constant ITEM_BYTES = 384;

    /// @dev `Item` with every field a whole word, so that dirty bits in one item are refused here instead of reverting the call.
    struct RawItem {
        uint256 device;
        uint256 window;
        bytes32 root;
        uint256 statistics;
        uint256[8] proof;
    }

    /// @dev One call of `route`.
    struct Batch {
        uint256 projectId;
        address prover;
        uint32 version; // of the first good item; 0 before it
        address verifier;
        bytes32 keyId;
        uint256 accepted;
        bytes firstReason;
        SettlementTerms terms;
        Settlement[] settlements;
        Statistics[] statistics;
    }

    /// @custom:storage-location erc7201:trellis.storage.Router
    struct Store {
        mapping(bytes32 delivery => bool) undelivered;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.Router")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0xe3a0d4d52245e50ec7643b357bc4ec051956d34f0d747c1aae016db9c5176d00;

    /// @inheritdoc IRouter
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable taskManager;
    /// @inheritdoc IRouter
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable proverStore;
    /// @inheritdoc IRouter
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable projectStore;
    /// @inheritdoc IRouter
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable programRegistry;
    /// @inheritdoc IRouter
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable dataKeyRegistry;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor(
        address taskManager_,
        address proverStore_,
        address projectStore_,
        address programRegistry_,
        address dataKeyRegistry_
    ) {
        if (taskManager_ == address(0) || proverStore_ == address(0) || projectStore_ == address(0)) {
            revert Router_ZeroAddress();
        }
        if (programRegistry_ == address(0) || dataKeyRegistry_ == address(0)) revert Router_ZeroAddress();
        taskManager = taskManager_;
        proverStore = proverStore_;
        projectStore = projectStore_;
        programRegistry = programRegistry_;
        dataKeyRegistry = dataKeyRegistry_;
        _disableInitializers();
    }

    function initialize(address authority_) external initializer {
        __AccessManaged_init(authority_);
    }

    /// @inheritdoc IRouter
    function route(
        address _prover,
        uint256 _projectId,
        bytes32[] calldata _taskIds,
        bytes calldata _data
    ) external nonReentrant {
        RawItem[] calldata items = _decode(_taskIds.length, _data);
        Batch memory batch;
        batch.projectId = _projectId;
        batch.prover = _prover;
        batch.settlements = new Settlement[](items.length);
        batch.statistics = new Statistics[](items.length);
        for (uint256 i = 0; i < items.length; ++i) {
            bytes memory reason = _check(_taskIds[i], items[i], batch);
            if (reason.length == 0) continue;
            if (batch.firstReason.length == 0) batch.firstReason = reason;
            emit ItemRefused(_projectId, _taskIds[i], reason);
        }
        if (batch.accepted == 0) revert Router_EveryItemRefused(batch.firstReason);
        (bytes32[] memory taskIds, WindowResult[] memory results) = _settle(batch);
        if (batch.terms.receiver != address(0)) {
            _deliver(_prover, _projectId, batch.terms.receiver, batch.terms.dappGas, taskIds, abi.encode(results));
        }
    }

    /// @inheritdoc IRouter
    function retry(
        address _prover,
        uint256 _projectId,
        address _receiver,
        uint32 _dappGas,
        bytes32[] calldata _taskIds,
        bytes calldata _results
    ) external nonReentrant {
        bytes32 delivery = _deliveryOf(_prover, _projectId, _receiver, _dappGas, _taskIds, _results);
        Store storage $ = _store();
        if (!$.undelivered[delivery]) revert Router_UnknownDelivery(delivery);
        delete $.undelivered[delivery];
        bytes memory call_ = abi.encodeCall(IDapp.process, (_prover, _projectId, _taskIds, _results));
        _requireGas(_dappGas);
        (bool success, bytes memory reason) = BoundedCall.tryCall(
            _receiver,
            gasleft() - GAS_RESERVE / 2,
            call_,
            MAX_REASON
        );
        if (!success) revert Router_DeliveryFailed(reason);
        emit DeliveryRetried(_projectId, delivery);
        emit DataProcessed(_projectId, uint160(_prover), msg.sender, true, "");
    }

    /// @inheritdoc IRouter
    function bindDapp(uint256 _projectId, address _dapp) external {
        if (_dapp == address(0)) revert Router_ZeroAddress();
        _requireProjectOwner(_projectId);
        IProjectStore(projectStore).setReceiver(_projectId, _dapp);
        emit DappBound(_projectId, msg.sender, _dapp);
    }

    /// @inheritdoc IRouter
    function unbindDapp(uint256 _projectId) external {
        _requireProjectOwner(_projectId);
        IProjectStore(projectStore).setReceiver(_projectId, address(0));
        emit DappUnbound(_projectId, msg.sender);
    }

    /// @inheritdoc IRouter
    function dapp(uint256 _projectId) external view returns (address) {
        return IProjectStore(projectStore).receiverOf(_projectId);
    }

    /// @inheritdoc IRouter
    function isUndelivered(bytes32 delivery) external view returns (bool) {
        return _store().undelivered[delivery];
    }

    /// @inheritdoc IRouter
    function contextOf(
        uint256 projectId,
        address device,
        bytes32 taskId,
        address prover,
        uint32 window,
        bytes32 programId,
        bytes32 termsId
    ) public view returns (uint256) {
        // One task per proof today: its root is the hash of the one id.
        bytes32 taskIdsRoot = keccak256(abi.encode(taskId));
        return
            uint256(
                keccak256(
                    abi.encode(
                        block.chainid,
                        address(this),
                        projectId,
                        device,
                        taskIdsRoot,
                        prover,
                        window,
                        programId,
                        termsId
                    )
                )
            ) >> 8;
    }

    /// @dev Canonical abi.encode(Item[]) only: the offset word, the length, then whole items.
    function _decode(uint256 tasks, bytes calldata data) private pure returns (RawItem[] calldata items) {
        if (tasks > MAX_ITEMS) revert Router_TooManyItems(tasks, MAX_ITEMS);
        uint256 size = data.length < 64 ? 0 : uint256(bytes32(data[32:64]));
        if (tasks == 0 || size != tasks) revert Router_LengthMismatch(tasks, size);
        if (uint256(bytes32(data[:32])) != 0x20 || data.length != 64 + tasks * ITEM_BYTES) revert Router_Malformed();
        assembly ("memory-safe") {
            items.offset := add(data.offset, 64)
            items.length := tasks
        }
    }

    /// @return reason  Empty when the item was accepted into the batch.
    function _check(
        bytes32 taskId,
        RawItem calldata item,
        Batch memory batch
    ) private view returns (bytes memory reason) {
        if (item.device >> 160 != 0 || item.window >> 32 != 0) return abi.encodeWithSelector(Router_Malformed.selector);
        address device = address(uint160(item.device));
        uint32 window = uint32(item.window);
        // As TaskManager.taskIdOf, without the call.
        bytes32 derived = keccak256(abi.encode(block.chainid, taskManager, batch.projectId, device, window, item.root));
        if (derived != taskId) return abi.encodeWithSelector(Router_TaskMismatch.selector, taskId, derived);

        TaskRecord task = ITaskManager(taskManager).recordOf(taskId);
        TaskState state = task.state();
        if (state != TaskState.Assigned) return abi.encodeWithSelector(Router_NotAssigned.selector, uint8(state));
        if (task.prover() != batch.prover) return abi.encodeWithSelector(Router_OtherProver.selector, task.prover());
        uint32 version = task.version();
        bool first = batch.version == 0;
        if (first) {
            _load(batch, version);
        } else if (batch.version != version) {
            return abi.encodeWithSelector(Router_OtherTerms.selector, version, batch.version);
        }

        reason = _checkStatistics(Statistics.wrap(item.statistics), window, batch.terms);
        if (reason.length == 0) reason = _checkProof(taskId, item, task.tokenId(), batch);
        if (reason.length == 0) {
            uint256 place = batch.accepted++;
            batch.settlements[place] = Settlement(taskId, device, window, Statistics.wrap(item.statistics).count());
            batch.statistics[place] = Statistics.wrap(item.statistics);
        } else if (batch.accepted == 0) {
            // A bad item must not choose the terms for those behind it.
            batch.version = 0;
        }
    }

    function _load(Batch memory batch, uint32 version) private view {
        batch.version = version;
        batch.terms = IProjectStore(projectStore).settlementTerms(batch.projectId, version);
        (batch.verifier, batch.keyId) = IProgramRegistry(programRegistry).verifierOf(batch.terms.programId);
    }

    /// @dev The circuit computed these numbers; here they meet the task's terms.
    function _checkStatistics(
        Statistics statistics,
        uint32 window,
        SettlementTerms memory terms
    ) private pure returns (bytes memory) {
        uint256 count = statistics.count();
        if (
            !statistics.isCanonical() ||
            statistics.window() != window ||
            statistics.threshold() != terms.threshold ||
            statistics.rangeMax() != terms.rangeMax ||
            count == 0 ||
            count > MAX_WINDOW_READINGS
        ) return abi.encodeWithSelector(Router_BadStatistics.selector, Statistics.unwrap(statistics));
        if (statistics.firstTime() > terms.horizon) {
            return abi.encodeWithSelector(Router_FutureReadings.selector, statistics.firstTime(), terms.horizon);
        }
        return "";
    }

    function _checkProof(
        bytes32 taskId,
        RawItem calldata item,
        uint256 tokenId,
        Batch memory batch
    ) private view returns (bytes memory) {
        uint32 window = uint32(item.window);
        uint256 key = IDataKeyRegistry(dataKeyRegistry).commitmentAt(batch.projectId, tokenId, window);
        if (key == 0) return abi.encodeWithSelector(Router_NoDataKey.selector, tokenId, window);
        uint256[] memory signals = new uint256[](4);
        signals[0] = contextOf(
            batch.projectId,
            address(uint160(item.device)),
            taskId,
            batch.prover,
            window,
            batch.terms.programId,
            batch.terms.termsId
        );
        signals[1] = uint256(item.root);
        signals[2] = item.statistics;
        signals[3] = key;
        bytes memory call_ = abi.encodeCall(IVerifier.verify, (batch.keyId, item.proof, signals));
        if (!BoundedCall.isTrue(batch.verifier, call_)) return abi.encodeWithSelector(Router_BadProof.selector);
        return "";
    }

    /// @dev Settles what was accepted, and keeps what the task manager confirms.
    function _settle(Batch memory batch) private returns (bytes32[] memory taskIds, WindowResult[] memory results) {
        uint256 size = batch.accepted;
        Settlement[] memory settlements = batch.settlements;
        assembly ("memory-safe") {
            mstore(settlements, size)
        }
        address[] memory wallets = ITaskManager(taskManager).settle(
            batch.projectId,
            batch.prover,
            batch.terms.rates,
            settlements
        );
        taskIds = new bytes32[](size);
        results = new WindowResult[](size);
        uint256 settled;
        for (uint256 i = 0; i < size; ++i) {
            Settlement memory item = settlements[i];
            if (wallets[i] == address(0)) {
                bytes memory reason = abi.encodeWithSelector(Router_WindowTaken.selector, item.window);
                if (batch.firstReason.length == 0) batch.firstReason = reason;
                emit ItemRefused(batch.projectId, item.taskId, reason);
                continue;
            }
            taskIds[settled] = item.taskId;
            results[settled] = _resultOf(item, wallets[i], batch.statistics[i]);
            ++settled;
        }
        // Proven, but every window was paid before under another root: nothing to deliver.
        if (settled == 0) revert Router_EveryItemRefused(batch.firstReason);
        assembly ("memory-safe") {
            mstore(taskIds, settled)
            mstore(results, settled)
        }
    }

    /// @dev Attack 29: the caller cannot starve the dapp, because without the reserve the whole call reverts; and whatever the
    /// dapp does, what was settled stands.
    function _deliver(
        address prover,
        uint256 projectId,
        address receiver,
        uint32 dappGas,
        bytes32[] memory taskIds,
        bytes memory results
    ) private {
        bytes memory call_ = abi.encodeCall(IDapp.process, (prover, projectId, taskIds, results));
        _requireGas(dappGas);
        (bool success, bytes memory reason) = BoundedCall.tryCall(receiver, dappGas, call_, MAX_REASON);
        if (!success) {
            bytes32 delivery = _deliveryOf(prover, projectId, receiver, dappGas, taskIds, results);
            _store().undelivered[delivery] = true;
            emit DeliveryFailed(projectId, delivery, receiver, dappGas);
        }
        emit DataProcessed(projectId, uint160(prover), msg.sender, success, reason);
    }

    /// @dev EIP-150 keeps a 64th back from the callee.
    function _requireGas(uint256 dappGas) private view {
        uint256 need = (dappGas * 64) / 63 + GAS_RESERVE;
        if (gasleft() < need) revert Router_GasReserve(gasleft(), need);
    }

    function _requireProjectOwner(uint256 projectId) private view {
        address owner = IProjectStore(projectStore).ownerOf(projectId);
        if (owner == msg.sender) return;
        // v1: the owner of the proxy contract that owns the project. Anything but a clean answer is no.
        if (BoundedCall.ownerOf(owner) != msg.sender) revert Router_NotProjectOwner(projectId, msg.sender);
    }

    function _resultOf(
        Settlement memory item,
        address wallet,
        Statistics statistics
    ) private pure returns (WindowResult memory) {
        return
            WindowResult({
                device: item.device,
                wallet: wallet,
                window: item.window,
                firstSequence: statistics.firstSequence(),
                firstTime: statistics.firstTime(),
                count: item.count,
                above: statistics.above(),
                sum: statistics.sum(),
                min: statistics.min(),
                max: statistics.max()
            });
    }

    function _deliveryOf(
        address prover,
        uint256 projectId,
        address receiver,
        uint32 dappGas,
        bytes32[] memory taskIds,
        bytes memory results
    ) private pure returns (bytes32) {
        return keccak256(abi.encode(projectId, prover, receiver, dappGas, taskIds, results));
    }

    function _store() private pure returns (Store storage $) {
        assembly ("memory-safe") {
            $.slot := STORE
        }
    }

    function _authorizeUpgrade(address) internal override restricted {}
}
