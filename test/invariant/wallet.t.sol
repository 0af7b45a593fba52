// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {PackedUserOperation} from "@openzeppelin/contracts/interfaces/IERC4337.sol";
import {IDeviceAccount} from "../../contracts/interfaces/wallet/IDeviceAccount.sol";
import {DeviceAccount} from "../../contracts/wallet/DeviceAccount.sol";
import {Canonical} from "../solidity/Canonical.sol";
import {WalletFixture} from "../solidity/WalletFixture.sol";

/// @dev Wallets of a few owners, with sessions, locks, user operations and upgrades, and those who have no say trying the same.
/// Predicts of each call whether it may succeed, and keeps what each wallet must hold.
contract WalletHandler is WalletFixture {
    struct Wallet {
        IDeviceAccount account;
        uint256 id;
        uint256 deviceKey;
        address owner;
        bool removed;
        uint256 period;
        uint64 lockedUntil;
        uint256 held;
        uint256 tokens;
        uint256 state;
    }

    struct Limits {
        uint256 period;
        uint48 since;
        uint48 until;
        uint256 calls;
        uint256 value;
        uint256 tokens;
    }

    uint256 private constant OWNERS = 3;
    uint256 private constant KEYS = 2;
    uint256 private constant MAX_WALLETS = 8;
    /// @dev What an operation of the fixture may cost at most.
    uint256 private constant GAS_COST = 0.0003 ether;

    Wallet[] private _wallets;
    mapping(uint256 wallet => mapping(uint256 key => Limits)) private _limits;
    mapping(bytes4 handler => uint256) public tried;
    mapping(bytes4 handler => uint256) public succeeded;
    uint256 private _operations;
    /// @dev Whose operations the wallet validated in the transaction in which all calls are made.
    mapping(uint256 wallet => address) private _for;
    bool private _oneTransaction;

    modifier counted() {
        vm.warp(block.timestamp + 61);
        ++tried[msg.sig];
        _;
    }

    constructor() {
        deployWallet();
        for (uint256 i = 0; i < 3; ++i) _register(i);
    }

    function inOneTransaction() external {
        _oneTransaction = true;
    }

    function register(uint256 who) external counted {
        _register(who);
        ++succeeded[msg.sig];
    }

    /// @dev Value and tokens out, in one of two ways, by the owner or somebody who is not.
    function spend(uint256 which, uint256 who, uint256 value, uint256 amount) external counted {
        Wallet storage wallet = _any(which);
        address caller = _caller(wallet, who);
        (value, amount) = (value % (wallet.held / 4 + 1), amount % (wallet.tokens / 4 + 1));
        bool rightful = caller == wallet.owner && !_locked(wallet);
        bool success;
        vm.prank(caller);
        if (which % 2 == 0) {
            (success, ) = address(wallet.account).call(
                abi.encodeCall(wallet.account.execute, (address(0xdead), value, "", 0))
            );
            amount = 0;
        } else {
            (success, ) = address(wallet.account).call(
                abi.encodeCall(wallet.account.executeBatch, (_calls(value, amount)))
            );
        }
        assertEq(success, rightful, "spend");
        if (!success) return;
        (wallet.held, wallet.tokens) = (wallet.held - value, wallet.tokens - amount);
        _changed(wallet);
    }

    function transfer(uint256 which, uint256 who) external counted {
        Wallet storage wallet = _live(which);
        address to = _owner(who);
        vm.prank(wallet.owner);
        ioID.transferFrom(wallet.owner, to, wallet.id);
        (wallet.owner, wallet.period) = (to, wallet.period + 1);
        ++succeeded[msg.sig];
    }

    function migrate(uint256 which, uint256 who) external counted {
        Wallet storage wallet = _live(which);
        address to = _owner(who);
        (uint8 v, bytes32 r, bytes32 s) = permit(wallet.deviceKey, wallet.owner, vm.addr(wallet.deviceKey));
        vm.prank(wallet.owner);
        registry.migrate(vm.addr(wallet.deviceKey), to, v, r, s);
        (wallet.owner, wallet.period) = (to, wallet.period + 1);
        ++succeeded[msg.sig];
    }

    function remove(uint256 which) external counted {
        Wallet storage wallet = _live(which);
        address identifier = vm.addr(wallet.deviceKey);
        bytes memory signature = sign(wallet.deviceKey, removeHash(identifier, block.timestamp));
        vm.prank(wallet.owner);
        registry.remove(identifier, block.timestamp, signature, "");
        (wallet.removed, wallet.period) = (true, wallet.period + 1);
        ++succeeded[msg.sig];
    }

    function lock(uint256 which, uint256 who, uint64 time) external counted {
        Wallet storage wallet = _any(which);
        address caller = _caller(wallet, who);
        uint64 until = uint64(block.timestamp) + (time % 20 minutes);
        bool rightful = caller == wallet.owner && until > block.timestamp && until > wallet.lockedUntil;
        vm.prank(caller);
        (bool success, ) = address(wallet.account).call(abi.encodeCall(wallet.account.lock, (until)));
        assertEq(success, rightful, "lock");
        if (!success) return;
        wallet.lockedUntil = until;
        _changed(wallet);
    }

    function grant(uint256 which, uint256 who, uint256 k, uint256 seed) external counted {
        Wallet storage wallet = _any(which);
        address caller = _caller(wallet, who);
        (uint256 start, uint256 value) = (block.timestamp, seed % 0.01 ether);
        IDeviceAccount.Session memory session = usualSession();
        session.validUntil = uint48(start + 2 hours);
        (session.calls, session.value) = (uint32(1 + (seed % 20)), uint128(value));
        vm.prank(caller);
        (bool success, ) = address(wallet.account).call(
            abi.encodeCall(wallet.account.grantSession, (vm.addr(_key(k)), session))
        );
        assertEq(success, caller == wallet.owner && !_locked(wallet), "grant");
        if (!success) return;
        Limits memory limits = Limits(wallet.period, uint48(start), session.validUntil, session.calls, value, 100);
        _limits[_index(wallet)][k % KEYS] = limits;
        _changed(wallet);
    }

    function revoke(uint256 which, uint256 who, uint256 k) external counted {
        Wallet storage wallet = _any(which);
        address caller = _caller(wallet, who);
        vm.prank(caller);
        (bool success, ) = address(wallet.account).call(
            abi.encodeCall(wallet.account.revokeSession, (vm.addr(_key(k))))
        );
        assertEq(success, caller == wallet.owner && !_locked(wallet), "revoke");
        if (!success) return;
        delete _limits[_index(wallet)][k % KEYS];
        _changed(wallet);
    }

    /// @dev A session's key, or another in its place, spends; mostly where it may.
    function useSession(uint256 which, uint256 who, uint256 k, uint256 value, uint256 amount) external counted {
        uint256 place = _granted(which, k);
        (Wallet storage wallet, Limits storage limits) = (_wallets[place], _limits[place][k % KEYS]);
        (value, amount) = (value % (limits.value / 4 + 2), amount % (limits.tokens / 4 + 2));
        address caller = who % 4 == 0 ? vm.addr(_key((k % KEYS) + 1)) : vm.addr(_key(k));
        bool rightful = who % 4 != 0 && _mayNow(wallet, limits) && _within(wallet, limits, value, amount);
        vm.prank(caller);
        (bool success, ) = address(wallet.account).call(
            abi.encodeCall(wallet.account.executeSession, (vm.addr(_key(k)), _sessionCalls(value, amount)))
        );
        assertEq(success, rightful, "session");
        if (success) _take(wallet, limits, value, amount);
    }

    /// @dev A user operation: of the owner, of a session, of a stranger, of a session's key that wants more.
    function operate(uint256 which, uint256 k, uint256 how, uint256 value) external counted {
        uint256 place = _granted(which, k);
        (Wallet storage wallet, Limits storage limits) = (_wallets[place], _limits[place][k % KEYS]);
        how %= 8;
        bool ofSession = how < 3;
        uint256 signer =
            ofSession || how == 3
                ? _key(k)
                : how == 4
                    ? 0xBAD
                    : _ownerKey(wallet.owner);
        value %= (ofSession ? limits.value : wallet.held) / 8 + 1;
        bytes memory data =
            ofSession
                ? abi.encodeCall(wallet.account.executeSession, (vm.addr(_key(k)), _sessionCalls(value, 0)))
                : abi.encodeCall(wallet.account.execute, (address(0xdead), value, "", 0));
        bool valid = !_locked(wallet) && block.timestamp > wallet.lockedUntil && wallet.held >= GAS_COST;
        if (ofSession) {
            valid = valid && _mayNow(wallet, limits) && block.timestamp > limits.since && limits.value >= GAS_COST;
        } else valid = valid && how > 4 && (_for[place] == address(0) || _for[place] == wallet.owner);
        bytes32 hash = keccak256(abi.encode(++_operations));
        (bool accepted, bool done) = (false, false);
        try this.bundle(wallet.account, operation(data, signer, hash), hash) returns (bool done_) {
            (accepted, done) = (true, done_);
        } catch {}
        assertEq(accepted, valid, "operation");
        if (!accepted) return;
        wallet.held -= GAS_COST;
        ++wallet.state;
        if (!ofSession && _oneTransaction) _for[place] = wallet.owner;
        if (ofSession) {
            limits.value -= GAS_COST;
            assertEq(done, _within(wallet, limits, value, 0), "session of an operation");
            if (done) _take(wallet, limits, value, 0);
        } else {
            assertEq(done, wallet.held >= value, "operation of the owner");
            if (done) {
                wallet.held -= value;
                _changed(wallet);
            }
        }
    }

    /// @dev Other logic, the same code: what the account knows stays.
    function upgrade(uint256 which, uint256 who) external counted {
        Wallet storage wallet = _any(which);
        address caller = _caller(wallet, who);
        address logic = address(new DeviceAccount(Canonical.ENTRY_POINT));
        vm.prank(caller);
        (bool success, ) = address(wallet.account).call(abi.encodeCall(wallet.account.upgradeToAndCall, (logic, "")));
        assertEq(success, caller == wallet.owner && !_locked(wallet), "upgrade");
        if (success) _changed(wallet);
    }

    function receiveSome(uint256 which, uint256 value) external counted {
        Wallet storage wallet = _any(which);
        value %= 1 ether;
        vm.deal(address(this), value);
        (bool sent, ) = address(wallet.account).call{value: value}("");
        assertTrue(sent, "receiving");
        token.mint(address(wallet.account), 100);
        (wallet.held, wallet.tokens) = (wallet.held + value, wallet.tokens + 100);
        ++succeeded[msg.sig];
    }

    /// @dev What the EntryPoint does with an operation: validation with payment, times, execution.
    function bundle(IDeviceAccount wallet, PackedUserOperation calldata op, bytes32 hash) external returns (bool done) {
        vm.prank(Canonical.ENTRY_POINT);
        uint256 validation = wallet.validateUserOp(op, hash, GAS_COST);
        assertEq(uint256(uint160(validation)), 0, "signature");
        uint256 until = uint48(validation >> 160);
        assertTrue(block.timestamp > validation >> 208 && (until == 0 || block.timestamp <= until), "not due");
        vm.prank(Canonical.ENTRY_POINT);
        (done, ) = address(wallet).call(op.callData);
    }

    function check() external view {
        for (uint256 i = 0; i < _wallets.length; ++i) {
            Wallet storage wallet = _wallets[i];
            assertEq(address(wallet.account).balance, wallet.held, "value");
            assertEq(token.balanceOf(address(wallet.account)), wallet.tokens, "tokens");
            assertEq(wallet.account.owner(), wallet.owner, "owner");
            assertEq(wallet.account.lockedUntil(), wallet.lockedUntil, "lock");
            assertEq(wallet.account.state(), wallet.state, "state");
            for (uint256 k = 0; k < KEYS; ++k) {
                Limits storage limits = _limits[i][k];
                IDeviceAccount.Session memory session = wallet.account.sessionOf(vm.addr(_key(k)));
                bool live = limits.period == wallet.period && block.timestamp <= limits.until;
                assertEq(session.calls, live ? limits.calls : 0, "calls of a session");
                assertEq(session.value, live ? limits.value : 0, "value of a session");
                if (live) assertEq(session.permissions[2].tokenLimit, limits.tokens, "tokens of a session");
            }
        }
    }

    /// @dev Of each handler's calls a fifth or more do what they are named for, or the campaign says little.
    function checkRates(bytes4[] calldata handlers) external view {
        for (uint256 i = 0; i < handlers.length; ++i) {
            uint256 calls = tried[handlers[i]];
            assertGe(succeeded[handlers[i]] * 5, calls, "a handler that seldom succeeds");
            assertGe(calls, 20, "a handler that is seldom called");
        }
    }

    function _register(uint256 who) private returns (uint256 place) {
        uint256 deviceKey = 0x100000 + ++_operations;
        Wallet memory wallet;
        (wallet.deviceKey, wallet.owner) = (deviceKey, _owner(who));
        wallet.id = registerDevice(deviceKey, wallet.owner);
        wallet.account = IDeviceAccount(payable(ioID.walletOf(wallet.id)));
        (wallet.held, wallet.tokens, wallet.period) = (1 ether, 1000, 1);
        vm.deal(address(wallet.account), wallet.held);
        token.mint(address(wallet.account), wallet.tokens);
        if (_wallets.length < MAX_WALLETS) {
            _wallets.push(wallet);
            return _wallets.length - 1;
        }
        place = who % MAX_WALLETS;
        _wallets[place] = wallet;
        delete _for[place];
        for (uint256 k = 0; k < KEYS; ++k) delete _limits[place][k];
    }

    function _changed(Wallet storage wallet) private {
        ++wallet.state;
        ++succeeded[msg.sig];
    }

    function _take(Wallet storage wallet, Limits storage limits, uint256 value, uint256 amount) private {
        (limits.calls, limits.value, limits.tokens) = (limits.calls - 2, limits.value - value, limits.tokens - amount);
        (wallet.held, wallet.tokens) = (wallet.held - value, wallet.tokens - amount);
        _changed(wallet);
    }

    function _any(uint256 which) private view returns (Wallet storage) {
        return _wallets[which % _wallets.length];
    }

    /// @dev A wallet whose ioID is live; makes one when there is none.
    function _live(uint256 which) private returns (Wallet storage) {
        for (uint256 i = 0; i < _wallets.length; ++i) {
            Wallet storage wallet = _wallets[((which % MAX_WALLETS) + i) % _wallets.length];
            if (!wallet.removed) return wallet;
        }
        return _wallets[_register(which)];
    }

    /// @dev Place of a wallet in which the key has a session that may act, where there is one; a fourth of the time any.
    function _granted(uint256 which, uint256 k) private view returns (uint256 place) {
        for (uint256 i = 0; i < _wallets.length; ++i) {
            place = ((which % MAX_WALLETS) + i) % _wallets.length;
            Limits storage limits = _limits[place][k % KEYS];
            if (which % 4 == 0 || (_mayNow(_wallets[place], limits) && limits.calls > 1)) break;
        }
    }

    function _mayNow(Wallet storage wallet, Limits storage limits) private view returns (bool) {
        bool inTime = limits.since <= block.timestamp && block.timestamp <= limits.until;
        return limits.period == wallet.period && inTime && !_locked(wallet);
    }

    function _within(
        Wallet storage wallet,
        Limits storage limits,
        uint256 value,
        uint256 amount
    ) private view returns (bool) {
        bool has = value <= wallet.held && amount <= wallet.tokens;
        return has && limits.calls >= 2 && value <= limits.value && amount <= limits.tokens;
    }

    function _locked(Wallet storage wallet) private view returns (bool) {
        return block.timestamp < wallet.lockedUntil;
    }

    function _index(Wallet storage wallet) private view returns (uint256 i) {
        while (_wallets[i].id != wallet.id) ++i;
    }

    /// @dev The owner half of the time; else the administrator, the device, a key, the EntryPoint, the wallet, the registry, or
    /// one of the owners, former ones among them.
    function _caller(Wallet storage wallet, uint256 who) private view returns (address) {
        if (who % 2 == 0) return wallet.owner;
        address[8] memory callers = [
            address(this),
            mallory,
            vm.addr(wallet.deviceKey),
            vm.addr(_key(who / 16)),
            Canonical.ENTRY_POINT,
            address(wallet.account),
            address(registry),
            _owner(who / 16)
        ];
        return callers[(who / 2) % 8];
    }

    function _calls(uint256 value, uint256 amount) private view returns (IDeviceAccount.Call[] memory calls) {
        calls = new IDeviceAccount.Call[](2);
        calls[0] = IDeviceAccount.Call(address(0xdead), value, "");
        calls[1] = IDeviceAccount.Call(address(token), 0, abi.encodeCall(token.transfer, (address(0xdead), amount)));
    }

    function _sessionCalls(uint256 value, uint256 amount) private view returns (IDeviceAccount.Call[] memory calls) {
        calls = _calls(value, amount);
        calls[0].target = address(0xfee);
    }

    function _ownerKey(address holder) private pure returns (uint256 key_) {
        key_ = 0x9000;
        while (vm.addr(key_) != holder) ++key_;
    }

    function _owner(uint256 who) private pure returns (address) {
        return vm.addr(0x9000 + (who % OWNERS));
    }

    function _key(uint256 k) private pure returns (uint256) {
        return 0x8000 + (k % KEYS);
    }
}

contract WalletInvariants is WalletFixture {
    WalletHandler private handler;
    bytes4[] private selectors;

    function setUp() public {
        handler = new WalletHandler();
        selectors.push(WalletHandler.register.selector);
        selectors.push(WalletHandler.spend.selector);
        selectors.push(WalletHandler.transfer.selector);
        selectors.push(WalletHandler.migrate.selector);
        selectors.push(WalletHandler.remove.selector);
        selectors.push(WalletHandler.lock.selector);
        selectors.push(WalletHandler.grant.selector);
        selectors.push(WalletHandler.revoke.selector);
        selectors.push(WalletHandler.useSession.selector);
        selectors.push(WalletHandler.operate.selector);
        selectors.push(WalletHandler.upgrade.selector);
        selectors.push(WalletHandler.receiveSome.selector);
        targetContract(address(handler));
        targetSelector(address(handler), selectors);
    }

    /// @custom:invariant INV-WALLET-1 … 4 of README.md: only the owner, or a session within its limits, moves what a wallet holds;
    /// nothing leaves a locked one; a session lasts no longer than the ownership that granted it; every change has its state.
    /// forge-config: default.invariant.runs = 256
    /// forge-config: default.invariant.depth = 128
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_WalletsHoldWhatTheirOwnersLeft() public view {
        handler.check();
    }

    function test_HandlersSucceed() public {
        handler.inOneTransaction();
        for (uint256 i = 0; i < 600; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            (uint256 which, uint256 who, uint256 rest) = (seed & 0xffff, (seed >> 64) & 0xffff, seed >> 192);
            bytes memory arguments = abi.encode(which, who, rest, rest >> 8, rest >> 16);
            (bool success, bytes memory reason) = address(handler).call(
                abi.encodePacked(selectors[i % selectors.length], arguments)
            );
            assertEq(success ? bytes("") : reason, "", "the model disagrees");
            assertTrue(success);
        }
        handler.check();
        handler.checkRates(selectors);
    }
}
