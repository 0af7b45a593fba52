// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {ERC2771Forwarder} from "@openzeppelin/contracts/metatx/ERC2771Forwarder.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {DeviceNFT} from "../../../contracts/identity/DeviceNFT.sol";
import {IIoIDRegistry} from "../../../contracts/interfaces/identity/IIoIDRegistry.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

contract ForwarderTest is IdentityFixture {
    uint256 private constant KEY = 0xD1;
    uint256 private constant MALLORY_KEY = 0xBAD;
    address private device = vm.addr(KEY);
    bytes4 private constant UPDATE = bytes4(keccak256("update(address,bytes32,string,uint8,bytes32,bytes32)"));
    bytes4 private constant MIGRATE = bytes4(keccak256("migrate(address,address,uint8,bytes32,bytes32)"));
    bytes4 private constant REGISTER = bytes4(
        keccak256("register(address,uint256,address,bytes32,string,uint8,bytes32,bytes32)")
    );

    function setUp() public {
        deployIdentity();
    }

    function test_ItIsTrusted() public view {
        assertTrue(registry.isTrustedForwarder(address(forwarder)));
        assertFalse(registry.isTrustedForwarder(mallory));
        assertEq(registry.trustedForwarder(), address(forwarder));
    }

    function test_Relayed_RegisterUpdateMigrate() public {
        uint256 tokenId = mintDevice(owner);
        _relay(OWNER_KEY, 0, _registerCall(address(deviceNFT), tokenId));
        assertEq(ioID.ownerOf(ioID.tokenIdOf(device)), owner);

        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        _relay(OWNER_KEY, 0, abi.encodeWithSelector(UPDATE, device, keccak256("new"), "http://x", v, r, s));
        assertEq(registry.documentURI(device), "http://x");
        assertEq(registry.documentHash(device), keccak256("new"));
        assertEq(registry.nonces(device), 2);

        (v, r, s) = permit(KEY, owner, device);
        _relay(OWNER_KEY, 0, abi.encodeWithSelector(MIGRATE, device, projectOwner, v, r, s));
        assertEq(ioID.ownerOf(ioID.tokenIdOf(device)), projectOwner);

        _relay(OWNER_KEY, 0, abi.encodeCall(registry.setRelayer, (mallory, true)));
        assertTrue(registry.isRelayer(owner, mallory));
        assertFalse(registry.isRelayer(address(forwarder), mallory));
    }

    function test_Relayed_RegistrationPaysInTheSignersName() public {
        (uint256 id, DeviceNFT nft) = newProject("virtual", 1, 0);
        uint256 tokenId = nft.mint(owner);
        vm.prank(owner);
        nft.approve(address(registry), tokenId);
        vm.expectCall(address(store), abi.encodeWithSignature("activeIoID(uint256,address)", id, owner));
        _relay(OWNER_KEY, PRICE, _registerCall(address(nft), tokenId));
        assertEq(store.projectActivedAmount(id), 1);
    }

    /// @dev What is appended to a call is believed of the forwarder alone.
    function test_RevertWhen_AStrangerAppendsTheOwner() public {
        registerDevice(KEY, owner);
        bytes memory refusal = abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NoConsent.selector, owner, mallory);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        bytes memory call = abi.encodeWithSelector(MIGRATE, device, mallory, v, r, s);
        _refusedDirectly(abi.encodePacked(call, owner), refusal);
        _refusedDirectly(
            abi.encodePacked(abi.encodeWithSelector(UPDATE, device, HASH, "http://x", v, r, s), owner),
            refusal
        );
        _refusedDirectly(abi.encodePacked(abi.encodeCall(registry.cancelNonce, (device)), owner), refusal);
    }

    /// @dev Who signs a request for himself is himself, also when he appends another.
    function test_RevertWhen_TheSignerIsNotTheOwner() public {
        registerDevice(KEY, owner);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        bytes memory call = abi.encodeWithSelector(MIGRATE, device, mallory, v, r, s);
        _refused(MALLORY_KEY, abi.encodePacked(call, owner));
        call = abi.encodeWithSelector(UPDATE, device, HASH, "http://x", v, r, s);
        _refused(MALLORY_KEY, call);
        _refused(MALLORY_KEY, abi.encodeCall(registry.cancelNonce, (device)));
        assertEq(registry.documentURI(device), URI);
    }

    /// @dev An ioID that was sent to the forwarder by mistake is nobody's there: the device's key alone changes nothing.
    function test_RevertWhen_TheForwarderOwnsTheIoID() public {
        uint256 id = registerDevice(KEY, owner);
        vm.prank(owner);
        ioID.transferFrom(owner, address(forwarder), id);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, address(forwarder), device);
        _refused(MALLORY_KEY, abi.encodeWithSelector(UPDATE, device, HASH, "http://x", v, r, s));
        assertEq(registry.documentURI(device), URI);
    }

    /// @dev An administrator's signature of a request is no administration.
    function test_RevertWhen_ItSpeaksForGovernance() public {
        uint256 key = 0xAD;
        manager.grantRole(0, vm.addr(key), 0);
        _refused(key, abi.encodeCall(registry.setIoIDStore, (mallory)));
        assertEq(registry.ioIDStore(), address(store));
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, address(forwarder)));
        vm.prank(address(forwarder));
        registry.setIoIDStore(mallory);
    }

    function test_Fuzz_RevertWhen_ARequestIsChanged(uint8 how) public {
        uint256 tokenId = mintDevice(owner);
        ERC2771Forwarder.ForwardRequestData memory request = _request(
            OWNER_KEY,
            0,
            _registerCall(address(deviceNFT), tokenId)
        );
        how %= 4;
        if (how == 0) request.data[10] ^= 0x01;
        if (how == 1) request.from = mallory;
        if (how == 2) ++request.gas;
        if (how == 3) ++request.deadline;
        vm.expectRevert();
        forwarder.execute(request);
        assertEq(ioID.totalSupply(), 0);
    }

    function _registerCall(address deviceContract, uint256 tokenId) private view returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, device);
        return abi.encodeWithSelector(REGISTER, deviceContract, tokenId, device, HASH, URI, v, r, s);
    }

    function _relay(uint256 key, uint256 value, bytes memory data) private {
        ERC2771Forwarder.ForwardRequestData memory request = _request(key, value, data);
        vm.deal(mallory, value);
        vm.prank(mallory);
        forwarder.execute{value: value}(request);
    }

    function _refusedDirectly(bytes memory data, bytes memory refusal) private {
        vm.prank(mallory);
        (bool done, bytes memory returned) = address(registry).call(data);
        assertFalse(done);
        assertEq(returned, refusal);
    }

    function _refused(uint256 key, bytes memory data) private {
        ERC2771Forwarder.ForwardRequestData memory request = _request(key, 0, data);
        vm.expectRevert();
        forwarder.execute(request);
        // The forwarder takes the request itself: it is the registry that refuses.
        assertTrue(forwarder.verify(request));
    }

    function _request(
        uint256 key,
        uint256 value,
        bytes memory data
    ) private view returns (ERC2771Forwarder.ForwardRequestData memory request) {
        address from = vm.addr(key);
        request = ERC2771Forwarder.ForwardRequestData({
            from: from,
            to: address(registry),
            value: value,
            gas: 1_000_000,
            deadline: uint48(block.timestamp + 1),
            data: data,
            signature: ""
        });
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("TrellisForwarder"),
                keccak256("1"),
                block.chainid,
                address(forwarder)
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256(
                    "ForwardRequest(address from,address to,uint256 value,uint256 gas,uint256 nonce,uint48 deadline,bytes data)"
                ),
                from,
                request.to,
                value,
                request.gas,
                forwarder.nonces(from),
                request.deadline,
                keccak256(data)
            )
        );
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, keccak256(abi.encodePacked(hex"1901", domain, structHash)));
        request.signature = abi.encodePacked(r, s, v);
    }
}
