// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {IDeviceNFT} from "../interfaces/identity/IDeviceNFT.sol";

/// @title Device NFT of a project (see IDeviceNFT).
/// @dev Logic behind clones or proxies without an upgrade function: a project's collection does not change.
contract DeviceNFT is IDeviceNFT, ERC721Upgradeable, OwnableUpgradeable {
    struct Minter {
        bool active;
        uint248 allowance;
    }

    /// @custom:storage-location erc7201:trellis.storage.DeviceNFT
    struct Storage {
        uint256 total;
        string baseURI;
        mapping(address minter => Minter) minters;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.DeviceNFT")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xfa2a593c97beaf757b2034903c01f48bc24732ad2eb81f99ce127fb6b3636a00;

    constructor() {
        _disableInitializers();
    }

    /// @inheritdoc IDeviceNFT
    function initialize(string calldata name_, string calldata symbol_) external {
        initialize(name_, symbol_, msg.sender);
    }

    /// @inheritdoc IDeviceNFT
    function configureMinter(address minter, uint256 minterAllowedAmount) external onlyOwner {
        if (minter == address(0)) revert DeviceNFT_ZeroMinter();
        _storage().minters[minter] = Minter(true, _clamp(minterAllowedAmount));
        emit MinterConfigured(minter, minterAllowedAmount);
    }

    /// @inheritdoc IDeviceNFT
    function incrementMinterAllowance(address minter, uint256 allowanceIncrement) external onlyOwner {
        Minter storage entry = _storage().minters[minter];
        if (!entry.active) revert DeviceNFT_NotMinter(minter);
        entry.allowance = _clamp(uint256(entry.allowance) + _clamp(allowanceIncrement));
        emit MinterAllowanceIncremented(msg.sender, minter, allowanceIncrement);
    }

    /// @inheritdoc IDeviceNFT
    function removeMinter(address minter) external onlyOwner {
        delete _storage().minters[minter];
        emit MinterRemoved(minter);
    }

    /// @inheritdoc IDeviceNFT
    function setBaseURI(string calldata uri) external onlyOwner {
        _storage().baseURI = uri;
        emit SetBaseURI(uri);
    }

    /// @inheritdoc IDeviceNFT
    function mint(address to) external returns (uint256 tokenId) {
        Storage storage $ = _storage();
        Minter memory entry = $.minters[msg.sender];
        if (!entry.active) revert DeviceNFT_NotMinter(msg.sender);
        if (entry.allowance == 0) revert DeviceNFT_AllowanceSpent(msg.sender);
        $.minters[msg.sender].allowance = entry.allowance - 1;
        tokenId = ++$.total;
        _mint(to, tokenId);
    }

    /// @inheritdoc IDeviceNFT
    function isMinter(address account) external view returns (bool) {
        return _storage().minters[account].active;
    }

    /// @inheritdoc IDeviceNFT
    function minterAllowance(address minter) external view returns (uint256) {
        return _storage().minters[minter].allowance;
    }

    /// @inheritdoc IDeviceNFT
    function total() external view returns (uint256) {
        return _storage().total;
    }

    /// @inheritdoc IDeviceNFT
    function initialize(string calldata name_, string calldata symbol_, address owner_) public initializer {
        __Ownable_init(owner_);
        __ERC721_init(name_, symbol_);
    }

    function _baseURI() internal view override returns (string memory) {
        return _storage().baseURI;
    }

    /// @dev "Unlimited" is written as 2^256 - 1; 2^248 - 1 is as good.
    function _clamp(uint256 amount) private pure returns (uint248) {
        return amount > type(uint248).max ? type(uint248).max : uint248(amount);
    }

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
