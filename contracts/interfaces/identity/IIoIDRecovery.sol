// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Time-locked recovery of the ioIDs of an owner who lost his key.
/// @dev No privilege and no administrator: an owner names a guardian and a delay here, and approves this contract as ERC-721 operator of
/// his ioIDs (`setApprovalForAll`); taking that back ends everything. The guardian (an account or a contract, by calling) starts a move of
/// named ioIDs; the owner may cancel it at any time of the delay; then anybody finishes it. A thief of the owner's key is not kept off: he can
/// transfer at once. ioIDs that were removed are burned, and their wallets stay with the lost owner: start before devices are removed.
interface IIoIDRecovery {
    /// @notice Who recovers for an owner, and how long it takes; the guardian is zero when nobody does.
    struct Policy {
        address guardian;
        uint32 delay;
    }

    /// @notice A move that runs; `ripeAt` is zero when none does.
    struct Request {
        address to;
        uint64 ripeAt;
        uint256[] ids;
    }

    /// @notice The policy of an owner changed; what ran is cancelled.
    event PolicySet(address indexed owner, address indexed guardian, uint32 delay);

    /// @notice The guardian started a move. Watch this: the owner has until `ripeAt` at least.
    event RecoveryStarted(
        address indexed from,
        address indexed to,
        address indexed guardian,
        uint256[] ids,
        uint64 ripeAt,
        uint64 expiresAt
    );

    /// @notice The move that ran will not be made: cancelled, or another came in its place.
    event RecoveryCancelled(address indexed from);

    /// @notice The move was made; of its ioIDs those that were still `from`'s, `moved` in number, are `to`'s.
    event RecoveryFinished(address indexed from, address indexed to, uint256 moved);

    /// @notice Delays are `least` to `most` seconds.
    error IoIDRecovery_BadDelay(uint32 delay, uint32 least, uint32 most);

    /// @notice The caller is not the guardian of `from`.
    error IoIDRecovery_NotGuardian(address from, address caller);

    /// @notice Only `from` himself cancels.
    error IoIDRecovery_NotOwner(address from, address caller);

    /// @notice A move has 1 to `most` ioIDs.
    error IoIDRecovery_BadSize(uint256 size, uint256 most);

    /// @notice The ioID is not `from`'s.
    error IoIDRecovery_NotOwned(uint256 id, address from);

    /// @notice ioIDs cannot be moved to this address.
    error IoIDRecovery_BadReceiver(address to);

    /// @notice No move of `from`'s ioIDs runs.
    error IoIDRecovery_NothingRuns(address from);

    /// @notice The move can be finished from `ripeAt` on.
    error IoIDRecovery_NotRipe(uint64 ripeAt, uint256 time);

    /// @notice The move could be finished until `expiresAt`.
    error IoIDRecovery_Expired(uint64 expiresAt, uint256 time);

    /// @notice Sets the caller's guardian and delay (3 to 90 days), and cancels what runs. Guardian zero, with any delay: nobody.
    function setPolicy(address guardian, uint32 delay) external;

    /// @notice Starts to move up to 64 ioIDs from an owner. His guardian only. Takes the place of a move that runs, from the beginning.
    function start(uint256[] calldata ids, address from, address to) external;

    /// @notice Cancels the move that runs. `from` himself only.
    function cancel(address from) external;

    /// @notice Makes a move whose delay has passed, within 14 days from then. Anybody. ioIDs that are no longer `from`'s are left out.
    /// @dev What the collection refuses, because it is not approved or `to` is a wallet below it, waits for another `finish`; when it
    /// refuses all, its last reason comes back.
    function finish(address from) external;

    /// @notice Policy of an owner.
    function policyOf(address owner) external view returns (Policy memory);

    /// @notice The move that runs, or has expired.
    function requestOf(address from) external view returns (Request memory);

    /// @notice The collection.
    function ioID() external view returns (address);
}
