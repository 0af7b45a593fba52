// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IUniversalFactory} from "../../interfaces/identity/compat/IUniversalFactory.sol";
import {IVerifyingProxy} from "../../interfaces/identity/compat/IVerifyingProxy.sol";

/// @title Factory of verifying proxies (see IUniversalFactory).
contract UniversalFactory is IUniversalFactory {
    /// @inheritdoc IUniversalFactory
    address public immutable proxyImplementation;

    /// @param proxyImplementation_  VerifyingProxy, or VerifyingProxyV2.
    constructor(address proxyImplementation_) {
        proxyImplementation = proxyImplementation_;
    }

    /// @inheritdoc IUniversalFactory
    function create(
        uint8 type_,
        address verifier,
        string calldata projectName,
        string calldata name,
        string calldata symbol,
        uint256 amount
    ) external payable returns (address proxy) {
        proxy = Clones.cloneDeterministic(proxyImplementation, keccak256(abi.encode(msg.sender, msg.data)));
        IVerifyingProxy(proxy).initialize{value: msg.value}(type_, verifier, projectName, name, symbol, amount);
        Ownable(proxy).transferOwnership(msg.sender);
        emit CreatedProxy(proxy);
    }
}

/// @title The same for version 2, by the name that v1's tools look for.
contract UniversalFactoryV2 is UniversalFactory {
    constructor(address proxyImplementation_) UniversalFactory(proxyImplementation_) {}
}
