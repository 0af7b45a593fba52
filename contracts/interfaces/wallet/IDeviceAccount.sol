// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC6551Account, IERC6551Executable} from "./IERC6551.sol";

/// @title The wallet of a device: an ERC-6551 account of its ioID.
/// @dev Three layers: the canonical registry's clone (fixed address), DeviceAccountProxy (fixed code), logic.
/// The logic starts as the one that the proxy was built with and changes only when the owner says so: there is no beacon,
/// no administrator and no governance over it, because who can change a wallet's code can take what it holds. The price
/// is that improvements have to be asked for, account by account; the gain is that nobody but the owner is trusted.
/// The owner is the owner of the ioID; after the ioID's removal, the one it had then.
/// Assumptions: the token contract tells the truth about `ownerOf` and `formerOwnerOf`.
interface IDeviceAccount is IERC6551Account, IERC6551Executable {
    /// @notice The owner chose other logic (ERC-1967).
    event Upgraded(address indexed implementation);

    /// @notice The caller does not own the account.
    error DeviceAccount_NotOwner(address caller, address owner);

    /// @notice Only operation 0, CALL, is there: a delegatecall could rewrite the account.
    error DeviceAccount_UnknownOperation(uint8 operation);

    /// @notice The token that came is above the account in its own chain of owners.
    error DeviceAccount_OwnershipCycle(address tokenContract, uint256 tokenId);

    /// @notice The new logic is not a device account's (its ERC-1967 id differs, or it has no code).
    error DeviceAccount_BadLogic(address logic);

    /// @notice A re-entered execution.
    error DeviceAccount_Reentered();

    /// @notice Owner of the ioID, or its last owner when it is removed; 0 on another chain.
    function owner() external view returns (address);

    /// @notice Logic that the account runs.
    function logic() external view returns (address);

    /// @notice Changes the logic. Owner only. `newLogic` must answer `proxiableUUID` (ERC-1822).
    /// Warning: logic has all power over the account.
    function upgradeToAndCall(address newLogic, bytes calldata data) external payable;

    /// @notice ERC-1822: slot that the proxy reads the logic from.
    function proxiableUUID() external view returns (bytes32);

    /// @notice ERC-1271: valid when it is the owner's (ECDSA or ERC-1271) over the hash.
    /// @dev The signature is over `keccak256(0x19 01 ‖ domain ‖ struct)` of `AccountMessage(bytes32 hash)` in the domain
    /// {name: "DeviceAccount", version: "1", chainId, verifyingContract: account}: one signature of an owner of two
    /// wallets is not valid for both.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4);
}
