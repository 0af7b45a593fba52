// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IAccount} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IERC6551Account, IERC6551Executable} from "./IERC6551.sol";

/// @title The wallet of a device: an ERC-6551 account of its ioID.
/// @dev Three layers: the canonical registry's clone (fixed address), DeviceAccountProxy (fixed code), logic.
/// The logic starts as the one that the proxy was built with and changes only when the owner says so: there is no beacon,
/// no administrator and no governance over it, because who can change a wallet's code can take what it holds. The price
/// is that improvements have to be asked for, account by account; the gain is that nobody but the owner is trusted.
/// The owner is the owner of the ioID; after the ioID's removal, the one it had then. He acts as caller, or through the
/// ERC-4337 EntryPoint by a signed user operation; where it says "owner" below, both are meant.
/// A session lets a key of the device act by itself: named calls, so many, with so much value, for a time. It ends with
/// the period of ownership (any transfer or removal of the ioID), and with the key when the registry retires it.
/// A lock keeps everything in for a time, so that a buyer of the ioID gets what he saw: see `state`.
/// Assumptions:
/// - the token contract tells the truth about `ownerOf`, `formerOwnerOf`, `epochOf` and `minter`;
/// - the EntryPoint calls only with what `validateUserOp` accepted, in the transaction in which it did, within its times;
/// - allowances given before stay with the tokens: neither lock nor transfer of the ioID ends them.
interface IDeviceAccount is IERC6551Account, IERC6551Executable, IAccount {
    struct Call {
        address target;
        uint256 value;
        bytes data;
    }

    /// @dev `selector` 0 is a plain transfer of value, without data. `tokenLimit` counts what all calls of an ERC-20's
    /// `transfer` or `approve` name, and is 0 for every other selector.
    struct Permission {
        address target;
        bytes4 selector;
        uint128 tokenLimit;
    }

    /// @dev `calls` and `value` are what is left of the limits. `value` also bounds what user operations of the session
    /// may cost, unless a paymaster pays.
    struct Session {
        uint48 validAfter;
        uint48 validUntil;
        uint32 calls;
        uint128 value;
        Permission[] permissions;
    }

    /// @notice The owner chose other logic (ERC-1967).
    event Upgraded(address indexed implementation);

    /// @notice `key` may act within the limits of `session` as long as the period of ownership `epoch` lasts.
    event SessionGranted(address indexed key, uint256 indexed epoch, Session session);

    /// @notice The session of `key` ended.
    event SessionRevoked(address indexed key);

    /// @notice Nothing leaves the account until `until`.
    event Locked(uint64 until);

    /// @notice The caller does not own the account.
    error DeviceAccount_NotOwner(address caller, address owner);

    /// @notice The caller is not the EntryPoint.
    error DeviceAccount_NotEntryPoint(address caller);

    /// @notice Only operation 0, CALL, is there: a delegatecall could rewrite the account.
    error DeviceAccount_UnknownOperation(uint8 operation);

    /// @notice The token that came is above the account in its own chain of owners.
    error DeviceAccount_OwnershipCycle(address tokenContract, uint256 tokenId);

    /// @notice The new logic is not a device account's (its ERC-1967 id differs, or it has no code).
    error DeviceAccount_BadLogic(address logic);

    /// @notice A re-entered execution.
    error DeviceAccount_Reentered();

    /// @notice More calls at once than `atMost`.
    error DeviceAccount_TooManyCalls(uint256 calls, uint256 atMost);

    /// @notice Nothing leaves the account before `until`.
    error DeviceAccount_IsLocked(uint64 until);

    /// @notice A lock ends later than the one before, in the future, and not after `atMost`.
    error DeviceAccount_BadLock(uint64 until, uint64 atMost);

    /// @notice The session has no time, no calls, no or too many permissions, or a key that cannot have one.
    error DeviceAccount_BadSession(address key);

    /// @notice No session may call this: it would give away more than its limits can count.
    error DeviceAccount_NotDelegable(address target, bytes4 selector);

    /// @notice The caller is not the key, or the key has no session now.
    error DeviceAccount_NoSession(address caller, address key);

    /// @notice The session does not name this call.
    error DeviceAccount_NotPermitted(address key, address target, bytes4 selector);

    /// @notice The session has less left than this takes: calls, value, or tokens.
    error DeviceAccount_OverLimit(address key, uint256 left, uint256 wanted);

    /// @notice Runs up to 64 calls, all or none. Owner only.
    function executeBatch(Call[] calldata calls) external payable returns (bytes[] memory results);

    /// @notice Runs up to 64 calls, all or none, within the limits of the session of `key`: by the key as caller, or by a
    /// user operation that it signed.
    function executeSession(address key, Call[] calldata calls) external returns (bytes[] memory results);

    /// @notice Lets `key` act within limits, in place of a session that it had. Owner only.
    /// @dev Not delegable: the account itself, accounts of any token, the EntryPoint, the collection that owns the account
    /// and its minter (the ioID registry); selectors that move or approve without an amount that can be counted
    /// (`transferFrom`, `setApprovalForAll`, transfers of ERC-721 and ERC-1155, …), that upgrade, or hand over ownership.
    /// Warning: any other selector means what its target makes of it.
    function grantSession(address key, Session calldata session) external;

    /// @notice Ends the session of `key`. Owner only.
    function revokeSession(address key) external;

    /// @notice Keeps everything in until `until`, at most 90 days from now: no execution, session, signature or upgrade.
    /// Never shortened, and passed on with the ioID. Owner only. Receiving stays open.
    function lock(uint64 until) external;

    /// @notice Changes the logic. Owner only. `newLogic` must answer `proxiableUUID` (ERC-1822).
    /// Warning: logic has all power over the account, also over what it leaves in its storage for later.
    function upgradeToAndCall(address newLogic, bytes calldata data) external payable;

    /// @notice Called by an account that leaves this logic, to be counted. Harmless from anybody else.
    function depart() external;

    /// @notice How often `account` left this logic: asked of the logic, out of reach of what the account runs.
    /// @dev A buyer of the ioID asks `logic()` of the account and this of the logic: 0, or upgrades that he knows.
    function departures(address account) external view returns (uint256);

    /// @notice Owner of the ioID, or its last owner when it is removed; 0 on another chain.
    function owner() external view returns (address);

    /// @notice Logic that the account runs. Answered by the proxy: no logic can lie about it.
    function logic() external view returns (address);

    /// @notice Time until which nothing leaves; 0, or in the past, when open.
    function lockedUntil() external view returns (uint64);

    /// @notice What `key` may do now; all zeros without a live session.
    function sessionOf(address key) external view returns (Session memory session);

    /// @notice The ERC-4337 EntryPoint (v0.8) that the account answers to.
    function entryPoint() external view returns (address);

    /// @notice ERC-1822: slot that the proxy reads the logic from.
    function proxiableUUID() external view returns (bytes32);

    /// @notice ERC-1271: valid when it is the owner's (ECDSA or ERC-1271) over the hash, and the account is not locked.
    /// @dev The signature is over `keccak256(0x19 01 ‖ domain ‖ struct)` of `AccountMessage(bytes32 hash)` in the domain
    /// {name: "DeviceAccount", version: "1", chainId, verifyingContract: account}: one signature of an owner of two
    /// wallets is not valid for both.
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4);
}
