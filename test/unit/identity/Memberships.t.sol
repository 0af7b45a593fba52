// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {Memberships} from "../../../contracts/identity/Memberships.sol";
import {IIoIDRegistry} from "../../../contracts/interfaces/identity/IIoIDRegistry.sol";
import {IMemberships} from "../../../contracts/interfaces/identity/IMemberships.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

contract MembershipsTest is IdentityFixture {
    uint256 private constant KEY = 0xD1;
    address private device = vm.addr(KEY);
    uint256 private second;
    uint256 private id;
    uint256 private deadline;

    function setUp() public {
        deployIdentity();
        deadline = block.timestamp + 1 hours;
        (second, ) = newProject("weather", 0, 40);
        id = registerDevice(KEY, owner);
    }

    function test_Join_WhenAdmitted() public {
        vm.prank(projectOwner);
        memberships.admit(second, device);
        assertTrue(memberships.isAdmitted(second, device));
        vm.expectCall(address(store), abi.encodeWithSignature("activeIoID(uint256,address)", second, owner));
        _join(KEY, second);

        assertTrue(memberships.isMember(second, device));
        assertTrue(memberships.isMember(projectId, device));
        assertEq(memberships.memberCount(second), 1);
        assertEq(memberships.projectsOf(device).length, 1);
        assertEq(memberships.projectsOf(device)[0], second);
        assertEq(store.projectActivedAmount(second), 1);
        // Its home is where it was, and it is counted there alone.
        assertEq(ioID.deviceProject(device), projectId);
        assertEq(ioID.projectDeviceCount(second), 0);
        // The admission is used up.
        assertFalse(memberships.isAdmitted(second, device));
        vm.prank(owner);
        memberships.quit(second, device);
        _refuseJoin(KEY, second, abi.encodeWithSelector(IMemberships.Memberships_NotAdmitted.selector, second, device));
    }

    function test_Join_WhenOpen_ByAnybodyWithBothSignatures() public {
        _open(second);
        bytes32 hash = _joinHash(KEY, second);
        (bytes memory byDevice, bytes memory byOwner) = (_signed(KEY, hash), _signed(OWNER_KEY, hash));
        vm.prank(mallory);
        memberships.join(second, device, deadline, byDevice, byOwner);
        assertTrue(memberships.isMember(second, device));
        // Good once: not after leaving either.
        vm.prank(owner);
        memberships.quit(second, device);
        vm.expectRevert(abi.encodeWithSelector(IMemberships.Memberships_BadDeviceSignature.selector, device, device));
        memberships.join(second, device, deadline, byDevice, byOwner);
    }

    function test_Join_RevertWhen_NotBothConsent() public {
        _open(second);
        bytes32 hash = _joinHash(KEY, second);
        (bytes memory byDevice, bytes memory byOwner) = (_signed(KEY, hash), _signed(OWNER_KEY, hash));
        bytes memory noConsent = abi.encodeWithSelector(IMemberships.Memberships_NoConsent.selector, owner, mallory);
        bytes memory badKey = abi.encodeWithSelector(
            IMemberships.Memberships_BadDeviceSignature.selector,
            device,
            device
        );
        vm.startPrank(mallory);
        vm.expectRevert(noConsent);
        memberships.join(second, device, deadline, byDevice, "");
        vm.expectRevert(noConsent);
        memberships.join(second, device, deadline, byDevice, byDevice);
        vm.expectRevert(badKey);
        memberships.join(second, device, deadline, byOwner, byOwner);
        vm.expectRevert(badKey);
        memberships.join(second, device, deadline, "", byOwner);
        vm.expectRevert(badKey);
        memberships.join(second, device, deadline + 1, byDevice, byOwner);
        vm.stopPrank();
        // Another project, though it is open too.
        (uint256 third, ) = newProject("third", 0, 1);
        _open(third);
        vm.expectRevert(badKey);
        memberships.join(third, device, deadline, byDevice, byOwner);
        // A retired key.
        bytes memory byNew = sign(0xD7, rotateHash(device, vm.addr(0xD7), deadline));
        vm.startPrank(owner);
        registry.rotate(device, vm.addr(0xD7), deadline, byNew, "");
        vm.expectRevert(
            abi.encodeWithSelector(IMemberships.Memberships_BadDeviceSignature.selector, device, vm.addr(0xD7))
        );
        memberships.join(second, device, deadline, byDevice, "");
        vm.warp(deadline + 1);
        vm.expectRevert(abi.encodeWithSelector(IMemberships.Memberships_Expired.selector, deadline, deadline + 1));
        memberships.join(second, device, deadline, byDevice, byOwner);
    }

    function test_Join_ByTheOwnersRelayer() public {
        _open(second);
        vm.prank(owner);
        registry.setRelayer(mallory, true);
        bytes memory byDevice = _signed(KEY, _joinHash(KEY, second));
        vm.prank(mallory);
        memberships.join(second, device, deadline, byDevice, "");
        assertTrue(memberships.isMember(second, device));
    }

    function test_Join_RevertWhen_ItIsOneAlready() public {
        _refuseJoin(
            KEY,
            projectId,
            abi.encodeWithSelector(IMemberships.Memberships_AlreadyMember.selector, projectId, device)
        );
        _open(second);
        _join(KEY, second);
        _refuseJoin(
            KEY,
            second,
            abi.encodeWithSelector(IMemberships.Memberships_AlreadyMember.selector, second, device)
        );
    }

    function test_Join_RevertWhen_NotLive() public {
        _open(second);
        address nobody = vm.addr(0xDD);
        vm.expectRevert(abi.encodeWithSelector(IMemberships.Memberships_UnknownDevice.selector, nobody));
        memberships.join(second, nobody, deadline, "", "");
        vm.prank(projectOwner);
        vm.expectRevert(abi.encodeWithSelector(IMemberships.Memberships_UnknownDevice.selector, nobody));
        memberships.admit(second, nobody);
        assertFalse(memberships.isMember(second, nobody));
        assertFalse(memberships.isMember(0, nobody));
        assertFalse(memberships.isAdmitted(0, nobody));
    }

    /// @dev A membership takes of the project's quota, or pays its price, as a registration does.
    function test_Join_PaysAsARegistration() public {
        (uint256 empty, ) = newProject("empty", 0, 0);
        _open(empty);
        _refuseJoin(KEY, empty, bytes("insufficient ioID"));
        (uint256 paid, ) = newProject("virtual", 1, 0);
        _open(paid);
        _refuseJoin(KEY, paid, bytes("insufficient fund"));
        bytes memory byDevice = _signed(KEY, _joinHash(KEY, paid));
        vm.deal(owner, PRICE);
        vm.prank(owner);
        memberships.join{value: PRICE}(paid, device, deadline, byDevice, "");
        assertEq(store.projectActivedAmount(paid), 1);
        assertEq(address(memberships).balance, 0);
        vm.expectRevert(bytes("only ioIDRegistry"));
        store.activeIoID(paid, owner);
    }

    /// @dev One device that comes and goes takes one place of a project's quota, and pays a virtual one's price once.
    function test_Join_Again_CostsNothing() public {
        (uint256 hardware, ) = newProject("hardware", 0, 1);
        (uint256 paid, ) = newProject("virtual", 1, 0);
        _open(hardware);
        _open(paid);
        vm.deal(owner, 2 * PRICE);
        bytes memory byDevice = _signed(KEY, _joinHash(KEY, paid));
        vm.prank(owner);
        memberships.join{value: PRICE}(paid, device, deadline, byDevice, "");
        for (uint256 i = 0; i < 3; ++i) {
            _join(KEY, hardware);
            assertTrue(memberships.isMember(hardware, device));
            vm.startPrank(owner);
            memberships.quit(hardware, device);
            memberships.quit(paid, device);
            vm.stopPrank();
            assertFalse(memberships.isMember(hardware, device));
            assertEq(memberships.memberCount(hardware), 0);
            vm.expectRevert(abi.encodeWithSelector(IMemberships.Memberships_NotMember.selector, hardware, device));
            vm.prank(owner);
            memberships.quit(hardware, device);
            byDevice = _signed(KEY, _joinHash(KEY, paid));
            vm.prank(owner);
            vm.expectRevert(abi.encodeWithSelector(IMemberships.Memberships_NothingDue.selector, paid, device));
            memberships.join{value: PRICE}(paid, device, deadline, byDevice, "");
            _join(KEY, paid);
        }
        assertEq(store.projectActivedAmount(hardware), 1);
        assertEq(store.projectActivedAmount(paid), 1);
        // Another device pays.
        registerDevice(0xD2, owner);
        _refuseJoin(0xD2, hardware, bytes("insufficient ioID"));
    }

    function test_Join_RevertWhen_TooMany() public {
        uint256 project_;
        for (uint256 i = 0; i < 17; ++i) {
            (project_, ) = newProject(string(abi.encodePacked("p", i)), 0, 1);
            _open(project_);
            if (i < 16) _join(KEY, project_);
        }
        _refuseJoin(KEY, project_, abi.encodeWithSelector(IMemberships.Memberships_TooMany.selector, device, 16));
        assertEq(memberships.projectsOf(device).length, 16);
        // All of them end with the device, in one call.
        _remove(KEY);
        for (uint256 i = 0; i < 16; ++i) assertEq(memberships.memberCount(project_ - 1 - i), 0);
    }

    /// @dev Projects that are none, also such whose id is another's in 32 bits.
    function test_Join_RevertWhen_ThereIsNoSuchProject() public {
        uint256[3] memory none = [uint256(0), 99, second + (1 << 32)];
        for (uint256 i = 0; i < none.length; ++i) {
            _refuseJoin(
                KEY,
                none[i],
                abi.encodeWithSelector(IMemberships.Memberships_NotAdmitted.selector, none[i], device)
            );
            vm.prank(projectOwner);
            vm.expectRevert();
            memberships.setOpen(none[i], true);
            vm.prank(projectOwner);
            vm.expectRevert();
            memberships.admit(none[i], device);
        }
    }

    function test_Leave_ByTheOwnerAlone() public {
        _open(second);
        _join(KEY, second);
        address[3] memory others = [mallory, projectOwner, device];
        for (uint256 i = 0; i < others.length; ++i) {
            vm.prank(others[i]);
            vm.expectRevert(abi.encodeWithSelector(IMemberships.Memberships_NotAllowed.selector, others[i]));
            memberships.quit(second, device);
        }
        vm.startPrank(owner);
        vm.expectRevert(abi.encodeWithSelector(IMemberships.Memberships_NotMember.selector, projectId, device));
        memberships.quit(projectId, device);
        memberships.quit(second, device);
        assertFalse(memberships.isMember(second, device));
        assertEq(memberships.memberCount(second), 0);
        assertEq(memberships.projectsOf(device).length, 0);
        vm.expectRevert(abi.encodeWithSelector(IMemberships.Memberships_NotMember.selector, second, device));
        memberships.quit(second, device);
        vm.stopPrank();
        // Again, if it will.
        _join(KEY, second);
        assertTrue(memberships.isMember(second, device));
    }

    function test_Project_DecidesWhoIsIn() public {
        vm.startPrank(mallory);
        bytes memory refusal = abi.encodeWithSelector(IMemberships.Memberships_NotAllowed.selector, mallory);
        vm.expectRevert(refusal);
        memberships.setOpen(second, true);
        vm.expectRevert(refusal);
        memberships.admit(second, device);
        vm.expectRevert(refusal);
        memberships.expel(second, device);
        vm.expectRevert(refusal);
        memberships.end(device, id);
        vm.stopPrank();
        vm.expectRevert(abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_NotMemberships.selector, address(this)));
        registry.markMember(device, true);

        // Operators admit, and no more.
        vm.prank(projectOwner);
        project.addOperator(second, mallory);
        vm.startPrank(mallory);
        memberships.admit(second, device);
        vm.expectRevert(refusal);
        memberships.setOpen(second, true);
        vm.expectRevert(refusal);
        memberships.expel(second, device);
        vm.stopPrank();
        _join(KEY, second);
        vm.prank(projectOwner);
        memberships.expel(second, device);
        assertFalse(memberships.isMember(second, device));
        vm.prank(projectOwner);
        memberships.setOpen(second, true);
        assertTrue(memberships.isOpen(second));
        _join(KEY, second);
        vm.prank(projectOwner);
        memberships.setOpen(second, false);
        assertTrue(memberships.isMember(second, device));
    }

    /// @dev Removal ends memberships and admissions in the same call, and a new registration revives neither.
    function test_Remove_EndsMemberships() public {
        (uint256 third, ) = newProject("third", 0, 1);
        _open(second);
        _join(KEY, second);
        vm.prank(projectOwner);
        memberships.admit(third, device);
        _remove(KEY);
        assertFalse(memberships.isMember(second, device));
        assertFalse(memberships.isMember(projectId, device));
        assertEq(memberships.memberCount(second), 0);
        (address[] memory page, address next) = memberships.members(second, address(1), 10);
        assertEq(page.length, 0);
        assertEq(next, address(0));

        registerDevice(KEY, mallory);
        assertFalse(memberships.isMember(second, device));
        assertFalse(memberships.isAdmitted(third, device));
        assertEq(memberships.projectsOf(device).length, 0);
        // The new owner removes it without memberships, too.
        vm.startPrank(mallory);
        (uint8 v, bytes32 r, bytes32 s) = permit(KEY, mallory, device);
        registry.remove(device, v, r, s);
    }

    /// @dev A membership goes with the ioID: the new owner leaves, the old one cannot any more.
    function test_Transfer_KeepsMemberships() public {
        _open(second);
        _join(KEY, second);
        vm.prank(owner);
        ioID.transferFrom(owner, mallory, id);
        assertTrue(memberships.isMember(second, device));
        vm.prank(owner);
        vm.expectRevert(abi.encodeWithSelector(IMemberships.Memberships_NotAllowed.selector, owner));
        memberships.quit(second, device);
        vm.prank(mallory);
        memberships.quit(second, device);
        assertFalse(memberships.isMember(second, device));
    }

    function test_Fuzz_Members_Page(uint16 gone, uint8 size) public {
        _open(second);
        for (uint256 i = 1; i < 12; ++i) {
            registerDevice(KEY + i, owner);
            _join(KEY + i, second);
        }
        uint256 left = 11;
        for (uint256 i = 1; i < 12; ++i) {
            if ((gone >> i) & 1 == 0) continue;
            --left;
            if (i % 2 == 0) _remove(KEY + i);
            else {
                vm.prank(owner);
                memberships.quit(second, vm.addr(KEY + i));
            }
        }
        size = uint8(bound(size, 1, 12));
        address start = address(1);
        uint256 seen;
        do {
            (address[] memory page, address next) = memberships.members(second, start, size);
            assertLe(page.length, size);
            for (uint256 i = 0; i < page.length; ++i) assertTrue(memberships.isMember(second, page[i]));
            seen += page.length;
            start = next;
            assertLe(seen, left, "a cycle");
        } while (start != address(0));
        assertEq(seen, left);
        assertEq(memberships.memberCount(second), left);
        vm.expectRevert(abi.encodeWithSelector(IMemberships.Memberships_NotListed.selector, second, device));
        memberships.members(second, device, 1);
    }

    function test_Registry_KeepsOneMemberships() public {
        vm.expectRevert(
            abi.encodeWithSelector(IIoIDRegistry.IoIDRegistry_MembershipsSet.selector, address(memberships))
        );
        registry.setMemberships(mallory);
        vm.startPrank(mallory);
        vm.expectRevert();
        registry.setMemberships(mallory);
        vm.expectRevert();
        store.setMemberships(mallory);
        address logic = address(new Memberships(address(manager), address(registry), address(project)));
        vm.expectRevert();
        memberships.upgradeToAndCall(logic, "");
        vm.stopPrank();
        memberships.upgradeToAndCall(logic, "");
    }

    function _open(uint256 project_) private {
        vm.prank(projectOwner);
        memberships.setOpen(project_, true);
    }

    function _join(uint256 key, uint256 project_) private {
        bytes memory byDevice = _signed(key, _joinHash(key, project_));
        vm.prank(owner);
        memberships.join(project_, vm.addr(key), deadline, byDevice, "");
    }

    function _refuseJoin(uint256 key, uint256 project_, bytes memory refusal) private {
        bytes memory byDevice = _signed(key, _joinHash(key, project_));
        vm.prank(owner);
        vm.expectRevert(refusal);
        memberships.join(project_, vm.addr(key), deadline, byDevice, "");
    }

    function _remove(uint256 key) private {
        (uint8 v, bytes32 r, bytes32 s) = permit(key, owner, vm.addr(key));
        vm.prank(owner);
        registry.remove(vm.addr(key), v, r, s);
    }

    /// @dev Written out here, so that what the contract asks to be signed is compared with what the interface says.
    function _joinHash(uint256 key, uint256 project_) private view returns (bytes32 hash) {
        address device_ = vm.addr(key);
        bytes32 domain = keccak256(
            abi.encode(
                keccak256("EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)"),
                keccak256("Memberships"),
                keccak256("1"),
                block.chainid,
                address(memberships)
            )
        );
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("Join(uint256 projectId,address device,uint256 tokenId,uint256 nonce,uint256 deadline)"),
                project_,
                device_,
                ioID.tokenIdOf(device_),
                memberships.nonces(device_),
                deadline
            )
        );
        hash = keccak256(abi.encodePacked(hex"1901", domain, structHash));
        assertEq(memberships.joinHash(project_, device_, deadline), hash, "joinHash");
    }

    function _signed(uint256 key, bytes32 hash) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, hash);
        return abi.encodePacked(r, s, v);
    }
}
