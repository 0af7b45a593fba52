// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/aliascheck.circom";
include "circomlib/circuits/compconstant.circom";

/// Bits of a number below 2^n, least significant first.
/// @param  n  1..253: two numbers below the field's modulus never share a decomposition of that many bits
/// @input  in  any field element; the constraints hold only for in < 2^n
/// @output out[n]  its bits
/// Constraints: n. The top bit is not guessed but computed from `in` and the lower ones, so that no sum has to be checked; the hints mask the
/// lower bits only, so that an honest witness of a number that is too large ends in a top "bit" that is not one.
template Bits(n) {
    signal input in;
    signal output out[n];

    var rest = in;
    for (var i = 0; i < n - 1; i++) {
        out[i] <-- (in >> i) & 1;
        out[i] * (out[i] - 1) === 0; // group: bits-low
        rest -= out[i] * (1 << i);
    }
    out[n - 1] <== rest * (1 / (1 << (n - 1)));
    out[n - 1] * (out[n - 1] - 1) === 0; // group: bits-top
}

/// Holds only for in < 2^n.
/// Constraints: n.
template Range(n) {
    signal input in;
    component bits = Bits(n);
    bits.in <== in;
}

/// Bits of any field element, the one decomposition that is below the modulus.
/// @output out[254]
/// Constraints: 515, of which 254 are bits. Without the comparison `in` + modulus would open too when it is below 2^254.
template CanonicalBits() {
    signal input in;
    signal output out[254];

    component bits = Bits(254);
    bits.in <== in;
    out <== bits.out;
    AliasCheck()(bits.out); // group: bits-canonical
}

/// Bits of a number below the order l of BabyJubjub's prime subgroup (251 bits).
/// Constraints: 510, of which 251 are bits.
template SubgroupScalar() {
    signal input in;
    signal output out[251];

    component bits = Bits(251);
    bits.in <== in;
    out <== bits.out;

    component above = CompConstant(2736030358979909402780800718157159386076813972158567259200215660948447373040);
    for (var i = 0; i < 254; i++) above.in[i] <== i < 251 ? bits.out[i] : 0;
    above.out === 0; // group: scalar-below-order
}
