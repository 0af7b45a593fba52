// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// solhint-disable gas-custom-errors
// v2 clients match on these strings.

import {Ownable2StepUpgradeable} from "@openzeppelin/contracts-upgradeable/access/Ownable2StepUpgradeable.sol";
import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IIoIDRegistryV2} from "../../../interfaces/identity/compat/v2/IIoIDRegistryV2.sol";
import {IIoID} from "../../../interfaces/identity/IIoID.sol";
import {IIoIDRegistry} from "../../../interfaces/identity/IIoIDRegistry.sol";

/// @title ioID v2's registry over ours (see IIoIDRegistryV2).
/// @dev Owner and operator are v2's; an upgrade belongs to the one authority, as everywhere.
contract IoIDRegistryV2 is IIoIDRegistryV2, Ownable2StepUpgradeable, AccessManagedUpgradeable, UUPSUpgradeable {
    struct Entry {
        uint256 chainID;
        uint256 tokenID;
        bytes nftContract;
        string didUri;
        bytes32 didHash;
    }

    /// @custom:storage-location erc7201:trellis.storage.IoIDRegistryV2
    struct Storage {
        address operator;
        uint256 count;
        mapping(bytes32 identifier => Entry) entries;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.IoIDRegistryV2")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xe27e306ce560911220d4776e26a4554f3229610b818f25c2ffa68267b1940b00;

    address private immutable _initialAuthority;
    IIoIDRegistry private immutable _registry;

    modifier onlyOperator() {
        address operator_ = _storage().operator;
        if (msg.sender != operator_) revert IoIDRegistryV2_NotOperator(msg.sender, operator_);
        _;
    }

    /// @param authority_  AccessManager that instances start under.
    /// @param registry_  Our registry, which answers for devices.
    constructor(address authority_, address registry_) {
        _initialAuthority = authority_;
        _registry = IIoIDRegistry(registry_);
        _disableInitializers();
    }

    /// @inheritdoc IIoIDRegistryV2
    function initialize(address owner_) external initializer {
        __Ownable_init(owner_);
        __AccessManaged_init(_initialAuthority);
        _setOperator(owner_);
    }

    /// @inheritdoc IIoIDRegistryV2
    function setOperator(address operator_) external onlyOwner {
        _setOperator(operator_);
    }

    /// @inheritdoc IIoIDRegistryV2
    function registerDeviceNFT(
        bytes32 ioIDIdentifier,
        uint256 chainID,
        bytes calldata NFTcontract,
        uint256 tokenID
    ) external onlyOperator {
        _write(ioIDIdentifier, chainID, NFTcontract, tokenID);
    }

    /// @inheritdoc IIoIDRegistryV2
    function registerDeviceNFTWithDIDDoc(
        bytes32 ioIDIdentifier,
        uint256 chainID,
        bytes calldata NFTcontract,
        uint256 tokenID,
        string calldata didUri,
        bytes32 didHash
    ) external onlyOperator {
        Entry storage entry = _write(ioIDIdentifier, chainID, NFTcontract, tokenID);
        (entry.didUri, entry.didHash) = (didUri, didHash);
        emit DIDDocMetadataUpdated(ioIDIdentifier, didUri, didHash);
    }

    /// @inheritdoc IIoIDRegistryV2
    function deleteDeviceNFT(bytes32 ioIDIdentifier) external onlyOwner {
        require(ioIDIdentifier != bytes32(0), "Invalid ioID identifier");
        Storage storage $ = _storage();
        Entry storage entry = $.entries[ioIDIdentifier];
        if (entry.nftContract.length == 0) return;
        --$.count;
        emit DeviceNFTDeleted(ioIDIdentifier);
        if (bytes(entry.didUri).length != 0) emit DIDDocMetadataDeleted(ioIDIdentifier);
        delete $.entries[ioIDIdentifier];
    }

    /// @inheritdoc IIoIDRegistryV2
    function operator() external view returns (address) {
        return _storage().operator;
    }

    /// @inheritdoc IIoIDRegistryV2
    function totalDevices() external view returns (uint256) {
        return IIoID(_registry.ioID()).totalSupply() + _storage().count;
    }

    /// @inheritdoc IIoIDRegistryV2
    function getDeviceNFT(
        bytes32 ioIDIdentifier
    ) external view returns (uint256 chainID, bytes memory NFTcontract, uint256 tokenID) {
        if (_isDevice(ioIDIdentifier)) {
            address device = _device(ioIDIdentifier);
            if (!_registry.exists(device)) return (0, "", 0);
            return (block.chainid, abi.encodePacked(_registry.ioID()), _registry.deviceTokenId(device));
        }
        Entry storage entry = _storage().entries[ioIDIdentifier];
        return (entry.chainID, entry.nftContract, entry.tokenID);
    }

    /// @inheritdoc IIoIDRegistryV2
    function getDIDDocMetadata(
        bytes32 ioIDIdentifier
    ) external view returns (string memory didDocUri, bytes32 didDocHash) {
        if (_isDevice(ioIDIdentifier)) {
            address device = _device(ioIDIdentifier);
            if (!_registry.exists(device)) return ("", bytes32(0));
            return (_registry.documentURI(device), _registry.documentHash(device));
        }
        Entry storage entry = _storage().entries[ioIDIdentifier];
        return (entry.didUri, entry.didHash);
    }

    function _write(
        bytes32 identifier,
        uint256 chainID,
        bytes calldata nftContract,
        uint256 tokenID
    ) private returns (Entry storage entry) {
        require(identifier != bytes32(0), "Invalid ioID identifier");
        require(nftContract.length == 20 || nftContract.length == 32, "Invalid NFT contract length");
        if (_isDevice(identifier)) revert IoIDRegistryV2_DeviceIdentifier(identifier);
        Storage storage $ = _storage();
        entry = $.entries[identifier];
        if (entry.nftContract.length == 0) ++$.count;
        (entry.chainID, entry.nftContract, entry.tokenID) = (chainID, nftContract, tokenID);
        emit DeviceNFTUpdated(identifier, chainID, nftContract, tokenID);
    }

    function _setOperator(address operator_) private {
        if (operator_ == address(0)) revert IoIDRegistryV2_ZeroOperator();
        Storage storage $ = _storage();
        emit OperatorChanged($.operator, operator_);
        $.operator = operator_;
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _isDevice(bytes32 identifier) private pure returns (bool) {
        return uint256(identifier) <= type(uint160).max;
    }

    function _device(bytes32 identifier) private pure returns (address) {
        return address(uint160(uint256(identifier)));
    }

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
