// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";

/// @title The money of local networks: an ERC-20 that anybody mints.
contract TestToken is ERC20 {
    constructor() ERC20("Trellis Test Token", "TTT") {}

    function mint(address to, uint256 amount) external {
        _mint(to, amount);
    }
}
