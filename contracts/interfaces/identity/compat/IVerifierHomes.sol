// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title In which one proxy a verifier's v1 signatures count.
/// @dev They name no proxy, so one made for a project was good in every other with the same verifier. The first proxy
/// that names a verifier is his home. Whoever comes first in bad faith gains nothing but that v1's form is closed to the
/// others, until the verifier moves; the typed form, which names its proxy, needs no home.
interface IVerifierHomes {
    /// @notice v1 signatures of `verifier` count in `proxy` only.
    event Settled(address indexed verifier, address indexed proxy);

    /// @notice Makes the caller the home of a verifier who has none.
    function settle(address verifier) external;

    /// @notice Moves the calling verifier's home.
    function move(address proxy) external;

    /// @notice Home of a verifier, 0 when none.
    function homeOf(address verifier) external view returns (address);
}
