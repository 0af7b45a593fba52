// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Where device NFTs are staked, as verifying proxies know it (ioID v1 ABI).
interface IDeviceGauge {
    /// @notice Takes `tokenId` from the caller and keeps it for `recipient`.
    function deposit(uint256 tokenId, address recipient) external;

    /// @notice The collection that is staked.
    function stakingToken() external view returns (address);
}

/// @title A gauge without weight or reward: it keeps and gives back.
/// @dev v1's had no way out. Here the recipient takes his token back when he likes.
interface IDummyDeviceGauge is IDeviceGauge {
    /// @notice A token was deposited for `user`.
    event Deposit(address indexed user, uint256 tokenId);

    /// @notice `user` took his token back.
    event Withdraw(address indexed user, uint256 tokenId);

    /// @notice Nobody could take the token out again: it came without deposit, or for the zero address.
    error DummyDeviceGauge_NoOwner(uint256 tokenId);

    /// @notice The token was deposited for somebody else.
    error DummyDeviceGauge_NotOwner(uint256 tokenId, address owner, address caller);

    /// @notice Sends a deposited token to whom it was deposited for. Only he may call.
    function withdraw(uint256 tokenId) external;

    /// @notice The collection that is staked.
    function deviceNFT() external view returns (address);

    /// @notice Who may take a deposited token back, 0 when it is not here.
    function deviceOwner(uint256 tokenId) external view returns (address);
}
