// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title One device in several projects, beside the project that it was registered in.
/// @dev A membership is of the device's ioID token, at most 16 of one: it follows the token to a new owner, ends in the removal of
/// the device, and no new registration revives it. Joining takes three consents: the owner's, the key's, and the project's (which is
/// open to all, or admits the device); and the first time it uses the project's quota, or pays its price, as a registration does.
/// Both sign `Join(uint256 projectId,address device,uint256 tokenId,uint256 nonce,uint256 deadline)` in the EIP-712 domain
/// {name: "Memberships", version: "1"}; the nonce is `nonces(device)`, and never comes again.
interface IMemberships {
    /// @notice The device, as ioID `tokenId`, is a member of the project.
    event Joined(uint256 indexed projectId, address indexed device, uint256 indexed tokenId);

    /// @notice It is no longer: it left, was expelled, or was removed.
    event Left(uint256 indexed projectId, address indexed device, uint256 indexed tokenId);

    /// @notice The project takes every device (or only admitted ones).
    event SetOpen(uint256 indexed projectId, bool open);

    /// @notice The project takes this device while it is ioID `tokenId`, once.
    event Admitted(uint256 indexed projectId, address indexed device, uint256 indexed tokenId);

    /// @notice The signatures came after their deadline.
    error Memberships_Expired(uint256 deadline, uint256 time);

    /// @notice The device has no live ioID.
    error Memberships_UnknownDevice(address device);

    /// @notice The device is of the project already.
    error Memberships_AlreadyMember(uint256 projectId, address device);

    /// @notice The device has no membership of the project to end. One cannot leave the project of one's registration.
    error Memberships_NotMember(uint256 projectId, address device);

    /// @notice The project is not open and has not admitted the device.
    error Memberships_NotAdmitted(uint256 projectId, address device);

    /// @notice A device has at most `most` memberships.
    error Memberships_TooMany(address device, uint256 most);

    /// @notice The device was a member before, and pays nothing to come back: send no value.
    error Memberships_NothingDue(uint256 projectId, address device);

    /// @notice The device signature is not by `signer`.
    error Memberships_BadDeviceSignature(address device, address signer);

    /// @notice The caller has no consent of `owner`: neither he, nor his relayer, nor his typed signature.
    error Memberships_NoConsent(address owner, address caller);

    /// @notice The caller is not who decides here.
    error Memberships_NotAllowed(address caller);

    /// @notice The page starts behind a device that is no member.
    error Memberships_NotListed(uint256 projectId, address start);

    /// @notice Starts an instance under the authority that the logic was built with.
    function initialize() external;

    /// @notice Makes a device a member. Value is the project's price when it is virtual; none for a device that comes back.
    /// @param deadline  Unix seconds after which the signatures are void.
    /// @param deviceSignature  By the device's current key, 65 bytes r||s||v.
    /// @param ownerSignature  By the ioID's owner (ERC-1271 for contracts); empty when he or his relayer (`IIoIDRegistry`) calls.
    function join(
        uint256 projectId,
        address device,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata ownerSignature
    ) external payable;

    /// @notice Ends a membership. Owner of the ioID only. What was paid stays paid.
    function quit(uint256 projectId, address device) external;

    /// @notice Ends a membership. Project owner only. Tasks that were assigned before are still paid.
    function expel(uint256 projectId, address device) external;

    /// @notice Lets every device join, or only admitted ones. Project owner only.
    /// Warning: an open hardware project gives its quota to whoever comes.
    function setOpen(uint256 projectId, bool open) external;

    /// @notice Lets a live device join once. Project owner, or an operator of the project.
    function admit(uint256 projectId, address device) external;

    /// @notice Ends all memberships of a removed ioID. Registry only.
    function end(address device, uint256 tokenId) external;

    /// @notice Whether a device is live and of the project: registered in it, or a member.
    function isMember(uint256 projectId, address device) external view returns (bool);

    /// @notice Projects that a live device is a member of, beside its own; at most 16.
    function projectsOf(address device) external view returns (uint256[] memory);

    /// @notice Number of members of a project, without the devices registered in it.
    function memberCount(uint256 projectId) external view returns (uint256);

    /// @notice A page of a project's members, newest place first, as `IIoID.projectIDs`: `start` is 0x…01, then `next`, which
    /// is 0 at the end.
    function members(
        uint256 projectId,
        address start,
        uint256 pageSize
    ) external view returns (address[] memory array, address next);

    /// @notice Whether the project takes every device.
    function isOpen(uint256 projectId) external view returns (bool);

    /// @notice Whether the device, as it lives now, may join a project that is not open.
    function isAdmitted(uint256 projectId, address device) external view returns (bool);

    /// @notice Nonce that the next `Join` of the device names.
    function nonces(address device) external view returns (uint256);

    /// @notice EIP-712 digest that owner and key sign to let the live device join now.
    function joinHash(uint256 projectId, address device, uint256 deadline) external view returns (bytes32);
}
