// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IIoID} from "../interfaces/identity/IIoID.sol";

/// @title ERC-6551 accounts: addresses and footers, computed without a call, and who owns them.
/// @dev An account's code is the ERC-1167 clone of its implementation (45 bytes) followed by
/// abi.encode(salt, chainId, tokenContract, tokenId): 173 bytes. Source: EIP-6551.
library TokenAccount {
    uint256 internal constant CODE_SIZE = 173;

    /// @dev How many accounts inside accounts are looked through before a token is refused.
    uint256 private constant MAX_DEPTH = 8;

    /// @dev ERC-1167 constructor and head with the place of the address empty, and tail.
    bytes10 private constant CONSTRUCTOR = 0x3d60ad80600a3d3981f3;
    bytes10 private constant CLONE_HEAD = 0x363d3d373d3d3d363d73;
    bytes15 private constant CLONE_TAIL = 0x5af43d82803e903d91602b57fd5bf3;

    /// @notice Address of the account with salt 0 on this chain.
    function addressOf(
        address registry,
        address implementation,
        address tokenContract,
        uint256 tokenId
    ) internal view returns (address account) {
        uint256 head = (uint256(uint80(CONSTRUCTOR)) << 80) | uint80(CLONE_HEAD);
        uint256 tail = uint120(CLONE_TAIL);
        assembly ("memory-safe") {
            // Creation code, 183 bytes: constructor and clone's head, implementation at 20, tail at 40, four words from 55.
            // Each word is written before the one that lies over its empty upper bytes.
            let free := mload(0x40)
            mstore(add(free, 151), tokenId)
            mstore(add(free, 119), tokenContract)
            mstore(add(free, 87), chainid())
            mstore(add(free, 55), 0)
            mstore(add(free, 23), tail)
            mstore(add(free, 8), implementation)
            mstore(free, or(shl(96, head), shr(64, implementation)))
            let codeHash := keccak256(free, 183)
            // 0xff, registry, salt 0, hash of the creation code.
            mstore(free, or(shl(248, 0xff), shl(88, registry)))
            mstore(add(free, 21), 0)
            mstore(add(free, 53), codeHash)
            account := and(keccak256(free, 85), 0xffffffffffffffffffffffffffffffffffffffff)
        }
    }

    /// @notice Token that owns `account` when its code has the shape of an ERC-6551 account on this chain.
    /// @dev Anybody can make such code: the answer is a claim, good enough to refuse by, never to permit by.
    function claimedToken(address account) internal view returns (bool is6551, address tokenContract, uint256 tokenId) {
        if (account.code.length != CODE_SIZE) return (false, address(0), 0);
        bytes32 head;
        assembly ("memory-safe") {
            extcodecopy(account, 0, 0, 32)
            head := mload(0)
        }
        uint256 chainId;
        (chainId, tokenContract, tokenId) = footer(account);
        is6551 = bytes10(head) == CLONE_HEAD && chainId == block.chainid;
    }

    /// @notice What the code of an account ends with.
    function footer(address account) internal view returns (uint256 chainId, address tokenContract, uint256 tokenId) {
        // The registry appends salt, chain, contract and id to the clone's code: the last three words from byte 77.
        assembly ("memory-safe") {
            let free := mload(0x40)
            extcodecopy(account, free, 77, 96)
            chainId := mload(free)
            tokenContract := and(mload(add(free, 32)), 0xffffffffffffffffffffffffffffffffffffffff)
            tokenId := mload(add(free, 64))
        }
    }

    /// @notice Owner of a token; the former owner of a burned ioID; 0 when there is neither. Never reverts.
    function ownerOf(address tokenContract, uint256 tokenId) internal view returns (address owner) {
        owner = _ask(tokenContract, abi.encodeCall(IERC721.ownerOf, (tokenId)));
        if (owner == address(0)) owner = _ask(tokenContract, abi.encodeCall(IIoID.formerOwnerOf, (tokenId)));
    }

    /// @notice Whether the token owns `account`, itself or through accounts of any collections; true, too, where more
    /// than eight lie above each other.
    function isAbove(address account, address tokenContract, uint256 tokenId) internal view returns (bool) {
        for (uint256 depth = 0; ; ++depth) {
            (bool is6551, address aboveContract, uint256 aboveId) = claimedToken(account);
            if (!is6551) return false;
            if ((aboveContract == tokenContract && aboveId == tokenId) || depth == MAX_DEPTH) return true;
            account = ownerOf(aboveContract, aboveId);
        }
        return true;
    }

    /// @dev The address that a view answers; 0 for anything else.
    function _ask(address target, bytes memory data) private view returns (address answer) {
        assembly ("memory-safe") {
            if staticcall(gas(), target, add(data, 32), mload(data), 0, 32) {
                if and(gt(returndatasize(), 31), iszero(shr(160, mload(0)))) {
                    answer := mload(0)
                }
            }
        }
    }
}
