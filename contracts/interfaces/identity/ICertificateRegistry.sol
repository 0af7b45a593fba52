// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Certificates of devices: a public-key infrastructure whose authorities are devices.
/// @dev A device's root certificate stands under nobody; below it, certificates of the same device or of others hang in a tree at most five
/// deep. The chain keeps what a verifier must know at the moment of a handshake; X.509 bytes stay with the peers, bound by their hash.
/// `certId` = keccak256(abi.encode(parent, device, sha256(DER))): one id stands for the whole path up to the root, so that a verifier who
/// has the path asks once, and nobody takes the id of a certificate by publishing its bytes first, for another device or under another parent.
/// Consents: the issuer device's current key signs each certificate (a root's issuer is the device itself). Besides it, a root needs the ioID
/// owner, and a certificate of another device needs that device's current key: nobody is named without his word.
/// Typed data in the EIP-712 domain {name: "CertificateRegistry", version: "1"}. A certificate is published once and revoked for good, and
/// `voidAll` counts: no signature works twice.
/// Warning: anybody with a device may publish a root of any name. A name means something under a root that the verifier trusts, only there.
interface ICertificateRegistry {
    /// @notice What one call of `status` tells, strongest first: what is wrong for good, then what is wrong now.
    enum Status {
        Unknown,
        Valid,
        NotYetValid,
        Expired,
        Revoked,
        AncestorRevoked,
        DeviceRemoved,
        AncestorRemoved
    }

    /// @notice A certificate, as issuer, subject and owner sign it.
    /// @dev `Certificate(bytes32 digest,address device,bytes32 parent,bytes32 spkiHash,uint40 notBefore,uint40 notAfter,bool ca,
    /// uint8 pathLen,string name,bytes32 replaces,uint256 tokenId,uint32 generation,uint256 deadline)`: the two before the deadline are those
    /// of `standing`.
    struct Certificate {
        /// @dev SHA-256 of the X.509 certificate (DER).
        bytes32 digest;
        /// @dev Identifier of the subject.
        address device;
        /// @dev certId of the issuing certificate; 0 for a root.
        bytes32 parent;
        /// @dev SHA-256 of the SubjectPublicKeyInfo (DER).
        bytes32 spkiHash;
        /// @dev Unix seconds, both inclusive, as in X.509. A child ends with its parent, at the latest.
        uint40 notBefore;
        uint40 notAfter;
        /// @dev Whether it may issue, and how many authorities may stand below it (pathLenConstraint; 0 without `ca`).
        bool ca;
        uint8 pathLen;
        /// @dev dNSName, lower case: the name itself, and for an authority the suffix of all names below.
        string name;
        /// @dev certId that this one takes the place of and revokes (same device, same parent); 0 for none.
        bytes32 replaces;
    }

    /// @notice A certificate as it is kept.
    struct Record {
        address device;
        uint40 notBefore;
        uint40 notAfter;
        bool ca;
        bool revoked;
        /// @dev Authorities that may stand below it.
        uint8 pathLen;
        bytes32 parent;
        bytes32 spkiHash;
        /// @dev ioID of the device at publication: removal ends the certificate, a new registration does not revive it.
        uint40 tokenId;
        /// @dev `generation(device)` at publication.
        uint32 generation;
        string name;
    }

    /// @notice A certificate was published.
    event CertificatePublished(
        bytes32 indexed certId,
        address indexed device,
        bytes32 indexed parent,
        bytes32 digest,
        bytes32 spkiHash,
        uint40 notBefore,
        uint40 notAfter,
        bool ca,
        uint8 pathLen,
        string name
    );

    /// @notice A certificate was revoked, and with it all below; `replacement` is 0 unless another took its place.
    event CertificateRevoked(bytes32 indexed certId, address indexed device, bytes32 replacement);

    /// @notice Every certificate of the device up to now is void, and all below them.
    event CertificatesVoided(address indexed device, uint32 generation);

    /// @notice The signatures came after their deadline.
    error CertificateRegistry_Expired(uint256 deadline, uint256 time);

    /// @notice The device is not live.
    error CertificateRegistry_UnknownDevice(address device);

    /// @notice The certificate was published before.
    error CertificateRegistry_Exists(bytes32 certId);

    /// @notice The certificate is not known, or revoked already.
    error CertificateRegistry_NotRevocable(bytes32 certId);

    /// @notice The validity is empty, over already, or ends after the parent's.
    error CertificateRegistry_BadValidity(uint40 notBefore, uint40 notAfter, uint40 latest);

    /// @notice The parent may not issue this: it is `status`, or no authority.
    error CertificateRegistry_BadParent(bytes32 parent, Status status);

    /// @notice More authorities would stand in a row than the parent, or the depth of the tree, allows.
    error CertificateRegistry_PathTooLong(uint8 pathLen, uint8 allowed);

    /// @notice The name is no lower-case dNSName (RFC 1123, at most 253 bytes), or not under the parent's.
    error CertificateRegistry_BadName(string name);

    /// @notice `replaces` is no live certificate of the same device and parent.
    error CertificateRegistry_BadReplacement(bytes32 replaces);

    /// @notice The signature is not by the current key of `device`.
    error CertificateRegistry_BadDeviceSignature(address device, address signer);

    /// @notice Neither caller nor signature is one that may do this.
    error CertificateRegistry_NoConsent(address caller);

    /// @notice Publishes a certificate.
    /// @param certificate  What is certified.
    /// @param deadline  Unix seconds after which the signatures are void.
    /// @param issuerSignature  By the current key of the parent's device; for a root, of the device itself. 65 bytes.
    /// @param consent  Root: by the ioID's owner (ERC-1271 for contracts), empty when he or his relayer calls. Certificate of another
    /// device: by that device's current key, 65 bytes. Certificate that a device gives itself below its own: empty.
    /// @return certId  Its id.
    function publish(
        Certificate calldata certificate,
        uint256 deadline,
        bytes calldata issuerSignature,
        bytes calldata consent
    ) external returns (bytes32 certId);

    /// @notice Revokes a certificate for good, and with it all below.
    /// @dev `RevokeCertificate(bytes32 certId,uint256 deadline)`, signed by the current key of the device of any certificate above it
    /// (parent, grandparent …), or by the owner of its device's ioID (ERC-1271 for contracts). Without a signature the caller is one
    /// of these, or the owner's relayer.
    function revoke(bytes32 certId, uint256 deadline, bytes calldata signature) external;

    /// @notice Voids all certificates of a device, known or not, and all below: after a theft, or by who bought the device.
    /// @dev `VoidAll(address device,uint32 generation,uint256 deadline)`, signed by the ioID's owner unless he or his relayer calls.
    function voidAll(address device, uint256 deadline, bytes calldata ownerSignature) external;

    /// @notice Whether a certificate, and every one above it, is good at this moment; and until when, and whose it is.
    /// @dev Bounded: reads at most five certificates. Never reverts.
    function status(bytes32 certId) external view returns (Status status_, uint64 notAfter, address device);

    /// @notice A certificate as it is kept; zeros when unknown.
    function certificate(bytes32 certId) external view returns (Record memory);

    /// @notice What a signature over a certificate of the device is bound to: its ioID, and its generation. Both change with what
    /// ended all certificates of before, so that none which was held back is published after it.
    function standing(address device) external view returns (uint256 tokenId, uint32 generation_);

    /// @notice How often the device's certificates were voided: what the next `VoidAll` names.
    function generation(address device) external view returns (uint32);

    /// @notice keccak256(abi.encode(parent, device, digest)).
    function certIdOf(bytes32 parent, address device, bytes32 digest) external pure returns (bytes32);

    /// @notice EIP-712 digest of a certificate.
    function publishHash(Certificate calldata certificate, uint256 deadline) external view returns (bytes32);

    /// @notice EIP-712 digest of a revocation.
    function revokeHash(bytes32 certId, uint256 deadline) external view returns (bytes32);

    /// @notice EIP-712 digest of `voidAll` with the device's present generation.
    function voidAllHash(address device, uint256 deadline) external view returns (bytes32);
}
