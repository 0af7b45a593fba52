// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IIoID} from "../interfaces/identity/IIoID.sol";
import {IIoIDRecovery} from "../interfaces/identity/IIoIDRecovery.sol";

/// @title Recovery of ioIDs (see IIoIDRecovery). Immutable.
contract IoIDRecovery is IIoIDRecovery {
    uint32 private constant LEAST_DELAY = 3 days;
    uint32 private constant MOST_DELAY = 90 days;
    uint64 private constant EXPIRY = 14 days;
    uint256 private constant MAX_IDS = 64;

    IIoID private immutable _ioID;
    mapping(address owner => Policy) private _policies;
    mapping(address from => Request) private _requests;

    constructor(address ioID_) {
        _ioID = IIoID(ioID_);
    }

    /// @inheritdoc IIoIDRecovery
    function setPolicy(address guardian, uint32 delay) external {
        if (guardian == address(0)) delay = 0;
        else if (delay < LEAST_DELAY || delay > MOST_DELAY) {
            revert IoIDRecovery_BadDelay(delay, LEAST_DELAY, MOST_DELAY);
        }
        if (_requests[msg.sender].ripeAt != 0) _cancel(msg.sender);
        _policies[msg.sender] = Policy(guardian, delay);
        emit PolicySet(msg.sender, guardian, delay);
    }

    /// @inheritdoc IIoIDRecovery
    function start(uint256[] calldata ids, address from, address to) external {
        Policy memory policy = _policies[from];
        if (msg.sender != policy.guardian) revert IoIDRecovery_NotGuardian(from, msg.sender);
        if (ids.length == 0 || ids.length > MAX_IDS) revert IoIDRecovery_BadSize(ids.length, MAX_IDS);
        if (to == address(0) || to == from) revert IoIDRecovery_BadReceiver(to);
        for (uint256 i = 0; i < ids.length; ++i) {
            if (_ioID.ownerOf(ids[i]) != from) revert IoIDRecovery_NotOwned(ids[i], from);
        }
        if (_requests[from].ripeAt != 0) _cancel(from);
        uint64 ripeAt = uint64(block.timestamp) + policy.delay;
        _requests[from] = Request(to, ripeAt, ids);
        emit RecoveryStarted(from, to, msg.sender, ids, ripeAt, ripeAt + EXPIRY);
    }

    /// @inheritdoc IIoIDRecovery
    function cancel(address from) external {
        if (msg.sender != from) revert IoIDRecovery_NotOwner(from, msg.sender);
        if (_requests[from].ripeAt == 0) revert IoIDRecovery_NothingRuns(from);
        _cancel(from);
    }

    /// @inheritdoc IIoIDRecovery
    function finish(address from) external {
        Request memory request = _requests[from];
        if (request.ripeAt == 0) revert IoIDRecovery_NothingRuns(from);
        if (block.timestamp < request.ripeAt) revert IoIDRecovery_NotRipe(request.ripeAt, block.timestamp);
        uint64 expiresAt = request.ripeAt + EXPIRY;
        if (block.timestamp > expiresAt) revert IoIDRecovery_Expired(expiresAt, block.timestamp);
        delete _requests[from];

        uint256[] memory ids = request.ids;
        uint256 moved;
        uint256 kept;
        bytes memory why;
        for (uint256 i = 0; i < ids.length; ++i) {
            // A removed ioID has no owner to ask for, only a former one.
            if (_ioID.formerOwnerOf(ids[i]) != address(0) || _ioID.ownerOf(ids[i]) != from) continue;
            try _ioID.transferFrom(from, request.to, ids[i]) {
                ++moved;
            } catch (bytes memory reason) {
                why = reason;
                ids[kept++] = ids[i];
            }
        }
        if (kept != 0) {
            assembly ("memory-safe") {
                if iszero(moved) {
                    revert(add(why, 32), mload(why))
                }
                mstore(ids, kept)
            }
            _requests[from] = Request(request.to, request.ripeAt, ids);
        }
        emit RecoveryFinished(from, request.to, moved);
    }

    /// @inheritdoc IIoIDRecovery
    function policyOf(address owner) external view returns (Policy memory) {
        return _policies[owner];
    }

    /// @inheritdoc IIoIDRecovery
    function requestOf(address from) external view returns (Request memory) {
        return _requests[from];
    }

    /// @inheritdoc IIoIDRecovery
    function ioID() external view returns (address) {
        return address(_ioID);
    }

    function _cancel(address from) private {
        delete _requests[from];
        emit RecoveryCancelled(from);
    }
}
