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
    ) internal view returns (address) {
        bytes32 codeHash = keccak256(
            abi.encodePacked(
                CONSTRUCTOR,
                CLONE_HEAD,
                implementation,
                CLONE_TAIL,
                bytes32(0),
                block.chainid,
                uint256(uint160(tokenContract)),
                tokenId
            )
        );
        return address(uint160(uint256(keccak256(abi.encodePacked(bytes1(0xff), registry, bytes32(0), codeHash)))));
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
