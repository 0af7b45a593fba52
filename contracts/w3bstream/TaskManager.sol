// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";

import {ICredentialRegistry} from "../interfaces/identity/ICredentialRegistry.sol";
import {IDataKeyRegistry} from "../interfaces/identity/IDataKeyRegistry.sol";
import {IIoID} from "../interfaces/identity/IIoID.sol";
import {IMemberships} from "../interfaces/identity/IMemberships.sol";
import {IProjectStore} from "../interfaces/w3bstream/IProjectStore.sol";
import {IProverStore} from "../interfaces/w3bstream/IProverStore.sol";
import {ITaskEscrow, Payout} from "../interfaces/w3bstream/ITaskEscrow.sol";
import {ITaskManager, Settlement, TaskAssignment} from "../interfaces/w3bstream/ITaskManager.sol";
import {TokenAccount} from "../libraries/TokenAccount.sol";
import {AssignmentTerms, Rates} from "../types/Terms.sol";
import {Refusal, TaskRecord, TaskRecords, TaskState} from "../types/Tasks.sol";

/// @title See `ITaskManager`.
/// @dev Wiring: constructor(projectStore, proverStore, ioID, dataKeyRegistry, memberships, credentialRegistry), all deployed before;
/// initialize(authority); then, once the escrow and the router are deployed, setEscrow and setRouter.
contract TaskManager is ITaskManager, AccessManagedUpgradeable, UUPSUpgradeable {
    /// @dev Bounds every loop over assignments; 64 first-time assignments stay far below the gas cap of EIP-7825.
    uint256 public constant MAX_BATCH = 64;
    /// @dev Length of a `TaskAssignment.signature`: address ‖ uint32.
    uint256 private constant SUBJECT_LENGTH = 24;

    /// @custom:storage-location erc7201:trellis.storage.TaskManager
    struct Store {
        address router;
        address escrow;
        mapping(address account => bool) operators;
        mapping(bytes32 taskId => TaskRecord) tasks;
        mapping(uint256 projectId => mapping(address device => mapping(uint256 word => uint256))) settled;
    }

    /// @dev One call of `assign`, and the project that its last item was of.
    struct Batch {
        address escrow;
        address sequencer;
        uint256 deadline;
        uint256 projectId;
        AssignmentTerms terms;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.TaskManager")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORE = 0x2f85c7bdafe817633ae9400ae6bb73882f6ffb61b359f9c5df17f24182d76900;

    /// @inheritdoc ITaskManager
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable projectStore;
    /// @inheritdoc ITaskManager
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable proverStore;
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable ioID;
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable dataKeyRegistry;
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable memberships;
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address public immutable credentialRegistry;
    // Fixed for ever in the ioID contract, so a wallet's address is computed here instead of asked for.
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address private immutable _walletRegistry;
    /// @custom:oz-upgrades-unsafe-allow state-variable-immutable
    address private immutable _walletImplementation;

    /// @custom:oz-upgrades-unsafe-allow constructor
    constructor(
        address projectStore_,
        address proverStore_,
        address ioID_,
        address dataKeyRegistry_,
        address memberships_,
        address credentialRegistry_
    ) {
        if (projectStore_ == address(0) || proverStore_ == address(0)) revert TaskManager_ZeroAddress();
        if (ioID_ == address(0) || dataKeyRegistry_ == address(0)) revert TaskManager_ZeroAddress();
        if (memberships_ == address(0) || credentialRegistry_ == address(0)) revert TaskManager_ZeroAddress();
        projectStore = projectStore_;
        proverStore = proverStore_;
        ioID = ioID_;
        dataKeyRegistry = dataKeyRegistry_;
        memberships = memberships_;
        credentialRegistry = credentialRegistry_;
        _walletRegistry = IIoID(ioID_).walletRegistry();
        _walletImplementation = IIoID(ioID_).walletImplementation();
        if (_walletRegistry == address(0) || _walletImplementation == address(0)) revert TaskManager_ZeroAddress();
        _disableInitializers();
    }

    function initialize(address authority_) external initializer {
        __AccessManaged_init(authority_);
    }

    /// @inheritdoc ITaskManager
    function assign(TaskAssignment calldata assignment, address sequencer, uint256 deadline) external {
        Batch memory batch = _open(sequencer, deadline);
        Refusal reason = _assign(assignment, batch);
        if (reason == Refusal.NoCredential) {
            revert TaskManager_NoCredential(_deviceOf(assignment), batch.terms.requiredCredential);
        }
        if (reason != Refusal.None) revert TaskManager_Refused(assignment.taskId, reason);
    }

    /// @inheritdoc ITaskManager
    function assign(TaskAssignment[] calldata taskAssignments, address sequencer, uint256 deadline) external {
        uint256 size = taskAssignments.length;
        if (size == 0 || size > MAX_BATCH) revert TaskManager_BatchSize(size, MAX_BATCH);
        Batch memory batch = _open(sequencer, deadline);
        for (uint256 i = 0; i < size; ++i) {
            TaskAssignment calldata assignment = taskAssignments[i];
            Refusal reason = _assign(assignment, batch);
            if (reason != Refusal.None) emit TaskSkipped(assignment.projectId, assignment.taskId, reason);
        }
    }

    /// @inheritdoc ITaskManager
    function recall(uint256 projectId, bytes32 taskId) external {
        Store storage $ = _store();
        TaskRecord task = $.tasks[taskId];
        TaskState state = task.state();
        if (state != TaskState.Assigned) revert TaskManager_WrongState(taskId, state, TaskState.Assigned);
        uint256 deadline = task.deadline();
        if (block.timestamp <= deadline) revert TaskManager_NotExpired(taskId, deadline, block.timestamp);
        $.tasks[taskId] = task.withState(TaskState.Recalled);
        address prover = task.prover();
        emit TaskRecalled(projectId, taskId, prover);
        IProverStore(proverStore).release(prover, 1);
        // The hold's key commits to the project: a wrong projectId finds no hold and reverts.
        ITaskEscrow($.escrow).release(
            projectId,
            IProjectStore(projectStore).tokenOf(projectId, task.version()),
            taskId
        );
    }

    /// @inheritdoc ITaskManager
    function settle(
        uint256 projectId,
        address prover,
        Rates calldata rates,
        Settlement[] calldata items
    ) external returns (address[] memory wallets) {
        if (msg.sender != _store().router) revert TaskManager_NotRouter(msg.sender);
        wallets = new address[](items.length);
        Payout[] memory payouts = new Payout[](items.length);
        uint256 settled;
        for (uint256 i = 0; i < items.length; ++i) {
            Settlement calldata item = items[i];
            address wallet = _settle(projectId, prover, item);
            if (wallet == address(0)) continue;
            wallets[i] = wallet;
            payouts[settled++] = Payout(item.taskId, wallet, uint256(rates.pricePerReading) * item.count);
        }
        if (settled == 0) return wallets;
        assembly ("memory-safe") {
            mstore(payouts, settled)
        }
        address beneficiary = IProverStore(proverStore).release(prover, settled);
        ITaskEscrow(_store().escrow).settle(
            projectId,
            rates.token,
            beneficiary,
            rates.proverFee,
            rates.sequencerFee,
            payouts
        );
    }

    /// @inheritdoc ITaskManager
    function addOperator(address operator) external restricted {
        if (operator == address(0)) revert TaskManager_ZeroAddress();
        _store().operators[operator] = true;
        emit OperatorAdded(operator);
    }

    /// @inheritdoc ITaskManager
    function removeOperator(address operator) external restricted {
        _store().operators[operator] = false;
        emit OperatorRemoved(operator);
    }

    /// @inheritdoc ITaskManager
    function setRouter(address router_) external restricted {
        Store storage $ = _store();
        if (router_ == address(0)) revert TaskManager_ZeroAddress();
        if ($.router != address(0)) revert TaskManager_AlreadySet($.router);
        $.router = router_;
        emit RouterSet(router_);
    }

    /// @inheritdoc ITaskManager
    function setEscrow(address escrow_) external restricted {
        Store storage $ = _store();
        if (escrow_ == address(0)) revert TaskManager_ZeroAddress();
        if ($.escrow != address(0)) revert TaskManager_AlreadySet($.escrow);
        $.escrow = escrow_;
        emit EscrowSet(escrow_);
    }

    /// @inheritdoc ITaskManager
    function operators(address operator) external view returns (bool) {
        return _store().operators[operator];
    }

    /// @inheritdoc ITaskManager
    function router() external view returns (address) {
        return _store().router;
    }

    /// @inheritdoc ITaskManager
    function escrow() external view returns (address) {
        return _store().escrow;
    }

    /// @inheritdoc ITaskManager
    function taskIdOf(uint256 projectId, address device, uint32 window, bytes32 root) public view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(this), projectId, device, window, root));
    }

    /// @inheritdoc ITaskManager
    function stateOf(bytes32 taskId) external view returns (TaskState) {
        return _store().tasks[taskId].state();
    }

    /// @inheritdoc ITaskManager
    function recordOf(bytes32 taskId) external view returns (TaskRecord) {
        return _store().tasks[taskId];
    }

    /// @inheritdoc ITaskManager
    function isWindowSettled(uint256 projectId, address device, uint32 window) external view returns (bool) {
        return _isWindowSettled(projectId, device, window);
    }

    /// @inheritdoc ITaskManager
    function settledBitmap(uint256 projectId, address device, uint32 word) external view returns (uint256) {
        return _store().settled[projectId][device][word];
    }

    /// @inheritdoc ITaskManager
    function records(
        uint256 projectId,
        bytes32 taskId
    )
        external
        view
        returns (
            bytes32 hash,
            address owner,
            address sequencer,
            address prover,
            uint256 rewardForProver,
            uint256 rewardForSequencer,
            uint256 deadline,
            bool settled
        )
    {
        TaskRecord task = _store().tasks[taskId];
        if (task.state() == TaskState.None) return (0, owner, sequencer, prover, 0, 0, 0, false);
        Rates memory rates = IProjectStore(projectStore).settlementTerms(projectId, task.version()).rates;
        owner = IProjectStore(projectStore).ownerOf(projectId);
        (sequencer, ) = ITaskEscrow(_store().escrow).holdOf(projectId, rates.token, taskId);
        prover = task.prover();
        rewardForProver = rates.proverFee;
        rewardForSequencer = rates.sequencerFee;
        deadline = task.deadline();
        settled = task.state() == TaskState.Settled;
    }

    function _open(address sequencer, uint256 deadline) private view returns (Batch memory batch) {
        Store storage $ = _store();
        if (!$.operators[msg.sender]) revert TaskManager_NotOperator(msg.sender);
        if (sequencer == address(0)) revert TaskManager_ZeroSequencer();
        if (deadline <= block.timestamp) revert TaskManager_DeadlinePast(deadline, block.timestamp);
        batch.escrow = $.escrow;
        batch.sequencer = sequencer;
        batch.deadline = deadline;
    }

    /// @dev Everything is checked before anything is written; the two calls that take (a place, a hold) come last and
    /// answer false without effect, and a place taken in vain is given back.
    function _assign(TaskAssignment calldata assignment, Batch memory batch) private returns (Refusal) {
        uint256 projectId = assignment.projectId;
        bytes32 taskId = assignment.taskId;
        AssignmentTerms memory terms = batch.terms;
        if (projectId != batch.projectId || terms.version == 0) {
            terms = IProjectStore(projectStore).assignmentTerms(projectId, msg.sender);
            batch.terms = terms;
            batch.projectId = projectId;
        }
        if (!terms.coordinator) return Refusal.NotCoordinator;
        if (terms.paused) return Refusal.ProjectPaused;
        if (terms.version == 0) return Refusal.NoTerms;
        if (batch.deadline - block.timestamp > terms.taskSeconds) return Refusal.Deadline;

        (Refusal reason, uint256 tokenId) = _checkSubject(assignment, projectId, taskId);
        if (reason != Refusal.None) return reason;
        // Asked at assignment only: what was assigned settles, as its terms say.
        bytes32 typeId = terms.requiredCredential;
        if (typeId != 0 && !ICredentialRegistry(credentialRegistry).isValid(_deviceOf(assignment), typeId)) {
            return Refusal.NoCredential;
        }

        address prover = assignment.prover;
        if (!IProverStore(proverStore).acquire(prover, projectId)) return Refusal.ProverUnavailable;
        if (!ITaskEscrow(batch.escrow).hold(projectId, terms.token, taskId, batch.sequencer, terms.hold)) {
            IProverStore(proverStore).release(prover, 1);
            return Refusal.Funds;
        }
        _store().tasks[taskId] = TaskRecords.assigned(prover, batch.deadline, tokenId, terms.version);
        emit TaskAssigned(projectId, taskId, prover, batch.deadline);
        return Refusal.None;
    }

    /// @return wallet  Zero, and nothing changed, when the task cannot settle (any more).
    function _settle(uint256 projectId, address prover, Settlement calldata item) private returns (address wallet) {
        Store storage $ = _store();
        bytes32 taskId = item.taskId;
        TaskRecord task = $.tasks[taskId];
        if (task.state() != TaskState.Assigned || task.prover() != prover) return address(0);
        uint256 window = item.window;
        mapping(uint256 => uint256) storage bitmap = $.settled[projectId][item.device];
        uint256 word = bitmap[window >> 8];
        uint256 bit = 1 << (window & 0xff);
        if (word & bit != 0) return address(0);
        bitmap[window >> 8] = word | bit;
        $.tasks[taskId] = task.withState(TaskState.Settled);
        emit TaskSettled(projectId, taskId, prover);
        return _walletOf(task.tokenId());
    }

    /// @dev What the task is about: its id, its state, its device, window and data key.
    function _checkSubject(
        TaskAssignment calldata assignment,
        uint256 projectId,
        bytes32 taskId
    ) private view returns (Refusal reason, uint256 tokenId) {
        bytes calldata subject = assignment.signature;
        if (subject.length != SUBJECT_LENGTH) return (Refusal.Malformed, 0);
        address device = address(bytes20(subject[:20]));
        uint32 window = uint32(bytes4(subject[20:]));
        if (taskId != taskIdOf(projectId, device, window, assignment.hash)) return (Refusal.Malformed, 0);

        TaskState state = _store().tasks[taskId].state();
        if (state == TaskState.Assigned || state == TaskState.Settled) return (Refusal.AlreadyAssigned, 0);
        if (_isWindowSettled(projectId, device, window)) return (Refusal.WindowSettled, 0);

        tokenId = IIoID(ioID).tokenIdOf(device);
        if (tokenId == 0 || tokenId > TaskRecords.MAX_TOKEN_ID) return (Refusal.DeviceNotLive, 0);
        // A device's own project answers at once; only for another one are its memberships asked.
        if (IIoID(ioID).deviceProject(device) != projectId && !IMemberships(memberships).isMember(projectId, device))
            return (Refusal.DeviceNotLive, 0);
        if (IDataKeyRegistry(dataKeyRegistry).commitmentAt(projectId, tokenId, window) == 0) {
            return (Refusal.NoDataKey, 0);
        }
    }

    function _deviceOf(TaskAssignment calldata assignment) private pure returns (address) {
        return address(bytes20(assignment.signature[:20]));
    }

    function _isWindowSettled(uint256 projectId, address device, uint32 window) private view returns (bool) {
        return (_store().settled[projectId][device][window >> 8] >> (window & 0xff)) & 1 != 0;
    }

    function _walletOf(uint256 tokenId) private view returns (address) {
        return TokenAccount.addressOf(_walletRegistry, _walletImplementation, ioID, tokenId);
    }

    function _store() private pure returns (Store storage $) {
        assembly ("memory-safe") {
            $.slot := STORE
        }
    }

    function _authorizeUpgrade(address) internal override restricted {}
}
