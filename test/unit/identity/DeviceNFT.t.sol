// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IDeviceNFT} from "../../../contracts/interfaces/identity/IDeviceNFT.sol";
import {DeviceNFT} from "../../../contracts/identity/DeviceNFT.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

contract DeviceNFTTest is IdentityFixture {
    DeviceNFT private _nft;

    function setUp() public {
        address logic = address(new DeviceNFT());
        bytes memory call = abi.encodeWithSignature("initialize(string,string,address)", "Sensor", "SNS", projectOwner);
        _nft = DeviceNFT(_proxy(logic, call));
    }

    function test_Initialize_Once() public {
        assertEq(_nft.name(), "Sensor");
        assertEq(_nft.owner(), projectOwner);
        vm.expectRevert();
        _nft.initialize("Other", "OTH");
        DeviceNFT logic = new DeviceNFT();
        vm.expectRevert();
        logic.initialize("Other", "OTH", mallory);
    }

    function test_Mint_SpendsTheAllowance() public {
        vm.prank(projectOwner);
        _nft.configureMinter(mallory, 1);
        assertTrue(_nft.isMinter(mallory));
        vm.prank(mallory);
        assertEq(_nft.mint(owner), 1);
        assertEq(_nft.ownerOf(1), owner);
        assertEq(_nft.total(), 1);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IDeviceNFT.DeviceNFT_AllowanceSpent.selector, mallory));
        _nft.mint(owner);

        vm.startPrank(projectOwner);
        _nft.incrementMinterAllowance(mallory, 2);
        assertEq(_nft.minterAllowance(mallory), 2);
        _nft.removeMinter(mallory);
        vm.stopPrank();
        assertFalse(_nft.isMinter(mallory));
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IDeviceNFT.DeviceNFT_NotMinter.selector, mallory));
        _nft.mint(owner);
    }

    function test_Allowance_StopsAtItsMost() public {
        vm.startPrank(projectOwner);
        _nft.configureMinter(mallory, type(uint256).max);
        assertEq(_nft.minterAllowance(mallory), type(uint248).max);
        _nft.incrementMinterAllowance(mallory, type(uint256).max);
        assertEq(_nft.minterAllowance(mallory), type(uint248).max);
        vm.expectRevert(abi.encodeWithSelector(IDeviceNFT.DeviceNFT_NotMinter.selector, owner));
        _nft.incrementMinterAllowance(owner, 1);
        vm.expectRevert(IDeviceNFT.DeviceNFT_ZeroMinter.selector);
        _nft.configureMinter(address(0), 1);
        vm.stopPrank();
    }

    function test_Settings_RevertWhen_NotOwner() public {
        vm.startPrank(mallory);
        vm.expectRevert();
        _nft.configureMinter(mallory, 1);
        vm.expectRevert();
        _nft.incrementMinterAllowance(mallory, 1);
        vm.expectRevert();
        _nft.removeMinter(mallory);
        vm.expectRevert();
        _nft.setBaseURI("http://x/");
        vm.stopPrank();
    }

    function test_TokenURI_HasTheBase() public {
        vm.startPrank(projectOwner);
        _nft.setBaseURI("http://devices/");
        _nft.configureMinter(mallory, 1);
        vm.stopPrank();
        vm.prank(mallory);
        _nft.mint(owner);
        assertEq(_nft.tokenURI(1), "http://devices/1");
    }
}
