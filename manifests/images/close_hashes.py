"""Pairs of 64-bit hashes that differ in few bits, without comparing each with each.

Of two hashes that differ in d bits, one of m substrings differs in at most d // m: who looks up all substrings so near finds every pair
(multi-index hashing; Norouzi, Punjani and Fleet, "Fast search in Hamming space with multi-index hashing", CVPR 2012). Substrings are
about as long as log2 N bits, so that a table has about as many places as there are hashes, and the time grows little faster than N.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

BITS = 64
_PAIRS_AT_ONCE = 2**21


@dataclass(frozen=True, eq=False)
class ClosePairs:
    """P pairs.

    Attributes:
        first: int64 [P], positions.
        second: int64 [P], larger positions.
        distance: int64 [P], bits.
    """

    first: NDArray[np.int64]
    second: NDArray[np.int64]
    distance: NDArray[np.int64]


def find_close(codes: NDArray[np.uint64], groups: NDArray[np.int64], most: int) -> ClosePairs:
    """Pairs of different groups that differ in at most `most` bits, in any order.

    Args:
        codes: uint64 [N].
        groups: int64 [N].
        most: bits; the time grows fast with it: 15 at the most.
    """
    parts = _count_parts(len(codes))
    edges = [round(BITS * part / parts) for part in range(parts + 1)]
    found = [
        pairs
        for part in range(parts)
        for pairs in _search(codes, groups, edges, part=part, radius=most // parts, most=most)
    ]
    nothing = ClosePairs(*(np.zeros(0, np.int64) for _ in range(3)))
    columns = zip(*((each.first, each.second, each.distance) for each in [nothing, *found]), strict=True)
    return ClosePairs(*(np.concatenate(column) for column in columns))


def _count_parts(count: int) -> int:
    return max(2, min(8, round(BITS / max(math.log2(max(count, 2)), 8))))


def _search(
    codes: NDArray[np.uint64], groups: NDArray[np.int64], edges: list[int], *, part: int, radius: int, most: int
) -> Iterator[ClosePairs]:
    """Pairs of which this substring is the first that differs in at most `radius` bits."""
    width = edges[part + 1] - edges[part]
    keys = _cut(codes, edges, part)
    order = np.argsort(keys, kind="stable")
    starts = np.searchsorted(keys[order], np.arange(2**width + 1))
    for mask in _list_masks(width, radius):
        probes = keys ^ mask
        counts = starts[probes + 1] - starts[probes]
        rows = np.flatnonzero(counts)
        ends = np.cumsum(counts[rows])
        place = 0
        while place < len(rows):
            before = ends[place - 1] if place else 0
            stop = max(place + 1, int(np.searchsorted(ends, before + _PAIRS_AT_ONCE, side="right")))
            own = rows[place:stop]
            number = counts[own]
            first = np.repeat(own, number)
            inside = np.arange(len(first)) - np.repeat(np.cumsum(number) - number, number)
            second = order[np.repeat(starts[probes[own]], number) + inside]
            chosen = (first < second) & (groups[first] != groups[second])
            yield from _measure(codes, first[chosen], second[chosen], edges, part=part, radius=radius, most=most)
            place = stop


def _measure(
    codes: NDArray[np.uint64],
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    edges: list[int],
    *,
    part: int,
    radius: int,
    most: int,
) -> Iterator[ClosePairs]:
    differing = codes[first] ^ codes[second]
    distance = np.bitwise_count(differing).astype(np.int64)
    close = distance <= most
    for earlier in range(part):
        close &= np.bitwise_count(_cut(differing, edges, earlier)) > radius
    if close.any():
        yield ClosePairs(first[close], second[close], distance[close])


def _cut(codes: NDArray[np.uint64], edges: list[int], part: int) -> NDArray[np.int64]:
    width = edges[part + 1] - edges[part]
    return ((codes >> np.uint64(edges[part])) & np.uint64(2**width - 1)).astype(np.int64)


def _list_masks(width: int, radius: int) -> Iterator[int]:
    for count in range(min(radius, width) + 1):
        for places in combinations(range(width), count):
            yield sum(1 << place for place in places)
