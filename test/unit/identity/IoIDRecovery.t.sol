// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IIoID} from "../../../contracts/interfaces/identity/IIoID.sol";
import {IIoIDRecovery} from "../../../contracts/interfaces/identity/IIoIDRecovery.sol";
import {IDeviceAccount} from "../../../contracts/interfaces/wallet/IDeviceAccount.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

contract IoIDRecoveryTest is IdentityFixture {
    uint32 private constant DELAY = 7 days;
    address private guardian = address(0x6A);
    address private fresh = address(0xF4E5);
    uint256[] private ids;

    function setUp() public {
        deployIdentity();
        ids.push(registerDevice(0xD1, owner));
        ids.push(registerDevice(0xD2, owner));
        vm.startPrank(owner);
        recovery.setPolicy(guardian, DELAY);
        ioID.setApprovalForAll(address(recovery), true);
        vm.stopPrank();
    }

    function test_Recovers_IoIDAndWallet() public {
        address payable wallet = payable(ioID.walletOf(ids[0]));
        vm.deal(wallet, 1 ether);
        _start();
        vm.warp(block.timestamp + DELAY);
        vm.prank(mallory);
        recovery.finish(owner);
        assertEq(ioID.ownerOf(ids[0]), fresh);
        assertEq(ioID.ownerOf(ids[1]), fresh);
        vm.prank(fresh);
        IDeviceAccount(wallet).execute(fresh, 1 ether, "", 0);
        assertEq(fresh.balance, 1 ether);
        // Once.
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_NothingRuns.selector, owner));
        recovery.finish(owner);
    }

    function test_Start_RevertWhen_NotTheGuardian() public {
        bytes memory refusal = abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_NotGuardian.selector, owner, mallory);
        vm.startPrank(mallory);
        vm.expectRevert(refusal);
        recovery.start(ids, owner, mallory);
        // A guardian of one's own is none of another's.
        recovery.setPolicy(mallory, DELAY);
        vm.expectRevert(refusal);
        recovery.start(ids, owner, mallory);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_NotOwned.selector, ids[0], mallory));
        recovery.start(ids, mallory, guardian);
        vm.stopPrank();
        // Nor is the owner.
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_NotGuardian.selector, owner, owner));
        recovery.start(ids, owner, fresh);
    }

    function test_Start_RevertWhen_Malformed() public {
        vm.startPrank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_BadSize.selector, 0, 64));
        recovery.start(new uint256[](0), owner, fresh);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_BadSize.selector, 65, 64));
        recovery.start(new uint256[](65), owner, fresh);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_BadReceiver.selector, address(0)));
        recovery.start(ids, owner, address(0));
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_BadReceiver.selector, owner));
        recovery.start(ids, owner, owner);
    }

    function test_SetPolicy_RevertWhen_TheDelayIsOutside() public {
        uint32[4] memory delays = [0, 3 days - 1, 90 days + 1, type(uint32).max];
        for (uint256 i = 0; i < delays.length; ++i) {
            vm.expectRevert(
                abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_BadDelay.selector, delays[i], 3 days, 90 days)
            );
            recovery.setPolicy(guardian, delays[i]);
        }
        recovery.setPolicy(guardian, 3 days);
        recovery.setPolicy(guardian, 90 days);
        recovery.setPolicy(address(0), 1);
        assertEq(recovery.policyOf(address(this)).delay, 0);
    }

    function test_Fuzz_Finish_OnlyInItsTime(uint32 passed) public {
        passed = uint32(bound(passed, 0, 60 days));
        _start();
        uint64 ripeAt = uint64(block.timestamp) + DELAY;
        vm.warp(block.timestamp + passed);
        if (passed < DELAY) {
            vm.expectRevert(
                abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_NotRipe.selector, ripeAt, block.timestamp)
            );
        } else if (passed > DELAY + 14 days) {
            vm.expectRevert(
                abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_Expired.selector, ripeAt + 14 days, block.timestamp)
            );
        }
        recovery.finish(owner);
        bool moved = passed >= DELAY && passed <= DELAY + 14 days;
        assertEq(ioID.ownerOf(ids[0]), moved ? fresh : owner);
    }

    function test_Cancel_AtAnyTime_ByTheOwnerAlone() public {
        _start();
        address[3] memory others = [mallory, guardian, fresh];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_NotOwner.selector, owner, others[i]));
            recovery.cancel(owner);
        }
        vm.warp(block.timestamp + DELAY);
        vm.startPrank(owner);
        recovery.cancel(owner);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_NothingRuns.selector, owner));
        recovery.cancel(owner);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_NothingRuns.selector, owner));
        recovery.finish(owner);
        assertEq(ioID.ownerOf(ids[0]), owner);
    }

    function test_SetPolicy_CancelsWhatRuns() public {
        _start();
        vm.prank(owner);
        vm.expectEmit(address(recovery));
        emit IIoIDRecovery.RecoveryCancelled(owner);
        recovery.setPolicy(mallory, 3 days);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_NothingRuns.selector, owner));
        recovery.finish(owner);
        vm.prank(guardian);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_NotGuardian.selector, owner, guardian));
        recovery.start(ids, owner, fresh);
    }

    /// @dev A second start waits the whole delay again: nobody slips another receiver into a ripe request.
    function test_Start_Again_BeginsAnew() public {
        _start();
        vm.warp(block.timestamp + DELAY);
        vm.prank(guardian);
        recovery.start(ids, owner, mallory);
        vm.expectRevert(
            abi.encodeWithSelector(
                IIoIDRecovery.IoIDRecovery_NotRipe.selector,
                block.timestamp + DELAY,
                block.timestamp
            )
        );
        recovery.finish(owner);
    }

    /// @dev What was sold or removed meanwhile is left out, and holds nothing up.
    function test_Finish_LeavesOutWhatIsNoLongerTheOwners() public {
        uint256 third = registerDevice(0xD3, owner);
        ids.push(third);
        _start();
        vm.prank(owner);
        ioID.transferFrom(owner, projectOwner, ids[0]);
        (uint8 v, bytes32 r, bytes32 s) = permit(0xD2, owner, vm.addr(0xD2));
        vm.prank(owner);
        registry.remove(vm.addr(0xD2), v, r, s);
        vm.warp(block.timestamp + DELAY);
        vm.expectEmit(address(recovery));
        emit IIoIDRecovery.RecoveryFinished(owner, fresh, 1);
        recovery.finish(owner);
        assertEq(ioID.ownerOf(ids[0]), projectOwner);
        assertEq(ioID.ownerOf(third), fresh);
    }

    function test_Finish_RevertWhen_TheOwnerTookTheApprovalBack() public {
        _start();
        vm.prank(owner);
        ioID.setApprovalForAll(address(recovery), false);
        vm.warp(block.timestamp + DELAY);
        vm.expectRevert();
        recovery.finish(owner);
        assertEq(ioID.ownerOf(ids[0]), owner);
    }

    /// @dev One that would close a cycle, or is not approved, holds up no other, and is not forgotten.
    function test_Finish_KeepsWhatIsRefused() public {
        address wallet = ioID.walletOf(ids[0]);
        vm.prank(guardian);
        recovery.start(ids, owner, wallet);
        vm.warp(block.timestamp + DELAY);
        vm.expectEmit(address(recovery));
        emit IIoIDRecovery.RecoveryFinished(owner, wallet, 1);
        recovery.finish(owner);
        assertEq(ioID.ownerOf(ids[0]), owner);
        assertEq(ioID.ownerOf(ids[1]), wallet);
        vm.expectRevert(abi.encodeWithSelector(IIoID.IoID_OwnershipCycle.selector, ids[0], wallet));
        recovery.finish(owner);
    }

    function test_Finish_AgainWhenApproved() public {
        _start();
        vm.startPrank(owner);
        ioID.setApprovalForAll(address(recovery), false);
        ioID.approve(address(recovery), ids[1]);
        vm.stopPrank();
        vm.warp(block.timestamp + DELAY);
        recovery.finish(owner);
        assertEq(ioID.ownerOf(ids[0]), owner);
        assertEq(ioID.ownerOf(ids[1]), fresh);
        vm.prank(owner);
        ioID.approve(address(recovery), ids[0]);
        recovery.finish(owner);
        assertEq(ioID.ownerOf(ids[0]), fresh);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRecovery.IoIDRecovery_NothingRuns.selector, owner));
        recovery.finish(owner);
    }

    function _start() private {
        vm.prank(guardian);
        recovery.start(ids, owner, fresh);
    }
}
