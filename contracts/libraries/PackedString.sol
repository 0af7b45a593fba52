// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Strings that share their first slot with other fields.
/// @dev A Solidity string spends a whole slot on its length and 31 bytes. Here the head keeps `low` bits for the caller
/// and the length: bits low-16 … low-1 are the length, the bytes from the top down to bit `low` the string's first.
/// The rest follows in the tail, 32 bytes a slot. Slots of a longer string before are left as they are: never read.
library PackedString {
    uint256 internal constant MAX_LENGTH = type(uint16).max;

    /// @dev The string is longer than 65,535 bytes.
    error PackedString_TooLong(uint256 length);

    /// @notice Writes the tail and returns `head` with length and first bytes replaced.
    /// @param low  Bits of the head below the first bytes, a multiple of 8, at least 16.
    function write(
        mapping(uint256 => bytes32) storage tail,
        uint256 head,
        uint256 low,
        string calldata text
    ) internal returns (uint256) {
        unchecked {
            uint256 size = bytes(text).length;
            if (size > MAX_LENGTH) revert PackedString_TooLong(size);
            uint256 room = (256 - low) >> 3;
            for (uint256 i = room; i < size; i += 32) tail[(i - room) >> 5] = bytes32(_word(text, i, size));
            uint256 first;
            assembly ("memory-safe") {
                first := calldataload(text.offset)
            }
            // A string that ends in the head must not take what lies behind it.
            uint256 drop = size < room ? 256 - 8 * size : low;
            return (head & ((1 << (low - 16)) - 1)) | (size << (low - 16)) | ((first >> drop) << drop);
        }
    }

    /// @notice Reads the string back.
    function read(
        mapping(uint256 => bytes32) storage tail,
        uint256 head,
        uint256 low
    ) internal view returns (string memory text) {
        uint256 size = (head >> (low - 16)) & MAX_LENGTH;
        uint256 room = (256 - low) >> 3;
        // One word more than needed, so that the last store stays inside; trimmed below.
        bytes memory out = new bytes(size + 32);
        assembly ("memory-safe") {
            mstore(add(out, 32), shl(low, shr(low, head)))
        }
        for (uint256 i = room; i < size; i += 32) {
            bytes32 word = tail[(i - room) >> 5];
            assembly ("memory-safe") {
                mstore(add(add(out, 32), i), word)
            }
        }
        assembly ("memory-safe") {
            mstore(out, size)
        }
        return string(out);
    }

    /// @dev 32 bytes of `text` from `from`, which is inside, zero behind its end.
    function _word(string calldata text, uint256 from, uint256 size) private pure returns (uint256 word) {
        unchecked {
            assembly ("memory-safe") {
                word := calldataload(add(text.offset, from))
            }
            uint256 left = size - from;
            if (left < 32) {
                uint256 drop = 256 - 8 * left;
                word = (word >> drop) << drop;
            }
        }
    }
}
