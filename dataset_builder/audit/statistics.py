"""What the labels say about themselves: pure functions over manifests that return pandas frames.

Read the manifests once with `audit.tables.read_tables`; counts of contents, splits and failures live in `manifests.statistics`.
"Within" always means among the frames of one burst, the only comparison that selecting frames makes.
"""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builder.audit.tables import LABEL_SET, Tables

FACTORS = ("shot_noise", "blur_length", "displacement", "exposure_ratio", "frame_index", "reference_distance")
"""Trivial properties of a frame that might explain its score; `reference_distance` is |frame_index − reference_index|."""

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)

MIN_FRAMES = 3
"""Shortest burst with a rank correlation: two frames can only agree or disagree."""

_ESTIMATOR_ORDER = ("leave_one_out", "shapley", "banzhaf", "add_one", "as_reference", "solo")


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
    return _as_plain(table.reset_index())


def quantile_name(quantile: float) -> str:
    """Column of a quantile: 0.05 is `q05`."""
    return f"q{round(quantile * 100):02d}"


def histogram_scores(labels: pd.DataFrame, *, num_bins: int = 40) -> pd.DataFrame:
    """Histograms whose bins are common to all label sets of one estimator and unit, so that they can be compared.

    The range spans 0 and the middle 99 % of the pooled scores, or that middle alone where 0 is far off (further than its width);
    the outermost bins also hold what lies beyond. An axis that spans 0 has an edge there, at the price of one or two more bins.

    Returns:
        One row per bin: scenario, estimator, metric, unit, `left`, `right` (edges, in the unit), `count`. Label sets
        without any score have no rows.
    """
    scored = labels[labels["score"].notna()]
    parts = []
    for (estimator, unit), pooled in scored.groupby(["estimator", "unit"], sort=True, observed=True):
        edges = _common_edges(pooled["score"].to_numpy(), num_bins)
        for (scenario, metric), rows in pooled.groupby(["scenario", "metric"], sort=True, observed=True):
            counts, _ = np.histogram(np.clip(rows["score"], edges[0], edges[-1]), edges)
            parts.append(
                pd.DataFrame(
                    {
                        "scenario": scenario,
                        "estimator": estimator,
                        "metric": metric,
                        "unit": unit,
                        "left": edges[:-1],
                        "right": edges[1:],
                        "count": counts,
                    }
                )
            )
    columns = [*LABEL_SET, "unit", "left", "right", "count"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


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
    return _as_plain(table[[*LABEL_SET, "unit", "bursts", "within_std", "between_std", "within_share"]])


def choose_label_sets(labels: pd.DataFrame) -> pd.DataFrame:
    """One label set per scenario, by which scenarios are compared.

    Leave-one-out where there is one, else the next of shapley, banzhaf, add_one, as_reference, solo; of equals the first by name.

    Returns:
        Columns scenario, estimator, metric, unit; sorted by scenario. Label sets without a score are not chosen.
    """
    sets = _as_plain(labels.loc[labels["score"].notna(), [*LABEL_SET, "unit"]].drop_duplicates().reset_index(drop=True))
    sets["order"] = [estimator_place(str(name)) for name in sets["estimator"]]
    chosen = sets.sort_values(["scenario", "order", "estimator", "metric"]).drop_duplicates("scenario")
    return chosen.drop(columns="order").reset_index(drop=True)


def estimator_place(estimator: str) -> int:
    """Where an estimator stands when label sets are listed: gains first, unknown ones last."""
    name = estimator.split("(", maxsplit=1)[0]
    return _ESTIMATOR_ORDER.index(name) if name in _ESTIMATOR_ORDER else len(_ESTIMATOR_ORDER)


def correlate_within(groups: pd.Series, first: pd.Series, second: pd.Series) -> pd.DataFrame:
    """Spearman's rank correlation of two variables inside each group, ties sharing their average rank.

    Args:
        groups: the group (burst) of each row.
        first: values, aligned with `groups`; rows where either variable is NaN are dropped before ranking.
        second: values, aligned with `groups`.

    Returns:
        Indexed by group, sorted: `spearman`, NaN in groups of fewer than `MIN_FRAMES` rows or where a variable is constant, and
        `frames`, the rows it is based on.
    """
    kept = (first.notna() & second.notna()).to_numpy()
    codes, names = pd.factorize(groups[kept], sort=True)
    size = np.bincount(codes, minlength=len(names))
    a, b = (_center_ranks(values[kept].to_numpy(), codes) for values in (first, second))
    product, square_a, square_b = (np.bincount(codes, values, minlength=len(names)) for values in (a * b, a * a, b * b))
    valid = (size >= MIN_FRAMES) & (square_a > 0) & (square_b > 0)
    spearman = np.full(len(names), np.nan)
    np.divide(product, np.sqrt(square_a * square_b), out=spearman, where=valid)
    return pd.DataFrame({"spearman": spearman, "frames": size}, index=pd.Index(names, name="burst_id"))


def correlate_scenarios(labels: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Agreement of scenarios on the order of frames: mean over bursts of Spearman's correlation within the burst.

    Args:
        labels: of any scenarios.
        chosen: one label set per scenario, as `choose_label_sets` gives them.

    Returns:
        One row per unordered pair: `scenario`, `other_scenario`, `spearman` (NaN without a burst), `bursts` (that entered).
    """
    scores = pivot_scores(labels, chosen)
    rows = []
    for scenario, other in combinations(scores.columns, 2):
        per_burst = correlate_within(
            scores.index.get_level_values("burst_id").to_series(), scores[scenario], scores[other]
        )
        rows.append((scenario, other, per_burst["spearman"].mean(), int(per_burst["spearman"].count())))
    return pd.DataFrame(rows, columns=["scenario", "other_scenario", "spearman", "bursts"])


def correlate_factors(tables: Tables, chosen: pd.DataFrame) -> pd.DataFrame:
    """How well trivial factors order the frames of a burst: mean over bursts of Spearman's correlation with the score.

    Returns:
        One row per scenario and factor of `FACTORS`: scenario, estimator, metric, `factor`, `spearman`, `bursts`.
    """
    scores, factors = _scores_and_factors(tables, chosen)
    bursts = scores.index.get_level_values("burst_id").to_series()
    rows = []
    for scenario, estimator, metric in chosen[LABEL_SET].itertuples(index=False):
        for factor in FACTORS:
            spearman = correlate_within(bursts, scores[scenario], factors[factor])["spearman"]
            rows.append((scenario, estimator, metric, factor, spearman.mean(), int(spearman.count())))
    return pd.DataFrame(rows, columns=[*LABEL_SET, "factor", "spearman", "bursts"])


def explain_ranks(tables: Tables, chosen: pd.DataFrame) -> pd.DataFrame:
    """Share of the variance of within-burst ranks that a linear model of the ranks of all `FACTORS` explains.

    Ranks are centred within bursts; the coefficient of determination is adjusted for the number of linearly independent factors
    (degrees of freedom n − bursts − factors). A factor that is unknown counts as the same for all frames.

    Returns:
        Per scenario: scenario, estimator, metric, `explained` (at most 1; below 0 means nothing; NaN with too few frames), `frames`.
    """
    scores, factors = _scores_and_factors(tables, chosen)
    bursts = scores.index.get_level_values("burst_id")
    rows = []
    for scenario, estimator, metric in chosen[LABEL_SET].itertuples(index=False):
        kept = scores[scenario].notna().to_numpy()
        codes, names = pd.factorize(bursts[kept])
        target = _center_ranks(scores.loc[kept, scenario].to_numpy(), codes)
        design = np.column_stack([_center_ranks(factors.loc[kept, name].to_numpy(), codes) for name in FACTORS])
        coefficients, _, num_factors, _ = np.linalg.lstsq(design, target, rcond=None)
        freedom, total = len(target) - len(names), float(target @ target)
        explained = np.nan
        if freedom > num_factors and total > 0:
            residual = target - design @ coefficients
            explained = 1 - float(residual @ residual) / (freedom - num_factors) * freedom / total
        rows.append((scenario, estimator, metric, explained, len(target)))
    return pd.DataFrame(rows, columns=[*LABEL_SET, "explained", "frames"])


def count_overlap(bursts: pd.DataFrame, splits: pd.DataFrame) -> pd.DataFrame:
    """What two splits share; a sound data set has 0 everywhere.

    Returns:
        One row per unordered pair of splits: `split`, `other_split`, `shared_scenes` (equal `scene_id`) and `shared_origins`
        (equal `origin_sha256`: the same photograph under two names).
    """
    joined = splits[["burst_id", "split"]].merge(bursts[["burst_id", "scene_id", "origin_sha256"]], on="burst_id")
    sets = {
        name: (set(rows["scene_id"]), set(rows["origin_sha256"])) for name, rows in joined.groupby("split", sort=True)
    }
    rows = [
        (first, second, *(len(a & b) for a, b in zip(sets[first], sets[second], strict=True)))
        for first, second in combinations(sets, 2)
    ]
    return pd.DataFrame(rows, columns=["split", "other_split", "shared_scenes", "shared_origins"])


def pivot_scores(labels: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Scores of the chosen label sets side by side: rows (burst_id, frame_index), one float64 column per scenario."""
    columns = {}
    for scenario, estimator, metric in chosen[LABEL_SET].itertuples(index=False):
        mine = (labels["scenario"] == scenario) & (labels["estimator"] == estimator) & (labels["metric"] == metric)
        rows = labels.loc[mine, ["burst_id", "frame_index", "score"]].astype({"burst_id": object})
        columns[scenario] = rows.set_index(["burst_id", "frame_index"])["score"]
    if not columns:
        return pd.DataFrame(index=pd.MultiIndex.from_arrays([[], []], names=["burst_id", "frame_index"]))
    return pd.DataFrame(columns).sort_index()


def _scores_and_factors(tables: Tables, chosen: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    scores = pivot_scores(tables.labels, chosen)
    frames = tables.frames.merge(tables.bursts[["burst_id", "reference_index"]], on="burst_id")
    frames["reference_distance"] = (frames["frame_index"] - frames["reference_index"]).abs()
    indexed = frames.set_index(["burst_id", "frame_index"], drop=False)
    factors = indexed[list(FACTORS)].astype(np.float64).reindex(scores.index)
    return scores, factors


def _center_ranks(values: NDArray[np.float64], codes: NDArray[np.intp]) -> NDArray[np.float64]:
    """Average ranks within groups, minus the group's mean rank; 0 where the value is NaN."""
    ranks = pd.Series(values).groupby(codes).rank()
    centred: NDArray[np.float64] = (ranks - ranks.groupby(codes).transform("mean")).fillna(0).to_numpy()
    return centred


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


def _as_plain(table: pd.DataFrame) -> pd.DataFrame:
    """Categories back to text: sorted, comparable and free of unused values."""
    return table.astype({name: object for name in (*LABEL_SET, "unit") if name in table})
