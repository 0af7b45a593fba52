// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITaskEscrow, Payout} from "../../../contracts/interfaces/w3bstream/ITaskEscrow.sol";
import {BlockingToken} from "../../../contracts/mocks/BlockingToken.sol";
import {FeeOnTransferToken} from "../../../contracts/mocks/FeeOnTransferToken.sol";
import {IdentityDouble} from "../../../contracts/mocks/IdentityDouble.sol";
import {TaskState} from "../../../contracts/types/Tasks.sol";
import {Terms} from "../../../contracts/types/Terms.sol";
import {Market} from "./Market.sol";

contract TaskEscrowTest is Market {
    function test_Deposit_ByAnybody() external {
        token.mint(STRANGER, 5);
        vm.startPrank(STRANGER);
        token.approve(address(escrow), 5);
        vm.expectEmit(address(escrow));
        emit ITaskEscrow.Deposited(PROJECT, address(token), STRANGER, 5);
        escrow.deposit(PROJECT, address(token), 5);
        assertEq(escrow.balanceOf(address(token), PROJECT), FUNDS + 5);
        vm.expectRevert(ITaskEscrow.TaskEscrow_ZeroAmount.selector);
        escrow.deposit(PROJECT, address(token), 0);
    }

    /// @dev Ids of projects are given out in turn: money for one that is not there yet would be the next one's to withdraw.
    function test_Deposit_RevertWhen_TheProjectDoesNotExist() external {
        token.mint(address(this), 5);
        token.approve(address(escrow), 5);
        vm.expectRevert(abi.encodeWithSelector(IdentityDouble.IdentityDouble_NoProject.selector, 8));
        escrow.deposit(8, address(token), 5);
    }

    /// @dev A token that answers nothing, as the older ones do, serves like any other.
    function test_ATokenWithoutAnswersServes() external {
        SilentToken silent = new SilentToken();
        silent.mint(address(this), FUNDS);
        silent.approve(address(escrow), FUNDS);
        escrow.deposit(PROJECT, address(silent), FUNDS);
        Terms memory terms = _terms();
        terms.token = address(silent);
        vm.prank(OWNER);
        projects.publishTerms(PROJECT, terms);
        _assign(DEVICE, 0, PROVER);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        assertEq(silent.balanceOf(_walletOf(DEVICE)), 64 * PRICE);
        escrow.claimFor(address(silent), SEQUENCER);
        assertEq(silent.balanceOf(SEQUENCER), SEQUENCER_FEE);
        vm.prank(OWNER);
        escrow.withdraw(PROJECT, address(silent), 1, OWNER);
        assertEq(silent.balanceOf(OWNER), 1);
    }

    /// @dev Attack 29: a token that takes a fee would leave the last one unpaid.
    function test_Attack29_Deposit_RevertWhen_TheTokenTakesAFee() external {
        FeeOnTransferToken taker = new FeeOnTransferToken();
        taker.mint(address(this), 1_000);
        taker.approve(address(escrow), 1_000);
        vm.expectRevert(abi.encodeWithSelector(ITaskEscrow.TaskEscrow_TakesFee.selector, address(taker), 990, 1_000));
        escrow.deposit(PROJECT, address(taker), 1_000);
    }

    function test_Withdraw_ByTheProjectsOwnerAlone() external {
        vm.expectRevert(abi.encodeWithSelector(ITaskEscrow.TaskEscrow_NotProjectOwner.selector, PROJECT, STRANGER));
        vm.prank(STRANGER);
        escrow.withdraw(PROJECT, address(token), 1, STRANGER);
    }

    function test_Withdraw_WorksWhilePausedAndLeavesHolds() external {
        _assign(DEVICE, 0, PROVER);
        vm.startPrank(OWNER);
        projects.pause(PROJECT);
        vm.expectRevert(
            abi.encodeWithSelector(
                ITaskEscrow.TaskEscrow_Balance.selector,
                PROJECT,
                address(token),
                FUNDS - HOLD,
                FUNDS
            )
        );
        escrow.withdraw(PROJECT, address(token), FUNDS, OWNER);
        vm.expectRevert(ITaskEscrow.TaskEscrow_ZeroAddress.selector);
        escrow.withdraw(PROJECT, address(token), 1, address(0));
        escrow.withdraw(PROJECT, address(token), FUNDS - HOLD, OWNER);
        vm.stopPrank();
        assertEq(token.balanceOf(OWNER), FUNDS - HOLD);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        assertEq(token.balanceOf(_walletOf(DEVICE)), 64 * PRICE);
    }

    function test_Claim_PaysOnce() external {
        _assign(DEVICE, 0, PROVER);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        vm.prank(SEQUENCER);
        assertEq(escrow.claim(address(token), STRANGER), SEQUENCER_FEE);
        assertEq(token.balanceOf(STRANGER), SEQUENCER_FEE);
        bytes memory nothing = abi.encodeWithSelector(
            ITaskEscrow.TaskEscrow_NothingToClaim.selector,
            address(token),
            SEQUENCER
        );
        vm.expectRevert(nothing);
        vm.prank(SEQUENCER);
        escrow.claim(address(token), STRANGER);
        vm.expectRevert(nothing);
        escrow.claimFor(address(token), SEQUENCER);
        address wallet = provers.beneficiary(PROVER);
        vm.prank(STRANGER);
        assertEq(escrow.claimFor(address(token), wallet), PROVER_FEE);
        assertEq(token.balanceOf(wallet), PROVER_FEE);
    }

    function test_MoneyOfTasks_IsTheTaskManagersToMove() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        bytes memory refused = abi.encodeWithSelector(ITaskEscrow.TaskEscrow_NotTaskManager.selector, OWNER);
        vm.startPrank(OWNER);
        vm.expectRevert(refused);
        escrow.hold(PROJECT, address(token), id, OWNER, 1);
        vm.expectRevert(refused);
        escrow.release(PROJECT, address(token), id);
        vm.expectRevert(refused);
        escrow.settle(PROJECT, address(token), OWNER, 0, 0, new Payout[](0));
    }

    /// @dev Should the task manager ever err: a hold pays no more than it holds, and only once.
    function test_Attack9_AHoldPaysAtMostItselfAndOnce() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        _assign(DEVICE, 1, PROVER);
        Payout[] memory payouts = new Payout[](1);
        payouts[0] = Payout(id, STRANGER, HOLD + 1);
        vm.startPrank(address(manager));
        vm.expectRevert(abi.encodeWithSelector(ITaskEscrow.TaskEscrow_OverHold.selector, id, HOLD, HOLD + 1));
        escrow.settle(PROJECT, address(token), PROVER, 0, 0, payouts);
        payouts[0].devicePay = HOLD;
        escrow.settle(PROJECT, address(token), PROVER, 0, 0, payouts);
        vm.expectRevert(abi.encodeWithSelector(ITaskEscrow.TaskEscrow_NoHold.selector, id));
        escrow.settle(PROJECT, address(token), PROVER, 0, 0, payouts);
        vm.expectRevert(abi.encodeWithSelector(ITaskEscrow.TaskEscrow_NoHold.selector, id));
        escrow.release(PROJECT, address(token), id);
        vm.stopPrank();
        assertEq(escrow.balanceOf(address(token), PROJECT), FUNDS - 2 * HOLD);
    }

    /// @dev Should the task manager ever err: a second hold of a task does not bury the first one's money.
    function test_Attack9_AHoldIsNeverWrittenOver() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        vm.expectRevert(abi.encodeWithSelector(ITaskEscrow.TaskEscrow_HoldExists.selector, id));
        vm.prank(address(manager));
        escrow.hold(PROJECT, address(token), id, STRANGER, 1);
    }

    /// @dev A wallet that the token blocks, in every way a token can: it is credited, and everybody else is paid.
    function test_APushThatFailsIsCredited() external {
        BlockingToken blocking = _useBlockingToken();
        address wallet = _walletOf(DEVICE);
        for (uint32 mode = 1; mode <= 4; ++mode) {
            uint256 snapshot = vm.snapshotState();
            blocking.set(wallet, BlockingToken.Mode(mode));
            bytes32 id = _assign(DEVICE, mode, PROVER);
            _assign(DEVICE_TWO, mode, PROVER);
            vm.expectEmit(address(escrow));
            emit ITaskEscrow.PushFailed(address(blocking), wallet, 64 * PRICE);
            _route(
                PROVER,
                _items(_prove(PROJECT, DEVICE, mode, PROVER, 64), _prove(PROJECT, DEVICE_TWO, mode, PROVER, 64))
            );
            assertEq(uint256(manager.stateOf(id)), uint256(TaskState.Settled));
            assertEq(escrow.credited(address(blocking), wallet), 64 * PRICE);
            assertEq(blocking.balanceOf(_walletOf(DEVICE_TWO)), 64 * PRICE);
            assertEq(escrow.credited(address(blocking), provers.beneficiary(PROVER)), 2 * PROVER_FEE);
            blocking.set(wallet, BlockingToken.Mode.None);
            escrow.claimFor(address(blocking), wallet);
            assertEq(blocking.balanceOf(wallet), 64 * PRICE);
            vm.revertToState(snapshot);
        }
    }

    /// @dev A token that calls back during a push finds the books closed.
    function test_AReentrantTokenTakesNothingTwice() external {
        BlockingToken blocking = _useBlockingToken();
        address wallet = _walletOf(DEVICE);
        address beneficiary = provers.beneficiary(PROVER);
        blocking.set(wallet, BlockingToken.Mode.CallsBack);
        blocking.setCall(address(escrow), abi.encodeCall(ITaskEscrow.claimFor, (address(blocking), beneficiary)));
        _assign(DEVICE, 0, PROVER);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        assertTrue(blocking.calledBack());
        uint256 paid = blocking.balanceOf(beneficiary) + escrow.credited(address(blocking), beneficiary);
        assertEq(paid, PROVER_FEE);
        assertEq(blocking.balanceOf(address(escrow)), FUNDS - 64 * PRICE - PROVER_FEE);
    }

    /// @dev Starved of gas, the push may not fail: the call reverts as a whole or the wallet is paid.
    function testFuzz_TheCallerCannotTurnAPushIntoACredit(uint256 gas_) external {
        vm.prank(OWNER);
        router.unbindDapp(PROJECT);
        _assign(DEVICE, 0, PROVER);
        bytes memory call_ = abi.encodeCall(
            router.route,
            (
                PROVER,
                PROJECT,
                _idsOf(PROJECT, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64))),
                abi.encode(_items(_prove(PROJECT, DEVICE, 0, PROVER, 64)))
            )
        );
        (bool success, ) = address(router).call{gas: bound(gas_, 50_000, 900_000)}(call_);
        assertEq(token.balanceOf(_walletOf(DEVICE)), success ? 64 * PRICE : 0);
        assertEq(escrow.credited(address(token), _walletOf(DEVICE)), 0);
    }

    function _useBlockingToken() private returns (BlockingToken blocking) {
        blocking = new BlockingToken();
        blocking.mint(address(this), FUNDS);
        blocking.approve(address(escrow), FUNDS);
        escrow.deposit(PROJECT, address(blocking), FUNDS);
        Terms memory terms = _terms();
        terms.token = address(blocking);
        vm.prank(OWNER);
        projects.publishTerms(PROJECT, terms);
    }
}

/// @dev Transfers and approvals return nothing (USDT on Ethereum).
contract SilentToken {
    mapping(address account => uint256) public balanceOf;
    mapping(address owner => mapping(address spender => uint256)) public allowance;

    function mint(address to, uint256 amount) external {
        balanceOf[to] += amount;
    }

    function approve(address spender, uint256 amount) external {
        allowance[msg.sender][spender] = amount;
    }

    function transfer(address to, uint256 amount) external {
        _move(msg.sender, to, amount);
    }

    function transferFrom(address from, address to, uint256 amount) external {
        allowance[from][msg.sender] -= amount;
        _move(from, to, amount);
    }

    function _move(address from, address to, uint256 amount) private {
        balanceOf[from] -= amount;
        balanceOf[to] += amount;
    }
}
