// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Credentials of devices: who may issue which, that a device holds one, and whether it is good now.
/// @dev A type is made by anybody, who owns it and names its issuers. A credential is the issuer's typed offer and the typed
/// acceptance of the device's current key over that offer: nobody gets one for a key that he does not hold. It is
/// bought by burning the type's price. Status bits lie here, in lists of their issuer (W3C Bitstring Status List).
/// Typed data, domain "CredentialRegistry", version "1":
/// Offer(bytes32 typeId,address issuer,address device,bytes32 credentialHash,uint40 validFrom,uint40 validUntil,
/// uint32 statusList,uint32 statusIndex,uint256 maxPrice,uint256 nonce,uint256 deadline)
/// Acceptance(Offer offer)Offer(…)
///
/// - Lists come in pairs: an even list revokes, for good, and the odd list behind it suspends.
/// - A device has one credential of a type; a later one takes the place of the former.
/// - `validUntil` is the first second at which the credential is no longer valid.
interface ICredentialRegistry {
    /// @notice What an issuer is to a type. Void: closed, and its credentials with it, for good.
    enum IssuerState {
        None,
        Open,
        Closed,
        Void
    }

    enum CredentialStatus {
        None,
        Valid,
        NotYetValid,
        Expired,
        Revoked,
        Suspended,
        IssuerVoid,
        DeviceGone
    }

    struct CredentialType {
        address owner;
        uint96 price;
        bytes32 schemaHash;
        string name;
        string schemaUri;
    }

    struct Offer {
        bytes32 typeId;
        address issuer;
        address device;
        bytes32 credentialHash;
        uint40 validFrom;
        uint40 validUntil;
        uint32 statusList;
        uint32 statusIndex;
        uint256 maxPrice;
        uint256 nonce;
        uint256 deadline;
    }

    struct Credential {
        address issuer;
        uint40 tokenId; // ioID that the device had: ends with it
        uint40 validFrom;
        uint40 validUntil;
        uint32 statusList;
        uint32 statusIndex;
        bytes32 credentialHash;
    }

    /// @notice A type of credential was made.
    event TypeCreated(bytes32 indexed typeId, address indexed owner, string name, bytes32 schemaHash, string schemaUri);

    /// @notice The price of a type's credentials changed.
    event TypePriceChanged(bytes32 indexed typeId, uint256 price);

    /// @notice What an issuer is to a type changed.
    event IssuerChanged(bytes32 indexed typeId, address indexed issuer, IssuerState state);

    /// @notice The device took a credential, for which `price` wei were burned.
    event CredentialClaimed(
        bytes32 indexed typeId,
        address indexed device,
        address indexed issuer,
        bytes32 credentialHash,
        uint256 price
    );

    /// @notice Bits of an issuer's list changed.
    event StatusChanged(address indexed issuer, uint256 indexed list, uint256 index, bool set);

    /// @notice An offer with this nonce was taken or taken back.
    event NonceSpent(address indexed issuer, uint256 nonce);

    /// @notice `account` paid more than the price.
    event RefundDue(address indexed account, uint256 amount);

    /// @notice `account` fetched what he had overpaid.
    event RefundClaimed(address indexed account, address indexed to, uint256 amount);

    error CredentialRegistry_ZeroAddress();
    error CredentialRegistry_TypeExists(bytes32 typeId);
    error CredentialRegistry_NotTypeOwner(bytes32 typeId, address caller);
    error CredentialRegistry_PriceTooHigh(uint256 price, uint256 most);
    error CredentialRegistry_BadTransition(address issuer, IssuerState from, IssuerState to);
    error CredentialRegistry_IssuerNotOpen(bytes32 typeId, address issuer);
    error CredentialRegistry_Expired(uint256 deadline, uint256 now_);
    error CredentialRegistry_BadValidity(uint256 from, uint256 until);
    error CredentialRegistry_BadList(uint256 list);
    error CredentialRegistry_BadIndex(uint256 index, uint256 size);
    error CredentialRegistry_BatchSize(uint256 size, uint256 most);
    error CredentialRegistry_RevokedForGood(uint256 list, uint256 index);
    error CredentialRegistry_StatusSet(address issuer, uint256 list, uint256 index);
    error CredentialRegistry_NonceSpent(address issuer, uint256 nonce);
    error CredentialRegistry_NoConsent(address issuer);
    error CredentialRegistry_NotHolder(address device, address signer);
    error CredentialRegistry_Underpaid(uint256 have, uint256 want);
    error CredentialRegistry_NoRefund(address account);
    error CredentialRegistry_RefundRefused(address to);

    /// @notice Starts an instance under the authority that the logic was built with.
    function initialize() external;

    /// @notice Makes a type of the caller. Its id is keccak256(abi.encode(caller, name)).
    /// @param price  Burned with each claim, in wei.
    function createType(
        string calldata name,
        bytes32 schemaHash,
        string calldata schemaUri,
        uint256 price
    ) external returns (bytes32 typeId);

    /// @notice Changes what a claim costs. Type owner only; an offer's `maxPrice` protects who pays.
    function setTypePrice(bytes32 typeId, uint256 price) external;

    /// @notice Opens or closes an issuer of a type. Type owner only.
    /// @dev Closed keeps what was issued valid and may be opened again; Void voids it, for good.
    function setIssuer(bytes32 typeId, address issuer, IssuerState state) external;

    /// @notice The device takes what the issuer offers, once. Anybody may send it, who pays at least the price.
    /// @param issuerSignature  The issuer's over the offer (ECDSA or ERC-1271); empty when he calls.
    /// @param deviceSignature  The device's current key's over Acceptance(offer).
    function claim(
        Offer calldata offer,
        bytes calldata issuerSignature,
        bytes calldata deviceSignature
    ) external payable;

    /// @notice Sends what the caller has overpaid to `to`.
    function claimRefund(address to) external;

    /// @notice Takes back the caller's offers with this nonce.
    function cancelNonce(uint256 nonce) external;

    /// @notice Sets a bit of a list of the caller's. A bit of an even list (revocation) is never cleared.
    function setStatus(uint256 list, uint256 index, bool set) external;

    /// @notice Sets at most 256 bits of a list of the caller's.
    function setStatus(uint256 list, uint256[] calldata indices, bool set) external;

    /// @notice Whether the device holds a good credential of the type now.
    function isValid(address device, bytes32 typeId) external view returns (bool);

    /// @notice The same with the reason. One read: removal, revocation, suspension, time and a voided issuer are all in it.
    function statusOf(address device, bytes32 typeId) external view returns (CredentialStatus);

    /// @notice The device's last credential of the type, good or not; empty when it never had one.
    function credentialOf(address device, bytes32 typeId) external view returns (Credential memory);

    /// @notice Id of a creator's type.
    function typeIdOf(address creator, string calldata name) external pure returns (bytes32);

    /// @notice A type; empty when it was not made.
    function typeOf(bytes32 typeId) external view returns (CredentialType memory);

    /// @notice What the issuer is to the type.
    function issuerState(bytes32 typeId, address issuer) external view returns (IssuerState);

    /// @notice One bit of an issuer's list.
    function statusBit(address issuer, uint256 list, uint256 index) external view returns (bool);

    /// @notice At most 512 words of an issuer's list, from word `start`: bit 0 of the list is the highest of word 0.
    function statusWords(
        address issuer,
        uint256 list,
        uint256 start,
        uint256 count
    ) external view returns (uint256[] memory);

    /// @notice Whether the issuer's nonce is spent.
    function isNonceSpent(address issuer, uint256 nonce) external view returns (bool);

    /// @notice What `account` overpaid and has not fetched, in wei.
    function refundable(address account) external view returns (uint256);

    /// @notice Digest that an issuer signs.
    function offerHash(Offer calldata offer) external view returns (bytes32);

    /// @notice Digest that the device's current key signs.
    function acceptanceHash(Offer calldata offer) external view returns (bytes32);

    /// @notice EIP-712 domain.
    function DOMAIN_SEPARATOR() external view returns (bytes32);
}
