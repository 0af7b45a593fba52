// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {IProfileResolver, IPublicResolver} from "../../interfaces/identity/compat/IProfileResolver.sol";
import {IIoID} from "../../interfaces/identity/IIoID.sol";

/// @title Names and avatars (see IPublicResolver). Immutable, without any privilege.
contract PublicResolver is IPublicResolver, IERC165 {
    struct Profile {
        string name;
        string avatar;
    }

    /// @inheritdoc IPublicResolver
    address public immutable ioID;
    mapping(uint256 id => Profile) private _profiles;

    /// @param ioID_  The collection.
    constructor(address ioID_) {
        ioID = ioID_;
    }

    modifier onlyIoIDOwner(uint256 id) {
        address owner = IIoID(ioID).ownerOf(id);
        if (msg.sender != owner) revert PublicResolver_NotOwner(id, owner, msg.sender);
        _;
    }

    /// @inheritdoc IPublicResolver
    function setName(uint256 id, string calldata name_) external onlyIoIDOwner(id) {
        _profiles[id].name = name_;
        emit ChangeName(id, name_);
    }

    /// @inheritdoc IPublicResolver
    function setAvatar(uint256 id, string calldata avatar_) external onlyIoIDOwner(id) {
        _profiles[id].avatar = avatar_;
        emit ChangeAvatar(id, avatar_);
    }

    /// @inheritdoc IProfileResolver
    function name(uint256 id) external view returns (string memory) {
        return _isLive(id) ? _profiles[id].name : "";
    }

    /// @inheritdoc IProfileResolver
    function avatar(uint256 id) external view returns (string memory) {
        return _isLive(id) ? _profiles[id].avatar : "";
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) external pure returns (bool) {
        return interfaceId == type(IProfileResolver).interfaceId || interfaceId == type(IERC165).interfaceId;
    }

    /// @dev Ids are never used again: one with a former owner is gone. Unknown ones have no profile.
    function _isLive(uint256 id) private view returns (bool) {
        return IIoID(ioID).formerOwnerOf(id) == address(0);
    }
}
