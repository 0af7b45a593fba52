// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IDataKeyRegistry} from "../interfaces/identity/IDataKeyRegistry.sol";
import {TokenAccount} from "../libraries/TokenAccount.sol";

/// @dev What the proof market reads of the identity contracts, all in one, without their checks: project NFT, ioID registry,
/// ioID, data key registry and credential registry. Unit tests of the market use it; integration tests use the real ones.
contract IdentityDouble {
    address public constant walletRegistry = 0x000000006551c19487814612e58FE06813775758;
    address public immutable walletImplementation;
    uint256 private _count;

    mapping(uint256 projectId => address) public owners;
    mapping(address device => uint256) public deviceTokenId;
    mapping(address device => uint256) public deviceProject;
    mapping(address device => address) public signerOf;
    mapping(address signer => address) public deviceOfSigner;
    mapping(address device => mapping(bytes32 typeId => bool)) public isValid;
    mapping(uint256 projectId => mapping(uint256 tokenId => uint256)) private _commitments;
    mapping(address device => IDataKeyRegistry.Point) private _keys;
    mapping(uint256 projectId => mapping(address device => bool)) public isMember;

    error IdentityDouble_NoProject(uint256 projectId);

    constructor(address walletImplementation_) {
        walletImplementation = walletImplementation_;
    }

    function setProject(uint256 projectId, address owner) external {
        owners[projectId] = owner;
    }

    function addDevice(uint256 projectId, address device, address signer) external returns (uint256 tokenId) {
        tokenId = ++_count;
        deviceTokenId[device] = tokenId;
        deviceProject[device] = projectId;
        signerOf[device] = signer;
        deviceOfSigner[signer] = device;
    }

    function rotate(address device, address newSigner) external {
        delete deviceOfSigner[signerOf[device]];
        signerOf[device] = newSigner;
        deviceOfSigner[newSigner] = device;
    }

    function removeDevice(address device) external {
        delete deviceOfSigner[signerOf[device]];
        delete deviceTokenId[device];
        delete deviceProject[device];
        delete signerOf[device];
    }

    function setCredential(address device, bytes32 typeId, bool valid) external {
        isValid[device][typeId] = valid;
    }

    function setKey(uint256 projectId, uint256 tokenId, uint256 commitment) external {
        _commitments[projectId][tokenId] = commitment;
    }

    function setPoint(address device, uint256 x, uint256 y) external {
        _keys[device] = IDataKeyRegistry.Point(x, y);
    }

    function setMember(uint256 projectId, address device, bool member) external {
        isMember[projectId][device] = member;
    }

    function keyAt(
        uint256 projectId,
        address device,
        uint32
    ) external view returns (IDataKeyRegistry.Point memory key, uint256 commitment) {
        uint256 tokenId = deviceTokenId[device];
        if (tokenId != 0) (key, commitment) = (_keys[device], _commitments[projectId][tokenId]);
    }

    function ownerOf(uint256 projectId) external view returns (address owner) {
        owner = owners[projectId];
        if (owner == address(0)) revert IdentityDouble_NoProject(projectId);
    }

    function ioID() external view returns (address) {
        return address(this);
    }

    function tokenIdOf(address device) external view returns (uint256) {
        return deviceTokenId[device];
    }

    function deviceInfo(address device) external view returns (uint256 id, uint256 projectId, address owner) {
        return (deviceTokenId[device], deviceProject[device], owners[deviceProject[device]]);
    }

    function wallet(uint256 tokenId) external view returns (address wallet_, string memory did_) {
        return (walletOf(tokenId), "");
    }

    function walletOf(uint256 tokenId) public view returns (address) {
        return TokenAccount.addressOf(walletRegistry, walletImplementation, address(this), tokenId);
    }

    function commitmentAt(uint256 projectId, uint256 tokenId, uint32) external view returns (uint256) {
        return _commitments[projectId][tokenId];
    }
}
