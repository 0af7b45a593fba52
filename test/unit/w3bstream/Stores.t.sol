// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";

import {IProgramRegistry} from "../../../contracts/interfaces/verifiers/IProgramRegistry.sol";
import {IProjectStore} from "../../../contracts/interfaces/w3bstream/IProjectStore.sol";
import {IProverStore} from "../../../contracts/interfaces/w3bstream/IProverStore.sol";
import {ITaskManager, TaskAssignment} from "../../../contracts/interfaces/w3bstream/ITaskManager.sol";
import {Refusal} from "../../../contracts/types/Tasks.sol";
import {ClockKind, SettlementTerms, Terms} from "../../../contracts/types/Terms.sol";
import {ProgramRegistry} from "../../../contracts/verifiers/ProgramRegistry.sol";
import {ProjectStore} from "../../../contracts/w3bstream/ProjectStore.sol";
import {Market} from "./Market.sol";

contract StoresTest is Market {
    function test_SetRequiredCredential_IsTheProjectOwners() public {
        vm.prank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IProjectStore.ProjectStore_NotOwner.selector, PROJECT, STRANGER));
        projects.setRequiredCredential(PROJECT, "type");
        vm.expectEmit(address(projects));
        emit IProjectStore.RequiredCredentialSet(PROJECT, "type");
        vm.prank(OWNER);
        projects.setRequiredCredential(PROJECT, "type");
        assertEq(projects.requiredCredential(PROJECT), "type");
        assertEq(projects.requiredCredential(PROJECT + 1), 0);
        assertEq(projects.assignmentTerms(PROJECT, COORDINATOR).requiredCredential, "type");
        assertTrue(projects.isValidProject(PROJECT));
    }

    function test_PublishTerms_FreezesAVersion() external {
        Terms memory first = _terms();
        bytes32 firstId = _idOf(1, first);
        assertEq(projects.termsIdOf(PROJECT, 1), firstId);
        Terms memory second = _terms();
        second.proverFee = 7;
        vm.expectEmit(address(projects));
        emit IProjectStore.TermsPublished(PROJECT, 2, _idOf(2, second));
        vm.prank(OWNER);
        (uint32 version, bytes32 id) = projects.publishTerms(PROJECT, second);
        assertEq(version, 2);
        assertEq(id, _idOf(2, second));
        assertEq(projects.termsVersion(PROJECT), 2);
        assertEq(keccak256(abi.encode(projects.terms(PROJECT, 1))), keccak256(abi.encode(first)));
        assertEq(keccak256(abi.encode(projects.terms(PROJECT, 2))), keccak256(abi.encode(second)));
        vm.expectRevert(abi.encodeWithSelector(IProjectStore.ProjectStore_NoTerms.selector, PROJECT, 3));
        projects.terms(PROJECT, 3);
    }

    function testFuzz_PublishTerms_ReadsBackWhatWasWritten(uint256 seed, uint256 more) external {
        Terms memory terms = _terms();
        terms.channel = uint64(seed) | 1;
        terms.rangeMin = int64(uint64(seed >> 64)) >> 1;
        terms.rangeMax = uint24(seed >> 128) | 1;
        terms.threshold = uint24((seed >> 152) % (uint256(terms.rangeMax) + 1));
        terms.decimals = uint8((seed >> 176) % 19);
        terms.dappGas = uint32(bound(uint32(seed >> 184), 30_000, 1 << 23));
        terms.taskSeconds = uint32(bound(uint32(seed >> 216), 10, 30 days));
        terms.pricePerReading = uint96(more) >> 8;
        terms.proverFee = uint96(more >> 32) >> 2;
        terms.sequencerFee = uint96(more >> 64) >> 2;
        terms.clock = ClockKind.Replay;
        terms.clockOrigin = uint40(more >> 96);
        terms.clockStart = uint40(more >> 136) | 1;
        terms.clockSpeed = uint32(more >> 176) | 1;
        terms.maxAge = uint32(more >> 208);
        terms.maxSkew = uint32(more >> 224);
        vm.prank(OWNER);
        (uint32 version, bytes32 id) = projects.publishTerms(PROJECT, terms);
        assertEq(id, _idOf(version, terms));
        assertEq(keccak256(abi.encode(projects.terms(PROJECT, version))), keccak256(abi.encode(terms)));
        uint256 hold = uint256(terms.proverFee) + terms.sequencerFee + 64 * uint256(terms.pricePerReading);
        assertEq(projects.assignmentTerms(PROJECT, COORDINATOR).hold, hold);
        assertEq(projects.settlementTerms(PROJECT, version).threshold, terms.threshold);
    }

    function test_PublishTerms_RevertWhen_AFieldIsOutOfBounds() external {
        Terms memory t = _terms();
        t.programId = keccak256("unknown");
        _expectBad(t, abi.encodeWithSelector(IProjectStore.ProjectStore_UnknownProgram.selector, t.programId));
        t = _terms();
        t.token = address(1234);
        _expectBad(t, abi.encodeWithSelector(IProjectStore.ProjectStore_NotContract.selector, t.token));
        t = _terms();
        t.receiver = address(1234);
        _expectBad(t, abi.encodeWithSelector(IProjectStore.ProjectStore_NotContract.selector, t.receiver));
        t = _terms();
        t.dappGas = 29_999;
        _expectBad(t, abi.encodeWithSelector(IProjectStore.ProjectStore_BadDappGas.selector, 29_999, 30_000, 1 << 23));
        t.dappGas = (1 << 23) + 1;
        _expectBad(
            t,
            abi.encodeWithSelector(IProjectStore.ProjectStore_BadDappGas.selector, t.dappGas, 30_000, 1 << 23)
        );
        t = _terms();
        t.channel = 0;
        _expectBad(t, abi.encodeWithSelector(IProjectStore.ProjectStore_ZeroChannel.selector));
        t = _terms();
        t.decimals = 19;
        _expectBad(t, abi.encodeWithSelector(IProjectStore.ProjectStore_BadDecimals.selector, 19, 18));
        t = _terms();
        t.rangeMax = 0;
        _expectBad(t, abi.encodeWithSelector(IProjectStore.ProjectStore_BadRange.selector, 0, 0));
        t = _terms();
        t.rangeMin = type(int64).max;
        _expectBad(t, abi.encodeWithSelector(IProjectStore.ProjectStore_BadRange.selector, t.rangeMin, t.rangeMax));
        t = _terms();
        t.threshold = RANGE_MAX + 1;
        _expectBad(
            t,
            abi.encodeWithSelector(IProjectStore.ProjectStore_BadThreshold.selector, RANGE_MAX + 1, RANGE_MAX)
        );
        t = _terms();
        t.taskSeconds = 9;
        _expectBad(t, abi.encodeWithSelector(IProjectStore.ProjectStore_BadTaskSeconds.selector, 9, 10, 30 days));
        t = _terms();
        t.pricePerReading = type(uint96).max / 64;
        _expectBad(
            t,
            abi.encodeWithSelector(
                IProjectStore.ProjectStore_HoldTooLarge.selector,
                uint256(t.pricePerReading) * 64 + PROVER_FEE + SEQUENCER_FEE
            )
        );
        t = _terms();
        t.clockSpeed = 1;
        _expectBad(t, abi.encodeWithSelector(IProjectStore.ProjectStore_BadClock.selector, 0, 0, 1));
        t.clock = ClockKind.Replay;
        _expectBad(t, abi.encodeWithSelector(IProjectStore.ProjectStore_BadClock.selector, 0, 0, 1));
    }

    function test_ReplayClock_RunsFromItsOrigin() external {
        Terms memory t = _terms();
        t.clock = ClockKind.Replay;
        t.clockOrigin = 1_273_363_200;
        t.clockStart = uint40(block.timestamp + 10);
        t.clockSpeed = 60;
        vm.prank(OWNER);
        projects.publishTerms(PROJECT, t);
        assertEq(projects.timeOf(PROJECT, 2), t.clockOrigin);
        vm.warp(block.timestamp + 15);
        assertEq(projects.timeOf(PROJECT, 2), uint256(t.clockOrigin) + 5 * 60);
        SettlementTerms memory settlement = projects.settlementTerms(PROJECT, 2);
        assertEq(settlement.horizon, uint256(t.clockOrigin) + 5 * 60 + 60);
        assertEq(projects.timeOf(PROJECT, 1), block.timestamp);
    }

    function test_ReplayClock_RefusedOffLocalNetworks() external {
        ProjectStore store = ProjectStore(
            _proxy(
                address(new ProjectStore(address(identity), address(programs))),
                abi.encodeCall(ProjectStore.initialize, (address(authority), false))
            )
        );
        Terms memory t = _terms();
        t.clock = ClockKind.Replay;
        t.clockStart = 1;
        t.clockSpeed = 1;
        vm.startPrank(OWNER);
        store.bind(PROJECT);
        vm.expectRevert(IProjectStore.ProjectStore_ReplayRefused.selector);
        store.publishTerms(PROJECT, t);
    }

    function test_PublishTerms_RevertWhen_NotOwnerOrNotBound() external {
        Terms memory t = _terms();
        vm.expectRevert(abi.encodeWithSelector(IProjectStore.ProjectStore_NotOwner.selector, PROJECT, STRANGER));
        vm.prank(STRANGER);
        projects.publishTerms(PROJECT, t);
        identity.setProject(9, OWNER);
        vm.expectRevert(abi.encodeWithSelector(IProjectStore.ProjectStore_NotBound.selector, 9));
        vm.prank(OWNER);
        projects.publishTerms(9, t);
    }

    function test_SetReceiver_IsForTheRouterOnly() external {
        vm.expectRevert(abi.encodeWithSelector(IProjectStore.ProjectStore_NotRouter.selector, OWNER));
        vm.prank(OWNER);
        projects.setReceiver(PROJECT, address(dapp));
    }

    function test_Projects_DoWhatGenerationBDid() external {
        identity.setProject(9, OWNER);
        assertFalse(projects.isValidProject(9));
        vm.expectRevert(abi.encodeWithSelector(IProjectStore.ProjectStore_NotOwner.selector, 9, STRANGER));
        vm.prank(STRANGER);
        projects.bind(9);
        projects.setBinder(STRANGER);
        vm.prank(STRANGER);
        projects.bind(9);
        assertTrue(projects.isValidProject(9));
        assertEq(projects.count(), 2);
        vm.expectRevert(abi.encodeWithSelector(IProjectStore.ProjectStore_AlreadyBound.selector, 9));
        vm.prank(OWNER);
        projects.bind(9);
        vm.startPrank(OWNER);
        projects.updateConfig(9, "ipfs://config", keccak256("config"));
        assertEq(projects.config(9).uri, "ipfs://config");
        assertEq(projects.config(9).hash, keccak256("config"));
        bytes32[] memory keys = new bytes32[](1);
        bytes[] memory values = new bytes[](1);
        keys[0] = "RequiredProverAmount";
        values[0] = hex"01";
        projects.setAttributes(9, keys, values);
        assertEq(projects.attribute(9, keys[0]), hex"01");
        assertEq(projects.attributes(9, keys[0]), hex"01");
        assertEq(projects.attributesOf(9, keys)[0], hex"01");
        vm.expectRevert(abi.encodeWithSelector(IProjectStore.ProjectStore_LengthMismatch.selector, 1, 0));
        projects.setAttributes(9, keys, new bytes[](0));
        projects.pause(9);
        assertTrue(projects.isPaused(9));
        vm.expectRevert(abi.encodeWithSelector(IProjectStore.ProjectStore_WrongPause.selector, 9, true));
        projects.pause(9);
        projects.resume(9);
        assertFalse(projects.isPaused(9));
    }

    function test_Projects_RevertWhen_NotOwner() external {
        bytes memory refused = abi.encodeWithSelector(IProjectStore.ProjectStore_NotOwner.selector, PROJECT, STRANGER);
        vm.startPrank(STRANGER);
        vm.expectRevert(refused);
        projects.pause(PROJECT);
        vm.expectRevert(refused);
        projects.updateConfig(PROJECT, "", 0);
        vm.expectRevert(refused);
        projects.setCoordinator(PROJECT, STRANGER, true);
        vm.expectRevert(refused);
        projects.setAttributes(PROJECT, new bytes32[](0), new bytes[](0));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
        projects.setBinder(STRANGER);
    }

    function test_Prover_IsOnboardedByItsIoID() external {
        address prover = address(0xB3);
        vm.expectRevert(abi.encodeWithSelector(IProverStore.ProverStore_NotDeviceKey.selector, address(0xE3), prover));
        vm.prank(prover);
        provers.register(address(0xE3));
        vm.expectRevert();
        vm.prank(prover);
        provers.register();
        identity.addDevice(1, address(0xE3), prover);
        vm.prank(prover);
        provers.register();
        assertEq(provers.deviceOf(prover), address(0xE3));
        assertEq(provers.beneficiary(prover), _walletOf(address(0xE3)));
        assertEq(uint256(provers.statusOf(prover)), uint256(IProverStore.Status.Idle));
        vm.expectRevert(abi.encodeWithSelector(IProverStore.ProverStore_AlreadyRegistered.selector, prover));
        vm.prank(prover);
        provers.register();
    }

    function test_Prover_States() external {
        assertEq(uint256(provers.statusOf(STRANGER)), uint256(IProverStore.Status.None));
        vm.prank(PROVER);
        provers.setCapacity(1);
        _assign(DEVICE, 0, PROVER);
        _expectStatus(IProverStore.Status.Busy);
        vm.prank(PROVER);
        provers.setCapacity(2);
        _expectStatus(IProverStore.Status.Idle);
        vm.warp(block.timestamp + 120);
        _expectStatus(IProverStore.Status.Idle);
        vm.warp(block.timestamp + 1);
        _expectStatus(IProverStore.Status.Offline);
        vm.prank(PROVER);
        provers.heartbeat();
        _expectStatus(IProverStore.Status.Idle);
        vm.prank(PROVER);
        provers.pause();
        assertTrue(provers.isPaused(PROVER));
        _expectStatus(IProverStore.Status.Offline);
        vm.expectRevert(abi.encodeWithSelector(IProverStore.ProverStore_WrongPause.selector, PROVER, true));
        vm.prank(PROVER);
        provers.pause();
    }

    function test_Prover_HeartbeatsEndWithItsIoID() external {
        identity.removeDevice(address(0xE1));
        vm.expectRevert(abi.encodeWithSelector(IProverStore.ProverStore_NotDeviceKey.selector, address(0xE1), PROVER));
        vm.prank(PROVER);
        provers.heartbeat();
    }

    /// @dev Attack 5: a prover's key that leaked and was rotated leads no fee astray, and what runs still pays.
    function test_Attack5_Prover_ARetiredKeyChangesNothing() external {
        _assign(DEVICE, 0, PROVER);
        address wallet = provers.beneficiary(PROVER);
        identity.addDevice(1, address(0xE1), address(0xB9)); // its key is another now
        bytes memory retired = abi.encodeWithSelector(
            IProverStore.ProverStore_NotDeviceKey.selector,
            address(0xE1),
            PROVER
        );
        vm.startPrank(PROVER);
        vm.expectRevert(retired);
        provers.changeBeneficiary(STRANGER);
        vm.expectRevert(retired);
        provers.setCapacity(1_024);
        vm.expectRevert(retired);
        provers.setSelective(true);
        vm.expectRevert(retired);
        provers.acceptProject(PROJECT, true);
        vm.expectRevert(retired);
        provers.pause();
        vm.stopPrank();
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        assertEq(escrow.credited(address(token), wallet), PROVER_FEE);
    }

    /// @dev An operator of a project that pays nothing could fill a prover's places: a selective one takes what it accepted.
    function test_Prover_TakesChosenProjectsOnly() external {
        assertTrue(provers.takes(PROVER, PROJECT));
        vm.startPrank(PROVER);
        vm.expectEmit(address(provers));
        emit IProverStore.SelectiveSet(PROVER, true);
        provers.setSelective(true);
        vm.expectRevert(abi.encodeWithSelector(IProverStore.ProverStore_BadProject.selector, 0));
        provers.acceptProject(0, false);
        vm.stopPrank();
        assertFalse(provers.takes(PROVER, PROJECT));
        TaskAssignment memory task = _assignment(PROJECT, DEVICE, 0, PROVER);
        vm.expectRevert(
            abi.encodeWithSelector(ITaskManager.TaskManager_Refused.selector, task.taskId, Refusal.ProverUnavailable)
        );
        vm.prank(COORDINATOR);
        manager.assign(task, COORDINATOR, block.timestamp + 60);
        assertEq(provers.inflight(PROVER), 0);

        vm.startPrank(PROVER);
        provers.acceptProject(PROJECT + 1, true);
        assertFalse(provers.takes(PROVER, PROJECT));
        vm.expectEmit(address(provers));
        emit IProverStore.ProjectAccepted(PROVER, PROJECT, true);
        provers.acceptProject(PROJECT, true);
        vm.stopPrank();
        _assign(DEVICE, 0, PROVER);
        assertEq(provers.inflight(PROVER), 1);
        // What runs stays; nothing comes after it.
        vm.prank(PROVER);
        provers.acceptProject(PROJECT, false);
        assertFalse(provers.takes(PROVER, PROJECT));
        _route(PROVER, _items(_prove(PROJECT, DEVICE, 0, PROVER, 64)));
        assertEq(provers.inflight(PROVER), 0);
        vm.prank(PROVER);
        provers.setSelective(false);
        assertTrue(provers.takes(PROVER, PROJECT));
    }

    function test_Prover_Settings() external {
        vm.startPrank(PROVER);
        provers.changeBeneficiary(STRANGER);
        assertEq(provers.beneficiary(PROVER), STRANGER);
        vm.expectRevert(IProverStore.ProverStore_ZeroBeneficiary.selector);
        provers.changeBeneficiary(address(0));
        provers.setRebateRatio(10_000);
        assertEq(provers.rebateRatio(PROVER), 10_000);
        vm.expectRevert(abi.encodeWithSelector(IProverStore.ProverStore_BadRatio.selector, 10_001, 10_000));
        provers.setRebateRatio(10_001);
        provers.addVMType(3);
        assertTrue(provers.isVMTypeSupported(PROVER, 3));
        provers.delVMType(3);
        assertFalse(provers.isVMTypeSupported(PROVER, 3));
        vm.expectRevert(abi.encodeWithSelector(IProverStore.ProverStore_BadCapacity.selector, 0));
        provers.setCapacity(0);
        vm.stopPrank();
        vm.startPrank(STRANGER);
        vm.expectRevert(abi.encodeWithSelector(IProverStore.ProverStore_NotRegistered.selector, STRANGER));
        provers.heartbeat();
        bytes memory notManager = abi.encodeWithSelector(IProverStore.ProverStore_NotTaskManager.selector, STRANGER);
        vm.expectRevert(notManager);
        provers.acquire(PROVER, PROJECT);
        vm.expectRevert(notManager);
        provers.release(PROVER, 1);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
        provers.setHeartbeatTtl(60);
        vm.stopPrank();
        provers.setHeartbeatTtl(60);
        assertEq(provers.heartbeatTtl(), 60);
        vm.expectRevert(abi.encodeWithSelector(IProverStore.ProverStore_BadTtl.selector, 9));
        provers.setHeartbeatTtl(9);
    }

    function test_Programs_NeverChange() external {
        vm.expectRevert(abi.encodeWithSelector(IProgramRegistry.ProgramRegistry_Exists.selector, PROGRAM));
        programs.register(PROGRAM, address(verifier), 0, 0, true);
        (address implementation, bytes32 keyId, bytes32 keyHash, bool insecure) = programs.program(PROGRAM);
        assertEq(implementation, address(verifier));
        assertEq(keyId, KEY_ID);
        assertEq(keyHash, keccak256("zkey"));
        assertTrue(insecure);
        vm.expectRevert(abi.encodeWithSelector(IProgramRegistry.ProgramRegistry_Unknown.selector, bytes32("x")));
        programs.program("x");
        vm.expectRevert(IProgramRegistry.ProgramRegistry_ZeroId.selector);
        programs.register(0, address(verifier), 0, 0, true);
        vm.expectRevert(abi.encodeWithSelector(IProgramRegistry.ProgramRegistry_NotContract.selector, STRANGER));
        programs.register("x", STRANGER, 0, 0, true);
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, STRANGER));
        vm.prank(STRANGER);
        programs.register("x", address(verifier), 0, 0, true);
    }

    /// @dev Attack 28: a key from the published local seed is refused off local networks.
    function test_Attack28_Programs_RefuseInsecureKeysOffLocalNetworks() external {
        ProgramRegistry strict = new ProgramRegistry(address(authority), false);
        vm.expectRevert(abi.encodeWithSelector(IProgramRegistry.ProgramRegistry_Insecure.selector, PROGRAM));
        strict.register(PROGRAM, address(verifier), KEY_ID, 0, true);
        strict.register(PROGRAM, address(verifier), KEY_ID, 0, false);
    }

    function _idOf(uint32 version, Terms memory terms) private view returns (bytes32) {
        return keccak256(abi.encode(block.chainid, address(projects), PROJECT, version, terms));
    }

    function _expectBad(Terms memory terms, bytes memory reason) private {
        vm.expectRevert(reason);
        vm.prank(OWNER);
        projects.publishTerms(PROJECT, terms);
    }

    function _expectStatus(IProverStore.Status status) private view {
        assertEq(uint256(provers.statusOf(PROVER)), uint256(status));
    }
}
