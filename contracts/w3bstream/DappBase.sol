// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDapp} from "../interfaces/w3bstream/IDapp.sol";
import {IDappBase} from "../interfaces/w3bstream/IDappBase.sol";
import {WindowResult} from "../types/Tasks.sol";

/// @title What a DePIN project's dapp inherits: the door only the router may use, and the results decoded.
/// @dev Implement `_process`. Whatever it does, devices and provers are paid already; when it reverts or runs out of the gas that
/// the terms name, the delivery can be retried with `IRouter.retry`.
abstract contract DappBase is IDappBase {
    /// @inheritdoc IDappBase
    address public immutable router;

    constructor(address router_) {
        if (router_ == address(0)) revert Dapp_ZeroRouter();
        router = router_;
    }

    /// @inheritdoc IDapp
    function process(address _prover, uint256 _projectId, bytes32[] calldata _taskIds, bytes calldata _data) external {
        if (msg.sender != router) revert Dapp_NotRouter(msg.sender);
        WindowResult[] memory results = abi.decode(_data, (WindowResult[]));
        if (results.length != _taskIds.length) revert Dapp_LengthMismatch(_taskIds.length, results.length);
        for (uint256 i = 0; i < results.length; ++i) {
            _process(_prover, _projectId, _taskIds[i], results[i]);
        }
    }

    /// @dev One settled window. It comes at most once per (project, device, window), and after a failure when somebody
    /// retries; windows may come in any order.
    function _process(address prover, uint256 projectId, bytes32 taskId, WindowResult memory result) internal virtual;
}
