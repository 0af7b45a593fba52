// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IDataKeyRegistry} from "../../contracts/interfaces/identity/IDataKeyRegistry.sol";
import {IDeviceAccount} from "../../contracts/interfaces/wallet/IDeviceAccount.sol";
import {BabyJubJub} from "../../contracts/libraries/BabyJubJub.sol";
import {Curve} from "../solidity/Curve.sol";
import {IdentityFixture} from "../solidity/IdentityFixture.sol";

/// @dev Owners who register, remove, rotate, migrate and transfer devices of one project, with arguments folded so that calls
/// mostly succeed. Keeps its own picture of the truth.
contract IdentityHandler is IdentityFixture {
    uint256 private constant DEVICES = 12;
    uint256 private constant OWNERS = 3;

    address[] public live;
    mapping(address device => bool) public isLive;
    mapping(address device => uint256 key) public keyOf;
    mapping(address key => bool) public retired;
    address[] public retiredKeys;
    address[] public wallets;
    mapping(address wallet => uint256) public held;
    uint256 private _keys = 0x100000;

    /// @dev Data keys of which devices bind: few, so that they are asked for again. The secret is the index + 1000.
    uint256 private constant DATA_KEYS = 6;
    uint256 private constant EIGHT_INVERSE =
        2394026564107420727433200628387514462817212225638746351800188703329891451411; // 8^-1 mod l
    IDataKeyRegistry.Point[] private _dataKeys;
    IDataKeyRegistry.Point[] private _eighths;
    IDataKeyRegistry.Point private _r; // of nonce 77
    mapping(uint256 dataKey => address) private _holderOf;
    mapping(uint256 id => uint32[]) private _fromWindows;
    mapping(uint256 id => uint256[]) private _commitments;
    uint256 private _lastId;

    constructor() {
        deployIdentity();
        for (uint256 i = 0; i < DEVICES; ++i) keyOf[device(i)] = 0x5000 + i;
        for (uint256 i = 0; i < DATA_KEYS; ++i) {
            (uint256 x, uint256 y) = Curve.mulBase(1000 + i);
            _dataKeys.push(IDataKeyRegistry.Point(x, y));
            (x, y) = Curve.mulBase(mulmod(1000 + i, EIGHT_INVERSE, BabyJubJub.ORDER));
            _eighths.push(IDataKeyRegistry.Point(x, y));
        }
        (_r.x, _r.y) = Curve.mulBase(77);
    }

    function device(uint256 i) public pure returns (address) {
        return vm.addr(0x5000 + (i % DEVICES));
    }

    function register(uint256 which, uint256 who) external {
        address identifier = device(which);
        if (isLive[identifier]) return;
        address to = _owner(who);
        uint256 tokenId = mintDevice(to);
        (uint8 v, bytes32 r, bytes32 s) = permit(keyOf[identifier], to, identifier);
        vm.prank(to);
        registry.register(address(deviceNFT), tokenId, identifier, HASH, URI, v, r, s);
        isLive[identifier] = true;
        live.push(identifier);
        _lastId = ioID.tokenIdOf(identifier);
        address wallet = ioID.walletOf(_lastId);
        wallets.push(wallet);
        held[wallet] = 1 ether;
        vm.deal(wallet, 1 ether);
    }

    function remove(uint256 which) external {
        (address identifier, address holder) = _any(which);
        if (identifier == address(0)) return;
        bytes memory signature = sign(keyOf[identifier], removeHash(identifier, block.timestamp));
        vm.prank(holder);
        registry.remove(identifier, block.timestamp, signature, "");
        isLive[identifier] = false;
        for (uint256 i = 0; i < live.length; ++i) {
            if (live[i] != identifier) continue;
            live[i] = live[live.length - 1];
            live.pop();
            break;
        }
    }

    function rotate(uint256 which) external {
        (address identifier, address holder) = _any(which);
        if (identifier == address(0)) return;
        uint256 next = ++_keys;
        address signer = vm.addr(next);
        bytes memory signature = sign(next, rotateHash(identifier, signer, block.timestamp));
        address old = registry.signerOf(identifier);
        vm.prank(holder);
        registry.rotate(identifier, signer, block.timestamp, signature, "");
        retired[old] = true;
        retiredKeys.push(old);
        keyOf[identifier] = next;
    }

    function transfer(uint256 which, uint256 who) external {
        (address identifier, address holder) = _any(which);
        if (identifier == address(0)) return;
        uint256 id = ioID.tokenIdOf(identifier);
        vm.prank(holder);
        ioID.transferFrom(holder, _owner(who), id);
    }

    function migrate(uint256 which, uint256 who) external {
        (address identifier, address holder) = _any(which);
        if (identifier == address(0)) return;
        (uint8 v, bytes32 r, bytes32 s) = permit(keyOf[identifier], holder, identifier);
        vm.prank(holder);
        registry.migrate(identifier, _owner(who), v, r, s);
    }

    /// @dev A device's owner binds one of the data keys, at times another device's, at times from a window of before.
    function bindDataKey(uint256 which, uint256 what, uint32 from) external {
        (address identifier, address holder) = _any(which);
        if (identifier == address(0)) return;
        what %= DATA_KEYS;
        uint256 id = ioID.tokenIdOf(identifier);
        uint32[] storage windows = _fromWindows[id];
        from %= 8 + 4 * uint32(windows.length);
        bool free = _holderOf[what] == address(0) || _holderOf[what] == identifier;
        bool later = windows.length == 0 || from > windows[windows.length - 1];
        IDataKeyRegistry.SchnorrSignature memory signature = _possession(identifier, id, what, from);
        vm.prank(holder);
        try
            dataKeys.bind(projectId, identifier, _dataKeys[what], _eighths[what], from, block.timestamp, "", signature)
        {
            assertTrue(free && later, "bound what must not be");
            _holderOf[what] = identifier;
            windows.push(from);
            _commitments[id].push(dataKeys.commitmentAt(projectId, id, from));
        } catch {
            assertFalse(free && later, "not bound");
        }
    }

    /// @dev A stranger, an administrator and former owners try every wallet; only the owner takes out.
    function spend(uint256 which, uint256 who) external {
        if (wallets.length == 0) return;
        address wallet = wallets[which % wallets.length];
        address[5] memory callers = [mallory, address(this), address(manager), _owner(who), address(registry)];
        for (uint256 i = 0; i < callers.length; ++i) {
            bool rightful = IDeviceAccount(payable(wallet)).owner() == callers[i];
            vm.prank(callers[i]);
            try IDeviceAccount(payable(wallet)).execute(address(0xdead), 1, "", 0) {
                assertTrue(rightful, "a stranger spent");
                held[wallet] -= 1;
            } catch {
                assertFalse(rightful && wallet.balance != 0, "the owner could not spend");
            }
        }
    }

    function check() external view {
        uint256 owned;
        for (uint256 i = 0; i < OWNERS; ++i) {
            address holder = _owner(i);
            uint256 balance = ioID.balanceOf(holder);
            owned += balance;
            for (uint256 j = 0; j < balance; ++j) {
                uint256 id = ioID.tokenOfOwnerByIndex(holder, j);
                assertEq(ioID.ownerOf(id), holder, "enumeration of an owner");
                for (uint256 k = 0; k < j; ++k) assertTrue(ioID.tokenOfOwnerByIndex(holder, k) != id, "twice");
            }
        }
        assertEq(owned, live.length, "balances");
        assertEq(ioID.totalSupply(), live.length, "supply");
        assertEq(ioID.projectDeviceCount(projectId), live.length, "count");
        for (uint256 i = 0; i < live.length; ++i) {
            uint256 id = ioID.tokenByIndex(i);
            assertTrue(isLive[ioID.deviceOf(id)], "enumeration");
            for (uint256 k = 0; k < i; ++k) assertTrue(ioID.tokenByIndex(k) != id, "enumerated twice");
        }
    }

    /// @dev Pages of `size` end, hold each live device once, and nothing else.
    function checkPages(uint256 size) external view {
        address start = address(1);
        address[] memory seen = new address[](live.length);
        uint256 count;
        do {
            (address[] memory page, address next) = ioID.projectIDs(projectId, start, size);
            assertLe(page.length, size, "page");
            for (uint256 i = 0; i < page.length; ++i) {
                assertTrue(isLive[page[i]], "listed and not live");
                for (uint256 k = 0; k < count; ++k) assertTrue(seen[k] != page[i], "listed twice");
                seen[count++] = page[i];
            }
            start = next;
        } while (start != address(0));
        assertEq(count, live.length, "list");
    }

    function checkKeys() external view {
        for (uint256 i = 0; i < DEVICES; ++i) {
            address identifier = device(i);
            address signer = vm.addr(keyOf[identifier]);
            assertEq(registry.exists(identifier), isLive[identifier], "exists");
            assertEq(registry.signerOf(identifier), isLive[identifier] ? signer : address(0), "signerOf");
            assertEq(registry.deviceOfSigner(signer), isLive[identifier] ? identifier : address(0), "deviceOfSigner");
            uint256 id = ioID.tokenIdOf(identifier);
            assertEq(id != 0, isLive[identifier], "one live ioID");
            if (id != 0) assertEq(ioID.deviceOf(id), identifier, "device of the ioID");
        }
        for (uint256 i = 0; i < retiredKeys.length; ++i) {
            assertTrue(registry.isRetired(retiredKeys[i]), "retired");
            assertEq(registry.deviceOfSigner(retiredKeys[i]), address(0), "a retired key signs");
        }
    }

    function checkWallets() external view {
        for (uint256 i = 0; i < wallets.length; ++i) {
            assertEq(wallets[i].balance, held[wallets[i]], "balance of a wallet");
            assertTrue(IDeviceAccount(payable(wallets[i])).owner() != address(0), "a wallet without owner");
        }
    }

    /// @dev A data key belongs to the identifier that bound it first; every binding ever made still says what it said.
    function checkDataKeys() external view {
        for (uint256 i = 0; i < DATA_KEYS; ++i) {
            assertEq(dataKeys.deviceOfKey(keccak256(abi.encode(_dataKeys[i]))), _holderOf[i], "device of a data key");
        }
        for (uint256 id = 1; id <= _lastId; ++id) {
            uint32[] storage windows = _fromWindows[id];
            (uint256 count, uint32 newest) = dataKeys.bindings(projectId, id);
            assertEq(count, windows.length, "bindings");
            if (count != 0) assertEq(newest, windows[count - 1], "newest");
            for (uint256 i = 0; i < count; ++i) {
                uint32 until = i + 1 < count ? windows[i + 1] - 1 : type(uint32).max;
                assertEq(dataKeys.commitmentAt(projectId, id, windows[i]), _commitments[id][i], "first window");
                assertEq(dataKeys.commitmentAt(projectId, id, until), _commitments[id][i], "last window");
            }
            if (count != 0 && windows[0] != 0) assertEq(dataKeys.commitmentAt(projectId, id, windows[0] - 1), 0);
        }
    }

    function liveCount() external view returns (uint256) {
        return live.length;
    }

    function _possession(
        address identifier,
        uint256 id,
        uint256 what,
        uint32 from
    ) private view returns (IDataKeyRegistry.SchnorrSignature memory signature) {
        bytes32 hash = dataKeys.possessionHash(projectId, identifier, id, _dataKeys[what], from, block.timestamp, _r);
        signature.r = _r;
        signature.s = addmod(77, mulmod(uint256(hash), 1000 + what, BabyJubJub.ORDER), BabyJubJub.ORDER);
    }

    function _any(uint256 which) private view returns (address identifier, address holder) {
        if (live.length == 0) return (address(0), address(0));
        identifier = live[which % live.length];
        holder = ioID.ownerOf(ioID.tokenIdOf(identifier));
    }

    function _owner(uint256 who) private pure returns (address) {
        return vm.addr(0x9000 + (who % OWNERS));
    }
}

contract IdentityInvariants is IdentityFixture {
    IdentityHandler private handler;

    function setUp() public {
        handler = new IdentityHandler();
        bytes4[] memory selectors = new bytes4[](7);
        selectors[0] = IdentityHandler.register.selector;
        selectors[1] = IdentityHandler.remove.selector;
        selectors[2] = IdentityHandler.rotate.selector;
        selectors[3] = IdentityHandler.transfer.selector;
        selectors[4] = IdentityHandler.migrate.selector;
        selectors[5] = IdentityHandler.spend.selector;
        selectors[6] = IdentityHandler.bindDataKey.selector;
        targetContract(address(handler));
        targetSelector(address(handler), selectors);
    }

    /// @custom:invariant INV-IDENTITY-1 … 5 of README.md: one live ioID per identifier; retired keys stay retired; list = count = live
    /// devices, pages end and are free of duplicates; nobody but its owner moves what a wallet holds; a data key has one device,
    /// and bindings only grow.
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_IdentityIsConsistent() public view {
        handler.check();
        handler.checkKeys();
        handler.checkWallets();
        handler.checkDataKeys();
        for (uint256 size = 1; size < 5; ++size) handler.checkPages(size);
    }
}
