"""Pairs of close hashes against comparing each with each."""

from __future__ import annotations

import numpy as np
import pytest

from manifests.images import appearance
from manifests.images.appearance import find_near_pairs, find_nearest_pair


def draw_hashes(count: int, seed: int) -> tuple[list[str | None], list[str]]:
    """Some families of hashes that differ in up to 13 bits, some unknown; and a group for each."""
    random = np.random.default_rng(seed)
    families = random.integers(0, 2**63, max(count // 6, 1), dtype=np.uint64)
    hashes: list[str | None] = []
    for _ in range(count):
        code = int(random.choice(families))
        for bit in random.choice(64, random.integers(0, 14), replace=False):
            code ^= 1 << int(bit)
        hashes.append(None if random.random() < 0.05 else f"{code:016x}")
    return hashes, random.choice(["a", "b", "c"], count).tolist()


def compare_all(hashes: list[str | None], groups: list[str], most: int) -> list[tuple[int, int, int]]:
    known = [(place, int(text, 16)) for place, text in enumerate(hashes) if text is not None]
    pairs = [
        ((one ^ other).bit_count(), first, second)
        for number, (first, one) in enumerate(known)
        for second, other in known[number + 1 :]
        if groups[first] != groups[second]
    ]
    return [(first, second, distance) for distance, first, second in sorted(pairs) if distance <= most]


@pytest.mark.parametrize("count", [0, 1, 2, 40, 300])
@pytest.mark.parametrize("most", [0, 3, 8, 11])
def test_all_near_pairs_are_found_nearest_first(count: int, most: int) -> None:
    hashes, groups = draw_hashes(count, seed=count + most)
    assert find_near_pairs(hashes, groups, max_distance=most) == compare_all(hashes, groups, most)


@pytest.mark.parametrize("few", [0, 2048])
@pytest.mark.parametrize("count", [0, 1, 2, 30, 200])
def test_the_nearest_pair_is_the_first_of_all(count: int, few: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(appearance, "_FEW", few)
    hashes, groups = draw_hashes(count, seed=count)
    assert find_nearest_pair(hashes, groups) == next(iter(compare_all(hashes, groups, 64)), None)
