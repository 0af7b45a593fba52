// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Registry of devices: identifiers, keys and documents (ioID v1 ABI with typed overloads).
/// @dev A device's identifier is its first address, for ever. Its key is `signerOf(device)`: rotated by the owner,
/// and a retired key never registers or signs again. Every change needs two consents: the owner's (he is the caller,
/// an approved relayer is, or his typed signature comes along) and the device key's. A stolen device key alone
/// moves nothing; an owner without the key rotates to one he has.
/// Typed signatures bind chain, contract, action, all parameters, nonce and deadline (EIP-712 domain
/// {name: "ioIDRegistry", version: "1"}); the types are above each overload. Legacy forms carry
/// `Permit(address owner,uint256 nonce)`, which binds neither: they work for the owner himself (or his relayer), and
/// those of update, migrate and remove only while `legacyPermits()` is on.
/// Nonces are per identifier, survive removal and are shared by all actions. "Caller" is, behind the trusted ERC-2771 forwarder,
/// who signed the request; an authority's calls are never taken from it. Recovery of a lost owner: IIoIDRecovery.
interface IIoIDRegistry {
    /// @notice A registration, as a device and its owner sign it.
    /// @dev `Register(address deviceContract,uint256 tokenId,address user,address device,bytes32 hash,string uri,
    /// uint256 nonce,uint256 deadline)`.
    struct Registration {
        address deviceContract;
        uint256 tokenId;
        address user;
        address device;
        bytes32 hash;
        string uri;
    }

    /// @notice A device was registered to `owner`.
    event NewDevice(address indexed device, address owner, bytes32 hash, string uri);

    /// @notice A device's document changed.
    event UpdateDevice(address indexed device, address owner, bytes32 hash, string uri);

    /// @notice A device's ioID went to `owner`.
    event Migrate(address indexed device, address owner);

    /// @notice A device was removed by `owner`.
    event RemoveDevice(address indexed device, address owner);

    /// @notice The store changed.
    event SetIoIdStore(address indexed store);

    /// @notice The key of a device changed; `oldSigner` is retired for ever.
    event RotateSigner(address indexed device, address indexed oldSigner, address indexed newSigner);

    /// @notice `relayer` may (or no longer may) act for `user`.
    event SetRelayer(address indexed user, address indexed relayer, bool allowed);

    /// @notice The contract that keeps memberships was named.
    event SetMemberships(address indexed memberships);

    /// @notice The signature came after its deadline.
    error IoIDRegistry_Expired(uint256 deadline, uint256 time);

    /// @notice The caller has no consent of `user`: neither he, nor his relayer, nor his typed signature.
    error IoIDRegistry_NoConsent(address user, address caller);

    /// @notice Legacy permits are closed for this action; use the typed form.
    error IoIDRegistry_LegacyClosed();

    /// @notice The address is, or was, the key or the identifier of `device`.
    error IoIDRegistry_KeyTaken(address key, address device);

    /// @notice An address may not be zero.
    error IoIDRegistry_ZeroAddress();

    /// @notice The URI is longer than 65,535 bytes.
    error IoIDRegistry_UriTooLong(uint256 length);

    /// @notice `initialize` names another ioID than the logic was built for.
    error IoIDRegistry_OtherIoID(address ioID);

    /// @notice A batch has 1 to `most` registrations, and as many device signatures.
    error IoIDRegistry_BatchSize(uint256 registrations, uint256 signatures, uint256 most);

    /// @notice Registration `index` is for another user than the first.
    error IoIDRegistry_OtherUser(uint256 index, address user);

    /// @notice Only the contract that keeps memberships marks members.
    error IoIDRegistry_NotMemberships(address caller);

    /// @notice Memberships are kept by `memberships`, for ever.
    error IoIDRegistry_MembershipsSet(address memberships);

    /// @notice v1's initializer; `ioID_` must be the one that the logic was built for.
    function initialize(address ioIDStore_, address ioID_) external;

    /// @notice Registers a device for its owner: the caller. Legacy permit of the device key.
    function register(
        address deviceContract,
        uint256 tokenId,
        address device,
        bytes32 hash,
        string calldata uri,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external payable;

    /// @notice Registers a device for `user`: the caller, or who made the caller his relayer. Legacy permit.
    function register(
        address deviceContract,
        uint256 tokenId,
        address user,
        address device,
        bytes32 hash,
        string calldata uri,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external payable;

    /// @notice Registers a device. Typed data, both sign the same `Register` (see `Registration`).
    /// @dev The device NFT goes from `user` into the device's wallet; `user` approved this contract for it.
    /// @param deadline  Unix seconds after which the signatures are void.
    /// @param deviceSignature  By the device's key, 65 bytes r||s||v.
    /// @param userSignature  By `user` (ERC-1271 for contracts); empty when caller is the user or his relayer.
    function register(
        Registration calldata registration,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata userSignature
    ) external payable;

    /// @notice Registers up to 64 devices of one user, all or none.
    /// @dev Each device signs its own `Register`. The user is the caller, made the caller his relayer, or signs
    /// `RegisterBatch(bytes32 registrations,uint256 deadline)`, `registrations` being keccak256 of the struct hashes of all
    /// `Register`s one after the other. Value is shared evenly: devices of virtual and of hardware projects go in two batches.
    /// A transaction may not use more than 16.78M gas (EIP-7825): about fifty at once.
    function registerBatch(
        Registration[] calldata registrations,
        uint256 deadline,
        bytes[] calldata deviceSignatures,
        bytes calldata userSignature
    ) external payable;

    /// @notice Changes document hash and URI. Caller is the owner or his relayer. Legacy permit.
    function update(address device, bytes32 hash, string calldata uri, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Changes document hash and URI.
    /// @dev `Update(address device,bytes32 hash,string uri,uint256 nonce,uint256 deadline)`.
    function update(
        address device,
        bytes32 hash,
        string calldata uri,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata ownerSignature
    ) external;

    /// @notice Moves the ioID, and with it the wallet, to `user`. Caller is the owner or his relayer. Legacy permit,
    /// over the owner as v1's over the caller.
    function migrate(address device, address user, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Moves the ioID, and with it the wallet, to `user`.
    /// @dev `Migrate(address device,address user,uint256 nonce,uint256 deadline)`.
    function migrate(
        address device,
        address user,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata ownerSignature
    ) external;

    /// @notice Removes a device. Caller is the owner or his relayer. Legacy permit.
    function remove(address device, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice Removes a device: unlisted, uncounted, its ioID burned, its device NFT free to be registered again.
    /// @dev `Remove(address device,uint256 nonce,uint256 deadline)`. The device NFT stays where it is, normally in
    /// the wallet, from where the last owner takes it: no contract but the wallet moves what a wallet holds.
    function remove(
        address device,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata ownerSignature
    ) external;

    /// @notice Gives a device a new key and retires the old one for ever.
    /// @dev `Rotate(address device,address newSigner,uint256 nonce,uint256 deadline)`, signed by the new key, and by the
    /// owner unless he or his relayer calls. The old key does not sign: it may be lost, or a thief's.
    function rotate(
        address device,
        address newSigner,
        uint256 deadline,
        bytes calldata newSignerSignature,
        bytes calldata ownerSignature
    ) external;

    /// @notice Lets `relayer` register, update, migrate, remove and rotate in the caller's name.
    /// Warning: with a device's signature a relayer may move its ioID to itself. For contracts that are trusted.
    function setRelayer(address relayer, bool allowed) external;

    /// @notice Voids all signatures that name the device's current nonce. Owner or relayer only.
    function cancelNonce(address device) external;

    /// @notice Sets the store. Authority only.
    function setIoIDStore(address ioIDStore_) external;

    /// @notice Names the contract that keeps memberships, once. Authority only.
    /// Warning: it hears of the removal of a member and could refuse it; it is governed as this contract is.
    function setMemberships(address memberships_) external;

    /// @notice Marks that a device has memberships, which end with its removal. Memberships only.
    function markMember(address device, bool member) external;

    /// @notice The contract that keeps memberships.
    function memberships() external view returns (address);

    /// @notice Whether `forwarder` is believed who calls (ERC-2771).
    function isTrustedForwarder(address forwarder) external view returns (bool);

    /// @notice The ERC-2771 forwarder. Fixed in the logic.
    function trustedForwarder() external view returns (address);

    /// @notice Current key of a device, 0 when it is not registered.
    function signerOf(address device) external view returns (address);

    /// @notice Live device whose current key is `signer`, 0 otherwise: also for a retired key.
    function deviceOfSigner(address signer) external view returns (address);

    /// @notice Whether the address was the key of a device and is retired.
    function isRetired(address signer) external view returns (bool);

    /// @notice Whether `relayer` may act for `user`.
    function isRelayer(address user, address relayer) external view returns (bool);

    /// @notice Whether legacy permits of update, migrate and remove are accepted.
    /// @dev Fixed in the logic: governance closes them by an upgrade to logic built without.
    function legacyPermits() external view returns (bool);

    /// @notice EIP-712 domain separator of {name: "ioIDRegistry", version: "1", chainId, verifyingContract}.
    // solhint-disable-next-line func-name-mixedcase
    function DOMAIN_SEPARATOR() external view returns (bytes32);

    /// @notice keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)").
    // solhint-disable-next-line func-name-mixedcase
    function EIP712DOMAIN_TYPEHASH() external view returns (bytes32);

    /// @notice "did:io:".
    // solhint-disable-next-line func-name-mixedcase
    function METHOD() external view returns (string memory);

    /// @notice ioID of a registered device; reverts otherwise.
    function deviceTokenId(address device) external view returns (uint256);

    /// @notice Hash of the device's DID document; reverts when it is not registered.
    function documentHash(address device) external view returns (bytes32);

    /// @notice "did:io:" + lower-case hex of the address.
    function documentID(address device) external pure returns (string memory);

    /// @notice Where the device's DID document is; reverts when it is not registered.
    function documentURI(address device) external view returns (string memory);

    /// @notice Whether the device is registered.
    function exists(address device) external view returns (bool);

    /// @notice The ioID collection.
    function ioID() external view returns (address);

    /// @notice The store.
    function ioIDStore() external view returns (address);

    /// @notice Nonce that the next signature over the device names.
    function nonces(address device) external view returns (uint256);

    /// @notice EIP-712 struct hash (not the digest: v1's shape) of `Permit(owner, nonces(device))`.
    function permitHash(address owner, address device) external view returns (bytes32);

    /// @notice Whether a live device was registered with this device NFT.
    function registeredNFT(address deviceContract, uint256 tokenId) external view returns (bool);
}
