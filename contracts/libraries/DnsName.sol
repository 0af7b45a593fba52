// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title dNSNames in the one form that certificates carry on chain: lower case, no wildcard, no dot at the end (RFC 1123, 2.1).
library DnsName {
    /// @notice Labels of 1 to 63 letters, digits and inner hyphens, joined by dots; at most 253 bytes.
    function isValid(string calldata name) internal pure returns (bool) {
        bytes calldata text = bytes(name);
        if (text.length == 0 || text.length > 253) return false;
        uint256 label;
        bytes1 last = ".";
        for (uint256 i = 0; i < text.length; ++i) {
            bytes1 c = text[i];
            if (c == ".") {
                if (label == 0 || last == "-") return false;
                label = 0;
            } else {
                bool letter = (c >= "a" && c <= "z") || (c >= "0" && c <= "9");
                if (!letter && (c != "-" || label == 0)) return false;
                if (++label > 63) return false;
            }
            last = c;
        }
        return label != 0 && last != "-";
    }

    /// @notice Whether `name` is `suffix` or ends with "." and `suffix`. Both are valid.
    function isWithin(string calldata name, string memory suffix) internal pure returns (bool) {
        (bytes calldata text, uint256 length) = (bytes(name), bytes(suffix).length);
        if (text.length < length) return false;
        uint256 start = text.length - length;
        if (keccak256(text[start:]) != keccak256(bytes(suffix))) return false;
        return start == 0 || text[start - 1] == ".";
    }
}
