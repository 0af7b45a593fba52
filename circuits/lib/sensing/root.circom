// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "circomlib/circuits/poseidon.circom";

/// Root of a packed window: three 64-bit lanes a field element, then Poseidon over all elements, in two steps where there are more than 16.
/// @param  N  readings; the lanes are N + 2 and the last element is filled with zeros
/// @input  lane[N]  each below 2^64
/// @input  firstTime  below 2^64
/// @input  channel  below 2^64
/// @output root  for N = 64: Poseidon7(Poseidon16(e0..e15), e16..e21)
/// Constraints: 990 for N = 64. The bounds make the packing injective; nothing is checked here.
template WindowRoot(N) {
    signal input lane[N];
    signal input firstTime;
    signal input channel;
    signal output root;

    var elements = (N + 4) \ 3;
    assert(elements <= 31);
    signal element[elements];
    for (var k = 0; k < elements; k++) {
        var packed = 0;
        for (var j = 0; j < 3; j++) {
            var at = 3 * k + j;
            if (at < N) packed += lane[at] * (1 << (64 * j));
            if (at == N) packed += firstTime * (1 << (64 * j));
            if (at == N + 1) packed += channel * (1 << (64 * j));
        }
        element[k] <== packed;
    }

    if (elements <= 16) {
        component hash = Poseidon(elements);
        hash.inputs <== element;
        root <== hash.out;
    } else {
        component head = Poseidon(16);
        component tail = Poseidon(elements - 15);
        for (var k = 0; k < 16; k++) head.inputs[k] <== element[k];
        tail.inputs[0] <== head.out;
        for (var k = 16; k < elements; k++) tail.inputs[k - 15] <== element[k];
        root <== tail.out;
    }
}
