// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "../bits.circom";

/// Which of the N places of a window hold a reading: the first `count`.
/// @input  enabled[N]  1 for a place with a reading; by monotony these are a prefix
/// @output count  0..N; that it is not 0 follows from Extrema, where a minimum has to occur
/// Constraints: 2N − 1.
template Enabled(N) {
    signal input enabled[N];
    signal output count;

    var sum = 0;
    for (var i = 0; i < N; i++) {
        enabled[i] * (enabled[i] - 1) === 0; // group: enabled-boolean
        if (i > 0) enabled[i] * (1 - enabled[i - 1]) === 0; // group: enabled-prefix
        sum += enabled[i];
    }
    count <== sum;
}

/// The sequence numbers of N consecutive readings modulo 2^24.
/// @input  low  sequence of the first reading modulo 2^24; checked here
/// @input  wraps[N − 1]  1 at the place (from the second on) whose number starts again at 0
/// @output sequence[N]  each below 2^24: (low + i) mod 2^24
/// Constraints: 48 + 2(N − 1). A wrap subtracts 2^24 from there on and may stand only where the result is 0, so it stands nowhere but at the true
/// place; a wrap that is left out makes the last number too large, and two wraps cannot both meet 0. One range check then serves all places.
template Sequence(N) {
    signal input low;
    signal input wraps[N - 1];
    signal output sequence[N];

    var turned = 0;
    Range(24)(low); // group: sequence-low
    sequence[0] <== low;
    for (var i = 1; i < N; i++) {
        turned += wraps[i - 1];
        sequence[i] <== low + i - turned * (1 << 24);
        wraps[i - 1] * (wraps[i - 1] - 1) === 0; // group: wrap-boolean
        wraps[i - 1] * sequence[i] === 0; // group: wrap-at-zero
    }
    Range(24)(sequence[N - 1]); // group: sequence-last
}

/// Lanes of a window: value | dt << 24 | sequence << 40, and 0 after the last reading.
/// @input  values[N]  each below 2^24 and 0 where not enabled: Extrema checks that
/// @input  dts[N]  seconds since the reading before, each below 2^16, 0 for the first and where not enabled; checked here
/// @input  sequence[N]  each below 2^24
/// @output lane[N]  each below 2^64
/// Constraints: 18N − 17.
template Lanes(N) {
    signal input enabled[N];
    signal input values[N];
    signal input dts[N];
    signal input sequence[N];
    signal output lane[N];

    signal placed[N];
    dts[0] === 0; // group: dt-first
    for (var i = 0; i < N; i++) {
        if (i > 0) Range(16)(dts[i]); // group: dt-range
        if (i > 0) (1 - enabled[i]) * dts[i] === 0; // group: dt-padding
        placed[i] <== enabled[i] * sequence[i]; // group: sequence-padding +1
        lane[i] <== values[i] + dts[i] * (1 << 24) + placed[i] * (1 << 40);
    }
}
