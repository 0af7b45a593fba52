// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title Quotas, prices and device contracts of projects (ioID v1 ABI).
/// @dev A hardware project applies for ioIDs ahead; a virtual one pays `price` with each device. Fees stay here
/// until they are withdrawn. Value must be exact: v1 kept what was overpaid.
interface IIoIDStore {
    /// @notice One ioID of the project became active.
    event ActiveIoID(uint256 indexed projectId);

    /// @notice The project bought `amount` ioIDs.
    event ApplyIoIDs(uint256 indexed projectId, uint256 amount);

    /// @notice Who may withdraw fees changed.
    event ChangeFeeReceiver(address indexed feeReceiver);

    /// @notice The price of one ioID changed.
    event ChangePrice(uint256 price);

    /// @notice The store was initialised.
    event Initialize(address indexed project, uint256 price);

    /// @notice Devices of the project are tokens of `deviceContract`.
    event SetDeviceContract(uint256 indexed projectId, address indexed deviceContract);

    /// @notice Who may activate ioIDs changed.
    event SetIoIDRegistry(address indexed ioIDRegistry);

    /// @notice Fees were sent.
    event Withdraw(address indexed recipient, uint256 amount);

    /// @notice More value came than is due.
    error IoIDStore_Overpaid(uint256 have, uint256 want);

    /// @notice The address may not be zero.
    error IoIDStore_ZeroAddress();

    /// @notice The quota would pass 2^64 - 1.
    error IoIDStore_QuotaTooLarge(uint256 projectId, uint256 amount);

    /// @notice Sets the collection of projects and the price. The authority is set by the constructor of the logic.
    function initialize(address project_, uint256 price_) external;

    /// @notice Buys `amount` ioIDs for a hardware project. Project owner only; value = amount * price.
    function applyIoIDs(uint256 projectId, uint256 amount) external payable;

    /// @notice Uses one ioID of the project's quota, or buys one for a virtual project. Registry only.
    function activeIoID(uint256 projectId) external payable;

    /// @notice Ties a device contract to a project, once. Project owner only.
    /// @dev The contract must not be tied already: who is first owns the name, so a project sets it before it mints.
    function setDeviceContract(uint256 projectId, address deviceContract) external;

    /// @notice Changes a project's device contract. Authority only. The old one is tied no longer.
    function changeDeviceContract(uint256 projectId, address deviceContract) external;

    /// @notice Sets the price of one ioID, in wei. Authority only.
    function changePrice(uint256 price_) external;

    /// @notice Sets who may withdraw beside the authority. Authority only.
    function changeFeeReceiver(address feeReceiver_) external;

    /// @notice Sets who may activate. Authority only.
    function setIoIDRegistry(address ioIDRegistry_) external;

    /// @notice Sends fees. Fee receiver or authority.
    function withdraw(address[] calldata recipients, uint256[] calldata amounts) external;

    /// @notice Project that a device contract is tied to, 0 when none.
    function deviceContractProject(address deviceContract) external view returns (uint256);

    /// @notice Who may withdraw beside the authority.
    function feeReceiver() external view returns (address);

    /// @notice Who may activate.
    function ioIDRegistry() external view returns (address);

    /// @notice Price of one ioID, in wei.
    function price() external view returns (uint256);

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
