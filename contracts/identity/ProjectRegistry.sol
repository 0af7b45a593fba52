// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IProject} from "../interfaces/identity/IProject.sol";
import {IProjectRegistry} from "../interfaces/identity/IProjectRegistry.sol";

/// @title Registration of projects (see IProjectRegistry).
contract ProjectRegistry is IProjectRegistry, AccessManagedUpgradeable, UUPSUpgradeable {
    address private immutable _initialAuthority;
    /// @dev In the code and not in storage: every call reads it, and it never changes.
    IProject private immutable _project;

    /// @dev v1's selectors are payable: callers that mark the call payable still encode the same. Value is refused.
    modifier free() {
        if (msg.value != 0) revert ProjectRegistry_UnexpectedValue(msg.value);
        _;
    }

    /// @param authority_  AccessManager that instances start under.
    /// @param project_  The collection of projects.
    constructor(address authority_, address project_) {
        _initialAuthority = authority_;
        _project = IProject(project_);
        _disableInitializers();
    }

    /// @inheritdoc IProjectRegistry
    function initialize(address project_) external initializer {
        if (project_ != address(_project)) revert ProjectRegistry_OtherProject(project_);
        __AccessManaged_init(_initialAuthority);
    }

    /// @inheritdoc IProjectRegistry
    function register() external payable free returns (uint256) {
        return _project.mint(msg.sender);
    }

    /// @inheritdoc IProjectRegistry
    function register(string calldata name) external payable free returns (uint256) {
        return _project.mint(msg.sender, name);
    }

    /// @inheritdoc IProjectRegistry
    function register(string calldata name, uint8 type_) external payable free returns (uint256) {
        return _project.mint(msg.sender, name, type_);
    }

    /// @inheritdoc IProjectRegistry
    function project() external view returns (address) {
        return address(_project);
    }

    function _authorizeUpgrade(address logic) internal override restricted {
        address other = IProjectRegistry(logic).project();
        if (other != address(_project)) revert ProjectRegistry_OtherProject(other);
    }
}
