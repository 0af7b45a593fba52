// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {WindowResult} from "trellis/contracts/types/Tasks.sol";
import {DappBase} from "trellis/contracts/w3bstream/DappBase.sol";

/// @title A dapp of somebody else's project: counts windows that were too warm.
contract Cooling is DappBase {
    mapping(uint256 projectId => mapping(address device => uint256)) public tooWarm;

    constructor(address router_) DappBase(router_) {}

    function _process(address, uint256 projectId, bytes32, WindowResult memory result) internal override {
        if (result.above != 0) ++tooWarm[projectId][result.device];
    }
}
