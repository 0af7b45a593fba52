// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title BabyJubjub: membership, cofactor and Schnorr's equation.
/// @dev circomlib's form 168700·x² + y² = 1 + 168696·x²·y² over bn254's scalar field (EIP-2494), order 8·l. The work is
/// done on the isomorphic curve −X² + y² = 1 + d'·X²·y² with X = x·sqrt(−168700), in extended coordinates
/// (Hisil, Wong, Carter, Dawson 2008, 3.1 and 3.3), whose addition is complete here: −1 is a square, d' is not.
/// Sums are not reduced where they stay below 2^256: 5·FIELD does.
library BabyJubJub {
    uint256 internal constant FIELD = 21888242871839275222246405745257275088548364400416034343698204186575808495617;
    /// @dev l, order of the subgroup that Base8 generates.
    uint256 internal constant ORDER = 2736030358979909402780800718157159386076813972158567259200215660948447373041;

    uint256 private constant A = 168700;
    uint256 private constant D = 168696;
    /// @dev sqrt(−168700), the smaller root.
    uint256 private constant SCALE = 6360561867910373094066688120553762416144456282423235903351243436111059670888;
    /// @dev 2·d' = −2·168696/168700.
    uint256 private constant TWICE_D = 2475045175004185027501911298141836274980133961483913877536377848625489762075;
    /// @dev Base8 = (5299619240641551281634865583518297030282874472190772894086521144482721001553,
    /// 16950150798460657717958625567821834550301663161624707787222815936182638968203), with X = x·SCALE: X, y, X·y.
    uint256 private constant BASE_X = 12216525397769193039033285140139874868932027386087289415053270333399021305954;
    uint256 private constant BASE_Y = 16950150798460657717958625567821834550301663161624707787222815936182638968203;
    uint256 private constant BASE_T = 6874063917129206587144410892694864384996161579333698754474478838901835174902;

    /// @notice Whether (x, y) is a canonical point of the curve, of any order.
    function isOnCurve(uint256 x, uint256 y) internal pure returns (bool) {
        if (x >= FIELD || y >= FIELD) return false;
        uint256 xx = mulmod(x, x, FIELD);
        uint256 yy = mulmod(y, y, FIELD);
        return addmod(mulmod(A, xx, FIELD), yy, FIELD) == addmod(1, mulmod(D, mulmod(xx, yy, FIELD), FIELD), FIELD);
    }

    /// @notice Whether 8·(ex, ey) == (x, y). With (ex, ey) on the curve, (x, y) then lies in the subgroup of order l.
    function isEightTimes(uint256 ex, uint256 ey, uint256 x, uint256 y) internal pure returns (bool same) {
        assembly ("memory-safe") {
            let px := mulmod(ex, SCALE, FIELD)
            let py := ey
            let pz := 1
            for {
                let i := 0
            } lt(i, 3) {
                i := add(i, 1)
            } {
                let a := mulmod(px, px, FIELD)
                let b := mulmod(py, py, FIELD)
                let sum := add(px, py)
                let e := add(mulmod(sum, sum, FIELD), sub(add(FIELD, FIELD), add(a, b)))
                let g := add(b, sub(FIELD, a))
                let f := add(g, sub(FIELD, mulmod(pz, add(pz, pz), FIELD)))
                let h := sub(add(FIELD, FIELD), add(a, b))
                px := mulmod(e, f, FIELD)
                py := mulmod(g, h, FIELD)
                pz := mulmod(f, g, FIELD)
            }
            same := and(eq(px, mulmod(mulmod(x, SCALE, FIELD), pz, FIELD)), eq(py, mulmod(y, pz, FIELD)))
        }
    }

    /// @notice Whether s·Base8 == R + c·K, for K on the curve and s, c below 2^251.
    /// @dev Computes s·Base8 + c·(−K) bit by bit for both scalars at once (Shamir's trick). R need not be checked: the sum
    /// is on the curve. Not constant-time, and nothing here is secret.
    /// @param input  s, c, K.x, K.y, R.x, R.y.
    function isSchnorr(uint256[6] memory input) internal pure returns (bool same) {
        assembly ("memory-safe") {
            // Three prepared points (Y−X, Y+X, 2d'·T, 2Z) at 128·index: 1 Base8, 2 −K, 3 their sum.
            let table := mload(0x40)
            let x := mulmod(sub(FIELD, mload(add(input, 64))), SCALE, FIELD)
            let y := mload(add(input, 96))
            let z := 1
            let t := mulmod(x, y, FIELD)
            mstore(add(table, 256), add(y, sub(FIELD, x)))
            mstore(add(table, 288), add(y, x))
            mstore(add(table, 320), mulmod(TWICE_D, t, FIELD))
            mstore(add(table, 352), 2)
            mstore(add(table, 128), add(BASE_Y, sub(FIELD, BASE_X)))
            mstore(add(table, 160), add(BASE_Y, BASE_X))
            mstore(add(table, 192), mulmod(TWICE_D, BASE_T, FIELD))
            mstore(add(table, 224), 2)

            // The sum of (x, y, z, t) and the entry at `entry`.
            let entry := add(table, 128)
            let a := mulmod(add(y, sub(FIELD, x)), mload(entry), FIELD)
            let b := mulmod(add(y, x), mload(add(entry, 32)), FIELD)
            let u := mulmod(t, mload(add(entry, 64)), FIELD)
            x := add(b, sub(FIELD, a))
            t := add(b, a)
            y := add(2, u)
            z := add(2, sub(FIELD, u))
            a := mulmod(x, z, FIELD)
            b := mulmod(y, t, FIELD)
            t := mulmod(x, t, FIELD)
            z := mulmod(z, y, FIELD)
            mstore(add(table, 384), add(b, sub(FIELD, a)))
            mstore(add(table, 416), add(b, a))
            mstore(add(table, 448), mulmod(TWICE_D, t, FIELD))
            mstore(add(table, 480), add(z, z))

            x := 0
            y := 1
            z := 1
            t := 0
            for {
                let i := 251
            } i {} {
                i := sub(i, 1)
                a := mulmod(x, x, FIELD)
                b := mulmod(y, y, FIELD)
                u := add(x, y)
                x := add(mulmod(u, u, FIELD), sub(add(FIELD, FIELD), add(a, b)))
                t := sub(add(FIELD, FIELD), add(a, b))
                y := add(b, sub(FIELD, a))
                z := add(y, sub(FIELD, mulmod(z, add(z, z), FIELD)))
                a := mulmod(x, z, FIELD)
                b := mulmod(y, t, FIELD)
                t := mulmod(x, t, FIELD)
                z := mulmod(z, y, FIELD)
                x := a
                y := b
                entry := or(and(shr(i, mload(input)), 1), shl(1, and(shr(i, mload(add(input, 32))), 1)))
                if entry {
                    entry := add(table, shl(7, entry))
                    a := mulmod(add(y, sub(FIELD, x)), mload(entry), FIELD)
                    b := mulmod(add(y, x), mload(add(entry, 32)), FIELD)
                    u := mulmod(t, mload(add(entry, 64)), FIELD)
                    entry := mulmod(z, mload(add(entry, 96)), FIELD)
                    x := add(b, sub(FIELD, a))
                    t := add(b, a)
                    y := add(entry, u)
                    z := add(entry, sub(FIELD, u))
                    a := mulmod(x, z, FIELD)
                    b := mulmod(y, t, FIELD)
                    t := mulmod(x, t, FIELD)
                    z := mulmod(z, y, FIELD)
                    x := a
                    y := b
                }
            }
            same := and(
                eq(x, mulmod(mulmod(mload(add(input, 128)), SCALE, FIELD), z, FIELD)),
                eq(y, mulmod(mload(add(input, 160)), z, FIELD))
            )
        }
    }
}
