// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IBurner} from "../interfaces/identity/IBurner.sol";
import {ICredentialRegistry} from "../interfaces/identity/ICredentialRegistry.sol";
import {IIoID} from "../interfaces/identity/IIoID.sol";
import {IIoIDRegistry} from "../interfaces/identity/IIoIDRegistry.sol";
import {TypedData} from "../libraries/TypedData.sol";

/// @title Credentials of devices (see ICredentialRegistry).
contract CredentialRegistry is ICredentialRegistry, AccessManagedUpgradeable, UUPSUpgradeable {
    /// @custom:storage-location erc7201:trellis.storage.CredentialRegistry
    struct Storage {
        mapping(bytes32 typeId => CredentialType) types;
        mapping(bytes32 typeId => mapping(address issuer => IssuerState)) issuers;
        mapping(bytes32 typeId => mapping(address device => Credential)) credentials;
        mapping(address issuer => mapping(uint256 list => mapping(uint256 word => uint256))) status;
        mapping(address issuer => mapping(uint256 word => uint256)) spent;
        mapping(address account => uint256) refunds;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.CredentialRegistry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0x4371162a83f95d57779a87a96e469bb9fc848baead020297f778b58db9449100;

    /// @notice Bits of a list: the least that the W3C lets a list have, so that a bit says nothing by its place.
    uint256 public constant LIST_SIZE = 131_072;
    uint256 public constant MAX_BATCH = 256;
    uint256 public constant MAX_WORDS = 512;

    bytes32 private constant DOMAIN_NAME = keccak256("CredentialRegistry");
    bytes32 private constant OFFER_TYPE = keccak256(
        "Offer(bytes32 typeId,address issuer,address device,bytes32 credentialHash,uint40 validFrom,uint40 validUntil,uint32 statusList,uint32 statusIndex,uint256 maxPrice,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant ACCEPTANCE_TYPE = keccak256(
        "Acceptance(Offer offer)Offer(bytes32 typeId,address issuer,address device,bytes32 credentialHash,uint40 validFrom,uint40 validUntil,uint32 statusList,uint32 statusIndex,uint256 maxPrice,uint256 nonce,uint256 deadline)"
    );

    address private immutable _initialAuthority;
    IIoIDRegistry private immutable _registry;
    IIoID private immutable _ioID;
    IBurner private immutable _burner;

    modifier onlyTypeOwner(bytes32 typeId) {
        if (_storage().types[typeId].owner != msg.sender) revert CredentialRegistry_NotTypeOwner(typeId, msg.sender);
        _;
    }

    /// @param authority_  AccessManager that instances start under.
    /// @param registry_  The registry of devices; its ioID collection is read from it.
    /// @param burner_  The ledger that burns.
    constructor(address authority_, address registry_, address burner_) {
        if (burner_ == address(0)) revert CredentialRegistry_ZeroAddress();
        _initialAuthority = authority_;
        _registry = IIoIDRegistry(registry_);
        _ioID = IIoID(IIoIDRegistry(registry_).ioID());
        _burner = IBurner(burner_);
        _disableInitializers();
    }

    /// @inheritdoc ICredentialRegistry
    function initialize() external initializer {
        __AccessManaged_init(_initialAuthority);
    }

    /// @inheritdoc ICredentialRegistry
    function createType(
        string calldata name,
        bytes32 schemaHash,
        string calldata schemaUri,
        uint256 price
    ) external returns (bytes32 typeId) {
        typeId = typeIdOf(msg.sender, name);
        CredentialType storage made = _storage().types[typeId];
        if (made.owner != address(0)) revert CredentialRegistry_TypeExists(typeId);
        made.owner = msg.sender;
        made.schemaHash = schemaHash;
        made.name = name;
        made.schemaUri = schemaUri;
        emit TypeCreated(typeId, msg.sender, name, schemaHash, schemaUri);
        _setPrice(typeId, price);
    }

    /// @inheritdoc ICredentialRegistry
    function setTypePrice(bytes32 typeId, uint256 price) external onlyTypeOwner(typeId) {
        _setPrice(typeId, price);
    }

    /// @inheritdoc ICredentialRegistry
    function setIssuer(bytes32 typeId, address issuer, IssuerState state) external onlyTypeOwner(typeId) {
        if (issuer == address(0)) revert CredentialRegistry_ZeroAddress();
        IssuerState from = _storage().issuers[typeId][issuer];
        // A voided issuer stays so; none becomes none again, or its credentials would change by the way.
        bool refused = state == IssuerState.None || from == IssuerState.Void || from == state;
        if (refused || (from == IssuerState.None && state != IssuerState.Open)) {
            revert CredentialRegistry_BadTransition(issuer, from, state);
        }
        _storage().issuers[typeId][issuer] = state;
        emit IssuerChanged(typeId, issuer, state);
    }

    /// @inheritdoc ICredentialRegistry
    function claim(
        Offer calldata offer,
        bytes calldata issuerSignature,
        bytes calldata deviceSignature
    ) external payable {
        Storage storage $ = _storage();
        _checkOffer($, offer);
        bytes32 structHash = _offerStruct(offer);
        if (issuerSignature.length != 0 || msg.sender != offer.issuer) {
            bytes32 digest = TypedData.digest(DOMAIN_NAME, structHash);
            if (!SignatureChecker.isValidSignatureNowCalldata(offer.issuer, digest, issuerSignature)) {
                revert CredentialRegistry_NoConsent(offer.issuer);
            }
        }
        address signer = TypedData.recover(_acceptance(structHash), deviceSignature);
        // The zero address is the key of a device that is not live, and the signer of what is no signature.
        if (signer == address(0) || signer != _registry.signerOf(offer.device)) {
            revert CredentialRegistry_NotHolder(offer.device, signer);
        }
        _spend($, offer.issuer, offer.nonce);
        $.credentials[offer.typeId][offer.device] = Credential({
            issuer: offer.issuer,
            tokenId: uint40(_ioID.tokenIdOf(offer.device)),
            validFrom: offer.validFrom,
            validUntil: offer.validUntil,
            statusList: offer.statusList,
            statusIndex: offer.statusIndex,
            credentialHash: offer.credentialHash
        });
        _pay($, offer);
    }

    /// @inheritdoc ICredentialRegistry
    function claimRefund(address to) external {
        Storage storage $ = _storage();
        uint256 amount = $.refunds[msg.sender];
        if (amount == 0) revert CredentialRegistry_NoRefund(msg.sender);
        $.refunds[msg.sender] = 0;
        emit RefundClaimed(msg.sender, to, amount);
        (bool taken, ) = to.call{value: amount}("");
        if (!taken) revert CredentialRegistry_RefundRefused(to);
    }

    /// @inheritdoc ICredentialRegistry
    function cancelNonce(uint256 nonce) external {
        _spend(_storage(), msg.sender, nonce);
    }

    /// @inheritdoc ICredentialRegistry
    function setStatus(uint256 list, uint256 index, bool set) external {
        _setStatus(list, index, set);
    }

    /// @inheritdoc ICredentialRegistry
    function setStatus(uint256 list, uint256[] calldata indices, bool set) external {
        if (indices.length > MAX_BATCH) revert CredentialRegistry_BatchSize(indices.length, MAX_BATCH);
        for (uint256 i = 0; i < indices.length; ++i) _setStatus(list, indices[i], set);
    }

    /// @inheritdoc ICredentialRegistry
    function isValid(address device, bytes32 typeId) external view returns (bool) {
        return statusOf(device, typeId) == CredentialStatus.Valid;
    }

    /// @inheritdoc ICredentialRegistry
    function credentialOf(address device, bytes32 typeId) external view returns (Credential memory) {
        return _storage().credentials[typeId][device];
    }

    /// @inheritdoc ICredentialRegistry
    function typeOf(bytes32 typeId) external view returns (CredentialType memory) {
        return _storage().types[typeId];
    }

    /// @inheritdoc ICredentialRegistry
    function issuerState(bytes32 typeId, address issuer) external view returns (IssuerState) {
        return _storage().issuers[typeId][issuer];
    }

    /// @inheritdoc ICredentialRegistry
    function statusBit(address issuer, uint256 list, uint256 index) external view returns (bool) {
        return _bit(_storage(), issuer, list, index);
    }

    /// @inheritdoc ICredentialRegistry
    function statusWords(
        address issuer,
        uint256 list,
        uint256 start,
        uint256 count
    ) external view returns (uint256[] memory words) {
        if (count > MAX_WORDS) revert CredentialRegistry_BatchSize(count, MAX_WORDS);
        mapping(uint256 => uint256) storage bits = _storage().status[issuer][list];
        words = new uint256[](count);
        for (uint256 i = 0; i < count; ++i) words[i] = bits[start + i];
    }

    /// @inheritdoc ICredentialRegistry
    function isNonceSpent(address issuer, uint256 nonce) external view returns (bool) {
        return (_storage().spent[issuer][nonce >> 8] >> (nonce & 0xff)) & 1 != 0;
    }

    /// @inheritdoc ICredentialRegistry
    function refundable(address account) external view returns (uint256) {
        return _storage().refunds[account];
    }

    /// @inheritdoc ICredentialRegistry
    function offerHash(Offer calldata offer) external view returns (bytes32) {
        return TypedData.digest(DOMAIN_NAME, _offerStruct(offer));
    }

    /// @inheritdoc ICredentialRegistry
    function acceptanceHash(Offer calldata offer) external view returns (bytes32) {
        return _acceptance(_offerStruct(offer));
    }

    /// @inheritdoc ICredentialRegistry
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return TypedData.domain(DOMAIN_NAME);
    }

    /// @inheritdoc ICredentialRegistry
    function statusOf(address device, bytes32 typeId) public view returns (CredentialStatus) {
        Storage storage $ = _storage();
        Credential memory held = $.credentials[typeId][device];
        if (held.issuer == address(0)) return CredentialStatus.None;
        if (_ioID.tokenIdOf(device) != held.tokenId) return CredentialStatus.DeviceGone;
        if ($.issuers[typeId][held.issuer] == IssuerState.Void) return CredentialStatus.IssuerVoid;
        if (_bit($, held.issuer, held.statusList, held.statusIndex)) return CredentialStatus.Revoked;
        if (block.timestamp >= held.validUntil) return CredentialStatus.Expired;
        if (_bit($, held.issuer, uint256(held.statusList) + 1, held.statusIndex)) return CredentialStatus.Suspended;
        return block.timestamp < held.validFrom ? CredentialStatus.NotYetValid : CredentialStatus.Valid;
    }

    /// @inheritdoc ICredentialRegistry
    function typeIdOf(address creator, string calldata name) public pure returns (bytes32) {
        return keccak256(abi.encode(creator, name));
    }

    function _setPrice(bytes32 typeId, uint256 price) private {
        if (price > type(uint96).max) revert CredentialRegistry_PriceTooHigh(price, type(uint96).max);
        _storage().types[typeId].price = uint96(price);
        emit TypePriceChanged(typeId, price);
    }

    /// @dev A bit that is set already is no claim: it would be revoked or suspended from the start.
    function _checkOffer(Storage storage $, Offer calldata offer) private view {
        if (block.timestamp > offer.deadline) revert CredentialRegistry_Expired(offer.deadline, block.timestamp);
        if ($.issuers[offer.typeId][offer.issuer] != IssuerState.Open) {
            revert CredentialRegistry_IssuerNotOpen(offer.typeId, offer.issuer);
        }
        if (offer.validFrom >= offer.validUntil || block.timestamp >= offer.validUntil) {
            revert CredentialRegistry_BadValidity(offer.validFrom, offer.validUntil);
        }
        (uint256 list, uint256 index) = (offer.statusList, offer.statusIndex);
        if (list & 1 != 0) revert CredentialRegistry_BadList(list);
        if (index >= LIST_SIZE) revert CredentialRegistry_BadIndex(index, LIST_SIZE);
        if (_bit($, offer.issuer, list, index)) revert CredentialRegistry_StatusSet(offer.issuer, list, index);
    }

    function _pay(Storage storage $, Offer calldata offer) private {
        uint256 price = $.types[offer.typeId].price;
        if (price > offer.maxPrice) revert CredentialRegistry_PriceTooHigh(price, offer.maxPrice);
        if (msg.value < price) revert CredentialRegistry_Underpaid(msg.value, price);
        emit CredentialClaimed(offer.typeId, offer.device, offer.issuer, offer.credentialHash, price);
        if (msg.value > price) {
            $.refunds[msg.sender] += msg.value - price;
            emit RefundDue(msg.sender, msg.value - price);
        }
        if (price != 0) _burner.burn{value: price}(offer.typeId);
    }

    function _spend(Storage storage $, address issuer, uint256 nonce) private {
        uint256 bit = 1 << (nonce & 0xff);
        uint256 word = $.spent[issuer][nonce >> 8];
        if (word & bit != 0) revert CredentialRegistry_NonceSpent(issuer, nonce);
        $.spent[issuer][nonce >> 8] = word | bit;
        emit NonceSpent(issuer, nonce);
    }

    function _setStatus(uint256 list, uint256 index, bool set) private {
        if (list > type(uint32).max) revert CredentialRegistry_BadList(list);
        if (index >= LIST_SIZE) revert CredentialRegistry_BadIndex(index, LIST_SIZE);
        if (!set && list & 1 == 0) revert CredentialRegistry_RevokedForGood(list, index);
        mapping(uint256 => uint256) storage bits = _storage().status[msg.sender][list];
        uint256 bit = 1 << (255 - (index & 0xff));
        uint256 word = bits[index >> 8];
        bits[index >> 8] = set ? word | bit : word & ~bit;
        emit StatusChanged(msg.sender, list, index, set);
    }

    function _bit(Storage storage $, address issuer, uint256 list, uint256 index) private view returns (bool) {
        return ($.status[issuer][list][index >> 8] >> (255 - (index & 0xff))) & 1 != 0;
    }

    function _offerStruct(Offer calldata offer) private pure returns (bytes32) {
        return keccak256(abi.encode(OFFER_TYPE, offer));
    }

    function _acceptance(bytes32 offerStruct) private view returns (bytes32) {
        return TypedData.digest(DOMAIN_NAME, keccak256(abi.encode(ACCEPTANCE_TYPE, offerStruct)));
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
