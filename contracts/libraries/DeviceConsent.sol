// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IIoIDRegistry} from "../interfaces/identity/IIoIDRegistry.sol";
import {TypedData} from "./TypedData.sol";

/// @title EIP-712 digests that devices and owners sign for IoIDRegistry, in the domain of the contract that runs this.
library DeviceConsent {
    bytes32 internal constant NAME = keccak256("ioIDRegistry");

    bytes32 internal constant PERMIT_TYPE = keccak256("Permit(address owner,uint256 nonce)");
    bytes32 private constant REGISTER_TYPE = keccak256(
        "Register(address deviceContract,uint256 tokenId,address user,address device,bytes32 hash,string uri,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant REGISTER_BATCH_TYPE = keccak256("RegisterBatch(bytes32 registrations,uint256 deadline)");
    bytes32 private constant UPDATE_TYPE = keccak256(
        "Update(address device,bytes32 hash,string uri,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant MIGRATE_TYPE = keccak256(
        "Migrate(address device,address user,uint256 nonce,uint256 deadline)"
    );
    bytes32 private constant REMOVE_TYPE = keccak256("Remove(address device,uint256 nonce,uint256 deadline)");
    bytes32 private constant ROTATE_TYPE = keccak256(
        "Rotate(address device,address newSigner,uint256 nonce,uint256 deadline)"
    );

    function domain() internal view returns (bytes32) {
        return TypedData.domain(NAME);
    }

    /// @notice Struct hash of v1's permit, which v1 calls its `permitHash`.
    function permitHash(address owner, uint256 nonce) internal pure returns (bytes32 hash) {
        bytes32 kind = PERMIT_TYPE;
        assembly ("memory-safe") {
            let free := mload(0x40)
            mstore(free, kind)
            mstore(add(free, 32), owner)
            mstore(add(free, 64), nonce)
            hash := keccak256(free, 96)
        }
    }

    function permit(address owner, uint256 nonce) internal view returns (bytes32) {
        return TypedData.digest(NAME, permitHash(owner, nonce));
    }

    /// @notice Struct hash of one registration.
    function registerHash(
        IIoIDRegistry.Registration calldata what,
        uint256 nonce,
        uint256 deadline
    ) internal pure returns (bytes32) {
        bytes memory head = abi.encode(REGISTER_TYPE, what.deviceContract, what.tokenId, what.user, what.device);
        bytes memory tail = abi.encode(what.hash, keccak256(bytes(what.uri)), nonce, deadline);
        return keccak256(bytes.concat(head, tail));
    }

    function register(
        IIoIDRegistry.Registration calldata what,
        uint256 nonce,
        uint256 deadline
    ) internal view returns (bytes32) {
        return TypedData.digest(NAME, registerHash(what, nonce, deadline));
    }

    /// @param hashes  Struct hashes of the registrations, in their order.
    function registerBatch(bytes32[] memory hashes, uint256 deadline) internal view returns (bytes32) {
        bytes32 registrations = keccak256(abi.encodePacked(hashes));
        return TypedData.digest(NAME, keccak256(abi.encode(REGISTER_BATCH_TYPE, registrations, deadline)));
    }

    function update(
        address device,
        bytes32 hash,
        string calldata uri,
        uint256 nonce,
        uint256 deadline
    ) internal view returns (bytes32) {
        bytes32 uriHash = keccak256(bytes(uri));
        return TypedData.digest(NAME, keccak256(abi.encode(UPDATE_TYPE, device, hash, uriHash, nonce, deadline)));
    }

    function migrate(address device, address user, uint256 nonce, uint256 deadline) internal view returns (bytes32) {
        return TypedData.digest(NAME, keccak256(abi.encode(MIGRATE_TYPE, device, user, nonce, deadline)));
    }

    function remove(address device, uint256 nonce, uint256 deadline) internal view returns (bytes32) {
        return TypedData.digest(NAME, keccak256(abi.encode(REMOVE_TYPE, device, nonce, deadline)));
    }

    function rotate(
        address device,
        address newSigner,
        uint256 nonce,
        uint256 deadline
    ) internal view returns (bytes32) {
        return TypedData.digest(NAME, keccak256(abi.encode(ROTATE_TYPE, device, newSigner, nonce, deadline)));
    }
}
