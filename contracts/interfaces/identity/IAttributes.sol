// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @dev Source: ERC-5192. Interface id 0xb45a3c0e.
interface IERC5192 {
    event Locked(uint256 tokenId);
    event Unlocked(uint256 tokenId);

    /// @notice Whether the token is bound to its holder.
    function locked(uint256 tokenId) external view returns (bool);
}

/// @title What issuers say of people: tokens that never move (ERC-721 and ERC-5192).
/// @dev Kinds and issuers are the types and open issuers of the credential registry. A holder consents to each token and
/// may burn it; its issuer may revoke it. A holder has one token of a kind.
/// Typed data, domain "Attributes", version "1":
/// IssueAttribute(address issuer,address holder,bytes32 typeId,bytes32 dataHash,string uri,uint40 validUntil,uint256 nonce,uint256 deadline)
interface IAttributes is IERC5192 {
    struct Attribute {
        bytes32 typeId;
        address issuer;
        uint40 validUntil; // first second at which it is no longer valid
        bytes32 dataHash;
        string uri;
    }

    event AttributeIssued(
        uint256 indexed tokenId,
        address indexed holder,
        bytes32 indexed typeId,
        address issuer,
        bytes32 dataHash,
        string uri,
        uint40 validUntil
    );
    event AttributeRevoked(uint256 indexed tokenId, address indexed issuer);
    event AttributeBurned(uint256 indexed tokenId, address indexed holder);

    /// @notice Tokens never move, so nobody can be allowed to move one.
    error Attributes_Locked();
    error Attributes_IssuerNotOpen(bytes32 typeId, address issuer);
    error Attributes_HasOne(address holder, bytes32 typeId, uint256 tokenId);
    error Attributes_Expired(uint256 deadline, uint256 now_);
    error Attributes_BadValidity(uint256 until);
    error Attributes_NoConsent(address holder);
    error Attributes_NotIssuer(uint256 tokenId, address caller);
    error Attributes_NotHolder(uint256 tokenId, address caller);

    /// @notice Starts an instance under the authority that the logic was built with.
    function initialize(string calldata name_, string calldata symbol_) external;

    /// @notice Gives `holder` an attribute. Open issuers of the type only.
    /// @param holderSignature  The holder's over IssueAttribute (ECDSA or ERC-1271); empty when the issuer is the holder.
    function issue(
        address holder,
        bytes32 typeId,
        bytes32 dataHash,
        string calldata uri,
        uint40 validUntil,
        uint256 deadline,
        bytes calldata holderSignature
    ) external returns (uint256 tokenId);

    /// @notice Ends an attribute. Who issued it only, open or not.
    function revoke(uint256 tokenId) external;

    /// @notice Ends an attribute. Its holder only.
    function burn(uint256 tokenId) external;

    /// @notice Voids what the caller has consented to and nobody has sent.
    function cancelNonce() external;

    /// @notice Whether the holder has a good attribute of the type now.
    function isValid(address holder, bytes32 typeId) external view returns (bool);

    /// @notice The holder's token of the type, 0 when none.
    function attributeOf(address holder, bytes32 typeId) external view returns (uint256 tokenId);

    /// @notice A live token's content.
    function attribute(uint256 tokenId) external view returns (Attribute memory);

    /// @notice Nonce of the holder's next consent.
    function nonces(address holder) external view returns (uint256);

    /// @notice EIP-712 domain.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}
