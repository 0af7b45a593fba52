// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/poseidon.circom";
include "../bits.circom";
include "../eddsa.circom";
include "lanes.circom";
include "root.circom";
include "statistics.circom";

/// The readings of a window and what is said about them; everything but who signed it.
/// @param  N  places for readings, at most 64 (count and above have 7 bits, the sum 30)
/// @input  sequenceHigh, sequenceLow  first sequence = high·2^24 + low, 16 and 24 bits
/// @output root, statistics, count, firstSequence
template WindowContent(N) {
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
    signal output root;
    signal output statistics;
    signal output count;
    signal output firstSequence;

    assert(N <= 64);
    Range(16)(sequenceHigh); // group: sequence-high
    Range(40)(firstTime); // group: first-time-range
    Range(64)(channel); // group: channel-range
    Range(32)(windowIndex); // group: window-index-range
    Range(24)(rangeMax); // group: range-max-range

    count <== Enabled(N)(enabled);
    firstSequence <== sequenceHigh * (1 << 24) + sequenceLow;

    component sequence = Sequence(N);
    sequence.low <== sequenceLow;
    sequence.wraps <== wraps;

    Extrema(N)(enabled, values, minimum, maximum, rangeMax);
    signal lane[N] <== Lanes(N)(enabled, values, dts, sequence.sequence);
    root <== WindowRoot(N)(lane, firstTime, channel);

    var sum = 0;
    for (var i = 0; i < N; i++) sum += values[i];
    signal above <== Above(N)(values, threshold);
    statistics <== PackStatistics()(
        [sum, minimum, maximum, count, above, windowIndex, firstSequence, firstTime, threshold, rangeMax]
    );
}

/// A data key signed this window of readings, and these are its statistics.
/// @input  context  public: what the proof is for (chain, router, project, device, tasks, prover, window, program, terms), hashed to 248 bits
/// @input  readingsRoot  public
/// @input  statistics  public, see PackStatistics
/// @input  keyCommitment  public: Poseidon(chainId, registry, project, device, A), which the chain computed when the key was bound; it is what ties the
///         other private numbers of the message to something the chain knows
/// @input  R8, S  EdDSA signature of Poseidon(domain, version, chainId, registry, project, device, windowIndex, firstSequence, count, root)
/// Everything else is as in WindowContent. Fits 2^14 constraints for N = 64 (expected count in circuits.json).
template SensingWindow(N) {
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

    component content = WindowContent(N);
    content.enabled <== enabled;
    content.values <== values;
    content.dts <== dts;
    content.wraps <== wraps;
    content.sequenceHigh <== sequenceHigh;
    content.sequenceLow <== sequenceLow;
    content.firstTime <== firstTime;
    content.channel <== channel;
    content.minimum <== minimum;
    content.maximum <== maximum;
    content.threshold <== threshold;
    content.rangeMax <== rangeMax;
    content.windowIndex <== windowIndex;
    readingsRoot === content.root; // group: root-public
    statistics === content.statistics; // group: statistics-public

    // uint248(keccak256("trellis.sensing.window") >> 8) and the version keep this message apart from all others that a data key may sign.
    signal message <== Poseidon(10)([
        8876561739559643464847992083801237911600031680856150830262765969094035390,
        1,
        chainId,
        registry,
        project,
        device,
        windowIndex,
        content.firstSequence,
        content.count,
        content.root
    ]);
    EdDSAPoseidon()(key, R8, S, message); // group: signature
    signal commitment <== Poseidon(6)([chainId, registry, project, device, key[0], key[1]]);
    keyCommitment === commitment; // group: key-commitment

    // A public signal that meets no constraint could be replaced in a finished proof; this one has no other.
    signal square <== context * context; // group: context-bound
}
