// SPDX-License-Identifier: GPL-3.0-or-later
pragma circom 2.2.0;

include "../lib/sensing/window.circom";

component main {public [context, readingsRoot, statistics, keyCommitment]} = SensingWindow(64);
