"""Do label sets agree on the order of frames? Correlations with intervals, groups of scenarios, and frames they quarrel over."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform
from scipy.special import ndtr

from dataset_builder.audit.statistics.ranks import MIN_FRAMES, RankedColumns, center_ranks, find_best, mean_or_nan
from dataset_builder.audit.tables import ScoreMatrix
from manifests.intervals import SceneIntervals
from manifests.schema import LABEL_SET

_COMPARISON = ["spearman", "low", "high", "bursts", "same_best"]


def correlate_scenarios(matrix: ScoreMatrix, intervals: SceneIntervals) -> pd.DataFrame:
    """Agreement of scenarios on the order of frames: mean over bursts of Spearman's correlation within the burst.

    Args:
        matrix: one label set per scenario.
        intervals: what gives the intervals.

    Returns:
        One row per unordered pair: `scenario`, `other_scenario`, `spearman` (NaN without a burst), `low`, `high` (95 % interval over
        scenes), `bursts` (that entered) and `same_best` (share of the bursts whose best frame is the same).
    """
    names = list(matrix.sets["scenario"])
    columns = _rank_sets(matrix)
    rows = [
        (names[first], names[second], *_compare(matrix, columns, first, second, intervals))
        for first, second in combinations(range(len(names)), 2)
    ]
    return pd.DataFrame(rows, columns=["scenario", "other_scenario", *_COMPARISON])


def correlate_estimators(matrix: ScoreMatrix, intervals: SceneIntervals) -> pd.DataFrame:
    """Agreement of the estimators of one scenario on the order of frames.

    Returns:
        One row per scenario and unordered pair: `scenario`, `estimator`, `other_estimator`, `metric`, and the columns of
        `correlate_scenarios`. Estimators of different metrics are not compared.
    """
    rows = []
    columns = _rank_sets(matrix)
    for (scenario, metric), mine in matrix.sets.groupby(["scenario", "metric"], sort=True):
        for first, second in combinations(mine.index, 2):
            names = matrix.sets.loc[[first, second], "estimator"]
            rows.append((scenario, *names, metric, *_compare(matrix, columns, first, second, intervals)))
    return pd.DataFrame(rows, columns=["scenario", "estimator", "other_estimator", "metric", *_COMPARISON])


def correlate_metrics(matrix: ScoreMatrix, intervals: SceneIntervals) -> pd.DataFrame:
    """Agreement of the metrics of one scenario and estimator on the order of frames.

    Returns:
        One row per scenario, estimator and unordered pair: `scenario`, `estimator`, `metric`, `other_metric`, and the columns of
        `correlate_scenarios`. Pairs that no burst has both of, as where each suits other bursts, are left out.
    """
    rows = []
    columns = _rank_sets(matrix)
    for (scenario, estimator), mine in matrix.sets.groupby(["scenario", "estimator"], sort=True):
        for first, second in combinations(mine.index, 2):
            names = matrix.sets.loc[[first, second], "metric"]
            compared = _compare(matrix, columns, first, second, intervals)
            if np.isfinite(compared[0]):
                rows.append((scenario, estimator, *names, *compared))
    return pd.DataFrame(rows, columns=["scenario", "estimator", "metric", "other_metric", *_COMPARISON])


def order_scenarios(pairs: pd.DataFrame, scenarios: list[str]) -> list[str]:
    """Scenarios so that those which agree stand together: leaves of average linkage by 1 − correlation, unknown pairs at 1."""
    if len(scenarios) < 3:
        return list(scenarios)
    place = {name: index for index, name in enumerate(scenarios)}
    distance = np.ones((len(scenarios), len(scenarios)))
    for row in pairs.dropna(subset="spearman").to_dict("records"):
        first, second = place[row["scenario"]], place[row["other_scenario"]]
        distance[first, second] = distance[second, first] = 1 - row["spearman"]
    np.fill_diagonal(distance, 0)
    tree = linkage(squareform(distance.clip(0), checks=False), "average", optimal_ordering=True)
    return [scenarios[index] for index in leaves_list(tree)]


def find_disagreements(matrix: ScoreMatrix, *, limit: int = 6) -> pd.DataFrame:
    """Frames that one scenario loves and another hates, worst quarrels first, at most one per burst.

    Ranks are scaled to 0 (worst of the burst) .. 1 (best); a quarrel is a difference above 0.5.

    Returns:
        Columns `burst_id`, `frame_index`, `scenario` (that loves it), `other_scenario` (that hates it), `rank`, `other_rank`.
    """
    columns = ["burst_id", "frame_index", "scenario", "other_scenario", "rank", "other_rank"]
    if len(matrix.values) < 2 or not len(matrix.frames):
        return pd.DataFrame(columns=columns)
    scaled = np.stack([_scale_ranks(values, matrix.bursts) for values in matrix.values])
    known = np.isfinite(scaled).sum(axis=0) >= 2
    best, worst = np.where(np.isfinite(scaled), scaled, -1), np.where(np.isfinite(scaled), scaled, 2)
    lover, hater = best.argmax(axis=0), worst.argmin(axis=0)
    gap = np.where(known, best.max(axis=0) - worst.min(axis=0), 0.0)
    candidates = np.flatnonzero(gap > 0.5)
    # In long bursts first and last place are worth more than in short ones.
    length = np.bincount(matrix.bursts)[matrix.bursts]
    candidates = candidates[np.lexsort((candidates, -length[candidates], -gap[candidates]))]
    _, first = np.unique(matrix.bursts[candidates], return_index=True)
    chosen = candidates[np.sort(first)][:limit]
    names = matrix.sets["scenario"].to_numpy(object)
    return pd.DataFrame(
        {
            "burst_id": matrix.burst_ids[matrix.bursts[chosen]],
            "frame_index": matrix.frames["frame_index"].to_numpy()[chosen],
            "scenario": names[lover[chosen]],
            "other_scenario": names[hater[chosen]],
            "rank": best.max(axis=0)[chosen],
            "other_rank": worst.min(axis=0)[chosen],
        },
        columns=columns,
    )


def assess_randomness(matrix: ScoreMatrix, evidence: dict[str, NDArray[np.float64]]) -> pd.DataFrame:
    """Whether the order of frames could be random: does anything at all go with it?

    Each label set is correlated within bursts with every other label set and with every variable of `evidence`. Of random orders,
    Spearman's coefficient in a burst of n frames has mean 0 and variance 1 / (n − 1) exactly (Kendall & Gibbons, "Rank Correlation
    Methods", 1990, chapter 4), so the mean over bursts has a known error; the smallest two-sided p-value is multiplied by the
    number of tests
    (Bonferroni).

    Args:
        matrix: label sets.
        evidence: variables over the same frames, float64 [F] each.

    Returns:
        Per label set: scenario, estimator, metric, `p_value` (NaN without a test), `strongest` (largest mean correlation by size),
        `partner` (with what), `null_error` (standard error of the mean under randomness, of that test), `tests`.
    """
    rows = []
    names = [f"{scenario} {estimator} {metric}" for scenario, estimator, metric in _list_keys(matrix)]
    columns = RankedColumns(
        matrix.bursts, len(matrix.burst_ids), {**dict(zip(names, matrix.values, strict=True)), **evidence}
    )
    for name, key in zip(names, _list_keys(matrix), strict=True):
        found = []
        for partner in (*names, *evidence):
            if partner == name:
                continue
            spearman, size = columns.correlate(name, partner)
            valid = np.isfinite(spearman)
            if valid.any():
                error = float(np.sqrt((1 / (size[valid] - 1)).sum()) / valid.sum())
                found.append((float(spearman[valid].mean()), error, partner.removesuffix(" psnr")))
        if not found:
            rows.append((*key, np.nan, np.nan, "", np.nan, 0))
            continue
        mean, error, partner = max(found, key=lambda each: abs(each[0]) / each[1])
        p_value = min(1.0, 2 * float(ndtr(-abs(mean) / error)) * len(found))
        rows.append((*key, p_value, mean, partner, error, len(found)))
    return pd.DataFrame(rows, columns=[*LABEL_SET, "p_value", "strongest", "partner", "null_error", "tests"])


def _list_keys(matrix: ScoreMatrix) -> list[tuple[str, str, str]]:
    return list(matrix.sets[LABEL_SET].itertuples(index=False, name=None))


def _rank_sets(matrix: ScoreMatrix) -> RankedColumns:
    """Label sets by place."""
    return RankedColumns(
        matrix.bursts, len(matrix.burst_ids), {str(place): values for place, values in enumerate(matrix.values)}
    )


def _compare(
    matrix: ScoreMatrix, columns: RankedColumns, first: int, second: int, intervals: SceneIntervals
) -> tuple[float, float, float, int, float]:
    number = len(matrix.burst_ids)
    spearman, _ = columns.correlate(str(first), str(second))
    # Only frames that both know can be the best of both.
    both = np.isfinite(matrix.values[first]) & np.isfinite(matrix.values[second])
    best = [find_best(np.where(both, matrix.values[row], np.nan), matrix.bursts, number) for row in (first, second)]
    valid = np.isfinite(spearman)
    same = float((best[0] == best[1])[valid].mean()) if valid.any() else np.nan
    return mean_or_nan(spearman), *intervals.bound_correlation(spearman), int(valid.sum()), same


def _scale_ranks(values: NDArray[np.float64], groups: NDArray[np.int64]) -> NDArray[np.float64]:
    """Ranks scaled to 0 .. 1 within groups of `MIN_FRAMES` known values or more; NaN elsewhere."""
    known = np.isfinite(values)
    sizes = np.bincount(groups, known)[groups]
    usable = known & (sizes >= MIN_FRAMES)
    scaled = np.full(len(values), np.nan)
    scaled[usable] = 0.5 + center_ranks(values, groups)[usable] / (sizes[usable] - 1)
    return scaled
