"""Gains of selecting frames over a data set: per burst, and averaged with intervals over scenes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from dataset_builder.labeling.scenarios import ResolvedScenario
from dataset_builder.labeling.truth import explain_mismatch
from dataset_builder.labeling.units import BurstRows, read_bursts
from dataset_builder.selection.guides import BASELINES, Guide
from dataset_builder.selection.policies import POLICIES
from dataset_builder.selection.unit import SelectionUnit
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.missing import do_missing
from dataset_builder.work.report import Progress, StageReport, no_progress
from dataset_builder.work.unit import read_part, remove_part
from manifests.intervals import SceneIntervals
from restorers import Domain
from restorers.fidelity import METRICS

OTHER_NOISE, SAME_NOISE = "other noise", "same noise"
KEYS = ["scenario", "preset", "metric", "unit", "guide", "policy", "judged"]
"""What tells one summarised gain from another."""
GAIN_COLUMNS = ["burst_id", "scene_id", *KEYS, "kept", "gain", "over_random", "same_noise"]
_MEANS = [
    "gain",
    "low",
    "high",
    "over_random",
    "over_random_low",
    "over_random_high",
    "same_noise",
    "kept",
    "bursts",
    "scenes",
]


def measure_gains(
    root: Path,
    scenario: ResolvedScenario,
    guides: Mapping[str, Sequence[Guide]],
    *,
    metric: str = "psnr",
    judges: Mapping[str, SynthesisUnit] | None = None,
    workers: Workers = ONE_WORKER,
    progress: Progress = no_progress,
) -> tuple[pd.DataFrame, StageReport]:
    """Restore each burst from the frames that its guides choose, and from those that the oracle, chance, order and sharpness choose.

    Args:
        root: the data set.
        scenario: whose restorer restores.
        guides: by burst, as many as wanted: scores of labels, or those that a model predicts.
        metric: metric of the fidelities, one that needs a truth.
        judges: what renders bursts with other noise, to judge on; bursts without one are judged on the noise that frames are chosen on.
        workers: who does the work; the result does not depend on it.
        progress: how to show progress.

    Returns:
        A row of `GAIN_COLUMNS` for each burst, guide and policy: `kept` is the share of the frames beside the reference; `gain`,
        `over_random` and `same_noise` are those of `measure_guides`. And a failure for each burst that could not be restored.
        Bursts without a truth, and those that the restorer does not take, have no rows.

    Raises:
        ManifestError: if a table is missing or damaged.
        ValueError: if the metric needs no truth.
    """
    if not METRICS[metric].needs_truth:
        raise ValueError(f"metric {metric}: selection is judged by the truth; choose another metric")
    bursts, report = read_bursts(root), StageReport("labels")
    units = [
        SelectionUnit(
            bursts[burst_id],
            scenario.name,
            scenario.target,
            scenario.fingerprint,
            scenario.info.device,
            metric,
            tuple(guides[burst_id]),
            (judges or {}).get(burst_id),
        )
        for burst_id in sorted(guides)
        if _suits(bursts[burst_id], scenario)
    ]
    do_missing(
        units,
        root,
        title="gain",
        describe=lambda unit: (unit.rows.burst, unit.scenario),
        workers=workers,
        progress=progress,
        report=report,
    )
    rows = []
    for unit in units:
        part = read_part(root, unit) or {"rows": []}
        rows += [{**_describe(unit), **row} for row in part["rows"]]
        remove_part(root, unit)
    table = pd.DataFrame(rows, columns=[*GAIN_COLUMNS, "others"])
    table["kept"] = table["kept"] / table.pop("others")
    return table, report


def summarise_gains(gains: pd.DataFrame) -> pd.DataFrame:
    """Means over bursts, for each scenario and preset apart: presets differ in what selecting is worth.

    Args:
        gains: rows as `measure_gains` gives them, of one scenario or several.

    Returns:
        `KEYS`, `gain` with `low` and `high`, `over_random` with `over_random_low` and `over_random_high` (95 % intervals over scenes; NaN
        of fewer than two), `same_noise`, `kept`, `bursts`, `scenes`; as `arrange_gains` orders them.
    """
    rows = []
    for keys, group in gains.groupby(KEYS, sort=True):
        intervals = SceneIntervals(pd.factorize(group["scene_id"])[0].astype(np.int64))
        bounds = {name: intervals.bound_mean(group[name].to_numpy(np.float64)) for name in ("gain", "over_random")}
        rows.append(
            {
                **dict(zip(KEYS, keys, strict=True)),
                "gain": float(group["gain"].mean()),
                "low": bounds["gain"][0],
                "high": bounds["gain"][1],
                "over_random": float(group["over_random"].mean()),
                "over_random_low": bounds["over_random"][0],
                "over_random_high": bounds["over_random"][1],
                "same_noise": float(group["same_noise"].mean()),
                "kept": float(group["kept"].mean()),
                "bursts": len(group),
                "scenes": int(group["scene_id"].nunique()),
            }
        )
    return arrange_gains(pd.DataFrame(rows, columns=[*KEYS, *_MEANS]))


def arrange_gains(table: pd.DataFrame) -> pd.DataFrame:
    """Rows as `summarise_gains` gives them in its order: by scenario, preset and metric, the baselines first, then by policy."""
    places = [
        (scenario, preset, metric, BASELINES.index(guide) if guide in BASELINES else 9, guide, POLICIES.index(policy))
        for scenario, preset, metric, _, guide, policy, _ in table[KEYS].itertuples(index=False, name=None)
    ]
    return table.iloc[sorted(range(len(table)), key=places.__getitem__)].reset_index(drop=True)


def _suits(rows: BurstRows, scenario: ResolvedScenario) -> bool:
    """Whether the restorer takes the burst, its output has a counterpart in the truth, and there is something to choose."""
    burst, info, count = rows.burst, scenario.info, len(rows.frames)
    domain = Domain(burst["domain"])
    return (
        count > 2
        and domain in info.input_domains
        and info.min_frames <= count <= (info.max_frames or count)
        and burst["ground_truth_kind"] != "none"
        and explain_mismatch(info, domain, burst["scale"]) is None
    )


def _describe(unit: SelectionUnit) -> dict[str, object]:
    burst = unit.rows.burst
    return {
        "burst_id": burst["burst_id"],
        "scene_id": burst["scene_id"],
        "scenario": unit.scenario,
        "preset": burst["preset"],
        "metric": unit.metric,
        "unit": METRICS[unit.metric].unit,
        "judged": SAME_NOISE if unit.judge is None else OTHER_NOISE,
        "others": len(unit.rows.frames) - 1,
    }
