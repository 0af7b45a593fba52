// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";

import {IProgramRegistry} from "../interfaces/verifiers/IProgramRegistry.sol";

/// @title See `IProgramRegistry`.
/// @dev Wiring: constructor(authority, insecureAllowed).
contract ProgramRegistry is IProgramRegistry, AccessManaged {
    struct Program {
        address verifier;
        bool insecure;
        bytes32 keyId;
        bytes32 keyHash;
    }

    /// @inheritdoc IProgramRegistry
    bool public immutable insecureAllowed;

    mapping(bytes32 programId => Program) private _programs;

    constructor(address authority_, bool insecureAllowed_) AccessManaged(authority_) {
        insecureAllowed = insecureAllowed_;
    }

    /// @inheritdoc IProgramRegistry
    function register(
        bytes32 programId,
        address verifier,
        bytes32 keyId,
        bytes32 keyHash,
        bool insecure
    ) external restricted {
        if (programId == 0) revert ProgramRegistry_ZeroId();
        if (_programs[programId].verifier != address(0)) revert ProgramRegistry_Exists(programId);
        if (verifier.code.length == 0) revert ProgramRegistry_NotContract(verifier);
        if (insecure && !insecureAllowed) revert ProgramRegistry_Insecure(programId);
        _programs[programId] = Program(verifier, insecure, keyId, keyHash);
        emit ProgramRegistered(programId, verifier, keyId, keyHash, insecure);
    }

    /// @inheritdoc IProgramRegistry
    function program(
        bytes32 programId
    ) external view returns (address verifier, bytes32 keyId, bytes32 keyHash, bool insecure) {
        Program memory p = _programs[programId];
        if (p.verifier == address(0)) revert ProgramRegistry_Unknown(programId);
        return (p.verifier, p.keyId, p.keyHash, p.insecure);
    }

    /// @inheritdoc IProgramRegistry
    function verifierOf(bytes32 programId) external view returns (address verifier, bytes32 keyId) {
        Program storage p = _programs[programId];
        return (p.verifier, p.keyId);
    }
}
