// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/babyjub.circom";
include "circomlib/circuits/comparators.circom";

/// Holds only for points of BabyJubjub: 168700·x² + y² = 1 + 168696·x²·y².
/// circomlib's additions are complete on the curve and prove nothing off it: (i·x, i·y) with i² = −1 doubles to the negative of 2·(x, y) turned by
/// the point of order two, so a key that was never registered would verify.
/// Constraints: 3.
template OnCurve() {
    signal input point[2];

    signal xx <== point[0] * point[0];
    signal yy <== point[1] * point[1];
    168700 * xx + yy === 1 + 168696 * xx * yy; // group: on-curve
}

/// Eight times a point of the curve, which lies in the prime-order subgroup; refuses points of low order, where that is the neutral element.
/// @input  point  on the curve: the caller checks it
/// @output out  8·point, never neutral
/// Constraints: 19, for 3 doublings and the test. In the subgroup only the neutral element has x = 0.
template TimesCofactor() {
    signal input point[2];
    signal output out[2];

    component double[3];
    for (var i = 0; i < 3; i++) {
        double[i] = BabyDbl();
        double[i].x <== i == 0 ? point[0] : double[i - 1].xout;
        double[i].y <== i == 0 ? point[1] : double[i - 1].yout;
    }
    signal neutral <== IsZero()(double[2].xout);
    neutral === 0; // group: low-order
    out <== [double[2].xout, double[2].yout];
}
