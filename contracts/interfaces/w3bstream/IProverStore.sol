// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Provers, each a registered ioID, and whether they can take a task now.
/// @dev Offline: paused, or no heartbeat for `heartbeatTtl`. Busy: as many open tasks as its capacity. Idle: the rest.
/// A prover's address is the key that registered it. Once its ioID is rotated or removed that key changes nothing here any more: its
/// heartbeats end, and so new tasks, while running tasks still settle and pay the beneficiary that was set before.
interface IProverStore {
    enum Status {
        None,
        Offline,
        Idle,
        Busy
    }

    event ProverRegistered(address indexed prover, address indexed device, uint256 indexed tokenId);
    event Heartbeat(address indexed prover);
    event CapacitySet(address indexed prover, uint16 capacity);
    event HeartbeatTtlSet(uint32 ttl);
    event TaskManagerSet(address indexed taskManager);
    event BeneficiarySet(address indexed prover, address indexed beneficiary);
    event ProverPaused(address indexed prover);
    event ProverResumed(address indexed prover);
    event RebateRatioSet(address indexed prover, uint16 ratio);
    event VMTypeAdded(address indexed prover, uint256 typ);
    event VMTypeDeleted(address indexed prover, uint256 typ);
    event SelectiveSet(address indexed prover, bool selective);
    event ProjectAccepted(address indexed prover, uint256 indexed projectId, bool accepted);

    error ProverStore_NotRegistered(address prover);
    error ProverStore_AlreadyRegistered(address prover);
    /// @notice The caller is not the current key of `device`.
    error ProverStore_NotDeviceKey(address device, address caller);
    error ProverStore_ZeroBeneficiary();
    error ProverStore_BadCapacity(uint16 capacity);
    error ProverStore_BadRatio(uint16 ratio, uint16 max);
    error ProverStore_BadProject(uint256 projectId);
    error ProverStore_BadTtl(uint32 ttl);
    error ProverStore_WrongPause(address prover, bool paused);
    error ProverStore_NotTaskManager(address caller);
    error ProverStore_AlreadySet(address current);
    error ProverStore_ZeroAddress();

    /// @notice Registers the caller, the current key of the ioID `device`, as a prover; its beneficiary is the ioID's wallet.
    /// Counts as a heartbeat.
    function register(address device) external;

    /// @notice Generation b's form: the device is the one whose current key the caller is.
    function register() external;

    /// @notice Says that the prover is alive. Refused, like each setting below, when the caller is no longer its ioID's key.
    function heartbeat() external;

    function pause() external;
    function resume() external;
    function setCapacity(uint16 capacity) external;
    function changeBeneficiary(address _beneficiary) external;
    function setRebateRatio(uint16 _ratio) external;
    function addVMType(uint256 _type) external;
    function delVMType(uint256 _type) external;

    /// @notice Whether the caller takes tasks of the projects that it accepted only, instead of any project's.
    /// @dev A task takes a place whatever it pays: who does not know the operators of the market accepts projects one by one,
    /// after reading their terms. Tasks that are assigned already stay.
    function setSelective(bool selective) external;
    /// @notice Accepts a project, or no more. Of meaning while the caller is selective.
    function acceptProject(uint256 projectId, bool accepted) external;

    /// @notice Takes one of an Idle prover's places for a project that it takes. Task manager only.
    /// @return taken  False, and nothing changed, when the prover is not Idle or does not take the project.
    function acquire(address prover, uint256 projectId) external returns (bool taken);

    /// @notice Gives back `count` places. Task manager only; never refuses for the prover's state.
    /// @return beneficiary_  Who is credited the prover's fees.
    function release(address prover, uint256 count) external returns (address beneficiary_);

    /// @notice Seconds after which a silent prover is Offline. Governance only.
    function setHeartbeatTtl(uint32 ttl) external;
    /// @notice Once, at wiring: the task manager is deployed after this. Governance only.
    function setTaskManager(address taskManager_) external;

    function statusOf(address prover) external view returns (Status);
    /// @notice Whether the prover consents to tasks of the project, idle or not.
    function takes(address prover, uint256 projectId) external view returns (bool);
    function isPaused(address _prover) external view returns (bool);
    function beneficiary(address _prover) external view returns (address);
    function rebateRatio(address _prover) external view returns (uint16);
    function isVMTypeSupported(address _prover, uint256 _type) external view returns (bool);
    function deviceOf(address prover) external view returns (address);
    function capacityOf(address prover) external view returns (uint16);
    /// @notice Open tasks of the prover.
    function inflight(address prover) external view returns (uint16);
    function lastHeartbeat(address prover) external view returns (uint40);
    function heartbeatTtl() external view returns (uint32);
    function taskManager() external view returns (address);
}
