// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {DummyDeviceGauge} from "../../../../contracts/identity/compat/DummyDeviceGauge.sol";
import {VerifyingProxy} from "../../../../contracts/identity/compat/VerifyingProxy.sol";
import {DeviceNFT} from "../../../../contracts/identity/DeviceNFT.sol";
import {IDummyDeviceGauge} from "../../../../contracts/interfaces/identity/compat/IDeviceGauge.sol";
import {IUniversalFactory} from "../../../../contracts/interfaces/identity/compat/IUniversalFactory.sol";
import {IVerifyingProxy} from "../../../../contracts/interfaces/identity/compat/IVerifyingProxy.sol";
import {IIoIDRegistry} from "../../../../contracts/interfaces/identity/IIoIDRegistry.sol";
import {CompatFixture} from "../../../solidity/CompatFixture.sol";
import {Vm} from "../../../solidity/Vm.sol";

contract VerifyingProxyTest is CompatFixture {
    address private relayer = vm.addr(0xFEE);
    uint256 private deadline;

    function setUp() public {
        deployCompat();
        deadline = block.timestamp + 1 hours;
    }

    function test_Create_MakesProjectCollectionAndQuota() public {
        DeviceNFT nft = DeviceNFT(verifying.deviceNFT());
        uint256 id = verifying.projectId();
        assertEq(project.ownerOf(id), address(verifying));
        assertEq(project.name(id), "verified");
        assertEq(verifying.owner(), projectOwner);
        assertEq(verifying.verifier(), verifier);
        assertEq(nft.owner(), address(verifying));
        assertEq(nft.name(), "Devices");
        assertEq(nft.minterAllowance(address(verifying)), 10);
        assertEq(store.projectDeviceContract(id), address(nft));
        assertEq(store.projectAppliedAmount(id), 10);
        assertEq(verifying.VERSION(), "0.0.1");
        assertEq(verifyingV2.VERSION(), "0.0.2");
        assertEq(homes.homeOf(verifier), address(verifying));
    }

    function test_Create_RevertWhen_ValueIsNotWhatIsDue() public {
        vm.deal(address(this), 20 * PRICE);
        _refusedValue(0, 9 * PRICE, 10 * PRICE);
        _refusedValue(0, 11 * PRICE, 10 * PRICE);
        _refusedValue(1, 1, 0);
        vm.expectRevert(bytes("zero address"));
        factory.create(1, address(0), "n", "N", "N", 10);
    }

    function test_RegisterLegacy_GivesIoIDToTheOwnerAndTheTokenToTheWallet() public {
        vm.expectEmit(address(verifying));
        emit IVerifyingProxy.Registered(owner, device, 1, 1);
        registerLegacy(verifying, owner, owner, DEVICE_KEY, vouch(VERIFIER_KEY, owner, device), 0);
        assertEq(ioID.ownerOf(1), owner);
        assertEq(DeviceNFT(verifying.deviceNFT()).ownerOf(1), ioID.walletOf(1));
        assertEq(ioID.projectDeviceCount(verifying.projectId()), 1);
    }

    function test_RegisterLegacy_V2GivesTheTokenToTheOwner() public {
        registerLegacy(verifyingV2, owner, owner, DEVICE_KEY, vouch(VERIFIER_V2_KEY, owner, device), 0);
        assertEq(ioID.ownerOf(1), owner);
        assertEq(DeviceNFT(verifyingV2.deviceNFT()).ownerOf(1), owner);
    }

    function test_RegisterLegacy_ByRelayerOnly() public {
        bytes memory verification = vouch(VERIFIER_KEY, owner, device);
        (uint8 v, bytes32 r, bytes32 s) = permit(DEVICE_KEY, address(verifying), device);
        vm.expectRevert(abi.encodeWithSelector(IVerifyingProxy.VerifyingProxy_NotOwner.selector, owner, relayer));
        vm.prank(relayer);
        verifying.register(verification, HASH, URI, owner, device, v, r, s);
        vm.prank(owner);
        registry.setRelayer(relayer, true);
        registerLegacy(verifying, relayer, owner, DEVICE_KEY, verification, 0);
        assertEq(ioID.ownerOf(1), owner);
    }

    function test_RegisterLegacy_RevertWhen_NotVouchedFor() public {
        (uint8 v, bytes32 r, bytes32 s) = permit(DEVICE_KEY, address(verifying), device);
        bytes[3] memory wrong = [
            vouch(0xBAD, owner, device),
            vouch(VERIFIER_KEY, mallory, device),
            vouch(VERIFIER_KEY, owner, mallory)
        ];
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.expectRevert(bytes("invalid verifier signature"));
            vm.prank(owner);
            verifying.register(wrong[i], HASH, URI, owner, device, v, r, s);
        }
    }

    function test_Register_PaysTheVirtualPriceAndGivesTheRestBack() public {
        VerifyingProxy paid = createProxy(projectOwner, 1, vm.addr(0x77), "virtual");
        vm.deal(owner, 3 * PRICE);
        registerLegacy(paid, owner, owner, DEVICE_KEY, vouch(0x77, owner, device), 3 * PRICE);
        assertEq(owner.balance, 2 * PRICE);
    }

    function test_RegisterLegacy_VouchesOnce() public {
        bytes memory verification = vouch(VERIFIER_KEY, owner, device);
        registerLegacy(verifying, owner, owner, DEVICE_KEY, verification, 0);
        (uint8 v, bytes32 r, bytes32 s) = permit(DEVICE_KEY, owner, device);
        vm.prank(owner);
        registry.remove(device, v, r, s);
        (v, r, s) = permit(DEVICE_KEY, address(verifying), device);
        vm.expectRevert(abi.encodeWithSelector(IVerifyingProxy.VerifyingProxy_VouchedBefore.selector, owner, device));
        vm.prank(owner);
        verifying.register(verification, HASH, URI, owner, device, v, r, s);
    }

    function test_RegisterTyped_ByAnybodyWithAllThree() public {
        IIoIDRegistry.Registration memory what = registrationBy(verifying);
        bytes memory byVerifier = signFor(verifying, VERIFIER_KEY, what, deadline);
        bytes memory byOwner = signFor(verifying, OWNER_KEY, what, deadline);
        bytes memory byDevice = signByDevice(verifying, DEVICE_KEY, what, deadline);
        vm.prank(relayer);
        verifying.register(byVerifier, what, deadline, byDevice, byOwner);
        assertEq(ioID.ownerOf(1), owner);
        assertEq(registry.documentHash(device), HASH);

        // Nothing of it is good again: not after a removal, with the token in the owner's hands, nor later.
        (uint8 v, bytes32 r, bytes32 s) = permit(DEVICE_KEY, owner, device);
        vm.prank(owner);
        registry.remove(device, v, r, s);
        vm.expectRevert(
            abi.encodeWithSelector(IVerifyingProxy.VerifyingProxy_OtherToken.selector, what.deviceContract, 2)
        );
        verifying.register(byVerifier, what, deadline, byDevice, byOwner);
        vm.warp(deadline + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IVerifyingProxy.VerifyingProxy_Expired.selector, deadline, deadline + 1)
        );
        verifying.register(byVerifier, what, deadline, byDevice, byOwner);
    }

    function test_RegisterTyped_ByTheOwnerWithoutHisSignature() public {
        IIoIDRegistry.Registration memory what = registrationBy(verifying);
        bytes memory byVerifier = signFor(verifying, VERIFIER_KEY, what, deadline);
        bytes memory byDevice = signByDevice(verifying, DEVICE_KEY, what, deadline);
        vm.expectRevert(abi.encodeWithSelector(IVerifyingProxy.VerifyingProxy_NotOwner.selector, owner, mallory));
        vm.prank(mallory);
        verifying.register(byVerifier, what, deadline, byDevice, "");
        vm.prank(owner);
        verifying.register(byVerifier, what, deadline, byDevice, "");
        assertEq(ioID.ownerOf(1), owner);
    }

    function test_Gauge_TakesTheTokenForTheOwnerWhoTakesItBack() public {
        DummyDeviceGauge gauge = newGauge(verifying);
        DeviceNFT nft = DeviceNFT(verifying.deviceNFT());
        vm.prank(projectOwner);
        verifying.setDeviceGauge(address(gauge));
        registerLegacy(verifying, owner, owner, DEVICE_KEY, vouch(VERIFIER_KEY, owner, device), 0);
        assertEq(nft.ownerOf(1), address(gauge));
        assertEq(gauge.deviceOwner(1), owner);

        vm.expectRevert(
            abi.encodeWithSelector(IDummyDeviceGauge.DummyDeviceGauge_NotOwner.selector, 1, owner, mallory)
        );
        vm.prank(mallory);
        gauge.withdraw(1);
        vm.prank(owner);
        gauge.withdraw(1);
        assertEq(nft.ownerOf(1), owner);
        assertEq(gauge.deviceOwner(1), address(0));
    }

    function test_Gauge_RevertWhen_NobodyCouldTakeTheTokenOut() public {
        DummyDeviceGauge gauge = newGauge(verifyingV2);
        DeviceNFT nft = DeviceNFT(verifyingV2.deviceNFT());
        registerLegacy(verifyingV2, owner, owner, DEVICE_KEY, vouch(VERIFIER_V2_KEY, owner, device), 0);
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IDummyDeviceGauge.DummyDeviceGauge_NoOwner.selector, 1));
        nft.safeTransferFrom(owner, address(gauge), 1);
        nft.approve(address(gauge), 1);
        vm.expectRevert(abi.encodeWithSelector(IDummyDeviceGauge.DummyDeviceGauge_NoOwner.selector, 1));
        gauge.deposit(1, address(0));
        vm.stopPrank();
    }

    function test_Gauge_MustStakeThisCollection() public {
        DummyDeviceGauge other = newGauge(verifying);
        DummyDeviceGauge own = newGauge(verifyingV2);
        vm.startPrank(projectOwner);
        vm.expectRevert(bytes("invalid staking token"));
        verifyingV2.setDeviceGauge(address(other));
        vm.expectRevert(bytes("invalid staking token"));
        verifyingV2.setDeviceGaugeWithoutStaking(address(other));
        vm.expectEmit(address(verifyingV2));
        emit IVerifyingProxy.DeviceGaugeSetted(address(own));
        verifyingV2.setDeviceGaugeWithoutStaking(address(own));
        assertEq(verifyingV2.deviceGauge(), address(0));
        verifyingV2.setDeviceGauge(address(own));
        vm.expectRevert(bytes("gauge already set"));
        verifyingV2.setDeviceGaugeWithoutStaking(address(own));
        verifyingV2.setDeviceGauge(address(0));
        assertEq(verifyingV2.deviceGauge(), address(0));
        vm.stopPrank();
    }

    function test_Settings_GoThroughToProjectAndCollection() public {
        vm.deal(projectOwner, 5 * PRICE);
        vm.startPrank(projectOwner);
        verifying.setName("renamed");
        verifying.setMetadata("key", "value");
        verifying.setBaseURI("base/");
        verifying.incrementMinterAllowance(5);
        verifying.applyIoIDs{value: 5 * PRICE}(5);
        vm.expectEmit(address(verifying));
        emit IVerifyingProxy.VerifierChanged(verifier, relayer);
        verifying.changeVerifier(relayer);
        vm.stopPrank();
        uint256 id = verifying.projectId();
        assertEq(project.name(id), "renamed");
        assertEq(string(project.metadata(id, "key")), "value");
        assertEq(DeviceNFT(verifying.deviceNFT()).minterAllowance(address(verifying)), 20);
        assertEq(store.projectAppliedAmount(id), 15);
    }

    function test_Settings_RevertWhen_NotOwner() public {
        bytes memory error = abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, mallory);
        bytes[11] memory calls = [
            abi.encodeCall(verifying.applyIoIDs, (1)),
            abi.encodeCall(verifying.incrementMinterAllowance, (1)),
            abi.encodeCall(verifying.changeVerifier, (mallory)),
            abi.encodeCall(verifying.setName, ("n")),
            abi.encodeCall(verifying.setMetadata, ("n", "")),
            abi.encodeCall(verifying.setBaseURI, ("n")),
            abi.encodeCall(verifying.setDeviceGauge, (mallory)),
            abi.encodeCall(verifying.approveProjectNFT, (mallory)),
            abi.encodeCall(verifying.migrate, (mallory)),
            abi.encodeCall(verifyingV2.setDeviceGaugeWithoutStaking, (mallory)),
            abi.encodeWithSignature("initialize(uint256,address,address,uint256)", 1, mallory, mallory, 1)
        ];
        for (uint256 i = 0; i < calls.length; ++i) {
            vm.prank(mallory);
            (bool done, bytes memory answer) = address(verifyingV2).call(calls[i]);
            assertTrue(!done);
            assertEq(answer, error);
        }
    }

    function test_Adopt_ServesAProjectThatWasHandedOver() public {
        vm.startPrank(projectOwner);
        vm.expectRevert(bytes("invalid owner"));
        verifying.initialize(projectId, verifier, address(deviceNFT), 3);
        project.safeTransferFrom(projectOwner, address(verifying), projectId);
        deviceNFT.transferOwnership(address(verifying));
        address foreign = verifying.deviceNFT();
        vm.expectRevert(bytes("invalid project"));
        verifying.initialize(projectId, verifier, foreign, 3);
        verifying.initialize(projectId, verifier, address(deviceNFT), 3);
        vm.stopPrank();
        registerLegacy(verifying, owner, owner, DEVICE_KEY, vouch(VERIFIER_KEY, owner, device), 0);
        assertEq(ioID.deviceProject(device), projectId);
    }

    function test_Receives_OnlyWhatMayLeave() public {
        uint256 id = registerDevice(0xD1, owner);
        vm.expectRevert(
            abi.encodeWithSelector(IVerifyingProxy.VerifyingProxy_RefusedToken.selector, address(ioID), owner)
        );
        vm.prank(owner);
        ioID.safeTransferFrom(owner, address(verifying), id);
        vm.startPrank(mallory);
        uint256 other = projectRegistry.register("mallory's", 0);
        vm.expectRevert(
            abi.encodeWithSelector(IVerifyingProxy.VerifyingProxy_RefusedToken.selector, address(project), mallory)
        );
        project.safeTransferFrom(mallory, address(verifying), other);
        vm.stopPrank();
    }

    function test_Create_EmitsAndReturnsTheProxy() public {
        vm.recordLogs();
        VerifyingProxy made = createProxy(owner, 1, verifier, "third");
        Vm.Log[] memory logs = vm.getRecordedLogs();
        Vm.Log memory last = logs[logs.length - 1];
        assertTrue(last.topics[0] == IUniversalFactory.CreatedProxy.selector);
        assertTrue(last.topics[1] == bytes32(uint256(uint160(address(made)))));
        assertEq(made.owner(), owner);
    }

    function _refusedValue(uint8 kind, uint256 value, uint256 due) private {
        vm.expectRevert(abi.encodeWithSelector(IVerifyingProxy.VerifyingProxy_WrongValue.selector, value, due));
        factory.create{value: value}(kind, verifier, "n", "N", "N", 10);
    }
}
