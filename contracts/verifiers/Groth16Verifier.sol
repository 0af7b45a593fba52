// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGroth16Verifier} from "../interfaces/verifiers/IGroth16Verifier.sol";
import {IVerifier} from "../interfaces/verifiers/IVerifier.sol";

/// @title See `IGroth16Verifier`.
/// @dev Wiring: no constructor arguments, nothing to set.
contract Groth16Verifier is IGroth16Verifier {
    /// @dev Scalar field of bn254, the order of its groups. Source: EIP-197.
    uint256 private constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @dev Base field of bn254. Source: EIP-196.
    uint256 private constant Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;

    uint256 private constant MAX_SIGNALS = 64;
    /// @dev Bytes of a key before its last 64 · (n + 1), and where its parts begin.
    uint256 private constant BETA = 64;
    uint256 private constant GAMMA = 192;
    uint256 private constant DELTA = 320;
    uint256 private constant IC = 448;

    /// @dev Creation code of every key account, the same for all keys, so that the address depends on the salt alone and the
    /// salt can be the key's id. It asks its creator for the code by an empty call and returns what it is told:
    ///     5f5f5f5f 33 5a fa 50   staticcall(gas, caller, 0, 0, 0, 0)
    ///     3d 5f 5f 3e            returndatacopy(0, 0, returndatasize)
    ///     3d 5f f3               return(0, returndatasize)
    bytes15 private constant CREATION_CODE = 0x5f5f5f5f335afa503d5f5f3e3d5ff3;
    bytes32 private constant CREATION_CODE_HASH = keccak256(abi.encodePacked(CREATION_CODE));

    /// @dev Answers the key account that is being created; reverts for everybody else.
    fallback(bytes calldata) external returns (bytes memory code) {
        code = _pending();
        if (code.length == 0) revert Groth16Verifier_NoFunction();
    }

    /// @inheritdoc IGroth16Verifier
    function registerKey(bytes calldata key) external returns (bytes32 keyId) {
        keyId = keccak256(key);
        _check(key);
        if (keyAccount(keyId).code.length != 0) revert Groth16Verifier_KeyExists(keyId);
        // The zero byte (STOP) keeps the account from ever running, and from the 0xef prefix that EIP-3541 refuses.
        _setPending(abi.encodePacked(bytes1(0), key));
        bytes15 creationCode = CREATION_CODE;
        address account;
        assembly ("memory-safe") {
            mstore(0x00, creationCode)
            account := create2(0, 0x00, 15, keyId)
            tstore(0, 0)
        }
        if (account != keyAccount(keyId) || account.code.length != key.length + 1) {
            revert Groth16Verifier_NotStored(keyId);
        }
        emit KeyRegistered(keyId, (key.length - IC) / 64 - 1);
    }

    /// @inheritdoc IVerifier
    function verify(
        bytes32 keyId,
        uint256[8] calldata proof,
        uint256[] calldata publicSignals
    ) external view returns (bool valid) {
        address account = keyAccount(keyId);
        assembly ("memory-safe") {
            let n := publicSignals.length
            let keyBytes := add(512, shl(6, n)) // IC + 64 (n + 1)
            // A key has 1 to MAX_SIGNALS signals, so a size that fits n also bounds it; an unknown key has no code.
            valid := and(lt(n, 65), eq(extcodesize(account), add(keyBytes, 1)))
            if valid {
                let sum := mload(0x40) // x, y of the running sum; then x, y, scalar of the next term
                let term := add(sum, 0x40)
                let pairs := add(sum, 0xa0) // four pairs of 192 bytes
                let key := add(pairs, 768)
                extcodecopy(account, key, 1, keyBytes)

                let ic := add(key, IC)
                mcopy(sum, ic, 0x40)
                for {
                    let cursor := publicSignals.offset
                    let end := add(cursor, shl(5, n))
                } lt(cursor, end) {
                    cursor := add(cursor, 0x20)
                } {
                    let signal := calldataload(cursor)
                    // Without this, signal + R would be another name of the same statement.
                    valid := and(valid, lt(signal, R))
                    ic := add(ic, 0x40)
                    mcopy(term, ic, 0x40)
                    mstore(add(term, 0x40), signal)
                    valid := and(valid, staticcall(gas(), 0x07, term, 0x60, term, 0x40))
                    valid := and(valid, staticcall(gas(), 0x06, sum, 0x80, sum, 0x40))
                }

                // (-A, B): the precompile refuses coordinates from Q upwards, but the negation would hide one.
                let y := calldataload(add(proof, 0x20))
                valid := and(valid, lt(y, Q))
                calldatacopy(pairs, proof, 0xc0)
                mstore(add(pairs, 0x20), mod(sub(Q, y), Q))
                // (alpha, beta), as they lie in the key.
                mcopy(add(pairs, 0xc0), key, 0xc0)
                // (sum, gamma)
                mcopy(add(pairs, 0x180), sum, 0x40)
                mcopy(add(pairs, 0x1c0), add(key, GAMMA), 0x80)
                // (C, delta)
                calldatacopy(add(pairs, 0x240), add(proof, 0xc0), 0x40)
                mcopy(add(pairs, 0x280), add(key, DELTA), 0x80)
                // On failure nothing is written, and the word still holds the sum's x: so the call's success is needed too.
                valid := and(valid, staticcall(gas(), 0x08, pairs, 768, sum, 0x20))
                valid := and(valid, eq(mload(sum), 1))
            }
        }
    }

    /// @inheritdoc IGroth16Verifier
    function signalsOf(bytes32 keyId) external view returns (uint256) {
        uint256 size = keyAccount(keyId).code.length;
        return size == 0 ? 0 : (size - 1 - IC) / 64 - 1;
    }

    /// @inheritdoc IGroth16Verifier
    function keyAccount(bytes32 keyId) public view returns (address account) {
        bytes32 codeHash = CREATION_CODE_HASH;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, or(shl(248, 0xff), shl(88, address())))
            mstore(add(buffer, 21), keyId)
            mstore(add(buffer, 53), codeHash)
            account := and(keccak256(buffer, 85), 0xffffffffffffffffffffffffffffffffffffffff)
        }
    }

    /// @dev Attack 28, as far as a chain can see: every point is one, none is at infinity, delta is not gamma.
    function _check(bytes calldata key) private view {
        uint256 length = key.length;
        if (length < IC + 128 || length > IC + 64 * (MAX_SIGNALS + 1) || (length - IC) % 64 != 0) {
            revert Groth16Verifier_KeyLength(length);
        }
        _requireG1(key, 0);
        for (uint256 offset = IC; offset < length; offset += 64) {
            _requireG1(key, offset);
        }
        _requireG2(key, BETA);
        _requireG2(key, GAMMA);
        _requireG2(key, DELTA);
        if (keccak256(key[GAMMA:DELTA]) == keccak256(key[DELTA:IC])) revert Groth16Verifier_DeltaIsGamma();
    }

    /// @dev The addition precompile refuses what is not on the curve.
    function _requireG1(bytes calldata key, uint256 offset) private view {
        bool valid;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            calldatacopy(buffer, add(key.offset, offset), 0x40)
            valid := or(mload(buffer), mload(add(buffer, 0x20)))
            mstore(add(buffer, 0x40), 0)
            mstore(add(buffer, 0x60), 0)
            valid := and(gt(valid, 0), staticcall(gas(), 0x06, buffer, 0x80, buffer, 0x40))
        }
        if (!valid) revert Groth16Verifier_BadPoint(offset);
    }

    /// @dev The pairing precompile refuses what is not on the twist or not in its subgroup; paired with infinity it answers 1.
    function _requireG2(bytes calldata key, uint256 offset) private view {
        bool valid;
        assembly ("memory-safe") {
            let buffer := mload(0x40)
            mstore(buffer, 0)
            mstore(add(buffer, 0x20), 0)
            let point := add(buffer, 0x40)
            calldatacopy(point, add(key.offset, offset), 0x80)
            valid := or(or(mload(point), mload(add(point, 0x20))), or(mload(add(point, 0x40)), mload(add(point, 0x60))))
            valid := and(gt(valid, 0), staticcall(gas(), 0x08, buffer, 0xc0, buffer, 0x20))
            valid := and(valid, eq(mload(buffer), 1))
        }
        if (!valid) revert Groth16Verifier_BadPoint(offset);
    }

    /// @dev Transient: length in slot 0, words behind it. Only while a key account is being created.
    function _setPending(bytes memory code) private {
        assembly ("memory-safe") {
            let length := mload(code)
            tstore(0, length)
            for {
                let i := 0
            } lt(i, length) {
                i := add(i, 0x20)
            } {
                tstore(add(i, 1), mload(add(add(code, 0x20), i)))
            }
        }
    }

    function _pending() private view returns (bytes memory code) {
        assembly ("memory-safe") {
            code := mload(0x40)
            let length := tload(0)
            mstore(code, length)
            for {
                let i := 0
            } lt(i, length) {
                i := add(i, 0x20)
            } {
                mstore(add(add(code, 0x20), i), tload(add(i, 1)))
            }
            mstore(0x40, add(add(code, 0x20), and(add(length, 31), not(31))))
        }
    }
}
