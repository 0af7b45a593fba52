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
        vm.expectRevert(abi.encodeWithSelector(IIoIDStore.IoIDStore_Overpaid.selector, PRICE + 1, PRICE));
        store.applyIoIDs{value: PRICE + 1}(projectId, 1);
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
        vm.stopPrank();
    }
}
