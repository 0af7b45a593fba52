// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {StorageSlot} from "@openzeppelin/contracts/utils/StorageSlot.sol";
import {Proxy} from "@openzeppelin/contracts/proxy/Proxy.sol";
import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";

/// @title What the canonical ERC-6551 registry clones: code that never changes, in front of logic that its owner may.
/// @dev Runs by delegatecall from a clone, so the ERC-1967 slot is the account's own: empty until its owner upgrades, and
/// then `initialLogic`, which is in this code, serves. There is no administrator, no beacon and no initializer.
contract DeviceAccountProxy is Proxy {
    address private immutable _initialLogic;

    /// @notice The first logic has no code.
    error DeviceAccountProxy_NoCode(address logic);

    constructor(address initialLogic) {
        if (initialLogic.code.length == 0) revert DeviceAccountProxy_NoCode(initialLogic);
        _initialLogic = initialLogic;
    }

    receive() external payable {
        // Value alone asks for no logic: sending to an account costs what a plain transfer costs.
    }

    /// @notice Logic that serves, said by code that never changes: other logic cannot pass for the first one.
    function logic() external view returns (address) {
        return _implementation();
    }

    function _implementation() internal view override returns (address current) {
        current = StorageSlot.getAddressSlot(ERC1967Utils.IMPLEMENTATION_SLOT).value;
        if (current == address(0)) current = _initialLogic;
    }
}
