// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC6551Registry} from "../../../contracts/interfaces/wallet/IERC6551.sol";
import {TokenAccount} from "../../../contracts/libraries/TokenAccount.sol";
import {Canonical} from "../../solidity/Canonical.sol";
import {Test} from "../../solidity/Test.sol";

/// @dev Against the bytecode of the canonical registry.
contract TokenAccountTest is Test {
    IERC6551Registry private constant REGISTRY = IERC6551Registry(Canonical.REGISTRY);

    function setUp() public {
        Canonical.placeRegistry();
    }

    function test_Fuzz_AddressIsTheRegistrys(address implementation, address collection, uint256 id) public view {
        address want = REGISTRY.account(implementation, 0, block.chainid, collection, id);
        assertEq(TokenAccount.addressOf(Canonical.REGISTRY, implementation, collection, id), want);
    }

    function test_AddressOf_OnAnotherChain() public {
        address before = TokenAccount.addressOf(Canonical.REGISTRY, address(1), address(2), 3);
        vm.chainId(4690);
        address moved = TokenAccount.addressOf(Canonical.REGISTRY, address(1), address(2), 3);
        assertTrue(moved != before);
        assertEq(moved, REGISTRY.account(address(1), 0, 4690, address(2), 3));
    }

    /// forge-config: default.fuzz.runs = 32
    function test_Fuzz_ClaimedTokenOfMadeAccounts(address collection, uint256 id) public {
        address account = REGISTRY.createAccount(address(this), 0, block.chainid, collection, id);
        (bool is6551, address tokenContract, uint256 tokenId) = TokenAccount.claimedToken(account);
        assertTrue(is6551);
        assertEq(tokenContract, collection);
        assertEq(tokenId, id);
    }

    function test_ClaimedToken_NotAnAccountOfThisChain() public {
        address account = REGISTRY.createAccount(address(this), 0, block.chainid + 1, address(1), 1);
        (bool is6551, , ) = TokenAccount.claimedToken(account);
        assertFalse(is6551);
        (is6551, , ) = TokenAccount.claimedToken(address(this));
        assertFalse(is6551);
        (is6551, , ) = TokenAccount.claimedToken(address(0xdead));
        assertFalse(is6551);
        // Code of the right size and another head.
        bytes memory code = new bytes(TokenAccount.CODE_SIZE);
        vm.etch(address(0xbeef), code);
        (is6551, , ) = TokenAccount.claimedToken(address(0xbeef));
        assertFalse(is6551);
    }
}
