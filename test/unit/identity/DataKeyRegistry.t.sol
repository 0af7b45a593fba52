// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IDataKeyRegistry} from "../../../contracts/interfaces/identity/IDataKeyRegistry.sol";
import {BabyJubJub} from "../../../contracts/libraries/BabyJubJub.sol";
import {PoseidonT7} from "../../../contracts/libraries/PoseidonT7.sol";
import {Curve} from "../../solidity/Curve.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

contract DataKeyRegistryTest is IdentityFixture {
    uint256 private constant KEY = 0xD1;
    uint256 private constant OTHER_KEY = 0xD2;
    uint256 private constant EIGHT_INVERSE =
        2394026564107420727433200628387514462817212225638746351800188703329891451411; // 8^-1 mod l
    uint256 private constant SECRET = 0x1234567890abcdef;
    uint256 private constant NONCE = 0xfedcba0987654321;

    address private device = vm.addr(KEY);
    address private other = vm.addr(OTHER_KEY);
    uint256 private id;
    uint256 private deadline;

    /// @dev Arguments of one call of bind.
    struct Call {
        uint256 projectId;
        address device;
        IDataKeyRegistry.Point key;
        IDataKeyRegistry.Point eighth;
        uint32 fromWindow;
        uint256 deadline;
        bytes deviceSignature;
        IDataKeyRegistry.SchnorrSignature keySignature;
    }

    function setUp() public {
        deployIdentity();
        deadline = block.timestamp + 1 hours;
        id = registerDevice(KEY, owner);
        registerDevice(OTHER_KEY, owner);
    }

    function test_Bind_StoresCommitmentAndKey() public {
        Call memory call = _call(KEY, SECRET, 5);
        uint256 before = gasleft();
        _bind(call);
        assertLe(before - gasleft(), 400_000, "gas");
        uint256 commitment = PoseidonT7.hash(
            [block.chainid, uint160(address(dataKeys)), projectId, uint160(device), call.key.x, call.key.y]
        );
        assertEq(dataKeys.commitmentAt(projectId, id, 4), 0);
        assertEq(dataKeys.commitmentAt(projectId, id, 5), commitment);
        assertEq(dataKeys.commitmentAt(projectId, id, type(uint32).max), commitment);
        (IDataKeyRegistry.Point memory key, uint256 found) = dataKeys.keyAt(projectId, device, 6);
        assertEq(found, commitment);
        assertEq(key.x, call.key.x);
        assertEq(key.y, call.key.y);
        assertEq(dataKeys.deviceOfKey(keccak256(abi.encode(call.key))), device);
    }

    function test_Bind_ByOwnerWithoutDeviceSignature() public {
        Call memory call = _call(KEY, SECRET, 0);
        call.deviceSignature = "";
        bytes memory refusal = abi.encodeWithSelector(
            IDataKeyRegistry.DataKeyRegistry_BadDeviceSignature.selector,
            device,
            device
        );
        // The owner's relayer brings the device's signature; only the owner goes without.
        vm.prank(owner);
        registry.setRelayer(mallory, true);
        vm.expectRevert(refusal);
        _bindAs(mallory, call);
        _bind(call);
        assertTrue(dataKeys.commitmentAt(projectId, id, 0) != 0);
    }

    function test_Bind_ByRelayer() public {
        vm.prank(owner);
        registry.setRelayer(mallory, true);
        _bindAs(mallory, _call(KEY, SECRET, 0));
        assertTrue(dataKeys.commitmentAt(projectId, id, 0) != 0);
    }

    /// @dev With the device's key alone a thief could bind the last window, and every later key would be refused.
    function test_Bind_RevertWhen_ThiefOfTheDeviceKeyIsAlone() public {
        Call memory call = _call(KEY, SECRET, type(uint32).max);
        bytes memory refusal = abi.encodeWithSelector(
            IDataKeyRegistry.DataKeyRegistry_NoConsent.selector,
            owner,
            mallory
        );
        vm.expectRevert(refusal);
        _bindAs(mallory, call);
        call.deviceSignature = "";
        vm.expectRevert(refusal);
        _bindAs(mallory, call);
    }

    function test_Bind_RevertWhen_DeviceSignatureIsByAnotherKey() public {
        Call memory call = _call(KEY, SECRET, 0);
        call.deviceSignature = _deviceSignature(OTHER_KEY, call);
        vm.expectRevert(
            abi.encodeWithSelector(IDataKeyRegistry.DataKeyRegistry_BadDeviceSignature.selector, device, device)
        );
        _bind(call);
        // A retired key signs no data key: a thief of the old key is out.
        address newSigner = vm.addr(0xD7);
        bytes memory signature = sign(0xD7, rotateHash(device, newSigner, deadline));
        vm.prank(owner);
        registry.rotate(device, newSigner, deadline, signature, "");
        call.deviceSignature = _deviceSignature(KEY, call);
        vm.expectRevert(
            abi.encodeWithSelector(IDataKeyRegistry.DataKeyRegistry_BadDeviceSignature.selector, device, newSigner)
        );
        _bind(call);
        call.deviceSignature = _deviceSignature(0xD7, call);
        _bind(call);
    }

    function test_Bind_RevertWhen_DataKeySignedSomethingElse() public {
        Call memory call = _call(KEY, SECRET, 1);
        call.deviceSignature = "";
        // Each bound parameter in turn: none may differ from what the data key signed.
        call.fromWindow = 2;
        _refused(call);
        call.fromWindow = 1;
        call.deadline = deadline + 1;
        _refused(call);
        call.deadline = deadline;
        call.device = other;
        _refused(call);
        call.device = device;
        call.keySignature.s = addmod(call.keySignature.s, 1, BabyJubJub.ORDER);
        _refused(call);
        call.keySignature.s += BabyJubJub.ORDER - 1;
        _refused(call);
        call = _call(KEY, SECRET, 1);
        call.deviceSignature = "";
        (call.keySignature.r.x, call.keySignature.r.y) = Curve.mulBase(NONCE + 1);
        _refused(call);
    }

    function test_Bind_RevertWhen_NotAPoint() public {
        Call memory call = _call(KEY, SECRET, 0);
        IDataKeyRegistry.Point memory good = call.key;
        // Off the curve.
        call.key.x = addmod(good.x, 1, BabyJubJub.FIELD);
        _badPoint(call);
        // Not canonical.
        call.key = IDataKeyRegistry.Point(good.x + BabyJubJub.FIELD, good.y);
        _badPoint(call);
        // Neutral, whose eighth is neutral too.
        call.key = IDataKeyRegistry.Point(0, 1);
        call.eighth = IDataKeyRegistry.Point(0, 1);
        _badPoint(call);
        // Order two: (0, -1); eight times any point of the curve is never that.
        call.key = IDataKeyRegistry.Point(0, BabyJubJub.FIELD - 1);
        _badPoint(call);
        // A good point plus the one of order two: on the curve, outside the subgroup.
        (call.key.x, call.key.y) = Curve.add(good.x, good.y, 0, BabyJubJub.FIELD - 1);
        call.eighth = _call(KEY, SECRET, 0).eighth;
        _badPoint(call);
    }

    function test_Attack11_KeyOfAnotherDevice() public {
        _bind(_call(KEY, SECRET, 0));
        // The holder of the data key himself cannot give it to a second device.
        Call memory call = _call(OTHER_KEY, SECRET, 0);
        bytes32 keyHash = keccak256(abi.encode(call.key));
        vm.expectRevert(abi.encodeWithSelector(IDataKeyRegistry.DataKeyRegistry_KeyTaken.selector, keyHash, device));
        _bind(call);
        // And a device cannot claim the key first, because the key signs its device.
        call = _call(KEY, SECRET + 1, 1);
        call.device = other;
        call.deviceSignature = _deviceSignature(OTHER_KEY, call);
        vm.expectRevert(IDataKeyRegistry.DataKeyRegistry_BadKeySignature.selector);
        _bind(call);
    }

    function test_Bind_RevertWhen_WindowIsNotLater() public {
        _bind(_call(KEY, SECRET, 7));
        Call memory call = _call(KEY, SECRET + 1, 7);
        vm.expectRevert(
            abi.encodeWithSelector(IDataKeyRegistry.DataKeyRegistry_WindowNotLater.selector, uint32(7), uint32(7))
        );
        _bind(call);
    }

    function test_Bind_RevertWhen_Expired() public {
        Call memory call = _call(KEY, SECRET, 0);
        vm.warp(deadline + 1);
        vm.expectRevert(
            abi.encodeWithSelector(IDataKeyRegistry.DataKeyRegistry_Expired.selector, deadline, deadline + 1)
        );
        _bind(call);
    }

    function test_RemovalEndsKeys() public {
        _bind(_call(KEY, SECRET, 0));
        Call memory later = _call(KEY, SECRET + 1, 1);
        bytes memory signature = sign(KEY, removeHash(device, deadline));
        vm.prank(owner);
        registry.remove(device, deadline, signature, "");
        (IDataKeyRegistry.Point memory key, uint256 commitment) = dataKeys.keyAt(projectId, device, 0);
        assertEq(key.x + key.y + commitment, 0);
        vm.expectRevert(
            abi.encodeWithSelector(IDataKeyRegistry.DataKeyRegistry_UnknownDevice.selector, projectId, device)
        );
        _bind(later);
        // Registered again it starts empty, and its own old key is still its own.
        uint256 again = registerDevice(KEY, owner);
        assertEq(dataKeys.commitmentAt(projectId, again, 0), 0);
        _bind(_call(KEY, SECRET, 0));
        assertTrue(dataKeys.commitmentAt(projectId, again, 0) != 0);
    }

    function test_Bind_RevertWhen_OtherProject() public {
        Call memory call = _call(KEY, SECRET, 0);
        call.projectId = projectId + 1;
        vm.expectRevert(
            abi.encodeWithSelector(IDataKeyRegistry.DataKeyRegistry_UnknownDevice.selector, projectId + 1, device)
        );
        _bind(call);
    }

    /// @dev Ten keys cross the head's seven windows into the first further word.
    function test_CommitmentAt_ManyKeys() public {
        uint256[10] memory commitments;
        for (uint32 i = 0; i < 10; ++i) {
            _bind(_call(KEY, SECRET + i, i * 10));
            commitments[i] = dataKeys.commitmentAt(projectId, id, i * 10);
        }
        for (uint32 i = 0; i < 10; ++i) {
            assertEq(dataKeys.commitmentAt(projectId, id, i * 10), commitments[i]);
            assertEq(dataKeys.commitmentAt(projectId, id, i * 10 + 9), commitments[i]);
            if (i != 0) assertTrue(commitments[i] != commitments[i - 1]);
        }
        (uint256 count, uint32 newest) = dataKeys.bindings(projectId, id);
        assertEq(count, 10);
        assertEq(newest, 90);
    }

    function test_Fuzz_SchnorrEquation(uint256 secret, uint256 nonce, uint256 challenge, uint256 flaw) public view {
        secret = bound(secret, 1, BabyJubJub.ORDER - 1);
        challenge = bound(challenge, 0, BabyJubJub.ORDER - 1);
        nonce = bound(nonce, 0, BabyJubJub.ORDER - 1);
        uint256 s = addmod(nonce, mulmod(challenge, secret, BabyJubJub.ORDER), BabyJubJub.ORDER);
        (uint256 kx, uint256 ky) = Curve.mulBase(secret);
        (uint256 rx, uint256 ry) = Curve.mulBase(nonce);
        assertTrue(BabyJubJub.isOnCurve(kx, ky));
        assertTrue(BabyJubJub.isSchnorr([s, challenge, kx, ky, rx, ry]));
        uint256 wrong = addmod(s, bound(flaw, 1, BabyJubJub.ORDER - 1), BabyJubJub.ORDER);
        assertFalse(BabyJubJub.isSchnorr([wrong, challenge, kx, ky, rx, ry]));
    }

    function _bind(Call memory call) private {
        _bindAs(owner, call);
    }

    function _bindAs(address caller, Call memory call) private {
        vm.prank(caller);
        dataKeys.bind(
            call.projectId,
            call.device,
            call.key,
            call.eighth,
            call.fromWindow,
            call.deadline,
            call.deviceSignature,
            call.keySignature
        );
    }

    function _refused(Call memory call) private {
        vm.expectRevert(IDataKeyRegistry.DataKeyRegistry_BadKeySignature.selector);
        _bind(call);
    }

    function _badPoint(Call memory call) private {
        call.deviceSignature = "";
        vm.expectRevert(
            abi.encodeWithSelector(IDataKeyRegistry.DataKeyRegistry_BadPoint.selector, call.key.x, call.key.y)
        );
        _bind(call);
    }

    /// @dev A correct call for the device of `deviceKey` and the data key `secret`.
    function _call(uint256 deviceKey, uint256 secret, uint32 fromWindow) private view returns (Call memory call) {
        call.projectId = projectId;
        call.device = vm.addr(deviceKey);
        (call.key.x, call.key.y) = Curve.mulBase(secret);
        (call.eighth.x, call.eighth.y) = Curve.mulBase(mulmod(secret, EIGHT_INVERSE, BabyJubJub.ORDER));
        call.fromWindow = fromWindow;
        call.deadline = deadline;
        call.deviceSignature = _deviceSignature(deviceKey, call);
        (call.keySignature.r.x, call.keySignature.r.y) = Curve.mulBase(NONCE);
        bytes32 hash = dataKeys.possessionHash(
            projectId,
            call.device,
            ioID.tokenIdOf(call.device),
            call.key,
            fromWindow,
            deadline,
            call.keySignature.r
        );
        uint256 challenge = uint256(hash) % BabyJubJub.ORDER;
        call.keySignature.s = addmod(NONCE, mulmod(challenge, secret, BabyJubJub.ORDER), BabyJubJub.ORDER);
    }

    function _deviceSignature(uint256 deviceKey, Call memory call) private view returns (bytes memory) {
        bytes32 hash = dataKeys.bindingHash(
            call.projectId,
            call.device,
            ioID.tokenIdOf(call.device),
            call.key,
            call.fromWindow,
            call.deadline
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(deviceKey, hash);
        return abi.encodePacked(r, s, v);
    }
}
