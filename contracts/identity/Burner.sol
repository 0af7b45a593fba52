// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IBurner} from "../interfaces/identity/IBurner.sol";

/// @title The ledger of burned fees (see IBurner). Immutable, without owner.
contract Burner is IBurner {
    uint256 public constant MAX_PAGE = 100;

    /// @inheritdoc IBurner
    uint256 public totalBurned;
    /// @inheritdoc IBurner
    mapping(bytes32 source => uint256) public burned;

    bytes32[] private _sources;

    /// @inheritdoc IBurner
    function burn(bytes32 source) external payable {
        if (msg.value == 0) revert Burner_Nothing();
        if (burned[source] == 0) _sources.push(source);
        burned[source] += msg.value;
        totalBurned += msg.value;
        emit Burned(source, msg.sender, msg.value);
        // Nobody has the key of the zero address, and it has no code that could refuse.
        (bool sent, ) = address(0).call{value: msg.value}("");
        if (!sent) revert Burner_Refused();
    }

    /// @inheritdoc IBurner
    function sourceCount() external view returns (uint256) {
        return _sources.length;
    }

    /// @inheritdoc IBurner
    function sources(uint256 start, uint256 pageSize) external view returns (bytes32[] memory page) {
        uint256 left = start < _sources.length ? _sources.length - start : 0;
        if (pageSize > MAX_PAGE) pageSize = MAX_PAGE;
        page = new bytes32[](left < pageSize ? left : pageSize);
        for (uint256 i = 0; i < page.length; ++i) page[i] = _sources[start + i];
    }
}
