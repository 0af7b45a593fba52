// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title BabyJubjub data keys of devices, valid by window index.
/// @dev A data key signs windows of readings inside a circuit. It is bound by both keys: the device's (ECDSA, EIP-712
/// domain {name: "DataKeyRegistry", version: "1"}, type `BindDataKey(uint256 projectId,address device,uint256 tokenId,
/// uint256 keyX,uint256 keyY,uint32 fromWindow,uint256 deadline)`) and its own (Schnorr, below), and submitted by the ioID's owner or his relayer. Bindings are kept by
/// ioID token id and only appended with growing `fromWindow`: past windows never change, and all end with removal.
/// A key belongs to one identifier for ever, whoever claims it later.
/// Schnorr: 8·s·Base8 = 8·(R + c·A), s < l, R on the curve, c = keccak256(abi.encode(keccak256("trellis.datakey.possession"), chainid, this,
/// projectId, device, tokenId, A.x, A.y, fromWindow, deadline, R.x, R.y)) mod l.
interface IDataKeyRegistry {
    /// @notice Affine point of BabyJubjub (a = 168700, d = 168696) over the bn254 scalar field.
    struct Point {
        uint256 x;
        uint256 y;
    }

    /// @notice Schnorr signature: commitment R, response s.
    struct SchnorrSignature {
        Point r;
        uint256 s;
    }

    /// @notice From window `fromWindow` on, the device signs with the key (ax, ay).
    event DataKeyBound(
        uint256 indexed projectId,
        address indexed device,
        uint256 indexed tokenId,
        uint256 commitment,
        uint256 ax,
        uint256 ay,
        uint32 fromWindow
    );

    /// @notice The signatures came after their deadline.
    error DataKeyRegistry_Expired(uint256 deadline, uint256 time);

    /// @notice The device is not a live device of the project, nor a member.
    error DataKeyRegistry_UnknownDevice(uint256 projectId, address device);

    /// @notice The device signature is not by `signer`.
    error DataKeyRegistry_BadDeviceSignature(address device, address signer);

    /// @notice The caller is neither the ioID's owner nor his relayer (`IIoIDRegistry.setRelayer`).
    error DataKeyRegistry_NoConsent(address owner, address caller);

    /// @notice The Schnorr signature does not prove possession of the key.
    error DataKeyRegistry_BadKeySignature();

    /// @notice The point is not a key: off the curve, the identity, or outside the prime-order subgroup.
    error DataKeyRegistry_BadPoint(uint256 x, uint256 y);

    /// @notice The key belongs to another device.
    error DataKeyRegistry_KeyTaken(bytes32 keyHash, address device);

    /// @notice Bindings start at growing windows.
    error DataKeyRegistry_WindowNotLater(uint32 have, uint32 want);

    /// @notice Binds a data key. The ioID's owner or his relayer submits; both signatures bind all of it.
    /// @param projectId  A project of the device: of its registration, or of a membership.
    /// @param device  Identifier of the device.
    /// @param key  The data key A.
    /// @param eighth  A/8: a curve point with 8·eighth == A shows that A has prime order.
    /// @param fromWindow  First window index that it signs; the first binding of a device normally says 0.
    /// @param deadline  Unix seconds after which the signatures are void.
    /// @param deviceSignature  By `signerOf(device)`, 65 bytes; may be empty when the ioID's owner is the caller.
    /// @param keySignature  By the data key.
    function bind(
        uint256 projectId,
        address device,
        Point calldata key,
        Point calldata eighth,
        uint32 fromWindow,
        uint256 deadline,
        bytes calldata deviceSignature,
        SchnorrSignature calldata keySignature
    ) external;

    /// @notice Commitment to the key that signs a window: Poseidon(chainid, this, projectId, device, A.x, A.y); 0: none.
    /// @dev History of a token id: ask for the device's current one to be blind to removed ioIDs.
    function commitmentAt(uint256 projectId, uint256 tokenId, uint32 window) external view returns (uint256);

    /// @notice Key and commitment of a window of a live device in a project that it is of (`IMemberships.isMember`); zeros otherwise.
    function keyAt(
        uint256 projectId,
        address device,
        uint32 window
    ) external view returns (Point memory key, uint256 commitment);

    /// @notice Identifier that a key belongs to; `keyHash` = keccak256(abi.encode(x, y)).
    function deviceOfKey(bytes32 keyHash) external view returns (address);

    /// @notice Number of keys ever bound under a token id, and the window that the newest starts at.
    function bindings(uint256 projectId, uint256 tokenId) external view returns (uint256 count, uint32 newestFrom);

    /// @notice What the data key signs (before reduction mod l), for clients to compare.
    function possessionHash(
        uint256 projectId,
        address device,
        uint256 tokenId,
        Point calldata key,
        uint32 fromWindow,
        uint256 deadline,
        Point calldata r
    ) external view returns (bytes32);

    /// @notice EIP-712 digest that the device signs.
    function bindingHash(
        uint256 projectId,
        address device,
        uint256 tokenId,
        Point calldata key,
        uint32 fromWindow,
        uint256 deadline
    ) external view returns (bytes32);
}
