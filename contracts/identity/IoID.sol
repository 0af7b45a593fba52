// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// solhint-disable gas-custom-errors
// v1 clients match on these strings.

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {ERC721Upgradeable} from "@openzeppelin/contracts-upgradeable/token/ERC721/ERC721Upgradeable.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC721Enumerable} from "@openzeppelin/contracts/token/ERC721/extensions/IERC721Enumerable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IERC165} from "@openzeppelin/contracts/utils/introspection/IERC165.sol";
import {StorageSlot} from "@openzeppelin/contracts/utils/StorageSlot.sol";
import {IIoID} from "../interfaces/identity/IIoID.sol";
import {IERC6551Registry} from "../interfaces/wallet/IERC6551.sol";
import {DeviceDid} from "../libraries/DeviceDid.sol";
import {LaneList} from "../libraries/LaneList.sol";
import {TokenAccount} from "../libraries/TokenAccount.sol";

/// @title ioID tokens and lists of devices (see IIoID).
/// @dev OpenZeppelin's ERC-721 with the storage of owners and balances replaced: a token is one slot, an owner's list
/// (which is also his balance) and a project's list start at one slot each. Nothing is moved on removal.
contract IoID is IIoID, ERC721Upgradeable, AccessManagedUpgradeable, UUPSUpgradeable {
    using LaneList for LaneList.List;

    /// @custom:storage-location erc7201:trellis.storage.IoID
    struct Storage {
        /// @dev burned (48 bits) | minted << 48 (48) | minter << 96: one read and one write in each mint and removal.
        uint256 supply;
        /// @dev owner (160 bits) | project (32) | lane in the owner's list (32) | lane in the project's list (32).
        /// Project 0 marks a burned token; its owner stays: he commands the wallet.
        mapping(uint256 id => uint256) tokens;
        /// @dev device (160 bits) | transfers so far << 160: a transfer writes here, where no slot is new.
        mapping(uint256 id => address) devices;
        mapping(address device => uint256 id) ids;
        mapping(address owner => LaneList.List) owned;
        mapping(uint256 projectId => LaneList.List) projects;
        mapping(uint256 id => address) resolvers;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.IoID")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0x8e3153ec70b11cb9180e700d9c13af704f2f3d6503add56711953779abc77500;
    uint256 private constant U32 = type(uint32).max;
    uint256 private constant U48 = type(uint48).max;
    address private constant SENTINEL = address(1);

    address private immutable _initialAuthority;
    address private immutable _walletRegistry;
    address private immutable _walletImplementation;

    /// @dev Wallet contracts are in the code, not in storage: they decide the address of every wallet and never change.
    /// @param authority_  AccessManager that instances start under.
    constructor(address authority_, address walletRegistry_, address walletImplementation_) {
        _initialAuthority = authority_;
        _walletRegistry = walletRegistry_;
        _walletImplementation = walletImplementation_;
        _disableInitializers();
    }

    /// @inheritdoc IIoID
    function initialize(
        address minter_,
        address walletRegistry_,
        address walletImplementation_,
        string calldata name_,
        string calldata symbol_
    ) external initializer {
        if (walletRegistry_ != _walletRegistry || walletImplementation_ != _walletImplementation) {
            revert IoID_OtherWallets(walletRegistry_, walletImplementation_);
        }
        __ERC721_init(name_, symbol_);
        __AccessManaged_init(_initialAuthority);
        _storage().supply = uint256(uint160(minter_)) << 96;
        emit SetMinter(minter_);
    }

    /// @inheritdoc IIoID
    function mint(uint256 projectId, address device, address owner_) external returns (uint256 id) {
        Storage storage $ = _storage();
        uint256 supply = _asMinter($);
        if (projectId == 0 || projectId > U32) revert IoID_BadProject(projectId);
        if (owner_ == address(0)) revert ERC721InvalidReceiver(address(0));
        if ($.ids[device] != 0) revert IoID_DeviceExists(device, $.ids[device]);

        unchecked {
            id = ((supply >> 48) & U48) + 1;
            $.supply = supply + (1 << 48);
        }
        $.tokens[id] = _pack(owner_, projectId, $.owned[owner_].insert(id), $.projects[projectId].insert(id));
        $.devices[id] = device;
        $.ids[device] = id;
        emit Transfer(address(0), owner_, id);

        address wallet_ = IERC6551Registry(_walletRegistry).createAccount(
            _walletImplementation,
            bytes32(0),
            block.chainid,
            address(this),
            id
        );
        // The address of the wallet was known before: what owns `owner_` may lie in it.
        _refuseCycle(id, owner_);
        emit CreateIoID(owner_, id, wallet_, DeviceDid.toString(device));
    }

    /// @inheritdoc IIoID
    function migrate(uint256 id, address owner_) external {
        _asMinter(_storage());
        address from = _requireOwned(id);
        _transfer(from, owner_, id);
        emit Migrate(from, owner_, id);
    }

    /// @inheritdoc IIoID
    function removeDID(address device) external {
        Storage storage $ = _storage();
        uint256 supply = _asMinter($);
        uint256 id = $.ids[device];
        if (id == 0) revert IoID_UnknownDevice(device);
        uint256 token = $.tokens[id];
        address owner_ = address(uint160(token));

        // Approvals stay written: nobody can use one for an id that has no owner and is never minted again.
        $.tokens[id] = uint160(owner_);
        delete $.ids[device];
        unchecked {
            $.supply = supply + 1;
        }
        $.owned[owner_].remove((token >> 192) & U32);
        $.projects[(token >> 160) & U32].remove(token >> 224);
        emit Transfer(owner_, address(0), id);
        emit RemoveDIDWallet(walletOf(id), DeviceDid.toString(device));
    }

    /// @inheritdoc IIoID
    function setMinter(address minter_) external {
        require(minter_ != address(0), "zero minter");
        Storage storage $ = _storage();
        if (msg.sender != _minter($.supply)) _checkCanCall(msg.sender, msg.data);
        $.supply = (uint256(uint160(minter_)) << 96) | uint96($.supply);
        emit SetMinter(minter_);
    }

    /// @inheritdoc IIoID
    function setResolver(uint256 id, address resolver_) external {
        require(ownerOf(id) == msg.sender, "not ioID owner");
        require(resolver_ != address(0), "zero address");
        _storage().resolvers[id] = resolver_;
        emit SetResolver(id, resolver_);
    }

    /// @inheritdoc IIoID
    function deviceProject(address device) external view returns (uint256) {
        Storage storage $ = _storage();
        return ($.tokens[$.ids[device]] >> 160) & U32;
    }

    /// @inheritdoc IIoID
    function tokenIdOf(address device) external view returns (uint256) {
        return _storage().ids[device];
    }

    /// @inheritdoc IIoID
    function deviceInfo(address device) external view returns (uint256 id, uint256 projectId, address owner_) {
        Storage storage $ = _storage();
        id = $.ids[device];
        uint256 token = $.tokens[id];
        (projectId, owner_) = ((token >> 160) & U32, address(uint160(token)));
    }

    /// @inheritdoc IIoID
    function deviceOf(uint256 id) external view returns (address) {
        return _storage().devices[id];
    }

    /// @inheritdoc IIoID
    function formerOwnerOf(uint256 id) external view returns (address) {
        uint256 token = _storage().tokens[id];
        return (token >> 160) & U32 == 0 ? address(uint160(token)) : address(0);
    }

    /// @inheritdoc IIoID
    function epochOf(uint256 id) external view returns (uint256) {
        Storage storage $ = _storage();
        uint256 word = _deviceSlot($, id).value;
        if (word == 0) return 0;
        uint256 removed = ($.tokens[id] >> 160) & U32 == 0 ? 1 : 0;
        return (((word >> 160) + 1) << 1) | removed;
    }

    /// @inheritdoc IIoID
    function did(address device) external pure returns (string memory) {
        return DeviceDid.toString(device);
    }

    /// @inheritdoc IIoID
    function minter() external view returns (address) {
        return _minter(_storage().supply);
    }

    /// @inheritdoc IIoID
    function projectDeviceCount(uint256 projectId) external view returns (uint256) {
        return _storage().projects[projectId].count();
    }

    /// @inheritdoc IIoID
    function projectIDs(
        uint256 projectId,
        address start,
        uint256 pageSize
    ) external view returns (address[] memory array, address next) {
        Storage storage $ = _storage();
        LaneList.List storage list = $.projects[projectId];
        uint256 place = list.lanes();
        if (start != SENTINEL) {
            uint256 token = $.tokens[$.ids[start]];
            if (projectId == 0 || (token >> 160) & U32 != projectId) revert IoID_NotListed(projectId, start);
            place = token >> 224;
        }

        (uint256[] memory ids, bool more) = list.page(place, pageSize);
        for (uint256 i = 0; i < ids.length; ++i) ids[i] = uint160($.devices[ids[i]]);
        assembly ("memory-safe") {
            array := ids
        }
        if (more) next = array[array.length - 1];
    }

    /// @inheritdoc IIoID
    function resolver(uint256 id) external view returns (address) {
        return _storage().resolvers[id];
    }

    /// @inheritdoc IIoID
    function wallet(uint256 id) external view returns (address wallet_, string memory did_) {
        wallet_ = walletOf(id);
        if (_ownerOf(id) != address(0)) did_ = DeviceDid.toString(_storage().devices[id]);
    }

    /// @inheritdoc IIoID
    function wallet(string calldata did_) external view returns (address) {
        uint256 id = _storage().ids[DeviceDid.parse(did_)];
        return id == 0 ? address(0) : walletOf(id);
    }

    /// @inheritdoc IIoID
    function walletRegistry() external view returns (address) {
        return _walletRegistry;
    }

    /// @inheritdoc IIoID
    function walletImplementation() external view returns (address) {
        return _walletImplementation;
    }

    /// @inheritdoc IERC721Enumerable
    function totalSupply() external view returns (uint256) {
        return _live(_storage().supply);
    }

    /// @inheritdoc IERC721Enumerable
    function tokenOfOwnerByIndex(address owner_, uint256 index) external view returns (uint256) {
        LaneList.List storage list = _storage().owned[owner_];
        if (index >= list.count()) revert ERC721OutOfBoundsIndex(owner_, index);
        return list.select(index);
    }

    /// @inheritdoc IERC721Enumerable
    /// @dev Without removals ids in order; after one, project by project: removal then costs no slot for this.
    function tokenByIndex(uint256 index) external view returns (uint256) {
        Storage storage $ = _storage();
        uint256 supply = $.supply;
        if (index >= _live(supply)) revert ERC721OutOfBoundsIndex(address(0), index);
        if (supply & U48 == 0) return index + 1;
        for (uint256 projectId = 1; ; ++projectId) {
            uint256 devices = $.projects[projectId].count();
            if (index < devices) return $.projects[projectId].select(index);
            index -= devices;
        }
        // The loop ends: the counts of all projects add up to the supply.
        return 0;
    }

    /// @inheritdoc IIoID
    function walletOf(uint256 id) public view returns (address) {
        return TokenAccount.addressOf(_walletRegistry, _walletImplementation, address(this), id);
    }

    /// @inheritdoc IERC721
    function balanceOf(address owner_) public view override(ERC721Upgradeable, IERC721) returns (uint256) {
        if (owner_ == address(0)) revert ERC721InvalidOwner(address(0));
        return _storage().owned[owner_].count();
    }

    /// @inheritdoc IERC721
    /// @dev The registry asks this at every change of a device, so it is one read and no detour.
    function ownerOf(uint256 id) public view override(ERC721Upgradeable, IERC721) returns (address owner_) {
        uint256 token = _storage().tokens[id];
        if (token & (U32 << 160) == 0) revert ERC721NonexistentToken(id);
        owner_ = address(uint160(token));
    }

    /// @inheritdoc IERC165
    function supportsInterface(bytes4 interfaceId) public view override(ERC721Upgradeable, IERC165) returns (bool) {
        return interfaceId == type(IERC721Enumerable).interfaceId || super.supportsInterface(interfaceId);
    }

    /// @dev Transfers only: `mint` and `removeDID` write for themselves.
    function _update(address to, uint256 id, address auth) internal override returns (address from) {
        Storage storage $ = _storage();
        uint256 token = $.tokens[id];
        from = _ownerOf(id);
        if (auth != address(0)) _checkAuthorized(from, auth, id);
        _approve(address(0), id, address(0), false);
        _refuseCycle(id, to);
        $.owned[from].remove((token >> 192) & U32);
        $.tokens[id] = _pack(to, (token >> 160) & U32, $.owned[to].insert(id), token >> 224);
        _deviceSlot($, id).value += 1 << 160;
        emit Transfer(from, to, id);
    }

    function _ownerOf(uint256 id) internal view override returns (address) {
        uint256 token = _storage().tokens[id];
        return (token >> 160) & U32 == 0 ? address(0) : address(uint160(token));
    }

    function _authorizeUpgrade(address logic) internal override restricted {
        // Other wallet contracts would change the address of every wallet.
        if (
            IIoID(logic).walletRegistry() != _walletRegistry ||
            IIoID(logic).walletImplementation() != _walletImplementation
        ) revert IoID_OtherWallets(IIoID(logic).walletRegistry(), IIoID(logic).walletImplementation());
    }

    /// @dev An ioID inside its own wallet, or a wallet that is in it, would have no owner any more, and all in them.
    function _refuseCycle(uint256 id, address to) private view {
        if (TokenAccount.isAbove(to, address(this), id)) revert IoID_OwnershipCycle(id, to);
    }

    /// @dev The whole slot of `devices[id]`.
    function _deviceSlot(Storage storage $, uint256 id) private view returns (StorageSlot.Uint256Slot storage slot) {
        mapping(uint256 => address) storage devices = $.devices;
        assembly ("memory-safe") {
            mstore(0, id)
            mstore(32, devices.slot)
            slot.slot := keccak256(0, 64)
        }
    }

    function _asMinter(Storage storage $) private view returns (uint256 supply) {
        supply = $.supply;
        require(_minter(supply) == msg.sender, "invalid minter");
    }

    function _minter(uint256 supply) private pure returns (address) {
        return address(uint160(supply >> 96));
    }

    function _live(uint256 supply) private pure returns (uint256) {
        return ((supply >> 48) & U48) - (supply & U48);
    }

    function _pack(
        address owner_,
        uint256 projectId,
        uint256 ownerLane,
        uint256 projectLane
    ) private pure returns (uint256) {
        return uint160(owner_) | (projectId << 160) | (ownerLane << 192) | (projectLane << 224);
    }

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
