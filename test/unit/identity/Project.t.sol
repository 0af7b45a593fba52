// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {IProject} from "../../../contracts/interfaces/identity/IProject.sol";
import {IProjectRegistry} from "../../../contracts/interfaces/identity/IProjectRegistry.sol";
import {ProjectRegistry} from "../../../contracts/identity/ProjectRegistry.sol";
import {IdentityFixture} from "../../solidity/IdentityFixture.sol";

contract ProjectTest is IdentityFixture {
    string private constant LONG = "a name that is longer than the twenty-nine bytes that share its slot";

    function setUp() public {
        deployIdentity();
    }

    function test_Register_EveryForm() public {
        vm.startPrank(mallory);
        uint256 first = projectRegistry.register();
        uint256 second = projectRegistry.register(LONG);
        uint256 third = projectRegistry.register("virtual", 1);
        vm.stopPrank();
        assertEq(first, projectId + 1);
        assertEq(third, first + 2);
        assertEq(project.count(), third);
        assertEq(project.name(first), "");
        assertEq(project.name(second), LONG);
        assertEq(project.name(third), "virtual");
        assertEq(project.projectType(second), 0);
        assertEq(project.projectType(third), 1);
        assertEq(project.ownerOf(third), mallory);
        assertEq(project.balanceOf(mallory), 3);
    }

    function test_Register_RevertWhen_NotAllowed() public {
        vm.expectRevert("exist name");
        projectRegistry.register("sensors");
        vm.expectRevert("empty name");
        projectRegistry.register("");
        vm.expectRevert(abi.encodeWithSelector(IProject.Project_UnknownType.selector, 2));
        projectRegistry.register("other", 2);
        vm.deal(address(this), 1);
        vm.expectRevert(abi.encodeWithSelector(IProjectRegistry.ProjectRegistry_UnexpectedValue.selector, 1));
        projectRegistry.register{value: 1}("paid");
        vm.expectRevert("not minter");
        project.mint(mallory, "around the registry");
    }

    function test_SetName_FreesTheOldOne() public {
        vm.prank(projectOwner);
        project.setName(projectId, LONG);
        assertEq(project.name(projectId), LONG);
        assertEq(project.projectType(projectId), 0);
        projectRegistry.register("sensors", 1);
        vm.prank(projectOwner);
        vm.expectRevert("exist name");
        project.setName(projectId, "sensors");
        vm.prank(mallory);
        vm.expectRevert("invalid owner");
        project.setName(projectId, "mine");
    }

    function test_Metadata_ByOwnerAndOperators() public {
        vm.expectRevert("invalid operator");
        project.setMetadata(projectId, "site", "x");
        vm.prank(mallory);
        vm.expectRevert("invalid owner");
        project.addOperator(projectId, mallory);

        vm.startPrank(projectOwner);
        project.setMetadata(projectId, "site", "one");
        project.addOperator(projectId, mallory);
        vm.expectRevert("already operator");
        project.addOperator(projectId, mallory);
        vm.stopPrank();
        vm.prank(mallory);
        project.setMetadata(projectId, "site", "two");
        assertEq(project.metadata(projectId, "site"), "two");

        vm.startPrank(projectOwner);
        project.removeOperator(projectId, mallory);
        vm.expectRevert("not operator");
        project.removeOperator(projectId, mallory);
        vm.stopPrank();
        vm.prank(mallory);
        vm.expectRevert("invalid operator");
        project.setMetadata(projectId, "site", "three");
    }

    function test_Transfer_EndsAllOperators() public {
        vm.startPrank(projectOwner);
        project.addOperator(projectId, mallory);
        project.addOperator(projectId, address(0xC1));
        assertTrue(project.isOperator(projectId, mallory));
        project.transferFrom(projectOwner, owner, projectId);
        vm.stopPrank();
        assertFalse(project.isOperator(projectId, mallory));
        assertFalse(project.isOperator(projectId, address(0xC1)));
        vm.prank(mallory);
        vm.expectRevert("invalid operator");
        project.setMetadata(projectId, "site", "mine");

        // The new owner names his own; the old ones do not come back with the project either.
        vm.startPrank(owner);
        vm.expectRevert("not operator");
        project.removeOperator(projectId, mallory);
        project.addOperator(projectId, address(0xC2));
        project.transferFrom(owner, projectOwner, projectId);
        vm.stopPrank();
        assertFalse(project.isOperator(projectId, mallory));
        assertFalse(project.isOperator(projectId, address(0xC2)));
        vm.prank(projectOwner);
        project.addOperator(projectId, mallory);
        assertTrue(project.isOperator(projectId, mallory));
        // Of one project only.
        vm.prank(owner);
        assertFalse(project.isOperator(projectRegistry.register("another"), mallory));
    }

    function test_SetMinter_KeepsTheCount() public {
        project.setMinter(mallory);
        assertEq(project.minter(), mallory);
        assertEq(project.count(), projectId);
        vm.prank(mallory);
        assertEq(project.mint(owner), projectId + 1);
        vm.prank(mallory);
        vm.expectRevert();
        project.setMinter(owner);
    }

    function test_Views_RevertWhen_NoProject() public {
        vm.expectRevert();
        project.name(99);
        vm.expectRevert();
        project.projectType(99);
        vm.expectRevert();
        project.metadata(99, "site");
    }

    function test_Registry_KeepsItsProject() public {
        assertEq(projectRegistry.project(), address(project));
        address other = address(new ProjectRegistry(address(manager), mallory));
        vm.expectRevert(abi.encodeWithSelector(IProjectRegistry.ProjectRegistry_OtherProject.selector, mallory));
        projectRegistry.upgradeToAndCall(other, "");
        address same = address(new ProjectRegistry(address(manager), address(project)));
        vm.prank(mallory);
        vm.expectRevert();
        projectRegistry.upgradeToAndCall(same, "");
        projectRegistry.upgradeToAndCall(same, "");
        bytes memory call = abi.encodeCall(ProjectRegistry.initialize, (mallory));
        vm.expectRevert(abi.encodeWithSelector(IProjectRegistry.ProjectRegistry_OtherProject.selector, mallory));
        _proxy(same, call);
    }
}
