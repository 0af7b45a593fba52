// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

import {IGroth16Verifier} from "../../../contracts/interfaces/verifiers/IGroth16Verifier.sol";
import {Groth16Verifier} from "../../../contracts/verifiers/Groth16Verifier.sol";
import {Test} from "../../solidity/Test.sol";
import {Groth16Vector} from "./Groth16Vector.sol";

contract Groth16VerifierTest is Test {
    uint256 private constant R = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    uint256 private constant Q = 21888242871839275222246405745257275088696311157297823662689037894645226208583;

    Groth16Verifier private verifier;
    bytes32 private keyId;

    function setUp() external {
        verifier = new Groth16Verifier();
        keyId = verifier.registerKey(Groth16Vector.KEY);
    }

    function test_RegisterKey_IsReadableUnderItsHash() external view {
        assertEq(keyId, keccak256(Groth16Vector.KEY));
        assertEq(verifier.signalsOf(keyId), 4);
        assertEq(verifier.keyAccount(keyId).code, abi.encodePacked(bytes1(0), Groth16Vector.KEY));
    }

    function test_RegisterKey_RevertWhen_Registered() external {
        vm.expectRevert(abi.encodeWithSelector(IGroth16Verifier.Groth16Verifier_KeyExists.selector, keyId));
        verifier.registerKey(Groth16Vector.KEY);
    }

    function test_RegisterKey_RevertWhen_LengthIsWrong() external {
        uint256[6] memory lengths = [uint256(0), 448, 512, 575, 577, 448 + 64 * 66];
        for (uint256 i = 0; i < lengths.length; ++i) {
            vm.expectRevert(abi.encodeWithSelector(IGroth16Verifier.Groth16Verifier_KeyLength.selector, lengths[i]));
            verifier.registerKey(new bytes(lengths[i]));
        }
    }

    /// @dev Attack 28: what a key is before anybody contributed to its phase 2.
    function test_Attack28_RegisterKey_RevertWhen_DeltaIsGamma() external {
        bytes memory key = Groth16Vector.KEY;
        for (uint256 i = 0; i < 128; ++i) {
            key[320 + i] = key[192 + i];
        }
        vm.expectRevert(IGroth16Verifier.Groth16Verifier_DeltaIsGamma.selector);
        verifier.registerKey(key);
    }

    function test_RegisterKey_RevertWhen_APointIsAtInfinity() external {
        uint256[9] memory starts = [uint256(0), 64, 192, 320, 448, 512, 576, 640, 704];
        for (uint256 i = 0; i < starts.length; ++i) {
            bytes memory key = Groth16Vector.KEY;
            uint256 size = i > 0 && i < 4 ? 128 : 64;
            for (uint256 j = 0; j < size; ++j) {
                key[starts[i] + j] = 0;
            }
            vm.expectRevert(abi.encodeWithSelector(IGroth16Verifier.Groth16Verifier_BadPoint.selector, starts[i]));
            verifier.registerKey(key);
        }
    }

    /// @dev (0, 0) would be infinity; x = 1, y = 1 is no point; on the twist, a point outside the subgroup.
    function testFuzz_RegisterKey_RevertWhen_AnyBitIsFlipped(uint256 bit) external {
        bytes memory key = Groth16Vector.KEY;
        bit = bound(bit, 0, key.length * 8 - 1);
        key[bit / 8] ^= bytes1(uint8(1 << (bit % 8)));
        vm.expectRevert();
        verifier.registerKey(key);
    }

    function test_RegisterKey_RevertWhen_G2IsOutsideTheSubgroup() external {
        // On the twist y² = x³ + 3/(9+i), but not of order r: x = 1 + 0i gives such a point.
        (uint256 yImaginary, uint256 yReal) = _twistPoint();
        bytes memory key = Groth16Vector.KEY;
        uint256[4] memory limbs = [uint256(0), TWIST_X, yImaginary, yReal];
        for (uint256 i = 0; i < 4; ++i) {
            for (uint256 j = 0; j < 32; ++j) {
                key[64 + 32 * i + j] = bytes32(limbs[i])[j];
            }
        }
        vm.expectRevert(abi.encodeWithSelector(IGroth16Verifier.Groth16Verifier_BadPoint.selector, 64));
        verifier.registerKey(key);
    }

    function test_Fallback_RevertWhen_NothingIsBeingCreated() external {
        (bool success, ) = address(verifier).call("");
        assertFalse(success);
        (success, ) = address(verifier).call(hex"12345678");
        assertFalse(success);
    }

    function test_Verify_GivenAGoodProof() external view {
        assertTrue(verifier.verify(keyId, Groth16Vector.proof(), Groth16Vector.signals()));
    }

    function test_Verify_GivenAnUnknownKey() external view {
        assertFalse(verifier.verify(keccak256("none"), Groth16Vector.proof(), Groth16Vector.signals()));
    }

    function test_Verify_WhenTheNumberOfSignalsIsWrong() external view {
        uint256[] memory signals = Groth16Vector.signals();
        uint256[] memory more = new uint256[](5);
        for (uint256 i = 0; i < 4; ++i) {
            more[i] = signals[i];
        }
        assertFalse(verifier.verify(keyId, Groth16Vector.proof(), more));
        assertFalse(verifier.verify(keyId, Groth16Vector.proof(), new uint256[](0)));
        assertFalse(verifier.verify(keyId, Groth16Vector.proof(), new uint256[](1000)));
        assembly ("memory-safe") {
            mstore(signals, 3)
        }
        assertFalse(verifier.verify(keyId, Groth16Vector.proof(), signals));
    }

    function test_Verify_WhenAProofWordIsZero() external view {
        for (uint256 i = 0; i < 8; ++i) {
            uint256[8] memory proof = Groth16Vector.proof();
            proof[i] = 0;
            assertFalse(verifier.verify(keyId, proof, Groth16Vector.signals()));
        }
    }

    function test_Verify_WhenEverythingIsZero() external view {
        uint256[8] memory proof;
        assertFalse(verifier.verify(keyId, proof, Groth16Vector.signals()));
        assertFalse(verifier.verify(keyId, proof, new uint256[](4)));
    }

    function testFuzz_Verify_WhenABitOfTheProofIsFlipped(uint256 bit) external view {
        bit = bound(bit, 0, 8 * 256 - 1);
        uint256[8] memory proof = Groth16Vector.proof();
        proof[bit / 256] ^= 1 << (bit % 256);
        assertFalse(verifier.verify(keyId, proof, Groth16Vector.signals()));
    }

    function testFuzz_Verify_WhenABitOfASignalIsFlipped(uint256 bit) external view {
        bit = bound(bit, 0, 4 * 256 - 1);
        uint256[] memory signals = Groth16Vector.signals();
        signals[bit / 256] ^= 1 << (bit % 256);
        assertFalse(verifier.verify(keyId, Groth16Vector.proof(), signals));
    }

    function test_Verify_WhenASignalIsNamedModuloTheField() external view {
        for (uint256 i = 0; i < 4; ++i) {
            uint256[] memory signals = Groth16Vector.signals();
            signals[i] += R;
            assertFalse(verifier.verify(keyId, Groth16Vector.proof(), signals));
        }
    }

    function test_Verify_WhenACoordinateIsNamedModuloItsField() external view {
        for (uint256 i = 0; i < 8; ++i) {
            uint256[8] memory proof = Groth16Vector.proof();
            proof[i] += Q;
            assertFalse(verifier.verify(keyId, proof, Groth16Vector.signals()));
        }
    }

    /// @dev Above Q the negation wraps at 2^256, and there another name of the same point would hide.
    function test_Verify_WhenAyIsAnAliasThatTheNegationWouldHide() external view {
        uint256[8] memory proof = Groth16Vector.proof();
        uint256 wrap = addmod(type(uint256).max, 1, Q); // 2^256 mod Q
        proof[1] = Q + addmod(proof[1], wrap, Q);
        assertFalse(verifier.verify(keyId, proof, Groth16Vector.signals()));
    }

    /// @dev The twin (−A, −B) is the same proof rewritten: Groth16 is malleable, so nothing may use a proof as an id.
    function test_Verify_AcceptsTheNegatedTwin() external view {
        uint256[8] memory proof = Groth16Vector.proof();
        proof[1] = Q - proof[1];
        proof[4] = Q - proof[4];
        proof[5] = Q - proof[5];
        assertTrue(verifier.verify(keyId, proof, Groth16Vector.signals()));
    }

    uint256 private constant TWIST_X = 1;

    function _twistPoint() private pure returns (uint256 yImaginary, uint256 yReal) {
        return (
            5912654199736721486680175016176231956195085055698687135131307249486702594212,
            18278151005453108793778860132295291098363647455926340152056652516292830556603
        );
    }
}
