// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Address of an ERC-6551 account, without asking the registry.
library AccountAddress {
    /// @dev CREATE2 by `registry` with salt 0 of the ERC-1167 proxy to `implementation`, followed by abi.encode(salt, chain id,
    /// token contract, token id). Source: EIP-6551, reference registry.
    function compute(
        address registry,
        address implementation,
        address tokenContract,
        uint256 tokenId
    ) internal view returns (address) {
        bytes32 initCodeHash = keccak256(
            abi.encodePacked(
                hex"3d60ad80600a3d3981f3363d3d373d3d3d363d73",
                implementation,
                hex"5af43d82803e903d91602b57fd5bf3",
                abi.encode(bytes32(0), block.chainid, tokenContract, tokenId)
            )
        );
        bytes32 hash = keccak256(abi.encodePacked(bytes1(0xff), registry, bytes32(0), initCodeHash));
        return address(uint160(uint256(hash)));
    }
}
