// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721Enumerable} from "@openzeppelin/contracts/token/ERC721/extensions/IERC721Enumerable.sol";

/// @title The ioID of a device: an ERC-721 token with an ERC-6551 wallet (ioID v1 ABI).
/// @dev Token ids count from 1 and are never used again. A removed ioID is burned, but its last owner is kept:
/// he commands what its wallet holds. Enumeration orders are those of ERC-721: none promised, though without
/// removals `tokenByIndex(i) == i + 1`.
interface IIoID is IERC721Enumerable {
    /// @notice An ioID and its wallet were made.
    event CreateIoID(address indexed owner, uint256 id, address wallet, string did);

    /// @notice A removed device's DID no longer names `wallet`.
    event RemoveDIDWallet(address indexed wallet, string did);

    /// @notice The registry moved an ioID for its owner.
    event Migrate(address indexed oldOwner, address indexed newOwner, uint256 id);

    /// @notice Who may mint changed: the registry.
    event SetMinter(address indexed minter);

    /// @notice The resolver of an ioID changed.
    event SetResolver(uint256 id, address indexed resolver);

    /// @notice The device has no live ioID.
    error IoID_UnknownDevice(address device);

    /// @notice The device has a live ioID already.
    error IoID_DeviceExists(address device, uint256 id);

    /// @notice An index is not below the count (ERC-6093 style, as OpenZeppelin names it).
    error ERC721OutOfBoundsIndex(address owner, uint256 index);

    /// @notice The page starts behind a device that the project does not list.
    error IoID_NotListed(uint256 projectId, address start);

    /// @notice The project id is zero or wider than 32 bits.
    error IoID_BadProject(uint256 projectId);

    /// @notice The transfer would make the ioID the owner of itself through the wallet `to`.
    error IoID_OwnershipCycle(uint256 id, address to);

    /// @notice `initialize` or an upgrade names other wallet contracts than the logic was built for.
    error IoID_OtherWallets(address walletRegistry, address walletImplementation);

    /// @notice v1's initializer; wallet contracts must be those the logic was built for.
    function initialize(
        address minter_,
        address walletRegistry_,
        address walletImplementation_,
        string calldata name_,
        string calldata symbol_
    ) external;

    /// @notice Mints an ioID and makes its wallet. Minter only.
    function mint(uint256 projectId, address device, address owner_) external returns (uint256 id);

    /// @notice Moves an ioID. Minter only: the registry has checked owner and device.
    function migrate(uint256 id, address owner_) external;

    /// @notice Burns the ioID of a device and takes the device off its project's list. Minter only.
    function removeDID(address device) external;

    /// @notice Sets who may mint. Authority, or the minter itself as in v1.
    function setMinter(address minter_) external;

    /// @notice Sets a resolver contract. ioID owner only.
    function setResolver(uint256 id, address resolver_) external;

    /// @notice Project of a live device, 0 otherwise.
    function deviceProject(address device) external view returns (uint256);

    /// @notice Token id of a live device, 0 otherwise. Never reverts.
    function tokenIdOf(address device) external view returns (uint256);

    /// @notice Token id, project and owner of a live device in one call; zeros otherwise. Never reverts.
    function deviceInfo(address device) external view returns (uint256 id, uint256 projectId, address owner_);

    /// @notice Device of an ioID, also of a removed one; 0 when never minted.
    function deviceOf(uint256 id) external view returns (address);

    /// @notice Owner that a removed ioID had when it was removed; 0 for a live or unknown one.
    function formerOwnerOf(uint256 id) external view returns (address);

    /// @notice Number of the period of ownership: another one after each transfer and after removal, and never again one
    /// that was. 0 when never minted.
    function epochOf(uint256 id) external view returns (uint256);

    /// @notice "did:io:" + lower-case hex of the address.
    function did(address device) external view returns (string memory);

    /// @notice The registry.
    function minter() external view returns (address);

    /// @notice Number of live devices of a project.
    function projectDeviceCount(uint256 projectId) external view returns (uint256);

    /// @notice A page of a project's live devices, newest place first.
    /// @dev `start` is the sentinel 0x…01 for the first page, then `next` of the page before; the list ends with
    /// `next == 0`. `next` is the last device returned, so that clients which continue from `array[last]` work too.
    /// Paging always ends and lists no device twice: places only fall. Skips over freed places cost gas only here.
    function projectIDs(
        uint256 projectId,
        address start,
        uint256 pageSize
    ) external view returns (address[] memory array, address next);

    /// @notice Resolver contract of an ioID, 0 when none.
    function resolver(uint256 id) external view returns (address);

    /// @notice Wallet of an ioID and its DID; the DID is empty when the ioID is not live.
    function wallet(uint256 id) external view returns (address wallet_, string memory did_);

    /// @notice Wallet of an ioID, live or not, and nothing else: cheap.
    function walletOf(uint256 id) external view returns (address);

    /// @notice Wallet of a live device by its exact DID string, 0 otherwise.
    function wallet(string calldata did_) external view returns (address);

    /// @notice ERC-6551 registry. Fixed for ever.
    function walletRegistry() external view returns (address);

    /// @notice ERC-6551 implementation of wallets. Fixed for ever.
    function walletImplementation() external view returns (address);
}
