// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title ioID v2's registry: identifiers of 32 bytes for tokens of any chain, written by one operator.
/// @dev The facade of our registry for v2 clients. `bytes32(uint256(uint160(device)))` reads the device of that address
/// out of our registry, live or nothing: such identifiers are the devices' own, and the operator cannot write them.
/// All others are what the operator says. Warning: nobody proves that he is right; what matters reads IIoIDRegistry.
/// Revert strings are those that v2 clients match on.
interface IIoIDRegistryV2 {
    /// @notice The operator wrote an identifier's token.
    event DeviceNFTUpdated(bytes32 indexed ioIDIdentifier, uint256 chainID, bytes NFTcontract, uint256 tokenID);

    /// @notice An identifier was deleted.
    event DeviceNFTDeleted(bytes32 ioIDIdentifier);

    /// @notice The operator wrote where an identifier's document is.
    event DIDDocMetadataUpdated(bytes32 indexed ioIDIdentifier, string didDocUri, bytes32 didDocHash);

    /// @notice An identifier's document was deleted with it.
    event DIDDocMetadataDeleted(bytes32 ioIDIdentifier);

    /// @notice The operator changed.
    event OperatorChanged(address indexed oldOperator, address indexed newOperator);

    /// @notice The caller is not the operator.
    error IoIDRegistryV2_NotOperator(address caller, address operator);

    /// @notice An operator may not be the zero address.
    error IoIDRegistryV2_ZeroOperator();

    /// @notice The identifier is a device's address: only the device's registration answers for it.
    error IoIDRegistryV2_DeviceIdentifier(bytes32 ioIDIdentifier);

    /// @notice Sets owner and operator.
    function initialize(address owner) external;

    /// @notice Sets the operator. Owner only.
    function setOperator(address operator_) external;

    /// @notice Writes the token of an identifier. Operator only; `NFTcontract` has 20 or 32 bytes.
    function registerDeviceNFT(
        bytes32 ioIDIdentifier,
        uint256 chainID,
        bytes calldata NFTcontract,
        uint256 tokenID
    ) external;

    /// @notice Writes token and document of an identifier. Operator only.
    function registerDeviceNFTWithDIDDoc(
        bytes32 ioIDIdentifier,
        uint256 chainID,
        bytes calldata NFTcontract,
        uint256 tokenID,
        string calldata didUri,
        bytes32 didHash
    ) external;

    /// @notice Deletes an identifier that the operator wrote. Owner only.
    function deleteDeviceNFT(bytes32 ioIDIdentifier) external;

    /// @notice Who writes.
    function operator() external view returns (address);

    /// @notice Live devices of our registry and identifiers of the operator.
    function totalDevices() external view returns (uint256);

    /// @notice Token of an identifier; zeros when there is none.
    function getDeviceNFT(
        bytes32 ioIDIdentifier
    ) external view returns (uint256 chainID, bytes memory NFTcontract, uint256 tokenID);

    /// @notice Document of an identifier; empty when there is none.
    function getDIDDocMetadata(
        bytes32 ioIDIdentifier
    ) external view returns (string memory didDocUri, bytes32 didDocHash);
}

/// @title The operator that writes many at once and makes their accounts (ioID v2 ABI).
/// @dev Our accounts start with their logic, so `accountImplementationUpgradable` is kept for its getter and never
/// called: whoever made the account first could have initialised it.
interface IIoIDRegistryBatchWrapper {
    /// @notice One identifier was written and its account made.
    event BatchRegistered(
        bytes32 indexed ioIDIdentifier,
        uint256 chainID,
        address nftContract,
        uint256 tokenID,
        address accountAddress
    );

    /// @notice Writes each identifier and makes its account. Owner only.
    function batchRegister(
        bytes32[] calldata ioIDIdentifiers,
        uint256[] calldata chainIDs,
        address[] calldata nftContracts,
        uint256[] calldata tokenIDs
    ) external returns (address[] memory accountAddresses);

    /// @notice Writes one identifier. Owner only: this contract is the operator, and its caller speaks by it.
    function registerDeviceNFT(
        bytes32 ioIDIdentifier,
        uint256 chainID,
        bytes calldata NFTcontract,
        uint256 tokenID
    ) external;
}
