// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {IDeviceGauge, IDummyDeviceGauge} from "../../interfaces/identity/compat/IDeviceGauge.sol";

/// @title A gauge that only keeps (see IDummyDeviceGauge).
contract DummyDeviceGauge is IDummyDeviceGauge, IERC721Receiver {
    /// @inheritdoc IDummyDeviceGauge
    address public immutable deviceNFT;
    /// @inheritdoc IDummyDeviceGauge
    mapping(uint256 tokenId => address) public deviceOwner;

    /// @param deviceNFT_  The collection that is staked.
    constructor(address deviceNFT_) {
        deviceNFT = deviceNFT_;
    }

    /// @inheritdoc IDeviceGauge
    function deposit(uint256 tokenId, address recipient) external {
        if (recipient == address(0)) revert DummyDeviceGauge_NoOwner(tokenId);
        deviceOwner[tokenId] = recipient;
        emit Deposit(recipient, tokenId);
        IERC721(deviceNFT).safeTransferFrom(msg.sender, address(this), tokenId);
    }

    /// @inheritdoc IDummyDeviceGauge
    function withdraw(uint256 tokenId) external {
        address owner = deviceOwner[tokenId];
        if (msg.sender != owner) revert DummyDeviceGauge_NotOwner(tokenId, owner, msg.sender);
        delete deviceOwner[tokenId];
        emit Withdraw(owner, tokenId);
        // Not the safe form: the owner calls himself, and nothing that he is may keep him from his token.
        IERC721(deviceNFT).transferFrom(address(this), owner, tokenId);
    }

    /// @inheritdoc IERC721Receiver
    /// @dev Only what comes by `deposit` has somebody who may take it out.
    function onERC721Received(
        address operator,
        address,
        uint256 tokenId,
        bytes calldata
    ) external view returns (bytes4) {
        if (msg.sender != deviceNFT || operator != address(this)) revert DummyDeviceGauge_NoOwner(tokenId);
        return IERC721Receiver.onERC721Received.selector;
    }

    /// @inheritdoc IDeviceGauge
    function stakingToken() external view returns (address) {
        return deviceNFT;
    }
}
