// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IProject} from "../interfaces/identity/IProject.sol";
import {IProjectRegistry} from "../interfaces/identity/IProjectRegistry.sol";

/// @title Registration of projects (see IProjectRegistry).
contract ProjectRegistry is IProjectRegistry, AccessManagedUpgradeable, UUPSUpgradeable {
    /// @custom:storage-location erc7201:trellis.storage.ProjectRegistry
    struct Storage {
        IProject project;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.ProjectRegistry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xfef717260cafb449c7033321a6d0b44d4f3c9bb8e9d305a1b0b7beefdc01b300;

    address private immutable _initialAuthority;

    /// @dev v1's selectors are payable: callers that mark the call payable still encode the same. Value is refused.
    modifier free() {
        if (msg.value != 0) revert ProjectRegistry_UnexpectedValue(msg.value);
        _;
    }

    /// @param authority_  AccessManager that instances start under.
    constructor(address authority_) {
        _initialAuthority = authority_;
        _disableInitializers();
    }

    /// @inheritdoc IProjectRegistry
    function initialize(address project_) external initializer {
        __AccessManaged_init(_initialAuthority);
        _storage().project = IProject(project_);
    }

    /// @inheritdoc IProjectRegistry
    function register() external payable free returns (uint256) {
        return _storage().project.mint(msg.sender);
    }

    /// @inheritdoc IProjectRegistry
    function register(string calldata name) external payable free returns (uint256) {
        return _storage().project.mint(msg.sender, name);
    }

    /// @inheritdoc IProjectRegistry
    function register(string calldata name, uint8 type_) external payable free returns (uint256) {
        return _storage().project.mint(msg.sender, name, type_);
    }

    /// @inheritdoc IProjectRegistry
    function project() external view returns (address) {
        return address(_storage().project);
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
