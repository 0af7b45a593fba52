// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ICredentialRegistry} from "../../../contracts/interfaces/identity/ICredentialRegistry.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

contract CredentialRegistryTest is IdentityFixture {
    uint256 private constant ISSUER_KEY = 0x155;
    uint256 private constant KEY = 0xD1;
    uint256 private constant COST = 5;
    address private issuer = vm.addr(ISSUER_KEY);
    address private device = vm.addr(KEY);
    address private payer = address(0x9A);
    bytes32 private typeId;

    function setUp() public {
        deployIdentity();
        registerDevice(KEY, owner);
        typeId = credentials.createType("calibrated", "schema", "ipfs://schema", COST);
        credentials.setIssuer(typeId, issuer, ICredentialRegistry.IssuerState.Open);
        vm.deal(payer, 1 ether);
    }

    function test_Claim_IsValidAndBurned() public {
        vm.expectEmit(address(credentials));
        emit ICredentialRegistry.CredentialClaimed(typeId, device, issuer, "content", COST);
        _claim(_offer(1));
        assertTrue(credentials.isValid(device, typeId));
        assertFalse(credentials.isValid(address(0xDEAD), typeId));
        assertFalse(credentials.isValid(device, "other"));
        assertEq(burner.burned(typeId), COST);
        assertEq(address(credentials).balance, 0);
        ICredentialRegistry.Credential memory held = credentials.credentialOf(device, typeId);
        assertEq(held.issuer, issuer);
        assertEq(held.tokenId, ioID.tokenIdOf(device));
        assertEq(held.credentialHash, bytes32("content"));
        assertTrue(credentials.isNonceSpent(issuer, 1));
        assertFalse(credentials.isNonceSpent(issuer, 0));
        ICredentialRegistry.CredentialType memory made = credentials.typeOf(typeId);
        assertEq(made.name, "calibrated");
        assertEq(made.owner, address(this));
        assertEq(typeId, keccak256(abi.encode(address(this), "calibrated")));
    }

    /// @dev Attack 8: what nobody who lacks the key can do, whoever he is.
    function test_Attack8_CredentialWithoutProofOfPossession() public {
        ICredentialRegistry.Offer memory offer = _offer(1);
        bytes memory byIssuer = _sign(ISSUER_KEY, credentials.offerHash(offer));
        bytes32 accepted = credentials.acceptanceHash(offer);
        bytes[4] memory forged;
        forged[0] = "";
        forged[1] = _sign(0xBAD, accepted);
        forged[2] = _sign(ISSUER_KEY, accepted);
        forged[3] = _sign(KEY, credentials.offerHash(offer)); // signed, but as an issuer would
        for (uint256 i = 0; i < 4; ++i) {
            vm.prank(payer);
            vm.expectRevert();
            credentials.claim{value: COST}(offer, byIssuer, forged[i]);
        }
        // An acceptance of one offer is none of another.
        offer.validUntil += 1;
        bytes memory other = _sign(KEY, accepted);
        byIssuer = _sign(ISSUER_KEY, credentials.offerHash(offer));
        vm.prank(payer);
        vm.expectRevert();
        credentials.claim{value: COST}(offer, byIssuer, other);
        assertFalse(credentials.isValid(device, typeId));
    }

    function test_Claim_RevertWhen_AKeyThatWasRotatedAwayAccepts() public {
        address fresh = vm.addr(0xD2);
        bytes memory signature = sign(0xD2, rotateHash(device, fresh, block.timestamp));
        vm.prank(owner);
        registry.rotate(device, fresh, block.timestamp, signature, "");
        ICredentialRegistry.Offer memory offer = _offer(1);
        _refuse(
            offer,
            KEY,
            abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_NotHolder.selector, device, device)
        );
        _send(offer, 0xD2);
        assertTrue(credentials.isValid(device, typeId));
    }

    function test_Claim_RevertWhen_TheDeviceIsNotLive() public {
        ICredentialRegistry.Offer memory offer = _offer(1);
        offer.device = vm.addr(0xD3);
        _refuse(
            offer,
            0xD3,
            abi.encodeWithSelector(
                ICredentialRegistry.CredentialRegistry_NotHolder.selector,
                offer.device,
                offer.device
            )
        );
    }

    function test_Claim_RevertWhen_TheIssuerDidNotOfferThis() public {
        ICredentialRegistry.Offer memory offer = _offer(1);
        bytes memory byDevice = _sign(KEY, credentials.acceptanceHash(offer));
        bytes memory byStranger = _sign(0xBAD, credentials.offerHash(offer));
        bytes memory no = abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_NoConsent.selector, issuer);
        vm.startPrank(payer);
        vm.expectRevert(no);
        credentials.claim{value: COST}(offer, byStranger, byDevice);
        vm.expectRevert(no);
        credentials.claim{value: COST}(offer, "", byDevice);
        vm.stopPrank();
        vm.deal(issuer, 1 ether);
        vm.prank(issuer); // who calls consents
        credentials.claim{value: COST}(offer, "", byDevice);
        assertTrue(credentials.isValid(device, typeId));
    }

    /// @dev An issuer that is a contract is an issuer like another.
    function test_Claim_FromAContractIssuer() public {
        ContractIssuer wallet = new ContractIssuer(issuer);
        credentials.setIssuer(typeId, address(wallet), ICredentialRegistry.IssuerState.Open);
        ICredentialRegistry.Offer memory offer = _offer(1);
        offer.issuer = address(wallet);
        _claim(offer);
        assertTrue(credentials.isValid(device, typeId));
        offer.nonce = 2;
        bytes memory bad = _sign(0xBAD, credentials.offerHash(offer));
        bytes memory byDevice = _sign(KEY, credentials.acceptanceHash(offer));
        vm.prank(payer);
        vm.expectRevert();
        credentials.claim{value: COST}(offer, bad, byDevice);
    }

    function test_Claim_IsOncePerNonce() public {
        _claim(_offer(1));
        bytes memory spent = abi.encodeWithSelector(
            ICredentialRegistry.CredentialRegistry_NonceSpent.selector,
            issuer,
            1
        );
        _refuse(_offer(1), KEY, spent);
        vm.prank(issuer);
        credentials.cancelNonce(2);
        spent = abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_NonceSpent.selector, issuer, 2);
        _refuse(_offer(2), KEY, spent);
        _claim(_offer(257));
    }

    function test_Claim_RevertWhen_TheOfferIsBad() public {
        ICredentialRegistry.Offer memory offer = _offer(1);
        offer.deadline = block.timestamp - 1;
        _refuse(
            offer,
            KEY,
            abi.encodeWithSelector(
                ICredentialRegistry.CredentialRegistry_Expired.selector,
                offer.deadline,
                block.timestamp
            )
        );
        offer = _offer(1);
        offer.validUntil = uint40(block.timestamp);
        _refuse(offer, KEY, "");
        offer = _offer(1);
        offer.validFrom = offer.validUntil;
        _refuse(offer, KEY, "");
        offer = _offer(1);
        offer.statusList = 3;
        _refuse(offer, KEY, abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_BadList.selector, 3));
        offer = _offer(1);
        offer.statusIndex = 131_072;
        _refuse(
            offer,
            KEY,
            abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_BadIndex.selector, 131_072, 131_072)
        );
        offer = _offer(1);
        vm.prank(issuer);
        credentials.setStatus(0, offer.statusIndex, true);
        _refuse(
            offer,
            KEY,
            abi.encodeWithSelector(
                ICredentialRegistry.CredentialRegistry_StatusSet.selector,
                issuer,
                0,
                offer.statusIndex
            )
        );
    }

    function test_Claim_PaysThePriceAndNoMore() public {
        credentials.setTypePrice(typeId, COST + 1);
        _refuse(
            _offer(1),
            KEY,
            abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_PriceTooHigh.selector, COST + 1, COST)
        );
        credentials.setTypePrice(typeId, COST - 1);
        _claim(_offer(1)); // pays COST
        assertEq(burner.burned(typeId), COST - 1);
        assertEq(credentials.refundable(payer), 1);
        vm.prank(payer);
        vm.expectRevert(
            abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_RefundRefused.selector, address(burner))
        );
        credentials.claimRefund(address(burner));
        vm.prank(payer);
        credentials.claimRefund(address(0xcafe));
        assertEq(address(0xcafe).balance, 1);
        vm.prank(payer);
        vm.expectRevert(abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_NoRefund.selector, payer));
        credentials.claimRefund(payer);
        credentials.setTypePrice(typeId, COST);
        ICredentialRegistry.Offer memory offer = _offer(2);
        bytes memory byIssuer = _sign(ISSUER_KEY, credentials.offerHash(offer));
        bytes memory byDevice = _sign(KEY, credentials.acceptanceHash(offer));
        vm.prank(payer);
        vm.expectRevert(
            abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_Underpaid.selector, COST - 1, COST)
        );
        credentials.claim{value: COST - 1}(offer, byIssuer, byDevice);
    }

    function test_Status_RevocationIsForGoodAndSuspensionIsNot() public {
        ICredentialRegistry.Offer memory offer = _offer(1);
        offer.statusList = 4;
        offer.statusIndex = 131_071;
        _claim(offer);
        vm.prank(mallory); // in a list of his own
        credentials.setStatus(4, 131_071, true);
        assertTrue(credentials.isValid(device, typeId));

        vm.startPrank(issuer);
        credentials.setStatus(4, 131_070, true);
        credentials.setStatus(2, 131_071, true);
        assertTrue(credentials.isValid(device, typeId));
        credentials.setStatus(5, 131_071, true);
        _assertStatus(ICredentialRegistry.CredentialStatus.Suspended);
        credentials.setStatus(5, 131_071, false);
        _assertStatus(ICredentialRegistry.CredentialStatus.Valid);
        credentials.setStatus(4, 131_071, true);
        _assertStatus(ICredentialRegistry.CredentialStatus.Revoked);
        vm.expectRevert(
            abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_RevokedForGood.selector, 4, 131_071)
        );
        credentials.setStatus(4, 131_071, false);
        vm.stopPrank();
        assertTrue(credentials.statusBit(issuer, 4, 131_071));
        // A later credential stands for itself.
        _claim(_offer(2));
        _assertStatus(ICredentialRegistry.CredentialStatus.Valid);
    }

    function test_Status_BatchIsBoundedAndWordsAreInW3COrder() public {
        uint256[] memory indices = new uint256[](256);
        for (uint256 i = 0; i < 256; ++i) indices[i] = i * 512;
        vm.startPrank(issuer);
        credentials.setStatus(0, indices, true);
        vm.expectRevert(abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_BatchSize.selector, 257, 256));
        credentials.setStatus(0, new uint256[](257), true);
        vm.expectRevert(
            abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_BadIndex.selector, 131_072, 131_072)
        );
        credentials.setStatus(0, 131_072, true);
        vm.stopPrank();
        uint256[] memory words = credentials.statusWords(issuer, 0, 0, 512);
        for (uint256 i = 0; i < 512; ++i) assertEq(words[i], i % 2 == 0 ? 1 << 255 : 0);
        vm.expectRevert(abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_BatchSize.selector, 513, 512));
        credentials.statusWords(issuer, 0, 0, 513);
    }

    function test_IsValid_OnlyInItsTime() public {
        ICredentialRegistry.Offer memory offer = _offer(1);
        offer.validFrom = uint40(block.timestamp + 10);
        offer.validUntil = uint40(block.timestamp + 20);
        _claim(offer);
        _assertStatus(ICredentialRegistry.CredentialStatus.NotYetValid);
        vm.warp(offer.validFrom);
        _assertStatus(ICredentialRegistry.CredentialStatus.Valid);
        vm.warp(offer.validUntil - 1);
        _assertStatus(ICredentialRegistry.CredentialStatus.Valid);
        vm.warp(offer.validUntil);
        _assertStatus(ICredentialRegistry.CredentialStatus.Expired);
    }

    /// @dev A removed device's credential does not come back with the device.
    function test_IsValid_EndsWithTheIoID() public {
        _claim(_offer(1));
        bytes memory signature = sign(KEY, removeHash(device, block.timestamp));
        vm.prank(owner);
        registry.remove(device, block.timestamp, signature, "");
        _assertStatus(ICredentialRegistry.CredentialStatus.DeviceGone);
        registerDevice(KEY, owner);
        _assertStatus(ICredentialRegistry.CredentialStatus.DeviceGone);
        _claim(_offer(2));
        _assertStatus(ICredentialRegistry.CredentialStatus.Valid);
    }

    function test_Issuer_ClosedKeepsAndVoidEnds() public {
        _claim(_offer(1));
        credentials.setIssuer(typeId, issuer, ICredentialRegistry.IssuerState.Closed);
        _assertStatus(ICredentialRegistry.CredentialStatus.Valid);
        bytes memory closed = abi.encodeWithSelector(
            ICredentialRegistry.CredentialRegistry_IssuerNotOpen.selector,
            typeId,
            issuer
        );
        _refuse(_offer(2), KEY, closed);
        credentials.setIssuer(typeId, issuer, ICredentialRegistry.IssuerState.Open);
        _claim(_offer(2));
        credentials.setIssuer(typeId, issuer, ICredentialRegistry.IssuerState.Void);
        _assertStatus(ICredentialRegistry.CredentialStatus.IssuerVoid);
        for (uint8 to = 0; to < 4; ++to) {
            vm.expectRevert();
            credentials.setIssuer(typeId, issuer, ICredentialRegistry.IssuerState(to));
        }
        vm.expectRevert();
        credentials.setIssuer(typeId, mallory, ICredentialRegistry.IssuerState.Closed);
        vm.expectRevert(ICredentialRegistry.CredentialRegistry_ZeroAddress.selector);
        credentials.setIssuer(typeId, address(0), ICredentialRegistry.IssuerState.Open);
    }

    function test_Types_AreTheirOwners() public {
        bytes memory not = abi.encodeWithSelector(
            ICredentialRegistry.CredentialRegistry_NotTypeOwner.selector,
            typeId,
            mallory
        );
        vm.startPrank(mallory);
        vm.expectRevert(not);
        credentials.setIssuer(typeId, mallory, ICredentialRegistry.IssuerState.Open);
        vm.expectRevert(not);
        credentials.setTypePrice(typeId, 0);
        bytes32 own = credentials.createType("calibrated", "", "", 0);
        vm.stopPrank();
        assertTrue(own != typeId);
        vm.expectRevert(abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_TypeExists.selector, typeId));
        credentials.createType("calibrated", "", "", 0);
        // An issuer of one type is none of another.
        ICredentialRegistry.Offer memory offer = _offer(1);
        offer.typeId = own;
        _refuse(
            offer,
            KEY,
            abi.encodeWithSelector(ICredentialRegistry.CredentialRegistry_IssuerNotOpen.selector, own, issuer)
        );
        vm.expectRevert();
        credentials.createType("dear", "", "", uint256(type(uint96).max) + 1);
    }

    /// @dev Signed elsewhere is not signed here: each field, and chain and contract, are in the digest.
    function testFuzz_Digest_BindsEveryField(uint256 which, uint256 salt) public {
        ICredentialRegistry.Offer memory offer = _offer(1);
        bytes32 before = credentials.acceptanceHash(offer);
        bytes32 ofIssuer = credentials.offerHash(offer);
        assertTrue(before != ofIssuer);
        which %= 12;
        salt = bound(salt, 1, type(uint32).max - 1);
        if (which == 0) offer.typeId = bytes32(uint256(offer.typeId) ^ salt);
        if (which == 1) offer.issuer = address(uint160(offer.issuer) ^ uint160(salt));
        if (which == 2) offer.device = address(uint160(offer.device) ^ uint160(salt));
        if (which == 3) offer.credentialHash = bytes32(uint256(offer.credentialHash) ^ salt);
        if (which == 4) offer.validFrom ^= uint40(salt);
        if (which == 5) offer.validUntil ^= uint40(salt);
        if (which == 6) offer.statusList ^= uint32(salt);
        if (which == 7) offer.statusIndex ^= uint32(salt);
        if (which == 8) offer.maxPrice ^= salt;
        if (which == 9) offer.nonce ^= salt;
        if (which == 10) offer.deadline ^= salt;
        if (which == 11) vm.chainId(uint64(block.chainid ^ salt));
        assertTrue(credentials.acceptanceHash(offer) != before);
        assertTrue(credentials.offerHash(offer) != ofIssuer);
    }

    function _offer(uint256 nonce) private view returns (ICredentialRegistry.Offer memory) {
        return
            ICredentialRegistry.Offer({
                typeId: typeId,
                issuer: issuer,
                device: device,
                credentialHash: "content",
                validFrom: uint40(block.timestamp),
                validUntil: uint40(block.timestamp + 1 days),
                statusList: 0,
                statusIndex: uint32(nonce),
                maxPrice: COST,
                nonce: nonce,
                deadline: block.timestamp
            });
    }

    function _claim(ICredentialRegistry.Offer memory offer) private {
        _send(offer, KEY);
    }

    function _send(ICredentialRegistry.Offer memory offer, uint256 key) private {
        bytes memory byIssuer = _sign(ISSUER_KEY, credentials.offerHash(offer));
        bytes memory byDevice = _sign(key, credentials.acceptanceHash(offer));
        vm.prank(payer);
        credentials.claim{value: COST}(offer, byIssuer, byDevice);
    }

    function _refuse(ICredentialRegistry.Offer memory offer, uint256 key, bytes memory why) private {
        bytes memory byIssuer = _sign(ISSUER_KEY, credentials.offerHash(offer));
        bytes memory byDevice = _sign(key, credentials.acceptanceHash(offer));
        vm.prank(payer);
        if (why.length == 0) vm.expectRevert();
        else vm.expectRevert(why);
        credentials.claim{value: COST}(offer, byIssuer, byDevice);
    }

    function _assertStatus(ICredentialRegistry.CredentialStatus want) private view {
        assertEq(uint256(credentials.statusOf(device, typeId)), uint256(want), "status");
        assertEq(credentials.isValid(device, typeId), want == ICredentialRegistry.CredentialStatus.Valid, "valid");
    }

    function _sign(uint256 key, bytes32 hash) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }
}

/// @dev ERC-1271 by one key.
contract ContractIssuer {
    address private immutable signer;

    constructor(address signer_) {
        signer = signer_;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s) = (bytes32(signature[:32]), bytes32(signature[32:64]));
        return ecrecover(hash, uint8(signature[64]), r, s) == signer ? this.isValidSignature.selector : bytes4(0);
    }
}
