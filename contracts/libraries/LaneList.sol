// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.28;

/// @title A list of ids with constant-time insertion and removal that moves nobody.
/// @dev Each id has a lane (its index) until it is removed; a removed lane is a hole that the next insertion fills, so
/// the list is never longer than it was full. The first four ids share the head's slot, each further slot holds six.
/// Cost of a change: the head's slot, and one more from the fifth lane on.
///
/// head:  count (32 bits) | length << 32 (32) | first hole + 1 << 64 (32) | lanes 0..3 << 96 (40 each)
/// word w: lanes 4 + 6w … 9 + 6w (40 bits each)
/// lane:  id (below 2^39), or HOLE | index of the next hole + 1
///
/// Unchecked: every part of the head is bounded by the checks of `insert`, and a live lane means a count above zero.
/// The caller keeps the lane of each id. An empty list is all zeros in its head; words may hold stale lanes.
library LaneList {
    struct List {
        uint256 head;
        mapping(uint256 word => uint256 lanes) words;
    }

    uint256 internal constant MAX_ID = (1 << 39) - 1;

    uint256 private constant HOLE = 1 << 39;
    uint256 private constant LANE = (1 << 40) - 1;
    uint256 private constant U32 = type(uint32).max;
    uint256 private constant HEAD_LANES = 4;
    uint256 private constant WORD_LANES = 6;

    /// @dev The id is zero or 2^39 or more, or the list has 2^32 - 1 lanes.
    error LaneList_Full(uint256 id);

    /// @dev There is no such position.
    error LaneList_OutOfRange(uint256 index, uint256 count);

    /// @notice Inserts `id` and returns its lane.
    function insert(List storage list, uint256 id) internal returns (uint256 index) {
        unchecked {
            uint256 head = list.head;
            uint256 size = (head >> 32) & U32;
            uint256 hole = (head >> 64) & U32;
            if (id == 0 || id > MAX_ID || size == U32) revert LaneList_Full(id);
            if (hole == 0) {
                index = size;
                head += 1 << 32;
            } else {
                index = hole - 1;
                uint256 next = _lane(list, head, index) & U32;
                head = (head & ~(U32 << 64)) | (next << 64);
            }
            list.head = _put(list, head + 1, index, id);
        }
    }

    /// @notice Removes the id in lane `index`, which the caller knows to be live.
    function remove(List storage list, uint256 index) internal {
        unchecked {
            uint256 head = list.head;
            if (head & U32 == 1) {
                list.head = 0;
                return;
            }
            if (index + 1 == (head >> 32) & U32) {
                list.head = head - 1 - (1 << 32);
                return;
            }
            uint256 hole = (head >> 64) & U32;
            head = (head & ~(U32 << 64)) | ((index + 1) << 64);
            list.head = _put(list, head - 1, index, HOLE | hole);
        }
    }

    /// @notice Number of ids.
    function count(List storage list) internal view returns (uint256) {
        return list.head & U32;
    }

    /// @notice Number of lanes, holes included.
    function lanes(List storage list) internal view returns (uint256) {
        return (list.head >> 32) & U32;
    }

    /// @notice Id in a lane, 0 when it is a hole.
    function idAt(List storage list, uint256 index) internal view returns (uint256) {
        uint256 lane = _lane(list, list.head, index);
        return lane & HOLE == 0 ? lane : 0;
    }

    /// @notice The id at `position` among the live ones in the order of lanes.
    /// @dev One slot when there are no holes, else one slot for each six lanes passed: for reading off chain.
    function select(List storage list, uint256 position) internal view returns (uint256) {
        uint256 head = list.head;
        uint256 live = head & U32;
        if (position >= live) revert LaneList_OutOfRange(position, live);
        uint256 size = (head >> 32) & U32;
        if (live == size) return _lane(list, head, position);
        for (uint256 i = 0; ; ++i) {
            uint256 lane = _lane(list, head, i);
            if (lane & HOLE != 0) continue;
            if (position == 0) return lane;
            --position;
        }
        // The loop ends: fewer than `live` positions were asked for.
        return 0;
    }

    /// @notice Up to `pageSize` ids from the lanes below `place`, downwards, and whether more come after them.
    /// @dev Ends for any order of changes between pages: places only fall. Skips over holes cost gas only here.
    function page(
        List storage list,
        uint256 place,
        uint256 pageSize
    ) internal view returns (uint256[] memory ids, bool more) {
        uint256 most = count(list);
        if (pageSize < most) most = pageSize;
        ids = new uint256[](most);
        uint256 found;
        while (place != 0 && found < most) {
            uint256 id = idAt(list, --place);
            if (id != 0) ids[found++] = id;
        }
        assembly ("memory-safe") {
            mstore(ids, found)
        }
        while (!more && place != 0 && found != 0) more = idAt(list, --place) != 0;
    }

    function _lane(List storage list, uint256 head, uint256 index) private view returns (uint256) {
        unchecked {
            if (index < HEAD_LANES) return (head >> (96 + 40 * index)) & LANE;
            uint256 i = index - HEAD_LANES;
            return (list.words[i / WORD_LANES] >> (40 * (i % WORD_LANES))) & LANE;
        }
    }

    /// @dev Returns the head, in which lanes 0..3 are written; writes the word of others.
    function _put(List storage list, uint256 head, uint256 index, uint256 lane) private returns (uint256) {
        unchecked {
            if (index < HEAD_LANES) {
                uint256 at_ = 96 + 40 * index;
                return (head & ~(LANE << at_)) | (lane << at_);
            }
            uint256 i = index - HEAD_LANES;
            uint256 shift = 40 * (i % WORD_LANES);
            uint256 word = list.words[i / WORD_LANES];
            list.words[i / WORD_LANES] = (word & ~(LANE << shift)) | (lane << shift);
            return head;
        }
    }
}
