// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {ITaskEscrow} from "../../../contracts/interfaces/w3bstream/ITaskEscrow.sol";
import {ITaskManager, Settlement, TaskAssignment} from "../../../contracts/interfaces/w3bstream/ITaskManager.sol";
import {Refusal, TaskRecord, TaskRecords, TaskState} from "../../../contracts/types/Tasks.sol";
import {Rates, Terms} from "../../../contracts/types/Terms.sol";
import {Market} from "./Market.sol";

contract TaskManagerTest is Market {
    function test_Assign_HoldsTheTasksOwnMoney() external {
        TaskAssignment memory assignment = _assignment(PROJECT, DEVICE, 0, PROVER);
        uint256 deadline = block.timestamp + 600;
        vm.expectEmit(address(manager));
        emit ITaskManager.TaskAssigned(PROJECT, assignment.taskId, PROVER, deadline);
        vm.prank(COORDINATOR);
        manager.assign(assignment, SEQUENCER, deadline);

        TaskRecord task = manager.recordOf(assignment.taskId);
        assertEq(uint256(task.state()), uint256(TaskState.Assigned));
        assertEq(task.prover(), PROVER);
        assertEq(task.deadline(), deadline);
        assertEq(task.tokenId(), identity.deviceTokenId(DEVICE));
        assertEq(task.version(), 1);
        (address sequencer, uint96 held) = escrow.holdOf(PROJECT, address(token), assignment.taskId);
        assertEq(sequencer, SEQUENCER);
        assertEq(held, HOLD);
        assertEq(escrow.balanceOf(address(token), PROJECT), FUNDS - HOLD);
        assertEq(provers.inflight(PROVER), 1);
    }

    function test_Records_AreDerivedFromTheFrozenTerms() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        Terms memory dearer = _terms();
        dearer.proverFee = 1_000;
        vm.prank(OWNER);
        projects.publishTerms(PROJECT, dearer);
        (
            ,
            address owner,
            address sequencer,
            address prover,
            uint256 fee,
            uint256 sequencing,
            uint256 deadline,
            bool settled
        ) = manager.records(PROJECT, id);
        assertEq(owner, OWNER);
        assertEq(sequencer, SEQUENCER);
        assertEq(prover, PROVER);
        assertEq(fee, PROVER_FEE);
        assertEq(sequencing, SEQUENCER_FEE);
        assertEq(deadline, block.timestamp + 600);
        assertFalse(settled);
    }

    function test_TaskId_IsDerived() external view {
        assertEq(
            manager.taskIdOf(PROJECT, DEVICE, 5, bytes32(uint256(6))),
            keccak256(abi.encode(block.chainid, address(manager), PROJECT, DEVICE, uint32(5), bytes32(uint256(6))))
        );
    }

    function test_Assign_RevertWhen_NotOperator() external {
        TaskAssignment memory assignment = _assignmentOf(0);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TaskManager_NotOperator.selector, STRANGER));
        vm.prank(STRANGER);
        manager.assign(assignment, SEQUENCER, block.timestamp + 1);
    }

    function test_Assign_RevertWhen_TheDeadlineIsPastOrNobodySequences() external {
        TaskAssignment memory assignment = _assignmentOf(0);
        vm.startPrank(COORDINATOR);
        vm.expectRevert(
            abi.encodeWithSelector(ITaskManager.TaskManager_DeadlinePast.selector, block.timestamp, block.timestamp)
        );
        manager.assign(assignment, SEQUENCER, block.timestamp);
        vm.expectRevert(ITaskManager.TaskManager_ZeroSequencer.selector);
        manager.assign(assignment, address(0), block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TaskManager_BatchSize.selector, 0, 64));
        manager.assign(new TaskAssignment[](0), SEQUENCER, block.timestamp + 1);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TaskManager_BatchSize.selector, 65, 64));
        manager.assign(new TaskAssignment[](65), SEQUENCER, block.timestamp + 1);
    }

    function test_Assign_NeedsBothOperatorAndCoordinator() external {
        vm.prank(OWNER);
        projects.setCoordinator(PROJECT, COORDINATOR, false);
        _expectRefused(_assignmentOf(0), Refusal.NotCoordinator);
    }

    function test_Assign_RefusedWhenPausedOrWithoutTerms() external {
        vm.prank(OWNER);
        projects.pause(PROJECT);
        _expectRefused(_assignmentOf(0), Refusal.ProjectPaused);
        identity.setProject(9, OWNER);
        vm.startPrank(OWNER);
        projects.bind(9);
        projects.setCoordinator(9, COORDINATOR, true);
        vm.stopPrank();
        _expectRefused(_assignment(9, DEVICE, 0, PROVER), Refusal.NoTerms);
    }

    /// @dev Attack 10: the deadline is a time in seconds, bounded by the terms.
    function test_Attack10_Assign_RefusedWhenTheDeadlineIsTooFar() external {
        TaskAssignment memory assignment = _assignmentOf(0);
        vm.expectRevert(_refused(assignment, Refusal.Deadline));
        vm.prank(COORDINATOR);
        manager.assign(assignment, SEQUENCER, block.timestamp + 601);
    }

    function test_Assign_RefusedWhenMalformed() external {
        TaskAssignment memory assignment = _assignmentOf(0);
        assignment.taskId = bytes32(uint256(assignment.taskId) ^ 1);
        _expectRefused(assignment, Refusal.Malformed);
        assignment = _assignmentOf(0);
        assignment.hash = bytes32(uint256(1));
        _expectRefused(assignment, Refusal.Malformed);
        assignment = _assignmentOf(0);
        assignment.signature = abi.encodePacked(DEVICE, uint64(0));
        _expectRefused(assignment, Refusal.Malformed);
        assignment.signature = "";
        _expectRefused(assignment, Refusal.Malformed);
    }

    /// @dev Attack 13: an assigned task cannot be given to somebody else before its time.
    function test_Attack13_Assign_RefusedWhenAssigned() external {
        _assign(DEVICE, 0, PROVER);
        _expectRefused(_assignment(PROJECT, DEVICE, 0, PROVER_TWO), Refusal.AlreadyAssigned);
    }

    function test_Assign_RefusedWhenSettled() external {
        _assign(DEVICE, 0, PROVER);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        _expectRefused(_assignmentOf(0), Refusal.AlreadyAssigned);
        bytes32 root = bytes32(uint256(1));
        TaskAssignment memory second = _assignmentOf(0);
        second.hash = root;
        second.taskId = manager.taskIdOf(PROJECT, DEVICE, 0, root);
        _expectRefused(second, Refusal.WindowSettled);
    }

    function test_Assign_RefusedWhenTheDeviceIsNotLiveOrOfAnotherProject() external {
        _openProject(8, OWNER);
        _expectRefused(_assignment(8, DEVICE, 0, PROVER), Refusal.DeviceNotLive);
        identity.removeDevice(DEVICE);
        _expectRefused(_assignmentOf(0), Refusal.DeviceNotLive);
        _expectRefused(_assignment(PROJECT, address(0xDEAD), 0, PROVER), Refusal.DeviceNotLive);
    }

    function test_Assign_RefusedWithoutADataKey() external {
        identity.setKey(PROJECT, identity.deviceTokenId(DEVICE), 0);
        _expectRefused(_assignmentOf(0), Refusal.NoDataKey);
    }

    function test_Assign_RefusedWhenTheProverIsNotIdle() external {
        vm.prank(PROVER);
        provers.pause();
        _expectRefused(_assignmentOf(0), Refusal.ProverUnavailable);
        vm.prank(PROVER);
        provers.resume();
        vm.prank(PROVER);
        provers.setCapacity(1);
        _assign(DEVICE, 1, PROVER);
        _expectRefused(_assignmentOf(0), Refusal.ProverUnavailable); // full
        vm.warp(block.timestamp + 121);
        _expectRefused(_assignment(PROJECT, DEVICE, 0, PROVER_TWO), Refusal.ProverUnavailable); // silent
        _expectRefused(_assignment(PROJECT, DEVICE, 0, STRANGER), Refusal.ProverUnavailable);
    }

    function test_Assign_RefusedWhenTheProjectCannotPay_AndTakesNoPlace() external {
        vm.prank(OWNER);
        escrow.withdraw(PROJECT, address(token), FUNDS - HOLD + 1, OWNER);
        _expectRefused(_assignmentOf(0), Refusal.Funds);
        assertEq(provers.inflight(PROVER), 0);
    }

    /// @dev Attack 14: what one item's project, device or prover does never stops the others of a batch.
    /// @dev Passport and stamps: the project names a type, and a device is admitted while its credential is good.
    function test_Assign_RevertWhen_TheRequiredCredentialIsMissing() public {
        bytes32 typeId = "calibrated";
        vm.prank(OWNER);
        projects.setRequiredCredential(PROJECT, typeId);
        TaskAssignment memory first = _assignmentOf(0);
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TaskManager_NoCredential.selector, DEVICE, typeId));
        manager.assign(first, SEQUENCER, block.timestamp + 600);

        identity.setCredential(DEVICE_TWO, typeId, true);
        TaskAssignment[] memory batch = new TaskAssignment[](2);
        batch[0] = first;
        batch[1] = _assignment(PROJECT, DEVICE_TWO, 0, PROVER);
        vm.expectEmit(address(manager));
        emit ITaskManager.TaskSkipped(PROJECT, first.taskId, Refusal.NoCredential);
        vm.prank(COORDINATOR);
        manager.assign(batch, SEQUENCER, block.timestamp + 600);
        assertEq(uint256(manager.stateOf(batch[1].taskId)), uint256(TaskState.Assigned));
        assertEq(uint256(manager.stateOf(first.taskId)), uint256(TaskState.None));

        identity.setCredential(DEVICE, "another", true);
        vm.prank(COORDINATOR);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TaskManager_NoCredential.selector, DEVICE, typeId));
        manager.assign(first, SEQUENCER, block.timestamp + 600);
        identity.setCredential(DEVICE, typeId, true);
        _assign(DEVICE, 0, PROVER);

        vm.prank(OWNER);
        projects.setRequiredCredential(PROJECT, 0);
        identity.setCredential(DEVICE, typeId, false);
        _assign(DEVICE, 1, PROVER_TWO);
    }

    function test_Attack14_ABatchSkipsWhatCannotStand() external {
        _assign(DEVICE, 0, PROVER);
        TaskAssignment[] memory batch = new TaskAssignment[](4);
        batch[0] = _assignmentOf(0); // the other coordinator was first
        batch[1] = _assignment(PROJECT, DEVICE, 1, STRANGER);
        batch[2] = _assignment(8, DEVICE, 1, PROVER);
        batch[3] = _assignment(PROJECT, DEVICE_TWO, 1, PROVER_TWO);
        vm.expectEmit(address(manager));
        emit ITaskManager.TaskSkipped(PROJECT, batch[0].taskId, Refusal.AlreadyAssigned);
        vm.expectEmit(address(manager));
        emit ITaskManager.TaskSkipped(PROJECT, batch[1].taskId, Refusal.ProverUnavailable);
        vm.expectEmit(address(manager));
        emit ITaskManager.TaskSkipped(8, batch[2].taskId, Refusal.NotCoordinator);
        vm.prank(COORDINATOR);
        manager.assign(batch, SEQUENCER, block.timestamp + 600);
        assertEq(uint256(manager.stateOf(batch[3].taskId)), uint256(TaskState.Assigned));
        assertEq(provers.inflight(PROVER_TWO), 1);
        assertEq(escrow.balanceOf(address(token), PROJECT), FUNDS - 2 * HOLD);
    }

    /// @dev Attack 9: recalling one task again and again takes nothing from the others.
    function test_Attack9_RecallReturnsExactlyItsOwnHoldOnce() external {
        bytes32 first = _assign(DEVICE, 0, PROVER);
        bytes32 second = _assign(DEVICE, 1, PROVER);
        vm.warp(block.timestamp + 601);
        vm.expectEmit(address(manager));
        emit ITaskManager.TaskRecalled(PROJECT, first, PROVER);
        vm.prank(STRANGER);
        manager.recall(PROJECT, first);
        for (uint256 i = 0; i < 3; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(
                    ITaskManager.TaskManager_WrongState.selector,
                    first,
                    TaskState.Recalled,
                    TaskState.Assigned
                )
            );
            manager.recall(PROJECT, first);
        }
        assertEq(escrow.balanceOf(address(token), PROJECT), FUNDS - HOLD);
        (, uint96 held) = escrow.holdOf(PROJECT, address(token), second);
        assertEq(held, HOLD);
        assertEq(provers.inflight(PROVER), 1);
    }

    function test_Attack9_RecallThroughAnotherProjectFindsNoMoney() external {
        _openProject(8, STRANGER);
        bytes32 id = _assign(DEVICE, 0, PROVER);
        vm.warp(block.timestamp + 601);
        vm.expectRevert(abi.encodeWithSelector(ITaskEscrow.TaskEscrow_NoHold.selector, id));
        vm.prank(STRANGER);
        manager.recall(8, id);
        assertEq(escrow.balanceOf(address(token), 8), FUNDS);
    }

    /// @dev Attack 10: no reassignment before expiry, and withholding never twice.
    function testFuzz_Attack10_NoRecallBeforeTheDeadline(uint256 elapsed) external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        elapsed = bound(elapsed, 0, 600);
        uint256 deadline = block.timestamp + 600;
        vm.roll(block.number + 1_000_000); // blocks do not count
        vm.warp(block.timestamp + elapsed);
        vm.expectRevert(
            abi.encodeWithSelector(ITaskManager.TaskManager_NotExpired.selector, id, deadline, block.timestamp)
        );
        manager.recall(PROJECT, id);
    }

    function test_Recall_LetsAnotherProverTry_AndTheFirstIsNotPaid() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        vm.warp(block.timestamp + 601);
        manager.recall(PROJECT, id);
        vm.prank(PROVER_TWO);
        provers.heartbeat();
        assertEq(_assign(DEVICE, 0, PROVER_TWO), id);
        _route(PROVER_TWO, _items(_prove(PROJECT, DEVICE, 0, PROVER_TWO, 64)));
        assertEq(escrow.credited(address(token), provers.beneficiary(PROVER)), 0);
        assertEq(escrow.credited(address(token), provers.beneficiary(PROVER_TWO)), PROVER_FEE);
        assertEq(provers.inflight(PROVER), 0);
    }

    function test_ALateProofStillSettlesWhileNobodyRecalled() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        vm.warp(block.timestamp + 10_000);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        assertEq(uint256(manager.stateOf(id)), uint256(TaskState.Settled));
        vm.expectRevert();
        manager.recall(PROJECT, id);
    }

    /// @dev What happens between assignment and settlement neither blocks nor redirects pay.
    function test_RemovalPauseAndNewTermsDoNotTouchARunningTask() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        address wallet = _walletOf(DEVICE);
        identity.removeDevice(DEVICE);
        identity.addDevice(PROJECT, DEVICE, STRANGER); // the identifier again, another ioID
        vm.prank(PROVER);
        provers.pause();
        Terms memory dearer = _terms();
        dearer.pricePerReading = 1_000;
        dearer.receiver = address(0);
        vm.startPrank(OWNER);
        projects.publishTerms(PROJECT, dearer);
        projects.pause(PROJECT);
        projects.setCoordinator(PROJECT, COORDINATOR, false);
        vm.stopPrank();
        manager.removeOperator(COORDINATOR);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        assertEq(uint256(manager.stateOf(id)), uint256(TaskState.Settled));
        assertEq(token.balanceOf(wallet), 64 * PRICE);
    }

    /// @dev Should the router ever err: a task is its prover's alone to settle.
    function test_Attack11_Settle_LeavesATaskOfAnotherProver() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        Settlement[] memory items = new Settlement[](1);
        items[0] = Settlement(id, DEVICE, 0, 64);
        Rates memory rates = projects.settlementTerms(PROJECT, 1).rates;
        vm.prank(address(router));
        address[] memory wallets = manager.settle(PROJECT, PROVER_TWO, rates, items);
        assertEq(wallets[0], address(0));
        assertEq(uint256(manager.stateOf(id)), uint256(TaskState.Assigned));
    }

    function test_Configuration_IsGovernances() external {
        bytes memory unauthorized = abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER);
        vm.startPrank(STRANGER);
        vm.expectRevert(unauthorized);
        manager.addOperator(STRANGER);
        vm.expectRevert(unauthorized);
        manager.setRouter(STRANGER);
        vm.expectRevert(unauthorized);
        manager.upgradeToAndCall(STRANGER, "");
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TaskManager_AlreadySet.selector, address(router)));
        manager.setRouter(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TaskManager_AlreadySet.selector, address(escrow)));
        manager.setEscrow(STRANGER);
    }

    function testFuzz_TaskRecord_KeepsItsFieldsApart(
        address prover,
        uint256 deadline,
        uint256 tokenId,
        uint16 version
    ) external pure {
        deadline = bound(deadline, 0, TaskRecords.MAX_DEADLINE);
        tokenId = bound(tokenId, 0, TaskRecords.MAX_TOKEN_ID);
        TaskRecord task = TaskRecords.assigned(prover, deadline, tokenId, version);
        for (uint256 i = 0; i < 4; ++i) {
            task = task.withState(TaskState(i));
            assertEq(uint256(task.state()), i);
            assertEq(task.prover(), prover);
            assertEq(task.deadline(), deadline);
            assertEq(task.tokenId(), tokenId);
            assertEq(task.version(), version);
        }
    }

    function _assignmentOf(uint32 window) private view returns (TaskAssignment memory) {
        return _assignment(PROJECT, DEVICE, window, PROVER);
    }

    function _refused(TaskAssignment memory assignment, Refusal reason) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ITaskManager.TaskManager_Refused.selector, assignment.taskId, reason);
    }

    /// @dev Alone it reverts with the reason; in a batch it is skipped with it.
    function _expectRefused(TaskAssignment memory assignment, Refusal reason) private {
        vm.expectRevert(_refused(assignment, reason));
        vm.prank(COORDINATOR);
        manager.assign(assignment, SEQUENCER, block.timestamp + 600);
        TaskAssignment[] memory batch = new TaskAssignment[](1);
        batch[0] = assignment;
        vm.expectEmit(address(manager));
        emit ITaskManager.TaskSkipped(assignment.projectId, assignment.taskId, reason);
        vm.prank(COORDINATOR);
        manager.assign(batch, SEQUENCER, block.timestamp + 600);
    }
}
