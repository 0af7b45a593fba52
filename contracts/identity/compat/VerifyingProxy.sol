// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

// solhint-disable gas-custom-errors
// v1 clients match on these strings.

import {OwnableUpgradeable} from "@openzeppelin/contracts-upgradeable/access/OwnableUpgradeable.sol";
import {MulticallUpgradeable} from "@openzeppelin/contracts-upgradeable/utils/MulticallUpgradeable.sol";
import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {Clones} from "@openzeppelin/contracts/proxy/Clones.sol";
import {IERC721} from "@openzeppelin/contracts/token/ERC721/IERC721.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {Address} from "@openzeppelin/contracts/utils/Address.sol";
import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {SignatureChecker} from "@openzeppelin/contracts/utils/cryptography/SignatureChecker.sol";
import {IDeviceGauge} from "../../interfaces/identity/compat/IDeviceGauge.sol";
import {IVerifierHomes} from "../../interfaces/identity/compat/IVerifierHomes.sol";
import {IVerifyingProxy, IVerifyingProxyV2} from "../../interfaces/identity/compat/IVerifyingProxy.sol";
import {IDeviceNFT} from "../../interfaces/identity/IDeviceNFT.sol";
import {IIoID} from "../../interfaces/identity/IIoID.sol";
import {IIoIDRegistry} from "../../interfaces/identity/IIoIDRegistry.sol";
import {IIoIDStore} from "../../interfaces/identity/IIoIDStore.sol";
import {IProject} from "../../interfaces/identity/IProject.sol";
import {IProjectRegistry} from "../../interfaces/identity/IProjectRegistry.sol";
import {IERC6551Executable} from "../../interfaces/wallet/IERC6551.sol";
import {TypedData} from "../../libraries/TypedData.sol";

/// @title A project behind its verifier (see IVerifyingProxy). Logic behind clones; nobody upgrades one.
contract VerifyingProxy is IVerifyingProxy, OwnableUpgradeable, IERC721Receiver {
    bytes32 private constant NAME = keccak256("VerifyingProxy");
    bytes32 private constant REGISTER_TYPE = keccak256(
        "Register(address deviceContract,uint256 tokenId,address user,address device,bytes32 hash,string uri,uint256 deadline)"
    );

    /// @inheritdoc IVerifyingProxy
    address public immutable ioIDStore;
    /// @inheritdoc IVerifyingProxy
    address public immutable projectRegistry;
    /// @inheritdoc IVerifyingProxy
    address public immutable deviceNFTImplementation;
    IVerifierHomes private immutable _homes;

    /// @inheritdoc IVerifyingProxy
    address public verifier;
    /// @inheritdoc IVerifyingProxy
    uint256 public projectId;
    /// @dev v1's signature names no registration: each is good once.
    mapping(bytes32 message => bool) private _spent;
    /// @inheritdoc IVerifyingProxy
    address public deviceNFT;
    /// @inheritdoc IVerifyingProxy
    address public deviceGauge;

    constructor(address ioIDStore_, address projectRegistry_, address deviceNFTImplementation_, address homes_) {
        ioIDStore = ioIDStore_;
        projectRegistry = projectRegistry_;
        deviceNFTImplementation = deviceNFTImplementation_;
        _homes = IVerifierHomes(homes_);
        _disableInitializers();
    }

    /// @inheritdoc IVerifyingProxy
    function initialize(
        uint8 type_,
        address verifier_,
        string calldata projectName,
        string calldata name,
        string calldata symbol,
        uint256 amount
    ) external payable initializer {
        _create(type_, verifier_, projectName, name, symbol, amount);
    }

    /// @inheritdoc IVerifyingProxy
    function initialize(uint256 projectId_, address verifier_, address deviceNFT_, uint256 amount) external onlyOwner {
        require(
            _project().ownerOf(projectId_) == address(this) && Ownable(deviceNFT_).owner() == address(this),
            "invalid owner"
        );
        require(IIoIDStore(ioIDStore).deviceContractProject(deviceNFT_) == projectId_, "invalid project");
        (projectId, deviceNFT, deviceGauge) = (projectId_, deviceNFT_, address(0));
        _serve(verifier_, amount);
    }

    /// @inheritdoc IVerifyingProxy
    function register(
        bytes calldata verifySignature,
        bytes32 hash,
        string calldata uri,
        address owner_,
        address device,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external payable {
        _checkLegacy(verifySignature, owner_, device);
        (uint256 tokenId, uint256 due) = (IDeviceNFT(deviceNFT).mint(address(this)), _due());
        _registerLegacy(tokenId, due, device, hash, uri, v, r, s);
        _handOver(owner_, device, tokenId, due);
    }

    /// @inheritdoc IVerifyingProxy
    function register(
        bytes calldata verifySignature,
        IIoIDRegistry.Registration calldata registration,
        uint256 deadline,
        bytes calldata deviceSignature,
        bytes calldata ownerSignature
    ) external payable {
        if (block.timestamp > deadline) revert VerifyingProxy_Expired(deadline, block.timestamp);
        IIoIDRegistry registry = _registry();
        {
            bytes32 digest = _digest(registration, deadline);
            _checkVerifier(digest, verifySignature);
            if (ownerSignature.length == 0) _checkCaller(registry, registration.user);
            else if (!SignatureChecker.isValidSignatureNowCalldata(registration.user, digest, ownerSignature)) {
                revert VerifyingProxy_NotOwner(registration.user, msg.sender);
            }
        }
        address nft = deviceNFT;
        uint256 tokenId = IDeviceNFT(nft).mint(address(this));
        if (registration.deviceContract != nft || registration.tokenId != tokenId) {
            revert VerifyingProxy_OtherToken(nft, tokenId);
        }
        IIoIDRegistry.Registration memory own = registration;
        own.user = address(this);
        uint256 due = _due();
        registry.register{value: due}(own, deadline, deviceSignature, "");
        _handOver(registration.user, registration.device, tokenId, due);
    }

    /// @inheritdoc IVerifyingProxy
    function applyIoIDs(uint256 amount) external payable onlyOwner {
        IDeviceNFT(deviceNFT).incrementMinterAllowance(address(this), amount);
        _apply(amount);
    }

    /// @inheritdoc IVerifyingProxy
    function incrementMinterAllowance(uint256 amount) external onlyOwner {
        IDeviceNFT(deviceNFT).incrementMinterAllowance(address(this), amount);
    }

    /// @inheritdoc IVerifyingProxy
    function changeVerifier(address verifier_) external onlyOwner {
        _setVerifier(verifier_);
    }

    /// @inheritdoc IVerifyingProxy
    function setName(string calldata name) external onlyOwner {
        _project().setName(projectId, name);
    }

    /// @inheritdoc IVerifyingProxy
    function setMetadata(string calldata name, bytes calldata value) external onlyOwner {
        _project().setMetadata(projectId, name, value);
    }

    /// @inheritdoc IVerifyingProxy
    function setBaseURI(string calldata uri) external onlyOwner {
        IDeviceNFT(deviceNFT).setBaseURI(uri);
    }

    /// @inheritdoc IVerifyingProxy
    function setDeviceGauge(address gauge) external onlyOwner {
        if (gauge != address(0)) _checkGauge(gauge);
        deviceGauge = gauge;
        emit DeviceGaugeSetted(gauge);
    }

    /// @inheritdoc IVerifyingProxy
    function approveProjectNFT(address to) external onlyOwner {
        _project().approve(to, projectId);
    }

    /// @inheritdoc IVerifyingProxy
    function migrate(address owner_) external onlyOwner {
        // v1 left itself a minter of what it gave away.
        IDeviceNFT(deviceNFT).removeMinter(address(this));
        Ownable(deviceNFT).transferOwnership(owner_);
        _project().safeTransferFrom(address(this), owner_, projectId);
    }

    /// @inheritdoc IERC721Receiver
    /// @dev Takes its own devices, and projects from its owner to serve. Anything else could never leave.
    function onERC721Received(address, address from, uint256, bytes calldata) external view returns (bytes4) {
        bool welcome =
            msg.sender == deviceNFT ? from == address(0) : msg.sender == address(_project()) && from == owner();
        if (!welcome) revert VerifyingProxy_RefusedToken(msg.sender, from);
        return IERC721Receiver.onERC721Received.selector;
    }

    /// @inheritdoc IVerifyingProxy
    function VERSION() external pure virtual returns (string memory) {
        return "0.0.1";
    }

    /// @dev An approval that the seller of a proxy left on the project would take it from the buyer.
    function _transferOwnership(address newOwner) internal override {
        if (projectId != 0) {
            IProject project = _project();
            bool left = project.getApproved(projectId) != address(0);
            if (left && project.ownerOf(projectId) == address(this)) project.approve(address(0), projectId);
        }
        super._transferOwnership(newOwner);
    }

    /// @dev What becomes of the device NFT in `wallet`, which is still ours, when there is no gauge.
    function _release(address wallet, address owner_, uint256 tokenId) internal virtual {}

    function _execute(address wallet, address to, bytes memory data) internal {
        IERC6551Executable(wallet).execute(to, 0, data, 0);
    }

    function _checkGauge(address gauge) internal view {
        require(IDeviceGauge(gauge).stakingToken() == deviceNFT, "invalid staking token");
    }

    function _create(
        uint8 type_,
        address verifier_,
        string calldata projectName,
        string calldata name,
        string calldata symbol,
        uint256 amount
    ) private {
        __Ownable_init(msg.sender);
        projectId = IProjectRegistry(projectRegistry).register(projectName, type_);
        deviceNFT = Clones.clone(deviceNFTImplementation);
        IDeviceNFT(deviceNFT).initialize(name, symbol);
        IIoIDStore(ioIDStore).setDeviceContract(projectId, deviceNFT);
        _serve(verifier_, amount);
        if (type_ == 0) _apply(amount);
        else if (msg.value != 0) revert VerifyingProxy_WrongValue(msg.value, 0);
    }

    function _serve(address verifier_, uint256 amount) private {
        _setVerifier(verifier_);
        IDeviceNFT(deviceNFT).configureMinter(address(this), amount);
        IDeviceNFT(deviceNFT).setApprovalForAll(address(_registry()), true);
    }

    function _setVerifier(address verifier_) private {
        require(verifier_ != address(0), "zero address");
        emit VerifierChanged(verifier, verifier_);
        verifier = verifier_;
        _homes.settle(verifier_);
    }

    function _apply(uint256 amount) private {
        uint256 due = amount * IIoIDStore(ioIDStore).price();
        if (msg.value != due) revert VerifyingProxy_WrongValue(msg.value, due);
        IIoIDStore(ioIDStore).applyIoIDs{value: due}(projectId, amount);
    }

    function _registerLegacy(
        uint256 tokenId,
        uint256 due,
        address device,
        bytes32 hash,
        string calldata uri,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) private {
        _registry().register{value: due}(deviceNFT, tokenId, device, hash, uri, v, r, s);
    }

    /// @dev The ioID is registered and ours: device NFT to its place, ioID to its owner, change to the caller.
    function _handOver(address owner_, address device, uint256 tokenId, uint256 due) private {
        IIoIDRegistry registry = _registry();
        IIoID ioID = IIoID(registry.ioID());
        uint256 id = registry.deviceTokenId(device);
        address wallet = ioID.walletOf(id);
        address gauge = deviceGauge;
        if (gauge == address(0)) {
            _release(wallet, owner_, tokenId);
        } else {
            _execute(wallet, deviceNFT, abi.encodeCall(IERC721.approve, (gauge, tokenId)));
            _execute(wallet, gauge, abi.encodeCall(IDeviceGauge.deposit, (tokenId, owner_)));
        }
        ioID.safeTransferFrom(address(this), owner_, id);
        emit Registered(owner_, device, tokenId, id);
        if (msg.value > due) Address.sendValue(payable(msg.sender), msg.value - due);
    }

    /// @dev Paid out of this call's value and never out of what lies here. Read once: the price may follow the count.
    function _due() private view returns (uint256 due) {
        if (_project().projectType(projectId) != 0) due = IIoIDStore(ioIDStore).price();
        require(msg.value >= due, "insufficient fund");
    }

    function _checkLegacy(bytes calldata signature, address owner_, address device) private {
        address home = _homes.homeOf(verifier);
        if (home != address(this)) revert VerifyingProxy_VerifierElsewhere(verifier, home);
        _checkCaller(_registry(), owner_);
        bytes memory message = abi.encodePacked(block.chainid, owner_, device);
        bytes32 digest = MessageHashUtils.toEthSignedMessageHash(message);
        _checkVerifier(digest, signature);
        if (_spent[digest]) revert VerifyingProxy_VouchedBefore(owner_, device);
        _spent[digest] = true;
    }

    function _checkCaller(IIoIDRegistry registry, address owner_) private view {
        if (msg.sender != owner_ && !registry.isRelayer(owner_, msg.sender)) {
            revert VerifyingProxy_NotOwner(owner_, msg.sender);
        }
    }

    function _checkVerifier(bytes32 digest, bytes calldata signature) private view {
        require(
            SignatureChecker.isValidSignatureNowCalldata(verifier, digest, signature),
            "invalid verifier signature"
        );
    }

    function _digest(IIoIDRegistry.Registration calldata what, uint256 deadline) private view returns (bytes32) {
        bytes memory head = abi.encode(REGISTER_TYPE, what.deviceContract, what.tokenId, what.user, what.device);
        bytes memory tail = abi.encode(what.hash, keccak256(bytes(what.uri)), deadline);
        return TypedData.digest(NAME, keccak256(bytes.concat(head, tail)));
    }

    function _registry() private view returns (IIoIDRegistry) {
        return IIoIDRegistry(IIoIDStore(ioIDStore).ioIDRegistry());
    }

    function _project() private view returns (IProject) {
        return IProject(IProjectRegistry(projectRegistry).project());
    }
}

/// @title The same with many calls in one, and the device NFT in its owner's hand instead of in the wallet.
/// @dev `multicall` takes no value, as in v1: what comes once cannot be spent twice.
contract VerifyingProxyV2 is VerifyingProxy, MulticallUpgradeable, IVerifyingProxyV2 {
    constructor(
        address ioIDStore_,
        address projectRegistry_,
        address deviceNFTImplementation_,
        address homes_
    ) VerifyingProxy(ioIDStore_, projectRegistry_, deviceNFTImplementation_, homes_) {}

    /// @inheritdoc IVerifyingProxyV2
    function setDeviceGaugeWithoutStaking(address gauge) external onlyOwner {
        _checkGauge(gauge);
        require(deviceGauge == address(0), "gauge already set");
        emit DeviceGaugeSetted(gauge);
    }

    /// @inheritdoc IVerifyingProxy
    function VERSION() external pure override(VerifyingProxy, IVerifyingProxy) returns (string memory) {
        return "0.0.2";
    }

    function _release(address wallet, address owner_, uint256 tokenId) internal override {
        bytes4 transfer = bytes4(keccak256("safeTransferFrom(address,address,uint256)"));
        _execute(wallet, deviceNFT, abi.encodeWithSelector(transfer, wallet, owner_, tokenId));
    }
}
