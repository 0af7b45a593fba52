// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IPersonRegistry} from "../interfaces/identity/IPersonRegistry.sol";
import {TypedData} from "../libraries/TypedData.sol";

/// @title People (see IPersonRegistry).
contract PersonRegistry is IPersonRegistry, AccessManagedUpgradeable, UUPSUpgradeable {
    struct Person {
        bytes32 hash;
        string uri;
        uint256 nonce;
    }

    /// @custom:storage-location erc7201:trellis.storage.PersonRegistry
    struct Storage {
        mapping(address person => Person) people;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.PersonRegistry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xed2de6966d456137b29153cd80720d59ae81db68f707b5c5d398c098c0965b00;

    uint256 public constant MAX_URI = 1_024;

    bytes32 private constant DOMAIN_NAME = keccak256("PersonRegistry");
    bytes32 private constant REGISTER_TYPE = keccak256(
        "Register(address person,bytes32 hash,string uri,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant UPDATE_TYPE = keccak256(
        "Update(address person,bytes32 hash,string uri,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant REMOVE_TYPE = keccak256("Remove(address person,uint256 nonce,uint256 deadline)");

    address private immutable _initialAuthority;

    /// @param authority_  AccessManager that instances start under.
    constructor(address authority_) {
        _initialAuthority = authority_;
        _disableInitializers();
    }

    /// @inheritdoc IPersonRegistry
    function initialize() external initializer {
        __AccessManaged_init(_initialAuthority);
    }

    /// @inheritdoc IPersonRegistry
    function register(bytes32 hash, string calldata uri) external {
        _register(msg.sender, hash, uri);
    }

    /// @inheritdoc IPersonRegistry
    function register(
        address person,
        bytes32 hash,
        string calldata uri,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _checkDocument(REGISTER_TYPE, person, hash, uri, deadline, signature);
        _register(person, hash, uri);
    }

    /// @inheritdoc IPersonRegistry
    function update(bytes32 hash, string calldata uri) external {
        _update(msg.sender, hash, uri);
    }

    /// @inheritdoc IPersonRegistry
    function update(
        address person,
        bytes32 hash,
        string calldata uri,
        uint256 deadline,
        bytes calldata signature
    ) external {
        _checkDocument(UPDATE_TYPE, person, hash, uri, deadline, signature);
        _update(person, hash, uri);
    }

    /// @inheritdoc IPersonRegistry
    function remove() external {
        _remove(msg.sender);
    }

    /// @inheritdoc IPersonRegistry
    function remove(address person, uint256 deadline, bytes calldata signature) external {
        bytes32 structHash = keccak256(abi.encode(REMOVE_TYPE, person, _people(person).nonce, deadline));
        _check(person, structHash, deadline, signature);
        _remove(person);
    }

    /// @inheritdoc IPersonRegistry
    function cancelNonce() external {
        ++_people(msg.sender).nonce;
    }

    /// @inheritdoc IPersonRegistry
    function exists(address person) external view returns (bool) {
        return _people(person).hash != 0;
    }

    /// @inheritdoc IPersonRegistry
    function documentHash(address person) external view returns (bytes32) {
        return _people(person).hash;
    }

    /// @inheritdoc IPersonRegistry
    function documentURI(address person) external view returns (string memory) {
        return _people(person).uri;
    }

    /// @inheritdoc IPersonRegistry
    function nonces(address person) external view returns (uint256) {
        return _people(person).nonce;
    }

    /// @inheritdoc IPersonRegistry
    function DOMAIN_SEPARATOR() external view returns (bytes32) {
        return TypedData.domain(DOMAIN_NAME);
    }

    function _register(address person, bytes32 hash, string calldata uri) private {
        if (_people(person).hash != 0) revert PersonRegistry_Exists(person);
        _write(person, hash, uri);
        emit PersonRegistered(person, hash, uri);
    }

    function _update(address person, bytes32 hash, string calldata uri) private {
        if (_people(person).hash == 0) revert PersonRegistry_Unknown(person);
        _write(person, hash, uri);
        emit PersonUpdated(person, hash, uri);
    }

    /// @dev Every change spends the nonce, signed or called: what was signed over the state before is void.
    function _write(address person, bytes32 hash, string calldata uri) private {
        if (hash == 0) revert PersonRegistry_EmptyHash();
        if (bytes(uri).length > MAX_URI) revert PersonRegistry_UriTooLong(bytes(uri).length, MAX_URI);
        Person storage record = _people(person);
        record.hash = hash;
        record.uri = uri;
        ++record.nonce;
    }

    function _remove(address person) private {
        Person storage record = _people(person);
        if (record.hash == 0) revert PersonRegistry_Unknown(person);
        delete record.hash;
        delete record.uri;
        ++record.nonce;
        emit PersonRemoved(person);
    }

    function _checkDocument(
        bytes32 kind,
        address person,
        bytes32 hash,
        string calldata uri,
        uint256 deadline,
        bytes calldata signature
    ) private view {
        bytes32 uriHash = keccak256(bytes(uri));
        bytes32 structHash = keccak256(abi.encode(kind, person, hash, uriHash, _people(person).nonce, deadline));
        _check(person, structHash, deadline, signature);
    }

    function _check(address person, bytes32 structHash, uint256 deadline, bytes calldata signature) private view {
        if (block.timestamp > deadline) revert PersonRegistry_Expired(deadline, block.timestamp);
        bytes32 digest = TypedData.digest(DOMAIN_NAME, structHash);
        if (!SignatureChecker.isValidSignatureNowCalldata(person, digest, signature)) {
            revert PersonRegistry_NoConsent(person);
        }
    }

    function _people(address person) private view returns (Person storage) {
        return _storage().people[person];
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
