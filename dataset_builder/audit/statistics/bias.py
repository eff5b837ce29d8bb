"""What else goes with the scores: trivial predictors, position in the burst, source, size, content."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builder.audit.factors import EXPLAINING, MID_GREY, is_estimated
from dataset_builder.audit.statistics.ranks import RankedColumns, center_ranks, correlate_within, find_best, mean_or_nan
from dataset_builder.audit.tables import ScoreMatrix
from manifests.intervals import SceneIntervals
from manifests.schema import LABEL_SET

GROUPINGS = ("source", "preset", "size")
"""Properties of a burst by which mean scores are compared."""


def gather_factors(matrix: ScoreMatrix) -> dict[str, NDArray[np.float64]]:
    """Factors of all frames, float64 [F] each; NaN where unknown."""
    frames = matrix.frames
    unknown = np.full(len(frames), np.nan)
    return {
        name: frames[name].to_numpy(np.float64, na_value=np.nan) if name in frames else unknown for name in EXPLAINING
    }


def correlate_factors(matrix: ScoreMatrix, intervals: SceneIntervals) -> pd.DataFrame:
    """How well trivial factors order the frames of a burst: mean over bursts of Spearman's correlation with the score.

    Returns:
        One row per label set and factor of `EXPLAINING`: scenario, estimator, metric, `factor`, `spearman`, `low`, `high` (95 % interval
        over scenes), `bursts` (in which score and factor vary).
    """
    factors = gather_factors(matrix)
    scores = {str(place): values for place, values in enumerate(matrix.values)}
    columns = RankedColumns(matrix.bursts, len(matrix.burst_ids), {**scores, **factors})
    rows = []
    for place, key in enumerate(matrix.sets[LABEL_SET].itertuples(index=False, name=None)):
        for name in factors:
            spearman, _ = columns.correlate(str(place), name)
            known = int(np.isfinite(spearman).sum())
            rows.append((*key, name, mean_or_nan(spearman), *intervals.bound_correlation(spearman), known))
    return pd.DataFrame(rows, columns=[*LABEL_SET, "factor", "spearman", "low", "high", "bursts"])


def explain_ranks(matrix: ScoreMatrix) -> pd.DataFrame:
    """Share of the variance of within-burst ranks that a linear model of the ranks of all `EXPLAINING` factors explains.

    Ranks are centred within bursts; the coefficient of determination is adjusted for the number of linearly independent factors
    (degrees of freedom n − bursts − factors). A factor that is unknown counts as the same for all frames.

    Returns:
        Per label set: scenario, estimator, metric, `explained` (at most 1; below 0 means nothing; NaN with too few frames), `frames`.
    """
    factors = gather_factors(matrix)
    rows = []
    for place, key in enumerate(matrix.sets[LABEL_SET].itertuples(index=False, name=None)):
        kept = np.isfinite(matrix.values[place])
        codes, names = pd.factorize(matrix.bursts[kept])
        target = center_ranks(matrix.values[place][kept], codes)
        design = np.column_stack([center_ranks(values[kept], codes) for values in factors.values()])
        coefficients, _, num_factors, _ = np.linalg.lstsq(design, target, rcond=None)
        freedom, total = len(target) - len(names), float(target @ target)
        explained = np.nan
        if freedom > num_factors and total > 0:
            residual = target - design @ coefficients
            explained = 1 - float(residual @ residual) / (freedom - num_factors) * freedom / total
        rows.append((*key, explained, len(target)))
    return pd.DataFrame(rows, columns=[*LABEL_SET, "explained", "frames"])


def locate_best(matrix: ScoreMatrix) -> pd.DataFrame:
    """Where in the burst the best and the typical frames stand.

    Returns:
        One row per label set and `frame_index`: scenario, estimator, metric, `frame_index`, `best_share` (of the bursts that have a
        scored frame there: how often it is the best), `expected_share` (the same if chance decided among the scored frames),
        `mean_rank` (scaled, 0 = worst, 1 = best), `bursts`.
    """
    rows = []
    index = matrix.frames["frame_index"].to_numpy(np.int64)
    number = len(matrix.burst_ids)
    for place, key in enumerate(matrix.sets[LABEL_SET].itertuples(index=False, name=None)):
        values = matrix.values[place]
        best = find_best(values, matrix.bursts, number)
        known = np.isfinite(values) & (best >= 0)[matrix.bursts]
        sizes = np.bincount(matrix.bursts[known], minlength=number)[matrix.bursts]
        scaled = 0.5 + center_ranks(values, matrix.bursts) / np.maximum(sizes - 1, 1)
        is_best = np.zeros(len(values), bool)
        is_best[best[best >= 0]] = True
        table = pd.DataFrame(
            {"frame_index": index, "best": is_best, "chance": 1 / np.maximum(sizes, 1), "rank": scaled}
        )
        for position, mine in table[known].groupby("frame_index", sort=True):
            shares = (float(mine["best"].mean()), float(mine["chance"].mean()), float(mine["rank"].mean()))
            rows.append((*key, int(position), *shares, len(mine)))
    return pd.DataFrame(
        rows, columns=[*LABEL_SET, "frame_index", "best_share", "expected_share", "mean_rank", "bursts"]
    )


def compare_groups(matrix: ScoreMatrix, bursts: pd.DataFrame) -> pd.DataFrame:
    """Mean score of each source, preset and image size.

    Args:
        matrix: label sets.
        bursts: the table `bursts`.

    Returns:
        One row per label set, grouping of `GROUPINGS` that has two groups or more, and group: scenario, estimator, metric, `grouping`,
        `group`, `mean`, `bursts`, and `explained`, the share of the variance of burst means that lies between the groups of the grouping.
    """
    table = bursts.drop_duplicates("burst_id").sort_values("burst_id", ignore_index=True)
    size = table["width"].astype(str) + " × " + table["height"].astype(str)
    table = table.assign(size=size)
    rows = []
    for place, key in enumerate(matrix.sets[LABEL_SET].itertuples(index=False, name=None)):
        means = _average_bursts(matrix, place)
        for grouping in GROUPINGS:
            known = np.isfinite(means)
            codes, names = pd.factorize(table[grouping][known], sort=True)
            if len(names) < 2:
                continue
            scores = means[known]
            counts = np.bincount(codes)
            averages = np.bincount(codes, scores) / counts
            total = float(((scores - scores.mean()) ** 2).sum())
            between = float((counts * (averages - scores.mean()) ** 2).sum())
            share = between / total if total > 0 else np.nan
            rows += [
                (*key, grouping, str(name), float(average), int(count), share)
                for name, average, count in zip(names, averages, counts, strict=True)
            ]
    return pd.DataFrame(rows, columns=[*LABEL_SET, "grouping", "group", "mean", "bursts", "explained"])


def correlate_content(matrix: ScoreMatrix) -> pd.DataFrame:
    """Whether what a picture shows decides how high its burst scores: Spearman's correlation over bursts.

    Content is that of the reference frame, as `audit.features` measures it: brightness, contrast, sharpness.

    Returns:
        One row per label set and property: scenario, estimator, metric, `factor`, `spearman`, `bursts`.
    """
    references = matrix.frames[matrix.frames["reference_distance"] == 0].drop_duplicates("burst")
    rows = []
    for place, key in enumerate(matrix.sets[LABEL_SET].itertuples(index=False, name=None)):
        means = _average_bursts(matrix, place)
        for name in ("brightness", "contrast", "sharpness"):
            content = np.full(len(matrix.burst_ids), np.nan)
            if name in references:
                content[references["burst"]] = references[name].to_numpy(np.float64, na_value=np.nan)
            together: NDArray[np.int64] = np.zeros(len(means), np.int64)
            spearman, size = correlate_within(together, means, content, 1)
            rows.append((*key, name, float(spearman[0]), int(size[0])))
    return pd.DataFrame(rows, columns=[*LABEL_SET, "factor", "spearman", "bursts"])


def compare_noise(frames: pd.DataFrame, bursts: pd.DataFrame) -> pd.DataFrame:
    """Noise of each source: as the manifest states it, and as the pixels show it.

    Args:
        frames: the table `frames` with the columns of `audit.features`.
        bursts: the table `bursts`.

    Returns:
        One row per source: `source`, `frames` (whose noise is known), `stated` (median standard deviation at mid-grey, in per cent of
        white, by the manifest), `excess` (median of measured noise over that which the manifest states at the same signal; NaN for bursts
        with an exact truth: their noise was drawn by those numbers, and what their pixels show beyond it is the texture of the scene; and
        of frames whose noise was estimated from their pixels, for one estimate does not refute another),
        `stated_ratio` and `excess_ratio` (against the median of the other sources; NaN for a single one).
    """
    known = bursts.drop_duplicates("burst_id").set_index("burst_id")
    empty = pd.Series(np.nan, index=frames.index)
    measured, signal = (frames.get(name, empty).astype("float64") for name in ("noise", "signal"))
    shot, read = (frames[name].astype("float64") for name in ("shot_noise", "read_noise"))
    expected = (shot * signal.clip(0) + read) ** 0.5
    table = pd.DataFrame({"source": frames["burst_id"].map(known["source"]), "stated": np.sqrt(shot * MID_GREY + read)})
    drawn = frames["burst_id"].map(known["ground_truth_kind"]) == "exact"
    stated = np.array(
        [not is_estimated(names, "shot_noise") for names in frames.get("estimated", [None] * len(frames))], bool
    )
    table["excess"] = (measured / expected.replace(0, np.nan)).where(~drawn & stated)
    table = table[table["stated"].notna()]
    result = (
        table.groupby("source", sort=True)
        .agg(frames=("stated", "size"), stated=("stated", "median"), excess=("excess", "median"))
        .reset_index()
    )
    for name in ("stated", "excess"):
        others = [result[name].drop(index=place).median() for place in result.index]
        result[f"{name}_ratio"] = result[name] / pd.Series(others, index=result.index, dtype="float64")
    result["stated"] *= 100
    return result


def _average_bursts(matrix: ScoreMatrix, place: int) -> NDArray[np.float64]:
    values, number = matrix.values[place], len(matrix.burst_ids)
    known = np.isfinite(values)
    sums = np.bincount(matrix.bursts[known], values[known], minlength=number)
    counts = np.bincount(matrix.bursts[known], minlength=number)
    means = np.full(number, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
