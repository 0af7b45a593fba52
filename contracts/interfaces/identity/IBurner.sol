// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The one place where fees are burned, with a ledger by source.
/// @dev A source is what was paid for, e.g. keccak256("ioID registration") or a type of credential. Anybody may burn in the
/// name of any source: a sum says how much was burned, the event says by whom. Nobody can take anything out.
interface IBurner {
    /// @notice `from` burned `amount` wei in the name of `source`.
    event Burned(bytes32 indexed source, address indexed from, uint256 amount);

    /// @notice No value came.
    error Burner_Nothing();

    /// @notice The zero address did not take the value, which no chain that we know does.
    error Burner_Refused();

    /// @notice Burns the value of the call.
    function burn(bytes32 source) external payable;

    /// @notice Burned in the name of `source`, in wei.
    function burned(bytes32 source) external view returns (uint256);

    /// @notice Burned in the name of all sources, in wei.
    function totalBurned() external view returns (uint256);

    /// @notice Number of sources that anything was burned in the name of.
    function sourceCount() external view returns (uint256);

    /// @notice At most 100 sources from position `start`, in the order of their first burn; fewer at the end.
    function sources(uint256 start, uint256 pageSize) external view returns (bytes32[] memory);
}
