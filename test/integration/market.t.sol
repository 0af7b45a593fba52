// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataKeyRegistry} from "../../contracts/interfaces/identity/IDataKeyRegistry.sol";
import {ICredentialRegistry} from "../../contracts/interfaces/identity/ICredentialRegistry.sol";
import {IProverStore} from "../../contracts/interfaces/w3bstream/IProverStore.sol";
import {IRouter} from "../../contracts/interfaces/w3bstream/IRouter.sol";
import {ITaskManager, TaskAssignment} from "../../contracts/interfaces/w3bstream/ITaskManager.sol";
import {BabyJubJub} from "../../contracts/libraries/BabyJubJub.sol";
import {TestToken} from "../../contracts/mocks/TestToken.sol";
import {VerifierDouble} from "../../contracts/mocks/VerifierDouble.sol";
import {Refusal, TaskState} from "../../contracts/types/Tasks.sol";
import {ClockKind, Terms} from "../../contracts/types/Terms.sol";
import {ProgramRegistry} from "../../contracts/verifiers/ProgramRegistry.sol";
import {ProjectStore} from "../../contracts/w3bstream/ProjectStore.sol";
import {ProverStore} from "../../contracts/w3bstream/ProverStore.sol";
import {Router} from "../../contracts/w3bstream/Router.sol";
import {TaskEscrow} from "../../contracts/w3bstream/TaskEscrow.sol";
import {TaskManager} from "../../contracts/w3bstream/TaskManager.sol";
import {DeviceAccount} from "../../contracts/wallet/DeviceAccount.sol";
import {Curve} from "../solidity/Curve.sol";
import {IdentityFixture} from "../solidity/IdentityFixture.sol";

/// @dev The proof market on the real identity contracts: registered devices with real wallets and data keys, a prover with an ioID.
/// Only the proof itself is a double's.
contract MarketOnIdentity is IdentityFixture {
    uint256 private constant KEY = 0xD1;
    uint256 private constant PROVER_KEY = 0xE1;
    uint256 private constant EIGHT_INVERSE =
        2394026564107420727433200628387514462817212225638746351800188703329891451411; // 8^-1 mod l
    uint256 private constant NONCE = 0xfedcba0987654321;
    bytes32 private constant PROGRAM = keccak256("sensing/window/1");
    bytes32 private constant KEY_ID = keccak256("key");
    bytes32 private constant ROOT = bytes32(uint256(42));
    uint96 private constant READING_PRICE = 3;
    uint96 private constant PROVER_FEE = 100;
    uint96 private constant SEQUENCER_FEE = 10;
    uint256 private constant FUNDS = 1_000_000;
    address private constant COORDINATOR = address(0xC0);

    address private device = vm.addr(KEY);
    address private prover = vm.addr(PROVER_KEY);
    uint256 private id;
    TestToken private token;
    VerifierDouble private verifier;
    ProjectStore private projects;
    ProverStore private provers;
    TaskManager private tasks;
    TaskEscrow private escrow;
    Router private router;

    function setUp() public {
        deployIdentity();
        _deployMarket();
        vm.startPrank(projectOwner);
        projects.bind(projectId);
        projects.setCoordinator(projectId, COORDINATOR, true);
        projects.publishTerms(projectId, _terms());
        vm.stopPrank();
        token.mint(address(this), FUNDS);
        token.approve(address(escrow), FUNDS);
        escrow.deposit(projectId, address(token), FUNDS);

        id = registerDevice(KEY, owner);
        _bindKey(1, 0);
        registerDevice(PROVER_KEY, mallory);
        vm.prank(prover);
        provers.register();
    }

    function test_ARegisteredDeviceIsPaidAndItsOwnerMovesThePay() public {
        _assign(0);
        _route(0, _commitmentAt(0));
        address payable wallet = payable(ioID.walletOf(id));
        assertEq(token.balanceOf(wallet), 64 * READING_PRICE);
        assertEq(provers.beneficiary(prover), ioID.walletOf(ioID.tokenIdOf(prover)));
        assertEq(escrow.claimFor(address(token), provers.beneficiary(prover)), PROVER_FEE);
        vm.prank(owner);
        DeviceAccount(wallet).execute(
            address(token),
            0,
            abi.encodeCall(token.transfer, (owner, 64 * READING_PRICE)),
            0
        );
        assertEq(token.balanceOf(owner), 64 * READING_PRICE);
    }

    function test_AnUnregisteredDeviceIsNotAssigned() public {
        device = vm.addr(0xD9);
        _expectRefused(0, Refusal.DeviceNotLive);
    }

    /// @dev Removed between assignment and settlement: what it earned reaches its wallet, and its former owner moves it.
    function test_ARemovedDeviceIsPaidForWhatRan_AndForNothingMore() public {
        _assign(0);
        uint256 commitment = _commitmentAt(0);
        address payable wallet = payable(ioID.walletOf(id));
        _remove();
        _route(0, commitment);
        assertEq(token.balanceOf(wallet), 64 * READING_PRICE);
        vm.prank(owner);
        DeviceAccount(wallet).execute(
            address(token),
            0,
            abi.encodeCall(token.transfer, (owner, 64 * READING_PRICE)),
            0
        );
        assertEq(token.balanceOf(owner), 64 * READING_PRICE);
        _expectRefused(1, Refusal.DeviceNotLive);
    }

    /// @dev A task that was recalled after the removal cannot be given out again.
    function test_ARemovedDevicesRecalledTaskStaysRecalled() public {
        bytes32 task = _assign(0);
        _remove();
        vm.warp(block.timestamp + 601);
        tasks.recall(projectId, task);
        assertEq(escrow.balanceOf(address(token), projectId), FUNDS);
        _beat();
        _expectRefused(0, Refusal.DeviceNotLive);
    }

    /// @dev The identifier again under another ioID: it starts without keys, goes on with new windows, and no old one is paid twice.
    function test_ADeviceRegisteredAgainIsPaidForNewWindowsOnly() public {
        _assign(0);
        _route(0, _commitmentAt(0));
        _remove();
        uint256 again = registerDevice(KEY, owner);
        assertTrue(again != id);
        id = again;
        _expectRefused(1, Refusal.NoDataKey);
        _bindKey(1, 0);
        _expectRefused(0, Refusal.AlreadyAssigned);
        _assign(1);
        _route(1, _commitmentAt(1));
        assertEq(token.balanceOf(ioID.walletOf(again)), 64 * READING_PRICE);
    }

    /// @dev A rotation from window 5 on: earlier windows stay the old key's, later ones are the new key's alone.
    function test_ARotatedDataKeyCountsFromItsWindowOn() public {
        uint256 old = _commitmentAt(0);
        _bindKey(2, 5);
        uint256 fresh = _commitmentAt(5);
        assertTrue(fresh != old);
        _assign(4);
        _assign(5);
        _expectBadProof(4, fresh);
        _route(4, old);
        _expectBadProof(5, old);
        _route(5, fresh);
        assertEq(token.balanceOf(ioID.walletOf(id)), 128 * READING_PRICE);
    }

    /// @dev A key bound from a window whose task runs ends the old key's claim at once: it may have leaked. The hold goes home.
    function test_ARotationTakesOverRunningTasksOfItsWindows() public {
        uint256 old = _commitmentAt(0);
        bytes32 task = _assign(3);
        _bindKey(2, 3);
        _expectBadProof(3, old);
        vm.warp(block.timestamp + 601);
        tasks.recall(projectId, task);
        assertEq(escrow.balanceOf(address(token), projectId), FUNDS);
        _beat();
        _assign(3);
        _route(3, _commitmentAt(3));
    }

    /// @dev Sold while a task runs: the wallet is the ioID's, so the pay is the new owner's to move.
    function test_AMigratedDeviceKeepsItsWallet() public {
        _assign(0);
        uint256 deadline = block.timestamp + 1;
        bytes memory signature = sign(KEY, migrateHash(device, projectOwner, deadline));
        vm.prank(owner);
        registry.migrate(device, projectOwner, deadline, signature, "");
        _route(0, _commitmentAt(0));
        address payable wallet = payable(ioID.walletOf(id));
        vm.prank(projectOwner);
        DeviceAccount(wallet).execute(address(token), 0, abi.encodeCall(token.transfer, (projectOwner, 1)), 0);
        assertEq(token.balanceOf(projectOwner), 1);
    }

    /// @dev One device, two projects, one data key: each pays for the windows that were signed for it, into the same wallet.
    function test_AMemberIsPaidByEachProjectForItsOwnWindows() public {
        (uint256 home, uint256 homeKey) = (projectId, _commitmentAt(0));
        uint256 second = _openProject();
        projectId = second;
        _expectRefused(0, Refusal.DeviceNotLive);
        _join();
        // The key of the first project is none here until it is bound here.
        _expectRefused(0, Refusal.NoDataKey);
        assertEq(_keyIn(second), 0);
        _bindKey(1, 0);
        uint256 secondKey = _commitmentAt(0);
        assertTrue(secondKey != homeKey);
        assertEq(_keyIn(second), secondKey);
        assertEq(_keyIn(home), homeKey);

        // What was proven for one project never settles in the other, whatever of it is changed.
        bytes32 there = _assign(0);
        _expectBadProof(0, homeKey);
        projectId = home;
        assertTrue(_assign(0) != there);
        _expectBadProof(0, secondKey);
        _refusedIn(second, there, homeKey);

        _route(0, homeKey);
        assertEq(uint256(tasks.stateOf(there)), uint256(TaskState.Assigned));
        assertEq(token.balanceOf(ioID.walletOf(id)), 64 * READING_PRICE);
        projectId = second;
        _route(0, secondKey);
        assertEq(token.balanceOf(ioID.walletOf(id)), 128 * READING_PRICE);
        uint256 left = FUNDS - 64 * READING_PRICE - PROVER_FEE - SEQUENCER_FEE;
        assertEq(escrow.balanceOf(address(token), home), left);
        assertEq(escrow.balanceOf(address(token), second), left);

        // Who quit gets no new task; what ran is paid.
        _assign(1);
        vm.prank(owner);
        memberships.quit(second, device);
        _expectRefused(2, Refusal.DeviceNotLive);
        assertEq(_keyIn(second), 0);
        _route(1, secondKey);
        assertEq(token.balanceOf(ioID.walletOf(id)), 192 * READING_PRICE);
    }

    /// @dev Attack 5: a prover's device key was rotated because it leaked.
    function test_Attack5_ARotatedProverKeyLeadsNoFeeAstray() public {
        _assign(0);
        address wallet = provers.beneficiary(prover);
        address newKey = vm.addr(0xE7);
        uint256 deadline = block.timestamp + 1;
        bytes memory signature = sign(0xE7, rotateHash(prover, newKey, deadline));
        vm.prank(mallory); // the prover's owner here
        registry.rotate(prover, newKey, deadline, signature, "");
        bytes memory retired = abi.encodeWithSelector(IProverStore.ProverStore_NotDeviceKey.selector, prover, prover);
        vm.startPrank(prover);
        vm.expectRevert(retired);
        provers.changeBeneficiary(address(0xBEEF));
        vm.expectRevert(retired);
        provers.heartbeat();
        vm.stopPrank();
        _route(0, _commitmentAt(0));
        assertEq(escrow.credited(address(token), wallet), PROVER_FEE);
        vm.prank(newKey);
        provers.register();
        assertEq(provers.deviceOf(newKey), prover);
        assertEq(provers.beneficiary(newKey), wallet);
    }

    /// @dev Passport and stamps: admission follows the credential, what was admitted before is paid.
    function test_ADeviceIsAdmittedWhileItsCredentialIsGood() public {
        bytes32 typeId = credentials.createType("stamp", "", "", 0);
        credentials.setIssuer(typeId, address(this), ICredentialRegistry.IssuerState.Open);
        vm.prank(projectOwner);
        projects.setRequiredCredential(projectId, typeId);
        bytes memory missing = abi.encodeWithSelector(ITaskManager.TaskManager_NoCredential.selector, device, typeId);
        _expectRevertOfAssign(0, missing);
        ICredentialRegistry.Offer memory offer;
        (offer.typeId, offer.issuer, offer.device) = (typeId, address(this), device);
        (offer.validUntil, offer.deadline) = (type(uint40).max, block.timestamp);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, credentials.acceptanceHash(offer));
        credentials.claim(offer, "", abi.encodePacked(r, s, v));
        _assign(0);
        credentials.setStatus(0, 0, true);
        _expectRevertOfAssign(1, missing);
        _route(0, _commitmentAt(0));
        assertEq(token.balanceOf(ioID.walletOf(id)), 64 * READING_PRICE);
    }

    function _deployMarket() private {
        address authority = address(manager);
        verifier = new VerifierDouble();
        token = new TestToken();
        ProgramRegistry programs = new ProgramRegistry(authority, true);
        programs.register(PROGRAM, address(verifier), KEY_ID, KEY_ID, true);
        projects = ProjectStore(
            _proxy(
                address(new ProjectStore(address(project), address(programs))),
                abi.encodeCall(ProjectStore.initialize, (authority, false))
            )
        );
        provers = ProverStore(
            _proxy(address(new ProverStore(address(registry))), abi.encodeCall(ProverStore.initialize, (authority)))
        );
        tasks = TaskManager(
            _proxy(
                address(
                    new TaskManager(
                        address(projects),
                        address(provers),
                        address(ioID),
                        address(dataKeys),
                        address(memberships),
                        address(credentials)
                    )
                ),
                abi.encodeCall(TaskManager.initialize, (authority))
            )
        );
        escrow = new TaskEscrow(address(tasks), address(project));
        address logic = address(
            new Router(address(tasks), address(provers), address(projects), address(programs), address(dataKeys))
        );
        router = Router(_proxy(logic, abi.encodeCall(Router.initialize, (authority))));
        tasks.setEscrow(address(escrow));
        tasks.setRouter(address(router));
        tasks.addOperator(COORDINATOR);
        provers.setTaskManager(address(tasks));
        projects.setRouter(address(router));
    }

    function _terms() private view returns (Terms memory terms) {
        terms.programId = PROGRAM;
        terms.channel = 1;
        terms.rangeMax = 10_000;
        terms.threshold = 5_000;
        terms.decimals = 2;
        terms.pricePerReading = READING_PRICE;
        terms.proverFee = PROVER_FEE;
        terms.sequencerFee = SEQUENCER_FEE;
        terms.token = address(token);
        terms.clock = ClockKind.Wall;
        terms.taskSeconds = 600;
        terms.maxSkew = 60;
    }

    /// @dev A second project with the same terms and funds, open to members.
    function _openProject() private returns (uint256 second) {
        (second, ) = newProject("weather", 0, 1);
        vm.startPrank(projectOwner);
        projects.bind(second);
        projects.setCoordinator(second, COORDINATOR, true);
        projects.publishTerms(second, _terms());
        memberships.setOpen(second, true);
        vm.stopPrank();
        token.mint(address(this), FUNDS);
        token.approve(address(escrow), FUNDS);
        escrow.deposit(second, address(token), FUNDS);
    }

    function _join() private {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, memberships.joinHash(projectId, device, block.timestamp));
        vm.prank(owner);
        memberships.join(projectId, device, block.timestamp, abi.encodePacked(r, s, v), "");
    }

    function _keyIn(uint256 project_) private view returns (uint256 commitment) {
        (, commitment) = dataKeys.keyAt(project_, device, 0);
    }

    /// @dev The good proof of window 0 of this project, brought to another one, under its own task id and under the other's.
    function _refusedIn(uint256 other, bytes32 task, uint256 commitment) private {
        (bytes32[] memory ids, bytes memory data) = _proven(0, commitment);
        vm.expectRevert();
        router.route(prover, other, ids, data);
        ids[0] = task;
        vm.expectRevert();
        router.route(prover, other, ids, data);
    }

    /// @dev Binds the data key of `secret`, with the owner as caller.
    function _bindKey(uint256 secret, uint32 fromWindow) private {
        uint256 deadline = block.timestamp + 1;
        IDataKeyRegistry.Point memory key;
        IDataKeyRegistry.Point memory eighth;
        IDataKeyRegistry.SchnorrSignature memory possession;
        (key.x, key.y) = Curve.mulBase(secret);
        (eighth.x, eighth.y) = Curve.mulBase(mulmod(secret, EIGHT_INVERSE, BabyJubJub.ORDER));
        (possession.r.x, possession.r.y) = Curve.mulBase(NONCE);
        bytes32 hash = dataKeys.possessionHash(projectId, device, id, key, fromWindow, deadline, possession.r);
        uint256 challenge = uint256(hash) % BabyJubJub.ORDER;
        possession.s = addmod(NONCE, mulmod(challenge, secret, BabyJubJub.ORDER), BabyJubJub.ORDER);
        vm.prank(owner);
        dataKeys.bind(projectId, device, key, eighth, fromWindow, deadline, "", possession);
    }

    function _remove() private {
        uint256 deadline = block.timestamp + 1;
        bytes memory signature = sign(KEY, removeHash(device, deadline));
        vm.prank(owner);
        registry.remove(device, deadline, signature, "");
    }

    function _beat() private {
        vm.prank(prover);
        provers.heartbeat();
    }

    function _commitmentAt(uint32 window) private view returns (uint256) {
        return dataKeys.commitmentAt(projectId, id, window);
    }

    function _assignment(uint32 window) private view returns (TaskAssignment memory) {
        bytes32 task = tasks.taskIdOf(projectId, device, window, ROOT);
        return TaskAssignment(projectId, task, ROOT, abi.encodePacked(device, window), prover);
    }

    function _assign(uint32 window) private returns (bytes32) {
        TaskAssignment memory assignment = _assignment(window);
        vm.prank(COORDINATOR);
        tasks.assign(assignment, COORDINATOR, block.timestamp + 600);
        return assignment.taskId;
    }

    function _expectRefused(uint32 window, Refusal reason) private {
        bytes32 task = _assignment(window).taskId;
        _expectRevertOfAssign(window, abi.encodeWithSelector(ITaskManager.TaskManager_Refused.selector, task, reason));
    }

    function _expectRevertOfAssign(uint32 window, bytes memory why) private {
        TaskAssignment memory assignment = _assignment(window);
        vm.expectRevert(why);
        vm.prank(COORDINATOR);
        tasks.assign(assignment, COORDINATOR, block.timestamp + 600);
    }

    /// @dev Brings what a circuit under the data key of `commitment` would prove, and sees it settle.
    function _route(uint32 window, uint256 commitment) private {
        (bytes32[] memory ids, bytes memory data) = _proven(window, commitment);
        router.route(prover, projectId, ids, data);
        assertEq(uint256(tasks.stateOf(ids[0])), uint256(TaskState.Settled));
    }

    function _expectBadProof(uint32 window, uint256 commitment) private {
        (bytes32[] memory ids, bytes memory data) = _proven(window, commitment);
        bytes memory reason = abi.encodeWithSelector(IRouter.Router_BadProof.selector);
        vm.expectRevert(abi.encodeWithSelector(IRouter.Router_EveryItemRefused.selector, reason));
        router.route(prover, projectId, ids, data);
    }

    function _proven(uint32 window, uint256 commitment) private view returns (bytes32[] memory ids, bytes memory data) {
        IRouter.Item[] memory items = new IRouter.Item[](1);
        items[0].device = device;
        items[0].window = window;
        items[0].root = ROOT;
        uint256 statistics = (uint256(64) << 78) | (uint256(window) << 92) | (block.timestamp << 164);
        items[0].statistics = statistics | (uint256(5_000) << 204) | (uint256(10_000) << 228);
        ids = new bytes32[](1);
        ids[0] = tasks.taskIdOf(projectId, device, window, ROOT);
        uint256[] memory signals = new uint256[](4);
        bytes32 termsId = projects.termsIdOf(projectId, 1);
        signals[0] = router.contextOf(projectId, device, ids[0], prover, window, PROGRAM, termsId);
        signals[1] = uint256(ROOT);
        signals[2] = items[0].statistics;
        signals[3] = commitment;
        items[0].proof[0] = verifier.prove(KEY_ID, signals);
        data = abi.encode(items);
    }
}
