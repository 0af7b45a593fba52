// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IIoID} from "../interfaces/identity/IIoID.sol";
import {IIoIDRegistry} from "../interfaces/identity/IIoIDRegistry.sol";
import {IIoIDStore} from "../interfaces/identity/IIoIDStore.sol";
import {IMemberships} from "../interfaces/identity/IMemberships.sol";
import {IProject} from "../interfaces/identity/IProject.sol";
import {LaneList} from "../libraries/LaneList.sol";
import {TypedData} from "../libraries/TypedData.sol";

/// @title Memberships of devices in further projects (see IMemberships).
contract Memberships is IMemberships, AccessManagedUpgradeable, UUPSUpgradeable {
    using LaneList for LaneList.List;

    /// @custom:storage-location erc7201:trellis.storage.Memberships
    struct Storage {
        mapping(uint256 projectId => LaneList.List) members;
        /// @dev 1 + lane in the project's list; 0 for who never was a member, FORMER for who was.
        mapping(uint256 projectId => mapping(uint256 tokenId => uint256)) lanes;
        mapping(uint256 tokenId => uint32[]) projects;
        mapping(uint256 projectId => bool) open;
        mapping(uint256 projectId => mapping(address device => uint256 tokenId)) admitted;
        mapping(address device => uint256) nonces;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.Memberships")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xc34b5a5235938eb7b7661d8039f712e099a5a7c113c36956d1368fe8129a5200;
    bytes32 private constant NAME = keccak256("Memberships");
    bytes32 private constant JOIN_TYPE = keccak256(
        "Join(uint256 projectId,address device,uint256 tokenId,uint256 nonce,uint256 deadline)"
    );
    address private constant SENTINEL = address(1);
    /// @dev Was a member and paid for it: coming back costs nothing, or a project's quota could be drained by one device.
    uint256 private constant FORMER = type(uint256).max;
    /// @dev Bounds what the removal of a device has to end.
    uint256 private constant MAX_MEMBERSHIPS = 16;

    address private immutable _initialAuthority;
    IIoIDRegistry private immutable _registry;
    IIoID private immutable _ioID;
    IProject private immutable _project;

    modifier onlyProjectOwner(uint256 projectId) {
        if (_project.ownerOf(projectId) != msg.sender) revert Memberships_NotAllowed(msg.sender);
        _;
    }

    /// @param authority_  AccessManager that instances start under.
    /// @param registry_  The registry of devices; its ioID collection is read from it.
    /// @param project_  The collection of projects.
    constructor(address authority_, address registry_, address project_) {
        _initialAuthority = authority_;
        _registry = IIoIDRegistry(registry_);
        _ioID = IIoID(IIoIDRegistry(registry_).ioID());
        _project = IProject(project_);
        _disableInitializers();
    }

    /// @inheritdoc IMemberships
    function initialize() external initializer {
        __AccessManaged_init(_initialAuthority);
    }

    /// @inheritdoc IMemberships
    function join(
        uint256 projectId,
        address device,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata ownerSignature
    ) external payable {
        if (block.timestamp > deadline) revert Memberships_Expired(deadline, block.timestamp);
        (uint256 id, uint256 home, address owner) = _liveDevice(device);
        if (home == projectId || _isLane(_storage().lanes[projectId][id])) {
            revert Memberships_AlreadyMember(projectId, device);
        }
        {
            bytes32 digest = _joinHash(projectId, device, id, _storage().nonces[device]++, deadline);
            _checkKey(device, digest, deviceSignature);
            _checkConsent(owner, digest, ownerSignature);
        }
        bool isBack = _add(projectId, device, id);
        if (!isBack) IIoIDStore(_registry.ioIDStore()).activeIoID{value: msg.value}(projectId, msg.sender);
        else if (msg.value != 0) revert Memberships_NothingDue(projectId, device);
    }

    /// @inheritdoc IMemberships
    function quit(uint256 projectId, address device) external {
        (uint256 id, , address owner) = _liveDevice(device);
        if (msg.sender != owner) revert Memberships_NotAllowed(msg.sender);
        _quit(projectId, device, id);
    }

    /// @inheritdoc IMemberships
    function expel(uint256 projectId, address device) external onlyProjectOwner(projectId) {
        (uint256 id, , ) = _liveDevice(device);
        _quit(projectId, device, id);
    }

    /// @inheritdoc IMemberships
    function setOpen(uint256 projectId, bool open) external onlyProjectOwner(projectId) {
        _storage().open[projectId] = open;
        emit SetOpen(projectId, open);
    }

    /// @inheritdoc IMemberships
    function admit(uint256 projectId, address device) external {
        if (_project.ownerOf(projectId) != msg.sender && !_project.isOperator(projectId, msg.sender)) {
            revert Memberships_NotAllowed(msg.sender);
        }
        (uint256 id, , ) = _liveDevice(device);
        _storage().admitted[projectId][device] = id;
        emit Admitted(projectId, device, id);
    }

    /// @inheritdoc IMemberships
    function end(address device, uint256 tokenId) external {
        if (msg.sender != address(_registry)) revert Memberships_NotAllowed(msg.sender);
        Storage storage $ = _storage();
        uint32[] storage projects = $.projects[tokenId];
        for (uint256 i = projects.length; i != 0; --i) {
            _unlist($, projects[i - 1], device, tokenId);
            projects.pop();
        }
    }

    /// @inheritdoc IMemberships
    function isMember(uint256 projectId, address device) external view returns (bool) {
        (uint256 id, uint256 home, ) = _ioID.deviceInfo(device);
        if (id == 0) return false;
        return home == projectId || _isLane(_storage().lanes[projectId][id]);
    }

    /// @inheritdoc IMemberships
    function projectsOf(address device) external view returns (uint256[] memory projects) {
        uint32[] storage joined = _storage().projects[_ioID.tokenIdOf(device)];
        projects = new uint256[](joined.length);
        for (uint256 i = 0; i < projects.length; ++i) projects[i] = joined[i];
    }

    /// @inheritdoc IMemberships
    function memberCount(uint256 projectId) external view returns (uint256) {
        return _storage().members[projectId].count();
    }

    /// @inheritdoc IMemberships
    function members(
        uint256 projectId,
        address start,
        uint256 pageSize
    ) external view returns (address[] memory array, address next) {
        Storage storage $ = _storage();
        LaneList.List storage list = $.members[projectId];
        uint256 place = list.lanes();
        if (start != SENTINEL) {
            uint256 lane = $.lanes[projectId][_ioID.tokenIdOf(start)];
            if (!_isLane(lane)) revert Memberships_NotListed(projectId, start);
            place = lane - 1;
        }
        (uint256[] memory ids, bool more) = list.page(place, pageSize);
        array = new address[](ids.length);
        for (uint256 i = 0; i < ids.length; ++i) array[i] = _ioID.deviceOf(ids[i]);
        if (more) next = array[array.length - 1];
    }

    /// @inheritdoc IMemberships
    function isOpen(uint256 projectId) external view returns (bool) {
        return _storage().open[projectId];
    }

    /// @inheritdoc IMemberships
    function isAdmitted(uint256 projectId, address device) external view returns (bool) {
        uint256 id = _ioID.tokenIdOf(device);
        return id != 0 && _storage().admitted[projectId][device] == id;
    }

    /// @inheritdoc IMemberships
    function nonces(address device) external view returns (uint256) {
        return _storage().nonces[device];
    }

    /// @inheritdoc IMemberships
    function joinHash(uint256 projectId, address device, uint256 deadline) external view returns (bytes32) {
        (uint256 id, , ) = _liveDevice(device);
        return _joinHash(projectId, device, id, _storage().nonces[device], deadline);
    }

    function _joinHash(
        uint256 projectId,
        address device,
        uint256 id,
        uint256 nonce,
        uint256 deadline
    ) private view returns (bytes32) {
        return TypedData.digest(NAME, keccak256(abi.encode(JOIN_TYPE, projectId, device, id, nonce, deadline)));
    }

    function _add(uint256 projectId, address device, uint256 id) private returns (bool isBack) {
        Storage storage $ = _storage();
        if (!$.open[projectId]) {
            // An admission is good once.
            if ($.admitted[projectId][device] != id) revert Memberships_NotAdmitted(projectId, device);
            delete $.admitted[projectId][device];
        }
        uint32[] storage projects = $.projects[id];
        uint256 count = projects.length;
        if (count == MAX_MEMBERSHIPS) revert Memberships_TooMany(device, MAX_MEMBERSHIPS);
        if (count == 0) _registry.markMember(device, true);
        // Only a project's owner opens it or admits, and projects are counted from 1: no id is wider than 32 bits.
        projects.push(uint32(projectId));
        isBack = $.lanes[projectId][id] == FORMER;
        $.lanes[projectId][id] = $.members[projectId].insert(id) + 1;
        emit Joined(projectId, device, id);
    }

    function _quit(uint256 projectId, address device, uint256 id) private {
        Storage storage $ = _storage();
        if (!_isLane($.lanes[projectId][id])) revert Memberships_NotMember(projectId, device);
        uint32[] storage projects = $.projects[id];
        uint256 last = projects.length - 1;
        for (uint256 i = 0; i < last; ++i) {
            if (projects[i] != projectId) continue;
            projects[i] = projects[last];
            break;
        }
        projects.pop();
        _unlist($, projectId, device, id);
        $.lanes[projectId][id] = FORMER;
        if (last == 0) _registry.markMember(device, false);
    }

    function _unlist(Storage storage $, uint256 projectId, address device, uint256 id) private {
        $.members[projectId].remove($.lanes[projectId][id] - 1);
        delete $.lanes[projectId][id];
        emit Left(projectId, device, id);
    }

    function _isLane(uint256 place) private pure returns (bool) {
        return place != 0 && place != FORMER;
    }

    function _liveDevice(address device) private view returns (uint256 id, uint256 home, address owner) {
        (id, home, owner) = _ioID.deviceInfo(device);
        if (id == 0) revert Memberships_UnknownDevice(device);
    }

    function _checkKey(address device, bytes32 digest, bytes calldata signature) private view {
        address signer = _registry.signerOf(device);
        address signed = TypedData.recover(digest, signature);
        if (signed == address(0) || signed != signer) revert Memberships_BadDeviceSignature(device, signer);
    }

    function _checkConsent(address owner, bytes32 digest, bytes calldata signature) private view {
        bool consents =
            signature.length == 0
                ? msg.sender == owner || _registry.isRelayer(owner, msg.sender)
                : SignatureChecker.isValidSignatureNowCalldata(owner, digest, signature);
        if (!consents) revert Memberships_NoConsent(owner, msg.sender);
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
