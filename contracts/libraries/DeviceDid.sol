// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Strings} from "@openzeppelin/contracts/utils/Strings.sol";

/// @title DIDs of devices: "did:io:" and the lower-case 0x hex of the address, 49 characters.
library DeviceDid {
    string internal constant METHOD = "did:io:";

    uint256 private constant SIZE = 49;

    /// @notice DID of a device.
    function toString(address device) internal pure returns (string memory) {
        return string.concat(METHOD, Strings.toHexString(device));
    }

    /// @notice Device of an exact DID; the zero address for any other string, so also for upper-case digits.
    function parse(string calldata did) internal pure returns (address) {
        bytes calldata text = bytes(did);
        if (text.length != SIZE || bytes9(text[:9]) != "did:io:0x") return address(0);
        uint256 value;
        for (uint256 i = 9; i < SIZE; ++i) {
            uint8 char = uint8(text[i]);
            if (char >= 48 && char <= 57) value = (value << 4) | (char - 48);
            else if (char >= 97 && char <= 102) value = (value << 4) | (char - 87);
            else return address(0);
        }
        return address(uint160(value));
    }
}
