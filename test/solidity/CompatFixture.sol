// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {DummyDeviceGauge} from "../../contracts/identity/compat/DummyDeviceGauge.sol";
import {UniversalFactory, UniversalFactoryV2} from "../../contracts/identity/compat/UniversalFactory.sol";
import {VerifierHomes} from "../../contracts/identity/compat/VerifierHomes.sol";
import {VerifyingProxy, VerifyingProxyV2} from "../../contracts/identity/compat/VerifyingProxy.sol";
import {DeviceNFT} from "../../contracts/identity/DeviceNFT.sol";
import {IIoIDRegistry} from "../../contracts/interfaces/identity/IIoIDRegistry.sol";
import {IdentityFixture} from "./IdentityFixture.sol";

/// @dev Both factories with their proxies, one hardware project behind each, and the signatures of verifier and device.
abstract contract CompatFixture is IdentityFixture {
    uint256 internal constant VERIFIER_KEY = 0x5EE;
    uint256 internal constant DEVICE_KEY = 0xDE1;
    address internal verifier = vm.addr(VERIFIER_KEY);
    address internal device = vm.addr(DEVICE_KEY);
    VerifierHomes internal homes;
    UniversalFactory internal factory;
    UniversalFactoryV2 internal factoryV2;
    VerifyingProxy internal verifying;
    VerifyingProxyV2 internal verifyingV2;
    uint256 internal constant VERIFIER_V2_KEY = 0x5EF;

    function deployCompat() internal {
        deployIdentity();
        homes = new VerifierHomes();
        (address a, address b) = (address(store), address(projectRegistry));
        address nft = address(new DeviceNFT());
        factory = new UniversalFactory(address(new VerifyingProxy(a, b, nft, address(homes))));
        factoryV2 = new UniversalFactoryV2(address(new VerifyingProxyV2(a, b, nft, address(homes))));
        verifying = createProxy(projectOwner, 0, verifier, "verified");
        vm.deal(projectOwner, 10 * PRICE);
        vm.prank(projectOwner);
        verifyingV2 = VerifyingProxyV2(
            factoryV2.create{value: 10 * PRICE}(0, vm.addr(VERIFIER_V2_KEY), "verified 2", "Devices", "DEV", 10)
        );
    }

    /// @dev A proxy of the first factory with ten devices; a virtual project (1) pays by device.
    function createProxy(
        address owner_,
        uint8 kind,
        address verifier_,
        string memory name
    ) internal returns (VerifyingProxy) {
        uint256 value = kind == 0 ? 10 * PRICE : 0;
        vm.deal(owner_, value);
        vm.prank(owner_);
        return VerifyingProxy(factory.create{value: value}(kind, verifier_, name, "Devices", "DEV", 10));
    }

    /// @dev v1: eth_sign(packed(chainid, owner, device)), written out.
    function vouch(uint256 key, address owner_, address device_) internal view returns (bytes memory) {
        bytes memory message = abi.encodePacked("\x19Ethereum Signed Message:\n72", block.chainid, owner_, device_);
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(message));
        return abi.encodePacked(r, s, v);
    }

    /// @dev The legacy form, by `caller`.
    function registerLegacy(
        VerifyingProxy proxy,
        address caller,
        address owner_,
        uint256 deviceKey,
        bytes memory verification,
        uint256 value
    ) internal {
        address device_ = vm.addr(deviceKey);
        (uint8 v, bytes32 r, bytes32 s) = permit(deviceKey, address(proxy), device_);
        vm.prank(caller);
        proxy.register{value: value}(verification, HASH, URI, owner_, device_, v, r, s);
    }

    function registrationBy(VerifyingProxy proxy) internal view returns (IIoIDRegistry.Registration memory) {
        DeviceNFT nft = DeviceNFT(proxy.deviceNFT());
        return IIoIDRegistry.Registration(address(nft), nft.total() + 1, owner, device, HASH, URI);
    }

    /// @dev What verifier and owner sign, in the proxy's domain.
    function signFor(
        VerifyingProxy proxy,
        uint256 key,
        IIoIDRegistry.Registration memory what,
        uint256 deadline
    ) internal view returns (bytes memory) {
        bytes32 kind = keccak256(
            "Register(address deviceContract,uint256 tokenId,address user,address device,bytes32 hash,string uri,uint256 deadline)"
        );
        bytes32 uriHash = keccak256(bytes(what.uri));
        bytes32 structHash = keccak256(
            abi.encode(kind, what.deviceContract, what.tokenId, what.user, what.device, what.hash, uriHash, deadline)
        );
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("VerifyingProxy"),
                keccak256("1"),
                block.chainid,
                address(proxy)
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        return abi.encodePacked(r, s, v);
    }

    /// @dev What the device signs: the registry's `Register` with the proxy as user.
    function signByDevice(
        VerifyingProxy proxy,
        uint256 key,
        IIoIDRegistry.Registration memory what,
        uint256 deadline
    ) internal view returns (bytes memory) {
        IIoIDRegistry.Registration memory own = IIoIDRegistry.Registration(
            what.deviceContract,
            what.tokenId,
            address(proxy),
            what.device,
            what.hash,
            what.uri
        );
        return sign(key, registrationHash(own, deadline));
    }

    function newGauge(VerifyingProxy proxy) internal returns (DummyDeviceGauge) {
        return new DummyDeviceGauge(proxy.deviceNFT());
    }
}
