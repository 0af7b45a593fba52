// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title EIP-712 digests of version "1" domains and who signed them.
library TypedData {
    bytes32 internal constant DOMAIN_TYPE = keccak256(
        "EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"
    );
    bytes32 internal constant VERSION = keccak256("1");
    /// @dev Half the order of secp256k1: an s above is the second signature of the same digest (EIP-2).
    uint256 private constant HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0;

    /// @notice Domain of this contract on this chain.
    function domain(bytes32 nameHash) internal view returns (bytes32 separator) {
        (bytes32 domainType, bytes32 version) = (DOMAIN_TYPE, VERSION);
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, domainType)
            mstore(add(free, 32), nameHash)
            mstore(add(free, 64), version)
            mstore(add(free, 96), chainid())
            mstore(add(free, 128), address())
            separator := keccak256(free, 160)
        }
    }

    /// @notice Digest of a struct hash in the domain of `nameHash`.
    function digest(bytes32 nameHash, bytes32 structHash) internal view returns (bytes32 hash) {
        (bytes32 domainType, bytes32 version) = (DOMAIN_TYPE, VERSION);
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, domainType)
            mstore(add(free, 32), nameHash)
            mstore(add(free, 64), version)
            mstore(add(free, 96), chainid())
            mstore(add(free, 128), address())
            hash := keccak256(free, 160)
            mstore(free, hex"1901")
            mstore(add(free, 2), hash)
            mstore(add(free, 34), structHash)
            hash := keccak256(free, 66)
        }
    }

    /// @notice Signer of a digest; the zero address for anything but a canonical signature.
    function recover(bytes32 hash, uint8 v, bytes32 r, bytes32 s) internal view returns (address signer) {
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, hash)
            mstore(add(free, 32), v)
            mstore(add(free, 64), r)
            mstore(add(free, 96), s)
            // A refused signature returns nothing, so that the word stays zero.
            mstore(0x00, 0)
            if iszero(gt(s, HALF_ORDER)) {
                pop(staticcall(gas(), 0x01, free, 128, 0x00, 32))
            }
            signer := mload(0x00)
        }
    }

    /// @notice The same for r || s || v, 65 bytes.
    function recover(bytes32 hash, bytes calldata signature) internal view returns (address) {
        if (signature.length != 65) return address(0);
        return recover(hash, uint8(signature[64]), bytes32(signature[:32]), bytes32(signature[32:64]));
    }
}
