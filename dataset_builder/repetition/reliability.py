"""Can labels be trusted? Label the same bursts again with other noise, and with every second frame left out, and compare."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dataset_builder.audit.statistics import correlate_within
from dataset_builder.bursts import Plan, build_bursts
from dataset_builder.finish import finish_dataset, read_built_recipe
from dataset_builder.labeling.catalogue import arrange
from dataset_builder.labeling.engine import build_labels
from dataset_builder.labeling.plan import plan_labels
from dataset_builder.labeling.scenarios import ResolvedScenario, resolve_recorded
from dataset_builder.labeling.units import BurstRows, LabelUnit, read_bursts
from dataset_builder.plans import plan_makers
from dataset_builder.repetition.choice import spread_evenly
from dataset_builder.settings.roots import NO_ROOTS
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.altered import take_stock
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.lock import lock_dataset
from dataset_builder.work.missing import do_missing
from dataset_builder.work.report import Progress, StageReport, no_progress
from dataset_builder.work.unit import WORK_FOLDER, read_part, remove_part
from manifests.confined.writing import remove_tree
from manifests.description import read_description
from manifests.schema import RELIABILITY
from manifests.store import read_labels, table_path, write_table

_KEYS = ["scenario", "estimator", "metric"]
_BLIND = frozenset({"add_one", "solo"})
"""Estimators that look at no other frame than the one they score and the reference: leaving out others cannot change them."""


@dataclass(frozen=True)
class HalfBurstUnit(LabelUnit):
    """The labels of a burst of which every second frame beside the reference is left out."""

    @property
    def part(self) -> str:
        """Where its result waits to be compared."""
        return f"halves/{super().part}"


def measure_reliability(
    root: Path,
    base: Path,
    *,
    roots: Mapping[str, Path] = NO_ROOTS,
    most_bursts: int = 200,
    named: Collection[str] = (),
    workers: Workers = ONE_WORKER,
    progress: Progress = no_progress,
) -> list[StageReport]:
    """Write `manifests/reliability.parquet`: how far the labels of synthetic bursts depend on their noise and their length.

    Args:
        root: the data set.
        base: folder that relative roots of its recipe are relative to; the photographs must still be there.
        roots: folders of its named roots; sources whose roots are not among them are passed over.
        most_bursts: how many bursts to label again, spread evenly over those that can be rendered again.
        named: scenarios that the user named; of the others, those run that are built in or installed.
        workers: who does the work.
        progress: how to show progress.

    Raises:
        BuildError: if no burst can be rendered again.
        ManifestError: if `root` is no data set.
    """
    read_description(root)
    with lock_dataset(root):
        altered = take_stock(root, [table_path(name) for name in ("splits", RELIABILITY.name)])
        recipe = read_built_recipe(root)
        scenarios, remarks = resolve_recorded(recipe.scenarios, named, device=workers.device)
        plans = _plan_again(plan_makers(root, base, recipe, workers, roots=roots), most_bursts)
        replica = root / WORK_FOLDER / "replica"
        reports = [build_bursts(replica, plans, workers=workers, progress=progress)]
        reports.append(build_labels(replica, scenarios, workers=workers, progress=progress))
        chosen = [unit.burst_id for plan in plans.values() for unit in plan.units]
        names = [scenario.name for scenario in scenarios]
        first, again = (read_labels(each, names).to_pandas() for each in (root, replica))
        halves = _label_halves(root, scenarios, chosen, workers=workers, progress=progress, report=reports[-1])
        presets = {burst_id: str(rows.burst["preset"]) for burst_id, rows in read_bursts(root).items()}
        write_table(root, table_path(RELIABILITY.name), RELIABILITY, compare_labels(first, again, halves, presets))
        remove_tree(root, f"{WORK_FOLDER}/replica")
        finished = finish_dataset(root, recipe, anew=True, named=named, workers=workers)
        reports[-1].remarks += [*altered, *remarks, *finished]
    return reports


def compare_labels(
    first: pd.DataFrame, again: pd.DataFrame, halves: pd.DataFrame, presets: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Rows of the table `reliability`.

    Args:
        first: labels of the data set, columns as in the table `labels`.
        again: labels of the same bursts with other noise.
        halves: labels of the bursts with every second frame left out; `frame_index` is that of the whole burst.
        presets: preset of each burst; they differ too much to be pooled.

    Returns:
        One row per scenario, estimator, metric and preset that both have.
    """
    columns = [*_KEYS, "burst_id", "frame_index"]
    pairs = first.merge(again, on=columns, suffixes=("", "_again")).dropna(subset=["score", "score_again"])
    shorter = first.merge(halves, on=columns, suffixes=("", "_half")).dropna(subset=["score", "score_half"])
    pairs, shorter = (each.assign(preset=each["burst_id"].map(presets)) for each in (pairs, shorter))
    keys = [*_KEYS, "preset"]
    lengths = {names: _mean_spearman(group, "score_half") for names, group in shorter.groupby(keys)}
    rows = []
    for names, group in pairs.groupby(keys):
        difference = group["score_again"] - group["score"]
        rows.append(
            {
                **dict(zip(keys, names, strict=True)),
                "bursts": int(group["burst_id"].nunique()),
                "frames": len(group),
                "spearman": _mean_spearman(group, "score_again"),
                "icc": _intraclass_correlation(group),
                "stable_best": _share_of_stable_best(group),
                "median_score": float(group["score"].abs().median()),
                "noise_error": float(np.sqrt(np.mean(difference**2) / 2)),
                "length_spearman": lengths.get(names),
            }
        )
    return rows


def _plan_again(makers: Mapping[str, SynthesisUnit], most: int) -> Mapping[str, Plan]:
    """Some of the bursts, spread evenly, with other noise."""
    plans: dict[str, Plan] = defaultdict(Plan)
    for unit in spread_evenly(list(makers.values()), most):
        plans[unit.origin.source].units.append(replace(unit, redraw=1))
    return plans


def _label_halves(
    root: Path,
    scenarios: Sequence[ResolvedScenario],
    chosen: Sequence[str],
    *,
    workers: Workers,
    progress: Progress,
    report: StageReport,
) -> pd.DataFrame:
    bursts = read_bursts(root)
    halves = {burst_id: half for burst_id in chosen if (half := _halve(bursts[burst_id])) is not None}
    asked = [
        replace(scenario, definitions=kept)
        for scenario in scenarios
        if (kept := tuple(each for each in scenario.definitions if each.estimator not in _BLIND))
    ]
    # No label file holds halves, so all that applies to them is planned.
    planned = plan_labels(root / WORK_FOLDER / "halves", asked, arrange(halves)).units
    units = [HalfBurstUnit(unit.rows, unit.scenario, unit.definitions) for unit in planned]
    do_missing(
        units,
        root,
        title="halves",
        describe=lambda unit: (unit.rows.burst, unit.scenario.name),
        workers=workers,
        progress=progress,
        report=report,
    )
    rows: list[dict[str, Any]] = []
    for unit in units:
        frames = [frame["frame_index"] for frame in unit.rows.frames]
        part = read_part(root, unit) or {"rows": []}
        rows += [{**row, "frame_index": frames[row["frame_index"]]} for row in part["rows"]]
        remove_part(root, unit)
    return pd.DataFrame(rows, columns=[*_KEYS, "burst_id", "frame_index", "score"])


def _halve(rows: BurstRows) -> BurstRows | None:
    """The reference and every second of the other frames; None if fewer than 3 others would be left, too few to rank."""
    reference = rows.burst["reference_index"]
    others = [frame for frame in rows.frames if frame["frame_index"] != reference][::2]
    if len(others) < 3:
        return None
    frames = sorted([rows.frames[reference], *others], key=lambda frame: int(frame["frame_index"]))
    place = [frame["frame_index"] for frame in frames].index(reference)
    return BurstRows({**rows.burst, "num_frames": len(frames), "reference_index": place}, tuple(frames))


def _mean_spearman(group: pd.DataFrame, other: str) -> float | None:
    """Mean over bursts of the rank correlation of two labels, where both order the frames at all."""
    codes, names = pd.factorize(group["burst_id"])
    first, second = (group[name].to_numpy(np.float64) for name in ("score", other))
    found, _ = correlate_within(codes.astype(np.int64), first, second, len(names))
    return float(np.nanmean(found)) if np.isfinite(found).any() else None


def _intraclass_correlation(group: pd.DataFrame) -> float | None:
    """ICC(C,1) of frames within bursts (McGraw & Wong 1996; ICC(3,1) of Shrout & Fleiss 1979).

    Burst by burst a two-way analysis of variance of frames and draws, whose sums of squares and degrees of freedom are added up: of n
    frames in B bursts both mean squares have n − B.
    """
    both = group[["score", "score_again"]] - group.groupby("burst_id")[["score", "score_again"]].transform("mean")
    means = both.mean(axis=1)
    degrees = len(both) - group["burst_id"].nunique()
    if degrees == 0:
        return None
    between = 2 * float((means**2).sum()) / degrees
    within = float(both.sub(means, axis=0).pow(2).to_numpy().sum()) / degrees
    return (between - within) / (between + within) if between + within > 0 else None


def _share_of_stable_best(group: pd.DataFrame) -> float:
    best = [
        group.loc[group.groupby("burst_id")[name].idxmax()].set_index("burst_id") for name in ("score", "score_again")
    ]
    return float((best[0]["frame_index"] == best[1]["frame_index"]).mean())
