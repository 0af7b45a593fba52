// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";

import {IRouter} from "../../../contracts/interfaces/w3bstream/IRouter.sol";
import {TaskAssignment} from "../../../contracts/interfaces/w3bstream/ITaskManager.sol";
import {DappDouble} from "../../../contracts/mocks/DappDouble.sol";
import {IdentityDouble} from "../../../contracts/mocks/IdentityDouble.sol";
import {TestToken} from "../../../contracts/mocks/TestToken.sol";
import {VerifierDouble} from "../../../contracts/mocks/VerifierDouble.sol";
import {ClockKind, Terms} from "../../../contracts/types/Terms.sol";
import {ProgramRegistry} from "../../../contracts/verifiers/ProgramRegistry.sol";
import {ProjectStore} from "../../../contracts/w3bstream/ProjectStore.sol";
import {ProverStore} from "../../../contracts/w3bstream/ProverStore.sol";
import {Router} from "../../../contracts/w3bstream/Router.sol";
import {TaskEscrow} from "../../../contracts/w3bstream/TaskEscrow.sol";
import {TaskManager} from "../../../contracts/w3bstream/TaskManager.sol";
import {Test} from "../../solidity/Test.sol";

/// @dev The proof market, deployed in its wiring order behind proxies, with one project, two devices and two provers that can
/// take tasks. The test contract is governance.
abstract contract Market is Test {
    uint256 internal constant PROJECT = 7;
    bytes32 internal constant PROGRAM = keccak256("sensing/window/1");
    bytes32 internal constant KEY_ID = keccak256("key");
    uint24 internal constant THRESHOLD = 5_000;
    uint24 internal constant RANGE_MAX = 10_000;
    uint96 internal constant PRICE = 3;
    uint96 internal constant PROVER_FEE = 100;
    uint96 internal constant SEQUENCER_FEE = 10;
    uint256 internal constant HOLD = 64 * 3 + 100 + 10;
    uint256 internal constant FUNDS = 1_000_000;

    address internal constant OWNER = address(0x0171);
    address internal constant COORDINATOR = address(0xC0);
    address internal constant SEQUENCER = address(0x5E);
    address internal constant DEVICE = address(0xD1);
    address internal constant DEVICE_TWO = address(0xD2);
    address internal constant PROVER = address(0xB1);
    address internal constant PROVER_TWO = address(0xB2);
    address internal constant STRANGER = address(0xBAD);

    AccessManager internal authority;
    IdentityDouble internal identity;
    VerifierDouble internal verifier;
    ProgramRegistry internal programs;
    ProjectStore internal projects;
    ProverStore internal provers;
    TaskManager internal manager;
    TaskEscrow internal escrow;
    Router internal router;
    TestToken internal token;
    DappDouble internal dapp;

    function setUp() public virtual {
        vm.warp(1_800_000_000);
        authority = new AccessManager(address(this));
        identity = new IdentityDouble(address(0x1111));
        verifier = new VerifierDouble();
        programs = new ProgramRegistry(address(authority), true);
        token = _newToken();
        dapp = new DappDouble();

        address logic = address(new ProjectStore(address(identity), address(programs)));
        projects = ProjectStore(_proxy(logic, abi.encodeCall(ProjectStore.initialize, (address(authority), true))));
        logic = address(new ProverStore(address(identity)));
        provers = ProverStore(_proxy(logic, abi.encodeCall(ProverStore.initialize, (address(authority)))));
        address id = address(identity);
        logic = address(new TaskManager(address(projects), address(provers), id, id, id, id));
        manager = TaskManager(_proxy(logic, abi.encodeCall(TaskManager.initialize, (address(authority)))));
        escrow = new TaskEscrow(address(manager), address(identity));
        logic = address(
            new Router(address(manager), address(provers), address(projects), address(programs), address(identity))
        );
        router = Router(_proxy(logic, abi.encodeCall(Router.initialize, (address(authority)))));
        manager.setEscrow(address(escrow));
        manager.setRouter(address(router));
        provers.setTaskManager(address(manager));
        projects.setRouter(address(router));

        programs.register(PROGRAM, address(verifier), KEY_ID, keccak256("zkey"), true);
        manager.addOperator(COORDINATOR);
        _openProject(PROJECT, OWNER);
        _addDevice(PROJECT, DEVICE);
        _addDevice(PROJECT, DEVICE_TWO);
        _addProver(PROVER, address(0xE1));
        _addProver(PROVER_TWO, address(0xE2));
    }

    function _newToken() internal virtual returns (TestToken) {
        return new TestToken();
    }

    function _proxy(address logic, bytes memory data) internal returns (address) {
        return address(new ERC1967Proxy(logic, data));
    }

    function _openProject(uint256 projectId, address owner) internal {
        identity.setProject(projectId, owner);
        vm.startPrank(owner);
        projects.bind(projectId);
        projects.setCoordinator(projectId, COORDINATOR, true);
        projects.publishTerms(projectId, _terms());
        vm.stopPrank();
        _fund(projectId, FUNDS);
    }

    function _fund(uint256 projectId, uint256 amount) internal {
        token.mint(address(this), amount);
        token.approve(address(escrow), amount);
        escrow.deposit(projectId, address(token), amount);
    }

    function _addDevice(uint256 projectId, address device) internal returns (uint256 tokenId) {
        tokenId = identity.addDevice(projectId, device, device);
        identity.setKey(projectId, tokenId, uint256(keccak256(abi.encode(device))) >> 8);
    }

    function _addProver(address prover, address device) internal {
        identity.addDevice(1, device, prover);
        vm.prank(prover);
        provers.register(device);
    }

    function _terms() internal view virtual returns (Terms memory) {
        return
            Terms({
                programId: PROGRAM,
                channel: uint64(bytes8(keccak256("humidity"))),
                rangeMin: 0,
                rangeMax: RANGE_MAX,
                threshold: THRESHOLD,
                decimals: 2,
                pricePerReading: PRICE,
                proverFee: PROVER_FEE,
                sequencerFee: SEQUENCER_FEE,
                token: address(token),
                receiver: address(dapp),
                dappGas: 300_000,
                clock: ClockKind.Wall,
                clockOrigin: 0,
                clockStart: 0,
                clockSpeed: 0,
                taskSeconds: 600,
                maxAge: 0,
                maxSkew: 60
            });
    }

    function _root(address device, uint32 window) internal pure returns (bytes32) {
        return bytes32(uint256(keccak256(abi.encode("root", device, window))) >> 8);
    }

    function _assignment(
        uint256 projectId,
        address device,
        uint32 window,
        address prover
    ) internal view returns (TaskAssignment memory) {
        bytes32 root = _root(device, window);
        return
            TaskAssignment(
                projectId,
                manager.taskIdOf(projectId, device, window, root),
                root,
                abi.encodePacked(device, window),
                prover
            );
    }

    function _assign(address device, uint32 window, address prover) internal returns (bytes32 taskId) {
        TaskAssignment memory assignment = _assignment(PROJECT, device, window, prover);
        vm.prank(COORDINATOR);
        manager.assign(assignment, SEQUENCER, block.timestamp + 600);
        return assignment.taskId;
    }

    function _statistics(uint32 window, uint8 count) internal view returns (uint256) {
        uint256 words = uint256(count) * 1_000; // sum
        words |= uint256(900) << 30; // min
        words |= uint256(6_000) << 54; // max
        words |= uint256(count) << 78;
        words |= uint256(1) << 85; // above
        words |= uint256(window) << 92;
        words |= (uint256(window) * 64) << 124; // firstSequence
        words |= uint256(block.timestamp) << 164; // firstTime
        words |= uint256(THRESHOLD) << 204;
        return words | (uint256(RANGE_MAX) << 228);
    }

    function _prove(
        uint256 projectId,
        address device,
        uint32 window,
        address prover,
        uint8 count
    ) internal view returns (IRouter.Item memory item) {
        item.device = device;
        item.window = window;
        item.root = _root(device, window);
        item.statistics = _statistics(window, count);
        item.proof[0] = _proofOf(projectId, item, prover);
    }

    /// @dev The double's proof for exactly these signals.
    function _proofOf(uint256 projectId, IRouter.Item memory item, address prover) internal view returns (uint256) {
        uint256[] memory signals = new uint256[](4);
        signals[0] = _contextOf(projectId, item, prover);
        signals[1] = uint256(item.root);
        signals[2] = item.statistics;
        signals[3] = uint256(keccak256(abi.encode(item.device))) >> 8;
        return verifier.prove(KEY_ID, signals);
    }

    function _contextOf(uint256 projectId, IRouter.Item memory item, address prover) internal view returns (uint256) {
        bytes32 taskId = manager.taskIdOf(projectId, item.device, item.window, item.root);
        uint16 version = manager.recordOf(taskId).version();
        bytes32 termsId = version == 0 ? bytes32(0) : projects.termsIdOf(projectId, version);
        return router.contextOf(projectId, item.device, taskId, prover, item.window, PROGRAM, termsId);
    }

    function _items(IRouter.Item memory a) internal pure returns (IRouter.Item[] memory items) {
        items = new IRouter.Item[](1);
        items[0] = a;
    }

    function _items(IRouter.Item memory a, IRouter.Item memory b) internal pure returns (IRouter.Item[] memory items) {
        items = new IRouter.Item[](2);
        items[0] = a;
        items[1] = b;
    }

    function _idsOf(uint256 projectId, IRouter.Item[] memory items) internal view returns (bytes32[] memory ids) {
        ids = new bytes32[](items.length);
        for (uint256 i = 0; i < items.length; ++i) {
            ids[i] = manager.taskIdOf(projectId, items[i].device, items[i].window, items[i].root);
        }
    }

    function _route(address prover, IRouter.Item[] memory items) internal {
        bytes32[] memory ids = _idsOf(PROJECT, items);
        router.route(prover, PROJECT, ids, abi.encode(items));
    }

    function _walletOf(address device) internal view returns (address) {
        return identity.walletOf(identity.deviceTokenId(device));
    }

    /// @dev A stray failure of the market's books is an error of the market, whatever the test was about.
    function _assertSolvent() internal view {
        assertGe(token.balanceOf(address(escrow)), escrow.balanceOf(address(token), PROJECT), "solvent");
    }
}
