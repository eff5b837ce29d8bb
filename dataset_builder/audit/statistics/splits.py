"""Is the split sound? What splits share, and whether they come from one distribution."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builder.audit.statistics.ranks import find_best
from dataset_builder.audit.tables import ScoreMatrix
from dataset_builder.randomness import derive_seed, make_generator
from manifests.schema import LABEL_SET, SPLIT_NAMES

MAX_EXACT_SCENES = 12
"""Up to so many scenes every deal is looked at: 924 at most."""
PERMUTATIONS = 500
"""Deals drawn at a time of more scenes."""
MOST_PERMUTATIONS = 20_000
ENOUGH = 20
"""Deals as extreme as the observed one after which no more are drawn."""
_KS_BINS = 200
_PSI_BINS = 10
_PSI_FLOOR = 1e-4


def count_splits(matrix: ScoreMatrix, splits: pd.DataFrame) -> pd.DataFrame:
    """What each split holds.

    Returns:
        One row per split that has bursts, in the order train, val, test: `split`, `scenes`, `bursts`, `frames`, `labels` (scores).
    """
    number = len(matrix.burst_ids)
    frames = np.bincount(matrix.bursts, minlength=number)
    labels = np.bincount(matrix.bursts, np.isfinite(matrix.values).sum(axis=0), minlength=number)
    counts = {name: (int(frames[place]), int(labels[place])) for place, name in enumerate(matrix.burst_ids)}
    table = splits.assign(
        frames=[counts.get(name, (0, 0))[0] for name in splits["burst_id"]],
        labels=[counts.get(name, (0, 0))[1] for name in splits["burst_id"]],
    )
    table = table.groupby("split").agg(
        scenes=("scene_id", "nunique"), bursts=("burst_id", "size"), frames=("frames", "sum"), labels=("labels", "sum")
    )
    known = [name for name in SPLIT_NAMES if name in table.index]
    order = [*known, *sorted(set(table.index) - set(known))]
    return table.astype("int64").reindex(order).rename_axis("split").reset_index()


def count_overlap(bursts: pd.DataFrame, frames: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """What two splits share; a sound data set has 0 everywhere.

    Returns:
        One row per unordered pair of splits: `split`, `other_split`, `shared_scenes` (equal `scene_id`, by either table),
        `shared_origins` (equal `origin_sha256`: the same photograph under two names) and `shared_frames` (equal `sha256`: the same file).
    """
    joined = splits[["burst_id", "split", "scene_id"]].merge(
        bursts[["burst_id", "scene_id", "origin_sha256"]], on="burst_id", suffixes=("_split", "")
    )
    digests = {name: set(mine) for name, mine in frames.groupby("burst_id")["sha256"]}
    sets = {
        name: (
            set(rows["scene_id"]) | set(rows["scene_id_split"]),
            set(rows["origin_sha256"]),
            set().union(*(digests[name] for name in rows["burst_id"] if name in digests)),
        )
        for name, rows in joined.groupby("split", sort=True)
    }
    rows = [
        (first, second, *(len(a & b) for a, b in zip(sets[first], sets[second], strict=True)))
        for first, second in combinations(sets, 2)
    ]
    return pd.DataFrame(rows, columns=["split", "other_split", "shared_scenes", "shared_origins", "shared_frames"])


def compare_distributions(matrix: ScoreMatrix, splits: pd.DataFrame) -> pd.DataFrame:
    """Whether scores of two splits are distributed alike.

    Frames of a scene are no independent witnesses, so the p-value is that of a permutation test that deals whole scenes to the two splits:
    exact up to `MAX_EXACT_SCENES` scenes, else sampled until it is known well enough (Besag & Clifford, Biometrika 1991).

    Returns:
        One row per label set and unordered pair of splits: scenario, estimator, metric, `split`, `other_split`, `ks` (largest difference
        of the cumulative distributions, on a grid of 200 pooled quantiles), `psi` (population stability index over deciles of
        the pooled scores, shares
        below 0.0001 raised to it), `p_value` (of `ks`), `least_p_value` (that of the most extreme deal of these scenes: the test cannot
        find less), `scenes` (of the smaller split).
    """
    owner = dict(zip(splits["burst_id"], splits["split"], strict=True)) if len(splits) else {}
    burst_split = np.array([owner.get(name, "") for name in matrix.burst_ids], object)
    names = sorted({name for name in burst_split if name})
    rows = []
    for place, key in enumerate(matrix.sets[LABEL_SET].itertuples(index=False, name=None)):
        for first, second in combinations(names, 2):
            member = np.where(burst_split == first, 1, np.where(burst_split == second, 0, -1))
            found = _compare_two(matrix, place, member)
            if found is not None:
                rows.append((*key, first, second, *found))
    columns = [*LABEL_SET, "split", "other_split", "ks", "psi", "p_value", "least_p_value", "scenes"]
    return pd.DataFrame(rows, columns=columns)


def balance_best(matrix: ScoreMatrix, splits: pd.DataFrame) -> pd.DataFrame:
    """Which frame is the best in each split: the classes that a selector would learn.

    Returns:
        One row per label set, split and `part` of the burst: scenario, estimator, metric, `split`, `part` (`first third`,
        `middle third`, `last third` of
        the scored frames in capture order), `share` (of the bursts whose best frame lies there), `bursts`.
    """
    owner = dict(zip(splits["burst_id"], splits["split"], strict=True)) if len(splits) else {}
    burst_split = np.array([owner.get(name, "") for name in matrix.burst_ids], object)
    number = len(matrix.burst_ids)
    parts = ("first third", "middle third", "last third")
    rows = []
    for place, key in enumerate(matrix.sets[LABEL_SET].itertuples(index=False, name=None)):
        values = matrix.values[place]
        known = np.isfinite(values)
        running = np.cumsum(known)
        sizes = np.bincount(matrix.bursts, known, minlength=number)
        before = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        best = find_best(values, matrix.bursts, number)
        usable = best >= 0
        turn = running[best[usable]] - before[usable] - 0.5
        third = np.minimum((3 * turn / sizes[usable]).astype(int), 2)
        for name in sorted({each for each in burst_split[usable] if each}):
            mine = third[burst_split[usable] == name]
            rows += [(*key, name, part, float((mine == index).mean()), len(mine)) for index, part in enumerate(parts)]
    return pd.DataFrame(rows, columns=[*LABEL_SET, "split", "part", "share", "bursts"])


def _compare_two(
    matrix: ScoreMatrix, place: int, member: NDArray[np.int64]
) -> tuple[float, float, float, float, int] | None:
    frame_member = member[matrix.bursts]
    kept = np.isfinite(matrix.values[place]) & (frame_member >= 0)
    values, inside = matrix.values[place][kept], frame_member[kept] == 1
    if not inside.any() or inside.all():
        return None
    scenes, scene_of = np.unique(matrix.scenes[matrix.bursts[kept]], return_inverse=True)
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _KS_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values)
    table = np.zeros((len(scenes), len(edges) + 1))
    np.add.at(table, (scene_of, bins), 1)
    in_first = np.zeros(len(scenes))
    np.add.at(in_first, scene_of[inside], 1)
    # A scene that both splits hold counts for the one that holds more of it.
    own = in_first > table.sum(axis=1) / 2
    counts = [np.bincount(bins[part], minlength=len(edges) + 1) for part in (inside, ~inside)]
    observed = float(_measure_ks(*counts))

    def measure(deals: NDArray[np.bool_]) -> NDArray[np.float64]:
        first = deals.astype(np.float64) @ table
        return _measure_ks(first, table.sum(axis=0) - first)

    p_value, least = _test_deals(own, observed, measure)
    return observed, _measure_psi(values, inside), p_value, least, int(min(own.sum(), (~own).sum()))


def _test_deals(
    own: NDArray[np.bool_], observed: float, measure: Callable[[NDArray[np.bool_]], NDArray[np.float64]]
) -> tuple[float, float]:
    """The share of deals of scenes, as many to each split, that are as extreme as the observed one; and the least that it could be."""
    number, size = len(own), int(own.sum())
    if number <= MAX_EXACT_SCENES:
        deals = np.zeros((math.comb(number, size), number), bool)
        for deal, chosen in zip(deals, combinations(range(number), size), strict=True):
            deal[list(chosen)] = True
        # Splits of equal size may be swapped.
        least = (2 if 2 * size == number else 1) / len(deals)
        return max(float((measure(deals) >= observed - 1e-12).mean()), least), least
    random = make_generator(derive_seed("audit", number, size), "permutations")
    extreme = total = 0
    while extreme < ENOUGH and total < MOST_PERMUTATIONS:
        deals = random.permuted(np.broadcast_to(own, (PERMUTATIONS, number)), axis=1)
        extreme += int((measure(deals) >= observed - 1e-12).sum())
        total += PERMUTATIONS
    return (1 + extreme) / (1 + total), 1 / (1 + MOST_PERMUTATIONS)


def _measure_ks(first: NDArray[Any], second: NDArray[Any]) -> NDArray[np.float64]:
    """Kolmogorov–Smirnov distances [...] of counts [..., bins]; 0 where one has none."""
    sizes = [counts.sum(axis=-1, keepdims=True) for counts in (first, second)]
    one, other = (
        np.cumsum(counts, axis=-1) / np.maximum(size, 1) for counts, size in zip((first, second), sizes, strict=True)
    )
    distance: NDArray[np.float64] = np.abs(one - other).max(axis=-1)
    return np.where((sizes[0] * sizes[1])[..., 0] > 0, distance, 0.0)


def _measure_psi(values: NDArray[np.float64], inside: NDArray[np.bool_]) -> float:
    edges = np.unique(np.quantile(values, np.linspace(0, 1, _PSI_BINS + 1)[1:-1]))
    bins = np.searchsorted(edges, values)
    first, second = (
        np.maximum(np.bincount(bins[part], minlength=len(edges) + 1) / part.sum(), _PSI_FLOOR)
        for part in (inside, ~inside)
    )
    return float(((first - second) * np.log(first / second)).sum())
