// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {TaskState} from "../../../contracts/types/Tasks.sol";
import {ProjectStore} from "../../../contracts/w3bstream/ProjectStore.sol";
import {ProverStore} from "../../../contracts/w3bstream/ProverStore.sol";
import {Router} from "../../../contracts/w3bstream/Router.sol";
import {TaskManager} from "../../../contracts/w3bstream/TaskManager.sol";
import {Market} from "./Market.sol";

contract UpgradesTest is Market {
    bytes4 private constant INITIALIZE = TaskManager.initialize.selector; // the same in three of the four

    function test_NobodyInitialisesAgain() external {
        address[4] memory proxies = _proxies();
        for (uint256 i = 0; i < 4; ++i) _expectInitialised(proxies[i]);
    }

    function test_NobodyInitialisesTheLogic() external {
        address[4] memory logics = _logics();
        for (uint256 i = 0; i < 4; ++i) _expectInitialised(logics[i]);
    }

    function test_UpgradesAreGovernances() external {
        address[4] memory proxies = _proxies();
        address[4] memory logics = _logics();
        for (uint256 i = 0; i < 4; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, OWNER));
            vm.prank(OWNER);
            UUPSUpgradeable(proxies[i]).upgradeToAndCall(logics[i], "");
        }
    }

    /// @dev New logic finds running tasks, places and terms where they were, and they settle and pay.
    function test_AnUpgradeKeepsWhatRuns() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        address[4] memory proxies = _proxies();
        address[4] memory logics = _logics();
        for (uint256 i = 0; i < 4; ++i) UUPSUpgradeable(proxies[i]).upgradeToAndCall(logics[i], "");
        assertEq(uint256(manager.stateOf(id)), uint256(TaskState.Assigned));
        assertEq(provers.inflight(PROVER), 1);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        assertEq(token.balanceOf(_walletOf(DEVICE)), 64 * PRICE);
        assertTrue(manager.isWindowSettled(PROJECT, DEVICE, 0));
    }

    function _proxies() private view returns (address[4] memory) {
        return [address(projects), address(provers), address(manager), address(router)];
    }

    /// @dev New logic for each of the proxies, built as theirs was.
    function _logics() private returns (address[4] memory) {
        return
            [
                address(new ProjectStore(address(identity), address(programs))),
                address(new ProverStore(address(identity))),
                address(
                    new TaskManager(
                        address(projects),
                        address(provers),
                        address(identity),
                        address(identity),
                        address(identity),
                        address(identity)
                    )
                ),
                address(
                    new Router(
                        address(manager),
                        address(provers),
                        address(projects),
                        address(programs),
                        address(identity)
                    )
                )
            ];
    }

    function _expectInitialised(address target) private {
        bytes[2] memory calls = [
            abi.encodeWithSelector(INITIALIZE, STRANGER),
            abi.encodeCall(ProjectStore.initialize, (STRANGER, true))
        ];
        bytes4 want = Initializable.InvalidInitialization.selector;
        uint256 refused;
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(STRANGER);
            (bool success, bytes memory answer) = target.call(calls[i]);
            assertFalse(success, "initialised");
            if (answer.length == 4 && bytes4(answer) == want) ++refused;
        }
        assertEq(refused, 1, "no initialiser of either shape");
    }
}
