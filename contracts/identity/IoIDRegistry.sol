// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// solhint-disable gas-custom-errors
// v1 clients match on these strings.

import {AccessManagedUpgradeable} from "@openzeppelin/contracts-upgradeable/access/manager/AccessManagedUpgradeable.sol";
import {UUPSUpgradeable} from "@openzeppelin/contracts/proxy/utils/UUPSUpgradeable.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IIoID} from "../interfaces/identity/IIoID.sol";
import {IIoIDRegistry} from "../interfaces/identity/IIoIDRegistry.sol";
import {IIoIDStore} from "../interfaces/identity/IIoIDStore.sol";
import {IMemberships} from "../interfaces/identity/IMemberships.sol";
import {DeviceConsent} from "../libraries/DeviceConsent.sol";
import {DeviceDid} from "../libraries/DeviceDid.sol";
import {PackedString} from "../libraries/PackedString.sol";
import {TypedData} from "../libraries/TypedData.sol";

/// @title Registry of devices (see IIoIDRegistry).
contract IoIDRegistry is IIoIDRegistry, AccessManagedUpgradeable, UUPSUpgradeable {
    struct Record {
        /// @dev nonce (40 bits) | ioID, 0 when not registered (40) | flags (8) | URI length (16) | its first 19 bytes.
        uint256 head;
        bytes32 hash;
        mapping(uint256 => bytes32) uriTail;
    }

    /// @dev What became of an address as a key; unwritten for a first key that was never rotated away.
    struct Key {
        address device;
        bool retired;
    }

    /// @custom:storage-location erc7201:trellis.storage.IoIDRegistry
    struct Storage {
        IIoIDStore store;
        mapping(address device => Record) records;
        mapping(address device => address) signers;
        mapping(address key => Key) keys;
        /// @dev ioID that a device NFT was last registered with: used while that ioID lives.
        mapping(address deviceContract => mapping(uint256 tokenId => uint256 id)) nftIds;
        mapping(address user => mapping(address relayer => bool)) relayers;
        IMemberships memberships;
    }

    // keccak256(abi.encode(uint256(keccak256("trellis.storage.IoIDRegistry")) - 1)) & ~bytes32(uint256(0xff))
    bytes32 private constant STORAGE = 0xf3ace51781f6f4198a8a42d14606958a2ee238acead8a93fcb1301ace3d59e00;

    uint256 private constant U40 = 0xffffffffff;
    uint256 private constant ROTATED = 0x100000000000000000000; // 1 << 80
    uint256 private constant MEMBER = ROTATED << 1;
    uint256 private constant URI_LOW = 104;
    uint256 private constant MAX_BATCH = 64;

    // The same for `update` in assembly, which takes literals only; a test compares what it does with the plain way.
    /// @dev STORAGE + 1: where `records` lies.
    uint256 private constant RECORDS = 0xf3ace51781f6f4198a8a42d14606958a2ee238acead8a93fcb1301ace3d59e01;
    uint256 private constant URI_ROOM = 19; // bytes above URI_LOW
    uint256 private constant URI_SIZE = 88; // URI_LOW - 16
    uint256 private constant BELOW_URI = 0xffffffffffffffffffffff; // the 88 bits below
    bytes32 private constant OWNER_OF = 0x6352211e00000000000000000000000000000000000000000000000000000000;
    bytes32 private constant UPDATE_DEVICE = 0x56c4adbfac097b5bec49fa8c702ae682a2d4c10bee1ac0aad3af7f3768d0fc0f;
    uint256 private constant ABOVE_HALF_ORDER = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a1; // see TypedData
    bytes32 private constant DOMAIN_TYPE = 0x8b73c3c69bb8fe3d512ecc4cf759cc79239f7b179b0ffacaa9a75d522b39400f;
    bytes32 private constant NAME = 0x04145c42dc91c070d3d51d42956bb4d907d74a0c89415a8794e8751005876e5d;
    bytes32 private constant VERSION = 0xc89efdaa54c0f20c7adf612882df0950f5a951637e0307cdcb4c672f298b8bc6;
    bytes32 private constant PERMIT_TYPE = 0xe36c3d5cb707dcfeb19a6a4b1d7b82c8c20d841769c752e659da03b2a8b729f9;

    address private immutable _initialAuthority;
    /// @dev In the code and not in storage: every call reads it, and it never changes.
    IIoID private immutable _ioID;
    /// @dev Bound of a legacy signature's s: zero once legacy permits are closed. In the code too, so that the switch costs legacy
    /// callers nothing: governance closes it by an upgrade to this logic built with `false`, behind the delay of the upgrade role.
    uint256 private immutable _legacyBound;
    address private immutable _forwarder;

    modifier before(uint256 deadline) {
        if (block.timestamp > deadline) revert IoIDRegistry_Expired(deadline, block.timestamp);
        _;
    }

    /// @param authority_  AccessManager that instances start under.
    /// @param ioID_  The ioID collection.
    /// @param legacyPermits_  Whether legacy permits of update, migrate and remove are accepted.
    /// @param forwarder_  ERC-2771 forwarder that is believed who calls; zero for none.
    constructor(address authority_, address ioID_, bool legacyPermits_, address forwarder_) {
        _initialAuthority = authority_;
        _ioID = IIoID(ioID_);
        _legacyBound = legacyPermits_ ? ABOVE_HALF_ORDER : 0;
        _forwarder = forwarder_;
        _disableInitializers();
    }

    /// @inheritdoc IIoIDRegistry
    function initialize(address ioIDStore_, address ioID_) external initializer {
        if (ioID_ != address(_ioID)) revert IoIDRegistry_OtherIoID(ioID_);
        __AccessManaged_init(_initialAuthority);
        _setStore(ioIDStore_);
    }

    /// @inheritdoc IIoIDRegistry
    function register(
        address deviceContract,
        uint256 tokenId,
        address device,
        bytes32 hash,
        string calldata uri,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external payable {
        address user = _sender();
        _checkPermit(user, device, _storage().records[device].head, v, r, s);
        _register(deviceContract, tokenId, user, device, hash, uri, msg.value);
    }

    /// @inheritdoc IIoIDRegistry
    function register(
        address deviceContract,
        uint256 tokenId,
        address user,
        address device,
        bytes32 hash,
        string calldata uri,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external payable {
        _checkCaller(user);
        _checkPermit(user, device, _storage().records[device].head, v, r, s);
        _register(deviceContract, tokenId, user, device, hash, uri, msg.value);
    }

    /// @inheritdoc IIoIDRegistry
    function register(
        Registration calldata registration,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata userSignature
    ) external payable before(deadline) {
        _checkConsent(registration.user, _checkRegistration(registration, deadline, deviceSignature), userSignature);
        _register(registration, msg.value);
    }

    /// @inheritdoc IIoIDRegistry
    function registerBatch(
        Registration[] calldata registrations,
        uint256 deadline,
        bytes[] calldata deviceSignatures,
        bytes calldata userSignature
    ) external payable before(deadline) {
        uint256 size = registrations.length;
        if (size == 0 || size > MAX_BATCH || deviceSignatures.length != size) {
            revert IoIDRegistry_BatchSize(size, deviceSignatures.length, MAX_BATCH);
        }
        _checkConsent(registrations[0].user, _batchDigest(registrations, deadline), userSignature);

        uint256 value = msg.value / size;
        uint256 rest = msg.value % size;
        for (uint256 i = 0; i < size; ++i) {
            // By the nonce that stands now: device contracts of those before may have called back.
            _checkRegistration(registrations[i], deadline, deviceSignatures[i]);
            _register(registrations[i], i == 0 ? value + rest : value);
        }
    }

    /// @inheritdoc IIoIDRegistry
    /// @dev Devices in the field change their documents by this form, so its usual case is written out: the owner calls, the
    /// first key signed, the URI fits the head, no forwarder is between. That is a thousand gas less and no rule of its own:
    /// whatever is otherwise, or wrong, has written nothing and goes the plain way below, where the checks and the errors are.
    function update(address device, bytes32 hash, string calldata uri, uint8 v, bytes32 r, bytes32 s) external {
        {
            address collection = address(_ioID);
            address forwarder = _forwarder;
            uint256 bound = _legacyBound;
            assembly {
                // Memory from 0x80 on is free, and nothing has been laid there yet. A product that overflows to zero, too, only
                // goes the plain way.
                if mul(mul(hash, sub(caller(), forwarder)), and(lt(sub(uri.length, 1), URI_ROOM), lt(s, bound))) {
                    mstore(0x00, device)
                    mstore(0x20, RECORDS)
                    let slot := keccak256(0x00, 0x40)
                    let head := sload(slot)
                    // The collection's ownerOf(id) reverts for an id that is not live; what begins with a selector is no caller.
                    mstore(0x00, OWNER_OF)
                    mstore(0x04, and(shr(40, head), U40))
                    // Operands are evaluated from the last to the first. 1 when the owner calls, to be more than a rotated key's flag.
                    if gt(
                        and(eq(mload(0x00), caller()), staticcall(gas(), collection, 0x00, 0x24, 0x00, 0x20)),
                        and(head, ROTATED)
                    ) {
                        // DeviceConsent.permit(owner, nonce): 0x1901 | domain | struct
                        mstore(0x80, DOMAIN_TYPE)
                        mstore(0xa0, NAME)
                        mstore(0xc0, VERSION)
                        mstore(0xe0, chainid())
                        mstore(0x100, address())
                        let separator := keccak256(0x80, 0xa0)
                        mstore(0x80, hex"1901")
                        mstore(0x82, separator)
                        mstore(0xc2, PERMIT_TYPE)
                        mstore(0xe2, caller())
                        mstore(0x102, and(head, U40))
                        mstore(0xa2, keccak256(0xc2, 0x60))
                        mstore(0x80, keccak256(0x80, 0x42))
                        calldatacopy(0xa0, 0x64, 0x60) // v, r, s as they came
                        // A refused signature returns nothing, and what stays of RECORDS is no address.
                        pop(staticcall(gas(), 0x01, 0x80, 0x80, 0x20, 0x20))
                        if eq(mload(0x20), device) {
                            // PackedString.write of what fits the head, and one nonce more
                            let drop := shl(3, sub(32, uri.length))
                            let word := shl(drop, shr(drop, calldataload(uri.offset)))
                            sstore(add(slot, 1), hash)
                            sstore(slot, or(word, or(shl(URI_SIZE, uri.length), add(and(head, BELOW_URI), 1))))
                            // UpdateDevice(device, owner, hash, uri)
                            mstore(0x80, caller())
                            mstore(0xa0, hash)
                            mstore(0xc0, 0x60)
                            mstore(0xe0, uri.length)
                            mstore(0x100, word)
                            log2(0x80, 0xa0, UPDATE_DEVICE, device)
                            stop()
                        }
                    }
                }
            }
        }
        (Record storage record, uint256 head, address owner) = _legacy(device, v, r, s);
        _update(device, hash, uri, owner, head, record);
    }

    /// @inheritdoc IIoIDRegistry
    function update(
        address device,
        bytes32 hash,
        string calldata uri,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata ownerSignature
    ) external before(deadline) {
        Record storage record = _record(device);
        (uint256 head, address owner) = _live(record);
        {
            bytes32 digest = DeviceConsent.update(device, hash, uri, head & U40, deadline);
            _checkKey(_signer(device, head), digest, deviceSignature);
            _checkConsent(owner, digest, ownerSignature);
        }
        _update(device, hash, uri, owner, head, record);
    }

    /// @inheritdoc IIoIDRegistry
    function migrate(address device, address user, uint8 v, bytes32 r, bytes32 s) external {
        (Record storage record, uint256 head, ) = _legacy(device, v, r, s);
        _migrate(record, head, device, user);
    }

    /// @inheritdoc IIoIDRegistry
    function migrate(
        address device,
        address user,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata ownerSignature
    ) external before(deadline) {
        Record storage record = _record(device);
        (uint256 head, address owner) = _live(record);
        bytes32 digest = DeviceConsent.migrate(device, user, head & U40, deadline);
        _checkKey(_signer(device, head), digest, deviceSignature);
        _checkConsent(owner, digest, ownerSignature);
        _migrate(record, head, device, user);
    }

    /// @inheritdoc IIoIDRegistry
    function remove(address device, uint8 v, bytes32 r, bytes32 s) external {
        (Record storage record, uint256 head, address owner) = _legacy(device, v, r, s);
        _remove(record, head, device, owner);
    }

    /// @inheritdoc IIoIDRegistry
    function remove(
        address device,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata ownerSignature
    ) external before(deadline) {
        Record storage record = _record(device);
        (uint256 head, address owner) = _live(record);
        bytes32 digest = DeviceConsent.remove(device, head & U40, deadline);
        _checkKey(_signer(device, head), digest, deviceSignature);
        _checkConsent(owner, digest, ownerSignature);
        _remove(record, head, device, owner);
    }

    /// @inheritdoc IIoIDRegistry
    function rotate(
        address device,
        address newSigner,
        uint256 deadline,
        bytes calldata newSignerSignature,
        bytes calldata ownerSignature
    ) external before(deadline) {
        Storage storage $ = _storage();
        (uint256 head, address owner) = _live(_record(device));
        bytes32 digest = DeviceConsent.rotate(device, newSigner, head & U40, deadline);
        _checkKey(newSigner, digest, newSignerSignature);
        _checkConsent(owner, digest, ownerSignature);

        // Fresh means: never a key of any device, and never an identifier (whose head keeps its nonce for ever).
        if ($.keys[newSigner].device != address(0)) revert IoIDRegistry_KeyTaken(newSigner, $.keys[newSigner].device);
        if ($.records[newSigner].head != 0) revert IoIDRegistry_KeyTaken(newSigner, newSigner);
        address oldSigner = _signer(device, head);
        $.keys[oldSigner] = Key(device, true);
        $.keys[newSigner] = Key(device, false);
        $.signers[device] = newSigner;
        _record(device).head = _spent(head | ROTATED);
        emit RotateSigner(device, oldSigner, newSigner);
    }

    /// @inheritdoc IIoIDRegistry
    function setRelayer(address relayer, bool allowed) external {
        address user = _sender();
        _storage().relayers[user][relayer] = allowed;
        emit SetRelayer(user, relayer, allowed);
    }

    /// @inheritdoc IIoIDRegistry
    function cancelNonce(address device) external {
        Record storage record = _record(device);
        (uint256 head, address owner) = _live(record);
        _checkCaller(owner);
        record.head = _spent(head);
    }

    /// @inheritdoc IIoIDRegistry
    function setIoIDStore(address ioIDStore_) external restricted {
        _setStore(ioIDStore_);
    }

    /// @inheritdoc IIoIDRegistry
    function setMemberships(address memberships_) external restricted {
        if (memberships_ == address(0)) revert IoIDRegistry_ZeroAddress();
        // Devices are marked as members of one contract: another would never hear of their removal.
        address present = address(_storage().memberships);
        if (present != address(0)) revert IoIDRegistry_MembershipsSet(present);
        _storage().memberships = IMemberships(memberships_);
        emit SetMemberships(memberships_);
    }

    /// @inheritdoc IIoIDRegistry
    function markMember(address device, bool member) external {
        if (msg.sender != address(_storage().memberships)) revert IoIDRegistry_NotMemberships(msg.sender);
        Record storage record = _existing(device);
        record.head = member ? record.head | MEMBER : record.head & ~MEMBER;
    }

    /// @inheritdoc IIoIDRegistry
    function memberships() external view returns (address) {
        return address(_storage().memberships);
    }

    /// @inheritdoc IIoIDRegistry
    function isTrustedForwarder(address forwarder) external view returns (bool) {
        return forwarder == _forwarder;
    }

    /// @inheritdoc IIoIDRegistry
    function trustedForwarder() external view returns (address) {
        return _forwarder;
    }

    /// @inheritdoc IIoIDRegistry
    function signerOf(address device) external view returns (address) {
        uint256 head = _storage().records[device].head;
        return _id(head) == 0 ? address(0) : _signer(device, head);
    }

    /// @inheritdoc IIoIDRegistry
    function deviceOfSigner(address signer) external view returns (address) {
        Storage storage $ = _storage();
        Key memory key = $.keys[signer];
        if (key.retired) return address(0);
        address device = key.device == address(0) ? signer : key.device;
        return _id($.records[device].head) == 0 ? address(0) : device;
    }

    /// @inheritdoc IIoIDRegistry
    function isRetired(address signer) external view returns (bool) {
        return _storage().keys[signer].retired;
    }

    /// @inheritdoc IIoIDRegistry
    function isRelayer(address user, address relayer) external view returns (bool) {
        return _storage().relayers[user][relayer];
    }

    /// @inheritdoc IIoIDRegistry
    function legacyPermits() external view returns (bool) {
        return _legacyBound != 0;
    }

    /// @inheritdoc IIoIDRegistry
    function EIP712DOMAIN_TYPEHASH() external pure returns (bytes32) {
        return TypedData.DOMAIN_TYPE;
    }

    /// @inheritdoc IIoIDRegistry
    function METHOD() external pure returns (string memory) {
        return DeviceDid.METHOD;
    }

    /// @inheritdoc IIoIDRegistry
    function deviceTokenId(address device) external view returns (uint256) {
        return _id(_existing(device).head);
    }

    /// @inheritdoc IIoIDRegistry
    function documentHash(address device) external view returns (bytes32) {
        return _existing(device).hash;
    }

    /// @inheritdoc IIoIDRegistry
    function documentID(address device) external pure returns (string memory) {
        return DeviceDid.toString(device);
    }

    /// @inheritdoc IIoIDRegistry
    function documentURI(address device) external view returns (string memory) {
        Record storage record = _existing(device);
        return PackedString.read(record.uriTail, record.head, URI_LOW);
    }

    /// @inheritdoc IIoIDRegistry
    function exists(address device) external view returns (bool) {
        return _id(_storage().records[device].head) != 0;
    }

    /// @inheritdoc IIoIDRegistry
    function ioID() external view returns (address) {
        return address(_ioID);
    }

    /// @inheritdoc IIoIDRegistry
    function ioIDStore() external view returns (address) {
        return address(_storage().store);
    }

    /// @inheritdoc IIoIDRegistry
    function nonces(address device) external view returns (uint256) {
        return _storage().records[device].head & U40;
    }

    /// @inheritdoc IIoIDRegistry
    function permitHash(address owner, address device) external view returns (bytes32) {
        return DeviceConsent.permitHash(owner, _storage().records[device].head & U40);
    }

    /// @inheritdoc IIoIDRegistry
    function registeredNFT(address deviceContract, uint256 tokenId) external view returns (bool) {
        return _isLive(_storage().nftIds[deviceContract][tokenId]);
    }

    /// @inheritdoc IIoIDRegistry
    function DOMAIN_SEPARATOR() public view returns (bytes32) {
        return DeviceConsent.domain();
    }

    /// @dev Consents are checked. The device contract is the project's and may call back: it is called last.
    function _register(
        address deviceContract,
        uint256 tokenId,
        address user,
        address device,
        bytes32 hash,
        string calldata uri,
        uint256 value
    ) private {
        Storage storage $ = _storage();
        uint256 head = $.records[device].head;
        require(device != address(0), "device is the zero address");
        require(!_isLive($.nftIds[deviceContract][tokenId]), "nft already used");
        require(IERC721(deviceContract).ownerOf(tokenId) == user, "invalid device nft owner");
        require(_id(head) == 0, "device exists");
        require(hash != bytes32(0), "empty hash");
        uint256 id;
        {
            // An address that became the key of another device is no identifier of its own any more.
            address keyOf = $.keys[device].device;
            if (keyOf != address(0) && keyOf != device) revert IoIDRegistry_KeyTaken(device, keyOf);

            uint256 projectId = $.store.deviceContractProject(deviceContract);
            require(projectId != 0, "invalid project");
            $.store.activeIoID{value: value}(projectId, _sender());
            id = _ioID.mint(projectId, device, user);
        }
        $.nftIds[deviceContract][tokenId] = id;
        {
            Record storage record = $.records[device];
            record.hash = hash;
            record.head = PackedString.write(record.uriTail, _spent(head) | (id << 40), URI_LOW, uri);
        }
        emit NewDevice(device, user, hash, uri);
        IERC721(deviceContract).safeTransferFrom(user, _ioID.walletOf(id), tokenId);
    }

    function _register(Registration calldata registration, uint256 value) private {
        _register(
            registration.deviceContract,
            registration.tokenId,
            registration.user,
            registration.device,
            registration.hash,
            registration.uri,
            value
        );
    }

    function _update(
        address device,
        bytes32 hash,
        string calldata uri,
        address owner,
        uint256 head,
        Record storage record
    ) private {
        require(hash != bytes32(0), "empty hash");
        record.hash = hash;
        record.head = PackedString.write(record.uriTail, _spent(head), URI_LOW, uri);
        bytes32 topic = UpdateDevice.selector;
        assembly ("memory-safe") {
            // UpdateDevice(device, owner, hash, uri): what the compiler makes of `emit` costs some hundred gas more.
            let free := mload(0x40)
            mstore(free, owner)
            mstore(add(free, 32), hash)
            mstore(add(free, 64), 96)
            // The last word first, for its zeros behind the end; of an empty string it is the length.
            let padded := and(add(uri.length, 31), not(31))
            mstore(add(free, add(96, padded)), 0)
            mstore(add(free, 96), uri.length)
            calldatacopy(add(free, 128), uri.offset, uri.length)
            log2(free, add(128, padded), topic, device)
        }
    }

    function _migrate(Record storage record, uint256 head, address device, address user) private {
        record.head = _spent(head);
        _ioID.migrate(_id(head), user);
        emit Migrate(device, user);
    }

    function _remove(Record storage record, uint256 head, address device, address owner) private {
        // Keeps nonce and rotation: signatures and retired keys of before stay void after a new registration.
        record.head = _spent(head & (U40 | ROTATED));
        if (head & MEMBER != 0) _storage().memberships.end(device, _id(head));
        _ioID.removeDID(device);
        emit RemoveDevice(device, owner);
    }

    function _setStore(address ioIDStore_) private {
        require(ioIDStore_ != address(0), "zero address");
        _storage().store = IIoIDStore(ioIDStore_);
        emit SetIoIdStore(ioIDStore_);
    }

    /// @dev Owner as caller (or his relayer) and the device's permit for that owner.
    function _legacy(
        address device,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) private view returns (Record storage record, uint256 head, address owner) {
        if (_legacyBound == 0) revert IoIDRegistry_LegacyClosed();
        record = _record(device);
        (head, owner) = _live(record);
        _checkCaller(owner);
        _checkPermit(owner, device, head, v, r, s);
    }

    function _live(Record storage record) private view returns (uint256 head, address owner) {
        head = record.head;
        uint256 id = _id(head);
        require(id != 0, "device not exists");
        address collection = address(_ioID);
        bytes4 ownerOf = IERC721.ownerOf.selector;
        assembly ("memory-safe") {
            // The collection is our own and the id is live: one word comes back. Anything else ends the call.
            mstore(0x00, ownerOf)
            mstore(0x04, id)
            if iszero(and(gt(returndatasize(), 31), staticcall(gas(), collection, 0x00, 0x24, 0x00, 0x20))) {
                revert(0x00, 0x00)
            }
            owner := mload(0x00)
        }
    }

    function _record(address device) private view returns (Record storage) {
        return _storage().records[device];
    }

    function _existing(address device) private view returns (Record storage record) {
        record = _storage().records[device];
        require(_id(record.head) != 0, "device not exists");
    }

    function _isLive(uint256 id) private view returns (bool) {
        return id != 0 && _ioID.formerOwnerOf(id) == address(0);
    }

    function _signer(address device, uint256 head) private view returns (address) {
        return head & ROTATED == 0 ? device : _storage().signers[device];
    }

    function _checkPermit(address owner, address device, uint256 head, uint8 v, bytes32 r, bytes32 s) private view {
        bytes32 digest = DeviceConsent.permit(owner, head & U40);
        _checkSigner(_signer(device, head), TypedData.recover(digest, v, r, s));
    }

    function _checkKey(address key, bytes32 digest, bytes calldata signature) private view {
        _checkSigner(key, TypedData.recover(digest, signature));
    }

    function _checkSigner(address key, address signer) private pure {
        require(signer != address(0) && signer == key, "invalid signature");
    }

    function _checkCaller(address user) private view {
        address caller = _sender();
        if (caller != user && !_storage().relayers[user][caller]) revert IoIDRegistry_NoConsent(user, caller);
    }

    function _checkConsent(address user, bytes32 digest, bytes calldata signature) private view {
        if (signature.length == 0) _checkCaller(user);
        else if (!SignatureChecker.isValidSignatureNowCalldata(user, digest, signature)) {
            revert IoIDRegistry_NoConsent(user, _sender());
        }
    }

    /// @dev The device's key signed this registration; its digest, for the user's consent.
    function _checkRegistration(
        Registration calldata registration,
        uint256 deadline,
        bytes calldata deviceSignature
    ) private view returns (bytes32 digest) {
        uint256 head = _storage().records[registration.device].head;
        digest = DeviceConsent.register(registration, head & U40, deadline);
        _checkKey(_signer(registration.device, head), digest, deviceSignature);
    }

    /// @dev What the user of a batch signs; all are for one user.
    function _batchDigest(Registration[] calldata registrations, uint256 deadline) private view returns (bytes32) {
        bytes32[] memory hashes = new bytes32[](registrations.length);
        address user = registrations[0].user;
        for (uint256 i = 0; i < hashes.length; ++i) {
            Registration calldata registration = registrations[i];
            if (registration.user != user) revert IoIDRegistry_OtherUser(i, registration.user);
            uint256 nonce = _storage().records[registration.device].head & U40;
            hashes[i] = DeviceConsent.registerHash(registration, nonce, deadline);
        }
        return DeviceConsent.registerBatch(hashes, deadline);
    }

    /// @dev Who calls: through the forwarder the account whose signature it checked, which it appends (ERC-2771). Only where an
    /// owner's consent counts: it never speaks for governance.
    function _sender() private view returns (address) {
        if (msg.sender != _forwarder || msg.data.length < 20) return msg.sender;
        return address(bytes20(msg.data[msg.data.length - 20:]));
    }

    /// @dev The head after one more nonce; 2^40 of them do not come.
    function _spent(uint256 head) private pure returns (uint256) {
        unchecked {
            return head + 1;
        }
    }

    function _id(uint256 head) private pure returns (uint256) {
        return (head >> 40) & U40;
    }

    function _authorizeUpgrade(address logic) internal override restricted {
        if (IIoIDRegistry(logic).ioID() != address(_ioID)) revert IoIDRegistry_OtherIoID(IIoIDRegistry(logic).ioID());
    }

    function _storage() private pure returns (Storage storage $) {
        assembly {
            $.slot := STORAGE
        }
    }
}
