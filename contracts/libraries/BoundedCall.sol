// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Calls to contracts that are not trusted to answer well.
/// @dev A callee's revert, garbage, or return bomb never reverts the caller: at most the named number of bytes is copied.
library BoundedCall {
    /// @dev Fails for an account without code. The caller makes sure that `gas_` can be given.
    function tryCall(
        address target,
        uint256 gas_,
        bytes memory data,
        uint256 maxReturn
    ) internal returns (bool success, bytes memory returned) {
        if (target.code.length == 0) return (false, "");
        assembly ("memory-safe") {
            success := call(gas_, target, 0, add(data, 0x20), mload(data), 0, 0)
            returned := mload(0x40)
            let size := 0
            if iszero(success) {
                size := returndatasize()
                if gt(size, maxReturn) {
                    size := maxReturn
                }
            }
            mstore(returned, size)
            returndatacopy(add(returned, 0x20), 0, size)
            mstore(0x40, add(add(returned, 0x20), and(add(size, 31), not(31))))
        }
    }

    /// @dev Whether a view answers exactly `true`.
    function isTrue(address target, bytes memory data) internal view returns (bool) {
        return _word(target, data) == 1;
    }

    /// @dev `owner()` of a contract; zero when it has none.
    function ownerOf(address target) internal view returns (address) {
        uint256 word = _word(target, abi.encodeWithSignature("owner()"));
        return word >> 160 == 0 ? address(uint160(word)) : address(0);
    }

    /// @dev The one word that a view answers; zero when it reverts or answers anything but 32 bytes.
    function _word(address target, bytes memory data) private view returns (uint256 word) {
        assembly ("memory-safe") {
            if staticcall(gas(), target, add(data, 0x20), mload(data), 0x00, 0x20) {
                if eq(returndatasize(), 0x20) {
                    word := mload(0x00)
                }
            }
        }
    }
}
