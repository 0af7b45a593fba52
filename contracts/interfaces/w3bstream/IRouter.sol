// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @title Turns proofs into settled tasks, and settled tasks into a dapp call.
/// @dev Anybody may call `route`: the proof names the prover who is paid. Per item: the task id is derived, the task must be
/// Assigned to the prover, the statistics must fit the task's terms, then the proof is checked against
///
///     [context, readings root, statistics, data key commitment]
///     context = uint248(keccak256(abi.encode(chainid, router, projectId, device, keccak256(taskId), prover, window,
///               programId, termsId)) >> 8)
///
/// Trusts: the program registry's verifiers, the data key registry's commitments, the project store's terms.
/// The data key is the one bound for the window when the proof is routed: a newer key that is bound from that window or an earlier
/// one ends running tasks under the key before, which may have leaked.
/// Not checked here, but by whoever assigned the root: that its channel is the terms', that windows continue each other's sequence,
/// and the times behind a window's first. A device that lies in these lies to its project's own coordinator.
interface IRouter {
    /// @dev One proven task. `data` of `route` is abi.encode(Item[]), one item per task id.
    struct Item {
        address device;
        uint32 window;
        bytes32 root;
        uint256 statistics;
        uint256[8] proof;
    }

    event DappBound(uint256 indexed projectId, address indexed operator, address dapp);
    event DappUnbound(uint256 indexed projectId, address indexed operator);
    /// @notice The dapp was called. Topics are those of the older generation: `router` is the prover's address as a number.
    /// @param operator  Who called the router.
    /// @param reason  First 256 bytes of what a failing dapp returned.
    event DataProcessed(
        uint256 indexed projectId,
        uint256 indexed router,
        address indexed operator,
        bool success,
        bytes reason
    );
    /// @notice A dapp failed; the same call may be delivered again with `retry`.
    /// @param delivery  keccak256(abi.encode(projectId, prover, receiver, dappGas, taskIds, data)).
    event DeliveryFailed(uint256 indexed projectId, bytes32 indexed delivery, address receiver, uint32 dappGas);
    event DeliveryRetried(uint256 indexed projectId, bytes32 indexed delivery);
    /// @notice An item was left out.
    /// @param taskId  As the caller gave it: anybody may name any task here, so this says nothing about a task of somebody else's call.
    /// @param reason  An ABI-encoded error of this interface.
    event ItemRefused(uint256 indexed projectId, bytes32 indexed taskId, bytes reason);

    /// @notice Reasons of `ItemRefused`; none of them but `Router_Malformed` is ever reverted with alone.
    error Router_TaskMismatch(bytes32 have, bytes32 derived);
    error Router_NotAssigned(uint8 state);
    error Router_OtherProver(address assigned);
    /// @notice The task was assigned under other terms than the first good item of this call; route it in its own call.
    error Router_OtherTerms(uint32 have, uint32 want);
    error Router_BadStatistics(uint256 statistics);
    error Router_FutureReadings(uint256 firstTime, uint256 horizon);
    error Router_NoDataKey(uint256 tokenId, uint32 window);
    error Router_BadProof();
    /// @notice The task manager did not settle it: its window was settled before, by this call or under another root.
    error Router_WindowTaken(uint32 window);
    /// @notice Dirty bits in an item; alone: `data` is not the canonical encoding of as many items as there are tasks.
    error Router_Malformed();

    error Router_LengthMismatch(uint256 tasks, uint256 items);
    error Router_TooManyItems(uint256 items, uint256 max);
    /// @notice No item could be settled; `reason` is that of the first refusal.
    error Router_EveryItemRefused(bytes reason);
    /// @notice The caller must send more gas, so that the dapp's failure can only be its own.
    error Router_GasReserve(uint256 have, uint256 need);
    error Router_NotProjectOwner(uint256 projectId, address caller);
    error Router_UnknownDelivery(bytes32 delivery);
    error Router_DeliveryFailed(bytes reason);
    error Router_ZeroAddress();

    /// @notice Settles what `data` proves and delivers it to the project's dapp, once for the whole call.
    /// @dev A bad item is skipped with `ItemRefused`; reverts only when every item is refused or the gas reserve is missing.
    /// @param _prover  The prover that the proofs are bound to.
    /// @param _taskIds  1 to `MAX_ITEMS` ids, one per item.
    /// @param _data  abi.encode(Item[]).
    function route(address _prover, uint256 _projectId, bytes32[] calldata _taskIds, bytes calldata _data) external;

    /// @notice Delivers again what a dapp failed to take. Anybody may call; the dapp gets at least `_dappGas`, and more when sent.
    /// @param _taskIds  The settled tasks of the failed delivery.
    /// @param _results  abi.encode(WindowResult[]) of the failed delivery.
    function retry(
        address _prover,
        uint256 _projectId,
        address _receiver,
        uint32 _dappGas,
        bytes32[] calldata _taskIds,
        bytes calldata _results
    ) external;

    /// @notice Makes `_dapp` the receiver in a new version of the project's terms. Project owner, or owner() of the contract
    /// that owns the project.
    function bindDapp(uint256 _projectId, address _dapp) external;

    /// @notice New terms without a receiver.
    function unbindDapp(uint256 _projectId) external;

    /// @notice Receiver of the project's newest terms.
    function dapp(uint256 _projectId) external view returns (address);

    /// @notice Whether a failed delivery waits for `retry`.
    function isUndelivered(bytes32 delivery) external view returns (bool);

    /// @notice The context that a proof has to carry as its first public signal.
    function contextOf(
        uint256 projectId,
        address device,
        bytes32 taskId,
        address prover,
        uint32 window,
        bytes32 programId,
        bytes32 termsId
    ) external view returns (uint256);

    function taskManager() external view returns (address);
    function proverStore() external view returns (address);
    function projectStore() external view returns (address);
    function programRegistry() external view returns (address);
    function dataKeyRegistry() external view returns (address);
}
