// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

/// @title The devices of one project as it makes them, before they have an ioID (ioID v1 ABI).
/// @dev One per project, a proxy or clone of this logic, owned by the project.
interface IDeviceNFT is IERC721 {
    /// @notice A minter's allowance grew.
    event MinterAllowanceIncremented(address indexed owner, address indexed minter, uint256 allowanceIncrement);

    /// @notice A minter was set with an allowance.
    event MinterConfigured(address indexed minter, uint256 minterAllowedAmount);

    /// @notice A minter was removed with what was left of its allowance.
    event MinterRemoved(address indexed minter);

    /// @notice Token URIs start with `uri`.
    event SetBaseURI(string uri);

    /// @notice The caller is no minter.
    error DeviceNFT_NotMinter(address caller);

    /// @notice The minter's allowance is used up.
    error DeviceNFT_AllowanceSpent(address minter);

    /// @notice A minter may not be the zero address.
    error DeviceNFT_ZeroMinter();

    /// @notice Names the collection; the caller becomes its owner.
    function initialize(string calldata name_, string calldata symbol_) external;

    /// @notice Names the collection and its owner: for a proxy that a factory creates, where the caller is the factory.
    function initialize(string calldata name_, string calldata symbol_, address owner_) external;

    /// @notice Makes `minter` a minter of at most `minterAllowedAmount` tokens. Owner only.
    function configureMinter(address minter, uint256 minterAllowedAmount) external;

    /// @notice Lets a minter mint more. Owner only.
    function incrementMinterAllowance(address minter, uint256 allowanceIncrement) external;

    /// @notice Ends a minter. Owner only.
    function removeMinter(address minter) external;

    /// @notice Sets where token URIs start. Owner only.
    function setBaseURI(string calldata uri) external;

    /// @notice Mints the next token to `to`. Minters only, one of the allowance.
    function mint(address to) external returns (uint256 tokenId);

    /// @notice Whether `account` is a minter (its allowance may be used up).
    function isMinter(address account) external view returns (bool);

    /// @notice What a minter may still mint.
    function minterAllowance(address minter) external view returns (uint256);

    /// @notice Number of tokens minted; ids are 1..total.
    function total() external view returns (uint256);
}
