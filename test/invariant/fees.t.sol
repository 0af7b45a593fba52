// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IIoIDStore} from "../../contracts/interfaces/identity/IIoIDStore.sol";
import {IdentityFixture} from "../solidity/IdentityFixture.sol";

/// @dev Payers, governance and strangers around the store of fees. Keeps its own books, from what went in and came out.
contract FeesHandler is IdentityFixture {
    uint256 private constant PAYERS = 3;

    uint256 public paid;
    uint256 public withdrawn;
    uint256 public refunded;
    uint256 public burned;
    uint256 public forced;
    mapping(address payer => uint256) public due;
    uint256 public virtualId;
    uint256 private _zero;
    uint256 private _keys = 0x200000;

    /// @dev How often each action was asked for and had its effect.
    mapping(bytes4 action => uint256) public calls;
    mapping(bytes4 action => uint256) public hits;

    constructor() {
        deployIdentity();
        vm.prank(projectOwner);
        virtualId = projectRegistry.register("virtual", 1);
        paid = store.accounting().paid;
        _zero = address(0).balance;
        for (uint256 i = 0; i < PAYERS; ++i) vm.deal(payer(i), type(uint96).max);
        vm.deal(projectOwner, type(uint96).max);
        vm.deal(address(registry), type(uint96).max);
    }

    modifier counted() {
        ++calls[msg.sig];
        _;
    }

    function payer(uint256 i) public pure returns (address) {
        return vm.addr(0x9100 + (i % PAYERS));
    }

    function applyIoIDs(uint256 amount, uint256 over) external counted {
        (amount, over) = (bound(amount, 1, 20), bound(over, 0, 3) * 7);
        uint256 want = amount * store.price();
        vm.prank(projectOwner);
        store.applyIoIDs{value: want + over}(projectId, amount);
        _book(projectOwner, want + over, over);
    }

    /// @dev Short of one wei it fails: half of the calls try that first.
    function applyTooCheaply(uint256 amount, bool less) external counted {
        amount = bound(amount, 1, 20);
        uint256 value = amount * store.price();
        if (less && value != 0) {
            vm.prank(projectOwner);
            try store.applyIoIDs{value: value - 1}(projectId, amount) {
                revert AssertionFailed("paid too little");
            } catch {}
        }
        vm.prank(projectOwner);
        store.applyIoIDs{value: value}(projectId, amount);
        _book(projectOwner, value, 0);
    }

    function activate(uint256 who, uint256 over, bool hardware) external counted {
        over = bound(over, 0, 3) * 11;
        uint256 want = hardware ? 0 : store.price();
        vm.prank(address(registry));
        store.activeIoID{value: want + over}(hardware ? projectId : virtualId, payer(who));
        _book(payer(who), want + over, over);
    }

    function register(uint256 who) external counted {
        registerDevice(++_keys, payer(who));
        ++hits[msg.sig];
    }

    function claim(uint256 who, uint256 where) external counted {
        address account = who % 4 == 3 ? projectOwner : payer(who);
        // Of two who have nothing to fetch, one pays too much first.
        if (due[account] == 0 && where % 2 == 0) _overpay(account = projectOwner);
        address to = payer(where);
        uint256 before = to.balance;
        vm.prank(account);
        try store.claimRefund(to) {
            assertGt(due[account], 0);
            assertEq(to.balance - before, due[account], "refund");
            refunded += due[account];
            due[account] = 0;
            ++hits[msg.sig];
        } catch {
            assertEq(due[account], 0, "a refund was refused");
        }
    }

    function flush() external counted {
        if (store.accounting().burnDue == 0) {
            store.setBurnShare(5_000);
            store.changePrice(1 ether);
            _overpay(projectOwner);
        }
        uint256 want = store.accounting().burnDue;
        vm.prank(mallory);
        store.flushBurn();
        burned += want;
        if (want != 0) ++hits[msg.sig];
    }

    /// @dev Half, all, or a wei more than there is.
    function withdraw(uint256 part) external counted {
        uint256 treasury = store.accounting().treasury;
        uint256 amount = part % 3 == 0 ? treasury / 2 : treasury + (part % 3) - 1;
        address[] memory to = new address[](1);
        uint256[] memory amounts = new uint256[](1);
        (to[0], amounts[0]) = (address(0xfee), amount);
        try store.withdraw(to, amounts) {
            assertLe(amount, treasury, "more than the treasury");
            withdrawn += amount;
            ++hits[msg.sig];
        } catch {
            assertGt(amount, treasury);
        }
    }

    function govern(uint256 what, uint256 share, uint64 first, uint64 second) external counted {
        if (what % 3 == 0) store.setBurnShare(bound(share, 0, 10_000));
        else if (what % 3 == 1) store.changePrice(first);
        else {
            IIoIDStore.Point[] memory points = new IIoIDStore.Point[](2);
            points[0] = IIoIDStore.Point(0, first);
            points[1] = IIoIDStore.Point(uint64(bound(share, 1, 10)), second);
            store.setPriceCurve(points);
        }
        ++hits[msg.sig];
    }

    /// @dev Ether that comes by no call.
    function force(uint256 amount) external counted {
        amount = bound(amount, 1, 1000);
        vm.deal(address(store), address(store).balance + amount);
        forced += amount;
        ++hits[msg.sig];
    }

    /// @dev One ioID and seven wei.
    function _overpay(address account) private {
        uint256 want = store.price();
        vm.prank(account);
        store.applyIoIDs{value: want + 7}(projectId, 1);
        _book(account, want + 7, 7);
    }

    function check() external view {
        IIoIDStore.Accounting memory books = store.accounting();
        assertEq(books.paid, paid, "paid");
        assertEq(books.burned, burned, "burned");
        assertEq(books.withdrawn, withdrawn, "withdrawn");
        assertEq(books.refunded, refunded, "refunded");
        uint256 owed = due[projectOwner];
        for (uint256 i = 0; i < PAYERS; ++i) {
            assertEq(store.refundable(payer(i)), due[payer(i)], "refundable");
            owed += due[payer(i)];
        }
        assertEq(books.refundable, owed, "sum of refunds");
        assertEq(
            books.burned + books.burnDue + books.treasury + books.withdrawn + books.refundable + books.refunded,
            paid + forced,
            "burned + treasury + refundable = paid"
        );
        assertEq(address(store).balance, paid + forced - burned - withdrawn - refunded, "balance");
        assertEq(address(0).balance - _zero, burned, "gone");
        assertEq(burner.burned(store.BURN_SOURCE()), burned, "ledger");
        assertEq(address(burner).balance, 0, "the burner keeps nothing");
    }

    /// @dev Everybody leaves in some order, and nothing stays.
    function drain() external {
        store.flushBurn();
        for (uint256 i = 0; i <= PAYERS; ++i) {
            address account = i == PAYERS ? projectOwner : payer(i);
            if (store.refundable(account) == 0) continue;
            vm.prank(account);
            store.claimRefund(address(0xcafe));
        }
        address[] memory to = new address[](1);
        uint256[] memory amounts = new uint256[](1);
        (to[0], amounts[0]) = (address(0xfee), store.accounting().treasury);
        store.withdraw(to, amounts);
        assertEq(address(store).balance, 0, "stuck");
    }

    function _book(address account, uint256 value, uint256 over) private {
        paid += value;
        due[account] += over;
        ++hits[msg.sig];
    }
}

contract FeesInvariants is IdentityFixture {
    FeesHandler private handler;
    bytes4[] private _actions;

    function setUp() public {
        handler = new FeesHandler();
        _actions = [
            FeesHandler.applyIoIDs.selector,
            FeesHandler.applyTooCheaply.selector,
            FeesHandler.activate.selector,
            FeesHandler.register.selector,
            FeesHandler.claim.selector,
            FeesHandler.flush.selector,
            FeesHandler.withdraw.selector,
            FeesHandler.govern.selector,
            FeesHandler.force.selector
        ];
        targetContract(address(handler));
        targetSelector(address(handler), _actions);
    }

    /// @custom:invariant INV-FEES-1, 2 of README.md
    /// forge-config: default.invariant.runs = 256
    /// forge-config: default.invariant.depth = 128
    /// forge-config: default.invariant.fail-on-revert = true
    function invariant_EveryWeiIsSomewhere() public view {
        handler.check();
    }

    /// @dev The end of each run: nothing is stuck, and no action was for show.
    function afterInvariant() public {
        for (uint256 i = 0; i < _actions.length; ++i) {
            uint256 asked = handler.calls(_actions[i]);
            // Of few calls none may have had an effect by chance.
            if (asked >= 12)
                assertGe(5 * handler.hits(_actions[i]), asked, "an action of which less than 20 % succeed");
        }
        handler.drain();
    }
}
