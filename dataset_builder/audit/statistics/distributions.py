"""How scores are distributed: summaries, histograms, spread within and between bursts, outliers."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builder.audit.tables import ScoreMatrix, as_plain
from manifests.schema import LABEL_SET, is_marginal

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

_ESTIMATOR_ORDER = ("leave_one_out", "shapley", "banzhaf", "marginal", "half_sum", "add_one", "as_reference", "solo")
_NORMAL_RANGE = 2.4388
"""Interquartile ranges between the 5 % and 95 % quantiles of a normal distribution."""


def summarise_scores(labels: pd.DataFrame) -> pd.DataFrame:
    """Distribution of the scores of each label set.

    Returns:
        Sorted by scenario, estimator, metric, with columns `unit`, `scores` (not null), `missing`, `mean`, `std` (n − 1), `min`,
        `max`, `q05`, `q25`, `q50`, `q75`, `q95` (linear interpolation), `negative_share` (fraction of scores below 0) and
        `tied_share` (fraction that equals another score of its burst).
    """
    rows = labels.assign(
        missing=labels["score"].isna(),
        negative=(labels["score"] < 0).where(labels["score"].notna()).astype(float),
        tied=labels.duplicated(["burst_id", *LABEL_SET, "score"], keep=False)
        .where(labels["score"].notna())
        .astype(float),
    )
    groups = rows.groupby([*LABEL_SET, "unit"], sort=True, observed=True)
    table = groups.agg(
        scores=("score", "count"),
        missing=("missing", "sum"),
        mean=("score", "mean"),
        std=("score", "std"),
        min=("score", "min"),
        max=("score", "max"),
        negative_share=("negative", "mean"),
        tied_share=("tied", "mean"),
    )
    for quantile in QUANTILES:
        table[quantile_name(quantile)] = groups["score"].quantile(quantile)
    return as_plain(table.reset_index())


def quantile_name(quantile: float) -> str:
    """Column of a quantile: 0.05 is `q05`."""
    return f"q{round(quantile * 100):02d}"


def histogram_scores(matrix: ScoreMatrix, *, num_bins: int = 40) -> pd.DataFrame:
    """Histograms whose bins are common to all label sets of one estimator and unit, so that they can be compared.

    The range spans 0 and the middle 99 % of the pooled scores, or that middle alone where 0 is far off (further than its width);
    the outermost bins also hold what lies beyond. An axis that spans 0 has an edge there, at the price of one or two more bins.

    Returns:
        One row per bin: scenario, estimator, metric, unit, `left`, `right` (edges, in the unit), `count`. Label sets
        without any score have no rows.
    """
    parts = []
    for _, alike in matrix.sets.groupby(["estimator", "unit"], sort=True):
        scores = {
            place: values[np.isfinite(values)]
            for place, values in zip(alike.index, matrix.values[alike.index], strict=True)
        }
        if not any(map(len, scores.values())):
            continue
        edges = _common_edges(np.concatenate(list(scores.values())), num_bins)
        for place, mine in scores.items():
            if len(mine):
                counts, _ = np.histogram(mine.clip(edges[0], edges[-1]), edges)
                bins = {"left": edges[:-1], "right": edges[1:], "count": counts}
                parts.append(pd.DataFrame({**matrix.sets.loc[place].to_dict(), **bins}))
    columns = [*LABEL_SET, "unit", "left", "right", "count"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def compare_spread(labels: pd.DataFrame) -> pd.DataFrame:
    """How far scores differ within bursts, and between bursts: one-way analysis of variance with the burst as the group.

    Returns:
        Columns scenario, estimator, metric, `unit`, `bursts` (with a score), `within_std` (pooled over bursts, n − bursts degrees
        of freedom), `between_std` (of the burst means, n − 1) and `within_share` (of the total sum of squares); NaN where too
        few scores exist or none differ.
    """
    scored = labels[labels["score"].notna()]
    bursts = scored.groupby([*LABEL_SET, "unit", "burst_id"], sort=True, observed=True)["score"]
    means = bursts.agg(["size", "mean"]).reset_index()
    means["squares"] = (bursts.var(ddof=0).to_numpy()) * means["size"]
    means["weighted"] = means["mean"] * means["size"]
    table = (
        means.groupby([*LABEL_SET, "unit"], sort=True, observed=True)
        .agg(
            bursts=("size", "size"),
            scores=("size", "sum"),
            within=("squares", "sum"),
            weighted=("weighted", "sum"),
            between_std=("mean", "std"),
        )
        .reset_index()
    )
    # A second pass around the grand mean keeps precision where means are large against their spread.
    means = means.merge(
        table[[*LABEL_SET, "unit", "weighted", "scores"]], on=[*LABEL_SET, "unit"], suffixes=("", "_all")
    )
    means["between"] = means["size"] * (means["mean"] - means["weighted_all"] / means["scores"]) ** 2
    between = means.groupby([*LABEL_SET, "unit"], sort=True, observed=True)["between"].sum().to_numpy()
    freedom = (table["scores"] - table["bursts"]).replace(0, np.nan)
    total = (table["within"] + between).replace(0, np.nan)
    table["within_std"] = np.sqrt(table["within"] / freedom)
    table["within_share"] = table["within"] / total
    return as_plain(table[[*LABEL_SET, "unit", "bursts", "within_std", "between_std", "within_share"]])


def choose_label_sets(sets: pd.DataFrame) -> pd.DataFrame:
    """One label set per scenario, by which scenarios are compared.

    Leave-one-out where there is one, else the next of shapley, banzhaf, marginal, half_sum, add_one, as_reference, solo; PSNR before
    other metrics; of equals the first by name.

    Args:
        sets: the rows of `Labels.sets`.

    Returns:
        Columns scenario, estimator, metric, unit; sorted by scenario.
    """
    order = [estimator_place(str(name)) for name in sets["estimator"]]
    places = sets.assign(order=order, other_metric=sets["metric"] != "psnr")
    chosen = places.sort_values(["scenario", "order", "other_metric", "estimator", "metric"]).drop_duplicates(
        "scenario"
    )
    return chosen.drop(columns=["order", "other_metric"]).reset_index(drop=True)


def estimator_place(estimator: str) -> int:
    """Where an estimator stands when label sets are listed: gains first, unknown ones last."""
    name = estimator.split("(", maxsplit=1)[0]
    return _ESTIMATOR_ORDER.index(name) if name in _ESTIMATOR_ORDER else len(_ESTIMATOR_ORDER)


def _common_edges(scores: NDArray[np.float64], num_bins: int) -> NDArray[np.float64]:
    low, high = np.quantile(scores, [0.005, 0.995])
    if min(abs(low), abs(high)) <= high - low or low <= 0 <= high:
        low, high = min(low, 0.0), max(high, 0.0)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    if low <= 0 <= high:
        # An edge at exactly 0 keeps gains and losses in different bins.
        width = (high - low) / num_bins
        steps = np.arange(math.floor(low / width), math.ceil(high / width) + 1)
        return np.asarray(width * steps, np.float64)
    return np.linspace(low, high, num_bins + 1)


def find_outliers(labels: pd.DataFrame, useless: pd.DataFrame) -> pd.DataFrame:
    """The most extreme score of each label set.

    Args:
        labels: `score` NaN where there is none.
        useless: `burst_id` and `frame_index` of frames that were made useless on purpose, whose scores may be as extreme as they are.

    Returns:
        Sorted by scenario, estimator, metric, with `unit`, `burst_id`, `frame_index`, `score` and `distance`: how many interquartile
        ranges it lies beyond the nearer quartile (Tukey, "Exploratory Data Analysis", 1977, calls more than 3 far out); NaN where
        there are none. Where scores have long tails, as gains of different presets together, the range is that which normal scores with
        the same 5 % and 95 % quantiles would have, if it is larger.
    """
    scored = labels[labels["score"].notna()]
    scored = scored.assign(expected=_find_rows(scored, useless))
    rows = []
    for key, mine in scored.groupby([*LABEL_SET, "unit"], sort=True, observed=True):
        scores = mine["score"].to_numpy(np.float64)
        lowest, low, high, highest = np.quantile(scores, [0.05, 0.25, 0.75, 0.95])
        spread = max(high - low, (highest - lowest) / _NORMAL_RANGE)
        beyond = np.where(mine["expected"], -np.inf, np.maximum(low - scores, scores - high))
        place = int(beyond.argmax())
        distance = max(float(beyond[place]), 0.0) / spread if spread > 0 else np.nan
        row = mine.iloc[place]
        rows.append((*key, row["burst_id"], int(row["frame_index"]), float(scores[place]), distance))
    return pd.DataFrame(rows, columns=[*LABEL_SET, "unit", "burst_id", "frame_index", "score", "distance"])


def _find_rows(labels: pd.DataFrame, frames: pd.DataFrame) -> NDArray[np.bool_]:
    """Which rows are of one of some frames."""
    found = labels["burst_id"].isin(frames["burst_id"]).to_numpy(copy=True)
    pairs = set(zip(frames["burst_id"], frames["frame_index"], strict=True))
    rows = labels.loc[found, ["burst_id", "frame_index"]]
    found[found] = [pair in pairs for pair in rows.itertuples(index=False, name=None)]
    return found


def count_missing(labels: pd.DataFrame, references: pd.Series[int]) -> pd.DataFrame:
    """Scores that should be there and are not.

    Args:
        labels: with NaN where there is no score.
        references: reference frame of each burst, indexed by burst_id.

    Returns:
        Columns scenario, estimator, metric, `expected` (rows, but for references under marginal estimators, which define no
        score for them), `missing`
        (of these without a score), `missing_share`.
    """
    codes, names = pd.factorize(labels["burst_id"])
    reference_of = references.reindex(np.asarray(names, object)).to_numpy(np.float64, na_value=-1)
    left_out = labels["estimator"].astype(object).isin([name for name in set(labels["estimator"]) if is_marginal(name)])
    expected = labels[~(left_out & (reference_of[codes] == labels["frame_index"]))]
    table = (
        expected.assign(missing=expected["score"].isna())
        .groupby(LABEL_SET, sort=True, observed=True)
        .agg(expected=("missing", "size"), missing=("missing", "sum"))
        .reset_index()
    )
    return as_plain(table.assign(missing_share=table["missing"] / table["expected"]))


def count_constant(labels: pd.DataFrame) -> pd.DataFrame:
    """Bursts all of whose frames have the same score, so that no frame can be chosen over another.

    Returns:
        Columns scenario, estimator, metric, `bursts` (with two scores or more), `constant`, `constant_share`.
    """
    scored = labels[labels["score"].notna()]
    bursts = scored.groupby([*LABEL_SET, "burst_id"], sort=True, observed=True)["score"].agg(["size", "min", "max"])
    bursts = bursts[bursts["size"] >= 2].reset_index()
    table = (
        bursts.assign(constant=bursts["min"] == bursts["max"])
        .groupby(LABEL_SET, sort=True, observed=True)
        .agg(bursts=("constant", "size"), constant=("constant", "sum"))
        .reset_index()
    )
    return as_plain(table.assign(constant_share=table["constant"] / table["bursts"]))


def count_failures(failures: pd.DataFrame) -> pd.DataFrame:
    """Failures: columns `stage`, `scenario`, `error_type`, `failures`, `units`, `example` (the first message), sorted.

    `units` failed as a whole; of others a part of the labels is missing.
    """
    return (
        failures.assign(whole=failures["estimator"].isna())
        .groupby(["stage", "scenario", "error_type"], sort=True)
        .agg(failures=("message", "size"), units=("whole", "sum"), example=("message", "first"))
        .reset_index()
    )
