// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

import {BabyJubJub} from "../../contracts/libraries/BabyJubJub.sol";

/// @dev BabyJubjub in the plainest form (affine, inversion by modexp): an independent way to the same points, for tests.
library Curve {
    uint256 private constant P = BabyJubJub.FIELD;
    uint256 internal constant BASE_X = 5299619240641551281634865583518297030282874472190772894086521144482721001553;
    uint256 internal constant BASE_Y = 16950150798460657717958625567821834550301663161624707787222815936182638968203;

    function add(uint256 x1, uint256 y1, uint256 x2, uint256 y2) internal view returns (uint256 x, uint256 y) {
        uint256 xx = mulmod(x1, x2, P);
        uint256 yy = mulmod(y1, y2, P);
        uint256 d = mulmod(168696, mulmod(xx, yy, P), P);
        uint256 cross = addmod(mulmod(x1, y2, P), mulmod(y1, x2, P), P);
        uint256 straight = addmod(yy, P - mulmod(168700, xx, P), P);
        // One inversion for both quotients.
        uint256 plus = addmod(1, d, P);
        uint256 minus = addmod(1, P - d, P);
        uint256 inverse = invert(mulmod(plus, minus, P));
        x = mulmod(cross, mulmod(inverse, minus, P), P);
        y = mulmod(straight, mulmod(inverse, plus, P), P);
    }

    function mulBase(uint256 scalar) internal view returns (uint256 x, uint256 y) {
        (x, y) = (0, 1);
        (uint256 bx, uint256 by) = (BASE_X, BASE_Y);
        for (; scalar != 0; scalar >>= 1) {
            if (scalar & 1 == 1) (x, y) = add(x, y, bx, by);
            (bx, by) = add(bx, by, bx, by);
        }
    }

    function invert(uint256 value) internal view returns (uint256 result) {
        bytes memory input = abi.encode(uint256(32), uint256(32), uint256(32), value, P - 2, P);
        (bool done, bytes memory output) = address(5).staticcall(input);
        require(done);
        return abi.decode(output, (uint256));
    }
}
