// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDapp} from "./IDapp.sol";

/// @title What every dapp of the house answers to.
interface IDappBase is IDapp {
    error Dapp_ZeroRouter();
    error Dapp_NotRouter(address caller);
    /// @notice As many results as tasks, or nothing.
    error Dapp_LengthMismatch(uint256 tasks, uint256 results);

    /// @notice The only account that may call `process`.
    function router() external view returns (address);
}
