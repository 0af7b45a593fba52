// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Quotas, prices and device contracts of projects (ioID v1 ABI).
/// @dev A hardware project applies for ioIDs ahead; a virtual one pays `price` with each device. Of each fee a share waits
/// to be burned, which anybody may do, and the rest waits for the treasury. What is overpaid is the payer's, who fetches it.
/// burned + burnDue + treasury + withdrawn + refundable + refunded = paid, in wei.
interface IIoIDStore {
    /// @notice From `devices` live ioIDs on, one ioID costs `price` wei.
    struct Point {
        uint64 devices;
        uint192 price;
    }

    /// @notice Where every wei that was paid is.
    struct Accounting {
        uint256 paid;
        uint256 burned;
        uint256 burnDue;
        uint256 treasury;
        uint256 refundable;
        uint256 withdrawn;
        uint256 refunded;
    }

    /// @notice One ioID of the project became active.
    event ActiveIoID(uint256 indexed projectId);

    /// @notice The project bought `amount` ioIDs.
    event ApplyIoIDs(uint256 indexed projectId, uint256 amount);

    /// @notice Who may withdraw fees changed.
    event ChangeFeeReceiver(address indexed feeReceiver);

    /// @notice The price of one ioID changed, and is the same for any number of devices.
    event ChangePrice(uint256 price);

    /// @notice The burned share of fees changed, in units of 1/10,000.
    event ChangeBurnShare(uint256 bps);

    /// @notice The price of one ioID follows these steps.
    event ChangePriceCurve(Point[] points);

    /// @notice The store was initialised.
    event Initialize(address indexed project, uint256 price);

    /// @notice Devices of the project are tokens of `deviceContract`.
    event SetDeviceContract(uint256 indexed projectId, address indexed deviceContract);

    /// @notice Who may activate ioIDs changed.
    event SetIoIDRegistry(address indexed ioIDRegistry);

    /// @notice Who may activate ioIDs for memberships changed.
    event SetMemberships(address indexed memberships);

    /// @notice Fees were sent.
    event Withdraw(address indexed recipient, uint256 amount);

    /// @notice `account` paid `amount` more than was due.
    event RefundDue(address indexed account, uint256 amount);

    /// @notice `account` fetched what he had overpaid.
    event RefundClaimed(address indexed account, address indexed to, uint256 amount);

    /// @notice More value came than is due, and nobody is named who could have it back.
    error IoIDStore_Overpaid(uint256 have, uint256 want);

    /// @notice A curve has 1 to 16 points, the first at 0 devices, each further one at more devices.
    error IoIDStore_BadCurve(uint256 index);

    /// @notice A share has at most 10,000 parts of 10,000.
    error IoIDStore_BadShare(uint256 bps);

    /// @notice The account has nothing to fetch.
    error IoIDStore_NoRefund(address account);

    /// @notice The receiver of a refund did not take it: name another.
    error IoIDStore_RefundRefused(address to);

    /// @notice The address may not be zero.
    error IoIDStore_ZeroAddress();

    /// @notice The quota would pass 2^64 - 1.
    error IoIDStore_QuotaTooLarge(uint256 projectId, uint256 amount);

    /// @notice Sets the collection of projects and the price. The authority is set by the constructor of the logic.
    function initialize(address project_, uint256 price_) external;

    /// @notice Buys `amount` ioIDs for a hardware project. Project owner only; value at least amount * price.
    function applyIoIDs(uint256 projectId, uint256 amount) external payable;

    /// @notice Uses one ioID of the project's quota, or buys one for a virtual project. Registry and memberships only.
    /// @dev v1's form names no payer: value must be exact.
    function activeIoID(uint256 projectId) external payable;

    /// @notice The same, and what is overpaid becomes the payer's to fetch.
    /// @dev The price of the first one in a transaction is the price of all in it: `price()` times their number is right.
    function activeIoID(uint256 projectId, address payer) external payable;

    /// @notice Sends what the caller has overpaid to `to`.
    function claimRefund(address to) external;

    /// @notice Burns the share of fees that waits for it. Anybody.
    function flushBurn() external;

    /// @notice Ties a device contract to a project, once. Project owner only.
    /// @dev The contract must not be tied already: who is first owns the name, so a project sets it before it mints.
    function setDeviceContract(uint256 projectId, address deviceContract) external;

    /// @notice Changes a project's device contract. Authority only. The old one is tied no longer.
    function changeDeviceContract(uint256 projectId, address deviceContract) external;

    /// @notice Sets the price of one ioID, in wei, for any number of devices. Authority only.
    function changePrice(uint256 price_) external;

    /// @notice Sets the price by steps over the number of live ioIDs. Authority only.
    /// @dev Steps and no slope: a price that moved with each device would make every second client's value stale.
    function setPriceCurve(Point[] calldata points) external;

    /// @notice Sets the share of fees that is burned, in units of 1/10,000. Authority only; holds for what is paid later.
    function setBurnShare(uint256 bps) external;

    /// @notice Sets who may withdraw beside the authority. Authority only.
    function changeFeeReceiver(address feeReceiver_) external;

    /// @notice Sets who may activate. Authority only.
    function setIoIDRegistry(address ioIDRegistry_) external;

    /// @notice Sets who may activate beside the registry. Authority only.
    function setMemberships(address memberships_) external;

    /// @notice Sends fees of the treasury's share, never refunds nor what is to be burned. Fee receiver or authority.
    function withdraw(address[] calldata recipients, uint256[] calldata amounts) external;

    /// @notice Project that a device contract is tied to, 0 when none.
    function deviceContractProject(address deviceContract) external view returns (uint256);

    /// @notice Who may withdraw beside the authority.
    function feeReceiver() external view returns (address);

    /// @notice Who may activate.
    function ioIDRegistry() external view returns (address);

    /// @notice Who may activate beside the registry.
    function memberships() external view returns (address);

    /// @notice Price of one ioID now, in wei.
    function price() external view returns (uint256);

    /// @notice Steps of the price; empty when it is the same for any number of devices.
    function priceCurve() external view returns (Point[] memory);

    /// @notice Share of fees that is burned, in units of 1/10,000.
    function burnShare() external view returns (uint256);

    /// @notice The ledger that burns.
    function burner() external view returns (address);

    /// @notice What `account` overpaid and has not fetched, in wei.
    function refundable(address account) external view returns (uint256);

    /// @notice Where every wei is. The treasury is all that is neither refundable nor to be burned.
    function accounting() external view returns (Accounting memory);

    /// @notice The collection of projects.
    function project() external view returns (address);

    /// @notice ioIDs of the project that were used. Removal does not give one back.
    function projectActivedAmount(uint256 projectId) external view returns (uint256);

    /// @notice ioIDs that the project bought.
    function projectAppliedAmount(uint256 projectId) external view returns (uint256);

    /// @notice Device contract of a project, 0 when none.
    function projectDeviceContract(uint256 projectId) external view returns (address);

    /// @notice The authority (v1 clients read `owner`).
    function owner() external view returns (address);
}
