// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Attributes} from "../../../contracts/identity/Attributes.sol";
import {PersonRegistry} from "../../../contracts/identity/PersonRegistry.sol";
import {IAttributes} from "../../../contracts/interfaces/identity/IAttributes.sol";
import {ICredentialRegistry} from "../../../contracts/interfaces/identity/ICredentialRegistry.sol";
import {IPersonRegistry} from "../../../contracts/interfaces/identity/IPersonRegistry.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

contract PeopleTest is IdentityFixture {
    string private constant DOCUMENT = "(address person,bytes32 hash,string uri,uint256 nonce,uint256 deadline)";
    PersonRegistry private people;
    Attributes private attributes;
    address private issuer = address(0x155);
    bytes32 private typeId;

    function setUp() public {
        deployIdentity();
        people = PersonRegistry(
            _proxy(address(new PersonRegistry(address(manager))), abi.encodeCall(PersonRegistry.initialize, ()))
        );
        attributes = Attributes(
            _proxy(
                address(new Attributes(address(manager), address(credentials))),
                abi.encodeCall(Attributes.initialize, ("Attributes", "ATTR"))
            )
        );
        typeId = credentials.createType("citizen", "", "", 0);
        credentials.setIssuer(typeId, issuer, ICredentialRegistry.IssuerState.Open);
    }

    function test_Person_RegistersUpdatesAndLeaves() public {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IPersonRegistry.PersonRegistry_Unknown.selector, owner));
        people.update(HASH, URI);
        vm.expectRevert(abi.encodeWithSelector(IPersonRegistry.PersonRegistry_Unknown.selector, owner));
        people.remove();
        vm.expectRevert(IPersonRegistry.PersonRegistry_EmptyHash.selector);
        people.register(0, URI);
        vm.expectRevert(abi.encodeWithSelector(IPersonRegistry.PersonRegistry_UriTooLong.selector, 1025, 1024));
        people.register(HASH, string(new bytes(1025)));
        people.register(HASH, URI);
        assertTrue(people.exists(owner));
        assertEq(people.documentHash(owner), HASH);
        assertEq(people.documentURI(owner), URI);
        vm.expectRevert(abi.encodeWithSelector(IPersonRegistry.PersonRegistry_Exists.selector, owner));
        people.register(HASH, URI);
        people.update("new", "");
        assertEq(people.documentHash(owner), "new");
        people.remove();
        assertFalse(people.exists(owner));
        assertEq(people.documentURI(owner), "");
        people.register(HASH, URI);
        vm.stopPrank();
        assertEq(people.nonces(owner), 4);
    }

    function test_Person_ByTypedSignatureOnce() public {
        bytes memory signature = _document("Register", owner, HASH, URI);
        vm.startPrank(mallory);
        people.register(owner, HASH, URI, block.timestamp, signature);
        assertTrue(people.exists(owner));
        signature = _document("Update", owner, "new", URI);
        _refuse(signature, "other", URI, block.timestamp);
        _refuse(signature, "new", "elsewhere", block.timestamp);
        _refuse(signature, "new", URI, block.timestamp + 1);
        people.update(owner, "new", URI, block.timestamp, signature);
        _refuse(signature, "new", URI, block.timestamp); // spent
        signature = _document("Register", owner, "new", URI); // another action
        _refuse(signature, "new", URI, block.timestamp);
        vm.expectRevert(
            abi.encodeWithSelector(
                IPersonRegistry.PersonRegistry_Expired.selector,
                block.timestamp - 1,
                block.timestamp
            )
        );
        people.remove(owner, block.timestamp - 1, "");
        bytes32 kind = keccak256("Remove(address person,uint256 nonce,uint256 deadline)");
        bytes32 hash = keccak256(abi.encode(kind, owner, people.nonces(owner), block.timestamp));
        signature = _signIn(people.DOMAIN_SEPARATOR(), hash);
        people.remove(owner, block.timestamp, signature);
        assertFalse(people.exists(owner));
        vm.expectRevert();
        people.remove(owner, block.timestamp, signature);
        vm.stopPrank();
    }

    /// @dev What is done by a call, or cancelled, voids what was signed before.
    function test_Person_ASignatureEndsWithTheStateItWasMadeFor() public {
        bytes memory signature = _document("Register", owner, HASH, URI);
        vm.prank(owner);
        people.cancelNonce();
        vm.expectRevert(abi.encodeWithSelector(IPersonRegistry.PersonRegistry_NoConsent.selector, owner));
        people.register(owner, HASH, URI, block.timestamp, signature);
        signature = _document("Register", owner, HASH, URI);
        vm.startPrank(owner);
        people.register(HASH, URI);
        people.remove();
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IPersonRegistry.PersonRegistry_NoConsent.selector, owner));
        people.register(owner, HASH, URI, block.timestamp, signature);
    }

    function test_Attribute_IsIssuedWithConsentAndNeverMoves() public {
        uint256 id = _issue(uint40(block.timestamp + 10));
        assertEq(attributes.ownerOf(id), owner);
        assertTrue(attributes.locked(id));
        assertTrue(attributes.isValid(owner, typeId));
        assertEq(attributes.tokenURI(id), URI);
        assertEq(attributes.attribute(id).issuer, issuer);
        assertTrue(attributes.supportsInterface(0xb45a3c0e));
        assertTrue(attributes.supportsInterface(0x80ac58cd));
        vm.startPrank(owner);
        bytes4 locked = IAttributes.Attributes_Locked.selector;
        vm.expectRevert(locked);
        attributes.transferFrom(owner, mallory, id);
        vm.expectRevert(locked);
        attributes.safeTransferFrom(owner, mallory, id);
        vm.expectRevert(locked);
        attributes.safeTransferFrom(owner, mallory, id, "");
        vm.expectRevert(locked);
        attributes.approve(mallory, id);
        vm.expectRevert(locked);
        attributes.setApprovalForAll(mallory, true);
        vm.stopPrank();
        vm.warp(block.timestamp + 10);
        assertFalse(attributes.isValid(owner, typeId));
        vm.expectRevert();
        attributes.locked(id + 1);
    }

    function test_Attribute_RevertWhen_NotConsentedOrNotIssued() public {
        bytes memory consent = _consent(issuer, typeId, uint40(block.timestamp + 10));
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IAttributes.Attributes_IssuerNotOpen.selector, typeId, mallory));
        attributes.issue(owner, typeId, HASH, URI, uint40(block.timestamp + 10), block.timestamp, consent);
        bytes memory no = abi.encodeWithSelector(IAttributes.Attributes_NoConsent.selector, owner);
        vm.startPrank(issuer);
        vm.expectRevert(no);
        attributes.issue(owner, typeId, HASH, URI, uint40(block.timestamp + 10), block.timestamp, "");
        vm.expectRevert(no);
        attributes.issue(owner, typeId, HASH, URI, uint40(block.timestamp + 11), block.timestamp, consent);
        vm.expectRevert(no);
        attributes.issue(owner, typeId, "other", URI, uint40(block.timestamp + 10), block.timestamp, consent);
        vm.expectRevert(
            abi.encodeWithSelector(IAttributes.Attributes_Expired.selector, block.timestamp - 1, block.timestamp)
        );
        attributes.issue(owner, typeId, HASH, URI, uint40(block.timestamp + 10), block.timestamp - 1, consent);
        vm.expectRevert(abi.encodeWithSelector(IAttributes.Attributes_BadValidity.selector, block.timestamp));
        attributes.issue(owner, typeId, HASH, URI, uint40(block.timestamp), block.timestamp, consent);
        uint256 id = attributes.issue(owner, typeId, HASH, URI, uint40(block.timestamp + 10), block.timestamp, consent);
        vm.expectRevert(abi.encodeWithSelector(IAttributes.Attributes_HasOne.selector, owner, typeId, id));
        attributes.issue(owner, typeId, HASH, URI, uint40(block.timestamp + 10), block.timestamp, consent);
        attributes.revoke(id);
        vm.expectRevert(no); // the consent was for one token
        attributes.issue(owner, typeId, HASH, URI, uint40(block.timestamp + 10), block.timestamp, consent);
        vm.stopPrank();
    }

    function test_Attribute_EndsByIssuerHolderOrVoidedIssuer() public {
        uint256 id = _issue(type(uint40).max);
        vm.startPrank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IAttributes.Attributes_NotIssuer.selector, id, mallory));
        attributes.revoke(id);
        vm.expectRevert(abi.encodeWithSelector(IAttributes.Attributes_NotHolder.selector, id, mallory));
        attributes.burn(id);
        vm.stopPrank();
        credentials.setIssuer(typeId, issuer, ICredentialRegistry.IssuerState.Closed);
        assertTrue(attributes.isValid(owner, typeId));
        vm.prank(issuer); // closed, and still answers for what it issued
        attributes.revoke(id);
        assertFalse(attributes.isValid(owner, typeId));
        assertEq(attributes.balanceOf(owner), 0);

        credentials.setIssuer(typeId, issuer, ICredentialRegistry.IssuerState.Open);
        uint256 next = _issue(type(uint40).max);
        assertEq(next, id + 1);
        credentials.setIssuer(typeId, issuer, ICredentialRegistry.IssuerState.Void);
        assertFalse(attributes.isValid(owner, typeId));
        vm.prank(owner);
        attributes.burn(next);
        assertEq(attributes.attributeOf(owner, typeId), 0);
        vm.expectRevert();
        attributes.attribute(next);
    }

    function test_Attribute_OfTheIssuerItselfNeedsNoSignature() public {
        vm.prank(issuer);
        attributes.issue(issuer, typeId, HASH, URI, type(uint40).max, block.timestamp, "");
        assertTrue(attributes.isValid(issuer, typeId));
        bytes memory consent = _consent(issuer, typeId, type(uint40).max);
        vm.prank(owner);
        attributes.cancelNonce();
        vm.prank(issuer);
        vm.expectRevert(abi.encodeWithSelector(IAttributes.Attributes_NoConsent.selector, owner));
        attributes.issue(owner, typeId, HASH, URI, type(uint40).max, block.timestamp, consent);
    }

    function _issue(uint40 until) private returns (uint256) {
        bytes memory consent = _consent(issuer, typeId, until);
        vm.prank(issuer);
        return attributes.issue(owner, typeId, HASH, URI, until, block.timestamp, consent);
    }

    function _consent(address by, bytes32 kind, uint40 until) private view returns (bytes memory) {
        bytes32 issueType = keccak256(
            "IssueAttribute(address issuer,address holder,bytes32 typeId,bytes32 dataHash,string uri,uint40 validUntil,uint256 nonce,uint256 deadline)"
        );
        bytes memory head = abi.encode(issueType, by, owner, kind, HASH);
        bytes memory tail = abi.encode(keccak256(bytes(URI)), until, attributes.nonces(owner), block.timestamp);
        return _signIn(attributes.DOMAIN_SEPARATOR(), keccak256(bytes.concat(head, tail)));
    }

    function _document(
        string memory action,
        address person,
        bytes32 hash,
        string memory uri
    ) private view returns (bytes memory) {
        bytes32 kind = keccak256(bytes(string.concat(action, DOCUMENT)));
        uint256 nonce = people.nonces(person);
        bytes32 uriHash = keccak256(bytes(uri));
        bytes32 structHash = keccak256(abi.encode(kind, person, hash, uriHash, nonce, block.timestamp));
        return _signIn(people.DOMAIN_SEPARATOR(), structHash);
    }

    function _refuse(bytes memory signature, bytes32 hash, string memory uri, uint256 deadline) private {
        vm.expectRevert(abi.encodeWithSelector(IPersonRegistry.PersonRegistry_NoConsent.selector, owner));
        people.update(owner, hash, uri, deadline, signature);
    }

    function _signIn(bytes32 domain, bytes32 structHash) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            OWNER_KEY,
            keccak256(abi.encodePacked(hex"1901", domain, structHash))
        );
        return abi.encodePacked(r, s, v);
    }
}
