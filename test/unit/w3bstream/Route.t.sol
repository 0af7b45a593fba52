// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDappBase} from "../../../contracts/interfaces/w3bstream/IDappBase.sol";
import {IRouter} from "../../../contracts/interfaces/w3bstream/IRouter.sol";
import {ITaskManager, Settlement, TaskAssignment} from "../../../contracts/interfaces/w3bstream/ITaskManager.sol";
import {DappDouble} from "../../../contracts/mocks/DappDouble.sol";
import {Statistics} from "../../../contracts/types/Statistics.sol";
import {TaskState, WindowResult} from "../../../contracts/types/Tasks.sol";
import {Rates, Terms} from "../../../contracts/types/Terms.sol";
import {TelemetryDapp} from "../../../contracts/w3bstream/TelemetryDapp.sol";
import {ITelemetryDapp} from "../../../contracts/interfaces/w3bstream/ITelemetryDapp.sol";
import {Market} from "./Market.sol";

contract RouteTest is Market {
    function test_GivenAProvenTask_PaysEverybodyOnce() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        vm.prank(STRANGER); // anybody may bring a proof: it names who is paid
        this.routeOne(_prove(PROJECT, DEVICE, 0, PROVER, 64));
        _assertSettled(id, 0, 64);
        assertEq(dapp.calls(), 1);
    }

    function test_GivenAPartWindow_ReturnsTheRestToTheProject() external {
        bytes32 id = _assign(DEVICE, 300, PROVER);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 300, PROVER, 5)));
        _assertSettled(id, 300, 5);
        assertEq(manager.settledBitmap(PROJECT, DEVICE, 1), 1 << 44);
    }

    function testFuzz_GivenAnyCount_TheBooksBalance(uint8 count, uint32 window) external {
        count = uint8(bound(count, 1, 64));
        bytes32 id = _assign(DEVICE, window, PROVER);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, window, PROVER, count)));
        _assertSettled(id, window, count);
    }

    function test_Attack14_WhenOneItemIsBad_TheOthersSettle() external {
        bytes32 bad = _assign(DEVICE, 0, PROVER);
        bytes32 good = _assign(DEVICE_TWO, 0, PROVER);
        IRouter.Item[] memory items = _items(
            _prove(PROJECT, DEVICE, 0, PROVER, 64),
            _prove(PROJECT, DEVICE_TWO, 0, PROVER, 64)
        );
        items[0].proof[0] ^= 1;
        vm.expectEmit(address(router));
        emit IRouter.ItemRefused(PROJECT, bad, abi.encodeWithSelector(IRouter.Router_BadProof.selector));
        _route(PROVER, items);
        assertEq(uint256(manager.stateOf(bad)), uint256(TaskState.Assigned));
        assertEq(uint256(manager.stateOf(good)), uint256(TaskState.Settled));
        assertEq(provers.inflight(PROVER), 1);
    }

    function test_Attack14_WhenAnItemHasDirtyBits_TheOthersSettle() external {
        _assign(DEVICE, 0, PROVER);
        bytes32 good = _assign(DEVICE_TWO, 0, PROVER);
        IRouter.Item[] memory items = _items(
            _prove(PROJECT, DEVICE, 0, PROVER, 64),
            _prove(PROJECT, DEVICE_TWO, 0, PROVER, 64)
        );
        bytes memory data = abi.encode(items);
        data[64] = 0xff; // first byte of the first item's device
        bytes32[] memory ids = _idsOf(PROJECT, items);
        router.route(PROVER, PROJECT, ids, data);
        assertEq(uint256(manager.stateOf(good)), uint256(TaskState.Settled));
    }

    function test_Attack14_ABadFirstItemDoesNotChooseTheTerms() external {
        _assign(DEVICE, 0, PROVER);
        vm.prank(OWNER);
        projects.publishTerms(PROJECT, _terms());
        bytes32 good = _assign(DEVICE_TWO, 0, PROVER);
        IRouter.Item[] memory items = _items(
            _prove(PROJECT, DEVICE, 0, PROVER, 64),
            _prove(PROJECT, DEVICE_TWO, 0, PROVER, 64)
        );
        items[0].proof[0] ^= 1;
        _route(PROVER, items);
        assertEq(uint256(manager.stateOf(good)), uint256(TaskState.Settled));
    }

    function test_WhenItemsHaveOtherTerms_TheyAreRefused() external {
        _assign(DEVICE, 0, PROVER);
        vm.prank(OWNER);
        projects.publishTerms(PROJECT, _terms());
        bytes32 other = _assign(DEVICE_TWO, 0, PROVER);
        IRouter.Item[] memory items = _items(
            _prove(PROJECT, DEVICE, 0, PROVER, 64),
            _prove(PROJECT, DEVICE_TWO, 0, PROVER, 64)
        );
        vm.expectEmit(address(router));
        emit IRouter.ItemRefused(PROJECT, other, abi.encodeWithSelector(IRouter.Router_OtherTerms.selector, 2, 1));
        _route(PROVER, items);
        assertEq(uint256(manager.stateOf(other)), uint256(TaskState.Assigned));
    }

    /// @dev Attack 11: a proof for one thing is presented for another.
    function test_Attack11_AProofIsForItsTaskProverWindowAndRootOnly() external {
        _assign(DEVICE, 0, PROVER);
        _assign(DEVICE, 1, PROVER);
        _assign(DEVICE_TWO, 0, PROVER_TWO);
        IRouter.Item memory first = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        IRouter.Item memory other = _prove(PROJECT, DEVICE, 1, PROVER, 64);
        other.proof = first.proof;
        _expectRefused(PROVER, other, abi.encodeWithSelector(IRouter.Router_BadProof.selector));
        // Another device's proof, and one bound to another prover.
        IRouter.Item memory foreign = _prove(PROJECT, DEVICE_TWO, 0, PROVER_TWO, 64);
        foreign.proof[0] = _proofOf(PROJECT, foreign, PROVER);
        _expectRefused(PROVER_TWO, foreign, abi.encodeWithSelector(IRouter.Router_BadProof.selector));
        // Better statistics than were proven.
        first.statistics += 1;
        _expectRefused(PROVER, first, abi.encodeWithSelector(IRouter.Router_BadProof.selector));
    }

    function test_Attack11_AProofStolenForAnotherProverPaysNobody() external {
        _assign(DEVICE, 0, PROVER);
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        _expectRefused(PROVER_TWO, item, abi.encodeWithSelector(IRouter.Router_OtherProver.selector, PROVER));
    }

    function test_Attack11_AProofOnAnotherChainIsNone() external {
        _assign(DEVICE, 0, PROVER);
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        bytes32[] memory ids = _idsOf(PROJECT, _items(item));
        vm.chainId(4690);
        vm.expectRevert();
        router.route(PROVER, PROJECT, ids, abi.encode(_items(item)));
    }

    function test_Attack11_TheSameTaskTwiceInOneCallSettlesOnce() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        _assign(DEVICE, 1, PROVER);
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        _route(PROVER, _items(item, item));
        _assertSettled(id, 0, 64);
        assertEq(provers.inflight(PROVER), 1);
    }

    function test_Attack11_TheSameTaskTwiceInTwoCallsSettlesOnce() external {
        _assign(DEVICE, 0, PROVER);
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        _route(PROVER, _items(item));
        _expectRefused(
            PROVER,
            item,
            abi.encodeWithSelector(IRouter.Router_NotAssigned.selector, uint8(TaskState.Settled))
        );
    }

    /// @dev Two coordinators cut one window differently; both tasks are assigned, one window is paid.
    function test_Attack11_ASecondRootOfAWindowNeverSettles() external {
        _assign(DEVICE, 0, PROVER);
        bytes32 root = bytes32(uint256(42));
        bytes32 second = manager.taskIdOf(PROJECT, DEVICE, 0, root);
        vm.prank(COORDINATOR);
        manager.assign(
            TaskAssignment(PROJECT, second, root, abi.encodePacked(DEVICE, uint32(0)), PROVER),
            SEQUENCER,
            block.timestamp + 600
        );
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        IRouter.Item memory twin = abi.decode(abi.encode(item), (IRouter.Item));
        twin.root = root;
        twin.proof[0] = _proofOf(PROJECT, twin, PROVER);
        vm.expectEmit(address(router));
        emit IRouter.ItemRefused(PROJECT, second, abi.encodeWithSelector(IRouter.Router_WindowTaken.selector, 0));
        _route(PROVER, _items(item, twin));
        assertEq(uint256(manager.stateOf(second)), uint256(TaskState.Assigned));
        // Its hold goes home by the deadline's way.
        vm.warp(block.timestamp + 601);
        manager.recall(PROJECT, second);
        assertEq(escrow.balanceOf(address(token), PROJECT), FUNDS - HOLD);
    }

    /// @dev A whole call of proven tasks whose windows are paid: refused, and no dapp is called with nothing.
    function test_Attack11_WhenEveryWindowIsTaken_Reverts() external {
        _assign(DEVICE, 0, PROVER);
        bytes32 root = bytes32(uint256(42));
        bytes32 second = manager.taskIdOf(PROJECT, DEVICE, 0, root);
        vm.prank(COORDINATOR);
        manager.assign(
            TaskAssignment(PROJECT, second, root, abi.encodePacked(DEVICE, uint32(0)), PROVER),
            SEQUENCER,
            block.timestamp + 600
        );
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        IRouter.Item memory twin = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        twin.root = root;
        twin.proof[0] = _proofOf(PROJECT, twin, PROVER);
        _expectRefused(PROVER, twin, abi.encodeWithSelector(IRouter.Router_WindowTaken.selector, 0));
        assertEq(dapp.calls(), 1);
    }

    /// @dev The terms are in the context: what was proven for cheaper ones does not settle a new attempt under others.
    function test_Attack11_AProofUnderOtherTermsIsNone() external {
        _assign(DEVICE, 0, PROVER);
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        vm.warp(block.timestamp + 601);
        manager.recall(PROJECT, _idsOf(PROJECT, _items(item))[0]);
        Terms memory dearer = _terms();
        dearer.proverFee = 1_000;
        vm.prank(OWNER);
        projects.publishTerms(PROJECT, dearer);
        vm.prank(PROVER);
        provers.heartbeat();
        _assign(DEVICE, 0, PROVER);
        _expectRefused(PROVER, item, abi.encodeWithSelector(IRouter.Router_BadProof.selector));
    }

    function test_WhenTheTaskIdIsNotDerived() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        item.root = bytes32(uint256(item.root) ^ 1);
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        bytes32 derived = manager.taskIdOf(PROJECT, DEVICE, 0, item.root);
        bytes memory reason = abi.encodeWithSelector(IRouter.Router_TaskMismatch.selector, id, derived);
        vm.expectRevert(abi.encodeWithSelector(IRouter.Router_EveryItemRefused.selector, reason));
        router.route(PROVER, PROJECT, ids, abi.encode(_items(item)));
    }

    function test_WhenTheTaskIsOfAnotherProject() external {
        _openProject(8, OWNER);
        _assign(DEVICE, 0, PROVER);
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        bytes32[] memory ids = _idsOf(PROJECT, _items(item));
        vm.expectRevert();
        router.route(PROVER, 8, ids, abi.encode(_items(item)));
    }

    function test_WhenStatisticsDoNotFitTheTerms() external {
        _assign(DEVICE, 0, PROVER);
        uint256 good = _statistics(0, 64);
        uint256[7] memory bad = [
            good ^ (1 << 204), // threshold
            good ^ (1 << 228), // rangeMax
            good ^ (1 << 92), // window
            good & ~(uint256(0x7f) << 78), // no readings
            good | (uint256(0x7f) << 78), // 127 readings
            good | (1 << 252), // beyond the layout
            good | (1 << 255)
        ];
        for (uint256 i = 0; i < bad.length; ++i) {
            IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
            item.statistics = bad[i];
            item.proof[0] = _proofOf(PROJECT, item, PROVER); // even a circuit that would prove it
            _expectRefused(PROVER, item, abi.encodeWithSelector(IRouter.Router_BadStatistics.selector, bad[i]));
        }
    }

    function test_WhenReadingsLieInTheFuture() external {
        _assign(DEVICE, 0, PROVER);
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        item.statistics += uint256(61) << 164;
        item.proof[0] = _proofOf(PROJECT, item, PROVER);
        _expectRefused(
            PROVER,
            item,
            abi.encodeWithSelector(IRouter.Router_FutureReadings.selector, block.timestamp + 61, block.timestamp + 60)
        );
    }

    function test_WhenTheDataKeyIsGone() external {
        _assign(DEVICE, 0, PROVER);
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        uint256 tokenId = identity.deviceTokenId(DEVICE);
        identity.setKey(PROJECT, tokenId, 0);
        _expectRefused(PROVER, item, abi.encodeWithSelector(IRouter.Router_NoDataKey.selector, tokenId, 0));
    }

    /// @dev A leaked key is cut off like this. The prover's work is lost, the project's hold comes back after the deadline.
    function test_WhenAnotherDataKeyIsBoundOverARunningTask() external {
        bytes32 taskId = _assign(DEVICE, 0, PROVER);
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        uint256 free = escrow.balanceOf(address(token), PROJECT);
        identity.setKey(PROJECT, identity.deviceTokenId(DEVICE), 77);
        _expectRefused(PROVER, item, abi.encodeWithSelector(IRouter.Router_BadProof.selector));
        assertEq(uint256(manager.stateOf(taskId)), uint256(TaskState.Assigned));
        vm.warp(manager.recordOf(taskId).deadline() + 1);
        manager.recall(PROJECT, taskId);
        assertGt(escrow.balanceOf(address(token), PROJECT), free);
        assertEq(provers.inflight(PROVER), 0);
    }

    function test_WhenTheVerifierReverts() external {
        _assign(DEVICE, 0, PROVER);
        verifier.setReverting(true);
        IRouter.Item memory item = _prove(PROJECT, DEVICE, 0, PROVER, 64);
        _expectRefused(PROVER, item, abi.encodeWithSelector(IRouter.Router_BadProof.selector));
    }

    function test_WhenTheDataIsMalformed() external {
        _assign(DEVICE, 0, PROVER);
        IRouter.Item[] memory items = _items(_prove(PROJECT, DEVICE, 0, PROVER, 64));
        bytes32[] memory ids = _idsOf(PROJECT, items);
        bytes memory data = abi.encode(items);
        vm.expectRevert(abi.encodeWithSelector(IRouter.Router_LengthMismatch.selector, 1, 0));
        router.route(PROVER, PROJECT, ids, "");
        vm.expectRevert(abi.encodeWithSelector(IRouter.Router_LengthMismatch.selector, 0, 1));
        router.route(PROVER, PROJECT, new bytes32[](0), data);
        vm.expectRevert(IRouter.Router_Malformed.selector);
        router.route(PROVER, PROJECT, ids, bytes.concat(data, hex"00"));
        vm.expectRevert(abi.encodeWithSelector(IRouter.Router_TooManyItems.selector, 33, 32));
        router.route(PROVER, PROJECT, new bytes32[](33), data);
        data[31] = 0x40;
        vm.expectRevert(IRouter.Router_Malformed.selector);
        router.route(PROVER, PROJECT, ids, data);
    }

    function testFuzz_WhenTheDataIsNoise_NothingSettles(bytes calldata noise, bytes32 id) external {
        bytes32[] memory ids = new bytes32[](1);
        ids[0] = id;
        vm.expectRevert();
        router.route(PROVER, PROJECT, ids, noise);
    }

    /// @dev Attack 29: whatever the receiver does, the same people get the same money.
    function test_Attack29_ABadDappChangesNobodysPay() external {
        DappDouble.Mode[4] memory modes = [
            DappDouble.Mode.Reverts,
            DappDouble.Mode.BurnsGas,
            DappDouble.Mode.ReturnBomb,
            DappDouble.Mode.Takes
        ];
        for (uint32 i = 0; i < modes.length; ++i) {
            uint256 snapshot = vm.snapshotState();
            dapp.set(modes[i]);
            bytes32 id = _assign(DEVICE, i, PROVER);
            _route(PROVER, _items(_prove(PROJECT, DEVICE, i, PROVER, 64)));
            _assertSettled(id, i, 64);
            vm.revertToState(snapshot);
        }
    }

    function test_Attack29_AReentrantDappGetsNowhere() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        _assign(DEVICE, 1, PROVER);
        IRouter.Item[] memory again = _items(_prove(PROJECT, DEVICE, 1, PROVER, 64));
        dapp.set(DappDouble.Mode.CallsBack);
        dapp.setCall(
            address(router),
            abi.encodeCall(IRouter.route, (PROVER, PROJECT, _idsOf(PROJECT, again), abi.encode(again)))
        );
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        assertFalse(dapp.calledBack());
        _assertSettled(id, 0, 64);
        assertEq(uint256(manager.stateOf(_idsOf(PROJECT, again)[0])), uint256(TaskState.Assigned));
    }

    /// @dev Attack 29: at no gas limit does the call succeed while the dapp is given less than its terms say.
    function testFuzz_Attack29_TheCallerCannotStarveTheDapp(uint256 gas_) external {
        _assign(DEVICE, 0, PROVER);
        dapp.set(DappDouble.Mode.NeedsGas);
        dapp.setGasNeeded(298_000); // of the 300,000 in the terms
        IRouter.Item[] memory items = _items(_prove(PROJECT, DEVICE, 0, PROVER, 64));
        bytes memory call_ = abi.encodeCall(
            IRouter.route,
            (PROVER, PROJECT, _idsOf(PROJECT, items), abi.encode(items))
        );
        (bool success, ) = address(router).call{gas: bound(gas_, 100_000, 1_500_000)}(call_);
        assertEq(dapp.calls(), success ? 1 : 0, "settled without the dapp");
        assertEq(manager.isWindowSettled(PROJECT, DEVICE, 0), success);
    }

    function test_Retry_DeliversOnceWhatFailed() external {
        _assign(DEVICE, 0, PROVER);
        dapp.set(DappDouble.Mode.Reverts);
        IRouter.Item[] memory items = _items(_prove(PROJECT, DEVICE, 0, PROVER, 64));
        bytes32[] memory ids = _idsOf(PROJECT, items);
        bytes memory results = _resultsOf(items[0]);
        bytes32 delivery = keccak256(abi.encode(PROJECT, PROVER, address(dapp), uint32(300_000), ids, results));
        vm.expectEmit(address(router));
        emit IRouter.DeliveryFailed(PROJECT, delivery, address(dapp), 300_000);
        bytes memory refuses = abi.encodeWithSelector(DappDouble.DappDouble_Refuses.selector, PROJECT);
        vm.expectEmit(address(router));
        emit IRouter.DataProcessed(PROJECT, uint160(PROVER), address(this), false, refuses);
        router.route(PROVER, PROJECT, ids, abi.encode(items));
        assertTrue(router.isUndelivered(delivery));

        vm.expectRevert(abi.encodeWithSelector(IRouter.Router_DeliveryFailed.selector, refuses));
        router.retry(PROVER, PROJECT, address(dapp), 300_000, ids, results);
        assertTrue(router.isUndelivered(delivery));

        dapp.set(DappDouble.Mode.Takes);
        router.retry(PROVER, PROJECT, address(dapp), 300_000, ids, results);
        assertEq(dapp.calls(), 1);
        assertEq(dapp.lastCall(), keccak256(abi.encode(PROVER, PROJECT, ids, results)));
        vm.expectRevert(abi.encodeWithSelector(IRouter.Router_UnknownDelivery.selector, delivery));
        router.retry(PROVER, PROJECT, address(dapp), 300_000, ids, results);
    }

    function test_Retry_RevertWhen_MadeUp() external {
        vm.expectRevert();
        router.retry(PROVER, PROJECT, address(dapp), 0, new bytes32[](1), "");
    }

    function test_GivenNoReceiver_SettlesWithoutADapp() external {
        vm.prank(OWNER);
        router.unbindDapp(PROJECT);
        bytes32 id = _assign(DEVICE, 0, PROVER);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        _assertSettled(id, 0, 64);
        assertEq(dapp.calls(), 0);
    }

    function test_BindDapp_IsANewVersionWithAnotherReceiver() external {
        _assign(DEVICE, 0, PROVER); // under the old terms
        DappDouble other = new DappDouble();
        vm.expectEmit(address(router));
        emit IRouter.DappBound(PROJECT, OWNER, address(other));
        vm.prank(OWNER);
        router.bindDapp(PROJECT, address(other));
        assertEq(router.dapp(PROJECT), address(other));
        assertEq(projects.termsVersion(PROJECT), 2);
        Terms memory want = _terms();
        want.receiver = address(other);
        assertEq(keccak256(abi.encode(projects.terms(PROJECT, 2))), keccak256(abi.encode(want)));
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        assertEq(dapp.calls(), 1, "a running task keeps its terms");
        assertEq(other.calls(), 0);
    }

    function test_BindDapp_ByTheOwnerOfTheOwningContract() external {
        OwningProxy proxy = new OwningProxy(OWNER);
        identity.setProject(PROJECT, address(proxy));
        vm.prank(OWNER);
        router.unbindDapp(PROJECT);
        assertEq(router.dapp(PROJECT), address(0));
        vm.expectRevert(abi.encodeWithSelector(IRouter.Router_NotProjectOwner.selector, PROJECT, STRANGER));
        vm.prank(STRANGER);
        router.bindDapp(PROJECT, address(dapp));
    }

    function test_BindDapp_RevertWhen_NotOwner() external {
        vm.expectRevert(abi.encodeWithSelector(IRouter.Router_NotProjectOwner.selector, PROJECT, STRANGER));
        vm.prank(STRANGER);
        router.bindDapp(PROJECT, address(dapp));
    }

    /// @dev Attack 12: a dapp's door is the router's alone.
    function test_Attack12_ProcessIsForTheRouterOnly() external {
        TelemetryDapp telemetry = new TelemetryDapp(address(router));
        vm.expectRevert(abi.encodeWithSelector(IDappBase.Dapp_NotRouter.selector, address(this)));
        telemetry.process(PROVER, PROJECT, new bytes32[](0), "");
    }

    /// @dev Attack 12: nobody but the router settles, so nobody mints a prover's credit.
    function test_Attack12_SettleIsForTheRouterOnly() external {
        bytes32 id = _assign(DEVICE, 0, PROVER);
        Settlement[] memory items = new Settlement[](1);
        items[0] = Settlement(id, DEVICE, 0, 64);
        Rates memory rates = projects.settlementTerms(PROJECT, 1).rates;
        vm.expectRevert(abi.encodeWithSelector(ITaskManager.TaskManager_NotRouter.selector, PROVER));
        vm.prank(PROVER);
        manager.settle(PROJECT, PROVER, rates, items);
    }

    function test_Telemetry_RecordsAndRaisesAlarms() external {
        TelemetryDapp telemetry = new TelemetryDapp(address(router));
        vm.prank(OWNER);
        router.bindDapp(PROJECT, address(telemetry));
        _assign(DEVICE, 3, PROVER);
        vm.expectEmit(address(telemetry));
        emit ITelemetryDapp.WindowRecorded(PROJECT, DEVICE, 3, 64, 64_000, 900, 6_000, 1, uint64(block.timestamp));
        vm.expectEmit(address(telemetry));
        emit ITelemetryDapp.Alarm(PROJECT, DEVICE, 3, 1, 6_000);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 3, PROVER, 64)));
        _assign(DEVICE, 2, PROVER);
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 2, PROVER, 6)));
        ITelemetryDapp.Totals memory t = telemetry.totals(PROJECT, DEVICE);
        assertEq(t.sum, 70_000);
        assertEq(t.readings, 70);
        assertEq(t.windows, 2);
        assertEq(t.alarms, 2);
        assertEq(t.lastWindow, 3);
        assertEq(t.min, 900);
        assertEq(t.max, 6_000);
    }

    function routeOne(IRouter.Item calldata item) external {
        _route(PROVER, _items(item));
    }

    function _expectRefused(address prover, IRouter.Item memory item, bytes memory reason) private {
        bytes32[] memory ids = _idsOf(PROJECT, _items(item));
        vm.expectRevert(abi.encodeWithSelector(IRouter.Router_EveryItemRefused.selector, reason));
        router.route(prover, PROJECT, ids, abi.encode(_items(item)));
    }

    /// @dev The one task that was settled in this market paid `count` readings, and everything else is where it was.
    function _assertSettled(bytes32 id, uint32 window, uint256 count) private view {
        assertEq(uint256(manager.stateOf(id)), uint256(TaskState.Settled), "state");
        assertTrue(manager.isWindowSettled(PROJECT, DEVICE, window), "bit");
        assertEq(token.balanceOf(_walletOf(DEVICE)), count * PRICE, "wallet");
        assertEq(escrow.credited(address(token), provers.beneficiary(PROVER)), PROVER_FEE, "prover");
        assertEq(escrow.credited(address(token), SEQUENCER), SEQUENCER_FEE, "sequencer");
        (address sequencer, uint96 held) = escrow.holdOf(PROJECT, address(token), id);
        assertEq(sequencer, address(0), "hold");
        assertEq(held, 0, "hold");
        uint256 open = HOLD * provers.inflight(PROVER);
        uint256 spent = count * PRICE + PROVER_FEE + SEQUENCER_FEE;
        assertEq(escrow.balanceOf(address(token), PROJECT), FUNDS - spent - open, "free");
        assertEq(token.balanceOf(address(escrow)), FUNDS - count * PRICE, "escrow");
    }

    function _resultsOf(IRouter.Item memory item) private view returns (bytes memory) {
        Statistics s = Statistics.wrap(item.statistics);
        WindowResult[] memory results = new WindowResult[](1);
        results[0].device = item.device;
        results[0].wallet = _walletOf(item.device);
        results[0].window = item.window;
        results[0].firstSequence = s.firstSequence();
        results[0].firstTime = s.firstTime();
        results[0].count = s.count();
        results[0].above = s.above();
        results[0].sum = s.sum();
        results[0].min = s.min();
        results[0].max = s.max();
        return abi.encode(results);
    }
}

/// @dev As v1's verifying proxy: a contract that owns a project, with an owner of its own.
contract OwningProxy {
    address public owner;

    constructor(address owner_) {
        owner = owner_;
    }
}
