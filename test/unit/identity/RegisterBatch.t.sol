// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {DeviceNFT} from "../../../contracts/identity/DeviceNFT.sol";
import {IIoIDRegistry} from "../../../contracts/interfaces/identity/IIoIDRegistry.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

contract RegisterBatchTest is IdentityFixture {
    uint256 private constant FIRST_KEY = 0xE100;
    uint256 private deadline;

    function setUp() public {
        deployIdentity();
        deadline = block.timestamp + 1 hours;
    }

    function test_Batch_RegistersAll() public {
        (IIoIDRegistry.Registration[] memory batch, bytes[] memory byDevices) = _batch(10, owner);
        bytes memory byOwner = sign(OWNER_KEY, batchHash(batch, deadline));
        // Both signed: a stranger may carry it.
        vm.prank(mallory);
        registry.registerBatch(batch, deadline, byDevices, byOwner);
        for (uint256 i = 0; i < 10; ++i) {
            uint256 id = registry.deviceTokenId(batch[i].device);
            assertEq(ioID.ownerOf(id), owner);
            assertEq(deviceNFT.ownerOf(batch[i].tokenId), ioID.walletOf(id));
            assertEq(registry.documentURI(batch[i].device), batch[i].uri);
            assertEq(registry.nonces(batch[i].device), 1);
        }
        assertEq(ioID.projectDeviceCount(projectId), 10);
        assertEq(store.projectActivedAmount(projectId), 10);
        // And it is good once.
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, address(this)));
        registry.registerBatch(batch, deadline, byDevices, byOwner);
    }

    function test_Batch_ByTheUserOrHisRelayer() public {
        (IIoIDRegistry.Registration[] memory batch, bytes[] memory byDevices) = _batch(1, owner);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.registerBatch(batch, deadline, byDevices, "");
        vm.prank(owner);
        registry.registerBatch(batch, deadline, byDevices, "");
        (batch, byDevices) = _batch(2, owner);
        vm.prank(owner);
        registry.setRelayer(mallory, true);
        vm.prank(mallory);
        registry.registerBatch(batch, deadline, byDevices, "");
        assertEq(ioID.balanceOf(owner), 3);
    }

    function test_Batch_OfAContract() public {
        ContractOwner user = new ContractOwner();
        (IIoIDRegistry.Registration[] memory batch, bytes[] memory byDevices) = _batch(2, address(user));
        bytes memory refusal = abi.encodeWithSelector(
            IIoIDRegistry.IoIDRegistry_NoConsent.selector,
            address(user),
            address(this)
        );
        vm.expectRevert(refusal);
        registry.registerBatch(batch, deadline, byDevices, "any");
        user.approve(digest(batchHash(batch, deadline)));
        registry.registerBatch(batch, deadline, byDevices, "any");
        assertEq(ioID.balanceOf(address(user)), 2);
    }

    function test_Batch_RevertWhen_ItsSizeIsWrong() public {
        (IIoIDRegistry.Registration[] memory batch, bytes[] memory byDevices) = _batch(2, owner);
        vm.startPrank(owner);
        _refusedSize(new IIoIDRegistry.Registration[](0), new bytes[](0));
        _refusedSize(batch, new bytes[](1));
        _refusedSize(batch, new bytes[](3));
        _refusedSize(new IIoIDRegistry.Registration[](65), new bytes[](65));
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_Expired.selector, deadline, deadline + 1));
        registry.registerBatch(batch, deadline, byDevices, "");
    }

    function test_Batch_RevertWhen_OneIsForAnotherUser() public {
        (IIoIDRegistry.Registration[] memory batch, bytes[] memory byDevices) = _batch(2, owner);
        (IIoIDRegistry.Registration[] memory others, bytes[] memory byOthers) = _batch(1, mallory);
        (batch[1], byDevices[1]) = (others[0], byOthers[0]);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_OtherUser.selector, 1, mallory));
        registry.registerBatch(batch, deadline, byDevices, "");
    }

    /// @dev A consent to one device is none to a batch of it, and the other way round.
    function test_Batch_IsNoOtherAction() public {
        (IIoIDRegistry.Registration[] memory batch, bytes[] memory byDevices) = _batch(1, owner);
        bytes memory one = sign(OWNER_KEY, registrationHash(batch[0], deadline));
        bytes memory refusal = abi.encodeWithSelector(
            IIoIDRegistry.IoIDRegistry_NoConsent.selector,
            owner,
            address(this)
        );
        vm.expectRevert(refusal);
        registry.registerBatch(batch, deadline, byDevices, one);
        bytes memory many = sign(OWNER_KEY, batchHash(batch, deadline));
        vm.expectRevert(refusal);
        registry.register(batch[0], deadline, byDevices[0], many);
    }

    /// @dev Whatever a relayer changes, reorders or leaves out, nothing is registered.
    function test_Fuzz_Batch_RevertWhen_Changed(uint8 size, uint8 which, uint8 how) public {
        size = uint8(bound(size, 2, 8));
        which = which % size;
        (IIoIDRegistry.Registration[] memory batch, bytes[] memory byDevices) = _batch(size, owner);
        bytes memory byOwner = sign(OWNER_KEY, batchHash(batch, deadline));
        uint256 until = deadline;
        how %= 8;
        if (how == 0) batch[which].hash = keccak256("other");
        if (how == 1) batch[which].uri = "http://other";
        if (how == 2) batch[which].tokenId = batch[(which + 1) % size].tokenId;
        if (how == 3) batch[which].device = mallory;
        if (how == 4) byDevices[which] = byDevices[(which + 1) % size];
        if (how == 5) ++until;
        if (how == 6) {
            uint256 other = (which + 1) % size;
            (batch[which], batch[other]) = (batch[other], batch[which]);
            (byDevices[which], byDevices[other]) = (byDevices[other], byDevices[which]);
        }
        if (how == 7) batch[which].deviceContract = address(this);
        vm.prank(mallory);
        (bool success, ) = address(registry).call(
            abi.encodeCall(registry.registerBatch, (batch, until, byDevices, byOwner))
        );
        assertFalse(success, "registered what was changed");
        assertEq(ioID.totalSupply(), 0);
        // By the owner himself only the devices' signatures stand in the way.
        if (how == 6) return;
        vm.prank(owner);
        (success, ) = address(registry).call(abi.encodeCall(registry.registerBatch, (batch, until, byDevices, "")));
        assertFalse(success, "registered what no device signed");
        assertEq(ioID.totalSupply(), 0);
    }

    function test_Batch_OfAVirtualProjectPaysEach() public {
        (uint256 id, DeviceNFT nft) = newProject("virtual", 1, 0);
        deviceNFT = nft;
        (IIoIDRegistry.Registration[] memory batch, bytes[] memory byDevices) = _batch(3, owner);
        vm.deal(owner, 3 * PRICE);
        vm.startPrank(owner);
        vm.expectRevert(bytes("insufficient fund"));
        registry.registerBatch{value: 2 * PRICE}(batch, deadline, byDevices, "");
        vm.expectCall(address(store), abi.encodeWithSignature("activeIoID(uint256,address)", id, owner));
        registry.registerBatch{value: 3 * PRICE}(batch, deadline, byDevices, "");
        assertEq(store.projectActivedAmount(id), 3);
        assertEq(address(registry).balance, 0);
    }

    /// @dev What does not divide, or is too much, is not kept here: the store has it for the caller.
    function test_Fuzz_Batch_KeepsNoValue(uint8 size, uint256 value) public {
        size = uint8(bound(size, 1, 5));
        (, deviceNFT) = newProject("virtual", 1, 0);
        (IIoIDRegistry.Registration[] memory batch, bytes[] memory byDevices) = _batch(size, owner);
        value = bound(value, 0, 6 * PRICE);
        vm.deal(owner, value);
        vm.prank(owner);
        (bool success, ) = address(registry).call{value: value}(
            abi.encodeCall(registry.registerBatch, (batch, deadline, byDevices, ""))
        );
        assertEq(address(registry).balance, 0);
        assertEq(owner.balance, success ? 0 : value);
        assertEq(success, value >= size * PRICE, "paid");
        assertEq(store.refundable(owner), success ? value - size * PRICE : 0);
    }

    function batchHash(IIoIDRegistry.Registration[] memory batch, uint256 until) private view returns (bytes32) {
        bytes memory hashes;
        for (uint256 i = 0; i < batch.length; ++i) {
            hashes = bytes.concat(hashes, registrationHash(batch[i], until));
        }
        bytes32 kind = keccak256("RegisterBatch(bytes32 registrations,uint256 deadline)");
        return keccak256(abi.encode(kind, keccak256(hashes), until));
    }

    function _batch(
        uint256 size,
        address user
    ) private returns (IIoIDRegistry.Registration[] memory batch, bytes[] memory byDevices) {
        batch = new IIoIDRegistry.Registration[](size);
        byDevices = new bytes[](size);
        for (uint256 i = 0; i < size; ++i) {
            uint256 tokenId = mintDevice(user);
            uint256 key = FIRST_KEY + tokenId;
            batch[i] = IIoIDRegistry.Registration(address(deviceNFT), tokenId, user, vm.addr(key), HASH, URI);
            byDevices[i] = sign(key, registrationHash(batch[i], deadline));
        }
    }

    function _refusedSize(IIoIDRegistry.Registration[] memory batch, bytes[] memory byDevices) private {
        vm.expectRevert(
            abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_BatchSize.selector, batch.length, byDevices.length, 64)
        );
        registry.registerBatch(batch, deadline, byDevices, "");
    }
}

/// @dev An ERC-1271 owner that consents to the digests it was told.
contract ContractOwner is IERC1271 {
    mapping(bytes32 digest => bool) private _approved;

    function approve(bytes32 digest) external {
        _approved[digest] = true;
    }

    function isValidSignature(bytes32 digest, bytes calldata) external view returns (bytes4) {
        return _approved[digest] ? this.isValidSignature.selector : bytes4(0);
    }
}
