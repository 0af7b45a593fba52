// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC1155} from "@openzeppelin/contracts/token/ERC1155/IERC1155.sol";
import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {ERC165Checker} from "@openzeppelin/contracts/utils/introspection/ERC165Checker.sol";
import {IIoID} from "../interfaces/identity/IIoID.sol";
import {IIoIDRegistry} from "../interfaces/identity/IIoIDRegistry.sol";
import {IDeviceAccount} from "../interfaces/wallet/IDeviceAccount.sol";
import {TokenAccount} from "../libraries/TokenAccount.sol";

/// @title Sessions of a device account: what a key may call, how often, with how much (see IDeviceAccount).
/// @dev Runs in the account: `address(this)` is the account.
library Sessions {
    struct Grant {
        /// @dev Period of ownership that granted, as IoID counts it; 0 for none.
        uint256 epoch;
        uint48 validAfter;
        uint48 validUntil;
        uint32 calls;
        uint128 value;
        IDeviceAccount.Permission[] permissions;
    }

    /// @dev What no session may touch, and the present period of ownership.
    struct Home {
        address entryPoint;
        address collection;
        address registry;
        uint256 epoch;
    }

    uint256 private constant MAX_PERMISSIONS = 8;

    /// @dev Writes a grant over the one before.
    function grant(Grant storage to, address key, IDeviceAccount.Session calldata session, Home memory home_) internal {
        uint256 permissions = session.permissions.length;
        if (
            home_.epoch == 0 ||
            key == address(0) ||
            key == address(this) ||
            key == home_.entryPoint ||
            session.validUntil < block.timestamp ||
            session.validUntil < session.validAfter ||
            session.calls == 0 ||
            permissions == 0 ||
            permissions > MAX_PERMISSIONS ||
            IIoIDRegistry(home_.registry).isRetired(key)
        ) revert IDeviceAccount.DeviceAccount_BadSession(key);
        delete to.permissions;
        for (uint256 i = 0; i < permissions; ++i) {
            IDeviceAccount.Permission calldata permission = session.permissions[i];
            (address target, bytes4 selector) = (permission.target, permission.selector);
            bool counted = _isCounted(selector);
            if (
                !_isDelegable(target, home_) ||
                _isRefused(selector) ||
                counted != (permission.tokenLimit != 0) ||
                // What it would count there are ids, not amounts.
                (counted && ERC165Checker.supportsInterface(target, type(IERC721).interfaceId))
            ) revert IDeviceAccount.DeviceAccount_NotDelegable(target, selector);
            to.permissions.push(permission);
        }
        (to.epoch, to.validAfter, to.validUntil) = (home_.epoch, session.validAfter, session.validUntil);
        (to.calls, to.value) = (session.calls, session.value);
    }

    /// @dev Takes the calls off the limits before any of them runs.
    function take(Grant storage from, address key, IDeviceAccount.Call[] calldata calls, Home memory home_) internal {
        // An empty run would change `state()` without end and cost the session nothing.
        if (calls.length == 0) revert IDeviceAccount.DeviceAccount_OverLimit(key, from.calls, 0);
        uint256 value;
        for (uint256 i = 0; i < calls.length; ++i) {
            value += calls[i].value;
            _takeCall(from, key, calls[i], home_);
        }
        from.calls = uint32(_less(key, from.calls, calls.length));
        from.value = uint128(_less(key, from.value, value));
    }

    /// @dev Takes what a user operation may cost the account at most off the value: gas is value that the key sends, to
    /// whom it likes.
    function takeGas(Grant storage from, address key, PackedUserOperation calldata operation) internal {
        if (operation.paymasterAndData.length != 0) return;
        uint256 limits = uint256(operation.accountGasLimits);
        uint256 gas_ = (limits >> 128) + uint128(limits) + operation.preVerificationGas;
        from.value = uint128(_less(key, from.value, gas_ * uint128(uint256(operation.gasFees))));
    }

    /// @dev Of an account on this chain whose collection counts periods of ownership; zeros otherwise.
    function home(address entryPoint) internal view returns (Home memory home_) {
        (uint256 chainId, address collection, uint256 tokenId) = TokenAccount.footer(address(this));
        if (chainId != block.chainid) return home_;
        return Home(entryPoint, collection, IIoID(collection).minter(), IIoID(collection).epochOf(tokenId));
    }

    /// @dev Whether the grant is of this period of ownership and its key not retired. Times are the caller's to check.
    function isLive(Grant storage grant_, address key, Home memory home_) internal view returns (bool) {
        return home_.epoch != 0 && grant_.epoch == home_.epoch && !IIoIDRegistry(home_.registry).isRetired(key);
    }

    function read(
        Grant storage from,
        address key,
        Home memory home_
    ) internal view returns (IDeviceAccount.Session memory session) {
        if (block.timestamp > from.validUntil || !isLive(from, key, home_)) return session;
        (session.validAfter, session.validUntil) = (from.validAfter, from.validUntil);
        (session.calls, session.value, session.permissions) = (from.calls, from.value, from.permissions);
    }

    function _takeCall(Grant storage from, address key, IDeviceAccount.Call calldata call_, Home memory home_) private {
        bytes4 selector = bytes4(call_.data);
        // A target may have become an account, or the registry, since. Neither a selector of zeros nor a part of one
        // passes for a plain transfer.
        uint256 length = call_.data.length;
        bool wellFormed = selector == 0 ? length == 0 : length >= 4;
        uint256 place = _find(from, call_.target, selector);
        if (place == from.permissions.length || !wellFormed || !_isDelegable(call_.target, home_)) {
            revert IDeviceAccount.DeviceAccount_NotPermitted(key, call_.target, selector);
        }
        if (!_isCounted(selector)) return;
        (, uint256 amount) = abi.decode(call_.data[4:], (address, uint256));
        IDeviceAccount.Permission storage permission = from.permissions[place];
        permission.tokenLimit = uint128(_less(key, permission.tokenLimit, amount));
    }

    /// @dev Place of a permission; the number of permissions when there is none.
    function _find(Grant storage in_, address target, bytes4 selector) private view returns (uint256 i) {
        uint256 permissions = in_.permissions.length;
        for (; i < permissions; ++i) {
            IDeviceAccount.Permission storage permission = in_.permissions[i];
            if (permission.target == target && permission.selector == selector) break;
        }
    }

    function _isDelegable(address target, Home memory home_) private view returns (bool) {
        if (target == address(0) || target == address(this) || target == home_.entryPoint) return false;
        if (target == home_.collection || target == home_.registry) return false;
        (bool is6551, , ) = TokenAccount.claimedToken(target);
        return !is6551;
    }

    /// @dev Selectors whose second word is an amount of an ERC-20.
    function _isCounted(bytes4 selector) private pure returns (bool) {
        return selector == IERC20.transfer.selector || selector == IERC20.approve.selector;
    }

    /// @dev Those of ERC-721 are the same as ERC-20's, or ERC-1155's, where no overload is named.
    function _isRefused(bytes4 selector) private pure returns (bool) {
        return
            selector == IERC20.transferFrom.selector ||
            selector == IERC1155.setApprovalForAll.selector ||
            selector == IERC1155.safeTransferFrom.selector ||
            selector == IERC1155.safeBatchTransferFrom.selector ||
            selector == bytes4(keccak256("safeTransferFrom(address,address,uint256)")) ||
            selector == bytes4(keccak256("safeTransferFrom(address,address,uint256,bytes)")) ||
            selector == bytes4(keccak256("increaseAllowance(address,uint256)")) ||
            selector == bytes4(keccak256("transferOwnership(address)")) ||
            selector == bytes4(keccak256("upgradeTo(address)")) ||
            selector == bytes4(keccak256("upgradeToAndCall(address,bytes)"));
    }

    function _less(address key, uint256 left, uint256 wanted) private pure returns (uint256) {
        if (wanted > left) revert IDeviceAccount.DeviceAccount_OverLimit(key, left, wanted);
        unchecked {
            return left - wanted;
        }
    }
}
