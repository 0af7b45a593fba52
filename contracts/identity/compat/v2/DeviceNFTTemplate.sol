// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IDeviceNFTFactory, IDeviceNFTTemplate} from "../../../interfaces/identity/compat/v2/IDeviceNFTTemplate.sol";

/// @title A collection of devices with chosen ids (see IDeviceNFTTemplate). Logic behind clones.
contract DeviceNFTTemplate is IDeviceNFTTemplate, ERC721Upgradeable, OwnableUpgradeable {
    /// @inheritdoc IDeviceNFTTemplate
    address public operator;

    modifier onlyMinter() {
        if (msg.sender != operator && msg.sender != owner()) revert DeviceNFTTemplate_NotMinter(msg.sender);
        _;
    }

    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc IDeviceNFTTemplate
    function initialize(
        string calldata name_,
        string calldata symbol_,
        address owner_,
        address operator_
    ) external initializer {
        __ERC721_init(name_, symbol_);
        __Ownable_init(owner_);
        _setOperator(operator_);
    }

    /// @inheritdoc IDeviceNFTTemplate
    function setOperator(address operator_) external onlyOwner {
        _setOperator(operator_);
    }

    /// @inheritdoc IDeviceNFTTemplate
    function mint(address to, uint256 tokenId) external onlyMinter {
        _safeMint(to, tokenId);
    }

    /// @inheritdoc IDeviceNFTTemplate
    function batchMint(address[] calldata to, uint256[] calldata tokenIds) external onlyMinter {
        if (to.length != tokenIds.length) revert DeviceNFTTemplate_Lengths(to.length, tokenIds.length);
        for (uint256 i = 0; i < to.length; ++i) {
            _safeMint(to[i], tokenIds[i]);
        }
    }

    /// @inheritdoc IDeviceNFTTemplate
    function burn(uint256 tokenId) external onlyOwner {
        _update(address(0), tokenId, msg.sender);
    }

    function _setOperator(address operator_) private {
        emit OperatorChanged(operator, operator_);
        operator = operator_;
    }
}

/// @title Factory of such collections (see IDeviceNFTFactory).
contract DeviceNFTFactory is IDeviceNFTFactory {
    /// @inheritdoc IDeviceNFTFactory
    address public immutable IMPLEMENTATION;

    /// @param implementation  DeviceNFTTemplate.
    constructor(address implementation) {
        IMPLEMENTATION = implementation;
    }

    /// @inheritdoc IDeviceNFTFactory
    function createDeviceNFT(
        string calldata name,
        string calldata symbol,
        address owner,
        address operator
    ) external returns (address deviceNFT) {
        deviceNFT = Clones.clone(IMPLEMENTATION);
        IDeviceNFTTemplate(deviceNFT).initialize(name, symbol, owner, operator);
        emit DeviceNFTContractCreated(deviceNFT);
    }
}
