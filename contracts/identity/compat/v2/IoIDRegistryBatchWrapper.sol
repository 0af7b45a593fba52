// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// solhint-disable gas-custom-errors
// v2 clients match on these strings.

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IIoIDRegistryBatchWrapper, IIoIDRegistryV2} from "../../../interfaces/identity/compat/v2/IIoIDRegistryV2.sol";
import {IERC6551Registry} from "../../../interfaces/wallet/IERC6551.sol";

/// @title Many identifiers and their accounts in one call (see IIoIDRegistryBatchWrapper).
contract IoIDRegistryBatchWrapper is IIoIDRegistryBatchWrapper, Ownable {
    /// @notice The registry that this contract is, or will be, the operator of.
    address public immutable ioIDRegistry;
    /// @notice The ERC-6551 registry.
    address public immutable erc6551Registry;
    /// @notice What accounts are cloned from.
    address public immutable accountImplementationProxy;
    /// @notice v2's first logic of accounts; never called.
    address public immutable accountImplementationUpgradable;
    /// @notice Salt of accounts.
    bytes32 public immutable accountSalt;

    constructor(
        address owner,
        address ioIDRegistry_,
        address erc6551Registry_,
        address accountImplementationProxy_,
        address accountImplementationUpgradable_,
        bytes32 accountSalt_
    ) Ownable(owner) {
        require(ioIDRegistry_ != address(0), "Invalid IoID registry address");
        require(erc6551Registry_ != address(0), "Invalid ERC6551 registry address");
        require(accountImplementationProxy_ != address(0), "Invalid account proxy address");
        ioIDRegistry = ioIDRegistry_;
        erc6551Registry = erc6551Registry_;
        accountImplementationProxy = accountImplementationProxy_;
        accountImplementationUpgradable = accountImplementationUpgradable_;
        accountSalt = accountSalt_;
    }

    /// @inheritdoc IIoIDRegistryBatchWrapper
    function batchRegister(
        bytes32[] calldata ioIDIdentifiers,
        uint256[] calldata chainIDs,
        address[] calldata nftContracts,
        uint256[] calldata tokenIDs
    ) external onlyOwner returns (address[] memory accountAddresses) {
        uint256 length = ioIDIdentifiers.length;
        require(
            chainIDs.length == length && nftContracts.length == length && tokenIDs.length == length,
            "Array length mismatch"
        );
        accountAddresses = new address[](length);
        for (uint256 i = 0; i < length; ++i) {
            (uint256 chainID, address nft, uint256 tokenID) = (chainIDs[i], nftContracts[i], tokenIDs[i]);
            IIoIDRegistryV2(ioIDRegistry).registerDeviceNFT(
                ioIDIdentifiers[i],
                chainID,
                abi.encodePacked(nft),
                tokenID
            );
            accountAddresses[i] = _createAccount(chainID, nft, tokenID);
            emit BatchRegistered(ioIDIdentifiers[i], chainID, nft, tokenID, accountAddresses[i]);
        }
    }

    /// @inheritdoc IIoIDRegistryBatchWrapper
    function registerDeviceNFT(
        bytes32 ioIDIdentifier,
        uint256 chainID,
        bytes calldata NFTcontract,
        uint256 tokenID
    ) external onlyOwner {
        IIoIDRegistryV2(ioIDRegistry).registerDeviceNFT(ioIDIdentifier, chainID, NFTcontract, tokenID);
    }

    function _createAccount(uint256 chainID, address nft, uint256 tokenID) private returns (address) {
        return
            IERC6551Registry(erc6551Registry).createAccount(
                accountImplementationProxy,
                accountSalt,
                chainID,
                nft,
                tokenID
            );
    }
}
