// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev What one settled task pays to its device.
struct Payout {
    bytes32 taskId;
    address wallet;
    uint256 devicePay;
}

/// @title Money of projects, and a hold per task.
/// @dev Immutable. For each token: free + held + credited = deposited − withdrawn − paid, always. Money leaves the free balance
/// for a task's hold at assignment and cannot be used by any other task; the hold ends once, paid or returned.
/// Assumptions: the token takes no fee and does not rebase (a fee is refused at deposit). A token that turns hostile harms
/// only the projects that named it.
interface ITaskEscrow {
    event Deposited(uint256 indexed projectId, address indexed token, address indexed from, uint256 amount);
    event Withdrawn(uint256 indexed projectId, address indexed token, address indexed to, uint256 amount);
    event Held(bytes32 indexed taskId, uint256 amount);
    event Released(bytes32 indexed taskId, uint256 amount);
    /// @notice A task settled; `wallet` was sent `devicePay`, or credited when its transfer failed (see `PushFailed`).
    event TaskPaid(bytes32 indexed taskId, address indexed wallet, uint256 devicePay);
    event PushFailed(address indexed token, address indexed wallet, uint256 amount);
    event Claimed(address indexed token, address indexed account, address indexed to, uint256 amount);

    error TaskEscrow_NotTaskManager(address caller);
    error TaskEscrow_NotProjectOwner(uint256 projectId, address caller);
    error TaskEscrow_Balance(uint256 projectId, address token, uint256 have, uint256 want);
    error TaskEscrow_TakesFee(address token, uint256 received, uint256 sent);
    error TaskEscrow_ZeroAddress();
    error TaskEscrow_ZeroAmount();
    error TaskEscrow_NothingToClaim(address token, address account);
    error TaskEscrow_NoHold(bytes32 taskId);
    error TaskEscrow_HoldExists(bytes32 taskId);
    error TaskEscrow_OverHold(bytes32 taskId, uint256 hold, uint256 due);
    /// @notice The caller must send more gas, so that a push can only fail by the token's own doing.
    error TaskEscrow_GasReserve(uint256 have, uint256 need);

    /// @notice Adds to the free balance of a project that exists, from the caller's allowance. Anybody may call; the project's owner
    /// may withdraw it.
    function deposit(uint256 projectId, address token, uint256 amount) external;

    /// @notice Takes from a project's free balance. Project owner only; nothing can pause it.
    function withdraw(uint256 projectId, address token, uint256 amount, address to) external;

    /// @notice Sends all that the caller was credited to `to`.
    function claim(address token, address to) external returns (uint256 amount);

    /// @notice Sends to `account` all that it was credited. Anybody may call, so a wallet without an operator is paid too.
    function claimFor(address token, address account) external returns (uint256 amount);

    /// @notice Moves `amount` from the project's free balance to the task. Task manager only.
    /// @return held  False, and nothing moved, when the free balance is too small.
    function hold(
        uint256 projectId,
        address token,
        bytes32 taskId,
        address sequencer,
        uint96 amount
    ) external returns (bool held);

    /// @notice Ends the holds of settled tasks: device pay is pushed to each wallet, fees are credited, the rest returns to the
    /// project. Task manager only.
    /// @param beneficiary  Credited `proverFee` per task.
    function settle(
        uint256 projectId,
        address token,
        address beneficiary,
        uint256 proverFee,
        uint256 sequencerFee,
        Payout[] calldata payouts
    ) external;

    /// @notice Returns a recalled task's hold to the project. Task manager only.
    function release(uint256 projectId, address token, bytes32 taskId) external;

    /// @notice Free balance of a project, as generation b's Debits named it.
    function balanceOf(address token, uint256 projectId) external view returns (uint256);
    function credited(address token, address account) external view returns (uint256);
    /// @notice The hold of a task and who sequenced it; zeros when there is none.
    function holdOf(
        uint256 projectId,
        address token,
        bytes32 taskId
    ) external view returns (address sequencer, uint96 amount);

    function taskManager() external view returns (address);
    function project() external view returns (address);
}
