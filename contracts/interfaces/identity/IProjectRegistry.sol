// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The open door through which anybody makes a project (ioID v1 ABI).
interface IProjectRegistry {
    /// @notice v1 let registration carry value and kept it for ever; ours asks for none.
    error ProjectRegistry_UnexpectedValue(uint256 value);

    /// @notice The address is not the collection that the logic was built with.
    error ProjectRegistry_OtherProject(address project);

    /// @notice Names the project collection, which the logic was built with; this contract must be its minter.
    function initialize(address project_) external;

    /// @notice Registers an unnamed hardware project to the caller.
    function register() external payable returns (uint256 projectId);

    /// @notice Registers a hardware project to the caller.
    function register(string calldata name) external payable returns (uint256 projectId);

    /// @notice Registers a project of a type (0 hardware, 1 virtual) to the caller.
    function register(string calldata name, uint8 type_) external payable returns (uint256 projectId);

    /// @notice The project collection.
    function project() external view returns (address);
}
