// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC1967Utils} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Utils.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {IERC1155Receiver} from "@openzeppelin/contracts/token/ERC1155/IERC1155Receiver.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC1822Proxiable} from "@openzeppelin/contracts/interfaces/draft-IERC1822.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IIoID} from "../interfaces/identity/IIoID.sol";
import {IDeviceAccount} from "../interfaces/wallet/IDeviceAccount.sol";
import {IERC6551Account, IERC6551Executable} from "../interfaces/wallet/IERC6551.sol";
import {TokenAccount} from "../libraries/TokenAccount.sol";

/// @title Logic of device accounts (see IDeviceAccount).
contract DeviceAccount is IDeviceAccount, IERC165, IERC721Receiver, IERC1155Receiver {
    /// @custom:storage-location erc7201:trellis.storage.DeviceAccount
    struct Storage {
        uint248 state;
        bool executing;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.DeviceAccount")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xce5ca9c20d408d4973ba99c00b8e095fa5f6d32d1d580b60f552a111a98cc500;

    bytes32 private constant DOMAIN_TYPE = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 private constant MESSAGE_TYPE = keccak256("AccountMessage(bytes32 hash)");
    /// @dev How many accounts inside accounts are looked through before a token is refused.
    uint256 private constant MAX_DEPTH = 8;

    address private immutable _self = address(this);

    modifier onlyOwner() {
        address owner_ = owner();
        if (msg.sender != owner_ || owner_ == address(0)) revert DeviceAccount_NotOwner(msg.sender, owner_);
        _;
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
        Storage storage $ = _storage();
        // The owner may be another account's callee on the way: one execution at a time keeps `state` a version.
        if ($.executing) revert DeviceAccount_Reentered();
        ($.executing, $.state) = (true, $.state + 1);
        bool success;
        (success, result) = to.call{value: value}(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(result, 32), mload(result))
            }
        }
        $.executing = false;
    }

    /// @inheritdoc IDeviceAccount
    function upgradeToAndCall(address newLogic, bytes calldata data) external payable onlyOwner {
        if (newLogic.code.length == 0) revert DeviceAccount_BadLogic(newLogic);
        try IERC1822Proxiable(newLogic).proxiableUUID() returns (bytes32 slot) {
            if (slot != ERC1967Utils.IMPLEMENTATION_SLOT) revert DeviceAccount_BadLogic(newLogic);
        } catch {
            revert DeviceAccount_BadLogic(newLogic);
        }
        ++_storage().state;
        // Emits Upgraded.
        ERC1967Utils.upgradeToAndCall(newLogic, data);
    }

    /// @inheritdoc IERC721Receiver
    /// @dev Refuses a token that owns this account, directly or through accounts above it: nobody would own both.
    function onERC721Received(address, address, uint256 id, bytes calldata) external view returns (bytes4) {
        _refuseCycle(msg.sender, id);
        return IERC721Receiver.onERC721Received.selector;
    }

    /// @inheritdoc IERC1155Receiver
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
        return signer != address(0) && signer == owner() ? IERC6551Account.isValidSigner.selector : bytes4(0);
    }

    /// @inheritdoc IDeviceAccount
    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        address owner_ = owner();
        if (owner_ == address(0)) return bytes4(0xffffffff);
        bytes32 domain = keccak256(
            abi.encode(DOMAIN_TYPE, keccak256("DeviceAccount"), keccak256("1"), block.chainid, address(this))
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", domain, keccak256(abi.encode(MESSAGE_TYPE, hash))));
        return
            SignatureChecker.isValidSignatureNowCalldata(owner_, digest, signature)
                ? IERC1271.isValidSignature.selector
                : bytes4(0xffffffff);
    }

    /// @inheritdoc IDeviceAccount
    function logic() external view returns (address) {
        return _self;
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
            interfaceId == type(IERC1271).interfaceId ||
            interfaceId == type(IERC721Receiver).interfaceId ||
            interfaceId == type(IERC1155Receiver).interfaceId;
    }

    /// @inheritdoc IERC6551Account
    function token() public view returns (uint256 chainId, address tokenContract, uint256 tokenId) {
        // The registry appends salt, chain, contract and id to the clone's code: the last three words from byte 77.
        assembly ("memory-safe") {
            let free := mload(0x40)
            extcodecopy(address(), free, 77, 96)
            chainId := mload(free)
            tokenContract := and(mload(add(free, 32)), 0xffffffffffffffffffffffffffffffffffffffff)
            tokenId := mload(add(free, 64))
        }
    }

    /// @inheritdoc IDeviceAccount
    function owner() public view returns (address) {
        (uint256 chainId, address tokenContract, uint256 tokenId) = token();
        if (chainId != block.chainid) return address(0);
        return _ownerOf(tokenContract, tokenId);
    }

    function _refuseCycle(address tokenContract, uint256 tokenId) private view {
        address account = address(this);
        for (uint256 depth = 0; ; ++depth) {
            (bool is6551, address aboveContract, uint256 aboveId) = TokenAccount.claimedToken(account);
            if (!is6551) return;
            if ((aboveContract == tokenContract && aboveId == tokenId) || depth == MAX_DEPTH) {
                revert DeviceAccount_OwnershipCycle(tokenContract, tokenId);
            }
            account = _ownerOf(aboveContract, aboveId);
        }
    }

    /// @dev Owner of a token; the former owner of a burned ioID; 0 when there is neither.
    function _ownerOf(address tokenContract, uint256 tokenId) private view returns (address) {
        if (tokenContract.code.length == 0) return address(0);
        try IERC721(tokenContract).ownerOf(tokenId) returns (address owner_) {
            return owner_;
        } catch {
            try IIoID(tokenContract).formerOwnerOf(tokenId) returns (address former) {
                return former;
            } catch {
                return address(0);
            }
        }
    }

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
