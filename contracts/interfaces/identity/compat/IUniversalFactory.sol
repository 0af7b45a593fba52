// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Makes verifying proxies, one a project (ioID v1 ABI).
interface IUniversalFactory {
    /// @notice A proxy was made.
    event CreatedProxy(address indexed proxy);

    /// @notice Clones, initialises and hands over to the caller in one go; parameters are `IVerifyingProxy.initialize`'s.
    /// @dev The address follows from caller and parameters: a reorganised chain gives nobody else's proxy.
    function create(
        uint8 type_,
        address verifier,
        string calldata projectName,
        string calldata name,
        string calldata symbol,
        uint256 amount
    ) external payable returns (address proxy);

    /// @notice What is cloned.
    function proxyImplementation() external view returns (address);
}
