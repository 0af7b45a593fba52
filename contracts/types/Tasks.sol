// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev None → Assigned → Settled (final); Assigned → Recalled → Assigned again.
enum TaskState {
    None,
    Assigned,
    Settled,
    Recalled
}

/// @dev Why a task was not assigned.
enum Refusal {
    None,
    Malformed, // signature is not address ‖ uint32, or the task id is not the derived one
    NotCoordinator, // the caller does not coordinate the project
    ProjectPaused,
    NoTerms,
    Deadline, // further away than the terms allow
    AlreadyAssigned, // another coordinator was first, or this one already
    WindowSettled,
    DeviceNotLive, // not registered, removed, or of another project
    NoDataKey, // no data key of the device covers the window
    ProverUnavailable, // not registered, paused, silent, full, or does not take the project
    Funds, // the project's free balance does not cover the hold
    NoCredential // the device does not hold a good credential of the type that the project requires
}

/// @dev One settled window, as the dapp receives it. Statistics are over lane values; see `Terms`.
struct WindowResult {
    address device;
    address wallet;
    uint32 window;
    uint64 firstSequence;
    uint64 firstTime; // project time, seconds
    uint8 count;
    uint8 above;
    uint32 sum;
    uint24 min;
    uint24 max;
}

/// @dev A task in one storage slot: prover 160 | deadline 38 | ioID token id 40 | terms version 16 | state 2, prover lowest.
/// 38 bits of seconds last until the year 10680; 40 bits of token ids are a million million devices.
type TaskRecord is uint256;

using TaskRecords for TaskRecord global;

library TaskRecords {
    uint256 internal constant MAX_DEADLINE = (1 << 38) - 1;
    uint256 internal constant MAX_TOKEN_ID = (1 << 40) - 1;
    uint256 private constant STATE_SHIFT = 254;

    /// @dev The caller checks that `deadline` and `tokenId` fit; they are masked here so that no field can spill into another.
    function assigned(
        address prover_,
        uint256 deadline_,
        uint256 tokenId_,
        uint16 version_
    ) internal pure returns (TaskRecord) {
        return
            TaskRecord.wrap(
                uint256(uint160(prover_)) |
                    ((deadline_ & MAX_DEADLINE) << 160) |
                    ((tokenId_ & MAX_TOKEN_ID) << 198) |
                    (uint256(version_) << 238) |
                    (uint256(TaskState.Assigned) << STATE_SHIFT)
            );
    }

    function withState(TaskRecord self, TaskState next) internal pure returns (TaskRecord) {
        return TaskRecord.wrap((TaskRecord.unwrap(self) & ((1 << STATE_SHIFT) - 1)) | (uint256(next) << STATE_SHIFT));
    }

    function prover(TaskRecord self) internal pure returns (address) {
        return address(uint160(TaskRecord.unwrap(self)));
    }

    function deadline(TaskRecord self) internal pure returns (uint256) {
        return (TaskRecord.unwrap(self) >> 160) & MAX_DEADLINE;
    }

    function tokenId(TaskRecord self) internal pure returns (uint256) {
        return (TaskRecord.unwrap(self) >> 198) & MAX_TOKEN_ID;
    }

    function version(TaskRecord self) internal pure returns (uint16) {
        return uint16(TaskRecord.unwrap(self) >> 238);
    }

    function state(TaskRecord self) internal pure returns (TaskState) {
        return TaskState(TaskRecord.unwrap(self) >> STATE_SHIFT);
    }
}
