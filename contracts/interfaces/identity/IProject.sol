// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";

/// @title Projects of the network, one ERC-721 token each (ioID v1 ABI).
/// @dev Token id = project id, from 1. Type 0 is hardware (quota paid ahead), 1 is virtual (paid per device).
/// Revert strings are those that v1 clients match on; what v1 did not say has custom errors.
interface IProject is IERC721 {
    /// @notice A project's metadata entry was written; `key` = keccak256(name).
    event AddMetadata(uint256 indexed projectId, string name, bytes32 key, bytes value);

    /// @notice `operator` may write the metadata of the project.
    event AddOperator(uint256 indexed projectId, address operator);

    /// @notice `operator` may no longer write the metadata of the project.
    event RemoveOperator(uint256 indexed projectId, address operator);

    /// @notice Who may mint projects changed.
    event SetMinter(address indexed minter);

    /// @notice A project was named.
    event SetName(uint256 indexed projectId, string name);

    /// @notice Project types are 0 (hardware) and 1 (virtual).
    error Project_UnknownType(uint8 projectType);

    /// @notice Names the collection. The caller becomes the first minter, as in v1.
    function initialize(string calldata name_, string calldata symbol_) external;

    /// @notice Mints an unnamed hardware project (v1's oldest form). Minter only.
    function mint(address owner_) external returns (uint256 projectId);

    /// @notice Mints a hardware project. Minter only; the name must be new and not empty.
    function mint(address owner_, string calldata name_) external returns (uint256 projectId);

    /// @notice Mints a project of a type. Minter only; the name must be new and not empty.
    function mint(address owner_, string calldata name_, uint8 type_) external returns (uint256 projectId);

    /// @notice Renames a project. Project owner only; the old name becomes free.
    function setName(uint256 projectId, string calldata name_) external;

    /// @notice Writes a metadata entry. Project owner or an operator.
    function setMetadata(uint256 projectId, string calldata name_, bytes calldata value) external;

    /// @notice Lets `operator` write metadata. Project owner only.
    /// @dev A transfer of the project ends all of them (v1 kept them).
    function addOperator(uint256 projectId, address operator) external;

    /// @notice Ends what `addOperator` began. Project owner only.
    function removeOperator(uint256 projectId, address operator) external;

    /// @notice Sets who may mint. Authority only.
    function setMinter(address minter_) external;

    /// @notice Number of projects ever minted; ids are 1..count.
    function count() external view returns (uint256);

    /// @notice Who may mint.
    function minter() external view returns (address);

    /// @notice Name of a project.
    function name(uint256 projectId) external view returns (string memory);

    /// @notice 0 hardware, 1 virtual. Never changes.
    function projectType(uint256 projectId) external view returns (uint8);

    /// @notice Whether `account` may write the metadata of the project beside its owner.
    function isOperator(uint256 projectId, address account) external view returns (bool);

    /// @notice A metadata entry, empty when never written.
    function metadata(uint256 projectId, string calldata name_) external view returns (bytes memory);

    /// @notice The authority (v1 clients read `owner`).
    function owner() external view returns (address);
}
