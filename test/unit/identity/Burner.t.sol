// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Burner} from "../../../contracts/identity/Burner.sol";
import {IBurner} from "../../../contracts/interfaces/identity/IBurner.sol";
import {Test} from "../../solidity/Test.sol";

contract BurnerTest is Test {
    Burner private burner = new Burner();

    receive() external payable {}

    function testFuzz_Burn_IsBookedBySourceAndGone(uint64[5] calldata amounts, uint8[5] calldata names) public {
        uint256[3] memory want;
        uint256 total;
        uint256 zero = address(0).balance;
        vm.deal(address(this), type(uint128).max);
        for (uint256 i = 0; i < 5; ++i) {
            if (amounts[i] == 0) continue;
            burner.burn{value: amounts[i]}(bytes32(uint256(names[i] % 3)));
            want[names[i] % 3] += amounts[i];
            total += amounts[i];
        }
        uint256 used;
        for (uint256 i = 0; i < 3; ++i) {
            assertEq(burner.burned(bytes32(i)), want[i]);
            if (want[i] != 0) ++used;
        }
        assertEq(burner.totalBurned(), total);
        assertEq(address(0).balance - zero, total);
        assertEq(address(burner).balance, 0);
        assertEq(burner.sourceCount(), used);
        assertEq(burner.sources(0, type(uint256).max).length, used);
    }

    function test_Burn_RevertWhen_NothingCame() public {
        vm.expectRevert(IBurner.Burner_Nothing.selector);
        burner.burn("source");
    }

    function test_Sources_ArePagedAndBounded() public {
        vm.deal(address(this), 1 ether);
        for (uint256 i = 0; i < 120; ++i) burner.burn{value: 1}(bytes32(i + 1));
        assertEq(burner.sources(0, 1000).length, 100);
        bytes32[] memory page = burner.sources(100, 1000);
        assertEq(page.length, 20);
        assertEq(uint256(page[19]), 120);
        assertEq(burner.sources(120, 10).length, 0);
        assertEq(burner.sources(type(uint256).max, 10).length, 0);
    }
}
