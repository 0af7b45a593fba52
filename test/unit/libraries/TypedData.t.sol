// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";
import {TypedData} from "../../../contracts/libraries/TypedData.sol";
import {Test} from "../../solidity/Test.sol";

/// @dev Against OpenZeppelin's ECDSA and the plain encoding of EIP-712.
contract TypedDataTest is Test {
    uint256 private constant ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141;

    function test_Fuzz_DigestIsThePlainOne(bytes32 name, bytes32 structHash) public view {
        bytes32 domain = keccak256(
            abi.encode(TypedData.DOMAIN_TYPE, name, keccak256("1"), block.chainid, address(this))
        );
        assertEq(TypedData.domain(name), domain);
        assertEq(TypedData.digest(name, structHash), keccak256(abi.encodePacked(hex"1901", domain, structHash)));
    }

    function test_Fuzz_RecoversTheSigner(uint256 key, bytes32 digest) public view {
        key = bound(key, 1, ORDER - 1);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        assertEq(TypedData.recover(digest, v, r, s), vm.addr(key));
        assertEq(this.recover(digest, abi.encodePacked(r, s, v)), vm.addr(key));
        // The second signature of the same digest, and other lengths, are nobody's.
        bytes32 high = bytes32(ORDER - uint256(s));
        assertEq(TypedData.recover(digest, v ^ 7, r, high), address(0));
        assertEq(this.recover(digest, abi.encodePacked(r, s)), address(0));
        assertEq(this.recover(digest, abi.encodePacked(r, s, v, v)), address(0));
        assertEq(this.recover(digest, ""), address(0));
    }

    function test_Fuzz_AnyWordsAsOpenZeppelin(bytes32 digest, uint8 v, bytes32 r, bytes32 s) public view {
        v = (v % 4) + 26;
        (address want, , ) = ECDSA.tryRecover(digest, v, r, s);
        assertEq(TypedData.recover(digest, v, r, s), want);
        s = bytes32(uint256(s) >> 1);
        (want, , ) = ECDSA.tryRecover(digest, v, r, s);
        assertEq(TypedData.recover(digest, v, r, s), want);
    }

    function recover(bytes32 digest, bytes calldata signature) external view returns (address) {
        return TypedData.recover(digest, signature);
    }
}
