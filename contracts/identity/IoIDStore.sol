// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// solhint-disable gas-custom-errors
// v1 clients match on these strings.

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IERC721Enumerable} from "@openzeppelin/contracts/token/ERC721/extensions/IERC721Enumerable.sol";
import {IBurner} from "../interfaces/identity/IBurner.sol";
import {IIoIDRegistry} from "../interfaces/identity/IIoIDRegistry.sol";
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
        address memberships;
        uint16 burnShare;
        Point[] curve;
        uint128 paid;
        uint128 burned;
        uint128 burnDue;
        uint128 refundable;
        uint128 withdrawn;
        uint128 refunded;
        mapping(address account => uint256) refunds;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.IoIDStore")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xae977aafbe8e362112af9c42bfb743fece1293087f3f8b1f070b1df17af35800;

    /// @notice What the share is burned in the name of.
    bytes32 public constant BURN_SOURCE = keccak256("ioID registration");
    uint256 public constant MAX_POINTS = 16;
    uint256 private constant WHOLE = 10_000;
    uint16 private constant DEFAULT_BURN_SHARE = 2_500;

    address private immutable _initialAuthority;
    IBurner private immutable _burner;

    /// @dev Price of this transaction's first activation + 1, 0 before it.
    uint256 private transient _quote;

    modifier onlyProjectOwner(uint256 projectId) {
        require(_storage().project.ownerOf(projectId) == msg.sender, "invald project owner");
        _;
    }

    /// @param authority_  AccessManager that instances start under.
    /// @param burner_  The ledger that burns.
    constructor(address authority_, address burner_) {
        if (burner_ == address(0)) revert IoIDStore_ZeroAddress();
        _initialAuthority = authority_;
        _burner = IBurner(burner_);
        _disableInitializers();
    }

    /// @inheritdoc IIoIDStore
    function initialize(address project_, uint256 price_) external initializer {
        if (project_ == address(0)) revert IoIDStore_ZeroAddress();
        __AccessManaged_init(_initialAuthority);
        Storage storage $ = _storage();
        $.project = IProject(project_);
        $.price = price_;
        $.burnShare = DEFAULT_BURN_SHARE;
        emit Initialize(project_, price_);
    }

    /// @inheritdoc IIoIDStore
    function applyIoIDs(uint256 projectId, uint256 amount) external payable onlyProjectOwner(projectId) {
        Storage storage $ = _storage();
        Quota memory quota = _quota($, projectId);
        require(!quota.isVirtual, "only hardware project");
        _pay($, amount * _price($), msg.sender);
        if (amount > type(uint64).max - quota.applied) revert IoIDStore_QuotaTooLarge(projectId, amount);
        quota.applied += uint64(amount);
        $.quotas[projectId] = quota;
        emit ApplyIoIDs(projectId, amount);
    }

    /// @inheritdoc IIoIDStore
    function activeIoID(uint256 projectId) external payable {
        _active(projectId, address(0));
    }

    /// @inheritdoc IIoIDStore
    function activeIoID(uint256 projectId, address payer) external payable {
        _active(projectId, payer);
    }

    /// @inheritdoc IIoIDStore
    function claimRefund(address to) external {
        Storage storage $ = _storage();
        uint256 amount = $.refunds[msg.sender];
        if (amount == 0) revert IoIDStore_NoRefund(msg.sender);
        $.refunds[msg.sender] = 0;
        $.refundable -= uint128(amount);
        $.refunded += uint128(amount);
        emit RefundClaimed(msg.sender, to, amount);
        (bool taken, ) = to.call{value: amount}("");
        if (!taken) revert IoIDStore_RefundRefused(to);
    }

    /// @inheritdoc IIoIDStore
    function flushBurn() external {
        Storage storage $ = _storage();
        uint128 due = $.burnDue;
        if (due == 0) return;
        $.burnDue = 0;
        $.burned += due;
        _burner.burn{value: due}(BURN_SOURCE);
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
        delete _storage().curve;
        _quote = 0;
        _storage().price = price_;
        emit ChangePrice(price_);
    }

    /// @inheritdoc IIoIDStore
    function setPriceCurve(Point[] calldata points) external restricted {
        if (points.length == 0 || points.length > MAX_POINTS) revert IoIDStore_BadCurve(points.length);
        Storage storage $ = _storage();
        delete $.curve;
        _quote = 0;
        for (uint256 i = 0; i < points.length; ++i) {
            bool ascends = i == 0 ? points[i].devices == 0 : points[i].devices > points[i - 1].devices;
            if (!ascends) revert IoIDStore_BadCurve(i);
            $.curve.push(points[i]);
        }
        emit ChangePriceCurve(points);
    }

    /// @inheritdoc IIoIDStore
    function setBurnShare(uint256 bps) external restricted {
        if (bps > WHOLE) revert IoIDStore_BadShare(bps);
        _storage().burnShare = uint16(bps);
        emit ChangeBurnShare(bps);
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
    function setMemberships(address memberships_) external restricted {
        _storage().memberships = memberships_;
        emit SetMemberships(memberships_);
    }

    /// @inheritdoc IIoIDStore
    function withdraw(address[] calldata recipients, uint256[] calldata amounts) external {
        Storage storage $ = _storage();
        if (msg.sender != $.feeReceiver) _checkCanCall(msg.sender, msg.data);
        require(recipients.length == amounts.length, "invalid request");
        for (uint256 i = 0; i < recipients.length; ++i) {
            require(amounts[i] <= _treasury($), "transfer fail");
            $.withdrawn += uint128(amounts[i]);
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
    function memberships() external view returns (address) {
        return _storage().memberships;
    }

    /// @inheritdoc IIoIDStore
    function price() external view returns (uint256) {
        return _price(_storage());
    }

    /// @inheritdoc IIoIDStore
    function priceCurve() external view returns (Point[] memory) {
        return _storage().curve;
    }

    /// @inheritdoc IIoIDStore
    function burnShare() external view returns (uint256) {
        return _storage().burnShare;
    }

    /// @inheritdoc IIoIDStore
    function burner() external view returns (address) {
        return address(_burner);
    }

    /// @inheritdoc IIoIDStore
    function refundable(address account) external view returns (uint256) {
        return _storage().refunds[account];
    }

    /// @inheritdoc IIoIDStore
    function accounting() external view returns (Accounting memory) {
        Storage storage $ = _storage();
        return
            Accounting({
                paid: $.paid,
                burned: $.burned,
                burnDue: $.burnDue,
                treasury: _treasury($),
                refundable: $.refundable,
                withdrawn: $.withdrawn,
                refunded: $.refunded
            });
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

    function _active(uint256 projectId, address payer) private {
        Storage storage $ = _storage();
        require(msg.sender == $.ioIDRegistry || msg.sender == $.memberships, "only ioIDRegistry");
        Quota memory quota = _quota($, projectId);
        if (quota.isVirtual) {
            uint256 due = _price($);
            _quote = due + 1;
            _pay($, due, payer);
            ++quota.applied;
        } else {
            require(quota.applied > quota.actived, "insufficient ioID");
            _pay($, 0, payer);
        }
        ++quota.actived;
        $.quotas[projectId] = quota;
        emit ActiveIoID(projectId);
    }

    /// @dev Books msg.value. All of it fits 128 bits: there is less ether.
    function _pay(Storage storage $, uint256 due, address payer) private {
        require(msg.value >= due, "insufficient fund");
        if (msg.value == 0) return;
        $.paid += uint128(msg.value);
        $.burnDue += uint128((due * $.burnShare) / WHOLE);
        if (msg.value == due) return;
        uint256 over = msg.value - due;
        if (payer == address(0)) revert IoIDStore_Overpaid(msg.value, due);
        $.refundable += uint128(over);
        $.refunds[payer] += over;
        emit RefundDue(payer, over);
    }

    function _price(Storage storage $) private view returns (uint256) {
        uint256 left = $.curve.length;
        if (left == 0) return $.price;
        if (_quote != 0) return _quote - 1;
        uint256 live = IERC721Enumerable(IIoIDRegistry($.ioIDRegistry).ioID()).totalSupply();
        while ($.curve[--left].devices > live) {} // the first point is at 0 devices
        return $.curve[left].price;
    }

    /// @dev Also what came without a payment: an earlier version's fees, ether that was forced in. Nothing is stuck.
    function _treasury(Storage storage $) private view returns (uint256) {
        return address(this).balance - $.burnDue - $.refundable;
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
