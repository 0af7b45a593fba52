// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Initializable} from "@openzeppelin/contracts/proxy/utils/Initializable.sol";
import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {VerifyingProxy} from "../../../contracts/identity/compat/VerifyingProxy.sol";
import {DeviceNFT} from "../../../contracts/identity/DeviceNFT.sol";
import {IVerifyingProxy} from "../../../contracts/interfaces/identity/compat/IVerifyingProxy.sol";
import {IDeviceNFT} from "../../../contracts/interfaces/identity/IDeviceNFT.sol";
import {IIoIDRegistry} from "../../../contracts/interfaces/identity/IIoIDRegistry.sol";
import {IDeviceAccount} from "../../../contracts/interfaces/wallet/IDeviceAccount.sol";
import {CompatFixture} from "../../solidity/CompatFixture.sol";

/// @dev The attacks that work against the public ioID contracts. In each the attacker has all that he has there, does what he
/// does there, and fails; the victim then does what he wanted to. 1 to 5 are those of the peer's core (more of each in
/// IoIDRegistry.t.sol), 6 to 8 concern what reads and signs, 9 to 13 were found in the public ABI of factories and proxies.
contract AttacksTest is CompatFixture {
    uint256 private constant KEY = 0xD1;
    uint256 private constant MALLORY_KEY = 0xBAD;
    address private sensor = vm.addr(KEY);
    uint256 private deadline;

    function setUp() public {
        deployCompat();
        deadline = block.timestamp + 1 hours;
    }

    /// @dev Anybody registers a victim's approved device NFT with his own device, then migrates it away.
    function test_Attack1_ApprovedTokenOfAVictimIsRegisteredByAStranger() public {
        uint256 tokenId = mintDevice(owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(MALLORY_KEY, owner, mallory);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.register(address(deviceNFT), tokenId, owner, mallory, HASH, URI, v, r, s);
        assertEq(deviceNFT.ownerOf(tokenId), owner);

        (v, r, s) = permit(KEY, owner, sensor);
        vm.prank(owner);
        registry.register(address(deviceNFT), tokenId, owner, sensor, HASH, URI, v, r, s);
        assertEq(ioID.ownerOf(1), owner);
    }

    /// @dev A permit signed for `update` is replayed into `migrate` or `remove`.
    function test_Attack2_PermitOfOneActionIsReplayedIntoAnother() public {
        registerDevice(KEY, owner);
        // The typed update of today's devices, taken from the pool before it is mined.
        bytes32 hash = keccak256("new");
        bytes memory byDevice = sign(KEY, updateHash(sensor, hash, URI, deadline));
        bytes memory byOwner = sign(OWNER_KEY, updateHash(sensor, hash, URI, deadline));
        vm.startPrank(mallory);
        vm.expectRevert(bytes("invalid signature"));
        registry.migrate(sensor, mallory, deadline, byDevice, byOwner);
        vm.expectRevert(bytes("invalid signature"));
        registry.remove(sensor, deadline, byDevice, byOwner);
        // The legacy permit binds no action: it needs the owner as the caller of each.
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, sensor);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.migrate(sensor, mallory, v, r, s);
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.remove(sensor, v, r, s);
        registry.update(sensor, hash, URI, deadline, byDevice, byOwner);
        vm.stopPrank();
        // Once used for what it was signed, the nonce is gone and the permit with it.
        vm.prank(owner);
        vm.expectRevert(bytes("invalid signature"));
        registry.migrate(sensor, owner, v, r, s);
        assertEq(ioID.ownerOf(1), owner);
        assertEq(registry.documentHash(sensor), hash);
    }

    /// @dev A front-runner changes document, URI, token or owner of a registration through the open verifying proxy.
    function test_Attack3_FrontRunnerChangesWhatTheProxyRegisters() public {
        bytes memory verification = vouch(VERIFIER_KEY, owner, device);
        (uint8 v, bytes32 r, bytes32 s) = permit(DEVICE_KEY, address(verifying), device);
        vm.startPrank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IVerifyingProxy.VerifyingProxy_NotOwner.selector, owner, mallory));
        verifying.register(verification, keccak256("mallory's"), "http://mallory", owner, device, v, r, s);

        IIoIDRegistry.Registration memory what = registrationBy(verifying);
        bytes[3] memory by = [
            signFor(verifying, VERIFIER_KEY, what, deadline),
            signByDevice(verifying, DEVICE_KEY, what, deadline),
            signFor(verifying, OWNER_KEY, what, deadline)
        ];
        IIoIDRegistry.Registration[6] memory forged;
        for (uint256 i = 0; i < forged.length; ++i) forged[i] = registrationBy(verifying);
        forged[0].hash = keccak256("mallory's");
        forged[1].uri = "http://mallory";
        forged[2].tokenId = 2;
        forged[3].user = mallory;
        forged[4].device = mallory;
        forged[5].deviceContract = address(deviceNFT);
        for (uint256 i = 0; i < forged.length; ++i) {
            vm.expectRevert(bytes("invalid verifier signature"));
            verifying.register(by[0], forged[i], deadline, by[1], by[2]);
            // Not with a verifier on his side either: the device, or the owner, has not signed this.
            bytes memory bribed = signFor(verifying, VERIFIER_KEY, forged[i], deadline);
            vm.expectRevert();
            verifying.register(bribed, forged[i], deadline, by[1], by[2]);
        }
        vm.expectRevert(bytes("invalid verifier signature"));
        verifying.register(by[0], what, deadline + 1, by[1], by[2]);
        verifying.register(by[0], what, deadline, by[1], by[2]);
        vm.stopPrank();
        assertEq(ioID.ownerOf(1), owner);
        assertEq(registry.documentHash(device), HASH);
    }

    /// @dev `remove` leaves device, count and NFT behind; the first device registered again makes the list a cycle.
    function test_Attack4_RemovalLeavesAZombieAndPagesWithoutEnd() public {
        uint256 id = registerDevice(KEY, owner);
        registerDevice(0xD2, owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, sensor);
        vm.startPrank(owner);
        registry.remove(sensor, v, r, s);
        assertEq(ioID.projectDeviceCount(projectId), 1);
        assertEq(ioID.tokenIdOf(sensor), 0);
        assertFalse(registry.exists(sensor));
        // The NFT comes out of the wallet of the removed ioID and is registered again.
        address wallet = ioID.walletOf(id);
        IDeviceAccount(payable(wallet)).execute(
            address(deviceNFT),
            0,
            abi.encodeWithSignature("transferFrom(address,address,uint256)", wallet, owner, 1),
            0
        );
        deviceNFT.approve(address(registry), 1);
        (v, r, s) = permit(KEY, owner, sensor);
        registry.register(address(deviceNFT), 1, sensor, HASH, URI, v, r, s);
        vm.stopPrank();

        uint256 found;
        address next = address(1);
        for (uint256 pages = 0; next != address(0); ++pages) {
            assertLe(pages, 3, "pages without end");
            address[] memory page;
            (page, next) = ioID.projectIDs(projectId, next, 1);
            found += page.length;
        }
        assertEq(found, 2);
    }

    /// @dev A stolen device key alone moves the wallet and what is in it.
    function test_Attack5_StolenDeviceKeyAlone() public {
        uint256 id = registerDevice(KEY, owner);
        address wallet = ioID.walletOf(id);
        vm.deal(wallet, 1 ether);
        // What v1 took: the thief's own permit, over himself and over the owner, sent by himself.
        vm.startPrank(mallory);
        for (uint256 i = 0; i < 2; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = permit(KEY, i == 0 ? mallory : owner, sensor);
            bytes memory error = abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory);
            vm.expectRevert(error);
            registry.migrate(sensor, mallory, v, r, s);
            vm.expectRevert(error);
            registry.remove(sensor, v, r, s);
            vm.expectRevert(error);
            registry.update(sensor, keccak256("mallory's"), URI, v, r, s);
        }
        bytes32 rotation = rotateHash(sensor, mallory, deadline);
        (bytes memory byNewKey, bytes memory stolen) = (sign(MALLORY_KEY, rotation), sign(KEY, rotation));
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory));
        registry.rotate(sensor, mallory, deadline, byNewKey, stolen);
        vm.stopPrank();
        vm.prank(sensor);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotOwner.selector, sensor, owner));
        IDeviceAccount(payable(wallet)).execute(mallory, 1 ether, "", 0);

        // The owner retires the key without it.
        bytes memory fresh = sign(0xD2, rotateHash(sensor, vm.addr(0xD2), deadline));
        vm.prank(owner);
        registry.rotate(sensor, vm.addr(0xD2), deadline, fresh, "");
        assertTrue(registry.isRetired(sensor));
        assertEq(wallet.balance, 1 ether);
    }

    /// @dev The hash on chain is of something else than the document: a reader takes it for the document's. The chain keeps
    /// what both signed, as it is; the resolver tells the difference (`digestInsteadOfDocument`).
    function test_Attack6_HashOnChainIsWhatBothSigned() public {
        registerDevice(KEY, owner);
        bytes32 digestOfHash = keccak256(abi.encode(HASH));
        bytes memory byDevice = sign(KEY, updateHash(sensor, HASH, URI, deadline));
        vm.prank(owner);
        vm.expectRevert(bytes("invalid signature"));
        registry.update(sensor, digestOfHash, URI, deadline, byDevice, "");
        byDevice = sign(KEY, updateHash(sensor, bytes32(0), URI, deadline));
        vm.prank(owner);
        vm.expectRevert(bytes("empty hash"));
        registry.update(sensor, bytes32(0), URI, deadline, byDevice, "");
        assertEq(registry.documentHash(sensor), HASH);
    }

    /// @dev A device signs whatever digest it is sent. What it signs outside of this registry's typed data is good for nothing:
    /// not a raw hash, not a personal message, not the same struct for another chain or contract.
    function test_Attack7_SignatureOfABlindSignerIsNoConsent() public {
        registerDevice(KEY, owner);
        bytes32 structHash = migrateHash(sensor, mallory, deadline);
        bytes32 otherDomain = keccak256("domain of another contract");
        bytes32[3] memory blind = [
            structHash,
            keccak256(abi.encodePacked("\x19Ethereum Signed Message:\n32", structHash)),
            keccak256(abi.encodePacked(hex"1901", otherDomain, structHash))
        ];
        bytes memory byOwner = sign(OWNER_KEY, structHash);
        for (uint256 i = 0; i < blind.length; ++i) {
            (uint8 v, bytes32 r, bytes32 s) = vm.sign(KEY, blind[i]);
            vm.expectRevert(bytes("invalid signature"));
            registry.migrate(sensor, mallory, deadline, abi.encodePacked(r, s, v), byOwner);
        }
        uint256 here = block.chainid;
        vm.chainId(here + 1);
        bytes memory elsewhere = sign(KEY, structHash);
        vm.chainId(here);
        vm.expectRevert(bytes("invalid signature"));
        registry.migrate(sensor, mallory, deadline, elsewhere, byOwner);
        assertEq(ioID.ownerOf(1), owner);
    }

    /// @dev An identity is issued to who cannot show the device's key: the verifier vouches for a device that its owner does not
    /// have. (Credentials themselves: the registry of credentials asks for the current key's acceptance.)
    function test_Attack8_VouchedForButWithoutTheKey() public {
        bytes memory verification = vouch(VERIFIER_KEY, mallory, device);
        (uint8 v, bytes32 r, bytes32 s) = permit(MALLORY_KEY, address(verifying), device);
        vm.startPrank(mallory);
        vm.expectRevert(bytes("invalid signature"));
        verifying.register(verification, HASH, URI, mallory, device, v, r, s);
        IIoIDRegistry.Registration memory what = registrationBy(verifying);
        what.user = mallory;
        bytes memory byVerifier = signFor(verifying, VERIFIER_KEY, what, deadline);
        bytes memory notTheKey = signByDevice(verifying, MALLORY_KEY, what, deadline);
        vm.expectRevert(bytes("invalid signature"));
        verifying.register(byVerifier, what, deadline, notTheKey, "");
        vm.stopPrank();
        assertFalse(registry.exists(device));
    }

    /// @dev The verifier's v1 signature names no proxy: what he vouched for in one project registers in any other of his.
    function test_Attack9_VerifierSignatureIsReplayedInAnotherProxy() public {
        VerifyingProxy second = createProxy(projectOwner, 0, verifier, "dearer rewards");
        bytes memory verification = vouch(VERIFIER_KEY, mallory, device);
        (uint8 v, bytes32 r, bytes32 s) = permit(DEVICE_KEY, address(second), device);
        vm.startPrank(mallory);
        vm.expectRevert(
            abi.encodeWithSelector(
                IVerifyingProxy.VerifyingProxy_VerifierElsewhere.selector,
                verifier,
                address(verifying)
            )
        );
        second.register(verification, HASH, URI, mallory, device, v, r, s);
        // The typed form names its proxy.
        IIoIDRegistry.Registration memory what = registrationBy(second);
        what.user = mallory;
        bytes memory forFirst = signFor(verifying, VERIFIER_KEY, what, deadline);
        bytes memory byDevice = signByDevice(second, DEVICE_KEY, what, deadline);
        vm.expectRevert(bytes("invalid verifier signature"));
        second.register(forFirst, what, deadline, byDevice, "");
        // Nor does he move the home, nor take a verifier who has one.
        homes.settle(verifier);
        homes.move(address(second));
        assertEq(homes.homeOf(verifier), address(verifying));
        vm.stopPrank();

        // One who has none and is claimed in bad faith moves back by himself.
        address fresh = vm.addr(0xF00);
        vm.prank(mallory);
        homes.settle(fresh);
        vm.prank(fresh);
        homes.move(address(second));
        vm.prank(projectOwner);
        second.changeVerifier(fresh);
        registerLegacy(second, owner, owner, DEVICE_KEY, vouch(0xF00, owner, device), 0);
        assertEq(ioID.deviceProject(device), second.projectId());
    }

    /// @dev The second `initialize`, without guard in v1, takes over a proxy that serves, or one that was only cloned.
    function test_Attack10_CloneIsInitialisedAgainOrByAStranger() public {
        address logic = factory.proxyImplementation();
        bytes memory once = abi.encodeWithSelector(Initializable.InvalidInitialization.selector);
        uint256 served = verifying.projectId();
        address collection = verifying.deviceNFT();
        vm.startPrank(mallory);
        vm.expectRevert(once);
        verifying.initialize(1, mallory, "m", "M", "M", 0);
        vm.expectRevert(once);
        VerifyingProxy(logic).initialize(1, mallory, "m", "M", "M", 0);
        bytes memory notOwner = abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, mallory);
        vm.expectRevert(notOwner);
        verifying.initialize(served, mallory, collection, 1000);
        vm.expectRevert(notOwner);
        VerifyingProxy(logic).initialize(served, mallory, collection, 1000);
        VerifyingProxy bare = VerifyingProxy(Clones.clone(logic));
        vm.expectRevert(notOwner);
        bare.initialize(served, mallory, collection, 1000);
        vm.stopPrank();
        // And nobody sends a project into a clone that is not his.
        vm.startPrank(projectOwner);
        vm.expectRevert(
            abi.encodeWithSelector(IVerifyingProxy.VerifyingProxy_RefusedToken.selector, address(project), projectOwner)
        );
        project.safeTransferFrom(projectOwner, address(bare), projectId);
        vm.stopPrank();
        assertEq(verifying.verifier(), verifier);
        assertEq(verifying.owner(), projectOwner);
    }

    /// @dev The seller of a proxy leaves an approval on the project token and takes it from the buyer.
    function test_Attack11_SellerKeepsAnApprovalOnTheProject() public {
        uint256 id = verifying.projectId();
        vm.startPrank(projectOwner);
        verifying.approveProjectNFT(mallory);
        verifying.transferOwnership(owner);
        vm.stopPrank();
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, mallory, id));
        project.transferFrom(address(verifying), mallory, id);
        vm.prank(owner);
        verifying.migrate(owner);
        assertEq(project.ownerOf(id), owner);
    }

    /// @dev A proxy that migrated its project stays a minter of the collection and goes on registering into it.
    function test_Attack12_MigratedProxyGoesOnMinting() public {
        vm.prank(projectOwner);
        verifying.migrate(owner);
        DeviceNFT nft = DeviceNFT(verifying.deviceNFT());
        assertEq(nft.owner(), owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(DEVICE_KEY, address(verifying), device);
        bytes memory verification = vouch(VERIFIER_KEY, mallory, device);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IDeviceNFT.DeviceNFT_NotMinter.selector, address(verifying)));
        verifying.register(verification, HASH, URI, mallory, device, v, r, s);
        // Nor does the seller give himself allowance.
        vm.startPrank(projectOwner);
        vm.expectRevert(
            abi.encodeWithSelector(OwnableUpgradeable.OwnableUnauthorizedAccount.selector, address(verifying))
        );
        verifying.incrementMinterAllowance(1);
        vm.stopPrank();
        assertEq(nft.total(), 0);
    }

    /// @dev Two registrations in one `multicall` are paid once, or out of what somebody left in the proxy.
    function test_Attack13_MulticallSpendsOneValueTwice() public {
        vm.deal(projectOwner, 0);
        vm.prank(projectOwner);
        VerifyingProxy paid = VerifyingProxy(factoryV2.create(1, vm.addr(0x77), "virtual", "D", "D", 10));
        bytes[] memory calls = new bytes[](2);
        calls[0] = _legacyCall(paid, 0xE1);
        calls[1] = _legacyCall(paid, 0xE2);
        bytes memory data = abi.encodeWithSignature("multicall(bytes[])", calls);
        // Somebody's ether lies here, as it can in any contract.
        vm.deal(address(paid), 5 * PRICE);
        vm.deal(mallory, PRICE);
        vm.startPrank(mallory);
        (bool done, ) = address(paid).call{value: PRICE}(data);
        assertFalse(done, "with one price");
        bytes memory answer;
        (done, answer) = address(paid).call(data);
        assertFalse(done, "with none");
        assertEq(answer, abi.encodeWithSignature("Error(string)", "insufficient fund"));
        vm.stopPrank();
        assertEq(address(paid).balance, 5 * PRICE);
        assertEq(ioID.totalSupply(), 0);
    }

    function _legacyCall(VerifyingProxy proxy, uint256 key) private view returns (bytes memory) {
        address device_ = vm.addr(key);
        (uint8 v, bytes32 r, bytes32 s) = permit(key, address(proxy), device_);
        return
            abi.encodeWithSignature(
                "register(bytes,bytes32,string,address,address,uint8,bytes32,bytes32)",
                vouch(0x77, mallory, device_),
                HASH,
                URI,
                mallory,
                device_,
                v,
                r,
                s
            );
    }
}
