// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {ICertificateRegistry} from "../interfaces/identity/ICertificateRegistry.sol";
import {IIoID} from "../interfaces/identity/IIoID.sol";
import {IIoIDRegistry} from "../interfaces/identity/IIoIDRegistry.sol";
import {DnsName} from "../libraries/DnsName.sol";
import {TypedData} from "../libraries/TypedData.sol";

/// @title Certificates of devices (see ICertificateRegistry).
contract CertificateRegistry is ICertificateRegistry, AccessManagedUpgradeable, UUPSUpgradeable {
    /// @custom:storage-location erc7201:trellis.storage.CertificateRegistry
    struct Storage {
        mapping(bytes32 certId => Record) records;
        mapping(address device => uint32) generations;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.CertificateRegistry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xcb95f8883216d4d74fb2825f7db23d0cd2878c5a388b9e424e135d382a652600;

    bytes32 private constant DOMAIN_NAME = keccak256("CertificateRegistry");
    bytes32 private constant CERTIFICATE_TYPE = keccak256(
        "Certificate(bytes32 digest,address device,bytes32 parent,bytes32 spkiHash,uint40 notBefore,uint40 notAfter,bool ca,uint8 pathLen,string name,bytes32 replaces,uint256 tokenId,uint32 generation,uint256 deadline)"
    );
    bytes32 private constant REVOKE_TYPE = keccak256("RevokeCertificate(bytes32 certId,uint256 deadline)");
    bytes32 private constant VOID_TYPE = keccak256("VoidAll(address device,uint32 generation,uint256 deadline)");
    /// @dev Authorities in a row, and so certificates above the lowest: what every walk is bounded by.
    uint8 private constant MAX_AUTHORITIES = 4;

    address private immutable _initialAuthority;
    IIoIDRegistry private immutable _registry;
    IIoID private immutable _ioID;

    modifier before(uint256 deadline) {
        if (block.timestamp > deadline) revert CertificateRegistry_Expired(deadline, block.timestamp);
        _;
    }

    /// @param authority_  AccessManager that instances start under.
    /// @param registry_  The registry of devices; its ioID collection is read from it.
    constructor(address authority_, address registry_) {
        _initialAuthority = authority_;
        _registry = IIoIDRegistry(registry_);
        _ioID = IIoID(IIoIDRegistry(registry_).ioID());
        _disableInitializers();
    }

    /// @notice Starts an instance under the authority that the logic was built with.
    function initialize() external initializer {
        __AccessManaged_init(_initialAuthority);
    }

    /// @inheritdoc ICertificateRegistry
    function publish(
        Certificate calldata what,
        uint256 deadline,
        bytes calldata issuerSignature,
        bytes calldata consent
    ) external before(deadline) returns (bytes32 certId) {
        (uint256 tokenId, , address owner) = _ioID.deviceInfo(what.device);
        if (tokenId == 0) revert CertificateRegistry_UnknownDevice(what.device);
        certId = certIdOf(what.parent, what.device, what.digest);
        if (_storage().records[certId].device != address(0)) revert CertificateRegistry_Exists(certId);
        if (!DnsName.isValid(what.name)) revert CertificateRegistry_BadName(what.name);

        bytes32 digest = publishHash(what, deadline);
        if (what.parent == bytes32(0)) {
            _checkValidity(what, type(uint40).max);
            _checkPath(what, MAX_AUTHORITIES);
            _checkKey(what.device, digest, issuerSignature);
            _checkOwner(owner, digest, consent);
        } else {
            Record storage parent = _storage().records[what.parent];
            (Status parentStatus, , address issuer) = status(what.parent);
            if (parentStatus != Status.Valid || !parent.ca) {
                revert CertificateRegistry_BadParent(what.parent, parentStatus);
            }
            _checkValidity(what, parent.notAfter);
            _checkPath(what, parent.pathLen);
            if (!DnsName.isWithin(what.name, parent.name)) revert CertificateRegistry_BadName(what.name);
            _checkKey(issuer, digest, issuerSignature);
            if (issuer != what.device) _checkKey(what.device, digest, consent);
        }
        if (what.replaces != bytes32(0)) _replace(what, certId);
        _keep(certId, what, uint40(tokenId));
    }

    /// @inheritdoc ICertificateRegistry
    function revoke(bytes32 certId, uint256 deadline, bytes calldata signature) external before(deadline) {
        Record storage record = _storage().records[certId];
        if (record.device == address(0) || record.revoked) revert CertificateRegistry_NotRevocable(certId);
        bytes32 digest = revokeHash(certId, deadline);
        address by = signature.length == 0 ? msg.sender : TypedData.recover(digest, signature);
        if (!_isIssuer(record.parent, by)) {
            (, , address owner) = _ioID.deviceInfo(record.device);
            _checkOwner(owner, digest, signature);
        }
        _revoke(certId, record, bytes32(0));
    }

    /// @inheritdoc ICertificateRegistry
    function voidAll(address device, uint256 deadline, bytes calldata ownerSignature) external before(deadline) {
        (, , address owner) = _ioID.deviceInfo(device);
        if (owner == address(0)) revert CertificateRegistry_UnknownDevice(device);
        _checkOwner(owner, voidAllHash(device, deadline), ownerSignature);
        uint32 next = ++_storage().generations[device];
        emit CertificatesVoided(device, next);
    }

    /// @inheritdoc ICertificateRegistry
    function certificate(bytes32 certId) external view returns (Record memory) {
        return _storage().records[certId];
    }

    /// @inheritdoc ICertificateRegistry
    function generation(address device) external view returns (uint32) {
        return _storage().generations[device];
    }

    /// @inheritdoc ICertificateRegistry
    function status(bytes32 certId) public view returns (Status status_, uint64 notAfter, address device) {
        Record storage record = _storage().records[certId];
        (device, notAfter) = (record.device, record.notAfter);
        if (device == address(0)) return (Status.Unknown, 0, device);
        if (_isRevoked(record)) return (Status.Revoked, notAfter, device);
        if (_isGone(record)) return (Status.DeviceRemoved, notAfter, device);
        // Times need no walk: a child ends with its parent at the latest, and was published while all above were valid.
        for (bytes32 above = record.parent; above != bytes32(0);) {
            Record storage ancestor = _storage().records[above];
            if (_isRevoked(ancestor)) return (Status.AncestorRevoked, notAfter, device);
            if (_isGone(ancestor)) return (Status.AncestorRemoved, notAfter, device);
            above = ancestor.parent;
        }
        if (block.timestamp > notAfter) return (Status.Expired, notAfter, device);
        if (block.timestamp < record.notBefore) return (Status.NotYetValid, notAfter, device);
        status_ = Status.Valid;
    }

    /// @inheritdoc ICertificateRegistry
    function standing(address device) public view returns (uint256 tokenId, uint32 generation_) {
        return (_ioID.tokenIdOf(device), _storage().generations[device]);
    }

    /// @inheritdoc ICertificateRegistry
    function certIdOf(bytes32 parent, address device, bytes32 digest) public pure returns (bytes32) {
        return keccak256(abi.encode(parent, device, digest));
    }

    /// @inheritdoc ICertificateRegistry
    function publishHash(Certificate calldata what, uint256 deadline) public view returns (bytes32) {
        bytes memory head = abi.encode(CERTIFICATE_TYPE, what.digest, what.device, what.parent, what.spkiHash);
        bytes memory middle = abi.encode(what.notBefore, what.notAfter, what.ca, what.pathLen);
        (uint256 tokenId, uint32 generation_) = standing(what.device);
        bytes memory tail = abi.encode(keccak256(bytes(what.name)), what.replaces, tokenId, generation_, deadline);
        return TypedData.digest(DOMAIN_NAME, keccak256(bytes.concat(head, middle, tail)));
    }

    /// @inheritdoc ICertificateRegistry
    function revokeHash(bytes32 certId, uint256 deadline) public view returns (bytes32) {
        return TypedData.digest(DOMAIN_NAME, keccak256(abi.encode(REVOKE_TYPE, certId, deadline)));
    }

    /// @inheritdoc ICertificateRegistry
    function voidAllHash(address device, uint256 deadline) public view returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(VOID_TYPE, device, _storage().generations[device], deadline));
        return TypedData.digest(DOMAIN_NAME, structHash);
    }

    function _keep(bytes32 certId, Certificate calldata what, uint40 tokenId) private {
        _storage().records[certId] = Record({
            device: what.device,
            notBefore: what.notBefore,
            notAfter: what.notAfter,
            ca: what.ca,
            revoked: false,
            pathLen: what.pathLen,
            parent: what.parent,
            spkiHash: what.spkiHash,
            tokenId: tokenId,
            generation: _storage().generations[what.device],
            name: what.name
        });
        emit CertificatePublished(
            certId,
            what.device,
            what.parent,
            what.digest,
            what.spkiHash,
            what.notBefore,
            what.notAfter,
            what.ca,
            what.pathLen,
            what.name
        );
    }

    /// @dev Whoever issues the new one has consented as he did to the old one, to this very exchange.
    function _replace(Certificate calldata what, bytes32 certId) private {
        Record storage old = _storage().records[what.replaces];
        if (old.device != what.device || old.parent != what.parent || old.revoked) {
            revert CertificateRegistry_BadReplacement(what.replaces);
        }
        _revoke(what.replaces, old, certId);
    }

    function _revoke(bytes32 certId, Record storage record, bytes32 replacement) private {
        record.revoked = true;
        emit CertificateRevoked(certId, record.device, replacement);
    }

    /// @dev Whether `key` is the current key of a device that stands above: `parent` or higher.
    function _isIssuer(bytes32 parent, address key) private view returns (bool) {
        if (key == address(0)) return false;
        for (bytes32 above = parent; above != bytes32(0);) {
            Record storage ancestor = _storage().records[above];
            if (_registry.signerOf(ancestor.device) == key) return true;
            above = ancestor.parent;
        }
        return false;
    }

    function _isRevoked(Record storage record) private view returns (bool) {
        return record.revoked || record.generation != _storage().generations[record.device];
    }

    function _isGone(Record storage record) private view returns (bool) {
        return _ioID.tokenIdOf(record.device) != record.tokenId;
    }

    function _checkOwner(address owner, bytes32 digest, bytes calldata signature) private view {
        bool consents =
            owner != address(0) &&
                (
                    signature.length == 0
                        ? msg.sender == owner || _registry.isRelayer(owner, msg.sender)
                        : SignatureChecker.isValidSignatureNowCalldata(owner, digest, signature)
                );
        if (!consents) revert CertificateRegistry_NoConsent(msg.sender);
    }

    function _checkKey(address device, bytes32 digest, bytes calldata signature) private view {
        address signer = _registry.signerOf(device);
        address recovered = TypedData.recover(digest, signature);
        if (recovered == address(0) || recovered != signer) {
            revert CertificateRegistry_BadDeviceSignature(device, signer);
        }
    }

    function _checkValidity(Certificate calldata what, uint40 latest) private view {
        (uint40 notBefore, uint40 notAfter) = (what.notBefore, what.notAfter);
        if (notBefore > notAfter || notAfter < block.timestamp || notAfter > latest) {
            revert CertificateRegistry_BadValidity(notBefore, notAfter, latest);
        }
    }

    /// @dev An authority takes one place of those that stand in a row: `allowed` of them may.
    function _checkPath(Certificate calldata what, uint8 allowed) private pure {
        if (what.ca ? what.pathLen >= allowed : what.pathLen != 0) {
            revert CertificateRegistry_PathTooLong(what.pathLen, allowed);
        }
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
