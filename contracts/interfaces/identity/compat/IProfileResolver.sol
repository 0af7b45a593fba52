// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Name and avatar of an ioID (ioID v1 ABI; its ERC-165 id is that of the two reads).
interface IProfileResolver {
    /// @notice Name of a live ioID, empty otherwise.
    function name(uint256 id) external view returns (string memory);

    /// @notice URI of a live ioID's picture, empty otherwise.
    function avatar(uint256 id) external view returns (string memory);
}

/// @title The resolver that anybody may name in his ioID.
/// @dev What an owner wrote stays through a transfer, as in v1, until the next one writes.
interface IPublicResolver is IProfileResolver {
    /// @notice An ioID was named.
    event ChangeName(uint256 indexed id, string name);

    /// @notice An ioID's picture changed.
    event ChangeAvatar(uint256 indexed id, string uri);

    /// @notice The caller does not own the ioID.
    error PublicResolver_NotOwner(uint256 id, address owner, address caller);

    /// @notice Names an ioID. ioID owner only.
    function setName(uint256 id, string calldata name_) external;

    /// @notice Sets an ioID's picture. ioID owner only.
    function setAvatar(uint256 id, string calldata avatar_) external;

    /// @notice The collection.
    function ioID() external view returns (address);
}
