"""What a perfect selector of frames would gain: the number that says whether selecting frames is worth it at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from dataset_builder.audit.statistics.ranks import mean_or_nan
from dataset_builder.audit.tables import ScoreMatrix
from dataset_builder.selection.guides import ORACLE
from dataset_builder.selection.policies import DROP_HARMFUL, PARTS
from manifests.intervals import SceneIntervals

WITHOUT_ONE = "all frames but one"
ONE_MORE = "the reference and one more"

ANY = "any"
"""As many as suit the burst best, all of them allowed."""

CURVE_COLUMNS = ["burst_id", "scenario", "metric", "unit", "selector", "part", "kept", "fidelity"]
"""A measured fidelity. `selector` is `perfect` (the best subset of its size), `labels` (the frames with the highest scores), `random`
(mean over random subsets), `first` (in capture order) or `all`; `part` one of `PARTS` or `ANY`; `kept` counts the frames
besides the reference."""


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


def summarise_curves(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean fidelity of chosen frames against all frames, over the bursts that were restored for the audit.

    Args:
        curves: rows as `CURVE_COLUMNS`.

    Returns:
        Columns `scenario`, `metric`, `unit`, `selector`, `part`, `gain` (mean over bursts of fidelity minus that of all frames),
        `bursts`; parts in the order of `PARTS`, `ANY` last.
    """
    columns = ["scenario", "metric", "unit", "selector", "part", "gain", "bursts"]
    if curves.empty:
        return pd.DataFrame(columns=columns)
    keys = ["burst_id", "scenario", "metric"]
    everything = curves[curves["selector"] == "all"].set_index(keys)["fidelity"]
    rows = curves[curves["selector"] != "all"].join(everything.rename("whole"), on=keys)
    rows["gain"] = rows["fidelity"] - rows["whole"]
    order = {part: place for place, part in enumerate((*PARTS, ANY))}
    groups = rows.groupby(["scenario", "metric", "unit", "selector", "part"], sort=True)["gain"]
    table = pd.DataFrame({"gain": groups.mean(), "bursts": groups.size()}).reset_index()
    table["place"] = table["part"].map(order)
    return table.sort_values(["scenario", "metric", "unit", "selector", "place"], ignore_index=True)[columns]


def bound_selection(gains: pd.DataFrame, curves: pd.DataFrame, presets: pd.Series[Any]) -> pd.DataFrame:
    """What a perfect selector that keeps as many frames as it likes gains over all frames, by scenario and preset.

    Args:
        gains: as `buiqa gain` found them; may be empty.
        curves: rows as `CURVE_COLUMNS`, which stand for scenarios that have no gains; judged on the noise that was chosen on, they are
            what no selector can exceed.
        presets: preset of each burst.

    Returns:
        Columns `scenario`, `preset`, `metric`, `unit`, `gain`, `bursts`, sorted.
    """
    keys = ["scenario", "preset", "metric", "unit"]
    known = gains[(gains["guide"] == ORACLE) & (gains["policy"] == DROP_HARMFUL)]
    parts = [known[[*keys, "gain", "bursts"]]]
    restored = curves[~curves["scenario"].isin(known["scenario"])]
    if len(restored):
        restored = restored.assign(preset=restored["burst_id"].map(presets))
        place = ["burst_id", *keys]
        best = restored[(restored["selector"] == "perfect") & (restored["part"] == ANY)].set_index(place)["fidelity"]
        whole = restored[restored["selector"] == "all"].set_index(place)["fidelity"]
        gain = (best - whole).dropna().groupby(keys)
        parts.append(pd.DataFrame({"gain": gain.mean(), "bursts": gain.size()}).reset_index())
    return pd.concat(parts).sort_values(keys, ignore_index=True)
