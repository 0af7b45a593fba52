// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {LaneList} from "../../../contracts/libraries/LaneList.sol";
import {Test} from "../../solidity/Test.sol";

contract LaneListTest is Test {
    using LaneList for LaneList.List;

    LaneList.List private _list;
    /// @dev The model: the id in each lane (0 is a hole), and the holes in the order in which they are filled, last first.
    uint256[] private _lanes;
    uint256[] private _holes;
    uint256 private _count;

    function test_Insert_FillsHolesLastFirst() public {
        for (uint256 id = 1; id <= 12; ++id) assertEq(_list.insert(id), id - 1);
        _list.remove(2);
        _list.remove(8);
        assertEq(_list.count(), 10);
        assertEq(_list.lanes(), 12);
        assertEq(_list.idAt(2), 0);
        assertEq(_list.idAt(8), 0);
        assertEq(_list.insert(101), 8);
        assertEq(_list.insert(102), 2);
        assertEq(_list.insert(103), 12);
        assertEq(_list.idAt(8), 101);
        assertEq(_list.idAt(2), 102);
    }

    function test_Remove_LastLaneShortensAndLastIdClears() public {
        for (uint256 id = 1; id <= 5; ++id) _list.insert(id);
        _list.remove(4);
        assertEq(_list.lanes(), 4);
        for (uint256 i = 0; i < 4; ++i) _list.remove(i);
        assertEq(_list.count(), 0);
        assertEq(_list.lanes(), 0);
        // Stale words of before are not seen again.
        for (uint256 id = 11; id <= 15; ++id) assertEq(_list.insert(id), id - 11);
        for (uint256 i = 0; i < 5; ++i) assertEq(_list.idAt(i), 11 + i);
    }

    function test_Insert_RevertWhen_IdDoesNotFit() public {
        _list.insert(LaneList.MAX_ID);
        assertEq(_list.idAt(0), LaneList.MAX_ID);
        vm.expectRevert(abi.encodeWithSelector(LaneList.LaneList_Full.selector, 0));
        this.insert(0);
        vm.expectRevert(abi.encodeWithSelector(LaneList.LaneList_Full.selector, LaneList.MAX_ID + 1));
        this.insert(LaneList.MAX_ID + 1);
    }

    function test_Insert_RevertWhen_ListIsFull() public {
        _list.head = uint256(type(uint32).max) | (uint256(type(uint32).max) << 32);
        vm.expectRevert(abi.encodeWithSelector(LaneList.LaneList_Full.selector, 1));
        this.insert(1);
    }

    function test_Select_RevertWhen_BehindTheEnd() public {
        _list.insert(7);
        vm.expectRevert(abi.encodeWithSelector(LaneList.LaneList_OutOfRange.selector, 1, 1));
        this.select(1);
    }

    /// @dev Some 200 insertions and removals, with insertions favoured so that lists pass the head and two further words.
    /// forge-config: default.fuzz.runs = 64
    function test_Fuzz_BehavesLikeTheModel(uint256 seed) public {
        for (uint256 step = 0; step < 200; ++step) {
            seed = uint256(keccak256(abi.encode(seed)));
            bool grows = step < 80 ? seed % 3 != 0 : seed % 3 == 0;
            if (grows || _count == 0) _insert(1 + ((seed >> 8) % LaneList.MAX_ID));
            else _remove(seed >> 8);
            if (step % 10 == 0) _compare();
        }
        _compare();
    }

    function insert(uint256 id) external {
        _list.insert(id);
    }

    function select(uint256 position) external view returns (uint256) {
        return _list.select(position);
    }

    function _insert(uint256 id) private {
        uint256 lane = _lanes.length;
        if (_holes.length == 0) {
            _lanes.push(id);
        } else {
            lane = _holes[_holes.length - 1];
            _holes.pop();
            _lanes[lane] = id;
        }
        ++_count;
        assertEq(_list.insert(id), lane, "lane");
    }

    function _remove(uint256 which) private {
        uint256 lane = which % _lanes.length;
        while (_lanes[lane] == 0) lane = (lane + 1) % _lanes.length;
        _list.remove(lane);
        if (--_count == 0) {
            delete _lanes;
            delete _holes;
        } else if (lane + 1 == _lanes.length) {
            _lanes.pop();
        } else {
            _lanes[lane] = 0;
            _holes.push(lane);
        }
    }

    function _compare() private view {
        assertEq(_list.count(), _count, "count");
        assertEq(_list.lanes(), _lanes.length, "lanes");
        uint256 position;
        for (uint256 lane = 0; lane < _lanes.length; ++lane) {
            assertEq(_list.idAt(lane), _lanes[lane], "id");
            if (_lanes[lane] != 0) assertEq(_list.select(position++), _lanes[lane], "select");
        }
    }
}
