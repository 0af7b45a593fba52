// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {TestToken} from "./TestToken.sol";

/// @dev Misbehaves towards chosen recipients, in each way that tokens do.
contract BlockingToken is TestToken {
    enum Mode {
        None,
        Reverts,
        ReturnsFalse,
        BurnsGas,
        ReturnBomb,
        CallsBack
    }

    mapping(address recipient => Mode) public modes;
    address public target;
    bytes public payload;
    bool public calledBack;

    error BlockingToken_Blocked(address recipient);

    function set(address recipient, Mode mode) external {
        modes[recipient] = mode;
    }

    function setCall(address target_, bytes calldata payload_) external {
        target = target_;
        payload = payload_;
    }

    function transfer(address to, uint256 value) public override returns (bool) {
        Mode mode = modes[to];
        if (mode == Mode.Reverts) revert BlockingToken_Blocked(to);
        if (mode == Mode.ReturnsFalse) return false;
        if (mode == Mode.BurnsGas) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        if (mode == Mode.ReturnBomb) {
            assembly {
                revert(0, 120000)
            }
        }
        if (mode == Mode.CallsBack) (calledBack, ) = target.call(payload);
        return super.transfer(to, value);
    }
}
