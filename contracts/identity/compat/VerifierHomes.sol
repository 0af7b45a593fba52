// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IVerifierHomes} from "../../interfaces/identity/compat/IVerifierHomes.sol";

/// @title Homes of verifiers (see IVerifierHomes). Immutable, without any privilege.
contract VerifierHomes is IVerifierHomes {
    /// @inheritdoc IVerifierHomes
    mapping(address verifier => address proxy) public homeOf;

    /// @inheritdoc IVerifierHomes
    function settle(address verifier) external {
        if (homeOf[verifier] == address(0)) _setHome(verifier, msg.sender);
    }

    /// @inheritdoc IVerifierHomes
    function move(address proxy) external {
        _setHome(msg.sender, proxy);
    }

    function _setHome(address verifier, address proxy) private {
        homeOf[verifier] = proxy;
        emit Settled(verifier, proxy);
    }
}
