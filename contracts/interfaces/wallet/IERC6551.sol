// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title The canonical registry of token bound accounts (EIP-6551).
interface IERC6551Registry {
    /// @notice Makes the account unless it is there, and returns its address.
    function createAccount(
        address implementation,
        bytes32 salt,
        uint256 chainId,
        address tokenContract,
        uint256 tokenId
    ) external returns (address account);

    /// @notice Address of the account, made or not.
    function account(
        address implementation,
        bytes32 salt,
        uint256 chainId,
        address tokenContract,
        uint256 tokenId
    ) external view returns (address account);
}

/// @title A token bound account (EIP-6551, interface id 0x6faff5f1).
interface IERC6551Account {
    /// @notice Takes value.
    receive() external payable;

    /// @notice The token that owns the account.
    function token() external view returns (uint256 chainId, address tokenContract, uint256 tokenId);

    /// @notice A number that differs after each change that the account made.
    function state() external view returns (uint256);

    /// @notice `isValidSigner.selector` when `signer` may act for the account, 0 otherwise.
    function isValidSigner(address signer, bytes calldata context) external view returns (bytes4 magicValue);
}

/// @title Execution by a token bound account (EIP-6551, interface id 0x51945447).
interface IERC6551Executable {
    /// @notice Runs an operation; 0 is CALL.
    function execute(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation
    ) external payable returns (bytes memory result);
}
