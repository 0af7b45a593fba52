// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IIoIDRegistry} from "../IIoIDRegistry.sol";

/// @title A project that registers the devices which its verifier has seen (ioID v1 ABI with a typed overload).
/// @dev A clone that owns its project and its collection of devices. The registry knows it as the user: devices sign
/// for its address, by v1's permit or by the registry's typed `Register`. Then it hands the ioID to the owner.
/// Legacy form: the verifier signs eth_sign(packed(uint256 chainid, address owner, address device)), which binds no
/// proxy, no document and no time. So it works only for the owner himself (or his relayer), and only in the one proxy
/// that is the verifier's home (IVerifierHomes).
/// Typed form: verifier and owner sign, in the domain {name: "VerifyingProxy", version: "1", chainId, this},
/// `Register(address deviceContract,uint256 tokenId,address user,address device,bytes32 hash,string uri,
/// uint256 deadline)`; the device signs the registry's `Register` with the same values and the proxy as `user`. Its
/// nonce there and the token, which is minted once, make it good for one registration.
/// Assumption: the verifier answers for (owner, device); two registrations at once need two calls of the verifier,
/// who hands out token ids in order.
interface IVerifyingProxy {
    /// @notice A device was registered to `owner`.
    event Registered(address indexed owner, address indexed device, uint256 deviceTokenId, uint256 ioIDTokenID);

    /// @notice Who vouches for devices changed. v1 always said that the old one was zero.
    event VerifierChanged(address indexed oldVerifier, address indexed newVerifier);

    /// @notice The gauge changed; set without staking it is only announced, as in v1.
    event DeviceGaugeSetted(address indexed gauge);

    /// @notice The caller of the legacy form is neither the owner nor his relayer.
    error VerifyingProxy_NotOwner(address owner, address caller);

    /// @notice The verifier's legacy signature for this owner and device was used: another registration needs a typed one.
    error VerifyingProxy_VouchedBefore(address owner, address device);

    /// @notice The verifier's legacy signatures count in another proxy.
    error VerifyingProxy_VerifierElsewhere(address verifier, address home);

    /// @notice The signatures came after their deadline.
    error VerifyingProxy_Expired(uint256 deadline, uint256 time);

    /// @notice The registration names another collection, or a token that is not the next.
    error VerifyingProxy_OtherToken(address deviceContract, uint256 tokenId);

    /// @notice The value is not what is due.
    error VerifyingProxy_WrongValue(uint256 have, uint256 want);

    /// @notice The token may not be sent here: nobody could take it out again.
    error VerifyingProxy_RefusedToken(address collection, address from);

    /// @notice Makes project, collection and quota; the caller becomes the owner. Once, in the transaction that clones.
    /// @dev Hardware (0): value = amount * price. Virtual (1): value = 0.
    function initialize(
        uint8 type_,
        address verifier_,
        string calldata projectName,
        string calldata name,
        string calldata symbol,
        uint256 amount
    ) external payable;

    /// @notice Serves another project that, with its collection, was handed to this proxy. Owner only.
    /// @dev v1's second initializer, which in v1 anybody's clone could be taken over by.
    function initialize(uint256 projectId_, address verifier_, address deviceNFT_, uint256 amount) external;

    /// @notice Registers `device` to `owner_`, who calls. See the legacy form above.
    /// @dev `v, r, s` is the device's `Permit(address owner,uint256 nonce)` for this proxy's address. What is paid above
    /// the price of a virtual project goes back to the caller.
    function register(
        bytes calldata verifySignature,
        bytes32 hash,
        string calldata uri,
        address owner_,
        address device,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external payable;

    /// @notice Registers a device; anybody may call. See the typed form above.
    /// @param registration  `user` is who gets the ioID, `tokenId` the next of `deviceContract`.
    /// @param ownerSignature  By `user` (ERC-1271 for contracts); empty when he or his relayer calls.
    function register(
        bytes calldata verifySignature,
        IIoIDRegistry.Registration calldata registration,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata ownerSignature
    ) external payable;

    /// @notice Buys `amount` ioIDs and lets as many devices more be minted. Owner only; value = amount * price.
    function applyIoIDs(uint256 amount) external payable;

    /// @notice Lets `amount` devices more be minted. Owner only.
    function incrementMinterAllowance(uint256 amount) external;

    /// @notice Sets who vouches for devices. Owner only.
    function changeVerifier(address verifier_) external;

    /// @notice Names the project. Owner only.
    function setName(string calldata name) external;

    /// @notice Writes metadata of the project. Owner only.
    function setMetadata(string calldata name, bytes calldata value) external;

    /// @notice Sets where token URIs of devices start. Owner only.
    function setBaseURI(string calldata uri) external;

    /// @notice Device NFTs of new registrations are deposited there for their owner; zero: no longer. Owner only.
    /// Warning: the gauge keeps the token; who chooses one trusts it.
    function setDeviceGauge(address gauge) external;

    /// @notice Lets `to` take the project token. Owner only; ends with the proxy's owner.
    function approveProjectNFT(address to) external;

    /// @notice Hands project and collection to `owner_`. Owner only; this proxy mints no more.
    function migrate(address owner_) external;

    /// @notice Version of the form, as v1 counts.
    // solhint-disable-next-line func-name-mixedcase
    function VERSION() external view returns (string memory);

    /// @notice Where device NFTs are deposited, 0 for nowhere.
    function deviceGauge() external view returns (address);

    /// @notice The project's collection.
    function deviceNFT() external view returns (address);

    /// @notice What collections are cloned from.
    function deviceNFTImplementation() external view returns (address);

    /// @notice The store.
    function ioIDStore() external view returns (address);

    /// @notice The project.
    function projectId() external view returns (uint256);

    /// @notice The open door for projects.
    function projectRegistry() external view returns (address);

    /// @notice Who vouches for devices.
    function verifier() external view returns (address);
}

/// @title What version 2 adds.
interface IVerifyingProxyV2 is IVerifyingProxy {
    /// @notice Announces a gauge where owners deposit by themselves. Owner only; no gauge may be set.
    function setDeviceGaugeWithoutStaking(address gauge) external;
}
