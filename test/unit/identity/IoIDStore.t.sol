// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IIoIDStore} from "../../../contracts/interfaces/identity/IIoIDStore.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

contract IoIDStoreTest is IdentityFixture {
    function setUp() public {
        deployIdentity();
        vm.deal(projectOwner, 100 * PRICE);
        vm.deal(address(registry), 100 * PRICE);
        vm.deal(mallory, 100 * PRICE);
    }

    function test_ApplyIoIDs_AddsToTheQuota() public {
        vm.prank(projectOwner);
        store.applyIoIDs{value: 3 * PRICE}(projectId, 3);
        assertEq(store.projectAppliedAmount(projectId), 1003);
        assertEq(address(store).balance, 1003 * PRICE);
    }

    function test_ApplyIoIDs_RevertWhen_NotAllowed() public {
        vm.prank(mallory);
        vm.expectRevert("invald project owner");
        store.applyIoIDs{value: PRICE}(projectId, 1);
        vm.startPrank(projectOwner);
        vm.expectRevert("insufficient fund");
        store.applyIoIDs{value: PRICE - 1}(projectId, 1);
        uint256 virtualId = projectRegistry.register("virtual", 1);
        vm.expectRevert("only hardware project");
        store.applyIoIDs{value: PRICE}(virtualId, 1);
        vm.stopPrank();
        store.changePrice(0);
        uint256 amount = uint256(type(uint64).max);
        vm.prank(projectOwner);
        vm.expectRevert(abi.encodeWithSelector(IIoIDStore.IoIDStore_QuotaTooLarge.selector, projectId, amount));
        store.applyIoIDs(projectId, amount);
    }

    function test_ActiveIoID_Hardware() public {
        vm.prank(projectOwner);
        uint256 id = projectRegistry.register("few", 0);
        vm.prank(projectOwner);
        store.applyIoIDs{value: 2 * PRICE}(id, 2);
        vm.expectRevert("only ioIDRegistry");
        store.activeIoID(id);
        vm.startPrank(address(registry));
        store.activeIoID(id);
        vm.expectRevert(abi.encodeWithSelector(IIoIDStore.IoIDStore_Overpaid.selector, PRICE, 0));
        store.activeIoID{value: PRICE}(id);
        store.activeIoID(id);
        vm.expectRevert("insufficient ioID");
        store.activeIoID(id);
        vm.stopPrank();
        assertEq(store.projectActivedAmount(id), 2);
    }

    function test_ActiveIoID_VirtualPaysAsItGoes() public {
        vm.prank(projectOwner);
        uint256 id = projectRegistry.register("virtual", 1);
        vm.startPrank(address(registry));
        store.activeIoID{value: PRICE}(id);
        vm.expectRevert("insufficient fund");
        store.activeIoID(id);
        vm.stopPrank();
        assertEq(store.projectActivedAmount(id), 1);
        assertEq(store.projectAppliedAmount(id), 1);
    }

    function test_DeviceContract_OneToOne() public {
        vm.startPrank(projectOwner);
        vm.expectRevert("project setted");
        store.setDeviceContract(projectId, address(1));
        uint256 id = projectRegistry.register("second", 0);
        vm.expectRevert("contract setted");
        store.setDeviceContract(id, address(deviceNFT));
        vm.expectRevert(IIoIDStore.IoIDStore_ZeroAddress.selector);
        store.setDeviceContract(id, address(0));
        store.setDeviceContract(id, address(1));
        vm.expectRevert();
        store.changeDeviceContract(id, address(2));
        vm.stopPrank();

        store.changeDeviceContract(id, address(2));
        assertEq(store.projectDeviceContract(id), address(2));
        assertEq(store.deviceContractProject(address(2)), id);
        assertEq(store.deviceContractProject(address(1)), 0);
    }

    function test_Overpaid_IsThePayersToFetch() public {
        vm.prank(projectOwner);
        store.applyIoIDs{value: 3 * PRICE + 5}(projectId, 3);
        vm.prank(projectOwner);
        uint256 id = projectRegistry.register("virtual", 1);
        vm.startPrank(address(registry));
        store.activeIoID{value: 7}(projectId, owner); // hardware: nothing is due
        store.activeIoID{value: PRICE + 2}(id, owner);
        vm.stopPrank();
        assertEq(store.refundable(projectOwner), 5);
        assertEq(store.refundable(owner), 9);
        assertEq(store.accounting().refundable, 14);

        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IIoIDStore.IoIDStore_NoRefund.selector, mallory));
        store.claimRefund(mallory);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IIoIDStore.IoIDStore_RefundRefused.selector, address(deviceNFT)));
        store.claimRefund(address(deviceNFT));
        vm.prank(owner);
        store.claimRefund(address(0xcafe));
        assertEq(address(0xcafe).balance, 9);
        assertEq(store.refundable(owner), 0);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IIoIDStore.IoIDStore_NoRefund.selector, owner));
        store.claimRefund(owner);
        assertEq(store.refundable(projectOwner), 5);
        assertEq(store.accounting().refunded, 9);
    }

    /// @dev A receiver that calls again while it is paid gets nothing twice.
    function test_ClaimRefund_IsOncePerWei() public {
        Reenterer payer = new Reenterer(store);
        vm.prank(address(registry));
        store.activeIoID{value: 7}(projectId, address(payer));
        payer.fetch();
        assertEq(address(payer).balance, 7);
        assertFalse(payer.again());
    }

    function test_BurnShare_IsBurnedByAnybodyAndNeverWithdrawn() public {
        IIoIDStore.Accounting memory books = store.accounting(); // the fixture's quota: 1000 * PRICE
        assertEq(store.burnShare(), 2500);
        assertEq(books.burnDue, 250 * PRICE);
        assertEq(books.treasury, 750 * PRICE);

        address[] memory to = new address[](1);
        uint256[] memory amounts = new uint256[](1);
        (to[0], amounts[0]) = (address(0xfee), 750 * PRICE + 1);
        vm.expectRevert("transfer fail");
        store.withdraw(to, amounts);
        amounts[0] = 750 * PRICE;
        store.withdraw(to, amounts);

        uint256 zero = address(0).balance;
        vm.prank(mallory);
        store.flushBurn();
        assertEq(address(0).balance - zero, 250 * PRICE);
        assertEq(burner.burned(store.BURN_SOURCE()), 250 * PRICE);
        assertEq(address(store).balance, 0);
        store.flushBurn(); // nothing is due: no effect
        assertEq(store.accounting().burned, 250 * PRICE);

        store.setBurnShare(10_000);
        vm.prank(projectOwner);
        store.applyIoIDs{value: PRICE + 1}(projectId, 1);
        assertEq(store.accounting().burnDue, PRICE);
        assertEq(store.accounting().treasury, 0);
        vm.expectRevert(abi.encodeWithSelector(IIoIDStore.IoIDStore_BadShare.selector, 10_001));
        store.setBurnShare(10_001);
    }

    function test_Treasury_HasWhatCameWithoutAPayment() public {
        uint256 before = store.accounting().treasury;
        vm.deal(address(store), address(store).balance + 3);
        assertEq(store.accounting().treasury, before + 3);
        assertEq(store.accounting().burnDue, 250 * PRICE);
    }

    function test_PriceCurve_StepsWithLiveDevices() public {
        IIoIDStore.Point[] memory points = new IIoIDStore.Point[](3);
        points[0] = IIoIDStore.Point(0, 10);
        points[1] = IIoIDStore.Point(2, 7);
        points[2] = IIoIDStore.Point(3, 20);
        store.setPriceCurve(points);
        assertEq(store.price(), 10);
        registerDevice(0x71, owner);
        assertEq(store.price(), 10);
        registerDevice(0x72, owner);
        assertEq(store.price(), 7);
        uint256 tokenId = mintDevice(owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(0x73, owner, vm.addr(0x73));
        vm.prank(owner);
        registry.register(address(deviceNFT), tokenId, vm.addr(0x73), HASH, URI, v, r, s);
        assertEq(store.price(), 20);
        bytes memory signature = sign(0x73, removeHash(vm.addr(0x73), block.timestamp));
        vm.prank(owner);
        registry.remove(vm.addr(0x73), block.timestamp, signature, "");
        assertEq(store.price(), 7);
        vm.prank(projectOwner);
        store.applyIoIDs{value: 21}(projectId, 3);
        assertEq(store.priceCurve().length, 3);

        store.changePrice(5);
        assertEq(store.price(), 5);
        assertEq(store.priceCurve().length, 0);
    }

    /// @dev `price()` times a number is right for as many activations in one call.
    function test_PriceCurve_IsFlatWithinATransaction() public {
        IIoIDStore.Point[] memory points = new IIoIDStore.Point[](2);
        points[0] = IIoIDStore.Point(0, 10);
        points[1] = IIoIDStore.Point(1, 1000);
        store.setPriceCurve(points);
        vm.prank(projectOwner);
        uint256 id = projectRegistry.register("virtual", 1);
        vm.prank(address(registry));
        store.activeIoID{value: 10}(id, owner);
        registerDevice(0x71, owner);
        assertEq(store.price(), 10);
        vm.prank(address(registry));
        store.activeIoID{value: 10}(id, owner);
        store.setPriceCurve(points); // governance ends a quote
        assertEq(store.price(), 1000);
    }

    function test_SetPriceCurve_RevertWhen_Bad() public {
        vm.expectRevert(abi.encodeWithSelector(IIoIDStore.IoIDStore_BadCurve.selector, 0));
        store.setPriceCurve(new IIoIDStore.Point[](0));
        vm.expectRevert(abi.encodeWithSelector(IIoIDStore.IoIDStore_BadCurve.selector, 17));
        store.setPriceCurve(new IIoIDStore.Point[](17));
        vm.expectRevert(abi.encodeWithSelector(IIoIDStore.IoIDStore_BadCurve.selector, 1));
        store.setPriceCurve(new IIoIDStore.Point[](2));
        IIoIDStore.Point[] memory points = new IIoIDStore.Point[](1);
        points[0].devices = 1;
        vm.expectRevert(abi.encodeWithSelector(IIoIDStore.IoIDStore_BadCurve.selector, 0));
        store.setPriceCurve(points);
        assertEq(store.price(), PRICE);
    }

    function test_Memberships_ActivateAsTheRegistryDoes() public {
        vm.prank(mallory);
        vm.expectRevert("only ioIDRegistry");
        store.activeIoID(projectId, mallory);
        store.setMemberships(mallory);
        vm.prank(mallory);
        store.activeIoID(projectId, mallory);
        assertEq(store.projectActivedAmount(projectId), 1);
        assertEq(store.memberships(), mallory);
    }

    function test_Withdraw_ByFeeReceiverOrGovernance() public {
        address[] memory to = new address[](1);
        uint256[] memory amounts = new uint256[](1);
        (to[0], amounts[0]) = (address(0xfee), PRICE);
        store.changeFeeReceiver(owner);
        vm.prank(mallory);
        vm.expectRevert();
        store.withdraw(to, amounts);
        vm.prank(owner);
        store.withdraw(to, amounts);
        store.withdraw(to, amounts);
        assertEq(to[0].balance, 2 * PRICE);
        vm.startPrank(owner);
        vm.expectRevert("invalid request");
        store.withdraw(to, new uint256[](2));
        to[0] = address(deviceNFT);
        vm.expectRevert("transfer fail");
        store.withdraw(to, amounts);
        vm.stopPrank();
    }

    function test_Settings_RevertWhen_NotGovernance() public {
        vm.startPrank(mallory);
        vm.expectRevert();
        store.changePrice(0);
        vm.expectRevert();
        store.changeFeeReceiver(mallory);
        vm.expectRevert();
        store.setIoIDRegistry(mallory);
        vm.expectRevert();
        store.setMemberships(mallory);
        vm.expectRevert();
        store.setBurnShare(0);
        IIoIDStore.Point[] memory points = new IIoIDStore.Point[](1);
        vm.expectRevert();
        store.setPriceCurve(points);
        vm.stopPrank();
    }
}

contract Reenterer {
    IIoIDStore private immutable store;
    bool public again;

    constructor(IIoIDStore store_) {
        store = store_;
    }

    receive() external payable {
        try store.claimRefund(address(this)) {
            again = true;
        } catch {}
    }

    function fetch() external {
        store.claimRefund(address(this));
    }
}
