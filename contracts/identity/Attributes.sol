// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IAttributes, IERC5192} from "../interfaces/identity/IAttributes.sol";
import {ICredentialRegistry} from "../interfaces/identity/ICredentialRegistry.sol";
import {TypedData} from "../libraries/TypedData.sol";

/// @title Attributes of people (see IAttributes).
contract Attributes is IAttributes, ERC721Upgradeable, AccessManagedUpgradeable, UUPSUpgradeable {
    /// @custom:storage-location erc7201:trellis.storage.Attributes
    struct Storage {
        uint256 count;
        mapping(uint256 tokenId => Attribute) attributes;
        mapping(address holder => mapping(bytes32 typeId => uint256)) held;
        mapping(address holder => uint256) nonces;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.Attributes")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0x49ad86f150e6c4deafc291389c2b4b15c59a43180ec195d6c8ecc0890998d600;

    bytes32 private constant DOMAIN_NAME = keccak256("Attributes");
    bytes32 private constant ISSUE_TYPE = keccak256(
        "IssueAttribute(address issuer,address holder,bytes32 typeId,bytes32 dataHash,string uri,uint40 validUntil,uint256 nonce,uint256 deadline)"
    );

    address private immutable _initialAuthority;
    ICredentialRegistry private immutable _credentials;

    /// @param authority_  AccessManager that instances start under.
    /// @param credentials_  Where types and their issuers are.
    constructor(address authority_, address credentials_) {
        _initialAuthority = authority_;
        _credentials = ICredentialRegistry(credentials_);
        _disableInitializers();
    }

    /// @inheritdoc IAttributes
    function initialize(string calldata name_, string calldata symbol_) external initializer {
        __ERC721_init(name_, symbol_);
        __AccessManaged_init(_initialAuthority);
    }

    /// @inheritdoc IAttributes
    function issue(
        address holder,
        bytes32 typeId,
        bytes32 dataHash,
        string calldata uri,
        uint40 validUntil,
        uint256 deadline,
        bytes calldata holderSignature
    ) external returns (uint256 tokenId) {
        Storage storage $ = _storage();
        if (block.timestamp > deadline) revert Attributes_Expired(deadline, block.timestamp);
        if (block.timestamp >= validUntil) revert Attributes_BadValidity(validUntil);
        if (_credentials.issuerState(typeId, msg.sender) != ICredentialRegistry.IssuerState.Open) {
            revert Attributes_IssuerNotOpen(typeId, msg.sender);
        }
        if ($.held[holder][typeId] != 0) revert Attributes_HasOne(holder, typeId, $.held[holder][typeId]);
        uint256 nonce = $.nonces[holder]++;
        if (holderSignature.length != 0 || msg.sender != holder) {
            bytes memory head = abi.encode(ISSUE_TYPE, msg.sender, holder, typeId, dataHash);
            bytes memory tail = abi.encode(keccak256(bytes(uri)), validUntil, nonce, deadline);
            bytes32 digest = TypedData.digest(DOMAIN_NAME, keccak256(bytes.concat(head, tail)));
            if (!SignatureChecker.isValidSignatureNowCalldata(holder, digest, holderSignature)) {
                revert Attributes_NoConsent(holder);
            }
        }
        tokenId = ++$.count;
        $.attributes[tokenId] = Attribute(typeId, msg.sender, validUntil, dataHash, uri);
        $.held[holder][typeId] = tokenId;
        _mint(holder, tokenId);
        emit Locked(tokenId);
        emit AttributeIssued(tokenId, holder, typeId, msg.sender, dataHash, uri, validUntil);
    }

    /// @inheritdoc IAttributes
    function revoke(uint256 tokenId) external {
        address holder = _requireOwned(tokenId);
        if (_storage().attributes[tokenId].issuer != msg.sender) revert Attributes_NotIssuer(tokenId, msg.sender);
        _end(tokenId, holder);
        emit AttributeRevoked(tokenId, msg.sender);
    }

    /// @inheritdoc IAttributes
    function burn(uint256 tokenId) external {
        if (_requireOwned(tokenId) != msg.sender) revert Attributes_NotHolder(tokenId, msg.sender);
        _end(tokenId, msg.sender);
        emit AttributeBurned(tokenId, msg.sender);
    }

    /// @inheritdoc IAttributes
    function cancelNonce() external {
        ++_storage().nonces[msg.sender];
    }

    /// @inheritdoc IAttributes
    function isValid(address holder, bytes32 typeId) external view returns (bool) {
        Storage storage $ = _storage();
        uint256 tokenId = $.held[holder][typeId];
        Attribute storage held = $.attributes[tokenId];
        return
            tokenId != 0 &&
            block.timestamp < held.validUntil &&
            _credentials.issuerState(typeId, held.issuer) != ICredentialRegistry.IssuerState.Void;
    }

    /// @inheritdoc IAttributes
    function attributeOf(address holder, bytes32 typeId) external view returns (uint256 tokenId) {
        return _storage().held[holder][typeId];
    }

    /// @inheritdoc IAttributes
    function attribute(uint256 tokenId) external view returns (Attribute memory) {
        _requireOwned(tokenId);
        return _storage().attributes[tokenId];
    }

    /// @inheritdoc IAttributes
    function nonces(address holder) external view returns (uint256) {
        return _storage().nonces[holder];
    }

    /// @inheritdoc IAttributes
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return TypedData.domain(DOMAIN_NAME);
    }

    /// @inheritdoc IERC5192
    function locked(uint256 tokenId) external view returns (bool) {
        _requireOwned(tokenId);
        return true;
    }

    function tokenURI(uint256 tokenId) public view override returns (string memory) {
        _requireOwned(tokenId);
        return _storage().attributes[tokenId].uri;
    }

    function supportsInterface(bytes4 interfaceId) public view override returns (bool) {
        return interfaceId == type(IERC5192).interfaceId || super.supportsInterface(interfaceId);
    }

    function approve(address, uint256) public pure override {
        revert Attributes_Locked();
    }

    function setApprovalForAll(address, bool) public pure override {
        revert Attributes_Locked();
    }

    /// @dev Whatever way a token would take: none moves from one holder to another.
    function _update(address to, uint256 tokenId, address auth) internal override returns (address from) {
        from = super._update(to, tokenId, auth);
        if (from != address(0) && to != address(0)) revert Attributes_Locked();
    }

    function _end(uint256 tokenId, address holder) private {
        Storage storage $ = _storage();
        delete $.held[holder][$.attributes[tokenId].typeId];
        delete $.attributes[tokenId];
        _burn(tokenId);
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
