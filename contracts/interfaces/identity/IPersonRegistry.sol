// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title People: an address, the hash of its document, and where that lies.
/// @dev Everybody registers himself, by a call or by a typed signature (ECDSA or ERC-1271) that anybody may send.
/// Typed data, domain "PersonRegistry", version "1":
/// Register(address person,bytes32 hash,string uri,uint256 nonce,uint256 deadline)
/// Update(address person,bytes32 hash,string uri,uint256 nonce,uint256 deadline)
/// Remove(address person,uint256 nonce,uint256 deadline)
/// No DID is given out: `did:io:` of an address is the device's of that address.
interface IPersonRegistry {
    event PersonRegistered(address indexed person, bytes32 hash, string uri);
    event PersonUpdated(address indexed person, bytes32 hash, string uri);
    event PersonRemoved(address indexed person);

    error PersonRegistry_Exists(address person);
    error PersonRegistry_Unknown(address person);
    error PersonRegistry_EmptyHash();
    error PersonRegistry_UriTooLong(uint256 length, uint256 most);
    error PersonRegistry_Expired(uint256 deadline, uint256 now_);
    error PersonRegistry_NoConsent(address person);

    /// @notice Starts an instance under the authority that the logic was built with.
    function initialize() external;

    /// @notice Registers the caller.
    function register(bytes32 hash, string calldata uri) external;

    /// @notice Registers who signed Register.
    function register(
        address person,
        bytes32 hash,
        string calldata uri,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Changes the caller's document.
    function update(bytes32 hash, string calldata uri) external;

    /// @notice Changes the document of who signed Update.
    function update(
        address person,
        bytes32 hash,
        string calldata uri,
        uint256 deadline,
        bytes calldata signature
    ) external;

    /// @notice Removes the caller. He may register again; signatures of before stay void.
    function remove() external;

    /// @notice Removes who signed Remove.
    function remove(address person, uint256 deadline, bytes calldata signature) external;

    /// @notice Voids what the caller has signed and nobody has sent.
    function cancelNonce() external;

    /// @notice Whether the person is registered.
    function exists(address person) external view returns (bool);

    /// @notice Hash of the document; zero when not registered.
    function documentHash(address person) external view returns (bytes32);

    /// @notice Where the document lies; empty when not registered.
    function documentURI(address person) external view returns (string memory);

    /// @notice Nonce of the next signature. Survives removal.
    function nonces(address person) external view returns (uint256);

    /// @notice EIP-712 domain.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}
