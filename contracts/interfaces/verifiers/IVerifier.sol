// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title One shape for every proof system: a key by its id, a proof, public signals.
interface IVerifier {
    /// @notice Whether `proof` proves `publicSignals` under the key `keyId`.
    /// @dev Never reverts for a bad proof, a point off its curve, a signal out of the field or an unknown key: false. It can
    /// only fail by running out of gas.
    /// @param keyId  keccak256 of the key's bytes.
    /// @param proof  Eight words whose meaning the verifier gives; for Groth16 on bn254:
    /// A.x, A.y, B.x imaginary, B.x real, B.y imaginary, B.y real, C.x, C.y.
    /// @param publicSignals  Field elements in the circuit's order.
    function verify(
        bytes32 keyId,
        uint256[8] calldata proof,
        uint256[] calldata publicSignals
    ) external view returns (bool);
}
