// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BabyJubJubBase} from "./BabyJubJubBase.sol";

/// @title BabyJubjub: membership, cofactor and Schnorr's equation.
/// @dev circomlib's form 168700·x² + y² = 1 + 168696·x²·y² over bn254's scalar field (EIP-2494), order 8·l. The work is
/// done on the isomorphic curve −X² + y² = 1 + d'·X²·y² with X = x·sqrt(−168700), in extended coordinates
/// (Hisil, Wong, Carter, Dawson 2008, 3.1 and 3.3), whose addition is complete here: −1 is a square, d' is not.
/// Sums are not reduced where they stay below 2^256: 5·FIELD does. FIELD is carried in a variable in assembly, because
/// the compiler fetches a constant used as often from the code.
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
    /// @dev 1/d'.
    uint256 private constant INVERSE_D = 19973657393719697133972421992370328443656845543463059745749167451993408022805;
    /// @dev About the square root of ORDER.
    uint256 private constant HALF_SIZE = 1 << 126;

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
            let p := FIELD
            let px := mulmod(ex, SCALE, p)
            let py := ey
            let pz := 1
            for {
                let i := 0
            } lt(i, 3) {
                i := add(i, 1)
            } {
                let a := mulmod(px, px, p)
                let b := mulmod(py, py, p)
                let e := mulmod(add(px, px), py, p)
                let g := add(b, sub(p, a))
                let f := add(g, sub(p, mulmod(pz, add(pz, pz), p)))
                let h := sub(add(p, p), add(a, b))
                px := mulmod(e, f, p)
                py := mulmod(g, h, p)
                pz := mulmod(f, g, p)
            }
            same := and(eq(px, mulmod(mulmod(x, SCALE, p), pz, p)), eq(py, mulmod(y, pz, p)))
        }
    }

    /// @notice Whether 8·s·Base8 == 8·(R + c·K), for R and K on the curve and s, c below ORDER.
    /// @dev The factor 8 lets R have a part outside the subgroup, which proves no less: for K in the subgroup, two answers to
    /// one R still give away the secret. Multiplied by a small m with m·c = ±n mod l, n and m of half the size (Antipa and
    /// others 2005), so that 126 doublings do: (m·s)·Base8 ∓ n·K − m·R, in digits of two bits, those of n and m from one
    /// table, both halves of m·s from another. Not constant-time, and nothing here is secret.
    /// @param input  s, c, K.x, K.y, R.x, R.y.
    function isSchnorr(uint256[6] memory input) internal pure returns (bool same) {
        (uint256 n, uint256 m, bool negative) = _halve(input[1]);
        uint256 table;
        assembly ("memory-safe") {
            table := mload(0x40)
        }
        // m·c = n (or −n when negative), so K is taken from the sum (or added). R is taken from it.
        _tabulate(table, negative ? input[2] : FIELD - input[2], input[3], FIELD - input[4], input[5]);
        BabyJubJubBase.write(table + 2048);
        return _isNeutral(table, n | (m << 128), mulmod(m, input[0], ORDER));
    }

    /// @dev n and m with m·c = n, or −n when `negative`, mod ORDER: both below 2^126, m not 0. Euclid's algorithm, stopped midway:
    /// the remainder before was 2^126 or more, so m is ORDER / 2^126 or less.
    function _halve(uint256 c) private pure returns (uint256 n, uint256 m, bool negative) {
        assembly ("memory-safe") {
            let above := ORDER
            let before := 0
            n := c
            m := 1
            for {} iszero(lt(n, HALF_SIZE)) {} {
                let next := add(before, mul(div(above, n), m))
                before := m
                m := next
                next := mod(above, n)
                above := n
                n := next
                negative := iszero(negative)
            }
        }
    }

    /// @dev Writes i·K + j·R, i and j in 0..3, to `table` + 128·(i + 4·j), each as (Y−X, Y+X, 2d'·T, 2Z): 2,048 bytes.
    function _tabulate(uint256 table, uint256 kx, uint256 ky, uint256 rx, uint256 ry) private pure {
        assembly ("memory-safe") {
            function put(to, x, y, p) {
                x := mulmod(x, SCALE, p)
                mstore(to, add(y, sub(p, x)))
                mstore(add(to, 32), add(y, x))
                mstore(add(to, 64), mulmod(TWICE_D, mulmod(x, y, p), p))
                mstore(add(to, 96), 2)
            }
            // The sum of two entries; all of A, B, C, D are twice what the formula says, which is the same point.
            function join(to, from, with, p) {
                let t := mload(from)
                let e := mulmod(add(t, t), mload(with), p)
                t := mload(add(from, 32))
                let h := mulmod(add(t, t), mload(add(with, 32)), p)
                t := mulmod(mulmod(mload(add(from, 64)), mload(add(with, 64)), p), INVERSE_D, p)
                let g := mulmod(mload(add(from, 96)), mload(add(with, 96)), p)
                let f := add(g, sub(p, t))
                g := add(g, t)
                t := add(h, sub(p, e))
                h := add(h, e)
                let x := mulmod(t, f, p)
                let y := mulmod(g, h, p)
                mstore(to, add(y, sub(p, x)))
                mstore(add(to, 32), add(y, x))
                mstore(add(to, 64), mulmod(TWICE_D, mulmod(t, h, p), p))
                t := mulmod(f, g, p)
                mstore(add(to, 96), add(t, t))
            }
            let field := FIELD
            put(table, 0, 1, field)
            put(add(table, 128), kx, ky, field)
            put(add(table, 512), rx, ry, field)
            join(add(table, 256), add(table, 128), add(table, 128), field)
            join(add(table, 384), add(table, 256), add(table, 128), field)
            join(add(table, 1024), add(table, 512), add(table, 512), field)
            join(add(table, 1536), add(table, 1024), add(table, 512), field)
            for {
                let row := add(table, 512)
                let end := add(table, 2048)
            } lt(row, end) {
                row := add(row, 512)
            } {
                join(add(row, 128), row, add(table, 128), field)
                join(add(row, 256), row, add(table, 256), field)
                join(add(row, 384), row, add(table, 384), field)
            }
        }
    }

    /// @dev Whether 8·(n·K + m·R + u·Base8) is neutral, over the tables. `halves`: n | m << 128.
    function _isNeutral(uint256 table, uint256 halves, uint256 u) private pure returns (bool neutral) {
        assembly ("memory-safe") {
            let p := FIELD
            mstore(0x00, halves)
            mstore(0x20, u)
            let x := 0
            let y := 1
            let z := 1
            for {
                let i := 126
            } i {} {
                i := sub(i, 2)
                // Two doublings; only the second needs T, for the addition behind it.
                let a := mulmod(x, x, p)
                let b := mulmod(y, y, p)
                let e := mulmod(add(x, x), y, p)
                let t := sub(add(p, p), add(a, b))
                y := add(b, sub(p, a))
                z := add(y, sub(p, mulmod(z, add(z, z), p)))
                x := mulmod(e, z, p)
                z := mulmod(z, y, p)
                y := mulmod(y, t, p)

                a := mulmod(x, x, p)
                b := mulmod(y, y, p)
                e := mulmod(add(x, x), y, p)
                t := sub(add(p, p), add(a, b))
                y := add(b, sub(p, a))
                z := add(y, sub(p, mulmod(z, add(z, z), p)))
                x := mulmod(e, z, p)
                z := mulmod(z, y, p)
                y := mulmod(y, t, p)
                t := mulmod(e, t, p)

                // The entry of n's and m's digits: the neutral one costs less than a jump around it.
                e := shr(i, mload(0x00))
                e := add(table, shl(7, or(and(e, 3), and(shr(126, e), 12))))
                a := mulmod(add(y, sub(p, x)), mload(e), p)
                b := mulmod(add(y, x), mload(add(e, 32)), p)
                t := mulmod(t, mload(add(e, 64)), p)
                e := mulmod(z, mload(add(e, 96)), p)
                x := add(b, sub(p, a))
                a := add(b, a)
                y := add(e, t)
                z := add(e, sub(p, t))
                t := mulmod(x, a, p)
                x := mulmod(x, z, p)
                z := mulmod(z, y, p)
                y := mulmod(y, a, p)

                // The entry of the digits of u's halves, whose Z is 1.
                e := shr(i, mload(0x20))
                e := add(add(table, 2048), mul(96, or(and(e, 3), and(shr(124, e), 12))))
                a := mulmod(add(y, sub(p, x)), mload(e), p)
                b := mulmod(add(y, x), mload(add(e, 32)), p)
                t := mulmod(t, mload(add(e, 64)), p)
                e := add(z, z)
                x := add(b, sub(p, a))
                a := add(b, a)
                y := add(e, t)
                z := add(e, sub(p, t))
                x := mulmod(x, z, p)
                z := mulmod(z, y, p)
                y := mulmod(y, a, p)
            }
            for {
                let i := 3
            } i {
                i := sub(i, 1)
            } {
                let a := mulmod(x, x, p)
                let b := mulmod(y, y, p)
                let e := mulmod(add(x, x), y, p)
                let t := sub(add(p, p), add(a, b))
                y := add(b, sub(p, a))
                z := add(y, sub(p, mulmod(z, add(z, z), p)))
                x := mulmod(e, z, p)
                z := mulmod(z, y, p)
                y := mulmod(y, t, p)
            }
            neutral := and(iszero(x), eq(y, z))
        }
    }
}
