// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// solhint-disable gas-custom-errors
// v1 clients match on these strings.

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IIoIDStore} from "../interfaces/identity/IIoIDStore.sol";
import {IProject} from "../interfaces/identity/IProject.sol";

/// @title Quotas, prices and device contracts (see IIoIDStore).
contract IoIDStore is IIoIDStore, AccessManagedUpgradeable, UUPSUpgradeable {
    /// @dev One slot. `known` says that `isVirtual` was read from the project, whose type never changes.
    struct Quota {
        uint64 applied;
        uint64 actived;
        bool known;
        bool isVirtual;
    }

    /// @custom:storage-location erc7201:trellis.storage.IoIDStore
    struct Storage {
        IProject project;
        address ioIDRegistry;
        address feeReceiver;
        uint256 price;
        mapping(uint256 projectId => Quota) quotas;
        mapping(uint256 projectId => address) projectDeviceContract;
        mapping(address deviceContract => uint256) deviceContractProject;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.IoIDStore")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xae977aafbe8e362112af9c42bfb743fece1293087f3f8b1f070b1df17af35800;

    address private immutable _initialAuthority;

    modifier onlyProjectOwner(uint256 projectId) {
        require(_storage().project.ownerOf(projectId) == msg.sender, "invald project owner");
        _;
    }

    /// @param authority_  AccessManager that instances start under.
    constructor(address authority_) {
        _initialAuthority = authority_;
        _disableInitializers();
    }

    /// @inheritdoc IIoIDStore
    function initialize(address project_, uint256 price_) external initializer {
        if (project_ == address(0)) revert IoIDStore_ZeroAddress();
        __AccessManaged_init(_initialAuthority);
        Storage storage $ = _storage();
        $.project = IProject(project_);
        $.price = price_;
        emit Initialize(project_, price_);
    }

    /// @inheritdoc IIoIDStore
    function applyIoIDs(uint256 projectId, uint256 amount) external payable onlyProjectOwner(projectId) {
        Storage storage $ = _storage();
        Quota memory quota = _quota($, projectId);
        require(!quota.isVirtual, "only hardware project");
        _paid(amount * $.price);
        if (amount > type(uint64).max - quota.applied) revert IoIDStore_QuotaTooLarge(projectId, amount);
        quota.applied += uint64(amount);
        $.quotas[projectId] = quota;
        emit ApplyIoIDs(projectId, amount);
    }

    /// @inheritdoc IIoIDStore
    function activeIoID(uint256 projectId) external payable {
        Storage storage $ = _storage();
        require($.ioIDRegistry == msg.sender, "only ioIDRegistry");
        Quota memory quota = _quota($, projectId);
        if (quota.isVirtual) {
            _paid($.price);
            ++quota.applied;
        } else {
            require(quota.applied > quota.actived, "insufficient ioID");
            _paid(0);
        }
        ++quota.actived;
        $.quotas[projectId] = quota;
        emit ActiveIoID(projectId);
    }

    /// @inheritdoc IIoIDStore
    function setDeviceContract(uint256 projectId, address deviceContract) external onlyProjectOwner(projectId) {
        Storage storage $ = _storage();
        require($.projectDeviceContract[projectId] == address(0), "project setted");
        $.quotas[projectId] = _quota($, projectId);
        _setDeviceContract($, projectId, deviceContract);
    }

    /// @inheritdoc IIoIDStore
    function changeDeviceContract(uint256 projectId, address deviceContract) external restricted {
        Storage storage $ = _storage();
        delete $.deviceContractProject[$.projectDeviceContract[projectId]];
        _setDeviceContract($, projectId, deviceContract);
    }

    /// @inheritdoc IIoIDStore
    function changePrice(uint256 price_) external restricted {
        _storage().price = price_;
        emit ChangePrice(price_);
    }

    /// @inheritdoc IIoIDStore
    function changeFeeReceiver(address feeReceiver_) external restricted {
        _storage().feeReceiver = feeReceiver_;
        emit ChangeFeeReceiver(feeReceiver_);
    }

    /// @inheritdoc IIoIDStore
    function setIoIDRegistry(address ioIDRegistry_) external restricted {
        _storage().ioIDRegistry = ioIDRegistry_;
        emit SetIoIDRegistry(ioIDRegistry_);
    }

    /// @inheritdoc IIoIDStore
    function withdraw(address[] calldata recipients, uint256[] calldata amounts) external {
        if (msg.sender != _storage().feeReceiver) _checkCanCall(msg.sender, msg.data);
        require(recipients.length == amounts.length, "invalid request");
        for (uint256 i = 0; i < recipients.length; ++i) {
            (bool success, ) = recipients[i].call{value: amounts[i]}("");
            require(success, "transfer fail");
            emit Withdraw(recipients[i], amounts[i]);
        }
    }

    /// @inheritdoc IIoIDStore
    function deviceContractProject(address deviceContract) external view returns (uint256) {
        return _storage().deviceContractProject[deviceContract];
    }

    /// @inheritdoc IIoIDStore
    function feeReceiver() external view returns (address) {
        return _storage().feeReceiver;
    }

    /// @inheritdoc IIoIDStore
    function ioIDRegistry() external view returns (address) {
        return _storage().ioIDRegistry;
    }

    /// @inheritdoc IIoIDStore
    function price() external view returns (uint256) {
        return _storage().price;
    }

    /// @inheritdoc IIoIDStore
    function project() external view returns (address) {
        return address(_storage().project);
    }

    /// @inheritdoc IIoIDStore
    function projectActivedAmount(uint256 projectId) external view returns (uint256) {
        return _storage().quotas[projectId].actived;
    }

    /// @inheritdoc IIoIDStore
    function projectAppliedAmount(uint256 projectId) external view returns (uint256) {
        return _storage().quotas[projectId].applied;
    }

    /// @inheritdoc IIoIDStore
    function projectDeviceContract(uint256 projectId) external view returns (address) {
        return _storage().projectDeviceContract[projectId];
    }

    /// @inheritdoc IIoIDStore
    function owner() external view returns (address) {
        return authority();
    }

    function _setDeviceContract(Storage storage $, uint256 projectId, address deviceContract) private {
        if (deviceContract == address(0)) revert IoIDStore_ZeroAddress();
        require($.deviceContractProject[deviceContract] == 0, "contract setted");
        $.projectDeviceContract[projectId] = deviceContract;
        $.deviceContractProject[deviceContract] = projectId;
        emit SetDeviceContract(projectId, deviceContract);
    }

    /// @dev Value must be what is due: what is overpaid would be stuck with the fees.
    function _paid(uint256 due) private view {
        require(msg.value >= due, "insufficient fund");
        if (msg.value > due) revert IoIDStore_Overpaid(msg.value, due);
    }

    function _quota(Storage storage $, uint256 projectId) private view returns (Quota memory quota) {
        quota = $.quotas[projectId];
        if (!quota.known) {
            quota.known = true;
            quota.isVirtual = $.project.projectType(projectId) != 0;
        }
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
