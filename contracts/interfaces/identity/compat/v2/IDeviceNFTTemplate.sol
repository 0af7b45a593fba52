// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A collection of devices with chosen ids (ioID v2 ABI).
/// @dev v2 let the collection's owner burn what others hold. A device is its holder's: here `burn` asks for the holder's
/// approval as a transfer would, and stays with the owner, so that nobody burns what the project still accounts for.
interface IDeviceNFTTemplate {
    /// @notice The operator changed.
    event OperatorChanged(address indexed oldOperator, address indexed newOperator);

    /// @notice The caller neither owns the collection nor operates it.
    error DeviceNFTTemplate_NotMinter(address caller);

    /// @notice The lists have different lengths.
    error DeviceNFTTemplate_Lengths(uint256 to, uint256 tokenIds);

    /// @notice Names collection, owner and operator. Once, in the transaction that clones.
    function initialize(string calldata name_, string calldata symbol_, address owner_, address operator_) external;

    /// @notice Sets who mints beside the owner; zero for nobody. Owner only.
    function setOperator(address operator_) external;

    /// @notice Mints a token. Owner or operator.
    function mint(address to, uint256 tokenId) external;

    /// @notice Mints tokens. Owner or operator.
    function batchMint(address[] calldata to, uint256[] calldata tokenIds) external;

    /// @notice Burns a token that the caller holds or that its holder approved him for. Owner only.
    function burn(uint256 tokenId) external;

    /// @notice Who mints beside the owner.
    function operator() external view returns (address);
}

/// @title Makes collections of devices (ioID v2 ABI).
interface IDeviceNFTFactory {
    /// @notice A collection was made.
    event DeviceNFTContractCreated(address deviceNFT);

    /// @notice Clones and initialises a collection.
    function createDeviceNFT(
        string calldata name,
        string calldata symbol,
        address owner,
        address operator
    ) external returns (address deviceNFT);

    /// @notice What is cloned.
    // solhint-disable-next-line func-name-mixedcase
    function IMPLEMENTATION() external view returns (address);
}
