// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev The third public signal of sensing/window, 252 bits: sum 30 (lowest) | min 24 | max 24 | count 7 | above 7 |
/// window 32 | firstSequence 40 | firstTime 40 | threshold 24 | rangeMax 24.
type Statistics is uint256;

using StatisticsFields for Statistics global;

library StatisticsFields {
    uint256 internal constant BITS = 252;

    function sum(Statistics self) internal pure returns (uint32) {
        return uint32(Statistics.unwrap(self) & ((1 << 30) - 1));
    }

    function min(Statistics self) internal pure returns (uint24) {
        return uint24(Statistics.unwrap(self) >> 30);
    }

    function max(Statistics self) internal pure returns (uint24) {
        return uint24(Statistics.unwrap(self) >> 54);
    }

    function count(Statistics self) internal pure returns (uint8) {
        return uint8((Statistics.unwrap(self) >> 78) & 0x7f);
    }

    function above(Statistics self) internal pure returns (uint8) {
        return uint8((Statistics.unwrap(self) >> 85) & 0x7f);
    }

    function window(Statistics self) internal pure returns (uint32) {
        return uint32(Statistics.unwrap(self) >> 92);
    }

    function firstSequence(Statistics self) internal pure returns (uint64) {
        return uint64((Statistics.unwrap(self) >> 124) & ((1 << 40) - 1));
    }

    function firstTime(Statistics self) internal pure returns (uint64) {
        return uint64((Statistics.unwrap(self) >> 164) & ((1 << 40) - 1));
    }

    function threshold(Statistics self) internal pure returns (uint24) {
        return uint24(Statistics.unwrap(self) >> 204);
    }

    function rangeMax(Statistics self) internal pure returns (uint24) {
        return uint24(Statistics.unwrap(self) >> 228);
    }

    /// @dev True when the bits above the layout are zero.
    function isCanonical(Statistics self) internal pure returns (bool) {
        return Statistics.unwrap(self) >> BITS == 0;
    }
}
