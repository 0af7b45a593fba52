// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title DIDs of devices: "did:io:" and the lower-case 0x hex of the address, 49 characters.
library DeviceDid {
    string internal constant METHOD = "did:io:";

    uint256 private constant SIZE = 49;

    /// @notice DID of a device.
    /// @dev All digits at once: each byte lane of a word holds one digit. Events of every registration and removal
    /// carry a DID, and a loop over digits would cost them ten times as much.
    function toString(address device) internal pure returns (string memory did) {
        uint256 high = _digits(uint160(device) >> 32);
        uint256 low = _digits(uint256(uint32(uint160(device))) << 96) >> 192;
        did = new string(SIZE);
        assembly ("memory-safe") {
            // "did:io:0x", then 32 digits, then 8: the last store is first, so that it spills over nothing.
            mstore(add(did, 49), low)
            mstore(add(did, 41), high)
            mstore(add(did, 32), or("did:io:0x", shr(72, high)))
        }
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

    /// @dev 32 lower-case hex digits of a value below 2^128, first digit in the highest byte.
    function _digits(uint256 value) private pure returns (uint256 text) {
        // Spread nibbles to bytes: halves, quarters, … of the 128 bits move apart.
        text = (value | (value << 64)) & 0x0000000000000000ffffffffffffffff0000000000000000ffffffffffffffff;
        text = (text | (text << 32)) & 0x00000000ffffffff00000000ffffffff00000000ffffffff00000000ffffffff;
        text = (text | (text << 16)) & 0x0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff0000ffff;
        text = (text | (text << 8)) & 0x00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff;
        text = (text | (text << 4)) & 0x0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f;
        // 10..15 carry into bit 4 when 6 is added; they lie 39 behind "0", the others 0.
        uint256 letters =
            ((text + 0x0606060606060606060606060606060606060606060606060606060606060606) >> 4) &
                0x0101010101010101010101010101010101010101010101010101010101010101;
        text += 0x3030303030303030303030303030303030303030303030303030303030303030 + letters * 39;
    }
}
