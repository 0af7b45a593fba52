// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {CertificateRegistry} from "../../../contracts/identity/CertificateRegistry.sol";
import {ICertificateRegistry} from "../../../contracts/interfaces/identity/ICertificateRegistry.sol";
import {DnsName} from "../../../contracts/libraries/DnsName.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

contract OwnerContract {
    bytes32 public allowed;

    function allow(bytes32 hash) external {
        allowed = hash;
    }

    function isValidSignature(bytes32 hash, bytes calldata) external view returns (bytes4) {
        return hash == allowed ? this.isValidSignature.selector : bytes4(0);
    }

    function onERC721Received(address, address, uint256, bytes calldata) external pure returns (bytes4) {
        return this.onERC721Received.selector;
    }
}

contract CertificateRegistryTest is IdentityFixture {
    CertificateRegistry private certificates;

    uint256 private constant ROOT = 0xC0;
    uint256 private constant MIDDLE = 0xC1;
    uint256 private constant LEAF = 0xC2;
    uint256 private constant NEW_KEY = 0xC9;
    uint256 private deadline;
    uint40 private start;

    function setUp() public {
        deployIdentity();
        certificates = CertificateRegistry(
            _proxy(
                address(new CertificateRegistry(address(manager), address(registry))),
                abi.encodeCall(CertificateRegistry.initialize, ())
            )
        );
        registerDevice(ROOT, owner);
        registerDevice(MIDDLE, owner);
        registerDevice(LEAF, owner);
        deadline = block.timestamp + 1 hours;
        start = uint40(block.timestamp);
    }

    // publish: a root

    function test_Root_IsPublishedByDeviceAndOwner() public {
        ICertificateRegistry.Certificate memory root = _root();
        bytes32 id = _publishRoot(root);
        assertEq(id, keccak256(abi.encode(bytes32(0), root.device, root.digest)));
        ICertificateRegistry.Record memory kept = certificates.certificate(id);
        assertEq(kept.device, root.device);
        assertEq(kept.spkiHash, root.spkiHash);
        assertEq(kept.name, root.name);
        assertEq(uint256(kept.pathLen), 3);
        assertEq(uint256(kept.tokenId), ioID.tokenIdOf(root.device));
        (ICertificateRegistry.Status found, uint64 notAfter, address device) = certificates.status(id);
        assertTrue(found == ICertificateRegistry.Status.Valid);
        assertEq(uint256(notAfter), root.notAfter);
        assertEq(device, root.device);
    }

    function test_Root_OwnerMaySignOrSendARelayer() public {
        ICertificateRegistry.Certificate memory root = _root();
        bytes32 hash = certificates.publishHash(root, deadline);
        bytes memory consent = _sign(OWNER_KEY, hash);
        vm.prank(mallory);
        certificates.publish(root, deadline, _sign(ROOT, hash), consent);
        root.digest = keccak256("another");
        hash = certificates.publishHash(root, deadline);
        vm.prank(owner);
        registry.setRelayer(mallory, true);
        vm.prank(mallory);
        certificates.publish(root, deadline, _sign(ROOT, hash), "");
    }

    function test_Root_OwnerMayBeAContract() public {
        OwnerContract account = new OwnerContract();
        uint256 key = 0xCA;
        registerDevice(key, address(account));
        ICertificateRegistry.Certificate memory root = _root();
        root.device = vm.addr(key);
        bytes32 hash = certificates.publishHash(root, deadline);
        bytes memory signature = _sign(key, hash);
        vm.expectRevert(_noConsent(address(this)));
        certificates.publish(root, deadline, signature, "any");
        account.allow(hash);
        _expectStatus(certificates.publish(root, deadline, signature, "any"), ICertificateRegistry.Status.Valid);
    }

    /// @dev A stolen device key alone founds no authority, and an owner without the device's key neither.
    function test_Root_RevertWhen_OneOfTheTwoIsMissing() public {
        ICertificateRegistry.Certificate memory root = _root();
        bytes memory signature = _sign(ROOT, certificates.publishHash(root, deadline));
        vm.expectRevert(_noConsent(mallory));
        vm.prank(mallory);
        certificates.publish(root, deadline, signature, "");
        vm.expectRevert(_noConsent(mallory));
        vm.prank(mallory);
        certificates.publish(root, deadline, signature, signature);
        bytes memory forged = _sign(0xBAD, certificates.publishHash(root, deadline));
        vm.expectRevert(_badKey(ROOT));
        vm.prank(owner);
        certificates.publish(root, deadline, forged, "");
    }

    function test_Root_RevertWhen_TheKeyIsRetired() public {
        _rotate(ROOT, NEW_KEY);
        ICertificateRegistry.Certificate memory root = _root();
        bytes memory old = _sign(ROOT, certificates.publishHash(root, deadline));
        vm.expectRevert(
            abi.encodeWithSelector(
                ICertificateRegistry.CertificateRegistry_BadDeviceSignature.selector,
                root.device,
                vm.addr(NEW_KEY)
            )
        );
        vm.prank(owner);
        certificates.publish(root, deadline, old, "");
        bytes memory current = _sign(NEW_KEY, certificates.publishHash(root, deadline));
        vm.prank(owner);
        certificates.publish(root, deadline, current, "");
    }

    /// @dev Every field is signed: changing one voids both signatures.
    function test_Publish_RevertWhen_AFieldIsNotWhatWasSigned() public {
        ICertificateRegistry.Certificate memory root = _root();
        bytes memory signature = _sign(ROOT, certificates.publishHash(root, deadline));
        for (uint256 field = 0; field < 9; ++field) {
            ICertificateRegistry.Certificate memory other = _root();
            uint256 until = deadline;
            if (field == 0) other.digest = keccak256("other");
            if (field == 1) other.spkiHash = keccak256("other");
            if (field == 2) other.notBefore += 1;
            if (field == 3) other.notAfter += 1;
            if (field == 4) (other.ca, other.pathLen) = (false, 0);
            if (field == 5) other.pathLen = 2;
            if (field == 6) other.name = "other.example";
            if (field == 7) other.replaces = keccak256("other");
            if (field == 8) until += 1;
            vm.expectRevert(_badKey(ROOT));
            vm.prank(owner);
            certificates.publish(other, until, signature, "");
        }
    }

    function test_Publish_RevertWhen_SignedForAnotherRegistry() public {
        ICertificateRegistry.Certificate memory root = _root();
        CertificateRegistry twin = CertificateRegistry(
            _proxy(
                address(new CertificateRegistry(address(manager), address(registry))),
                abi.encodeCall(CertificateRegistry.initialize, ())
            )
        );
        bytes memory signature = _sign(ROOT, twin.publishHash(root, deadline));
        vm.expectRevert(_badKey(ROOT));
        vm.prank(owner);
        certificates.publish(root, deadline, signature, "");
    }

    function test_Publish_RevertWhen_LateTwiceOrOfNoDevice() public {
        ICertificateRegistry.Certificate memory root = _root();
        bytes32 id = _publishRoot(root);
        _refusesRoot(root, abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_Exists.selector, id));
        vm.prank(owner);
        certificates.revoke(id, deadline, "");
        _refusesRoot(root, abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_Exists.selector, id));
        root.device = mallory;
        _refusesRoot(
            root,
            abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_UnknownDevice.selector, mallory)
        );
        vm.warp(deadline + 1);
        _refusesRoot(
            _root(),
            abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_Expired.selector, deadline, block.timestamp)
        );
    }

    /// @dev Who sees the bytes of a certificate first cannot take its id: it holds the device and the parent.
    function test_Publish_BytesUnderAnotherDeviceOrParentTakeNoId() public {
        ICertificateRegistry.Certificate memory squat = _root();
        squat.device = vm.addr(LEAF);
        bytes32 below = _publish(squat, LEAF, "");
        squat = _root();
        squat.parent = below;
        squat.pathLen = 2;
        _publishChild(squat, LEAF, ROOT);
        bytes32 id = _publishRoot(_root());
        _expectStatus(id, ICertificateRegistry.Status.Valid);
    }

    function test_Publish_RevertWhen_ValidityIsNone() public {
        ICertificateRegistry.Certificate memory root = _root();
        (root.notBefore, root.notAfter) = (start + 2, start + 1);
        _expectBadValidity(root, type(uint40).max);
        (root.notBefore, root.notAfter) = (start - 2, start - 1);
        _expectBadValidity(root, type(uint40).max);
        (root.notBefore, root.notAfter) = (start, start);
        _publishRoot(root);
    }

    function test_Publish_RevertWhen_NamesAreNoNames() public {
        string[10] memory bad = ["", ".", "a.", ".a", "a..b", "A.b", "-a.b", "a-.b", "*.a", "a_b"];
        for (uint256 i = 0; i < bad.length; ++i) {
            ICertificateRegistry.Certificate memory root = _root();
            root.name = bad[i];
            _refusesRoot(
                root,
                abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_BadName.selector, bad[i])
            );
        }
    }

    // publish: below another

    function test_Child_IsPublishedByIssuerAndSubject() public {
        bytes32 root = _publishRoot(_root());
        bytes32 middle = _publishChild(_child(root, MIDDLE, true, 1, "fleet.example"), ROOT, MIDDLE);
        bytes32 leaf = _publishChild(_child(middle, LEAF, false, 0, "a.fleet.example"), MIDDLE, LEAF);
        _expectStatus(leaf, ICertificateRegistry.Status.Valid);
    }

    function test_Child_OfTheSameDeviceNeedsItsKeyOnly() public {
        bytes32 root = _publishRoot(_root());
        ICertificateRegistry.Certificate memory tls = _child(root, ROOT, false, 0, "example");
        bytes memory signature = _sign(ROOT, certificates.publishHash(tls, deadline));
        vm.prank(mallory);
        bytes32 id = certificates.publish(tls, deadline, signature, "");
        _expectStatus(id, ICertificateRegistry.Status.Valid);
    }

    /// @dev An issuer names no device that does not want it: with such a certificate he would speak in its name.
    function test_Child_RevertWhen_SubjectOrIssuerDidNotSign() public {
        bytes32 root = _publishRoot(_root());
        ICertificateRegistry.Certificate memory child = _child(root, LEAF, false, 0, "a.example");
        bytes memory byIssuer = _sign(ROOT, certificates.publishHash(child, deadline));
        bytes memory bySubject = _sign(LEAF, certificates.publishHash(child, deadline));
        vm.startPrank(owner);
        vm.expectRevert(_badKey(LEAF));
        certificates.publish(child, deadline, byIssuer, "");
        vm.expectRevert(_badKey(LEAF));
        certificates.publish(child, deadline, byIssuer, byIssuer);
        vm.expectRevert(_badKey(ROOT));
        certificates.publish(child, deadline, bySubject, bySubject);
        vm.stopPrank();
        certificates.publish(child, deadline, byIssuer, bySubject);
    }

    function test_Child_RevertWhen_ParentMayNotIssue() public {
        bytes32 root = _publishRoot(_root());
        bytes32 leaf = _publishChild(_child(root, LEAF, false, 0, "a.example"), ROOT, LEAF);
        _expectBadParent(_child(leaf, MIDDLE, false, 0, "b.a.example"), ICertificateRegistry.Status.Valid);
        _expectBadParent(_child(keccak256("none"), MIDDLE, false, 0, "b"), ICertificateRegistry.Status.Unknown);
        vm.prank(owner);
        certificates.revoke(root, deadline, "");
        _expectBadParent(_child(root, MIDDLE, false, 0, "b.example"), ICertificateRegistry.Status.Revoked);
    }

    function test_Child_RevertWhen_PathIsTooLong() public {
        ICertificateRegistry.Certificate memory tooLong = _root();
        tooLong.pathLen = 4;
        _refusesRoot(
            tooLong,
            abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_PathTooLong.selector, 4, 4)
        );
        bytes32 above = _publishRoot(_root());
        for (uint8 allowed = 3; allowed > 0; --allowed) {
            ICertificateRegistry.Certificate memory child = _child(above, ROOT, true, allowed, "example");
            _expectPathTooLong(child, allowed, allowed);
            child.pathLen = allowed - 1;
            above = _publish(child, ROOT, "");
        }
        _expectPathTooLong(_child(above, ROOT, true, 0, "example"), 0, 0);
        _expectPathTooLong(_child(above, ROOT, false, 1, "example"), 1, 0);
        _expectStatus(_publish(_child(above, ROOT, false, 0, "example"), ROOT, ""), ICertificateRegistry.Status.Valid);
    }

    function test_Child_RevertWhen_NameLeavesTheParents() public {
        bytes32 root = _publishRoot(_root());
        string[4] memory bad = ["example.org", "notexample", "xample", "example.a"];
        for (uint256 i = 0; i < bad.length; ++i) {
            ICertificateRegistry.Certificate memory child = _child(root, ROOT, false, 0, bad[i]);
            bytes memory signature = _sign(ROOT, certificates.publishHash(child, deadline));
            vm.expectRevert(abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_BadName.selector, bad[i]));
            certificates.publish(child, deadline, signature, "");
        }
    }

    function test_Child_RevertWhen_ItOutlivesTheParent() public {
        bytes32 root = _publishRoot(_root());
        ICertificateRegistry.Certificate memory child = _child(root, ROOT, false, 0, "a.example");
        uint40 latest = _root().notAfter;
        child.notAfter = latest + 1;
        bytes memory signature = _sign(ROOT, certificates.publishHash(child, deadline));
        vm.expectRevert(
            abi.encodeWithSelector(
                ICertificateRegistry.CertificateRegistry_BadValidity.selector,
                child.notBefore,
                child.notAfter,
                latest
            )
        );
        certificates.publish(child, deadline, signature, "");
        child.notAfter = latest;
        _publish(child, ROOT, "");
    }

    // rotation

    function test_Replace_RevokesTheOldOne() public {
        bytes32 root = _publishRoot(_root());
        bytes32 old = _publishChild(_child(root, LEAF, false, 0, "a.example"), ROOT, LEAF);
        ICertificateRegistry.Certificate memory next = _child(root, LEAF, false, 0, "b.example");
        next.replaces = old;
        bytes32 id = _publishChild(next, ROOT, LEAF);
        _expectStatus(old, ICertificateRegistry.Status.Revoked);
        _expectStatus(id, ICertificateRegistry.Status.Valid);
        next = _child(root, LEAF, false, 0, "c.example");
        next.replaces = old;
        _expectBadReplacement(next, ROOT, LEAF);
    }

    function test_Replace_RevertWhen_OfAnotherDeviceOrParent() public {
        bytes32 root = _publishRoot(_root());
        bytes32 middle = _publishChild(_child(root, MIDDLE, true, 1, "m.example"), ROOT, MIDDLE);
        bytes32 leaf = _publishChild(_child(middle, LEAF, false, 0, "a.m.example"), MIDDLE, LEAF);
        ICertificateRegistry.Certificate memory next = _child(root, LEAF, false, 0, "b.example");
        next.replaces = leaf;
        _expectBadReplacement(next, ROOT, LEAF);
        next = _child(root, LEAF, false, 0, "b.example");
        next.replaces = middle;
        _expectBadReplacement(next, ROOT, LEAF);
        next.replaces = keccak256("none");
        _expectBadReplacement(next, ROOT, LEAF);
    }

    // revocation

    function test_Revoke_ByOwnerParentOrGrandparent() public {
        for (uint256 who = 0; who < 4; ++who) {
            bytes32 root = _publishRoot(_numbered(_root(), who));
            bytes32 middle = _publishChild(_child(root, MIDDLE, true, 1, "m.example"), ROOT, MIDDLE);
            bytes32 leaf = _publishChild(_child(middle, LEAF, false, 0, "a.m.example"), MIDDLE, LEAF);
            uint256 key = [OWNER_KEY, MIDDLE, ROOT, OWNER_KEY][who];
            if (who == 3) {
                vm.prank(owner);
                certificates.revoke(leaf, deadline, "");
            } else certificates.revoke(leaf, deadline, _sign(key, certificates.revokeHash(leaf, deadline)));
            _expectStatus(leaf, ICertificateRegistry.Status.Revoked);
            _expectStatus(middle, ICertificateRegistry.Status.Valid);
            vm.expectRevert(
                abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_NotRevocable.selector, leaf)
            );
            certificates.revoke(leaf, deadline, "");
        }
    }

    function test_Revoke_DeviceKeyAboveMayCall() public {
        (, bytes32 middle, bytes32 leaf) = _tree();
        vm.prank(vm.addr(ROOT));
        certificates.revoke(leaf, deadline, "");
        _expectStatus(leaf, ICertificateRegistry.Status.Revoked);
        vm.prank(vm.addr(ROOT));
        certificates.revoke(middle, deadline, "");
    }

    /// @dev Not who stands below, beside or nowhere, nor a key above that is retired, nor words for another certificate.
    function test_Revoke_RevertWhen_ByAnybodyElse() public {
        (bytes32 root, bytes32 middle, bytes32 leaf) = _tree();
        bytes32 hash = certificates.revokeHash(middle, deadline);
        bytes memory below = _sign(LEAF, hash);
        bytes memory self = _sign(MIDDLE, hash);
        bytes memory stranger = _sign(0xBAD, hash);
        bytes memory other = _sign(ROOT, certificates.revokeHash(leaf, deadline));
        bytes memory above = _sign(ROOT, hash);
        bytes[4] memory signatures = [below, self, stranger, other];
        for (uint256 i = 0; i < signatures.length; ++i) {
            vm.expectRevert(_noConsent(address(this)));
            certificates.revoke(middle, deadline, signatures[i]);
        }
        vm.expectRevert(_noConsent(mallory));
        vm.prank(mallory);
        certificates.revoke(middle, deadline, "");
        vm.expectRevert(
            abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_NotRevocable.selector, bytes32(0))
        );
        certificates.revoke(bytes32(0), deadline, "");
        _rotate(ROOT, NEW_KEY);
        vm.expectRevert(_noConsent(address(this)));
        certificates.revoke(middle, deadline, above);
        bytes memory rootBySelf = _sign(NEW_KEY, certificates.revokeHash(root, deadline));
        vm.expectRevert(_noConsent(address(this)));
        certificates.revoke(root, deadline, rootBySelf);
        certificates.revoke(middle, deadline, _sign(NEW_KEY, hash));
        vm.warp(deadline + 1);
        vm.expectRevert(
            abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_Expired.selector, deadline, deadline + 1)
        );
        certificates.revoke(leaf, deadline, "");
    }

    function test_Revoke_OfARemovedDeviceByWhoStandsAbove() public {
        (, , bytes32 leaf) = _tree();
        _remove(LEAF);
        vm.expectRevert(_noConsent(owner));
        vm.prank(owner);
        certificates.revoke(leaf, deadline, "");
        certificates.revoke(leaf, deadline, _sign(ROOT, certificates.revokeHash(leaf, deadline)));
        _expectStatus(leaf, ICertificateRegistry.Status.Revoked);
    }

    function test_VoidAll_EndsWhatIsKnownAndWhatIsNot() public {
        (bytes32 root, bytes32 middle, bytes32 leaf) = _tree();
        ICertificateRegistry.Certificate memory heldBack = _numbered(_child(root, MIDDLE, true, 1, "m.example"), 9);
        bytes32 hash = certificates.publishHash(heldBack, deadline);
        (bytes memory byRoot, bytes memory byMiddle) = (_sign(ROOT, hash), _sign(MIDDLE, hash));
        bytes memory signature = _sign(OWNER_KEY, certificates.voidAllHash(vm.addr(MIDDLE), deadline));
        certificates.voidAll(vm.addr(MIDDLE), deadline, signature);
        vm.expectRevert(
            abi.encodeWithSelector(
                ICertificateRegistry.CertificateRegistry_BadDeviceSignature.selector,
                vm.addr(ROOT),
                vm.addr(ROOT)
            )
        );
        certificates.publish(heldBack, deadline, byRoot, byMiddle);
        assertEq(uint256(certificates.generation(vm.addr(MIDDLE))), 1);
        _expectStatus(root, ICertificateRegistry.Status.Valid);
        _expectStatus(middle, ICertificateRegistry.Status.Revoked);
        _expectStatus(leaf, ICertificateRegistry.Status.AncestorRevoked);
        // The signature was for one generation.
        vm.expectRevert(_noConsent(address(this)));
        certificates.voidAll(vm.addr(MIDDLE), deadline, signature);
        bytes32 again = _publishChild(_numbered(_child(root, MIDDLE, true, 1, "m.example"), 7), ROOT, MIDDLE);
        _expectStatus(again, ICertificateRegistry.Status.Valid);
    }

    function test_VoidAll_RevertWhen_NotByTheOwnerOfALiveDevice() public {
        address device = vm.addr(MIDDLE);
        bytes memory signature = _sign(MIDDLE, certificates.voidAllHash(device, deadline));
        vm.expectRevert(_noConsent(address(this)));
        certificates.voidAll(device, deadline, signature);
        vm.expectRevert(_noConsent(mallory));
        vm.prank(mallory);
        certificates.voidAll(device, deadline, "");
        vm.expectRevert(
            abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_UnknownDevice.selector, mallory)
        );
        certificates.voidAll(mallory, deadline, "");
    }

    // status

    function test_Status_FollowsTime() public {
        ICertificateRegistry.Certificate memory root = _root();
        root.notBefore = start + 10;
        bytes32 id = _publishRoot(root);
        _expectStatus(id, ICertificateRegistry.Status.NotYetValid);
        vm.warp(root.notBefore);
        _expectStatus(id, ICertificateRegistry.Status.Valid);
        vm.warp(root.notAfter);
        _expectStatus(id, ICertificateRegistry.Status.Valid);
        vm.warp(uint256(root.notAfter) + 1);
        _expectStatus(id, ICertificateRegistry.Status.Expired);
        _expectStatus(keccak256("none"), ICertificateRegistry.Status.Unknown);
    }

    /// @dev A device that comes back is not what its certificate was about.
    function test_Status_RemovalIsForGood() public {
        (bytes32 root, bytes32 middle, bytes32 leaf) = _tree();
        _remove(MIDDLE);
        _expectStatus(root, ICertificateRegistry.Status.Valid);
        _expectStatus(middle, ICertificateRegistry.Status.DeviceRemoved);
        _expectStatus(leaf, ICertificateRegistry.Status.AncestorRemoved);
        registerDevice(MIDDLE, owner);
        _expectStatus(middle, ICertificateRegistry.Status.DeviceRemoved);
        _expectStatus(leaf, ICertificateRegistry.Status.AncestorRemoved);
    }

    /// @dev A chain of five and one fault anywhere in it: what is at and below the fault is void, what is above is not.
    function testFuzz_Status_OneFaultVoidsAllBelow(uint8 levels, uint8 place, uint8 fault) public {
        levels = uint8(bound(levels, 1, 5));
        place = uint8(bound(place, 0, levels - 1));
        fault = uint8(bound(fault, 0, 3));
        bytes32[] memory ids = new bytes32[](levels);
        for (uint8 i = 0; i < levels; ++i) {
            uint256 key = 0xF00 + i;
            registerDevice(key, owner);
            bool ca = i + 1 < levels;
            bytes32 parent = i == 0 ? bytes32(0) : ids[i - 1];
            uint8 pathLen = ca ? levels - 2 - i : 0;
            ICertificateRegistry.Certificate memory what = _child(parent, key, ca, pathLen, "example");
            ids[i] = i == 0 ? _publish(what, key, "") : _publishChild(what, key - 1, key);
        }
        uint256 guilty = 0xF00 + place;
        vm.startPrank(owner);
        if (fault == 0) certificates.revoke(ids[place], deadline, "");
        if (fault == 1) certificates.voidAll(vm.addr(guilty), deadline, "");
        vm.stopPrank();
        if (fault >= 2) _remove(guilty);
        if (fault == 3) registerDevice(guilty, owner);
        for (uint8 i = 0; i < levels; ++i) {
            ICertificateRegistry.Status want = ICertificateRegistry.Status.Valid;
            if (i == place) {
                want = fault < 2 ? ICertificateRegistry.Status.Revoked : ICertificateRegistry.Status.DeviceRemoved;
            }
            if (i > place) {
                want =
                    fault < 2
                        ? ICertificateRegistry.Status.AncestorRevoked
                        : ICertificateRegistry.Status.AncestorRemoved;
            }
            _expectStatus(ids[i], want);
        }
    }

    // names

    /// @dev Labels made of good characters are accepted, and one character that is none is refused wherever it stands.
    function testFuzz_Names_OneBadCharacterIsEnough(bytes32 seed, uint8 length, uint8 place, bytes1 bad) public view {
        length = uint8(bound(length, 1, 63));
        bytes memory text = new bytes(length);
        for (uint256 i = 0; i < length; ++i) {
            uint8 n = uint8(uint256(keccak256(abi.encode(seed, i)))) % 36;
            text[i] = bytes1(n < 26 ? 97 + n : 48 + n - 26);
        }
        assertTrue(this.isValidName(string(text)));
        assertTrue(this.isWithinName(string.concat("a.", string(text)), string(text)));
        assertTrue(!this.isWithinName(string.concat("a", string(text)), string(text)));
        bool good = (bad >= "a" && bad <= "z") || (bad >= "0" && bad <= "9") || bad == "-" || bad == ".";
        if (good) return;
        text[bound(place, 0, length - 1)] = bad;
        assertTrue(!this.isValidName(string(text)));
    }

    function test_Names_Lengths() public view {
        string memory label = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"; // 63
        assertTrue(this.isValidName(label));
        assertTrue(!this.isValidName(string.concat(label, "1")));
        string memory three = string.concat(label, ".", label, ".", label, ".");
        string memory last = "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy"; // 61
        assertTrue(this.isValidName(string.concat(three, last)));
        assertTrue(!this.isValidName(string.concat(three, last, "z")));
    }

    function isValidName(string calldata name) external pure returns (bool) {
        return DnsName.isValid(name);
    }

    function isWithinName(string calldata name, string calldata suffix) external pure returns (bool) {
        return DnsName.isWithin(name, suffix);
    }

    // what tests do

    function _root() private view returns (ICertificateRegistry.Certificate memory) {
        return _child(bytes32(0), ROOT, true, 3, "example");
    }

    function _child(
        bytes32 parent,
        uint256 key,
        bool ca,
        uint8 pathLen,
        string memory name
    ) private view returns (ICertificateRegistry.Certificate memory) {
        return
            ICertificateRegistry.Certificate({
                digest: keccak256(abi.encode("der", parent, key, name)),
                device: vm.addr(key),
                parent: parent,
                spkiHash: keccak256(abi.encode("spki", key)),
                notBefore: start,
                notAfter: start + 365 days,
                ca: ca,
                pathLen: pathLen,
                name: name,
                replaces: bytes32(0)
            });
    }

    function _numbered(
        ICertificateRegistry.Certificate memory what,
        uint256 number
    ) private pure returns (ICertificateRegistry.Certificate memory) {
        what.digest = keccak256(abi.encode(what.digest, number));
        return what;
    }

    function _tree() private returns (bytes32 root, bytes32 middle, bytes32 leaf) {
        root = _publishRoot(_root());
        middle = _publishChild(_child(root, MIDDLE, true, 1, "m.example"), ROOT, MIDDLE);
        leaf = _publishChild(_child(middle, LEAF, false, 0, "a.m.example"), MIDDLE, LEAF);
    }

    function _publishRoot(ICertificateRegistry.Certificate memory what) private returns (bytes32) {
        return _publish(what, ROOT, "");
    }

    function _refusesRoot(ICertificateRegistry.Certificate memory what, bytes memory refusal) private {
        bytes memory signature = _sign(ROOT, certificates.publishHash(what, deadline));
        vm.expectRevert(refusal);
        vm.prank(owner);
        certificates.publish(what, deadline, signature, "");
    }

    /// @dev By the owner as caller.
    function _publish(
        ICertificateRegistry.Certificate memory what,
        uint256 issuer,
        bytes memory consent
    ) private returns (bytes32) {
        bytes memory signature = _sign(issuer, certificates.publishHash(what, deadline));
        vm.prank(owner);
        return certificates.publish(what, deadline, signature, consent);
    }

    /// @dev By anybody, with both keys' signatures.
    function _publishChild(
        ICertificateRegistry.Certificate memory what,
        uint256 issuer,
        uint256 subject
    ) private returns (bytes32) {
        bytes32 hash = certificates.publishHash(what, deadline);
        bytes memory byIssuer = _sign(issuer, hash);
        return certificates.publish(what, deadline, byIssuer, _sign(subject, hash));
    }

    function _sign(uint256 key, bytes32 hash) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }

    function _rotate(uint256 key, uint256 newKey) private {
        bytes memory signature = sign(newKey, rotateHash(vm.addr(key), vm.addr(newKey), deadline));
        vm.prank(owner);
        registry.rotate(vm.addr(key), vm.addr(newKey), deadline, signature, "");
    }

    function _remove(uint256 key) private {
        (uint8 v, bytes32 r, bytes32 s) = permit(key, owner, vm.addr(key));
        vm.prank(owner);
        registry.remove(vm.addr(key), v, r, s);
    }

    function _expectStatus(bytes32 id, ICertificateRegistry.Status want) private view {
        (ICertificateRegistry.Status found, , ) = certificates.status(id);
        assertEq(uint256(found), uint256(want));
    }

    function _expectBadValidity(ICertificateRegistry.Certificate memory what, uint40 latest) private {
        vm.expectRevert(
            abi.encodeWithSelector(
                ICertificateRegistry.CertificateRegistry_BadValidity.selector,
                what.notBefore,
                what.notAfter,
                latest
            )
        );
        certificates.publish(what, deadline, "", "");
    }

    function _expectBadParent(ICertificateRegistry.Certificate memory what, ICertificateRegistry.Status found) private {
        vm.expectRevert(
            abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_BadParent.selector, what.parent, found)
        );
        certificates.publish(what, deadline, "", "");
    }

    function _expectPathTooLong(ICertificateRegistry.Certificate memory what, uint8 pathLen, uint8 allowed) private {
        vm.expectRevert(
            abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_PathTooLong.selector, pathLen, allowed)
        );
        certificates.publish(what, deadline, "", "");
    }

    function _expectBadReplacement(
        ICertificateRegistry.Certificate memory what,
        uint256 issuer,
        uint256 subject
    ) private {
        bytes32 hash = certificates.publishHash(what, deadline);
        (bytes memory byIssuer, bytes memory bySubject) = (_sign(issuer, hash), _sign(subject, hash));
        vm.expectRevert(
            abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_BadReplacement.selector, what.replaces)
        );
        certificates.publish(what, deadline, byIssuer, bySubject);
    }

    function _badKey(uint256 key) private pure returns (bytes memory) {
        return
            abi.encodeWithSelector(
                ICertificateRegistry.CertificateRegistry_BadDeviceSignature.selector,
                vm.addr(key),
                vm.addr(key)
            );
    }

    function _noConsent(address caller) private pure returns (bytes memory) {
        return abi.encodeWithSelector(ICertificateRegistry.CertificateRegistry_NoConsent.selector, caller);
    }
}
