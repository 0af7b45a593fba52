// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {IERC1155Receiver} from "@openzeppelin/contracts/token/ERC1155/IERC1155Receiver.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC1822Proxiable} from "@openzeppelin/contracts/interfaces/draft-IERC1822.sol";
import {IAccount, PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IDeviceAccount} from "../interfaces/wallet/IDeviceAccount.sol";
import {IERC6551Account, IERC6551Executable} from "../interfaces/wallet/IERC6551.sol";
import {TokenAccount} from "../libraries/TokenAccount.sol";
import {TypedData} from "../libraries/TypedData.sol";
import {Sessions} from "./Sessions.sol";

/// @title Logic of device accounts (see IDeviceAccount).
contract DeviceAccount is IDeviceAccount, IERC165, IERC721Receiver, IERC1155Receiver {
    /// @custom:storage-location erc7201:trellis.storage.DeviceAccount
    struct Storage {
        uint248 state;
        bool executing;
        uint64 lockedUntil;
        mapping(address key => Sessions.Grant) sessions;
        /// @dev Of the logic's own storage, not of an account's.
        mapping(address account => uint256) departures;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.DeviceAccount")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xce5ca9c20d408d4973ba99c00b8e095fa5f6d32d1d580b60f552a111a98cc500;

    bytes32 private constant NAME = keccak256("DeviceAccount");
    bytes32 private constant MESSAGE_TYPE = keccak256("AccountMessage(bytes32 hash)");
    uint256 private constant MAX_CALLS = 64;
    uint64 private constant MAX_LOCK = 90 days;
    /// @dev ERC-4337's answer to a signature that is not the account's.
    uint256 private constant SIGNATURE_FAILED = 1;

    address private immutable _self = address(this);
    address private immutable _entryPoint;

    /// @dev Whose user operations this transaction validated. An operation of a bundle may move the ioID between validation
    /// and execution of another: it then runs for nobody.
    address private transient _validatedOwner;

    modifier onlyOwner() {
        address owner_ = owner();
        bool operation = msg.sender == _entryPoint && _validatedOwner == owner_;
        if ((msg.sender != owner_ && !operation) || owner_ == address(0)) {
            revert DeviceAccount_NotOwner(msg.sender, owner_);
        }
        _;
    }

    constructor(address entryPoint_) {
        _entryPoint = entryPoint_;
    }

    /// @inheritdoc IERC6551Account
    receive() external payable {}

    /// @inheritdoc IERC6551Executable
    /// @dev A failed call fails the execution with the callee's own reason.
    function execute(
        address to,
        uint256 value,
        bytes calldata data,
        uint8 operation
    ) external payable onlyOwner returns (bytes memory result) {
        if (operation != 0) revert DeviceAccount_UnknownOperation(operation);
        Storage storage $ = _change();
        $.executing = true;
        result = _call(to, value, data);
        $.executing = false;
    }

    /// @inheritdoc IDeviceAccount
    function executeBatch(Call[] calldata calls) external payable onlyOwner returns (bytes[] memory) {
        return _run(_change(), calls);
    }

    /// @inheritdoc IDeviceAccount
    function executeSession(address key, Call[] calldata calls) external returns (bytes[] memory) {
        Storage storage $ = _change();
        Sessions.Grant storage grant = $.sessions[key];
        Sessions.Home memory home = Sessions.home(_entryPoint);
        bool inTime = grant.validAfter <= block.timestamp && block.timestamp <= grant.validUntil;
        bool consents = msg.sender == key || msg.sender == _entryPoint;
        if (!consents || !inTime || !Sessions.isLive(grant, key, home)) {
            revert DeviceAccount_NoSession(msg.sender, key);
        }
        Sessions.take(grant, key, calls, home);
        return _run($, calls);
    }

    /// @inheritdoc IAccount
    /// @dev A call of `executeSession` is signed by the key that it names, any other by the owner. The signature is over the
    /// EntryPoint's own typed hash, which binds chain, EntryPoint, account, nonce and the whole operation. The lock is the
    /// operation's earliest time. Nothing is paid for a signature that fails.
    function validateUserOp(
        PackedUserOperation calldata operation,
        bytes32 hash,
        uint256 missing
    ) external returns (uint256 validation) {
        if (msg.sender != _entryPoint) revert DeviceAccount_NotEntryPoint(msg.sender);
        Storage storage $ = _storage();
        uint256 validAfter = $.lockedUntil;
        if (bytes4(operation.callData) == IDeviceAccount.executeSession.selector) {
            address key = abi.decode(operation.callData[4:], (address));
            Sessions.Grant storage grant = $.sessions[key];
            if (!Sessions.isLive(grant, key, Sessions.home(_entryPoint)) || !_signed(key, hash, operation.signature))
                return SIGNATURE_FAILED;
            Sessions.takeGas(grant, key, operation);
            if (validAfter < grant.validAfter) validAfter = grant.validAfter;
            validation = uint256(grant.validUntil) << 160;
        } else {
            address owner_ = owner();
            bool another = _validatedOwner != address(0) && _validatedOwner != owner_;
            if (owner_ == address(0) || another || !_signed(owner_, hash, operation.signature)) return SIGNATURE_FAILED;
            _validatedOwner = owner_;
        }
        ++$.state;
        validation |= validAfter << 208;
        if (missing != 0) _call(msg.sender, missing, "");
    }

    /// @inheritdoc IDeviceAccount
    function grantSession(address key, Session calldata session) external onlyOwner {
        Sessions.Home memory home = Sessions.home(_entryPoint);
        Sessions.grant(_change().sessions[key], key, session, home);
        emit SessionGranted(key, home.epoch, session);
    }

    /// @inheritdoc IDeviceAccount
    function revokeSession(address key) external onlyOwner {
        delete _change().sessions[key];
        emit SessionRevoked(key);
    }

    /// @inheritdoc IDeviceAccount
    function lock(uint64 until) external onlyOwner {
        Storage storage $ = _storage();
        if ($.executing) revert DeviceAccount_Reentered();
        uint64 atMost = uint64(block.timestamp) + MAX_LOCK;
        if (until <= block.timestamp || until <= $.lockedUntil || until > atMost) {
            revert DeviceAccount_BadLock(until, atMost);
        }
        ++$.state;
        $.lockedUntil = until;
        emit Locked(until);
    }

    /// @inheritdoc IDeviceAccount
    function upgradeToAndCall(address newLogic, bytes calldata data) external payable onlyOwner {
        if (newLogic.code.length == 0) revert DeviceAccount_BadLogic(newLogic);
        try IERC1822Proxiable(newLogic).proxiableUUID() returns (bytes32 slot) {
            if (slot != ERC1967Utils.IMPLEMENTATION_SLOT) revert DeviceAccount_BadLogic(newLogic);
        } catch {
            revert DeviceAccount_BadLogic(newLogic);
        }
        _change();
        IDeviceAccount(payable(_self)).depart();
        // Emits Upgraded.
        ERC1967Utils.upgradeToAndCall(newLogic, data);
    }

    /// @inheritdoc IDeviceAccount
    function depart() external {
        ++_storage().departures[msg.sender];
    }

    /// @inheritdoc IERC721Receiver
    /// @dev Refuses a token that owns this account, directly or through accounts above it: nobody would own both.
    function onERC721Received(address, address, uint256 id, bytes calldata) external view returns (bytes4) {
        if (TokenAccount.isAbove(address(this), msg.sender, id)) revert DeviceAccount_OwnershipCycle(msg.sender, id);
        return IERC721Receiver.onERC721Received.selector;
    }

    /// @inheritdoc IERC1155Receiver
    /// @dev No cycle to refuse: an account has one owner, and an ERC-1155 id need not.
    function onERC1155Received(address, address, uint256, uint256, bytes calldata) external pure returns (bytes4) {
        return IERC1155Receiver.onERC1155Received.selector;
    }

    /// @inheritdoc IERC1155Receiver
    function onERC1155BatchReceived(
        address,
        address,
        uint256[] calldata,
        uint256[] calldata,
        bytes calldata
    ) external pure returns (bytes4) {
        return IERC1155Receiver.onERC1155BatchReceived.selector;
    }

    /// @inheritdoc IERC6551Account
    function state() external view returns (uint256) {
        return _storage().state;
    }

    /// @inheritdoc IERC6551Account
    function isValidSigner(address signer, bytes calldata) external view returns (bytes4) {
        bool valid = signer != address(0) && signer == owner() && !_locked();
        return valid ? IERC6551Account.isValidSigner.selector : bytes4(0);
    }

    /// @inheritdoc IDeviceAccount
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        address owner_ = owner();
        bytes32 digest = TypedData.digest(NAME, keccak256(abi.encode(MESSAGE_TYPE, hash)));
        bool valid = owner_ != address(0) && !_locked() && _signed(owner_, digest, signature);
        return valid ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }

    /// @inheritdoc IDeviceAccount
    function logic() external view returns (address) {
        return _self;
    }

    /// @inheritdoc IDeviceAccount
    function departures(address account) external view returns (uint256) {
        return _storage().departures[account];
    }

    /// @inheritdoc IDeviceAccount
    function lockedUntil() external view returns (uint64) {
        return _storage().lockedUntil;
    }

    /// @inheritdoc IDeviceAccount
    function sessionOf(address key) external view returns (Session memory) {
        return Sessions.read(_storage().sessions[key], key, Sessions.home(_entryPoint));
    }

    /// @inheritdoc IDeviceAccount
    function entryPoint() external view returns (address) {
        return _entryPoint;
    }

    /// @inheritdoc IDeviceAccount
    function proxiableUUID() external pure returns (bytes32) {
        return ERC1967Utils.IMPLEMENTATION_SLOT;
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return
            interfaceId == type(IERC165).interfaceId ||
            interfaceId == type(IERC6551Account).interfaceId ||
            interfaceId == type(IERC6551Executable).interfaceId ||
            interfaceId == type(IAccount).interfaceId ||
            interfaceId == type(IERC1271).interfaceId ||
            interfaceId == type(IERC721Receiver).interfaceId ||
            interfaceId == type(IERC1155Receiver).interfaceId;
    }

    /// @inheritdoc IERC6551Account
    function token() public view returns (uint256 chainId, address tokenContract, uint256 tokenId) {
        return TokenAccount.footer(address(this));
    }

    /// @inheritdoc IDeviceAccount
    function owner() public view returns (address) {
        (uint256 chainId, address tokenContract, uint256 tokenId) = token();
        return chainId == block.chainid ? TokenAccount.ownerOf(tokenContract, tokenId) : address(0);
    }

    /// @dev Opens every change but a lock: one execution at a time keeps `state` a version, and a lock keeps all in.
    function _change() private returns (Storage storage $) {
        $ = _storage();
        if ($.executing) revert DeviceAccount_Reentered();
        if (_locked()) revert DeviceAccount_IsLocked($.lockedUntil);
        ++$.state;
    }

    function _run(Storage storage $, Call[] calldata calls) private returns (bytes[] memory results) {
        if (calls.length > MAX_CALLS) revert DeviceAccount_TooManyCalls(calls.length, MAX_CALLS);
        $.executing = true;
        results = new bytes[](calls.length);
        for (uint256 i = 0; i < calls.length; ++i) {
            results[i] = _call(calls[i].target, calls[i].value, calls[i].data);
        }
        $.executing = false;
    }

    function _call(address to, uint256 value, bytes memory data) private returns (bytes memory result) {
        bool success;
        (success, result) = to.call{value: value}(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
    }

    function _locked() private view returns (bool) {
        return block.timestamp < _storage().lockedUntil;
    }

    /// @dev ECDSA first: an account with a key has code, too, once it delegates by EIP-7702.
    function _signed(address signer, bytes32 hash, bytes calldata signature) private view returns (bool) {
        return
            TypedData.recover(hash, signature) == signer ||
            SignatureChecker.isValidERC1271SignatureNow(signer, hash, signature);
    }

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
