// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDappBase} from "./IDappBase.sol";

/// @title The reference dapp: a cumulative record per device, and alarms.
/// @dev Records are kept per project, so a foreign project that names this dapp writes only its own.
interface ITelemetryDapp is IDappBase {
    /// @dev Over all settled windows of one device in one project; lane units.
    struct Totals {
        uint64 sum;
        uint48 readings;
        uint32 windows;
        uint32 alarms; // windows with at least one reading above the threshold
        uint32 lastWindow; // highest window index seen; windows may settle in any order
        uint24 min;
        uint24 max;
    }

    event WindowRecorded(
        uint256 indexed projectId,
        address indexed device,
        uint32 indexed window,
        uint8 count,
        uint32 sum,
        uint24 min,
        uint24 max,
        uint8 above,
        uint64 firstTime
    );
    /// @notice At least one reading of the window was above the project's threshold.
    event Alarm(uint256 indexed projectId, address indexed device, uint32 indexed window, uint8 above, uint24 max);

    /// @notice All zeros when nothing was recorded.
    function totals(uint256 projectId, address device) external view returns (Totals memory);
}
