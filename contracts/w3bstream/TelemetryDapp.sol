// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ITelemetryDapp} from "../interfaces/w3bstream/ITelemetryDapp.sol";
import {WindowResult} from "../types/Tasks.sol";
import {DappBase} from "./DappBase.sol";

/// @title See `ITelemetryDapp`.
/// @dev Wiring: constructor(router).
contract TelemetryDapp is ITelemetryDapp, DappBase {
    mapping(uint256 projectId => mapping(address device => Totals)) private _totals;

    constructor(address router_) DappBase(router_) {}

    /// @inheritdoc ITelemetryDapp
    function totals(uint256 projectId, address device) external view returns (Totals memory) {
        return _totals[projectId][device];
    }

    /// @inheritdoc DappBase
    function _process(address, uint256 projectId, bytes32, WindowResult memory result) internal override {
        Totals memory t = _totals[projectId][result.device];
        if (t.windows == 0 || result.min < t.min) t.min = result.min;
        if (result.max > t.max) t.max = result.max;
        if (result.window > t.lastWindow) t.lastWindow = result.window;
        t.sum += result.sum;
        t.readings += result.count;
        t.windows += 1;
        emit WindowRecorded(
            projectId,
            result.device,
            result.window,
            result.count,
            result.sum,
            result.min,
            result.max,
            result.above,
            result.firstTime
        );
        if (result.above != 0) {
            t.alarms += 1;
            emit Alarm(projectId, result.device, result.window, result.above, result.max);
        }
        _totals[projectId][result.device] = t;
    }
}
