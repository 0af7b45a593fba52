// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {PackedString} from "../../../contracts/libraries/PackedString.sol";
import {Test} from "../../solidity/Test.sol";

contract PackedStringTest is Test {
    mapping(uint256 => bytes32) private _tail;
    uint256 private _head;

    /// @dev Second string over the first, at any place in the head, with the caller's fields beside it.
    function test_Fuzz_ReadsBackWhatWasWritten(
        bytes memory first,
        bytes memory second,
        uint8 place,
        uint256 fields
    ) public {
        uint256 low = 16 + 8 * bound(place, 0, 29);
        uint256 mask = (uint256(1) << (low - 16)) - 1;
        _head = fields & mask;
        this.write(low, string(first));
        assertEq(bytes(PackedString.read(_tail, _head, low)), first);
        this.write(low, string(second));
        assertEq(bytes(PackedString.read(_tail, _head, low)), second);
        assertEq(_head & mask, fields & mask, "fields");
    }

    /// @dev Every length around the borders of head and tail, over a string of ones that is longer.
    function test_Write_LengthsAroundTheBorders() public {
        bytes memory ones = new bytes(120);
        for (uint256 i = 0; i < 120; ++i) ones[i] = 0xff;
        for (uint256 length = 0; length < 100; ++length) {
            this.write(104, string(ones));
            bytes memory text = new bytes(length);
            for (uint256 i = 0; i < length; ++i) text[i] = bytes1(uint8(i + 1));
            this.write(104, string(text));
            assertEq(bytes(PackedString.read(_tail, _head, 104)), text);
        }
    }

    /// @dev Bytes of calldata behind the string are not taken into the head.
    function test_Write_IgnoresWhatFollowsInCalldata() public {
        bytes memory call = abi.encodeCall(this.write, (104, "abc"));
        for (uint256 i = call.length - 29; i < call.length; ++i) call[i] = 0xff;
        (bool done, ) = address(this).call(call);
        assertTrue(done);
        assertEq(_head >> 232, 0x616263);
        assertEq((_head << 24) >> 128, 0);
    }

    function test_Write_RevertWhen_TooLong() public {
        bytes memory text = new bytes(PackedString.MAX_LENGTH + 1);
        vm.expectRevert(abi.encodeWithSelector(PackedString.PackedString_TooLong.selector, text.length));
        this.write(104, string(text));
    }

    function write(uint256 low, string calldata text) external {
        _head = PackedString.write(_tail, _head, low, text);
    }
}
