// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IRouter} from "../../contracts/interfaces/w3bstream/IRouter.sol";
import {TaskAssignment} from "../../contracts/interfaces/w3bstream/ITaskManager.sol";
import {BlockingToken} from "../../contracts/mocks/BlockingToken.sol";
import {DappDouble} from "../../contracts/mocks/DappDouble.sol";
import {TestToken} from "../../contracts/mocks/TestToken.sol";
import {TaskState} from "../../contracts/types/Tasks.sol";
import {Terms} from "../../contracts/types/Terms.sol";
import {Market} from "../unit/w3bstream/Market.sol";

/// @dev Random days of the proof market: two devices, two provers, two sequencers, a project that pays, withdraws and changes its
/// terms, a dapp and a token that misbehave, and a second project with money in the same token. Actions are shaped so that most
/// succeed; the model beside them says what must be true.
contract ProofMarketInvariants is Market {
    uint32 private constant WINDOWS = 24;
    /// @dev Most tasks that one call of `settle` brings.
    uint256 private constant BATCH = 4;
    uint256 private constant NEIGHBOUR = 8;
    address private constant SEQUENCER_TWO = address(0x5F);

    /// @dev One task as `settle` brings it.
    struct Brought {
        bytes32 id;
        uint8 count;
    }

    bytes32[] private _tasks;
    mapping(bytes32 task => bool) private _known;
    mapping(bytes32 task => address) private _deviceOf;
    mapping(bytes32 task => uint32) private _windowOf;
    mapping(bytes32 task => bytes32) private _rootOf;
    mapping(bytes32 task => address) private _sequencerOf;
    mapping(bytes32 task => bool) private _settled;
    mapping(address device => mapping(uint32 window => uint256)) private _settlements;
    mapping(address device => uint256) private _due; // what each device's wallet must have
    string private _flaw; // what an action saw: a revert in one is no failure to the runner
    uint256 private _deposited;
    uint256 private _withdrawn; // by the project and by claims
    mapping(address account => uint256) private _fees; // credited in the model

    function setUp() public override {
        super.setUp();
        _openProject(NEIGHBOUR, STRANGER);
        _deposited = 2 * FUNDS;
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(i == 0 ? PROVER : PROVER_TWO);
            provers.setCapacity(12);
        }
        bytes4[] memory selectors = new bytes4[](9);
        selectors[0] = this.assign.selector;
        selectors[1] = this.settle.selector;
        selectors[2] = this.settle.selector; // twice as often as the rest
        selectors[3] = this.recall.selector;
        selectors[4] = this.fundOrWithdraw.selector;
        selectors[5] = this.claim.selector;
        selectors[6] = this.changeTerms.selector;
        selectors[7] = this.changeDapp.selector;
        selectors[8] = this.changeToken.selector;
        targetContract(address(this));
        targetSelector(address(this), selectors);
    }

    function assign(uint256 seed) external {
        address device = seed & 1 == 0 ? DEVICE : DEVICE_TWO;
        uint32 window = uint32((seed >> 8) % WINDOWS);
        address prover = (seed >> 16) & 1 == 0 ? PROVER : PROVER_TWO;
        bytes32 root = (seed >> 24) % 8 == 0 ? bytes32(uint256(7)) : _root(device, window); // now and then another cut
        bytes32 id = manager.taskIdOf(PROJECT, device, window, root);
        address sequencer = (seed >> 32) & 1 == 0 ? SEQUENCER : SEQUENCER_TWO;
        bool open = manager.stateOf(id) == TaskState.Assigned;
        vm.prank(PROVER);
        provers.heartbeat();
        vm.prank(PROVER_TWO);
        provers.heartbeat();
        TaskAssignment[] memory batch = new TaskAssignment[](1);
        batch[0] = TaskAssignment(PROJECT, id, root, abi.encodePacked(device, window), prover);
        vm.prank(COORDINATOR);
        manager.assign(batch, sequencer, block.timestamp + 60);
        if (open || manager.stateOf(id) != TaskState.Assigned) return;
        _sequencerOf[id] = sequencer;
        if (_known[id]) return;
        _known[id] = true;
        _tasks.push(id);
        _deviceOf[id] = device;
        _windowOf[id] = window;
        _rootOf[id] = root;
    }

    /// @dev Good proofs of up to BATCH tasks of one prover, behind a forged one for more readings and with a copy of the first.
    function settle(uint256 seed) external {
        bytes32 id = _pick(seed, true);
        if (id == 0) return;
        address prover = manager.recordOf(id).prover();
        Brought[] memory brought = _bring(id, prover, seed);
        IRouter.Item[] memory items = new IRouter.Item[](brought.length + 2);
        items[0] = _itemOf(id, prover, 64);
        items[0].proof[0] ^= 1;
        for (uint256 i = 0; i < brought.length; ++i) {
            items[1 + i] = _itemOf(brought[i].id, prover, brought[i].count);
        }
        items[1 + brought.length] = items[1];
        bytes32[] memory ids = _idsOf(PROJECT, items);
        bytes memory data = abi.encode(items);

        // Nobody else takes them, and not for another project.
        address thief = prover == PROVER ? PROVER_TWO : PROVER;
        _checkRefused(prover, NEIGHBOUR, ids, data);
        _checkRefused(thief, PROJECT, ids, data);

        (bool success, ) = address(router).call(abi.encodeCall(router.route, (prover, PROJECT, ids, data)));
        _expect(success, "a good proof was blocked");
        for (uint256 i = 0; i < brought.length; ++i) _book(brought[i], prover);
    }

    function recall(uint256 seed) external {
        bytes32 id = _pick(seed, false);
        if (id == 0) return;
        if (seed & 3 == 0) vm.warp(block.timestamp + 61);
        bool due = block.timestamp > manager.recordOf(id).deadline();
        (bool success, ) = address(manager).call(abi.encodeCall(manager.recall, (NEIGHBOUR, id)));
        _expect(!success, "recalled for another project");
        (success, ) = address(manager).call(abi.encodeCall(manager.recall, (PROJECT, id)));
        _expect(success == due, "recall");
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
        address account = _payees()[seed % 6];
        uint256 credited = escrow.credited(address(token), account);
        bytes memory call_ = abi.encodeCall(escrow.claimFor, (address(token), account));
        (bool success, ) = address(escrow).call(call_);
        bool blocked = BlockingToken(address(token)).modes(account) != BlockingToken.Mode.None;
        _expect(success == (credited != 0 && !blocked), "claim");
        // What reaches a device's wallet is still counted there.
        if (!success || seed % 6 > 3) return;
        _withdrawn += credited;
        _fees[account] -= credited;
    }

    function changeTerms(uint256 seed) external {
        Terms memory terms = _terms();
        terms.pricePerReading = uint96(seed % 5);
        terms.proverFee = uint96((seed >> 8) % 200);
        terms.sequencerFee = uint96((seed >> 16) % 50);
        vm.prank(OWNER);
        projects.publishTerms(PROJECT, terms);
        vm.prank(STRANGER);
        projects.publishTerms(NEIGHBOUR, terms);
    }

    function changeDapp(uint256 seed) external {
        dapp.set(DappDouble.Mode(seed % 4));
    }

    /// @dev The token refuses a device's wallet in one of the ways that tokens do, or takes it again.
    function changeToken(uint256 seed) external {
        address wallet = _walletOf(seed & 1 == 0 ? DEVICE : DEVICE_TWO);
        BlockingToken.Mode[4] memory modes = [
            BlockingToken.Mode.None,
            BlockingToken.Mode.Reverts,
            BlockingToken.Mode.ReturnsFalse,
            BlockingToken.Mode.BurnsGas
        ];
        BlockingToken(address(token)).set(wallet, modes[(seed >> 8) % 4]);
    }

    /// @dev One campaign checks all of them: the walk costs more than the looking.
    function invariant_Market() external view {
        assertEq(_flaw, "");
        _checkTheBooksBalance();
        _checkAWindowSettlesAtMostOnce();
        _checkHoldsAndPlacesBelongToAssignedTasks();
        _checkTheDappChangesNobodysPay();
    }

    /// @dev INV-MARKET-1: for the token, free + held + credited = deposited − withdrawn − paid, and the escrow owns exactly that.
    /// Each account's credit is its own tasks' fees; the neighbour's money is where it was.
    function _checkTheBooksBalance() private view {
        uint256 free = escrow.balanceOf(address(token), PROJECT);
        uint256 neighbours = escrow.balanceOf(address(token), NEIGHBOUR);
        uint256 held;
        for (uint256 i = 0; i < _tasks.length; ++i) {
            (, uint96 amount) = escrow.holdOf(PROJECT, address(token), _tasks[i]);
            held += amount;
        }
        uint256 credited;
        address[6] memory payees = _payees();
        for (uint256 i = 0; i < payees.length; ++i) {
            uint256 credit = escrow.credited(address(token), payees[i]);
            credited += credit;
            if (i < 4) assertEq(credit, _fees[payees[i]], "fees");
        }
        uint256 paid = token.balanceOf(_walletOf(DEVICE)) + token.balanceOf(_walletOf(DEVICE_TWO));
        assertEq(neighbours, FUNDS, "the neighbour's");
        assertEq(free + neighbours + held + credited + paid, _deposited - _withdrawn, "books");
        assertEq(token.balanceOf(address(escrow)), free + neighbours + held + credited, "custody");
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

    /// @dev INV-MARKET-4: whatever dapp and token do, each device's wallet has, or may claim, what its settled windows earned.
    function _checkTheDappChangesNobodysPay() private view {
        _checkPay(DEVICE);
        _checkPay(DEVICE_TWO);
    }

    function _checkPay(address device) private view {
        address wallet = _walletOf(device);
        assertEq(token.balanceOf(wallet) + escrow.credited(address(token), wallet), _due[device], "device");
    }

    function _expect(bool holds, string memory what) private {
        if (!holds) _flaw = what;
    }

    function _checkRefused(address prover, uint256 projectId, bytes32[] memory ids, bytes memory data) private {
        (bool success, ) = address(router).call(abi.encodeCall(router.route, (prover, projectId, ids, data)));
        _expect(!success, "settled for another prover or project");
    }

    /// @dev What a task that settled in this call earned, by the terms it was assigned under.
    function _book(Brought memory task, address prover) private {
        if (manager.stateOf(task.id) != TaskState.Settled) return;
        Terms memory terms = projects.terms(PROJECT, manager.recordOf(task.id).version());
        _settled[task.id] = true;
        ++_settlements[_deviceOf[task.id]][_windowOf[task.id]];
        _due[_deviceOf[task.id]] += uint256(terms.pricePerReading) * task.count;
        _fees[provers.beneficiary(prover)] += terms.proverFee;
        _fees[_sequencerOf[task.id]] += terms.sequencerFee;
    }

    /// @dev `first`, and whatever follows it that is assigned to the same prover: other terms and taken windows among them.
    function _bring(bytes32 first, address prover, uint256 seed) private view returns (Brought[] memory brought) {
        brought = new Brought[](BATCH);
        brought[0] = Brought(first, uint8(1 + ((seed >> 64) % 64)));
        uint256 size = 1;
        for (uint256 i = 0; i < _tasks.length && size < BATCH; ++i) {
            bytes32 id = _tasks[(seed + i) % _tasks.length];
            if (id == first || manager.stateOf(id) != TaskState.Assigned) continue;
            if (manager.recordOf(id).prover() != prover) continue;
            brought[size++] = Brought(id, uint8(1 + ((seed >> (64 + 8 * size)) % 64)));
        }
        assembly ("memory-safe") {
            mstore(brought, size)
        }
    }

    /// @dev Whom the escrow may owe: four by fees, two wallets by pushes that failed.
    function _payees() private view returns (address[6] memory) {
        return
            [
                SEQUENCER,
                SEQUENCER_TWO,
                provers.beneficiary(PROVER),
                provers.beneficiary(PROVER_TWO),
                _walletOf(DEVICE),
                _walletOf(DEVICE_TWO)
            ];
    }

    function _newToken() internal override returns (TestToken) {
        return new BlockingToken();
    }

    function _itemOf(bytes32 id, address prover, uint8 count) private view returns (IRouter.Item memory item) {
        item.device = _deviceOf[id];
        item.window = _windowOf[id];
        item.root = _rootOf[id];
        item.statistics = _statistics(item.window, count);
        item.proof[0] = _proofOf(PROJECT, item, prover);
    }

    /// @dev The first Assigned task from a random place on; for `open`, whose window is.
    function _pick(uint256 seed, bool open) private view returns (bytes32) {
        for (uint256 i = 0; i < _tasks.length; ++i) {
            bytes32 id = _tasks[(seed + i) % _tasks.length];
            if (manager.stateOf(id) != TaskState.Assigned) continue;
            if (!open || !manager.isWindowSettled(PROJECT, _deviceOf[id], _windowOf[id])) return id;
        }
        return 0;
    }
}
