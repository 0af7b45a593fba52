// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IDeviceAccount} from "../../contracts/interfaces/wallet/IDeviceAccount.sol";
import {TestToken} from "../../contracts/mocks/TestToken.sol";
import {IdentityFixture} from "./IdentityFixture.sol";

/// @dev Something to call.
contract Callee {
    error Callee_Reason(uint256 value);

    uint256 public received;
    uint256 public calls;

    function take(uint256 value) external payable returns (uint256) {
        received += msg.value;
        ++calls;
        return value + 1;
    }

    function other() external payable {
        ++calls;
    }

    function fail(uint256 value) external pure {
        revert Callee_Reason(value);
    }
}

/// @dev The wallet of a device with value and tokens, and a session key with a session to fill in.
abstract contract WalletFixture is IdentityFixture {
    uint256 internal constant DEVICE_KEY = 0xD1;
    uint256 internal constant SESSION_KEY = 0x5E55;
    address internal device = vm.addr(DEVICE_KEY);
    address internal key = vm.addr(SESSION_KEY);
    IDeviceAccount internal account;
    Callee internal callee;
    TestToken internal token;
    uint256 internal id;

    function deployWallet() internal {
        deployIdentity();
        id = registerDevice(DEVICE_KEY, owner);
        account = IDeviceAccount(payable(ioID.walletOf(id)));
        callee = new Callee();
        token = new TestToken();
        token.mint(address(account), 1000);
        vm.deal(address(account), 10 ether);
    }

    /// @dev Ten calls and one ether in an hour: `take`, plain value, and up to 100 tokens by `transfer`, 50 by `approve`.
    function usualSession() internal view returns (IDeviceAccount.Session memory session) {
        session.validAfter = uint48(block.timestamp);
        session.validUntil = uint48(block.timestamp + 1 hours);
        session.calls = 10;
        session.value = 1 ether;
        session.permissions = new IDeviceAccount.Permission[](4);
        session.permissions[0] = IDeviceAccount.Permission(address(callee), Callee.take.selector, 0);
        session.permissions[1] = IDeviceAccount.Permission(address(0xfee), 0, 0);
        session.permissions[2] = IDeviceAccount.Permission(address(token), token.transfer.selector, 100);
        session.permissions[3] = IDeviceAccount.Permission(address(token), token.approve.selector, 50);
    }

    function grantUsual() internal {
        vm.prank(owner);
        account.grantSession(key, usualSession());
    }

    function one(
        address target,
        uint256 value,
        bytes memory data
    ) internal pure returns (IDeviceAccount.Call[] memory calls) {
        calls = new IDeviceAccount.Call[](1);
        calls[0] = IDeviceAccount.Call(target, value, data);
    }

    function taking(uint256 value) internal view returns (IDeviceAccount.Call[] memory) {
        return one(address(callee), value, abi.encodeCall(Callee.take, (1)));
    }

    /// @dev A user operation of `account` with 100,000 gas for each of three parts at 1 gwei: 0.0003 ether at most.
    function operation(
        bytes memory data,
        uint256 signer,
        bytes32 hash
    ) internal view returns (PackedUserOperation memory result) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(signer, hash);
        result.sender = address(account);
        result.callData = data;
        result.accountGasLimits = bytes32((uint256(100_000) << 128) | 100_000);
        result.preVerificationGas = 100_000;
        result.gasFees = bytes32((uint256(1 gwei) << 128) | 1 gwei);
        result.signature = abi.encodePacked(r, s, v);
    }
}
