// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/escalarmulany.circom";
include "circomlib/circuits/escalarmulfix.circom";
include "circomlib/circuits/poseidon.circom";
include "babyjubjub.circom";
include "bits.circom";

/// S·B8 = R8 + challenge·8·key, with every operand checked.
/// @input  key[2]  A
/// @input  R8[2]
/// @input  S  below l: S + l would be a second signature of the same message
/// @input  challenge  any field element
/// Constraints: 3,884. circomlib's EdDSAPoseidonVerifier checks neither point against the curve; with R8 off it the addition has a second solution
/// for every sum, and a key off it borrows the multiples of another.
template EdDSAEquation() {
    signal input key[2];
    signal input R8[2];
    signal input S;
    signal input challenge;

    OnCurve()(key); // group: key-on-curve
    OnCurve()(R8); // group: r8-on-curve

    // The subgroup's multiplier is sound for points of prime order only; times eight lands there, and is not neutral.
    component eight = TimesCofactor();
    eight.point <== key;
    component right = EscalarMulAny(254);
    right.p <== eight.out;
    right.e <== CanonicalBits()(challenge);
    component sum = BabyAdd();
    sum.x1 <== R8[0];
    sum.y1 <== R8[1];
    sum.x2 <== right.out[0];
    sum.y2 <== right.out[1];

    component left = EscalarMulFix(251, [
        5299619240641551281634865583518297030282874472190772894086521144482721001553,
        16950150798460657717958625567821834550301663161624707787222815936182638968203
    ]);
    left.e <== SubgroupScalar()(S);

    left.out[0] === sum.xout; // group: equation-x
    left.out[1] === sum.yout; // group: equation-y
}

/// EdDSA over BabyJubjub with Poseidon, the signatures of circomlibjs' signPoseidon.
/// @input  message  field element
/// Constraints: 4,205.
template EdDSAPoseidon() {
    signal input key[2];
    signal input R8[2];
    signal input S;
    signal input message;

    component equation = EdDSAEquation();
    equation.key <== key;
    equation.R8 <== R8;
    equation.S <== S;
    equation.challenge <== Poseidon(5)([R8[0], R8[1], key[0], key[1], message]);
}
