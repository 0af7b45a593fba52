// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDapp} from "../interfaces/w3bstream/IDapp.sol";

/// @dev A dapp that behaves as told: well, or in each way that dapps misbehave.
contract DappDouble is IDapp {
    enum Mode {
        Takes,
        Reverts,
        BurnsGas,
        ReturnBomb,
        CallsBack,
        NeedsGas
    }

    Mode public mode;
    address public target;
    bytes public payload;
    uint256 public gasNeeded;
    uint256 public calls;
    bool public calledBack;
    bytes32 public lastCall;

    error DappDouble_Refuses(uint256 projectId);

    function set(Mode mode_) external {
        mode = mode_;
    }

    function setCall(address target_, bytes calldata payload_) external {
        target = target_;
        payload = payload_;
    }

    function setGasNeeded(uint256 gas_) external {
        gasNeeded = gas_;
    }

    function process(address prover, uint256 projectId, bytes32[] calldata taskIds, bytes calldata data) external {
        if (mode == Mode.Reverts) revert DappDouble_Refuses(projectId);
        if (mode == Mode.BurnsGas) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        if (mode == Mode.ReturnBomb) {
            assembly {
                revert(0, 200000)
            }
        }
        if (mode == Mode.CallsBack) (calledBack, ) = target.call(payload);
        if (mode == Mode.NeedsGas && gasleft() < gasNeeded) revert DappDouble_Refuses(projectId);
        ++calls;
        lastCall = keccak256(abi.encode(prover, projectId, taskIds, data));
    }
}
