// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRouter} from "../../contracts/interfaces/w3bstream/IRouter.sol";
import {TaskAssignment} from "../../contracts/interfaces/w3bstream/ITaskManager.sol";
import {DappDouble} from "../../contracts/mocks/DappDouble.sol";
import {TaskState} from "../../contracts/types/Tasks.sol";
import {Terms} from "../../contracts/types/Terms.sol";
import {Market} from "../unit/w3bstream/Market.sol";

/// @dev Random days of the proof market: two devices, two provers, a project that pays, withdraws and changes its terms, a dapp that
/// misbehaves. Actions are shaped so that most succeed; the model beside them says what must be true.
contract ProofMarketInvariants is Market {
    uint32 private constant WINDOWS = 24;

    bytes32[] private _tasks;
    mapping(bytes32 task => bool) private _known;
    mapping(bytes32 task => address) private _deviceOf;
    mapping(bytes32 task => uint32) private _windowOf;
    mapping(bytes32 task => bytes32) private _rootOf;
    mapping(bytes32 task => bool) private _settled;
    mapping(address device => mapping(uint32 window => uint256)) private _settlements;
    mapping(address device => uint256) private _due; // what each device's wallet must have
    uint256 private _deposited;
    uint256 private _withdrawn; // by the project and by claims
    uint256 private _fees; // credited in the model

    function setUp() public override {
        super.setUp();
        _deposited = FUNDS;
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(i == 0 ? PROVER : PROVER_TWO);
            provers.setCapacity(12);
        }
        bytes4[] memory selectors = new bytes4[](8);
        selectors[0] = this.assign.selector;
        selectors[1] = this.settle.selector;
        selectors[2] = this.settle.selector; // twice as often as the rest
        selectors[3] = this.recall.selector;
        selectors[4] = this.fundOrWithdraw.selector;
        selectors[5] = this.claim.selector;
        selectors[6] = this.changeTerms.selector;
        selectors[7] = this.changeDapp.selector;
        targetContract(address(this));
        targetSelector(address(this), selectors);
    }

    function assign(uint256 seed) external {
        address device = seed & 1 == 0 ? DEVICE : DEVICE_TWO;
        uint32 window = uint32((seed >> 8) % WINDOWS);
        address prover = (seed >> 16) & 1 == 0 ? PROVER : PROVER_TWO;
        bytes32 root = (seed >> 24) % 8 == 0 ? bytes32(uint256(7)) : _root(device, window); // now and then another cut
        bytes32 id = manager.taskIdOf(PROJECT, device, window, root);
        vm.prank(PROVER);
        provers.heartbeat();
        vm.prank(PROVER_TWO);
        provers.heartbeat();
        TaskAssignment[] memory batch = new TaskAssignment[](1);
        batch[0] = TaskAssignment(PROJECT, id, root, abi.encodePacked(device, window), prover);
        vm.prank(COORDINATOR);
        manager.assign(batch, SEQUENCER, block.timestamp + 60);
        if (manager.stateOf(id) != TaskState.Assigned || _known[id]) return;
        _known[id] = true;
        _tasks.push(id);
        _deviceOf[id] = device;
        _windowOf[id] = window;
        _rootOf[id] = root;
    }

    /// @dev One good proof, with a copy of itself and a forged one in the same call.
    function settle(uint256 seed) external {
        bytes32 id = _pick(seed, TaskState.Assigned);
        if (id == 0) return;
        IRouter.Item[] memory items = new IRouter.Item[](3);
        address prover = manager.recordOf(id).prover();
        uint8 count = uint8(1 + ((seed >> 64) % 64));
        items[0] = _itemOf(id, prover, count);
        items[1] = items[0];
        items[2] = abi.decode(abi.encode(items[0]), (IRouter.Item));
        items[2].proof[0] ^= 1;
        Terms memory terms = projects.terms(PROJECT, manager.recordOf(id).version());
        bytes32[] memory ids = _idsOf(PROJECT, items);
        router.route(prover, PROJECT, ids, abi.encode(items));
        if (manager.stateOf(id) != TaskState.Settled) return; // the window was taken by another cut
        _settled[id] = true;
        ++_settlements[_deviceOf[id]][_windowOf[id]];
        _due[_deviceOf[id]] += uint256(terms.pricePerReading) * count;
        _fees += uint256(terms.proverFee) + terms.sequencerFee;
    }

    function recall(uint256 seed) external {
        bytes32 id = _pick(seed, TaskState.Assigned);
        if (id == 0) return;
        if (seed & 3 == 0) vm.warp(block.timestamp + 61);
        bool due = block.timestamp > manager.recordOf(id).deadline();
        (bool success, ) = address(manager).call(abi.encodeCall(manager.recall, (PROJECT, id)));
        assertEq(success, due, "recall");
    }

    function fundOrWithdraw(uint256 seed) external {
        uint256 amount = 1 + ((seed >> 8) % 10_000);
        if (seed & 1 == 0) {
            _fund(PROJECT, amount);
            _deposited += amount;
        } else {
            uint256 free = escrow.balanceOf(address(token), PROJECT);
            if (amount > free) amount = free;
            if (amount == 0) return;
            vm.prank(OWNER);
            escrow.withdraw(PROJECT, address(token), amount, OWNER);
            _withdrawn += amount;
        }
    }

    function claim(uint256 seed) external {
        address account = [SEQUENCER, provers.beneficiary(PROVER), provers.beneficiary(PROVER_TWO)][seed % 3];
        if (escrow.credited(address(token), account) == 0) return;
        uint256 amount = escrow.claimFor(address(token), account);
        _withdrawn += amount;
        _fees -= amount;
    }

    function changeTerms(uint256 seed) external {
        Terms memory terms = _terms();
        terms.pricePerReading = uint96(seed % 5);
        terms.proverFee = uint96((seed >> 8) % 200);
        terms.sequencerFee = uint96((seed >> 16) % 50);
        vm.prank(OWNER);
        projects.publishTerms(PROJECT, terms);
    }

    function changeDapp(uint256 seed) external {
        dapp.set(DappDouble.Mode(seed % 4));
    }

    /// @dev One campaign checks all of them: the walk costs more than the looking.
    function invariant_Market() external view {
        _checkTheBooksBalance();
        _checkAWindowSettlesAtMostOnce();
        _checkHoldsAndPlacesBelongToAssignedTasks();
        _checkTheDappChangesNobodysPay();
    }

    /// @dev INV-MARKET-1: for the token, free + held + credited = deposited − withdrawn − paid, and the escrow owns exactly that.
    function _checkTheBooksBalance() private view {
        uint256 free = escrow.balanceOf(address(token), PROJECT);
        uint256 held;
        for (uint256 i = 0; i < _tasks.length; ++i) {
            (, uint96 amount) = escrow.holdOf(PROJECT, address(token), _tasks[i]);
            held += amount;
        }
        uint256 credited =
            escrow.credited(address(token), SEQUENCER) +
                escrow.credited(address(token), provers.beneficiary(PROVER)) +
                escrow.credited(address(token), provers.beneficiary(PROVER_TWO));
        uint256 paid = token.balanceOf(_walletOf(DEVICE)) + token.balanceOf(_walletOf(DEVICE_TWO));
        assertEq(free + held + credited + paid, _deposited - _withdrawn, "books");
        assertEq(token.balanceOf(address(escrow)), free + held + credited, "custody");
        assertEq(credited, _fees, "fees");
    }

    /// @dev INV-MARKET-2: a window settles at most once, and Settled is final.
    function _checkAWindowSettlesAtMostOnce() private view {
        for (uint256 i = 0; i < _tasks.length; ++i) {
            bytes32 id = _tasks[i];
            assertLe(_settlements[_deviceOf[id]][_windowOf[id]], 1, "window twice");
            assertEq(manager.stateOf(id) == TaskState.Settled, _settled[id], "final");
            if (_settled[id]) assertTrue(manager.isWindowSettled(PROJECT, _deviceOf[id], _windowOf[id]), "bit");
        }
    }

    /// @dev INV-MARKET-3: a hold exists exactly while its task is Assigned, and a prover's open tasks are its Assigned ones.
    function _checkHoldsAndPlacesBelongToAssignedTasks() private view {
        uint256 first;
        uint256 second;
        for (uint256 i = 0; i < _tasks.length; ++i) {
            bytes32 id = _tasks[i];
            bool assigned = manager.stateOf(id) == TaskState.Assigned;
            (address sequencer, ) = escrow.holdOf(PROJECT, address(token), id);
            assertEq(sequencer != address(0), assigned, "hold");
            if (!assigned) continue;
            if (manager.recordOf(id).prover() == PROVER) ++first;
            else ++second;
        }
        assertEq(provers.inflight(PROVER), first, "inflight");
        assertEq(provers.inflight(PROVER_TWO), second, "inflight");
    }

    /// @dev INV-MARKET-4: whatever the dapp does, each device's wallet has the sum of what its settled windows earned.
    function _checkTheDappChangesNobodysPay() private view {
        assertEq(token.balanceOf(_walletOf(DEVICE)), _due[DEVICE], "first device");
        assertEq(token.balanceOf(_walletOf(DEVICE_TWO)), _due[DEVICE_TWO], "second device");
    }

    function _itemOf(bytes32 id, address prover, uint8 count) private view returns (IRouter.Item memory item) {
        item.device = _deviceOf[id];
        item.window = _windowOf[id];
        item.root = _rootOf[id];
        item.statistics = _statistics(item.window, count);
        item.proof[0] = _proofOf(PROJECT, item, prover);
    }

    /// @dev The first task in `state` from a random place on, whose window is open.
    function _pick(uint256 seed, TaskState state) private view returns (bytes32) {
        for (uint256 i = 0; i < _tasks.length; ++i) {
            bytes32 id = _tasks[(seed + i) % _tasks.length];
            if (manager.stateOf(id) != state) continue;
            if (!manager.isWindowSettled(PROJECT, _deviceOf[id], _windowOf[id])) return id;
        }
        return 0;
    }
}
