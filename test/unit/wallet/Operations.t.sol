// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {IIoID} from "../../../contracts/interfaces/identity/IIoID.sol";
import {IDeviceAccount} from "../../../contracts/interfaces/wallet/IDeviceAccount.sol";
import {IERC6551Registry} from "../../../contracts/interfaces/wallet/IERC6551.sol";
import {DeviceAccount} from "../../../contracts/wallet/DeviceAccount.sol";
import {Canonical} from "../../solidity/Canonical.sol";
import {Callee, WalletFixture} from "../../solidity/WalletFixture.sol";

/// @dev An owner that is a contract, and signs by ERC-1271 whatever its own signer signed.
contract ContractOwner {
    address private immutable _signer;

    constructor(address signer) {
        _signer = signer;
    }

    function isValidSignature(bytes32 hash, bytes calldata signature) external view returns (bytes4) {
        (bytes32 r, bytes32 s) = (bytes32(signature[:32]), bytes32(signature[32:64]));
        bool valid = ecrecover(hash, uint8(signature[64]), r, s) == _signer;
        return valid ? IERC1271.isValidSignature.selector : bytes4(0);
    }
}

/// @dev Logic that lies, plants what it likes, and goes back to where it came from.
contract EvilLogic is DeviceAccount(Canonical.ENTRY_POINT) {
    function rewrite(bytes32 slot, bytes32 value) external {
        assembly {
            sstore(slot, value)
        }
    }
}

contract OperationsTest is WalletFixture {
    bytes32 private constant HASH_OF_OPERATION = keccak256("user operation");
    address private constant ENTRY = Canonical.ENTRY_POINT;

    function setUp() public {
        deployWallet();
    }

    function test_Batch_ByOwnerAllOrNone() public {
        IDeviceAccount.Call[] memory calls = new IDeviceAccount.Call[](3);
        (calls[0], calls[1], calls[2]) = (taking(1)[0], taking(2)[0], one(mallory, 3, "")[0]);
        uint256 state = account.state();
        vm.prank(owner);
        bytes[] memory results = account.executeBatch(calls);
        assertEq(results.length, 3);
        assertEq(abi.decode(results[1], (uint256)), 2);
        assertEq(callee.received(), 3);
        assertEq(mallory.balance, 3);
        assertEq(account.state(), state + 1);
        calls[2] = one(address(callee), 0, abi.encodeCall(Callee.fail, (5)))[0];
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Callee.Callee_Reason.selector, 5));
        account.executeBatch(calls);
        assertEq(callee.received(), 3);
    }

    function test_Batch_RevertWhen_NotOwnerOrTooMany() public {
        address[5] memory callers = [mallory, device, key, ENTRY, address(account)];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.prank(callers[i]);
            vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotOwner.selector, callers[i], owner));
            account.executeBatch(taking(1));
        }
        vm.prank(owner);
        account.executeBatch(new IDeviceAccount.Call[](64));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_TooManyCalls.selector, 65, 64));
        account.executeBatch(new IDeviceAccount.Call[](65));
    }

    function test_Lock_KeepsAllIn() public {
        grantUsual();
        uint256 state = account.state();
        uint64 until = uint64(block.timestamp + 1 days);
        vm.prank(owner);
        account.lock(until);
        assertEq(account.lockedUntil(), until);
        assertEq(account.state(), state + 1);
        bytes memory reason = abi.encodeWithSelector(IDeviceAccount.DeviceAccount_IsLocked.selector, until);
        // Also of the next owner: he gets what he saw.
        vm.prank(owner);
        ioID.transferFrom(owner, mallory, id);
        address logic = address(new EvilLogic());
        vm.startPrank(mallory);
        vm.expectRevert(reason);
        account.execute(mallory, 1, "", 0);
        vm.expectRevert(reason);
        account.executeBatch(taking(1));
        vm.expectRevert(reason);
        account.upgradeToAndCall(logic, "");
        IDeviceAccount.Session memory session = usualSession();
        vm.expectRevert(reason);
        account.grantSession(key, session);
        vm.expectRevert(reason);
        account.revokeSession(key);
        vm.stopPrank();
        vm.prank(key);
        vm.expectRevert(reason);
        account.executeSession(key, taking(1));
        assertEq(bytes32(account.isValidSigner(mallory, "")), bytes32(0));
        vm.prank(ENTRY);
        uint256 validation = account.validateUserOp(operation("", 0xBAD, HASH_OF_OPERATION), HASH_OF_OPERATION, 0);
        assertEq(validation, uint256(until) << 208);
        // Receiving stays open.
        uint256 nft = deviceNFT.mint(address(this));
        deviceNFT.safeTransferFrom(address(this), address(account), nft);
        vm.deal(address(this), 1);
        (bool sent, ) = address(account).call{value: 1}("");
        assertTrue(sent);
        vm.warp(until);
        vm.prank(mallory);
        account.execute(mallory, 1, "", 0);
        assertEq(bytes32(account.isValidSigner(mallory, "")) != 0, true);
    }

    function test_Lock_SilencesSignatures() public {
        _toContractOwner();
        bytes32 digest = _messageDigest(HASH_OF_OPERATION);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(SESSION_KEY, digest);
        bytes memory signature = abi.encodePacked(r, s, v);
        assertEq(bytes32(account.isValidSignature(HASH_OF_OPERATION, signature)), bytes32(bytes4(0x1626ba7e)));
        address owner_ = account.owner();
        vm.prank(owner_);
        account.lock(uint64(block.timestamp + 1));
        assertEq(bytes32(account.isValidSignature(HASH_OF_OPERATION, signature)), bytes32(bytes4(0xffffffff)));
    }

    function test_Fuzz_Lock_OnlyLonger(uint64 first, uint64 second) public {
        uint64 now_ = uint64(block.timestamp);
        (first, second) = (
            uint64(bound(first, now_ - 2, now_ + 91 days)),
            uint64(bound(second, now_ - 2, now_ + 91 days))
        );
        uint64 have;
        uint64[2] memory wanted = [first, second];
        for (uint256 i = 0; i < 2; ++i) {
            vm.prank(owner);
            if (wanted[i] <= now_ || wanted[i] <= have || wanted[i] > now_ + 90 days) {
                vm.expectRevert(
                    abi.encodeWithSelector(IDeviceAccount.DeviceAccount_BadLock.selector, wanted[i], now_ + 90 days)
                );
            } else have = wanted[i];
            account.lock(wanted[i]);
            assertEq(account.lockedUntil(), have);
        }
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotOwner.selector, mallory, owner));
        account.lock(now_ + 90 days);
    }

    function test_Validate_ByEntryPointOnly() public {
        PackedUserOperation memory op = operation("", OWNER_KEY, HASH_OF_OPERATION);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotEntryPoint.selector, owner));
        account.validateUserOp(op, HASH_OF_OPERATION, 1 ether);
    }

    function test_Validate_TheOwnersSignature() public {
        bytes memory data = abi.encodeCall(account.execute, (mallory, 1, "", 0));
        assertEq(_validate(data, OWNER_KEY, 0.5 ether), 0);
        assertEq(address(account).balance, 9.5 ether);
        // Whatever is not the owner's fails, and pays nothing.
        uint256[3] memory keys = [uint256(0xBAD), DEVICE_KEY, SESSION_KEY];
        for (uint256 i = 0; i < keys.length; ++i) assertEq(_validate(data, keys[i], 0.5 ether), 1);
        assertEq(address(account).balance, 9.5 ether);
        PackedUserOperation memory op = operation(data, OWNER_KEY, keccak256("another"));
        vm.prank(ENTRY);
        assertEq(account.validateUserOp(op, HASH_OF_OPERATION, 1), 1);
    }

    function test_Validate_OwnersWithCode() public {
        // EIP-7702: a key whose account delegates to code that knows no ERC-1271.
        vm.etch(owner, address(callee).code);
        assertEq(_validate("", OWNER_KEY, 0), 0);
        vm.etch(owner, "");
    }

    function test_Validate_ContractOwners() public {
        _toContractOwner();
        assertEq(_validate("", SESSION_KEY, 0), 0);
        assertEq(_validate("", OWNER_KEY, 0), 1);
    }

    function test_Validate_Sessions() public {
        grantUsual();
        IDeviceAccount.Session memory session = usualSession();
        bytes memory data = abi.encodeCall(account.executeSession, (key, taking(0.5 ether)));
        uint256 validation = _validate(data, SESSION_KEY, 0.0001 ether);
        assertEq(validation, (uint256(session.validAfter) << 208) | (uint256(session.validUntil) << 160));
        // Three times 100,000 gas at 1 gwei, whoever got how much of it.
        assertEq(account.sessionOf(key).value, 1 ether - 0.0003 ether);
        vm.prank(ENTRY);
        account.executeSession(key, taking(0.5 ether));
        assertEq(callee.received(), 0.5 ether);
        // The key signs for its session only, and others do not sign for it.
        assertEq(_validate(abi.encodeCall(account.execute, (mallory, 1, "", 0)), SESSION_KEY, 0), 1);
        assertEq(_validate(data, OWNER_KEY, 0), 1);
        assertEq(_validate(abi.encodeCall(account.executeSession, (mallory, taking(0))), 0xBAD, 0), 1);
        assertEq(_validate(abi.encodeCall(account.executeSession, (mallory, taking(0))), SESSION_KEY, 0), 1);
        vm.prank(owner);
        account.revokeSession(key);
        assertEq(_validate(data, SESSION_KEY, 0), 1);
    }

    function test_Validate_GasOfSessionsIsWithinTheirValue() public {
        IDeviceAccount.Session memory session = usualSession();
        session.value = 0.0005 ether;
        vm.prank(owner);
        account.grantSession(key, session);
        bytes memory data = abi.encodeCall(account.executeSession, (key, taking(0)));
        assertEq(_validate(data, SESSION_KEY, 0.0003 ether) & 1, 0);
        // The next one would cost 0.0003 ether at most, and 0.0002 are left: also when the deposit pays.
        PackedUserOperation memory op = operation(data, SESSION_KEY, HASH_OF_OPERATION);
        vm.prank(ENTRY);
        vm.expectRevert(
            abi.encodeWithSelector(IDeviceAccount.DeviceAccount_OverLimit.selector, key, 0.0002 ether, 0.0003 ether)
        );
        account.validateUserOp(op, HASH_OF_OPERATION, 0);
        // A paymaster's money is not the wallet's.
        op.paymasterAndData = abi.encodePacked(mallory, bytes32(0));
        vm.prank(ENTRY);
        account.validateUserOp(op, HASH_OF_OPERATION, 0);
        assertEq(account.sessionOf(key).value, 0.0002 ether);
    }

    function test_Operation_RunsForWhoWasValidated() public {
        bytes memory reason = abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotOwner.selector, ENTRY, owner);
        vm.prank(ENTRY);
        vm.expectRevert(reason);
        account.execute(mallory, 1, "", 0);
        assertEq(_validate("", OWNER_KEY, 0), 0);
        vm.prank(ENTRY);
        account.execute(mallory, 1, "", 0);
        // A seller's operation, validated in the bundle in which the ioID is sold before it runs.
        address buyer = vm.addr(0xB41E5);
        vm.prank(owner);
        ioID.transferFrom(owner, buyer, id);
        vm.prank(ENTRY);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotOwner.selector, ENTRY, buyer));
        account.execute(mallory, 1 ether, "", 0);
        // Nor does the buyer's own operation in the same transaction open the door for it.
        assertEq(_validate("", 0xB41E5, 0), 1);
    }

    function test_Upgrade_IsKnownToTheLogicThatWasLeft() public {
        DeviceAccount first = DeviceAccount(payable(account.logic()));
        assertEq(first.departures(address(account)), 0);
        EvilLogic evil = new EvilLogic();
        vm.prank(owner);
        account.upgradeToAndCall(address(evil), "");
        // It cannot pass for the first …
        assertEq(account.logic(), address(evil));
        // … nor, gone again, for never having been.
        bytes32 slot = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;
        EvilLogic(payable(address(account))).rewrite(slot, 0);
        assertEq(account.logic(), address(first));
        assertEq(first.departures(address(account)), 1);
    }

    function test_OwnershipCycles_ThroughOtherCollections() public {
        uint256 nft = deviceNFT.mint(owner);
        IERC6551Registry canonical = IERC6551Registry(Canonical.REGISTRY);
        address above = canonical.createAccount(walletProxy, 0, block.chainid, address(deviceNFT), nft);
        // Without asking the wallet, by plain transfer, the other collection's token comes in …
        vm.startPrank(owner);
        deviceNFT.transferFrom(owner, address(account), nft);
        // … and the ioID does not go into its account.
        vm.expectRevert(abi.encodeWithSelector(IIoID.IoID_OwnershipCycle.selector, id, above));
        ioID.transferFrom(owner, above, id);
        vm.stopPrank();
        // The other way round the wallet refuses.
        vm.prank(address(deviceNFT));
        vm.expectRevert(
            abi.encodeWithSelector(IDeviceAccount.DeviceAccount_OwnershipCycle.selector, address(deviceNFT), nft)
        );
        IERC721Receiver(above).onERC721Received(owner, owner, nft, "");
    }

    function test_OwnershipCycles_ThroughAWalletToCome() public {
        address later = ioID.walletOf(id + 1);
        vm.prank(owner);
        ioID.transferFrom(owner, later, id);
        uint256 nft = mintDevice(owner);
        vm.prank(owner);
        deviceNFT.transferFrom(owner, address(account), nft);
        vm.prank(address(registry));
        vm.expectRevert(abi.encodeWithSelector(IIoID.IoID_OwnershipCycle.selector, id + 1, address(account)));
        ioID.mint(projectId, vm.addr(0xD2), address(account));
    }

    function test_OwnershipCycles_DeepChainsAreRefused() public {
        address holder = address(account);
        for (uint256 i = 0; i < 7; ++i) {
            uint256 next = registerDevice(0xE00 + i, owner);
            vm.prank(owner);
            ioID.transferFrom(owner, holder, next);
            holder = ioID.walletOf(next);
        }
        uint256 last = registerDevice(0xEFF, owner);
        vm.prank(owner);
        ioID.transferFrom(owner, holder, last);
        holder = ioID.walletOf(last);
        uint256 more = registerDevice(0xF00, owner);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IIoID.IoID_OwnershipCycle.selector, more, holder));
        ioID.transferFrom(owner, holder, more);
    }

    function onERC721Received(address, address, uint256, bytes calldata) external pure returns (bytes4) {
        return IERC721Receiver.onERC721Received.selector;
    }

    /// @dev The new owner's signatures are those of the session key, ERC-1271.
    function _toContractOwner() private {
        address contractOwner = address(new ContractOwner(key));
        vm.prank(owner);
        ioID.transferFrom(owner, contractOwner, id);
    }

    function _validate(bytes memory data, uint256 signer, uint256 missing) private returns (uint256) {
        PackedUserOperation memory op = operation(data, signer, HASH_OF_OPERATION);
        vm.prank(ENTRY);
        return account.validateUserOp(op, HASH_OF_OPERATION, missing);
    }

    function _messageDigest(bytes32 hash) private view returns (bytes32) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("DeviceAccount"),
                keccak256("1"),
                block.chainid,
                address(account)
            )
        );
        bytes32 message = keccak256(abi.encode(keccak256("AccountMessage(bytes32 hash)"), hash));
        return keccak256(abi.encodePacked(hex"1901", domain, message));
    }
}
