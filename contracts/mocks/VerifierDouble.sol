// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IVerifier} from "../interfaces/verifiers/IVerifier.sol";

/// @dev A "proof" is a hash of what it proves, so that one for other signals or another key is refused. Proves nothing.
contract VerifierDouble is IVerifier {
    bool public reverting;

    error VerifierDouble_Reverts();

    function setReverting(bool reverting_) external {
        reverting = reverting_;
    }

    function verify(
        bytes32 keyId,
        uint256[8] calldata proof,
        uint256[] calldata publicSignals
    ) external view returns (bool) {
        if (reverting) revert VerifierDouble_Reverts();
        return proof[0] == prove(keyId, publicSignals);
    }

    function prove(bytes32 keyId, uint256[] calldata publicSignals) public pure returns (uint256) {
        return uint256(keccak256(abi.encode(keyId, publicSignals)));
    }
}
