// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IIoID} from "../interfaces/identity/IIoID.sol";

/// @dev Many ioIDs in one transaction, past the registry: it has to be the collection's minter meanwhile.
contract BulkMinter {
    /// @dev Devices and owners are counted addresses; ten devices to an owner.
    function mint(IIoID ioID, uint256 projectId, uint256 first, uint256 count) external {
        for (uint256 i = first; i < first + count; ++i) {
            ioID.mint(projectId, address(uint160(uint256(1) << 100) + uint160(i)), _owner(i));
        }
    }

    function handBack(IIoID ioID, address registry) external {
        ioID.setMinter(registry);
    }

    function _owner(uint256 i) private pure returns (address) {
        return address(uint160(uint256(1) << 120) + uint160(i / 10));
    }
}
