// SPDX-License-Identifier: Apache-2.0
pragma solidity 0.8.37;

/// @dev Most readings that one window can hold, and so the most that a task can be paid for. Source: circuit sensing/window.
uint256 constant MAX_WINDOW_READINGS = 64;

/// @dev Wall: project time is block time. Replay: recorded data played back; local networks only.
enum ClockKind {
    Wall,
    Replay
}

/// @title What a project promises, frozen per version.
/// @dev The amounts are in units of `token`; lane values are `reading - rangeMin` in units of 10^-decimals.
struct Terms {
    bytes32 programId; // key in the program registry
    uint64 channel; // first 8 bytes, big-endian, of keccak256(channel name)
    int64 rangeMin; // smallest reading, units of 10^-decimals
    uint24 rangeMax; // largest lane value; the largest reading is rangeMin + rangeMax
    uint24 threshold; // lane value; a reading is "above" when its lane value is greater
    uint8 decimals;
    uint96 pricePerReading; // to the device's wallet
    uint96 proverFee; // per task, to the prover's beneficiary
    uint96 sequencerFee; // per task, to the sequencer named at assignment
    address token; // ERC-20 without fee on transfer
    address receiver; // dapp, or zero
    uint32 dappGas; // gas that the receiver gets; the reserve is checked before the call
    ClockKind clock;
    uint40 clockOrigin; // replay: project time at clockStart, seconds. wall: 0
    uint40 clockStart; // replay: block time at which the replay starts, seconds. wall: 0
    uint32 clockSpeed; // replay: project seconds per second. wall: 0
    uint32 taskSeconds; // longest time a prover may be given for a task
    uint32 maxAge; // seconds of project time that a reading may be old at the gateway, 0: no limit
    uint32 maxSkew; // seconds of project time that a reading may be ahead
}

/// @dev What an assignment has to know of a project, read in one call.
struct AssignmentTerms {
    uint16 version; // 0: no terms were published
    bool paused;
    bool coordinator; // the account asked about coordinates this project
    address token;
    uint96 hold; // proverFee + sequencerFee + MAX_WINDOW_READINGS * pricePerReading
    uint32 taskSeconds;
    bytes32 requiredCredential; // type of credential that a device must hold; 0: none
}

/// @dev What one settled task of a version pays, and in what.
struct Rates {
    address token;
    uint96 pricePerReading;
    uint96 proverFee;
    uint96 sequencerFee;
}

/// @dev What a settlement has to know of one version of a project's terms, read in one call.
struct SettlementTerms {
    bytes32 termsId;
    bytes32 programId;
    Rates rates;
    address receiver;
    uint32 dappGas;
    uint24 threshold;
    uint24 rangeMax;
    uint256 horizon; // latest project time that a reading may carry now, seconds
}

library TermsAmounts {
    /// @dev What a task must have set aside: both fees and a full window.
    function hold(uint256 proverFee, uint256 sequencerFee, uint256 pricePerReading) internal pure returns (uint256) {
        return proverFee + sequencerFee + MAX_WINDOW_READINGS * pricePerReading;
    }
}
