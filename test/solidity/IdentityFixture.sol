// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {AccessManager} from "@openzeppelin/contracts/access/manager/AccessManager.sol";
import {ERC2771Forwarder} from "@openzeppelin/contracts/metatx/ERC2771Forwarder.sol";
import {ERC1967Proxy} from "@openzeppelin/contracts/proxy/ERC1967/ERC1967Proxy.sol";
import {Burner} from "../../contracts/identity/Burner.sol";
import {CredentialRegistry} from "../../contracts/identity/CredentialRegistry.sol";
import {DataKeyRegistry} from "../../contracts/identity/DataKeyRegistry.sol";
import {DeviceNFT} from "../../contracts/identity/DeviceNFT.sol";
import {IoID} from "../../contracts/identity/IoID.sol";
import {IoIDRecovery} from "../../contracts/identity/IoIDRecovery.sol";
import {IoIDRegistry} from "../../contracts/identity/IoIDRegistry.sol";
import {IoIDStore} from "../../contracts/identity/IoIDStore.sol";
import {Memberships} from "../../contracts/identity/Memberships.sol";
import {Project} from "../../contracts/identity/Project.sol";
import {ProjectRegistry} from "../../contracts/identity/ProjectRegistry.sol";
import {IIoIDRegistry} from "../../contracts/interfaces/identity/IIoIDRegistry.sol";
import {DeviceAccount} from "../../contracts/wallet/DeviceAccount.sol";
import {DeviceAccountProxy} from "../../contracts/wallet/DeviceAccountProxy.sol";
import {Canonical} from "./Canonical.sol";
import {Test} from "./Test.sol";

/// @dev The identity suite behind proxies as it is deployed, one hardware project with a device contract and a quota, and
/// the signatures that devices and owners make. This contract is the administrator of the one authority.
abstract contract IdentityFixture is Test {
    AccessManager internal manager;
    Project internal project;
    ProjectRegistry internal projectRegistry;
    Burner internal burner;
    IoIDStore internal store;
    IoID internal ioID;
    IoIDRegistry internal registry;
    DataKeyRegistry internal dataKeys;
    Memberships internal memberships;
    IoIDRecovery internal recovery;
    ERC2771Forwarder internal forwarder;
    CredentialRegistry internal credentials;
    DeviceNFT internal deviceNFT;
    address internal walletProxy;

    address internal projectOwner = vm.addr(0xA11CE);
    uint256 internal constant OWNER_KEY = 0xB0B;
    address internal owner = vm.addr(OWNER_KEY);
    address internal mallory = vm.addr(0xBAD);
    uint256 internal projectId;
    uint256 internal constant PRICE = 1 ether;
    bytes32 internal constant HASH = keccak256("document");
    string internal constant URI = "http://resolver.did";

    function deployIdentity() internal {
        Canonical.placeRegistry();
        vm.warp(1_700_000_000);
        manager = new AccessManager(address(this));
        address authority = address(manager);
        project = Project(
            _proxy(address(new Project(authority)), abi.encodeCall(Project.initialize, ("ioID Project", "IPN")))
        );
        projectRegistry = ProjectRegistry(
            _proxy(
                address(new ProjectRegistry(authority, address(project))),
                abi.encodeCall(ProjectRegistry.initialize, (address(project)))
            )
        );
        project.setMinter(address(projectRegistry));
        burner = new Burner();
        store = IoIDStore(
            _proxy(
                address(new IoIDStore(authority, address(burner))),
                abi.encodeCall(IoIDStore.initialize, (address(project), PRICE))
            )
        );
        walletProxy = address(new DeviceAccountProxy(address(new DeviceAccount(Canonical.ENTRY_POINT))));
        ioID = IoID(
            _proxy(
                address(new IoID(authority, Canonical.REGISTRY, walletProxy)),
                abi.encodeCall(IoID.initialize, (address(this), Canonical.REGISTRY, walletProxy, "ioID", "ioID"))
            )
        );
        forwarder = new ERC2771Forwarder("TrellisForwarder");
        registry = IoIDRegistry(
            _proxy(
                address(new IoIDRegistry(authority, address(ioID), true, address(forwarder))),
                abi.encodeCall(IoIDRegistry.initialize, (address(store), address(ioID)))
            )
        );
        ioID.setMinter(address(registry));
        store.setIoIDRegistry(address(registry));
        memberships = Memberships(
            _proxy(
                address(new Memberships(authority, address(registry), address(project))),
                abi.encodeCall(Memberships.initialize, ())
            )
        );
        registry.setMemberships(address(memberships));
        store.setMemberships(address(memberships));
        recovery = new IoIDRecovery(address(ioID));
        dataKeys = DataKeyRegistry(
            _proxy(
                address(new DataKeyRegistry(authority, address(registry), address(memberships))),
                abi.encodeCall(DataKeyRegistry.initialize, ())
            )
        );
        credentials = CredentialRegistry(
            _proxy(
                address(new CredentialRegistry(authority, address(registry), address(burner))),
                abi.encodeCall(CredentialRegistry.initialize, ())
            )
        );
        (projectId, deviceNFT) = newProject("sensors", 0, 1000);
    }

    /// @dev A project of `projectOwner` with its device contract, which `owner` and this contract may mint.
    function newProject(string memory name, uint8 kind, uint256 quota) internal returns (uint256 id, DeviceNFT nft) {
        vm.startPrank(projectOwner);
        id = projectRegistry.register(name, kind);
        nft = DeviceNFT(_proxy(address(new DeviceNFT()), ""));
        nft.initialize("Sensor", "SNS");
        nft.configureMinter(address(this), type(uint256).max);
        store.setDeviceContract(id, address(nft));
        vm.deal(projectOwner, quota * PRICE);
        if (kind == 0) store.applyIoIDs{value: quota * PRICE}(id, quota);
        vm.stopPrank();
    }

    /// @dev Mints a device NFT to `to` who approves the registry.
    function mintDevice(address to) internal returns (uint256 tokenId) {
        tokenId = deviceNFT.mint(to);
        vm.prank(to);
        deviceNFT.approve(address(registry), tokenId);
    }

    /// @dev Registers the device of `key` to `to` by the legacy form and returns its ioID.
    function registerDevice(uint256 key, address to) internal returns (uint256 id) {
        uint256 tokenId = mintDevice(to);
        (uint8 v, bytes32 r, bytes32 s) = permit(key, to, vm.addr(key));
        vm.prank(to);
        registry.register(address(deviceNFT), tokenId, vm.addr(key), HASH, URI, v, r, s);
        return ioID.tokenIdOf(vm.addr(key));
    }

    /// @dev Legacy permit of `key` over `owner_` with the current nonce of `device`.
    function permit(uint256 key, address owner_, address device) internal view returns (uint8, bytes32, bytes32) {
        return vm.sign(key, digest(registry.permitHash(owner_, device)));
    }

    function registrationHash(
        IIoIDRegistry.Registration memory registration,
        uint256 deadline
    ) internal view returns (bytes32) {
        bytes32 uriHash = keccak256(bytes(registration.uri));
        uint256 nonce = registry.nonces(registration.device);
        return
            keccak256(
                abi.encode(
                    keccak256(
                        "Register(address deviceContract,uint256 tokenId,address user,address device,bytes32 hash,string uri,uint256 nonce,uint256 deadline)"
                    ),
                    registration.deviceContract,
                    registration.tokenId,
                    registration.user,
                    registration.device,
                    registration.hash,
                    uriHash,
                    nonce,
                    deadline
                )
            );
    }

    function updateHash(
        address device,
        bytes32 hash,
        string memory uri,
        uint256 deadline
    ) internal view returns (bytes32) {
        return
            keccak256(
                abi.encode(
                    keccak256("Update(address device,bytes32 hash,string uri,uint256 nonce,uint256 deadline)"),
                    device,
                    hash,
                    keccak256(bytes(uri)),
                    registry.nonces(device),
                    deadline
                )
            );
    }

    function migrateHash(address device, address user, uint256 deadline) internal view returns (bytes32) {
        bytes32 kind = keccak256("Migrate(address device,address user,uint256 nonce,uint256 deadline)");
        return keccak256(abi.encode(kind, device, user, registry.nonces(device), deadline));
    }

    function removeHash(address device, uint256 deadline) internal view returns (bytes32) {
        bytes32 kind = keccak256("Remove(address device,uint256 nonce,uint256 deadline)");
        return keccak256(abi.encode(kind, device, registry.nonces(device), deadline));
    }

    function rotateHash(address device, address newSigner, uint256 deadline) internal view returns (bytes32) {
        bytes32 kind = keccak256("Rotate(address device,address newSigner,uint256 nonce,uint256 deadline)");
        return keccak256(abi.encode(kind, device, newSigner, registry.nonces(device), deadline));
    }

    /// @dev Signature of `key` over a struct hash in the registry's domain, r || s || v.
    function sign(uint256 key, bytes32 structHash) internal view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest(structHash));
        return abi.encodePacked(r, s, v);
    }

    function digest(bytes32 structHash) internal view returns (bytes32) {
        return keccak256(abi.encodePacked(hex"1901", registry.DOMAIN_SEPARATOR(), structHash));
    }

    function _proxy(address logic, bytes memory data) internal returns (address) {
        // A proxy without data may be initialised by whoever comes first: only done in tests, in one transaction.
        return address(new TestProxy(logic, data));
    }
}

contract TestProxy is ERC1967Proxy {
    constructor(address logic, bytes memory data) payable ERC1967Proxy(logic, data) {}

    function _unsafeAllowUninitialized() internal pure override returns (bool) {
        return true;
    }
}
