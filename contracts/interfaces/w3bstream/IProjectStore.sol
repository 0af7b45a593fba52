// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AssignmentTerms, SettlementTerms, Terms} from "../../types/Terms.sol";

/// @title Projects of the proof market, and their terms.
/// @dev A project is an ioID project NFT; its owner is the NFT's. Terms are frozen per version: a task keeps the version it was
/// assigned under. termsId = keccak256(abi.encode(chainid, this, projectId, version, terms)).
interface IProjectStore {
    struct ProjectConfig {
        string uri;
        bytes32 hash;
    }

    event TermsPublished(uint256 indexed projectId, uint32 indexed version, bytes32 termsId);
    event CoordinatorSet(uint256 indexed projectId, address indexed coordinator, bool allowed);
    event RequiredCredentialSet(uint256 indexed projectId, bytes32 indexed typeId);
    event RouterSet(address indexed router);
    event AttributeSet(uint256 indexed projectId, bytes32 indexed key, bytes value);
    event BinderSet(address indexed binder);
    event ProjectBinded(uint256 indexed projectId);
    event ProjectConfigUpdated(uint256 indexed projectId, string uri, bytes32 hash);
    event ProjectPaused(uint256 indexed projectId);
    event ProjectResumed(uint256 indexed projectId);

    error ProjectStore_NotOwner(uint256 projectId, address caller);
    error ProjectStore_NotBound(uint256 projectId);
    error ProjectStore_AlreadyBound(uint256 projectId);
    error ProjectStore_WrongPause(uint256 projectId, bool paused);
    error ProjectStore_LengthMismatch(uint256 keys, uint256 values);
    error ProjectStore_NoTerms(uint256 projectId, uint32 version);
    error ProjectStore_TooManyVersions(uint256 projectId, uint256 max);
    error ProjectStore_UnknownProgram(bytes32 programId);
    error ProjectStore_NotContract(address account);
    error ProjectStore_BadDappGas(uint32 gas, uint32 min, uint32 max);
    error ProjectStore_ZeroChannel();
    error ProjectStore_BadDecimals(uint8 decimals, uint8 max);
    error ProjectStore_BadRange(int64 rangeMin, uint24 rangeMax);
    error ProjectStore_BadThreshold(uint24 threshold, uint24 rangeMax);
    error ProjectStore_BadTaskSeconds(uint32 taskSeconds, uint32 min, uint32 max);
    /// @notice Fees and the most that a window can pay do not fit a task's hold of 96 bits.
    error ProjectStore_HoldTooLarge(uint256 hold);
    /// @notice A replay clock on a network that is not local.
    error ProjectStore_ReplayRefused();
    error ProjectStore_BadClock(uint40 origin, uint40 start, uint32 speed);
    error ProjectStore_NotRouter(address caller);
    error ProjectStore_AlreadySet(address current);
    error ProjectStore_ZeroAddress();

    /// @notice Opens the project in the proof market. Project owner, or the binder.
    function bind(uint256 _projectId) external;

    /// @notice Publishes the terms that hold for tasks assigned from now on. Project owner.
    /// @return version  From 1, at most 65,535.
    /// @return termsId  What proofs commit to.
    function publishTerms(uint256 projectId, Terms calldata terms_) external returns (uint32 version, bytes32 termsId);

    /// @notice The newest terms with another receiver, as a new version. Router only, which checked its caller.
    function setReceiver(uint256 projectId, address receiver) external returns (uint32 version, bytes32 termsId);

    /// @notice Lets an account assign tasks of the project, if it is an operator too. Project owner. Stays when the project changes
    /// hands: a new owner reads `CoordinatorSet` and ends those that are not his.
    function setCoordinator(uint256 projectId, address coordinator, bool allowed) external;

    /// @notice Admits only devices that hold a good credential of this type to new assignments; 0: all. Project owner.
    /// @dev Whoever owns the type chooses its issuers, so a type of the project's own is the project's choice of them.
    function setRequiredCredential(uint256 projectId, bytes32 typeId) external;

    /// @notice Stops new assignments; running tasks settle, recall and pay as before. Project owner.
    function pause(uint256 _projectId) external;
    function resume(uint256 _projectId) external;
    function updateConfig(uint256 _projectId, string calldata _uri, bytes32 _hash) external;
    function setAttributes(uint256 _projectId, bytes32[] calldata _keys, bytes[] calldata _values) external;

    /// @notice Who else than owners may bind projects. Governance only.
    function setBinder(address _binder) external;
    /// @notice Once, at wiring: the router is deployed after this. Governance only.
    function setRouter(address router_) external;

    /// @notice Newest version; 0 before the first.
    function termsVersion(uint256 projectId) external view returns (uint32);
    function terms(uint256 projectId, uint32 version) external view returns (Terms memory);
    function termsIdOf(uint256 projectId, uint32 version) external view returns (bytes32);
    /// @notice Type of credential that a device must hold; 0: none.
    function requiredCredential(uint256 projectId) external view returns (bytes32);
    function isCoordinator(uint256 projectId, address coordinator) external view returns (bool);
    /// @notice The project's time now under a version of its terms, seconds.
    function timeOf(uint256 projectId, uint32 version) external view returns (uint256);
    function receiverOf(uint256 projectId) external view returns (address);

    /// @notice All that an assignment needs; never reverts.
    function assignmentTerms(uint256 projectId, address coordinator) external view returns (AssignmentTerms memory);
    /// @notice All that a settlement needs. For an unknown version zeros, but for the horizon, which is the block's time.
    function settlementTerms(uint256 projectId, uint32 version) external view returns (SettlementTerms memory);
    /// @notice Token of a version; zero when unknown.
    function tokenOf(uint256 projectId, uint32 version) external view returns (address);

    function isPaused(uint256 _projectId) external view returns (bool);
    /// @notice Whether the project is bound.
    function isValidProject(uint256 _projectId) external view returns (bool);
    function ownerOf(uint256 _projectId) external view returns (address);
    function config(uint256 _projectId) external view returns (ProjectConfig memory);
    function attribute(uint256 _projectId, bytes32 _name) external view returns (bytes memory);
    function attributes(uint256 _projectId, bytes32 _name) external view returns (bytes memory);
    function attributesOf(uint256 _projectId, bytes32[] calldata _keys) external view returns (bytes[] memory values_);
    /// @notice Number of bound projects.
    function count() external view returns (uint256);
    function binder() external view returns (address);
    function project() external view returns (address);
    function programRegistry() external view returns (address);
    function router() external view returns (address);
    function replayAllowed() external view returns (bool);
}
