// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Addresses and footers of ERC-6551 accounts, computed without a call.
/// @dev An account's code is the ERC-1167 clone of its implementation (45 bytes) followed by
/// abi.encode(salt, chainId, tokenContract, tokenId): 173 bytes. Source: EIP-6551.
library TokenAccount {
    uint256 internal constant CODE_SIZE = 173;

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
        uint256 chainId;
        bytes32 head;
        assembly ("memory-safe") {
            // Bytes 0..31 lead with the clone's head; the footer's last three words start at 77.
            let free := mload(0x40)
            extcodecopy(account, free, 0, 32)
            head := mload(free)
            extcodecopy(account, free, 77, 96)
            chainId := mload(free)
            tokenContract := and(mload(add(free, 32)), 0xffffffffffffffffffffffffffffffffffffffff)
            tokenId := mload(add(free, 64))
        }
        is6551 = bytes10(head) == CLONE_HEAD && chainId == block.chainid;
    }
}
