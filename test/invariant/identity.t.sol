// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IDataKeyRegistry} from "../../contracts/interfaces/identity/IDataKeyRegistry.sol";
import {IDeviceAccount} from "../../contracts/interfaces/wallet/IDeviceAccount.sol";
import {BabyJubJub} from "../../contracts/libraries/BabyJubJub.sol";
import {Curve} from "../solidity/Curve.sol";
import {IdentityFixture} from "../solidity/IdentityFixture.sol";

/// @dev Owners who register, remove, rotate, migrate, transfer and recover devices of one project, and take them into two others. Arguments
/// are folded so that calls succeed, what an action needs is done first where it is missing, and each action counts its calls and
/// successes. Keeps its own picture of the truth.
contract IdentityHandler is IdentityFixture {
    uint256 private constant DEVICES = 12;
    uint256 private constant OWNERS = 3;
    uint256 private constant MEMBERSHIPS = 2;
    address private constant GUARDIAN = address(0x6A);
    uint32 private constant DELAY = 5 days;

    /// @dev What the model knows of a recovery that runs; `ripeAt` 0: none does.
    struct Recovery {
        address to;
        uint64 ripeAt;
        uint256[] ids;
    }

    uint256 public steps;
    mapping(bytes4 action => uint256) public calls;
    mapping(bytes4 action => uint256) public successes;
    uint256[MEMBERSHIPS] private _further;
    mapping(uint256 projectId => mapping(uint256 id => bool)) private _joined;
    mapping(address from => Recovery) private _recoveries;
    mapping(address device => bool) private _known;

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
        (_further[0], ) = newProject("weather", 0, 10_000);
        (_further[1], ) = newProject("noise", 0, 10_000);
        vm.startPrank(projectOwner);
        for (uint256 i = 0; i < MEMBERSHIPS; ++i) memberships.setOpen(_further[i], true);
        vm.stopPrank();
        for (uint256 i = 0; i < OWNERS; ++i) {
            vm.startPrank(_owner(i));
            recovery.setPolicy(GUARDIAN, DELAY);
            ioID.setApprovalForAll(address(recovery), true);
            vm.stopPrank();
        }
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

    modifier counted() {
        ++calls[msg.sig];
        ++steps;
        _;
    }

    /// @dev A device that was never registered, as long as there is one.
    function register(uint256 which, uint256 who) external counted {
        if (live.length == DEVICES) _remove(_live(which));
        _success(_register(_free(which), who));
    }

    /// @dev A device that was removed.
    function registerAgain(uint256 which, uint256 who) external counted {
        if (_find(which, true) == address(0)) _remove(_live(which));
        _success(_register(_find(which, true), who));
    }

    function remove(uint256 which) external counted {
        _remove(_live(which));
        _success(true);
    }

    function rotate(uint256 which) external counted {
        (address identifier, address holder) = _any(which);
        uint256 next = ++_keys;
        address signer = vm.addr(next);
        bytes memory signature = sign(next, rotateHash(identifier, signer, block.timestamp));
        address old = registry.signerOf(identifier);
        vm.prank(holder);
        registry.rotate(identifier, signer, block.timestamp, signature, "");
        retired[old] = true;
        retiredKeys.push(old);
        keyOf[identifier] = next;
        _success(true);
    }

    function transfer(uint256 which, uint256 who) external counted {
        (address identifier, address holder) = _any(which);
        uint256 id = ioID.tokenIdOf(identifier);
        vm.prank(holder);
        ioID.transferFrom(holder, _owner(who), id);
        _success(ioID.ownerOf(id) == _owner(who));
    }

    function migrate(uint256 which, uint256 who) external counted {
        (address identifier, address holder) = _any(which);
        (uint8 v, bytes32 r, bytes32 s) = permit(keyOf[identifier], holder, identifier);
        vm.prank(holder);
        registry.migrate(identifier, _owner(who), v, r, s);
        _success(ioID.ownerOf(ioID.tokenIdOf(identifier)) == _owner(who));
    }

    function join(uint256 which, uint256 where) external counted {
        _success(_join(which, where));
    }

    /// @dev By the owner, or at the project's will.
    function quit(uint256 which, uint256 where, bool expelled) external counted {
        (address identifier, uint256 further) = _membership(which, where, true);
        if (identifier == address(0)) {
            _join(which, where);
            (identifier, further) = _membership(which, where, true);
        }
        uint256 id = ioID.tokenIdOf(identifier);
        vm.prank(expelled ? projectOwner : ioID.ownerOf(id));
        if (expelled) memberships.expel(further, identifier);
        else memberships.quit(further, identifier);
        _joined[further][id] = false;
        _success(true);
    }

    function startRecovery(uint256 which, uint256 who) external counted {
        _startRecovery(which, who);
        _success(true);
    }

    function cancelRecovery(uint256 which, uint256 who) external counted {
        address from = _recovering(which, who);
        vm.prank(from);
        recovery.cancel(from);
        delete _recoveries[from];
        _success(true);
    }

    /// @dev In its time at most times; too early or too late, nothing moves.
    function finishRecovery(uint256 which, uint256 who, uint256 when) external counted {
        address from = _recovering(which, who);
        Recovery memory model = _recoveries[from];
        bool early = when % 8 == 0;
        bool late = when % 8 == 1;
        uint256 time = model.ripeAt + ((when >> 3) % (14 days + 1));
        if (early) time = model.ripeAt - 1 - ((when >> 3) % DELAY);
        if (late) time = uint256(model.ripeAt) + 14 days + 1;
        vm.warp(time);
        bool[] memory moves = new bool[](model.ids.length);
        for (uint256 i = 0; i < moves.length; ++i) moves[i] = _ownerOf(model.ids[i]) == from;
        vm.prank(mallory);
        try recovery.finish(from) {
            assertFalse(early || late, "recovered out of time");
            for (uint256 i = 0; i < moves.length; ++i) {
                if (moves[i]) assertEq(ioID.ownerOf(model.ids[i]), model.to, "not recovered");
            }
            delete _recoveries[from];
            _success(true);
        } catch {
            assertTrue(early || late, "could not recover");
            for (uint256 i = 0; i < moves.length; ++i) {
                assertEq(_ownerOf(model.ids[i]) == from, moves[i], "moved and refused");
            }
        }
    }

    /// @dev A device's owner binds one of the data keys, at times another device's, at times from a window of before.
    function bindDataKey(uint256 which, uint256 what, uint32 from) external counted {
        (address identifier, address holder) = _any(which);
        what %= DATA_KEYS;
        if (from % 4 != 0) (identifier, what) = _bindable(identifier, what);
        uint256 id = ioID.tokenIdOf(identifier);
        holder = ioID.ownerOf(id);
        uint32[] storage windows = _fromWindows[id];
        from %= 8 + 4 * uint32(windows.length);
        if (which % 4 != 0 && windows.length != 0) from = windows[windows.length - 1] + 1 + (from % 4);
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
            _success(true);
        } catch {
            assertFalse(free && later, "not bound");
        }
    }

    /// @dev A stranger, an administrator, contracts of ours and former owners try every wallet; only the owner takes out.
    function spend(uint256 which, uint256 who) external counted {
        _any(which);
        address wallet = wallets[which % wallets.length];
        address rightful = IDeviceAccount(payable(wallet)).owner();
        address[8] memory callers = [
            mallory,
            address(this),
            address(manager),
            _owner(who),
            address(registry),
            address(recovery),
            GUARDIAN,
            rightful
        ];
        for (uint256 i = 0; i < callers.length; ++i) {
            vm.prank(callers[i]);
            try IDeviceAccount(payable(wallet)).execute(address(0xdead), 1, "", 0) {
                assertEq(callers[i], rightful, "a stranger spent");
                held[wallet] -= 1;
            } catch {
                assertFalse(rightful == callers[i] && wallet.balance != 0, "the owner could not spend");
            }
        }
        _success(true);
    }

    /// @dev At least one call in five of each action does what it is for.
    function checkRates(bytes4[] calldata actions) external view {
        for (uint256 i = 0; i < actions.length; ++i) {
            uint256 made = calls[actions[i]];
            // Of few calls none may have had an effect by chance.
            if (made >= 12) assertGe(5 * successes[actions[i]], made, "an action fails");
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

    /// @dev Pages of `size` end, hold each live device once, and nothing else; so do those of members.
    function checkPages(uint256 size) external view {
        _checkPages(size, projectId, false, live.length);
        for (uint256 i = 0; i < MEMBERSHIPS; ++i) _checkPages(size, _further[i], true, _members(_further[i]));
    }

    /// @dev Who is a member is who joined with the ioID that lives.
    function checkMembers() external view {
        for (uint256 i = 0; i < MEMBERSHIPS; ++i) {
            assertEq(memberships.memberCount(_further[i]), _members(_further[i]), "members");
        }
        for (uint256 i = 0; i < DEVICES; ++i) {
            address identifier = device(i);
            uint256 id = ioID.tokenIdOf(identifier);
            uint256 count;
            for (uint256 k = 0; k < MEMBERSHIPS; ++k) {
                bool member = id != 0 && _joined[_further[k]][id];
                assertEq(memberships.isMember(_further[k], identifier), member, "member");
                if (member) ++count;
            }
            assertEq(memberships.projectsOf(identifier).length, count, "projects of a device");
            assertEq(memberships.isMember(projectId, identifier), isLive[identifier], "at home");
        }
    }

    /// @dev No recovery runs that the guardian did not start, and none that the owner cancelled.
    function checkRecoveries() external view {
        for (uint256 i = 0; i < OWNERS; ++i) {
            assertEq(recovery.requestOf(_owner(i)).ripeAt, _recoveries[_owner(i)].ripeAt, "a recovery");
        }
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

    /// @dev A page is of at most 12 devices: `seen` has room for them all.
    function _checkPages(uint256 size, uint256 projectId_, bool members, uint256 want) private view {
        address start = address(1);
        address[] memory seen = new address[](want);
        uint256 count;
        do {
            (address[] memory page, address next) = members
                ? memberships.members(projectId_, start, size)
                : ioID.projectIDs(projectId_, start, size);
            assertLe(page.length, size, "page");
            for (uint256 i = 0; i < page.length; ++i) {
                assertTrue(isLive[page[i]], "listed and not live");
                if (members) assertTrue(_joined[projectId_][ioID.tokenIdOf(page[i])], "listed and no member");
                for (uint256 k = 0; k < count; ++k) assertTrue(seen[k] != page[i], "listed twice");
                seen[count++] = page[i];
            }
            start = next;
        } while (start != address(0));
        assertEq(count, want, "list");
    }

    function _members(uint256 further) private view returns (uint256 count) {
        for (uint256 i = 0; i < live.length; ++i) if (_joined[further][ioID.tokenIdOf(live[i])]) ++count;
    }

    function _success(bool done) private {
        if (done) ++successes[msg.sig];
    }

    function _register(address identifier, uint256 who) private returns (bool) {
        address to = _owner(who);
        uint256 tokenId = mintDevice(to);
        (uint8 v, bytes32 r, bytes32 s) = permit(keyOf[identifier], to, identifier);
        vm.prank(to);
        registry.register(address(deviceNFT), tokenId, identifier, HASH, URI, v, r, s);
        (isLive[identifier], _known[identifier]) = (true, true);
        live.push(identifier);
        _lastId = ioID.tokenIdOf(identifier);
        address wallet = ioID.walletOf(_lastId);
        wallets.push(wallet);
        held[wallet] = 1 ether;
        vm.deal(wallet, 1 ether);
        return ioID.deviceOf(_lastId) == identifier;
    }

    function _remove(address identifier) private {
        address holder = ioID.ownerOf(ioID.tokenIdOf(identifier));
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

    function _join(uint256 which, uint256 where) private returns (bool) {
        _any(which);
        (address identifier, uint256 further) = _membership(which, where, false);
        if (identifier == address(0)) return false;
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(
            keyOf[identifier],
            memberships.joinHash(further, identifier, block.timestamp)
        );
        uint256 id = ioID.tokenIdOf(identifier);
        vm.prank(ioID.ownerOf(id));
        memberships.join(further, identifier, block.timestamp, abi.encodePacked(r, s, v), "");
        _joined[further][id] = true;
        return true;
    }

    /// @dev The next live device and project of which the one is (or is not) a member of the other; zero when there is none.
    function _membership(uint256 which, uint256 where, bool member) private view returns (address, uint256) {
        for (uint256 i = 0; i < live.length; ++i) {
            address identifier = live[((which % live.length) + i) % live.length];
            for (uint256 k = 0; k < MEMBERSHIPS; ++k) {
                uint256 further = _further[((where % MEMBERSHIPS) + k) % MEMBERSHIPS];
                if (_joined[further][ioID.tokenIdOf(identifier)] == member) return (identifier, further);
            }
        }
        return (address(0), 0);
    }

    function _startRecovery(uint256 which, uint256 who) private returns (address from) {
        address identifier;
        (identifier, from) = _any(which);
        // All that he has, newest ones first.
        uint256[] memory ids = new uint256[](ioID.balanceOf(from));
        for (uint256 i = 0; i < ids.length; ++i) ids[i] = ioID.tokenOfOwnerByIndex(from, i);
        address to = _owner(who);
        if (to == from) to = _owner((who % OWNERS) + 1);
        vm.prank(GUARDIAN);
        recovery.start(ids, from, to);
        _recoveries[from] = Recovery(to, uint64(block.timestamp) + DELAY, ids);
    }

    /// @dev An owner whose recovery runs.
    function _recovering(uint256 which, uint256 who) private returns (address) {
        for (uint256 i = 0; i < OWNERS; ++i) {
            address from = _owner((who % OWNERS) + i);
            if (_recoveries[from].ripeAt != 0) return from;
        }
        return _startRecovery(which, who);
    }

    /// @dev A data key that is the device's to bind, or a live device to bind it.
    function _bindable(address identifier, uint256 what) private view returns (address, uint256) {
        for (uint256 i = 0; i < DATA_KEYS; ++i) {
            uint256 other = (what + i) % DATA_KEYS;
            address holder = _holderOf[other];
            if (holder == address(0)) return (identifier, other);
            if (isLive[holder]) return (holder, other);
        }
        return (identifier, what);
    }

    function _ownerOf(uint256 id) private view returns (address) {
        return ioID.formerOwnerOf(id) == address(0) ? ioID.ownerOf(id) : address(0);
    }

    /// @dev The next device that is not live, of those ever registered or never; zero when there is none.
    function _find(uint256 which, bool known) private view returns (address) {
        for (uint256 i = 0; i < DEVICES; ++i) {
            address identifier = device((which % DEVICES) + i);
            if (!isLive[identifier] && _known[identifier] == known) return identifier;
        }
        return address(0);
    }

    function _free(uint256 which) private view returns (address identifier) {
        identifier = _find(which, false);
        if (identifier == address(0)) identifier = _find(which, true);
    }

    /// @dev A live device; one is registered when there is none.
    function _live(uint256 which) private returns (address) {
        if (live.length == 0) _register(_free(which), which);
        return live[which % live.length];
    }

    function _any(uint256 which) private returns (address identifier, address holder) {
        identifier = _live(which);
        holder = ioID.ownerOf(ioID.tokenIdOf(identifier));
    }

    function _owner(uint256 who) private pure returns (address) {
        return vm.addr(0x9000 + (who % OWNERS));
    }
}

contract IdentityInvariants is IdentityFixture {
    IdentityHandler private handler;
    bytes4[] private actions;

    function setUp() public {
        handler = new IdentityHandler();
        actions = [
            IdentityHandler.register.selector,
            IdentityHandler.registerAgain.selector,
            IdentityHandler.remove.selector,
            IdentityHandler.rotate.selector,
            IdentityHandler.transfer.selector,
            IdentityHandler.migrate.selector,
            IdentityHandler.join.selector,
            IdentityHandler.quit.selector,
            IdentityHandler.startRecovery.selector,
            IdentityHandler.cancelRecovery.selector,
            IdentityHandler.finishRecovery.selector,
            IdentityHandler.spend.selector,
            IdentityHandler.bindDataKey.selector
        ];
        targetContract(address(handler));
        targetSelector(address(handler), actions);
    }

    /// @custom:invariant INV-IDENTITY-1 … 7 of README.md: one live ioID per identifier; retired keys stay retired; list = count = live
    /// devices and members, pages end and are free of duplicates; nobody but its owner moves what a wallet holds; a data key has one
    /// device, and bindings only grow; memberships are of live ioIDs; recoveries wait.
    /// forge-config: default.invariant.runs = 256
    /// forge-config: default.invariant.depth = 128
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_IdentityIsConsistent() public view {
        handler.check();
        // What is wrong stays wrong: the dearer looks are for every eighth call, and for the end.
        if (handler.steps() % 8 == 0) _checkAll();
    }

    function afterInvariant() public view {
        handler.check();
        _checkAll();
        handler.checkRates(actions);
    }

    function _checkAll() private view {
        handler.checkKeys();
        handler.checkWallets();
        handler.checkDataKeys();
        handler.checkMembers();
        handler.checkRecoveries();
        for (uint256 size = 1; size < 5; ++size) handler.checkPages(size);
    }
}
