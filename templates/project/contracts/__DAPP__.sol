// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {WindowResult} from "trellis/contracts/types/Tasks.sol";
import {DappBase} from "trellis/contracts/w3bstream/DappBase.sol";

/// @title What __NAME__ does with proven readings: it keeps the mean of each device's newest window.
/// @dev Only the router calls, after the proof held and pay was given; each window comes at most once.
contract __DAPP__ is DappBase {
    struct Latest {
        uint32 window;
        uint8 count;
        uint32 sum;
    }

    /// @notice A window was proven. `sum / count` is the mean, in lane units of the project's terms.
    event Proven(uint256 indexed projectId, address indexed device, uint32 window, uint8 count, uint32 sum, uint8 above);

    mapping(uint256 projectId => mapping(address device => Latest)) public latest;

    constructor(address router_) DappBase(router_) {}

    /// @dev Any project may name this contract as its receiver, so everything is kept per project.
    function _process(address, uint256 projectId, bytes32, WindowResult memory result) internal override {
        Latest storage last = latest[projectId][result.device];
        // Windows may settle in any order.
        if (last.count == 0 || result.window > last.window) {
            latest[projectId][result.device] = Latest(result.window, result.count, result.sum);
        }
        emit Proven(projectId, result.device, result.window, result.count, result.sum, result.above);
    }
}
