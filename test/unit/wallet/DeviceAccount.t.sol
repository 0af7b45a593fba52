// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {IIoID} from "../../../contracts/interfaces/identity/IIoID.sol";
import {IDeviceAccount} from "../../../contracts/interfaces/wallet/IDeviceAccount.sol";
import {IERC6551Account, IERC6551Executable} from "../../../contracts/interfaces/wallet/IERC6551.sol";
import {DeviceAccount} from "../../../contracts/wallet/DeviceAccount.sol";
import {Canonical} from "../../solidity/Canonical.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

/// @dev Other logic that an owner may choose.
contract OtherLogic is DeviceAccount(Canonical.ENTRY_POINT) {
    function version() external pure returns (uint256) {
        return 2;
    }
}

/// @dev Something to call.
contract Callee {
    error Callee_Reason(uint256 value);

    uint256 public received;

    function take(uint256 value) external payable returns (uint256) {
        received += msg.value;
        return value + 1;
    }

    function fail(uint256 value) external pure {
        revert Callee_Reason(value);
    }
}

/// @dev An owner that is a contract, and that its own wallet can call.
contract Commander {
    function command(address account, bytes calldata data) external {
        (bool success, bytes memory reason) = account.call(data);
        if (!success) {
            assembly ("memory-safe") {
                revert(add(reason, 32), mload(reason))
            }
        }
    }
}

contract DeviceAccountTest is IdentityFixture {
    uint256 private constant KEY = 0xD1;
    address private device = vm.addr(KEY);
    IDeviceAccount private account;
    IDeviceAccount private second;
    Callee private callee;
    uint256 private id;

    function setUp() public {
        deployIdentity();
        id = registerDevice(KEY, owner);
        account = IDeviceAccount(payable(ioID.walletOf(id)));
        second = IDeviceAccount(payable(ioID.walletOf(registerDevice(0xD2, owner))));
        callee = new Callee();
        vm.deal(address(account), 10 ether);
    }

    function test_Execute_ByOwner() public {
        (uint256 chainId, address collection, uint256 tokenId) = account.token();
        assertEq(chainId, block.chainid);
        assertEq(collection, address(ioID));
        assertEq(tokenId, id);
        uint256 state = account.state();
        vm.prank(owner);
        bytes memory result = account.execute(address(callee), 1 ether, abi.encodeCall(Callee.take, (6)), 0);
        assertEq(abi.decode(result, (uint256)), 7);
        assertEq(callee.received(), 1 ether);
        assertEq(account.state(), state + 1);
    }

    function test_Fuzz_Execute_RevertWhen_NotOwner(address caller, bytes calldata data, uint8 operation) public {
        vm.assume(caller != owner);
        vm.prank(caller);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotOwner.selector, caller, owner));
        account.execute(address(callee), 1 ether, data, operation);
    }

    function test_Execute_RevertWhen_NotCall() public {
        for (uint8 operation = 1; operation < 5; ++operation) {
            vm.prank(owner);
            vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_UnknownOperation.selector, operation));
            account.execute(address(callee), 0, "", operation);
        }
    }

    function test_Execute_RevertWhen_CallFails() public {
        uint256 state = account.state();
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Callee.Callee_Reason.selector, 5));
        account.execute(address(callee), 0, abi.encodeCall(Callee.fail, (5)), 0);
        assertEq(account.state(), state);
    }

    function test_Execute_RevertWhen_WithinARun() public {
        Commander commander = new Commander();
        vm.prank(owner);
        ioID.transferFrom(owner, address(commander), id);
        IDeviceAccount.Call[] memory one = new IDeviceAccount.Call[](1);
        one[0] = IDeviceAccount.Call(address(callee), 1 ether, "");
        IDeviceAccount.Session memory session;
        bytes[6] memory inner = [
            abi.encodeCall(IERC6551Executable.execute, (address(callee), 1 ether, "", 0)),
            abi.encodeCall(IDeviceAccount.executeBatch, (one)),
            abi.encodeCall(IDeviceAccount.grantSession, (mallory, session)),
            abi.encodeCall(IDeviceAccount.revokeSession, (mallory)),
            abi.encodeCall(IDeviceAccount.lock, (uint64(block.timestamp + 1 days))),
            abi.encodeCall(IDeviceAccount.upgradeToAndCall, (address(new OtherLogic()), ""))
        ];
        for (uint256 i = 0; i < inner.length; ++i) {
            bytes memory again = abi.encodeCall(Commander.command, (address(account), inner[i]));
            one[0] = IDeviceAccount.Call(address(commander), 0, again);
            bytes memory alone = abi.encodeCall(IERC6551Executable.execute, (address(commander), 0, again, 0));
            vm.expectRevert(IDeviceAccount.DeviceAccount_Reentered.selector);
            commander.command(address(account), alone);
            vm.expectRevert(IDeviceAccount.DeviceAccount_Reentered.selector);
            commander.command(address(account), abi.encodeCall(IDeviceAccount.executeBatch, (one)));
        }
        assertEq(address(account).balance, 10 ether);
    }

    function test_Owner_FollowsTheToken() public {
        vm.prank(owner);
        ioID.transferFrom(owner, mallory, id);
        assertEq(account.owner(), mallory);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotOwner.selector, owner, mallory));
        account.execute(mallory, 1, "", 0);
    }

    function test_Owner_NobodyOnAnotherChain() public {
        vm.chainId(4690);
        assertEq(account.owner(), address(0));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotOwner.selector, owner, address(0)));
        account.execute(owner, 1, "", 0);
    }

    function test_Upgrade_ByOwnerOnly() public {
        address logic = address(new OtherLogic());
        address was = account.logic();
        // Not even the authority over everything else.
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotOwner.selector, address(this), owner));
        account.upgradeToAndCall(logic, "");
        vm.prank(owner);
        account.upgradeToAndCall(logic, "");
        assertEq(account.logic(), logic);
        assertEq(OtherLogic(payable(address(account))).version(), 2);
        assertEq(account.owner(), owner);
        assertEq(second.logic(), was);
    }

    function test_Upgrade_RevertWhen_NotLogic() public {
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_BadLogic.selector, mallory));
        account.upgradeToAndCall(mallory, "");
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_BadLogic.selector, address(callee)));
        account.upgradeToAndCall(address(callee), "");
        vm.stopPrank();
    }

    function test_Signatures_OfTheOwnerForThisAccount() public view {
        assertEq(bytes32(account.isValidSigner(owner, "")), bytes32(IERC6551Account.isValidSigner.selector));
        assertEq(bytes32(account.isValidSigner(mallory, "")), bytes32(0));
        bytes32 hash = keccak256("order");
        bytes memory signature = _message(OWNER_KEY, address(account), hash);
        assertEq(bytes32(account.isValidSignature(hash, signature)), bytes32(IERC1271.isValidSignature.selector));
        assertEq(bytes32(second.isValidSignature(hash, signature)), bytes32(bytes4(0xffffffff)));
        signature = _message(0xBAD, address(account), hash);
        assertEq(bytes32(account.isValidSignature(hash, signature)), bytes32(bytes4(0xffffffff)));
        // A plain signature over the hash would be valid for all wallets of the owner.
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(OWNER_KEY, hash);
        signature = abi.encodePacked(r, s, v);
        assertEq(bytes32(account.isValidSignature(hash, signature)), bytes32(bytes4(0xffffffff)));
    }

    function test_Receivers() public {
        uint256 token = deviceNFT.mint(owner);
        vm.prank(owner);
        deviceNFT.safeTransferFrom(owner, address(account), token);
        (bool sent, ) = address(account).call{value: 1 ether, gas: 30_000}("");
        assertTrue(sent);
        DeviceAccount logic = DeviceAccount(payable(address(account)));
        assertEq(bytes32(logic.onERC1155Received(owner, owner, 1, 1, "")), bytes32(bytes4(0xf23a6e61)));
        uint256[] memory none = new uint256[](0);
        assertEq(bytes32(logic.onERC1155BatchReceived(owner, owner, none, none, "")), bytes32(bytes4(0xbc197c81)));
    }

    function test_OwnershipCycles_AreRefused() public {
        uint256 secondId = ioID.tokenIdOf(vm.addr(0xD2));
        vm.startPrank(owner);
        // Into its own wallet, by any kind of transfer.
        vm.expectRevert(abi.encodeWithSelector(IIoID.IoID_OwnershipCycle.selector, id, address(account)));
        ioID.transferFrom(owner, address(account), id);
        // One wallet may own the other …
        ioID.transferFrom(owner, address(account), secondId);
        assertEq(second.owner(), address(account));
        // … but not in a circle.
        vm.expectRevert(abi.encodeWithSelector(IIoID.IoID_OwnershipCycle.selector, id, address(second)));
        ioID.transferFrom(owner, address(second), id);
        vm.stopPrank();
        // The wallet itself says the same to whatever collection asks it.
        vm.prank(address(ioID));
        vm.expectRevert(
            abi.encodeWithSelector(IDeviceAccount.DeviceAccount_OwnershipCycle.selector, address(ioID), id)
        );
        IERC721Receiver(address(second)).onERC721Received(owner, owner, id, "");
        // The owner reaches through: his wallet executes on the wallet it owns.
        vm.deal(address(second), 1 ether);
        bytes memory inner = abi.encodeCall(IDeviceAccount(payable(second)).execute, (owner, 1 ether, "", 0));
        vm.prank(owner);
        account.execute(address(second), 0, inner, 0);
        assertEq(owner.balance, 1 ether);
    }

    function test_SupportsInterface() public view {
        bytes4[6] memory ids = [
            bytes4(0x01ffc9a7),
            bytes4(0x6faff5f1),
            bytes4(0x51945447),
            bytes4(0x1626ba7e),
            bytes4(0x150b7a02),
            bytes4(0x4e2312e0)
        ];
        for (uint256 i = 0; i < ids.length; ++i) {
            assertTrue(DeviceAccount(payable(address(account))).supportsInterface(ids[i]));
        }
        assertFalse(DeviceAccount(payable(address(account))).supportsInterface(0xffffffff));
    }

    function _message(uint256 key, address wallet, bytes32 hash) private view returns (bytes memory) {
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("DeviceAccount"),
                keccak256("1"),
                block.chainid,
                wallet
            )
        );
        bytes32 message = keccak256(abi.encode(keccak256("AccountMessage(bytes32 hash)"), hash));
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, message)));
        return abi.encodePacked(r, s, v);
    }
}
