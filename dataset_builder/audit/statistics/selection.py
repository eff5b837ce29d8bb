"""What a perfect selector of frames would gain: the number that says whether selecting frames is worth it at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dataset_builder.audit.statistics.ranks import mean_or_nan
from dataset_builder.audit.tables import ScoreMatrix
from dataset_builder.selection.guides import ORACLE
from dataset_builder.selection.policies import CURVE, DROP_HARMFUL
from manifests.intervals import SceneIntervals

WITHOUT_ONE = "all frames but one"
ONE_MORE = "the reference and one more"


def measure_selection(matrix: ScoreMatrix, intervals: SceneIntervals) -> pd.DataFrame:
    """Exact gains of choosing one frame, over all bursts, from the labels alone.

    By definition leave_one_out of frame i is v(N) − v(N∖{i}), so its negative is what dropping i gains against all frames;
    add_one is v({i}) − v(∅), what keeping i gains against the reference alone. A perfect selector drops the worst frame, or
    none where all help.

    Returns:
        One row per label set of leave_one_out and add_one: `scenario`, `metric`, `unit`, `choice` (`WITHOUT_ONE` or `ONE_MORE`),
        `best` with `low` and `high` (95 % interval over scenes), `random` (expected of a random frame), `first` (capture order:
        the last frame goes, or the first stays), `bursts`. Means over bursts.
    """
    rows = []
    number = len(matrix.burst_ids)
    for place, (scenario, estimator, metric, unit) in enumerate(matrix.sets.itertuples(index=False, name=None)):
        if estimator not in {"leave_one_out", "add_one"}:
            continue
        drops = estimator == "leave_one_out"
        gains = -matrix.values[place] if drops else matrix.values[place]
        known = np.isfinite(gains)
        owners, first = np.unique(matrix.bursts[known], return_index=True)
        values = gains[known]
        if not len(owners):
            continue
        ends = np.append(first[1:], len(values)) - 1
        best = np.maximum.reduceat(values, first)
        mean = np.add.reduceat(values, first) / (ends - first + 1)
        per_burst = np.full(number, np.nan)
        per_burst[owners] = np.maximum(best, 0) if drops else best
        naive = values[ends] if drops else values[first]
        choice = WITHOUT_ONE if drops else ONE_MORE
        numbers = (mean_or_nan(per_burst), *intervals.bound_mean(per_burst), float(mean.mean()), float(naive.mean()))
        rows.append((scenario, metric, unit, choice, *numbers, len(owners)))
    return pd.DataFrame(
        rows, columns=["scenario", "metric", "unit", "choice", "best", "low", "high", "random", "first", "bursts"]
    )


def summarise_curves(restored: pd.DataFrame, presets: pd.Series[Any]) -> pd.DataFrame:
    """Mean fidelity of chosen frames over that of all frames, over the bursts that were restored for the audit.

    Args:
        restored: what `audit.restorations.read_restorations` gives.
        presets: preset of each burst: presets differ in what selecting is worth.

    Returns:
        Columns `scenario`, `preset`, `metric`, `unit`, `guide`, `policy`, `gain` (mean over bursts of fidelity minus that of all frames),
        `bursts`; policies in the order of `CURVE`.
    """
    keys = ["scenario", "preset", "metric", "unit", "guide", "policy"]
    if restored.empty:
        return pd.DataFrame(columns=[*keys, "gain", "bursts"])
    place = ["burst_id", "scenario", "metric"]
    everything = restored[restored["guide"] == "all"].set_index(place)["fidelity"]
    rows = restored[restored["policy"] != ""].join(everything.rename("whole"), on=place)
    rows = rows.assign(gain=rows["fidelity"] - rows["whole"], preset=rows["burst_id"].map(presets))
    groups = rows.groupby(keys, sort=True)["gain"]
    table = pd.DataFrame({"gain": groups.mean(), "bursts": groups.size()}).reset_index()
    table["place"] = table["policy"].map({policy: place for place, policy in enumerate(CURVE)})
    return table.sort_values([*keys[:-1], "place"], ignore_index=True)[[*keys, "gain", "bursts"]]


def bound_selection(gains: pd.DataFrame, curves: pd.DataFrame) -> pd.DataFrame:
    """What a perfect selector that keeps as many frames as it likes gains over all frames, by scenario and preset.

    Args:
        gains: what `buiqa gain` found; may be empty.
        curves: rows of `summarise_curves`, for scenarios that have no gains; judged on the noise that was chosen on, they are
            what no selector can exceed.

    Returns:
        Columns `scenario`, `preset`, `metric`, `unit`, `gain`, `bursts`, sorted.
    """
    columns = ["scenario", "preset", "metric", "unit", "gain", "bursts"]
    tables = (gains, curves[~curves["scenario"].isin(gains["scenario"])])
    free = [table[(table["guide"] == ORACLE) & (table["policy"] == DROP_HARMFUL)][columns] for table in tables]
    return pd.concat(free).sort_values(columns[:4], ignore_index=True)
