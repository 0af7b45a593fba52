// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Vm} from "./Vm.sol";

/// @dev Assertions, and the configuration of invariant runs as the runner asks for it: it calls the `target…` and
/// `exclude…` getters of a test contract by these names.
abstract contract Test {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    Vm internal constant vm = Vm(0x7109709ECfa91a80626fF3989D68f67F5b1DD12D);

    address[] private _targetedContracts;
    address[] private _targetedSenders;
    address[] private _excludedContracts;
    address[] private _excludedSenders;
    FuzzSelector[] private _targetedSelectors;

    error AssertionFailed(string what);
    error NotEqual(string what, uint256 have, uint256 want);
    error NotEqualAddress(string what, address have, address want);
    error NotEqualBytes(string what, bytes have, bytes want);

    function targetContracts() public view returns (address[] memory) {
        return _targetedContracts;
    }

    function targetSenders() public view returns (address[] memory) {
        return _targetedSenders;
    }

    function excludeContracts() public view returns (address[] memory) {
        return _excludedContracts;
    }

    function excludeSenders() public view returns (address[] memory) {
        return _excludedSenders;
    }

    function targetSelectors() public view returns (FuzzSelector[] memory) {
        return _targetedSelectors;
    }

    function targetContract(address target) internal {
        _targetedContracts.push(target);
    }

    function targetSender(address sender) internal {
        _targetedSenders.push(sender);
    }

    function excludeContract(address target) internal {
        _excludedContracts.push(target);
    }

    function excludeSender(address sender) internal {
        _excludedSenders.push(sender);
    }

    /// @dev Only these functions of `target` are called.
    function targetSelector(address target, bytes4[] memory selectors) internal {
        _targetedSelectors.push(FuzzSelector(target, selectors));
    }

    function assertTrue(bool condition) internal pure {
        assertTrue(condition, "not true");
    }

    function assertTrue(bool condition, string memory what) internal pure {
        if (!condition) revert AssertionFailed(what);
    }

    function assertFalse(bool condition) internal pure {
        assertTrue(!condition, "not false");
    }

    function assertFalse(bool condition, string memory what) internal pure {
        assertTrue(!condition, what);
    }

    function assertEq(uint256 have, uint256 want) internal pure {
        assertEq(have, want, "");
    }

    function assertEq(uint256 have, uint256 want, string memory what) internal pure {
        if (have != want) revert NotEqual(what, have, want);
    }

    function assertEq(address have, address want) internal pure {
        assertEq(have, want, "");
    }

    function assertEq(address have, address want, string memory what) internal pure {
        if (have != want) revert NotEqualAddress(what, have, want);
    }

    function assertEq(bytes32 have, bytes32 want) internal pure {
        assertEq(uint256(have), uint256(want), "");
    }

    function assertEq(bytes32 have, bytes32 want, string memory what) internal pure {
        assertEq(uint256(have), uint256(want), what);
    }

    function assertEq(bool have, bool want) internal pure {
        assertEq(have ? 1 : 0, want ? uint256(1) : 0, "");
    }

    function assertEq(bool have, bool want, string memory what) internal pure {
        assertEq(have ? 1 : 0, want ? uint256(1) : 0, what);
    }

    function assertEq(string memory have, string memory want) internal pure {
        assertEq(bytes(have), bytes(want), "");
    }

    function assertEq(bytes memory have, bytes memory want) internal pure {
        assertEq(have, want, "");
    }

    function assertEq(bytes memory have, bytes memory want, string memory what) internal pure {
        if (keccak256(have) != keccak256(want)) revert NotEqualBytes(what, have, want);
    }

    function assertLe(uint256 have, uint256 most) internal pure {
        assertLe(have, most, "");
    }

    function assertLe(uint256 have, uint256 most, string memory what) internal pure {
        if (have > most) revert NotEqual(what, have, most);
    }

    function assertGe(uint256 have, uint256 least) internal pure {
        assertGe(have, least, "");
    }

    function assertGe(uint256 have, uint256 least, string memory what) internal pure {
        if (have < least) revert NotEqual(what, have, least);
    }

    function assertGt(uint256 have, uint256 floor) internal pure {
        if (have <= floor) revert NotEqual("", have, floor);
    }

    /// @dev Folds `value` into [least, most]; keeps the values that are inside.
    function bound(uint256 value, uint256 least, uint256 most) internal pure returns (uint256) {
        if (value >= least && value <= most) return value;
        uint256 span = most - least;
        return span == type(uint256).max ? value : least + (value % (span + 1));
    }
}
