// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Receiver of a project's proven results (generation d).
interface IDapp {
    /// @notice Takes results that are proven and settled.
    /// @dev Called by the router, with the gas that the project's terms name. Whatever it does, pay and settlement stand.
    /// @param _taskIds  The settled tasks, in the order of `_data`.
    /// @param _data  abi.encode(WindowResult[]).
    function process(address _prover, uint256 _projectId, bytes32[] calldata _taskIds, bytes calldata _data) external;
}
