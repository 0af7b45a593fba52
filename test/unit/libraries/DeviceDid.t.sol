// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";
import {DeviceDid} from "../../../contracts/libraries/DeviceDid.sol";
import {Test} from "../../solidity/Test.sol";

contract DeviceDidTest is Test {
    function test_Fuzz_EqualsThePlainWay(address device) public view {
        string memory did = DeviceDid.toString(device);
        assertEq(did, string.concat("did:io:", Strings.toHexString(device)));
        assertEq(this.parse(did), device);
    }

    function test_ToString_AllDigits() public pure {
        assertEq(
            DeviceDid.toString(address(0x0123456789abcDEF0123456789abCDef01234567)),
            "did:io:0x0123456789abcdef0123456789abcdef01234567"
        );
        assertEq(DeviceDid.toString(address(0)), "did:io:0x0000000000000000000000000000000000000000");
        assertEq(DeviceDid.toString(address(type(uint160).max)), "did:io:0xffffffffffffffffffffffffffffffffffffffff");
    }

    function test_Parse_RefusesAnyOtherSpelling() public view {
        assertEq(this.parse(""), address(0));
        assertEq(this.parse("did:io:0x0123456789abcdef0123456789abcdef0123456"), address(0));
        assertEq(this.parse("did:io:0x0123456789abcdef0123456789abcdef012345678"), address(0));
        assertEq(this.parse("did:io:0x0123456789Abcdef0123456789abcdef01234567"), address(0));
        assertEq(this.parse("DID:io:0x0123456789abcdef0123456789abcdef01234567"), address(0));
        assertEq(this.parse("did:io:0X0123456789abcdef0123456789abcdef01234567"), address(0));
        assertEq(this.parse("did:io:0x0123456789abcdeg0123456789abcdef01234567"), address(0));
        assertEq(this.parse("did:io:0x0123456789abcde/0123456789abcdef01234567"), address(0));
    }

    /// @dev A DID with one byte changed is the DID of another device or of none.
    function test_Fuzz_Parse_IsExact(address device, uint8 place, bytes1 byte_) public view {
        bytes memory did = bytes(DeviceDid.toString(device));
        did[place % 49] = byte_;
        address parsed = this.parse(string(did));
        if (parsed != address(0)) assertEq(DeviceDid.toString(parsed), string(did));
    }

    function parse(string calldata did) external pure returns (address) {
        return DeviceDid.parse(did);
    }
}
