// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IDeviceAccount} from "../../../contracts/interfaces/wallet/IDeviceAccount.sol";
import {IERC6551Account, IERC6551Registry} from "../../../contracts/interfaces/wallet/IERC6551.sol";
import {Canonical} from "../../solidity/Canonical.sol";
import {Callee, WalletFixture} from "../../solidity/WalletFixture.sol";

contract SessionsTest is WalletFixture {
    function setUp() public {
        deployWallet();
        vm.deal(address(0xfee), 0);
    }

    function test_Session_ActsWithinItsLimits() public {
        uint256 state = account.state();
        grantUsual();
        assertEq(account.state(), state + 1);
        vm.prank(key);
        bytes[] memory results = account.executeSession(key, taking(0.4 ether));
        assertEq(abi.decode(results[0], (uint256)), 2);
        assertEq(account.state(), state + 2);
        IDeviceAccount.Call[] memory calls = new IDeviceAccount.Call[](4);
        calls[0] = IDeviceAccount.Call(address(0xfee), 0.3 ether, "");
        calls[1] = IDeviceAccount.Call(address(0xfee), 0.3 ether, "");
        calls[2] = IDeviceAccount.Call(address(token), 0, abi.encodeCall(token.transfer, (mallory, 99)));
        calls[3] = IDeviceAccount.Call(address(token), 0, abi.encodeCall(token.approve, (mallory, 50)));
        vm.prank(key);
        account.executeSession(key, calls);
        assertEq(callee.received(), 0.4 ether);
        assertEq(address(0xfee).balance, 0.6 ether);
        assertEq(token.balanceOf(mallory), 99);
        IDeviceAccount.Session memory left = account.sessionOf(key);
        assertEq(left.calls, 5);
        assertEq(left.value, 0);
        assertEq(left.permissions[2].tokenLimit, 1);
        assertEq(left.permissions[3].tokenLimit, 0);
    }

    function test_Fuzz_Session_NeverMoreThanItsLimits(uint256[6] calldata values, uint256[6] calldata tokens) public {
        grantUsual();
        (uint256 wei_, uint256 amount) = (address(account).balance, token.balanceOf(address(account)));
        for (uint256 i = 0; i < values.length; ++i) {
            IDeviceAccount.Call[] memory calls = new IDeviceAccount.Call[](2);
            calls[0] = IDeviceAccount.Call(address(0xfee), bound(values[i], 0, 0.6 ether), "");
            bytes memory transfer = abi.encodeCall(token.transfer, (mallory, bound(tokens[i], 0, 60)));
            calls[1] = IDeviceAccount.Call(address(token), 0, transfer);
            vm.prank(key);
            try account.executeSession(key, calls) {} catch {}
        }
        assertLe(wei_ - address(account).balance, 1 ether);
        assertLe(amount - token.balanceOf(address(account)), 100);
    }

    function test_Session_RevertWhen_NotNamed() public {
        grantUsual();
        _refused(one(address(callee), 0, abi.encodeCall(Callee.other, ())), Callee.other.selector);
        _refused(one(address(token), 0, abi.encodeCall(Callee.take, (1))), Callee.take.selector);
        _refused(one(address(callee), 1, ""), 0);
        _refused(one(address(0xfee), 1, hex"00000000"), 0);
        _refused(one(address(0xfee), 1, hex"000000"), 0);
        _refused(one(address(callee), 1, hex"01"), hex"01000000");
        _refused(
            one(address(account), 0, abi.encodeCall(account.revokeSession, (key))),
            account.revokeSession.selector
        );
    }

    function test_Session_RevertWhen_OverALimit() public {
        grantUsual();
        vm.deal(address(account), 10 ether);
        _over(taking(1 ether + 1), 1 ether, 1 ether + 1);
        IDeviceAccount.Call[] memory calls = new IDeviceAccount.Call[](2);
        (calls[0], calls[1]) = (taking(0.6 ether)[0], taking(0.6 ether)[0]);
        _over(calls, 1 ether, 1.2 ether);
        _over(one(address(token), 0, abi.encodeCall(token.transfer, (mallory, 101))), 100, 101);
        _over(
            one(address(token), 0, abi.encodeCall(token.approve, (mallory, type(uint256).max))),
            50,
            type(uint256).max
        );
        calls = new IDeviceAccount.Call[](11);
        for (uint256 i = 0; i < 11; ++i) calls[i] = taking(0)[0];
        _over(calls, 10, 11);
        // Nothing at all would change the wallet's state for free.
        _over(new IDeviceAccount.Call[](0), 10, 0);
    }

    function test_Session_RevertWhen_NotItsTime() public {
        IDeviceAccount.Session memory session = usualSession();
        (session.validAfter, session.validUntil) = (session.validAfter + 10, session.validUntil + 10);
        vm.prank(owner);
        account.grantSession(key, session);
        _dead();
        vm.warp(session.validAfter);
        vm.prank(key);
        account.executeSession(key, taking(0));
        vm.warp(session.validUntil + 1);
        _dead();
        assertEq(account.sessionOf(key).calls, 0);
    }

    function test_Session_RevertWhen_NotTheKey() public {
        grantUsual();
        address[4] memory callers = [owner, mallory, device, address(callee)];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.prank(callers[i]);
            vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NoSession.selector, callers[i], key));
            account.executeSession(key, taking(0));
        }
    }

    function test_Session_EndsWithTheOwnership() public {
        grantUsual();
        vm.prank(owner);
        ioID.transferFrom(owner, mallory, id);
        _dead();
        // Nor does it come back with the owner.
        vm.prank(mallory);
        ioID.transferFrom(mallory, owner, id);
        _dead();
        assertEq(account.sessionOf(key).calls, 0);
        // To oneself is a transfer, too.
        grantUsual();
        vm.prank(owner);
        ioID.transferFrom(owner, owner, id);
        _dead();
    }

    function test_Session_EndsWithMigration() public {
        grantUsual();
        (uint8 v, bytes32 r, bytes32 s) = permit(DEVICE_KEY, owner, device);
        vm.prank(owner);
        registry.migrate(device, owner, v, r, s);
        _dead();
    }

    function test_Session_EndsWithRemoval() public {
        grantUsual();
        bytes memory signature = sign(DEVICE_KEY, removeHash(device, block.timestamp));
        vm.prank(owner);
        registry.remove(device, block.timestamp, signature, "");
        _dead();
        // The last owner still commands, and may grant anew.
        grantUsual();
        vm.prank(key);
        account.executeSession(key, taking(1));
    }

    function test_Session_EndsWithTheKey() public {
        vm.prank(owner);
        account.grantSession(device, usualSession());
        vm.prank(device);
        account.executeSession(device, taking(0));
        bytes memory signature = sign(0xE1, rotateHash(device, vm.addr(0xE1), block.timestamp));
        vm.prank(owner);
        registry.rotate(device, vm.addr(0xE1), block.timestamp, signature, "");
        vm.prank(device);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NoSession.selector, device, device));
        account.executeSession(device, taking(0));
        // Nor can a retired key get one.
        _badSession(device, usualSession());
    }

    function test_Session_EndsWhenRevoked() public {
        grantUsual();
        vm.prank(owner);
        account.revokeSession(key);
        _dead();
    }

    function test_Grant_ByOwnerOnly() public {
        address[4] memory callers = [mallory, device, key, address(this)];
        for (uint256 i = 0; i < callers.length; ++i) {
            bytes memory reason = abi.encodeWithSelector(
                IDeviceAccount.DeviceAccount_NotOwner.selector,
                callers[i],
                owner
            );
            vm.prank(callers[i]);
            vm.expectRevert(reason);
            account.grantSession(callers[i], usualSession());
            vm.prank(callers[i]);
            vm.expectRevert(reason);
            account.revokeSession(key);
        }
    }

    function test_Grant_ReplacesTheOneBefore() public {
        grantUsual();
        IDeviceAccount.Session memory session = usualSession();
        IDeviceAccount.Permission[] memory permissions = new IDeviceAccount.Permission[](1);
        permissions[0] = IDeviceAccount.Permission(address(callee), Callee.other.selector, 0);
        session.permissions = permissions;
        vm.prank(owner);
        account.grantSession(key, session);
        _refused(taking(0), Callee.take.selector);
        assertEq(account.sessionOf(key).permissions.length, 1);
    }

    function test_Grant_RevertWhen_Malformed() public {
        IDeviceAccount.Session memory session = usualSession();
        _badSession(address(0), session);
        _badSession(address(account), session);
        _badSession(Canonical.ENTRY_POINT, session);
        session.calls = 0;
        _badSession(key, session);
        session = usualSession();
        session.validUntil = uint48(block.timestamp - 1);
        _badSession(key, session);
        session.validUntil = session.validAfter - 1;
        _badSession(key, session);
        session = usualSession();
        session.permissions = new IDeviceAccount.Permission[](9);
        _badSession(key, session);
        session.permissions = new IDeviceAccount.Permission[](0);
        _badSession(key, session);
    }

    function test_Grant_RevertWhen_TheTargetCannotBe() public {
        address second = ioID.walletOf(registerDevice(0xD2, owner));
        address[7] memory targets = [
            address(0),
            address(account),
            second,
            address(ioID),
            address(registry),
            Canonical.ENTRY_POINT,
            address(deviceNFT)
        ];
        for (uint256 i = 0; i < 6; ++i) _notDelegable(targets[i], bytes4(0x12345678), 0);
        // Of an ERC-721, ids would count as amounts.
        _notDelegable(address(deviceNFT), IERC721.approve.selector, 5);
    }

    function test_Grant_RevertWhen_TheSelectorCannotBe() public {
        bytes4[10] memory selectors = [
            bytes4(0x23b872dd), // transferFrom(address,address,uint256)
            0xa22cb465, // setApprovalForAll(address,bool)
            0x42842e0e, // safeTransferFrom(address,address,uint256)
            0xb88d4fde, // safeTransferFrom(address,address,uint256,bytes)
            0xf242432a, // safeTransferFrom(address,address,uint256,uint256,bytes)
            0x2eb2c2d6, // safeBatchTransferFrom(address,address,uint256[],uint256[],bytes)
            0x39509351, // increaseAllowance(address,uint256)
            0xf2fde38b, // transferOwnership(address)
            0x3659cfe6, // upgradeTo(address)
            0x4f1ef286 // upgradeToAndCall(address,bytes)
        ];
        for (uint256 i = 0; i < selectors.length; ++i) _notDelegable(address(token), selectors[i], 0);
        // Counted without a limit, a limit where nothing is counted.
        _notDelegable(address(token), token.transfer.selector, 0);
        _notDelegable(address(callee), Callee.take.selector, 1);
    }

    function test_Session_RevertWhen_TheTargetBecameAnAccount() public {
        address later = ioID.walletOf(id + 1);
        IDeviceAccount.Session memory session = usualSession();
        session.permissions[0] = IDeviceAccount.Permission(later, bytes4(0x51945447), 0);
        vm.prank(owner);
        account.grantSession(key, session);
        // The new device's ioID goes to this wallet, which then commands the other.
        registerDevice(0xD2, owner);
        vm.prank(owner);
        ioID.transferFrom(owner, address(account), id + 1);
        IDeviceAccount.Call[] memory calls = one(later, 0, abi.encodeCall(account.execute, (mallory, 1, "", 0)));
        _refused(calls, 0x51945447);
    }

    function test_Grant_RevertWhen_TheCollectionCountsNoOwnerships() public {
        uint256 token_ = deviceNFT.mint(owner);
        IERC6551Registry canonical = IERC6551Registry(Canonical.REGISTRY);
        address made = canonical.createAccount(walletProxy, 0, block.chainid, address(deviceNFT), token_);
        IDeviceAccount.Session memory session = usualSession();
        vm.prank(owner);
        vm.expectRevert();
        IDeviceAccount(payable(made)).grantSession(key, session);
        // Its owner commands it all the same.
        vm.prank(owner);
        IDeviceAccount(payable(made)).executeBatch(taking(0));
        assertEq(IERC6551Account(payable(made)).state(), 1);
    }

    function test_EpochOf_NeverComesAgain() public {
        uint256 last = ioID.epochOf(id);
        assertTrue(last != 0);
        assertEq(ioID.epochOf(id + 1), 0);
        address[4] memory holders = [owner, mallory, owner, owner];
        for (uint256 i = 0; i + 1 < holders.length; ++i) {
            vm.prank(holders[i]);
            ioID.transferFrom(holders[i], holders[i + 1], id);
            assertGt(ioID.epochOf(id), last);
            last = ioID.epochOf(id);
        }
        assertEq(ioID.deviceOf(id), device);
        bytes memory signature = sign(DEVICE_KEY, removeHash(device, block.timestamp));
        vm.prank(owner);
        registry.remove(device, block.timestamp, signature, "");
        assertGt(ioID.epochOf(id), last);
    }

    function _refused(IDeviceAccount.Call[] memory calls, bytes4 selector) private {
        vm.prank(key);
        vm.expectRevert(
            abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotPermitted.selector, key, calls[0].target, selector)
        );
        account.executeSession(key, calls);
    }

    function _over(IDeviceAccount.Call[] memory calls, uint256 left, uint256 wanted) private {
        vm.prank(key);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_OverLimit.selector, key, left, wanted));
        account.executeSession(key, calls);
    }

    function _dead() private {
        vm.prank(key);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NoSession.selector, key, key));
        account.executeSession(key, taking(0));
    }

    function _badSession(address key_, IDeviceAccount.Session memory session) private {
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_BadSession.selector, key_));
        account.grantSession(key_, session);
    }

    function _notDelegable(address target, bytes4 selector, uint128 tokenLimit) private {
        IDeviceAccount.Session memory session = usualSession();
        session.permissions[0] = IDeviceAccount.Permission(target, selector, tokenLimit);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IDeviceAccount.DeviceAccount_NotDelegable.selector, target, selector));
        account.grantSession(key, session);
    }
}
