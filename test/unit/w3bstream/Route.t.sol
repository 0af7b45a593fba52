// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRouter} from "../../../contracts/interfaces/w3bstream/IRouter.sol";
import {TaskState} from "../../../contracts/types/Tasks.sol";
import {Market} from "./Market.sol";

contract RouteTest is Market {
    function test_GivenAProvenTask_PaysEverybodyOnce() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        assertEq(uint256(manager.stateOf(id)), uint256(TaskState.Settled));
        assertTrue(manager.isWindowSettled(PROJECT, DEVICE, 0));
        assertEq(token.balanceOf(_walletOf(DEVICE)), 64 * PRICE);
        assertEq(escrow.credited(address(token), provers.beneficiary(PROVER)), PROVER_FEE);
        assertEq(escrow.credited(address(token), SEQUENCER), SEQUENCER_FEE);
        assertEq(escrow.balanceOf(address(token), PROJECT), FUNDS - HOLD);
        assertEq(provers.inflight(PROVER), 0);
        assertEq(dapp.calls(), 1);
    }
}
