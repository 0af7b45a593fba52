// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {ReentrancyGuardTransient} from "@openzeppelin/contracts/utils/ReentrancyGuardTransient.sol";

import {ITaskEscrow, Payout} from "../interfaces/w3bstream/ITaskEscrow.sol";

/// @title See `ITaskEscrow`.
/// @dev Wiring: constructor(taskManager proxy, project NFT), both deployed before; then TaskManager.setEscrow.
contract TaskEscrow is ITaskEscrow, ReentrancyGuardTransient {
    using SafeERC20 for IERC20;

    /// @dev Enough for any honest ERC-20 transfer, so a token that burns gas cannot take a whole batch with it.
    uint256 public constant PUSH_GAS = 200_000;
    /// @dev Left after a push for the rest of one payout and the return to the router.
    uint256 private constant AFTER_PUSH_GAS = 60_000;

    /// @inheritdoc ITaskEscrow
    address public immutable taskManager;
    /// @inheritdoc ITaskEscrow
    address public immutable project;

    /// @inheritdoc ITaskEscrow
    mapping(address token => mapping(uint256 projectId => uint256)) public balanceOf;
    /// @inheritdoc ITaskEscrow
    mapping(address token => mapping(address account => uint256)) public credited;

    /// @dev One slot. The key commits to project, token and task, so a hold can only end for what it was made for.
    struct Hold {
        address sequencer;
        uint96 amount;
    }
    mapping(bytes32 key => Hold) private _holds;

    constructor(address taskManager_, address project_) {
        if (taskManager_ == address(0) || project_ == address(0)) revert TaskEscrow_ZeroAddress();
        taskManager = taskManager_;
        project = project_;
    }

    modifier onlyTaskManager() {
        if (msg.sender != taskManager) revert TaskEscrow_NotTaskManager(msg.sender);
        _;
    }

    /// @inheritdoc ITaskEscrow
    function deposit(uint256 projectId, address token, uint256 amount) external nonReentrant {
        if (amount == 0) revert TaskEscrow_ZeroAmount();
        // Reverts for a project that does not exist: whoever registered its id later would own the money.
        IERC721(project).ownerOf(projectId);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert TaskEscrow_TakesFee(token, received, amount);
        balanceOf[token][projectId] += amount;
        emit Deposited(projectId, token, msg.sender, amount);
    }

    /// @inheritdoc ITaskEscrow
    function withdraw(uint256 projectId, address token, uint256 amount, address to) external nonReentrant {
        if (IERC721(project).ownerOf(projectId) != msg.sender) {
            revert TaskEscrow_NotProjectOwner(projectId, msg.sender);
        }
        if (to == address(0)) revert TaskEscrow_ZeroAddress();
        uint256 free = balanceOf[token][projectId];
        if (amount > free) revert TaskEscrow_Balance(projectId, token, free, amount);
        unchecked {
            balanceOf[token][projectId] = free - amount;
        }
        emit Withdrawn(projectId, token, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    /// @inheritdoc ITaskEscrow
    function claim(address token, address to) external nonReentrant returns (uint256 amount) {
        if (to == address(0)) revert TaskEscrow_ZeroAddress();
        return _claim(token, msg.sender, to);
    }

    /// @inheritdoc ITaskEscrow
    function claimFor(address token, address account) external nonReentrant returns (uint256 amount) {
        return _claim(token, account, account);
    }

    /// @inheritdoc ITaskEscrow
    function hold(
        uint256 projectId,
        address token,
        bytes32 taskId,
        address sequencer,
        uint96 amount
    ) external onlyTaskManager returns (bool held) {
        uint256 free = balanceOf[token][projectId];
        if (amount > free) return false;
        unchecked {
            balanceOf[token][projectId] = free - amount;
        }
        bytes32 key = _key(projectId, token, taskId);
        // Should the task manager ever err: a hold is never written over, or its money would be nobody's.
        if (_holds[key].sequencer != address(0)) revert TaskEscrow_HoldExists(taskId);
        _holds[key] = Hold(sequencer, amount);
        emit Held(taskId, amount);
        return true;
    }

    /// @inheritdoc ITaskEscrow
    function settle(
        uint256 projectId,
        address token,
        address beneficiary,
        uint256 proverFee,
        uint256 sequencerFee,
        Payout[] calldata payouts
    ) external onlyTaskManager {
        uint256 rest;
        uint256 sequenced;
        address sequencer;
        // All books are closed before the first push: a token that calls back finds nothing to take twice.
        for (uint256 i = 0; i < payouts.length; ++i) {
            Payout calldata payout = payouts[i];
            bytes32 key = _key(projectId, token, payout.taskId);
            Hold memory held = _holds[key];
            if (held.sequencer == address(0)) revert TaskEscrow_NoHold(payout.taskId);
            delete _holds[key];
            uint256 due = payout.devicePay + proverFee + sequencerFee;
            if (due > held.amount) revert TaskEscrow_OverHold(payout.taskId, held.amount, due);
            unchecked {
                rest += held.amount - due;
            }
            if (held.sequencer != sequencer) {
                _credit(token, sequencer, sequenced);
                sequencer = held.sequencer;
                sequenced = 0;
            }
            sequenced += sequencerFee;
        }
        _credit(token, sequencer, sequenced);
        _credit(token, beneficiary, proverFee * payouts.length);
        if (rest != 0) balanceOf[token][projectId] += rest;
        _pay(token, payouts);
    }

    /// @inheritdoc ITaskEscrow
    function release(uint256 projectId, address token, bytes32 taskId) external onlyTaskManager {
        bytes32 key = _key(projectId, token, taskId);
        Hold memory held = _holds[key];
        if (held.sequencer == address(0)) revert TaskEscrow_NoHold(taskId);
        delete _holds[key];
        balanceOf[token][projectId] += held.amount;
        emit Released(taskId, held.amount);
    }

    /// @inheritdoc ITaskEscrow
    function holdOf(
        uint256 projectId,
        address token,
        bytes32 taskId
    ) external view returns (address sequencer, uint96 amount) {
        Hold memory held = _holds[_key(projectId, token, taskId)];
        return (held.sequencer, held.amount);
    }

    /// @dev Neighbours with the same wallet share one transfer.
    function _pay(address token, Payout[] calldata payouts) private {
        uint256 owed;
        for (uint256 i = 0; i < payouts.length; ++i) {
            Payout calldata payout = payouts[i];
            emit TaskPaid(payout.taskId, payout.wallet, payout.devicePay);
            owed += payout.devicePay;
            if (i + 1 < payouts.length && payouts[i + 1].wallet == payout.wallet) continue;
            if (owed != 0 && !_push(token, payout.wallet, owed)) {
                credited[token][payout.wallet] += owed;
                emit PushFailed(token, payout.wallet, owed);
            }
            owed = 0;
        }
    }

    /// @dev A transfer that may fail without failing the settlement. At most one word of what the token returns is copied.
    function _push(address token, address to, uint256 amount) private returns (bool sent) {
        // EIP-150 keeps a 64th back from the callee.
        uint256 need = (PUSH_GAS * 64) / 63 + AFTER_PUSH_GAS;
        if (gasleft() < need) revert TaskEscrow_GasReserve(gasleft(), need);
        bytes memory data = abi.encodeCall(IERC20.transfer, (to, amount));
        assembly ("memory-safe") {
            mstore(0x00, 0)
            let ok := call(PUSH_GAS, token, 0, add(data, 0x20), mload(data), 0x00, 0x20)
            let size := returndatasize()
            // As SafeERC20: true, or nothing from an account with code.
            switch size
            case 0 {
                sent := and(ok, gt(extcodesize(token), 0))
            }
            default {
                sent := and(ok, and(gt(size, 31), eq(mload(0x00), 1)))
            }
        }
    }

    function _credit(address token, address account, uint256 amount) private {
        if (amount != 0) credited[token][account] += amount;
    }

    function _claim(address token, address account, address to) private returns (uint256 amount) {
        amount = credited[token][account];
        if (amount == 0) revert TaskEscrow_NothingToClaim(token, account);
        credited[token][account] = 0;
        emit Claimed(token, account, to, amount);
        IERC20(token).safeTransfer(to, amount);
    }

    function _key(uint256 projectId, address token, bytes32 taskId) private pure returns (bytes32) {
        return keccak256(abi.encode(projectId, token, taskId));
    }
}
