// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "../bits.circom";

/// Minimum and maximum of the enabled values, and with them the range of every value.
/// @input  minimum  a value that occurs; checked to be below 2^24
/// @input  maximum  a value that occurs; checked to be at most `rangeMax`
/// @input  rangeMax  below 2^24: the caller checks it
/// Holds only if every enabled value lies in [minimum, maximum], both occur, and every other value is 0.
/// Constraints: 52N + 46. With 0 <= value − minimum < 2^24 and 0 <= maximum − value < 2^24 a value needs no range check of its own: it lies between a
/// minimum that is not negative and a maximum that is at most rangeMax. Where nothing is enabled both differences are ±value, so it is 0.
/// `maximum` needs none either: it is minimum + (a number below 2^24), so the difference to rangeMax cannot wrap.
template Extrema(N) {
    signal input enabled[N];
    signal input values[N];
    signal input minimum;
    signal input maximum;
    signal input rangeMax;

    Range(24)(minimum); // group: minimum-range
    Range(24)(rangeMax - maximum); // group: maximum-in-range

    // A product over the enabled places is 0 if and only if one of its factors is; the others contribute 1.
    signal lowest[N];
    signal highest[N];
    signal noMinimum[N];
    signal noMaximum[N];
    for (var i = 0; i < N; i++) {
        lowest[i] <== enabled[i] * minimum; // group: minimum-padding +1
        highest[i] <== enabled[i] * maximum; // group: maximum-padding -1
        Range(24)(values[i] - lowest[i]); // group: minimum-bound
        Range(24)(highest[i] - values[i]); // group: maximum-bound
        var aboveMinimum = values[i] - lowest[i] + 1 - enabled[i];
        var belowMaximum = highest[i] - values[i] + 1 - enabled[i];
        noMinimum[i] <== (i == 0 ? 1 : noMinimum[i - 1]) * aboveMinimum; // group: minimum-occurs
        noMaximum[i] <== (i == 0 ? 1 : noMaximum[i - 1]) * belowMaximum; // group: maximum-occurs
    }
    noMinimum[N - 1] === 0; // group: minimum-occurs
    noMaximum[N - 1] === 0; // group: maximum-occurs
}

/// How many values exceed the threshold.
/// @input  values[N]  each below 2^24; places that are not enabled hold 0, which exceeds nothing
/// @input  threshold  below 2^24; checked here
/// @output above  0..N
/// Constraints: 25N + 24. value − threshold − 1 + 2^24 lies in [0, 2^25), and its top bit says whether value > threshold.
template Above(N) {
    signal input values[N];
    signal input threshold;
    signal output above;

    Range(24)(threshold); // group: threshold-range
    component difference[N];
    var sum = 0;
    for (var i = 0; i < N; i++) {
        difference[i] = Bits(25);
        difference[i].in <== values[i] - threshold - 1 + (1 << 24);
        sum += difference[i].out[24];
    }
    above <== sum;
}

/// Puts the statistics into one field element of 252 bits, lowest first.
/// @input  fields[10]  sum (30 bits) minimum (24) maximum (24) count (7) above (7) windowIndex (32) firstSequence (40) firstTime (40) threshold (24)
///         rangeMax (24); the caller has bounded each, so that none reaches into its neighbour
/// Constraints: none, it is linear.
template PackStatistics() {
    signal input fields[10];
    signal output out;

    var widths[10] = [30, 24, 24, 7, 7, 32, 40, 40, 24, 24];
    var packed = 0;
    var shift = 0;
    for (var i = 0; i < 10; i++) {
        packed += fields[i] * (1 << shift);
        shift += widths[i];
    }
    out <== packed;
}
