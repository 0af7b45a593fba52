// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVerifier} from "./IVerifier.sol";

/// @title Groth16 on bn254 with the verification key as data.
/// @dev A key is written once as the code of an account whose address is derived from the key's id: it cannot change or be
/// removed, and no storage is read to find it. Key bytes, every number 32 bytes big-endian, G2 limbs imaginary part first
/// (the order of the EIP-197 precompile):
///
///     0    alpha   G1   x, y
///     64   beta    G2   x imaginary, x real, y imaginary, y real
///     192  gamma   G2
///     320  delta   G2
///     448  IC[0..n] G1  n = number of public signals
///
/// Equation: e(-A, B) · e(alpha, beta) · e(IC[0] + Σ signal_i · IC[i], gamma) · e(C, delta) = 1.
/// Source: Groth, "On the Size of Pairing-based Non-interactive Arguments", EUROCRYPT 2016, section 3.2; EIP-196, EIP-197.
interface IGroth16Verifier is IVerifier {
    /// @notice A key can be verified against from now on.
    event KeyRegistered(bytes32 indexed keyId, uint256 signals);

    /// @notice The key's length is not 448 + 64 · (n + 1) for 1 ≤ n ≤ 64.
    error Groth16Verifier_KeyLength(uint256 length);
    /// @notice The point at this byte of the key is off its curve, outside its subgroup, or at infinity.
    error Groth16Verifier_BadPoint(uint256 offset);
    /// @notice delta equals gamma: phase 2 has no contribution and anybody can forge.
    error Groth16Verifier_DeltaIsGamma();
    /// @notice The key is there already.
    error Groth16Verifier_KeyExists(bytes32 keyId);
    /// @notice The key's account could not be made.
    error Groth16Verifier_NotStored(bytes32 keyId);
    /// @notice Nothing to answer: no such function.
    error Groth16Verifier_NoFunction();

    /// @notice Writes a key after checking its points and that delta ≠ gamma. Anybody may call; whether a key is to be trusted
    /// is the program registry's word.
    /// @return keyId  keccak256(key).
    function registerKey(bytes calldata key) external returns (bytes32 keyId);

    /// @notice Number of public signals of a key; 0 when it is unknown.
    function signalsOf(bytes32 keyId) external view returns (uint256);

    /// @notice The account whose code, after one zero byte, is the key; whether or not it exists.
    function keyAccount(bytes32 keyId) external view returns (address);
}
