// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "trellis/circuits/lib/sensing/window.circom";

/// The statement of __NAME__: a window of signed readings with its statistics, in which no reading is further than MAX_STEP from the one before it.
/// @param  N  places for readings; devices cut windows of 64
/// @param  MAX_STEP  in lane units, below 2^23: 5000 is 50.00 where values have two decimals
/// A jump (a broken sensor, a made-up value) has no proof and is not paid. Change the statement here; with it goes the program's version in
/// circuits.json, because running tasks are proved under the program that their terms name.
template Steady(N, MAX_STEP) {
    signal input context;
    signal input readingsRoot;
    signal input statistics;
    signal input keyCommitment;
    signal input enabled[N];
    signal input values[N];
    signal input dts[N];
    signal input wraps[N - 1];
    signal input sequenceHigh;
    signal input sequenceLow;
    signal input firstTime;
    signal input channel;
    signal input minimum;
    signal input maximum;
    signal input threshold;
    signal input rangeMax;
    signal input windowIndex;
    signal input chainId;
    signal input registry;
    signal input project;
    signal input device;
    signal input key[2];
    signal input R8[2];
    signal input S;

    component window = SensingWindow(N);
    window.context <== context;
    window.readingsRoot <== readingsRoot;
    window.statistics <== statistics;
    window.keyCommitment <== keyCommitment;
    window.enabled <== enabled;
    window.values <== values;
    window.dts <== dts;
    window.wraps <== wraps;
    window.sequenceHigh <== sequenceHigh;
    window.sequenceLow <== sequenceLow;
    window.firstTime <== firstTime;
    window.channel <== channel;
    window.minimum <== minimum;
    window.maximum <== maximum;
    window.threshold <== threshold;
    window.rangeMax <== rangeMax;
    window.windowIndex <== windowIndex;
    window.chainId <== chainId;
    window.registry <== registry;
    window.project <== project;
    window.device <== device;
    window.key <== key;
    window.R8 <== R8;
    window.S <== S;

    // SensingWindow bounds every value to 24 bits, so a difference cannot wrap; places behind the last reading count as no step.
    assert(MAX_STEP < (1 << 23));
    signal step[N];
    step[0] <== 0;
    for (var i = 1; i < N; i++) {
        step[i] <== enabled[i] * (values[i] - values[i - 1]);
        Range(24)(MAX_STEP + step[i]);
        Range(24)(MAX_STEP - step[i]);
    }
}

component main {public [context, readingsRoot, statistics, keyCommitment]} = Steady(64, 5000);
