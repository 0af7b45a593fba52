// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Ownable} from "@openzeppelin/contracts/access/Ownable.sol";
import {IAccessManaged} from "@openzeppelin/contracts/access/manager/IAccessManaged.sol";
import {IERC721Errors} from "@openzeppelin/contracts/interfaces/draft-IERC6093.sol";
import {PublicResolver} from "../../../../contracts/identity/compat/PublicResolver.sol";
import {DeviceNFTFactory, DeviceNFTTemplate} from "../../../../contracts/identity/compat/v2/DeviceNFTTemplate.sol";
import {IoIDRegistryBatchWrapper} from "../../../../contracts/identity/compat/v2/IoIDRegistryBatchWrapper.sol";
import {IoIDRegistryV2} from "../../../../contracts/identity/compat/v2/IoIDRegistryV2.sol";
import {IPublicResolver} from "../../../../contracts/interfaces/identity/compat/IProfileResolver.sol";
import {IDeviceNFTTemplate} from "../../../../contracts/interfaces/identity/compat/v2/IDeviceNFTTemplate.sol";
import {IIoIDRegistryV2} from "../../../../contracts/interfaces/identity/compat/v2/IIoIDRegistryV2.sol";
import {IDeviceAccount} from "../../../../contracts/interfaces/wallet/IDeviceAccount.sol";
import {Canonical} from "../../../solidity/Canonical.sol";
import {IdentityFixture} from "../../../solidity/IdentityFixture.sol";

contract FacadeV2Test is IdentityFixture {
    bytes32 private constant ID = keccak256("device of another chain");
    uint256 private constant KEY = 0xD1;
    address private sensor = vm.addr(KEY);
    bytes private nft = abi.encodePacked(address(0x1234));
    IoIDRegistryV2 private facade;

    function setUp() public {
        deployIdentity();
        address logic = address(new IoIDRegistryV2(address(manager), address(registry)));
        facade = IoIDRegistryV2(_proxy(logic, abi.encodeCall(IoIDRegistryV2.initialize, (address(this)))));
    }

    function test_Reads_OurDevicesWhileTheyLive() public {
        bytes32 identifier = bytes32(uint256(uint160(sensor)));
        _expect(identifier, 0, "", 0, "", 0);
        uint256 id = registerDevice(KEY, owner);
        _expect(identifier, block.chainid, abi.encodePacked(address(ioID)), id, URI, HASH);
        assertEq(facade.totalDevices(), 1);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, sensor);
        vm.prank(owner);
        registry.remove(sensor, v, r, s);
        _expect(identifier, 0, "", 0, "", 0);
        assertEq(facade.totalDevices(), 0);
    }

    function testFuzz_Writes_ByTheOperatorWhatIsNoDevice(bytes32 identifier, uint256 chainID, uint256 token) public {
        if (uint256(identifier) <= type(uint160).max) {
            if (identifier == 0) vm.expectRevert(bytes("Invalid ioID identifier"));
            else {
                vm.expectRevert(
                    abi.encodeWithSelector(IIoIDRegistryV2.IoIDRegistryV2_DeviceIdentifier.selector, identifier)
                );
            }
            facade.registerDeviceNFT(identifier, chainID, nft, token);
            return;
        }
        facade.registerDeviceNFT(identifier, chainID, nft, token);
        facade.registerDeviceNFTWithDIDDoc(identifier, chainID, nft, token, "uri", HASH);
        _expect(identifier, chainID, nft, token, "uri", HASH);
        assertEq(facade.totalDevices(), 1);
        vm.expectEmit(address(facade));
        emit IIoIDRegistryV2.DIDDocMetadataDeleted(identifier);
        facade.deleteDeviceNFT(identifier);
        facade.deleteDeviceNFT(identifier);
        _expect(identifier, 0, "", 0, "", 0);
        assertEq(facade.totalDevices(), 0);
    }

    function test_Writes_TakeContractsOf20Or32Bytes() public {
        facade.registerDeviceNFT(ID, 0, abi.encodePacked(keccak256("solana")), 1);
        assertEq(facade.totalDevices(), 1);
        bytes[4] memory wrong = [bytes(""), new bytes(19), new bytes(21), new bytes(33)];
        for (uint256 i = 0; i < wrong.length; ++i) {
            vm.expectRevert(bytes("Invalid NFT contract length"));
            facade.registerDeviceNFT(ID, 1, wrong[i], 1);
        }
    }

    function test_Settings_RevertWhen_NotAllowed() public {
        facade.setOperator(owner);
        vm.expectRevert(
            abi.encodeWithSelector(IIoIDRegistryV2.IoIDRegistryV2_NotOperator.selector, address(this), owner)
        );
        facade.registerDeviceNFT(ID, 1, nft, 1);
        vm.expectRevert(IIoIDRegistryV2.IoIDRegistryV2_ZeroOperator.selector);
        facade.setOperator(address(0));
        vm.startPrank(owner);
        bytes memory notOwner = abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, owner);
        vm.expectRevert(notOwner);
        facade.deleteDeviceNFT(ID);
        vm.expectRevert(notOwner);
        facade.setOperator(owner);
        // The owner of the facade upgrades nothing: that is the authority's.
        vm.expectRevert(abi.encodeWithSelector(IAccessManaged.AccessManagedUnauthorized.selector, owner));
        facade.upgradeToAndCall(address(facade), "");
        vm.stopPrank();
    }

    function test_Ownership_MovesInTwoSteps() public {
        facade.transferOwnership(owner);
        assertEq(facade.owner(), address(this));
        vm.prank(owner);
        facade.acceptOwnership();
        assertEq(facade.owner(), owner);
    }

    function test_BatchWrapper_WritesAndMakesAccounts() public {
        address here = address(this);
        IoIDRegistryBatchWrapper wrapper = new IoIDRegistryBatchWrapper(
            here,
            address(facade),
            Canonical.REGISTRY,
            walletProxy,
            address(0),
            0
        );
        facade.setOperator(address(wrapper));
        (bytes32[] memory ids, uint256[] memory numbers, address[] memory contracts) = (
            new bytes32[](2),
            new uint256[](2),
            new address[](2)
        );
        uint256 token = deviceNFT.mint(owner);
        for (uint256 i = 0; i < 2; ++i) {
            (ids[i], numbers[i], contracts[i]) = (
                bytes32(uint256(ID) + i),
                i == 0 ? block.chainid : 1,
                address(deviceNFT)
            );
        }
        uint256[] memory tokens = new uint256[](2);
        tokens[0] = token;
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, mallory));
        wrapper.batchRegister(ids, numbers, contracts, tokens);
        // The operator's voice is not anybody's.
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, mallory));
        wrapper.registerDeviceNFT(ID, 1, nft, 1);
        address[] memory accounts = wrapper.batchRegister(ids, numbers, contracts, tokens);
        assertEq(facade.totalDevices(), 2);
        assertEq(IDeviceAccount(payable(accounts[0])).owner(), owner);
        vm.expectRevert(bytes("Array length mismatch"));
        wrapper.batchRegister(ids, numbers, contracts, new uint256[](1));
    }

    /// @dev v2 burns what others hold: whoever runs a collection destroys devices that he sold.
    function test_Template_BurnsNothingThatOthersHold() public {
        DeviceNFTFactory factory = new DeviceNFTFactory(address(new DeviceNFTTemplate()));
        DeviceNFTTemplate made = DeviceNFTTemplate(factory.createDeviceNFT("N", "S", address(this), mallory));
        vm.prank(mallory);
        made.mint(owner, 7);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721InsufficientApproval.selector, address(this), 7));
        made.burn(7);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(Ownable.OwnableUnauthorizedAccount.selector, owner));
        made.burn(7);
        vm.prank(owner);
        made.approve(address(this), 7);
        made.burn(7);
        assertEq(made.balanceOf(owner), 0);
    }

    function test_Template_MintsByOwnerAndOperator() public {
        DeviceNFTFactory factory = new DeviceNFTFactory(address(new DeviceNFTTemplate()));
        DeviceNFTTemplate made = DeviceNFTTemplate(factory.createDeviceNFT("N", "S", owner, mallory));
        (address[] memory to, uint256[] memory ids) = (new address[](2), new uint256[](2));
        (to[0], to[1], ids[0], ids[1]) = (owner, mallory, 3, 9);
        vm.prank(owner);
        made.batchMint(to, ids);
        assertEq(made.ownerOf(9), mallory);
        vm.expectRevert(abi.encodeWithSelector(IDeviceNFTTemplate.DeviceNFTTemplate_NotMinter.selector, address(this)));
        made.mint(owner, 1);
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IDeviceNFTTemplate.DeviceNFTTemplate_Lengths.selector, 2, 1));
        made.batchMint(to, new uint256[](1));
        vm.expectRevert();
        made.initialize("N", "S", mallory, mallory);
    }

    function test_Resolver_IsTheOwnersWhileTheIoIDLives() public {
        PublicResolver resolver = new PublicResolver(address(ioID));
        uint256 id = registerDevice(KEY, owner);
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IPublicResolver.PublicResolver_NotOwner.selector, id, owner, mallory));
        resolver.setName(id, "mallory's");
        vm.prank(mallory);
        vm.expectRevert(abi.encodeWithSelector(IPublicResolver.PublicResolver_NotOwner.selector, id, owner, mallory));
        resolver.setAvatar(id, "mallory's");
        vm.startPrank(owner);
        resolver.setName(id, "roof");
        resolver.setAvatar(id, "ipfs://roof");
        ioID.setResolver(id, address(resolver));
        assertEq(resolver.name(id), "roof");
        assertEq(resolver.avatar(id), "ipfs://roof");
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, owner, sensor);
        registry.remove(sensor, v, r, s);
        vm.expectRevert(abi.encodeWithSelector(IERC721Errors.ERC721NonexistentToken.selector, id));
        resolver.setName(id, "ghost");
        vm.stopPrank();
        assertEq(resolver.name(id), "");
        assertEq(resolver.avatar(id), "");
        assertTrue(resolver.supportsInterface(0x01ffc9a7));
        assertTrue(resolver.supportsInterface(bytes4(keccak256("name(uint256)") ^ keccak256("avatar(uint256)"))));
        assertFalse(resolver.supportsInterface(0xffffffff));
    }

    function _expect(
        bytes32 identifier,
        uint256 chainID,
        bytes memory collection,
        uint256 token,
        string memory uri,
        bytes32 hash
    ) private view {
        (uint256 chain_, bytes memory collection_, uint256 token_) = facade.getDeviceNFT(identifier);
        assertEq(chain_, chainID);
        assertEq(collection_, collection);
        assertEq(token_, token);
        (string memory uri_, bytes32 hash_) = facade.getDIDDocMetadata(identifier);
        assertEq(uri_, uri);
        assertEq(hash_, hash);
    }
}
