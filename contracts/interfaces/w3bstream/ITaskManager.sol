// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Rates} from "../../types/Terms.sol";
import {Refusal, TaskRecord, TaskState} from "../../types/Tasks.sol";

/// @dev Generation d. `hash` is the readings root; `signature` is abi.encodePacked(address device, uint32 window), 24 bytes: what
/// the device signed is checked in the proof, here it only says what the task is about.
struct TaskAssignment {
    uint256 projectId;
    bytes32 taskId;
    bytes32 hash;
    bytes signature;
    address prover;
}

/// @dev A proven task, as the router hands it over.
struct Settlement {
    bytes32 taskId;
    address device;
    uint32 window;
    uint8 count; // valid readings, 1..64
}

/// @title Tasks, from assignment to their one end.
/// @dev None → Assigned → Settled (final); Assigned → Recalled (after the deadline, by anybody) → Assigned (another attempt).
///
///     task id = keccak256(abi.encode(chainid, this, projectId, device, window, readings root))
///
/// so two coordinators that see the same window collide safely. A settled (project, device, window) is also a bit, and a second
/// root for that window never settles. A task is one storage slot; what it is about is recomputed from call data.
interface ITaskManager {
    event TaskAssigned(uint256 indexed projectId, bytes32 indexed taskId, address indexed prover, uint256 deadline);
    event TaskSettled(uint256 indexed projectId, bytes32 indexed taskId, address prover);
    event TaskRecalled(uint256 indexed projectId, bytes32 indexed taskId, address indexed prover);
    /// @notice An assignment of a batch was left out; the others stand.
    event TaskSkipped(uint256 indexed projectId, bytes32 indexed taskId, Refusal reason);
    event OperatorAdded(address operator);
    event OperatorRemoved(address operator);
    event RouterSet(address indexed router);
    event EscrowSet(address indexed escrow);

    error TaskManager_NotOperator(address caller);
    error TaskManager_NotRouter(address caller);
    error TaskManager_DeadlinePast(uint256 deadline, uint256 time);
    error TaskManager_ZeroSequencer();
    error TaskManager_BatchSize(uint256 size, uint256 max);
    /// @notice Why a single assignment was refused; a batch says it with `TaskSkipped`.
    error TaskManager_Refused(bytes32 taskId, Refusal reason);
    /// @notice The device does not hold a good credential of the type that the project requires.
    error TaskManager_NoCredential(address device, bytes32 typeId);
    error TaskManager_WrongState(bytes32 taskId, TaskState have, TaskState want);
    error TaskManager_NotExpired(bytes32 taskId, uint256 deadline, uint256 time);
    error TaskManager_AlreadySet(address current);
    error TaskManager_ZeroAddress();

    /// @notice Assigns one task; reverts with the reason when it cannot.
    /// @dev The caller is an operator and coordinates the project. Moves the task's hold from the project's free balance.
    /// @param sequencer  Who is credited the sequencer's fee when the task settles.
    /// @param deadline  Seconds; at most `taskSeconds` of the terms from now.
    function assign(TaskAssignment calldata assignment, address sequencer, uint256 deadline) external;

    /// @notice Assigns many; one that cannot be assigned is skipped with `TaskSkipped` and never stops the others.
    /// @param taskAssignments  1 to `MAX_BATCH`.
    function assign(TaskAssignment[] calldata taskAssignments, address sequencer, uint256 deadline) external;

    /// @notice Ends an assignment whose deadline passed; the hold returns to the project. Anybody may call; works whatever the
    /// project, its device or its prover did since.
    function recall(uint256 projectId, bytes32 taskId) external;

    /// @notice Settles proven tasks and pays. Router only.
    /// @dev A task that is not Assigned to `prover`, or whose window is settled, is skipped (wallet zero). Warning: trusts the router
    /// that each item was proven, belongs to `projectId`, and was assigned under the version that `rates` are of.
    /// @return wallets  The device's wallet per item, of the ioID recorded at assignment; zero where nothing was settled.
    function settle(
        uint256 projectId,
        address prover,
        Rates calldata rates,
        Settlement[] calldata items
    ) external returns (address[] memory wallets);

    /// @notice Makes `operator` able to assign (for projects that name it coordinator). Governance only.
    function addOperator(address operator) external;
    function removeOperator(address operator) external;
    /// @notice Once, at wiring: the router is deployed after the task manager. Governance only.
    function setRouter(address router) external;
    /// @notice Once, at wiring: the escrow's constructor names the task manager. Governance only.
    function setEscrow(address escrow) external;

    function operators(address operator) external view returns (bool);
    function router() external view returns (address);
    function escrow() external view returns (address);
    function projectStore() external view returns (address);
    function proverStore() external view returns (address);

    function taskIdOf(uint256 projectId, address device, uint32 window, bytes32 root) external view returns (bytes32);
    function stateOf(bytes32 taskId) external view returns (TaskState);
    /// @notice The task's storage slot; see `TaskRecord`. Its prover, deadline, ioID token id and terms version outlive its end.
    function recordOf(bytes32 taskId) external view returns (TaskRecord);
    function isWindowSettled(uint256 projectId, address device, uint32 window) external view returns (bool);
    /// @notice Bit b of word w is window 256·w + b.
    function settledBitmap(uint256 projectId, address device, uint32 word) external view returns (uint256);

    /// @notice Generation d's record, derived from the slot, the escrow's hold and the frozen terms.
    /// @dev `hash` is zero: the id commits to it. `sequencer` is zero once the task ended.
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
        );
}
