// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IDeviceAccount} from "../../contracts/interfaces/wallet/IDeviceAccount.sol";
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

    constructor() {
        deployIdentity();
        for (uint256 i = 0; i < DEVICES; ++i) keyOf[device(i)] = 0x5000 + i;
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
        address wallet = ioID.walletOf(ioID.tokenIdOf(identifier));
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

    function liveCount() external view returns (uint256) {
        return live.length;
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
        bytes4[] memory selectors = new bytes4[](6);
        selectors[0] = IdentityHandler.register.selector;
        selectors[1] = IdentityHandler.remove.selector;
        selectors[2] = IdentityHandler.rotate.selector;
        selectors[3] = IdentityHandler.transfer.selector;
        selectors[4] = IdentityHandler.migrate.selector;
        selectors[5] = IdentityHandler.spend.selector;
        targetContract(address(handler));
        targetSelector(address(handler), selectors);
    }

    /// @custom:invariant One live ioID per identifier; retired keys stay retired; list = count = live devices, pages end and
    /// are free of duplicates; nobody but its owner moves what a wallet holds.
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_IdentityIsConsistent() public view {
        handler.check();
        handler.checkKeys();
        handler.checkWallets();
        for (uint256 size = 1; size < 5; ++size) handler.checkPages(size);
    }
}
