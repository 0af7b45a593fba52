// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title What a program id means: which verifier, under which key.
/// @dev An entry never changes. Warning: governance vouches for the key (attack 28: contributions, beacon, hash); the chain
/// checks only what it can, see `IGroth16Verifier.registerKey`.
interface IProgramRegistry {
    /// @notice A program was registered, for good.
    event ProgramRegistered(
        bytes32 indexed programId,
        address indexed verifier,
        bytes32 keyId,
        bytes32 keyHash,
        bool insecure
    );

    error ProgramRegistry_Exists(bytes32 programId);
    error ProgramRegistry_Unknown(bytes32 programId);
    error ProgramRegistry_ZeroId();
    error ProgramRegistry_NotContract(address verifier);
    /// @notice The program's key comes from a local set-up, and this registry does not serve a local network.
    error ProgramRegistry_Insecure(bytes32 programId);

    /// @notice Registers a program. Governance only.
    /// @param programId  keccak256("name/version"), not zero.
    /// @param verifier  Contract behind `IVerifier`.
    /// @param keyId  The verifier's id of the key.
    /// @param keyHash  keccak256 of the proving key's file, so that anybody can compare what provers load.
    /// @param insecure  True when the key comes from the published local seed.
    function register(bytes32 programId, address verifier, bytes32 keyId, bytes32 keyHash, bool insecure) external;

    /// @notice The whole entry; reverts when there is none.
    function program(
        bytes32 programId
    ) external view returns (address verifier, bytes32 keyId, bytes32 keyHash, bool insecure);

    /// @notice What a verification needs; zeros when there is no such program.
    function verifierOf(bytes32 programId) external view returns (address verifier, bytes32 keyId);

    /// @notice Whether insecure programs may be registered here: local networks only.
    function insecureAllowed() external view returns (bool);
}
