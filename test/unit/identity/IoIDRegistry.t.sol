// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DeviceNFT} from "../../../contracts/identity/DeviceNFT.sol";
import {IoIDRegistry} from "../../../contracts/identity/IoIDRegistry.sol";
import {IIoIDRegistry} from "../../../contracts/interfaces/identity/IIoIDRegistry.sol";
import {IDeviceAccount} from "../../../contracts/interfaces/wallet/IDeviceAccount.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";
import {Vm} from "../../solidity/Vm.sol";

contract IoIDRegistryTest is IdentityFixture {
    uint256 private constant KEY = 0xD1;
    uint256 private constant NEW_KEY = 0xD2;
    bytes4 private constant UPDATE = bytes4(keccak256("update(address,bytes32,string,uint8,bytes32,bytes32)"));
    address private device = vm.addr(KEY);
    uint256 private deadline;

    function setUp() public {
        deployIdentity();
        deadline = block.timestamp + 1 hours;
    }

    function test_Register_MakesIoIDAndWallet() public {
        uint256 tokenId = mintDevice(owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        vm.prank(owner);
        registry.register(address(deviceNFT), tokenId, device, HASH, URI, v, r, s);

        assertEq(ioID.ownerOf(1), owner);
        assertEq(registry.deviceTokenId(device), 1);
        assertEq(registry.signerOf(device), device);
        assertEq(registry.deviceOfSigner(device), device);
        assertEq(registry.documentHash(device), HASH);
        assertEq(registry.documentURI(device), URI);
        assertEq(registry.nonces(device), 1);
        assertTrue(registry.registeredNFT(address(deviceNFT), tokenId));
        assertEq(ioID.projectDeviceCount(projectId), 1);
        assertEq(store.projectActivedAmount(projectId), 1);
        (address wallet, string memory did) = ioID.wallet(1);
        assertEq(deviceNFT.ownerOf(tokenId), wallet);
        assertEq(did, registry.documentID(device));
        assertEq(ioID.wallet(did), wallet);
        assertEq(IDeviceAccount(payable(wallet)).owner(), owner);
        assertEq(wallet.code.length, 173);
    }

    function test_Register_RevertWhen_SignedForAnotherOwner() public {
        uint256 tokenId = mintDevice(owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, mallory, device);
        vm.prank(owner);
        vm.expectRevert(bytes("invalid signature"));
        registry.register(address(deviceNFT), tokenId, device, HASH, URI, v, r, s);
    }

    function test_Register_RevertWhen_DeviceExists() public {
        registerDevice(KEY, owner);
        uint256 tokenId = mintDevice(owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        vm.prank(owner);
        vm.expectRevert(bytes("device exists"));
        registry.register(address(deviceNFT), tokenId, device, HASH, URI, v, r, s);
    }

    function test_Attack1_RegisterForVictimByStranger() public {
        uint256 tokenId = mintDevice(owner);
        // Mallory has his own device key and the victim's approved NFT lies open.
        (uint8 v, bytes32 r, bytes32 s) = permit(0xBAD, owner, mallory);
        vm.startPrank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.register(address(deviceNFT), tokenId, owner, mallory, HASH, URI, v, r, s);
        // By the eight-argument form he would need to own the NFT.
        (v, r, s) = permit(0xBAD, mallory, mallory);
        vm.expectRevert(bytes("invalid device nft owner"));
        registry.register(address(deviceNFT), tokenId, mallory, HASH, URI, v, r, s);
        // By the typed form he lacks the victim's signature; his own is none.
        IIoIDRegistry.Registration memory registration = _registration(tokenId, mallory);
        bytes memory signature = sign(0xBAD, registrationHash(registration, deadline));
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.register(registration, deadline, signature, signature);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.register(registration, deadline, signature, "");
        vm.stopPrank();
        assertEq(deviceNFT.ownerOf(tokenId), owner);
    }

    function test_Register_ByApprovedRelayer() public {
        address relayer = vm.addr(0xFEE);
        uint256 tokenId = mintDevice(owner);
        vm.prank(owner);
        registry.setRelayer(relayer, true);
        assertTrue(registry.isRelayer(owner, relayer));
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        vm.prank(relayer);
        registry.register(address(deviceNFT), tokenId, owner, device, HASH, URI, v, r, s);
        assertEq(ioID.ownerOf(1), owner);
    }

    function test_Attack3_TypedRegistrationBindsAllParameters() public {
        uint256 tokenId = mintDevice(owner);
        uint256 otherToken = mintDevice(owner);
        IIoIDRegistry.Registration memory registration = _registration(tokenId, device);
        bytes32 hash = registrationHash(registration, deadline);
        (bytes memory byDevice, bytes memory byOwner) = (sign(KEY, hash), sign(OWNER_KEY, hash));

        vm.startPrank(mallory);
        registration.hash = keccak256("mallory's document");
        _refused(registration, deadline, byDevice, byOwner);
        registration.hash = HASH;
        registration.uri = "http://mallory";
        _refused(registration, deadline, byDevice, byOwner);
        registration.uri = URI;
        registration.tokenId = otherToken;
        _refused(registration, deadline, byDevice, byOwner);
        registration.tokenId = tokenId;
        registration.user = mallory;
        _refused(registration, deadline, byDevice, byOwner);
        registration.user = owner;
        registration.deviceContract = address(1);
        _refused(registration, deadline, byDevice, byOwner);
        registration.deviceContract = address(deviceNFT);
        _refused(registration, deadline + 1, byDevice, byOwner);

        // What was signed goes through, whoever submits it, and only once.
        registry.register(registration, deadline, byDevice, byOwner);
        assertEq(ioID.ownerOf(1), owner);
        _refused(registration, deadline, byDevice, byOwner);
        vm.stopPrank();
    }

    function test_Register_RevertWhen_Expired() public {
        IIoIDRegistry.Registration memory registration = _registration(mintDevice(owner), device);
        bytes memory signature = sign(KEY, registrationHash(registration, deadline));
        vm.warp(deadline + 1);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_Expired.selector, deadline, block.timestamp));
        registry.register(registration, deadline, signature, "");
    }

    function test_Update_Legacy() public {
        registerDevice(KEY, owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        string memory long = "https://resolver.example/v1/documents/0x0123456789abcdef0123456789abcdef0123456789abcdef";
        vm.prank(owner);
        registry.update(device, keccak256("new"), long, v, r, s);
        assertEq(registry.documentHash(device), keccak256("new"));
        assertEq(registry.documentURI(device), long);
        // The permit is spent.
        vm.prank(owner);
        vm.expectRevert(bytes("invalid signature"));
        registry.update(device, HASH, URI, v, r, s);
    }

    /// @dev The owner's call is written out in assembly where the URI is short; his relayer's call goes the plain way.
    function testFuzz_Update_IsTheSameBothWays(bytes32 hash, bytes calldata text) public {
        vm.assume(hash != 0);
        uint256 otherKey = 0xD3;
        (address one, address other) = (device, vm.addr(otherKey));
        registerDevice(KEY, owner);
        registerDevice(otherKey, owner);
        string memory uri = string(text[:text.length > 40 ? 40 : text.length]);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, one);
        vm.prank(owner);
        registry.setRelayer(mallory, true);
        vm.recordLogs();
        vm.prank(owner);
        registry.update(one, hash, uri, v, r, s);
        (v, r, s) = permit(otherKey, owner, other);
        vm.prank(mallory);
        registry.update(other, hash, uri, v, r, s);

        assertEq(registry.documentHash(one), hash);
        assertEq(registry.documentURI(one), uri);
        assertEq(registry.documentHash(other), hash);
        assertEq(registry.documentURI(other), uri);
        assertEq(registry.nonces(one), 2);
        assertEq(registry.nonces(other), 2);
        assertEq(registry.deviceTokenId(one), 1);
        assertEq(registry.deviceTokenId(other), 2);
        Vm.Log[] memory logs = vm.getRecordedLogs();
        assertEq(logs.length, 2);
        assertEq(logs[0].topics[0], IIoIDRegistry.UpdateDevice.selector);
        assertEq(logs[0].topics[1], bytes32(uint256(uint160(one))));
        assertEq(logs[0].data, abi.encode(owner, hash, uri));
        assertEq(logs[1].topics[0], logs[0].topics[0]);
        assertEq(logs[1].data, logs[0].data);
    }

    function test_Update_TakesNothingBehindAShortURI() public {
        registerDevice(KEY, owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        bytes memory data = abi.encodeWithSelector(UPDATE, device, bytes32(uint256(7)), "http://x", v, r, s);
        data[data.length - 1] = 0xff; // in the padding of the URI
        vm.prank(owner);
        (bool sent, ) = address(registry).call(data);
        assertTrue(sent);
        assertEq(registry.documentURI(device), "http://x");
        assertEq(registry.deviceTokenId(device), 1);
        assertEq(registry.nonces(device), 2);
    }

    function test_Update_RevertWhen_TheSignatureIsTheSecondOne() public {
        registerDevice(KEY, owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        uint256 order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;
        vm.prank(owner);
        vm.expectRevert(bytes("invalid signature"));
        registry.update(device, HASH, "http://x", v == 27 ? 28 : 27, r, bytes32(order - uint256(s)));
    }

    function test_Update_RevertWhen_TheFirstKeyIsRotatedAway() public {
        registerDevice(KEY, owner);
        _rotate(KEY, NEW_KEY);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        vm.prank(owner);
        vm.expectRevert(bytes("invalid signature"));
        registry.update(device, HASH, "http://x", v, r, s);
        (v, r, s) = permit(NEW_KEY, owner, device);
        vm.prank(owner);
        registry.update(device, HASH, "http://x", v, r, s);
        assertEq(registry.documentURI(device), "http://x");
    }

    function test_Attack5_LegacyNeedsOwnerAsCaller() public {
        registerDevice(KEY, owner);
        // The thief has the device key: he signs whatever the contract asks, and is not the owner.
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        bytes memory refusal = abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory);
        vm.startPrank(mallory);
        vm.expectRevert(refusal);
        registry.update(device, HASH, URI, v, r, s);
        vm.expectRevert(refusal);
        registry.migrate(device, mallory, v, r, s);
        vm.expectRevert(refusal);
        registry.remove(device, v, r, s);
        (v, r, s) = permit(KEY, mallory, device);
        vm.expectRevert(refusal);
        registry.migrate(device, mallory, v, r, s);
        vm.expectRevert(refusal);
        registry.update(device, HASH, URI, v, r, s);
        vm.stopPrank();
        // Nor does the owner alone act without the device.
        (v, r, s) = permit(OWNER_KEY, owner, device);
        vm.prank(owner);
        vm.expectRevert(bytes("invalid signature"));
        registry.migrate(device, mallory, v, r, s);
    }

    function test_Attack2_PermitIsNoSignatureForAnotherAction() public {
        registerDevice(KEY, owner);
        // Typed signatures of one action are none of another.
        bytes32 update = updateHash(device, HASH, URI, deadline);
        (bytes memory byDevice, bytes memory byOwner) = (sign(KEY, update), sign(OWNER_KEY, update));
        vm.startPrank(mallory);
        vm.expectRevert(bytes("invalid signature"));
        registry.remove(device, deadline, byDevice, byOwner);
        vm.expectRevert(bytes("invalid signature"));
        registry.migrate(device, mallory, deadline, byDevice, byOwner);
        vm.stopPrank();

        // And governance closes what cannot tell actions apart.
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        registry.upgradeToAndCall(
            address(new IoIDRegistry(address(manager), address(ioID), false, address(forwarder))),
            ""
        );
        assertFalse(registry.legacyPermits());
        vm.startPrank(owner);
        vm.expectRevert(IIoIDRegistry.IoIDRegistry_LegacyClosed.selector);
        registry.update(device, HASH, URI, v, r, s);
        vm.expectRevert(IIoIDRegistry.IoIDRegistry_LegacyClosed.selector);
        registry.migrate(device, mallory, v, r, s);
        vm.expectRevert(IIoIDRegistry.IoIDRegistry_LegacyClosed.selector);
        registry.remove(device, v, r, s);
        vm.stopPrank();
        // Devices in the field sign the old permit for `register`: that stays.
        registerDevice(NEW_KEY, owner);
    }

    function test_Typed_NeedsBoth() public {
        uint256 id = registerDevice(KEY, owner);
        bytes32 hash = migrateHash(device, mallory, deadline);
        (bytes memory byDevice, bytes memory byOwner) = (sign(KEY, hash), sign(OWNER_KEY, hash));
        vm.startPrank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.migrate(device, mallory, deadline, byDevice, "");
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.migrate(device, mallory, deadline, byDevice, byDevice);
        vm.expectRevert(bytes("invalid signature"));
        registry.migrate(device, mallory, deadline, byOwner, byOwner);
        // Both signed: a stranger may carry it.
        registry.migrate(device, mallory, deadline, byDevice, byOwner);
        vm.stopPrank();
        assertEq(ioID.ownerOf(id), mallory);
        assertEq(IDeviceAccount(payable(ioID.walletOf(id))).owner(), mallory);
    }

    function test_Typed_UpdateAndRemove() public {
        registerDevice(KEY, owner);
        bytes memory byDevice = sign(KEY, updateHash(device, keccak256("new"), "", deadline));
        vm.prank(owner);
        registry.update(device, keccak256("new"), "", deadline, byDevice, "");
        assertEq(registry.documentURI(device), "");
        byDevice = sign(KEY, removeHash(device, deadline));
        vm.prank(owner);
        registry.remove(device, deadline, byDevice, "");
        assertFalse(registry.exists(device));
    }

    function test_Attack4_RemoveRemoves() public {
        uint256 first = registerDevice(KEY, owner);
        registerDevice(NEW_KEY, owner);
        address wallet = ioID.walletOf(first);
        vm.deal(wallet, 1 ether);
        _remove(KEY);

        assertFalse(registry.exists(device));
        assertEq(registry.signerOf(device), address(0));
        assertEq(registry.deviceOfSigner(device), address(0));
        assertEq(ioID.projectDeviceCount(projectId), 1);
        assertEq(ioID.balanceOf(owner), 1);
        assertEq(ioID.totalSupply(), 1);
        assertEq(ioID.deviceProject(device), 0);
        assertEq(ioID.wallet(registry.documentID(device)), address(0));
        assertFalse(registry.registeredNFT(address(deviceNFT), 1));
        assertEq(ioID.formerOwnerOf(first), owner);
        (address[] memory page, address next) = ioID.projectIDs(projectId, address(1), 10);
        assertEq(page.length, 1);
        assertEq(page[0], vm.addr(NEW_KEY));
        assertEq(next, address(0));

        // The last owner empties the wallet, device NFT included; nobody else does.
        bytes memory take = abi.encodeWithSignature("transferFrom(address,address,uint256)", wallet, owner, 1);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotOwner.selector, mallory, owner));
        IDeviceAccount(payable(wallet)).execute(address(deviceNFT), 0, take, 0);
        vm.startPrank(owner);
        IDeviceAccount(payable(wallet)).execute(address(deviceNFT), 0, take, 0);
        IDeviceAccount(payable(wallet)).execute(owner, 1 ether, "", 0);
        assertEq(deviceNFT.ownerOf(1), owner);
        assertEq(owner.balance, 1 ether);

        // And registers the same device with the same NFT again: a new ioID, a new wallet, no cycle.
        deviceNFT.approve(address(registry), 1);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        registry.register(address(deviceNFT), 1, device, HASH, URI, v, r, s);
        vm.stopPrank();
        assertEq(ioID.tokenIdOf(device), 3);
        (page, next) = ioID.projectIDs(projectId, address(1), 1);
        assertEq(page.length, 1);
        (address[] memory rest, address end) = ioID.projectIDs(projectId, next, 1);
        assertEq(rest.length, 1);
        assertEq(end, address(0));
        assertTrue(page[0] != rest[0]);
    }

    function test_Remove_RevertWhen_PermitIsUsedToRegisterAgain() public {
        registerDevice(KEY, owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        vm.prank(owner);
        registry.remove(device, v, r, s);
        uint256 tokenId = mintDevice(owner);
        vm.prank(owner);
        vm.expectRevert(bytes("invalid signature"));
        registry.register(address(deviceNFT), tokenId, device, HASH, URI, v, r, s);
    }

    function test_Attack5_RotateRetiresTheStolenKey() public {
        registerDevice(KEY, owner);
        _rotate(KEY, NEW_KEY);
        address newSigner = vm.addr(NEW_KEY);
        assertEq(registry.signerOf(device), newSigner);
        assertEq(registry.deviceOfSigner(newSigner), device);
        assertEq(registry.deviceOfSigner(device), address(0));
        assertTrue(registry.isRetired(device));

        // The old key signs nothing any more: neither for its device …
        bytes memory signature = sign(KEY, removeHash(device, deadline));
        vm.prank(owner);
        vm.expectRevert(bytes("invalid signature"));
        registry.remove(device, deadline, signature, "");
        // … nor a new registration after removal; the new key does.
        signature = sign(NEW_KEY, removeHash(device, deadline));
        vm.prank(owner);
        registry.remove(device, deadline, signature, "");
        uint256 tokenId = mintDevice(owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        vm.prank(owner);
        vm.expectRevert(bytes("invalid signature"));
        registry.register(address(deviceNFT), tokenId, device, HASH, URI, v, r, s);
        (v, r, s) = permit(NEW_KEY, owner, device);
        vm.prank(owner);
        registry.register(address(deviceNFT), tokenId, device, HASH, URI, v, r, s);
        assertEq(registry.signerOf(device), newSigner);
        // The key of a device is no identifier.
        tokenId = mintDevice(owner);
        (v, r, s) = permit(NEW_KEY, owner, newSigner);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_KeyTaken.selector, newSigner, device));
        registry.register(address(deviceNFT), tokenId, newSigner, HASH, URI, v, r, s);
    }

    function test_Rotate_RevertWhen_KeyIsKnown() public {
        registerDevice(KEY, owner);
        registerDevice(NEW_KEY, owner);
        _refuseRotation(NEW_KEY, vm.addr(NEW_KEY));
        _rotate(KEY, 0xD3);
        _refuseRotation(KEY, device);
        _refuseRotation(0xD3, device);
        // Also by another device, also after removal.
        bytes memory signature = sign(0xD3, removeHash(device, deadline));
        vm.prank(owner);
        registry.remove(device, deadline, signature, "");
        address other = vm.addr(NEW_KEY);
        signature = sign(0xD3, rotateHash(other, vm.addr(0xD3), deadline));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_KeyTaken.selector, vm.addr(0xD3), device));
        registry.rotate(other, vm.addr(0xD3), deadline, signature, "");
    }

    function test_Rotate_RevertWhen_NotBothAgree() public {
        registerDevice(KEY, owner);
        address newSigner = vm.addr(NEW_KEY);
        bytes32 hash = rotateHash(device, newSigner, deadline);
        bytes memory byOld = sign(KEY, hash);
        bytes memory byNew = sign(NEW_KEY, hash);
        vm.prank(owner);
        vm.expectRevert(bytes("invalid signature"));
        registry.rotate(device, newSigner, deadline, byOld, "");
        vm.startPrank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.rotate(device, newSigner, deadline, byNew, "");
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.rotate(device, newSigner, deadline, byNew, byOld);
        // With the owner's signature a stranger may carry it.
        registry.rotate(device, newSigner, deadline, byNew, sign(OWNER_KEY, hash));
        vm.stopPrank();
        assertEq(registry.signerOf(device), newSigner);
    }

    function test_CancelNonce() public {
        registerDevice(KEY, owner);
        bytes memory signature = sign(KEY, removeHash(device, deadline));
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.cancelNonce(device);
        vm.startPrank(owner);
        registry.cancelNonce(device);
        vm.expectRevert(bytes("invalid signature"));
        registry.remove(device, deadline, signature, "");
        vm.stopPrank();
    }

    function test_Administration_RevertWhen_NoAuthority() public {
        vm.startPrank(mallory);
        vm.expectRevert();
        registry.setIoIDStore(mallory);
        vm.expectRevert();
        registry.upgradeToAndCall(address(registry), "");
        vm.expectRevert();
        ioID.setMinter(mallory);
        vm.expectRevert(bytes("invalid minter"));
        ioID.mint(1, mallory, mallory);
        vm.expectRevert(bytes("invalid minter"));
        ioID.removeDID(mallory);
        vm.expectRevert(bytes("invalid minter"));
        ioID.migrate(1, mallory);
        vm.stopPrank();
    }

    function test_Register_RevertWhen_NftIsInUse() public {
        registerDevice(KEY, owner);
        // The owner takes the NFT out of the wallet: it still belongs to a live device.
        address wallet = ioID.walletOf(1);
        bytes memory take = abi.encodeWithSignature("transferFrom(address,address,uint256)", wallet, owner, 1);
        vm.startPrank(owner);
        IDeviceAccount(payable(wallet)).execute(address(deviceNFT), 0, take, 0);
        deviceNFT.approve(address(registry), 1);
        (uint8 v, bytes32 r, bytes32 s) = permit(NEW_KEY, owner, vm.addr(NEW_KEY));
        vm.expectRevert(bytes("nft already used"));
        registry.register(address(deviceNFT), 1, vm.addr(NEW_KEY), HASH, URI, v, r, s);
        vm.stopPrank();
    }

    function test_Register_VirtualProjectPaysPrice() public {
        (uint256 id, DeviceNFT nft) = newProject("virtual", 1, 0);
        uint256 tokenId = nft.mint(owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        vm.deal(owner, 3 ether);
        vm.startPrank(owner);
        nft.approve(address(registry), tokenId);
        vm.expectRevert(bytes("insufficient fund"));
        registry.register(address(nft), tokenId, device, HASH, URI, v, r, s);
        registry.register{value: PRICE + 1}(address(nft), tokenId, device, HASH, URI, v, r, s);
        vm.stopPrank();
        assertEq(store.refundable(owner), 1);
        assertEq(ioID.deviceProject(device), id);
        assertEq(store.projectActivedAmount(id), 1);
    }

    function _registration(uint256 tokenId, address device_) private view returns (IIoIDRegistry.Registration memory) {
        return IIoIDRegistry.Registration(address(deviceNFT), tokenId, owner, device_, HASH, URI);
    }

    function _refused(
        IIoIDRegistry.Registration memory registration,
        uint256 until,
        bytes memory byDevice,
        bytes memory byOwner
    ) private {
        vm.expectRevert(bytes("invalid signature"));
        registry.register(registration, until, byDevice, byOwner);
    }

    function _remove(uint256 key) private {
        (uint8 v, bytes32 r, bytes32 s) = permit(key, owner, vm.addr(key));
        vm.prank(owner);
        registry.remove(vm.addr(key), v, r, s);
    }

    function _rotate(uint256 key, uint256 newKey) private {
        address newSigner = vm.addr(newKey);
        bytes memory signature = sign(newKey, rotateHash(vm.addr(key), newSigner, deadline));
        vm.prank(owner);
        registry.rotate(vm.addr(key), newSigner, deadline, signature, "");
    }

    function _refuseRotation(uint256 newKey, address holder) private {
        address newSigner = vm.addr(newKey);
        bytes memory signature = sign(newKey, rotateHash(device, newSigner, deadline));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_KeyTaken.selector, newSigner, holder));
        registry.rotate(device, newSigner, deadline, signature, "");
    }
}
