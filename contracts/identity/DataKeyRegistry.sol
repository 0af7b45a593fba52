// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IDataKeyRegistry} from "../interfaces/identity/IDataKeyRegistry.sol";
import {IIoID} from "../interfaces/identity/IIoID.sol";
import {IIoIDRegistry} from "../interfaces/identity/IIoIDRegistry.sol";
import {IMemberships} from "../interfaces/identity/IMemberships.sol";
import {BabyJubJub} from "../libraries/BabyJubJub.sol";
import {PoseidonT7} from "../libraries/PoseidonT7.sol";
import {TypedData} from "../libraries/TypedData.sol";

/// @title Data keys of devices (see IDataKeyRegistry).
contract DataKeyRegistry is IDataKeyRegistry, AccessManagedUpgradeable, UUPSUpgradeable {
    struct Binding {
        uint256 commitment;
        Point key;
    }

    struct History {
        /// @dev count (32 bits) | fromWindow of the first seven bindings (32 each); further words hold eight each.
        uint256 head;
        mapping(uint256 word => uint256) windows;
        mapping(uint256 index => Binding) bindings;
    }

    /// @custom:storage-location erc7201:trellis.storage.DataKeyRegistry
    struct Storage {
        mapping(uint256 projectId => mapping(uint256 tokenId => History)) histories;
        mapping(bytes32 keyHash => address device) devices;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.DataKeyRegistry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0x3da58e530c633f978706157aaf71b99baf257b78e290a5368a69fc7ca14f9600;

    bytes32 private constant DOMAIN_NAME = keccak256("DataKeyRegistry");
    bytes32 private constant BIND_TYPE = keccak256(
        "BindDataKey(uint256 projectId,address device,uint256 tokenId,uint256 keyX,uint256 keyY,uint32 fromWindow,uint256 deadline)"
    );
    bytes32 private constant POSSESSION = keccak256("trellis.datakey.possession");
    uint256 private constant U32 = type(uint32).max;
    uint256 private constant HEAD_WINDOWS = 7;

    address private immutable _initialAuthority;
    IIoIDRegistry private immutable _registry;
    IIoID private immutable _ioID;
    IMemberships private immutable _memberships;

    /// @param authority_  AccessManager that instances start under.
    /// @param registry_  The registry of devices; its ioID collection is read from it.
    /// @param memberships_  Who else is a device of a project.
    constructor(address authority_, address registry_, address memberships_) {
        _initialAuthority = authority_;
        _registry = IIoIDRegistry(registry_);
        _ioID = IIoID(IIoIDRegistry(registry_).ioID());
        _memberships = IMemberships(memberships_);
        _disableInitializers();
    }

    /// @notice Starts an instance under the authority that the logic was built with.
    function initialize() external initializer {
        __AccessManaged_init(_initialAuthority);
    }

    /// @inheritdoc IDataKeyRegistry
    function bind(
        uint256 projectId,
        address device,
        Point calldata key,
        Point calldata eighth,
        uint32 fromWindow,
        uint256 deadline,
        bytes calldata deviceSignature,
        SchnorrSignature calldata keySignature
    ) external {
        if (block.timestamp > deadline) revert DataKeyRegistry_Expired(deadline, block.timestamp);
        uint256 tokenId = _checkDevice(projectId, device, key, fromWindow, deadline, deviceSignature);
        _checkPoint(key, eighth);
        _checkPossession(
            possessionHash(projectId, device, tokenId, key, fromWindow, deadline, keySignature.r),
            key,
            keySignature
        );
        _claim(device, key);
        _append(projectId, device, tokenId, key, fromWindow);
    }

    /// @inheritdoc IDataKeyRegistry
    function commitmentAt(uint256 projectId, uint256 tokenId, uint32 window) external view returns (uint256) {
        History storage history = _storage().histories[projectId][tokenId];
        uint256 found = _find(history, window);
        return found == 0 ? 0 : history.bindings[found - 1].commitment;
    }

    /// @inheritdoc IDataKeyRegistry
    function keyAt(
        uint256 projectId,
        address device,
        uint32 window
    ) external view returns (Point memory key, uint256 commitment) {
        (uint256 tokenId, ) = _deviceIn(projectId, device);
        History storage history = _storage().histories[projectId][tokenId];
        uint256 found = _find(history, window);
        if (found != 0) (key, commitment) = (history.bindings[found - 1].key, history.bindings[found - 1].commitment);
    }

    /// @inheritdoc IDataKeyRegistry
    function deviceOfKey(bytes32 keyHash) external view returns (address) {
        return _storage().devices[keyHash];
    }

    /// @inheritdoc IDataKeyRegistry
    function bindings(uint256 projectId, uint256 tokenId) external view returns (uint256 count, uint32 newestFrom) {
        History storage history = _storage().histories[projectId][tokenId];
        count = history.head & U32;
        if (count != 0) newestFrom = uint32(_window(history, history.head, count - 1));
    }

    /// @inheritdoc IDataKeyRegistry
    function possessionHash(
        uint256 projectId,
        address device,
        uint256 tokenId,
        Point calldata key,
        uint32 fromWindow,
        uint256 deadline,
        Point calldata r
    ) public view returns (bytes32) {
        bytes memory binding = abi.encode(projectId, device, tokenId, key, fromWindow, deadline);
        return keccak256(bytes.concat(abi.encode(POSSESSION, block.chainid, address(this)), binding, abi.encode(r)));
    }

    /// @inheritdoc IDataKeyRegistry
    function bindingHash(
        uint256 projectId,
        address device,
        uint256 tokenId,
        Point calldata key,
        uint32 fromWindow,
        uint256 deadline
    ) public view returns (bytes32) {
        bytes32 structHash = keccak256(abi.encode(BIND_TYPE, projectId, device, tokenId, key, fromWindow, deadline));
        return TypedData.digest(DOMAIN_NAME, structHash);
    }

    /// @dev The device is live in the project; its owner calls, or his relayer with a signature of its key. Returns its ioID.
    function _checkDevice(
        uint256 projectId,
        address device,
        Point calldata key,
        uint32 fromWindow,
        uint256 deadline,
        bytes calldata signature
    ) private view returns (uint256 tokenId) {
        address owner;
        (tokenId, owner) = _deviceIn(projectId, device);
        if (tokenId == 0) revert DataKeyRegistry_UnknownDevice(projectId, device);
        // Without this, the thief of a device key binds a far window, and no later key comes before it.
        if (msg.sender == owner) {
            if (signature.length == 0) return tokenId;
        } else if (!_registry.isRelayer(owner, msg.sender)) {
            revert DataKeyRegistry_NoConsent(owner, msg.sender);
        }
        address signer = _registry.signerOf(device);
        bytes32 digest = bindingHash(projectId, device, tokenId, key, fromWindow, deadline);
        address recovered = TypedData.recover(digest, signature);
        if (recovered == address(0) || recovered != signer) revert DataKeyRegistry_BadDeviceSignature(device, signer);
    }

    /// @dev ioID and owner of a live device of the project; no ioID when it is none. Only a member costs a second call.
    function _deviceIn(uint256 projectId, address device) private view returns (uint256 tokenId, address owner) {
        uint256 home;
        (tokenId, home, owner) = _ioID.deviceInfo(device);
        if (home != projectId && !_memberships.isMember(projectId, device)) tokenId = 0;
    }

    function _claim(address device, Point calldata key) private {
        bytes32 keyHash = keccak256(abi.encode(key));
        address holder = _storage().devices[keyHash];
        if (holder == device) return;
        if (holder != address(0)) revert DataKeyRegistry_KeyTaken(keyHash, holder);
        _storage().devices[keyHash] = device;
    }

    function _append(
        uint256 projectId,
        address device,
        uint256 tokenId,
        Point calldata key,
        uint32 fromWindow
    ) private {
        History storage history = _storage().histories[projectId][tokenId];
        uint256 head = history.head;
        uint256 count = head & U32;
        if (count != 0) {
            uint256 newest = _window(history, head, count - 1);
            if (fromWindow <= newest) revert DataKeyRegistry_WindowNotLater(uint32(newest), fromWindow);
        }
        uint256 commitment = PoseidonT7.hash(
            [block.chainid, uint160(address(this)), projectId, uint160(device), key.x, key.y]
        );
        history.bindings[count] = Binding(commitment, key);
        if (count < HEAD_WINDOWS) head |= uint256(fromWindow) << (32 + 32 * count);
        else history.windows[(count - HEAD_WINDOWS) / 8] |= uint256(fromWindow) << (32 * ((count - HEAD_WINDOWS) % 8));
        history.head = head + 1;
        emit DataKeyBound(projectId, device, tokenId, commitment, key.x, key.y, fromWindow);
    }

    /// @dev Number of bindings that start at `window` or before: 1 + index of the one that is valid, 0 when none is.
    function _find(History storage history, uint256 window) private view returns (uint256 low) {
        uint256 head = history.head;
        uint256 high = head & U32;
        while (low < high) {
            // Leans to the newest, which is what is mostly asked for.
            uint256 middle = (low + high) / 2;
            if (_window(history, head, middle) <= window) low = middle + 1;
            else high = middle;
        }
    }

    function _window(History storage history, uint256 head, uint256 index) private view returns (uint256) {
        if (index < HEAD_WINDOWS) return (head >> (32 + 32 * index)) & U32;
        index -= HEAD_WINDOWS;
        return (history.windows[index / 8] >> (32 * (index % 8))) & U32;
    }

    /// @dev On the curve and 8·(a point of the curve), so of order l or 1; not the neutral element, so of order l.
    function _checkPoint(Point calldata key, Point calldata eighth) private pure {
        if (
            !BabyJubJub.isOnCurve(key.x, key.y) ||
            !BabyJubJub.isOnCurve(eighth.x, eighth.y) ||
            !BabyJubJub.isEightTimes(eighth.x, eighth.y, key.x, key.y) ||
            (key.x == 0 && key.y == 1)
        ) revert DataKeyRegistry_BadPoint(key.x, key.y);
    }

    function _checkPossession(bytes32 hash, Point calldata key, SchnorrSignature calldata signature) private pure {
        uint256 challenge = uint256(hash) % BabyJubJub.ORDER;
        if (
            signature.s >= BabyJubJub.ORDER ||
            !BabyJubJub.isOnCurve(signature.r.x, signature.r.y) ||
            !BabyJubJub.isSchnorr([signature.s, challenge, key.x, key.y, signature.r.x, signature.r.y])
        ) revert DataKeyRegistry_BadKeySignature();
    }

    function _authorizeUpgrade(address) internal override restricted {}

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
