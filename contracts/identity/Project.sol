// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// solhint-disable gas-custom-errors
// v1 clients match on these strings.

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IProject} from "../interfaces/identity/IProject.sol";
import {PackedString} from "../libraries/PackedString.sol";

/// @title Projects (see IProject).
contract Project is IProject, ERC721Upgradeable, AccessManagedUpgradeable, UUPSUpgradeable {
    struct Name {
        bool taken;
    }

    /// @custom:storage-location erc7201:trellis.storage.Project
    struct Storage {
        /// @dev count (96 bits) | minter << 96: one read and one write in each mint.
        uint256 minterAndCount;
        /// @dev type (8 bits) | length (16) | first 29 bytes of the name.
        mapping(uint256 projectId => uint256) heads;
        mapping(uint256 projectId => mapping(uint256 => bytes32)) nameTails;
        mapping(bytes32 nameHash => Name) names;
        mapping(uint256 projectId => mapping(bytes32 key => bytes)) metadata;
        /// @dev By project and epoch: a transfer begins a new epoch, in which nobody is operator yet.
        mapping(uint256 projectAndEpoch => mapping(address operator => bool)) operators;
        mapping(uint256 projectId => uint256) epochs;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.Project")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xf6e4294ff61af422cacc92a87405cefae47d732749018d5ef563b4fbc5a8af00;
    uint256 private constant NAME_LOW = 24;

    address private immutable _initialAuthority;

    modifier onlyProjectOwner(uint256 projectId) {
        require(msg.sender == ownerOf(projectId), "invalid owner");
        _;
    }

    /// @param authority_  AccessManager that instances start under.
    constructor(address authority_) {
        _initialAuthority = authority_;
        _disableInitializers();
    }

    /// @inheritdoc IProject
    function initialize(string calldata name_, string calldata symbol_) external initializer {
        __ERC721_init(name_, symbol_);
        __AccessManaged_init(_initialAuthority);
        _setMinter(msg.sender);
    }

    /// @inheritdoc IProject
    function mint(address owner_) external returns (uint256 projectId) {
        projectId = _nextId(_storage());
        _mint(owner_, projectId);
    }

    /// @inheritdoc IProject
    function mint(address owner_, string calldata name_) external returns (uint256) {
        return _mintProject(owner_, name_, 0);
    }

    /// @inheritdoc IProject
    function mint(address owner_, string calldata name_, uint8 type_) external returns (uint256) {
        return _mintProject(owner_, name_, type_);
    }

    /// @inheritdoc IProject
    function setName(uint256 projectId, string calldata name_) external onlyProjectOwner(projectId) {
        Storage storage $ = _storage();
        bytes memory old = bytes(name(projectId));
        _takeName(name_);
        if (old.length != 0) $.names[keccak256(old)].taken = false;
        $.heads[projectId] = PackedString.write($.nameTails[projectId], $.heads[projectId], NAME_LOW, name_);
        emit SetName(projectId, name_);
    }

    /// @inheritdoc IProject
    function setMetadata(uint256 projectId, string calldata name_, bytes calldata value) external {
        require(msg.sender == ownerOf(projectId) || isOperator(projectId, msg.sender), "invalid operator");
        bytes32 key = keccak256(bytes(name_));
        _storage().metadata[projectId][key] = value;
        emit AddMetadata(projectId, name_, key, value);
    }

    /// @inheritdoc IProject
    function addOperator(uint256 projectId, address operator) external onlyProjectOwner(projectId) {
        mapping(address => bool) storage operators = _operators(projectId);
        require(!operators[operator], "already operator");
        operators[operator] = true;
        emit AddOperator(projectId, operator);
    }

    /// @inheritdoc IProject
    function removeOperator(uint256 projectId, address operator) external onlyProjectOwner(projectId) {
        mapping(address => bool) storage operators = _operators(projectId);
        require(operators[operator], "not operator");
        operators[operator] = false;
        emit RemoveOperator(projectId, operator);
    }

    /// @inheritdoc IProject
    function setMinter(address minter_) external restricted {
        _setMinter(minter_);
    }

    /// @inheritdoc IProject
    function count() external view returns (uint256) {
        return uint96(_storage().minterAndCount);
    }

    /// @inheritdoc IProject
    function minter() external view returns (address) {
        return address(uint160(_storage().minterAndCount >> 96));
    }

    /// @inheritdoc IProject
    function projectType(uint256 projectId) external view returns (uint8) {
        _requireOwned(projectId);
        return uint8(_storage().heads[projectId]);
    }

    /// @inheritdoc IProject
    function metadata(uint256 projectId, string calldata name_) external view returns (bytes memory) {
        _requireOwned(projectId);
        return _storage().metadata[projectId][keccak256(bytes(name_))];
    }

    /// @inheritdoc IProject
    function owner() external view returns (address) {
        return authority();
    }

    /// @inheritdoc IProject
    function name(uint256 projectId) public view returns (string memory) {
        _requireOwned(projectId);
        Storage storage $ = _storage();
        return PackedString.read($.nameTails[projectId], $.heads[projectId], NAME_LOW);
    }

    /// @inheritdoc IProject
    function isOperator(uint256 projectId, address account) public view returns (bool) {
        return _operators(projectId)[account];
    }

    /// @dev A transfer begins a new epoch of operators.
    function _update(address to, uint256 projectId, address auth) internal override returns (address from) {
        from = super._update(to, projectId, auth);
        if (from != address(0)) ++_storage().epochs[projectId];
    }

    function _mintProject(address owner_, string calldata name_, uint8 type_) private returns (uint256 projectId) {
        Storage storage $ = _storage();
        projectId = _nextId($);
        if (type_ > 1) revert Project_UnknownType(type_);
        _takeName(name_);
        $.heads[projectId] = PackedString.write($.nameTails[projectId], type_, NAME_LOW, name_);
        _mint(owner_, projectId);
        emit SetName(projectId, name_);
    }

    /// @dev Minter only.
    function _nextId(Storage storage $) private returns (uint256 projectId) {
        uint256 packed = $.minterAndCount;
        require(msg.sender == address(uint160(packed >> 96)), "not minter");
        unchecked {
            $.minterAndCount = packed + 1;
            return uint96(packed) + 1;
        }
    }

    /// @dev Project ids are below 2^96; in epoch 0 the key is the project alone.
    function _operators(uint256 projectId) private view returns (mapping(address => bool) storage) {
        Storage storage $ = _storage();
        return $.operators[projectId | ($.epochs[projectId] << 96)];
    }

    function _takeName(string calldata name_) private {
        require(bytes(name_).length != 0, "empty name");
        Name storage entry = _storage().names[keccak256(bytes(name_))];
        require(!entry.taken, "exist name");
        entry.taken = true;
    }

    function _setMinter(address minter_) private {
        Storage storage $ = _storage();
        $.minterAndCount = (uint256(uint160(minter_)) << 96) | uint96($.minterAndCount);
        emit SetMinter(minter_);
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
