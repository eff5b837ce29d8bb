"""What is selecting frames worth? Restore the bursts of a data set from the frames that its labels choose, and judge."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
import pandas as pd

from dataset_builder.audit.gains import write_gains
from dataset_builder.errors import BuildError
from dataset_builder.finish import finish_dataset, read_built_recipe
from dataset_builder.labeling.scenarios import ResolvedScenario, resolve_recorded
from dataset_builder.labeling.units import read_bursts
from dataset_builder.plans import plan_makers
from dataset_builder.repetition.choice import spread_evenly
from dataset_builder.selection.gains import GAIN_COLUMNS, measure_gains, summarise_gains
from dataset_builder.selection.guides import ORACLE, SIGNED, Guide
from dataset_builder.settings.roots import NO_ROOTS
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.altered import take_stock
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.lock import lock_dataset
from dataset_builder.work.report import Progress, StageReport, no_progress
from manifests.confined.reading import has_file
from manifests.description import read_description
from manifests.schema import LABELS
from manifests.store import labels_path, read_table, table_path


def measure_dataset_gain(
    root: Path,
    base: Path,
    *,
    roots: Mapping[str, Path] = NO_ROOTS,
    metric: str = "psnr",
    most_bursts: int = 200,
    named: Collection[str] = (),
    workers: Workers = ONE_WORKER,
    progress: Progress = no_progress,
) -> tuple[pd.DataFrame, StageReport]:
    """Write `audit/gain.parquet`: what the labels of a data set are worth as guides, for each scenario and preset.

    Synthetic bursts are chosen from as the data set holds them, and judged with other noise; those that cannot be rendered again are
    judged on the noise that was chosen on, which flatters whoever saw it.

    Args:
        root: the data set.
        base: folder that relative roots of its recipe are relative to.
        roots: folders of its named roots; bursts of other named roots are judged on the noise that was chosen on.
        metric: metric of the fidelities, one that needs a truth.
        most_bursts: how many bursts to restore, spread evenly over those with a truth.
        named: scenarios that the user named; of the others, those run that are built in or installed.
        workers: who does the work.
        progress: how to show progress.

    Returns:
        The gains as `selection.summarise_gains`, and what failed.

    Raises:
        ManifestError: if `root` is no data set.
        ValueError: if the metric needs no truth.
    """
    read_description(root)
    with lock_dataset(root):
        remarks = take_stock(root, [table_path("splits")])
        recipe = read_built_recipe(root)
        scenarios, left_out = resolve_recorded(recipe.scenarios, named, device=workers.device)
        judges: Mapping[str, SynthesisUnit] = {}
        try:
            judges = plan_makers(root, base, recipe, workers, roots=roots)
        except BuildError as error:
            remarks.append(f"judged on the noise that frames were chosen on: {error}")
        chosen, report, parts = _choose_bursts(root, most_bursts), StageReport("gain"), []
        for scenario in scenarios:
            guides = _read_guides(root, scenario, chosen, metric)
            if not guides:
                continue
            gains, failed = measure_gains(
                root, scenario, guides, metric=metric, judges=judges, workers=workers, progress=progress
            )
            report.include(failed)
            parts.append(gains)
            report.counts["created"] += gains["burst_id"].nunique()
            lacking = gains["burst_id"].nunique() - gains.loc[gains["guide"] == ORACLE, "burst_id"].nunique()
            if lacking:
                remarks.append(
                    f"{scenario.name}: no oracle for {lacking} of {gains['burst_id'].nunique()} bursts, which have too many subsets to "
                    "restore each"
                )
        table = summarise_gains(pd.concat(parts) if parts else pd.DataFrame(columns=GAIN_COLUMNS))
        write_gains(root, table)
        finished = finish_dataset(root, recipe, anew=True, named=named, workers=workers)
        report.remarks += [*remarks, *left_out, *finished]
    return table, report


def _choose_bursts(root: Path, most: int) -> set[str]:
    names = sorted(name for name, rows in read_bursts(root).items() if rows.burst["ground_truth_kind"] != "none")
    return set(spread_evenly(names, most))


def _read_guides(
    root: Path, scenario: ResolvedScenario, chosen: Collection[str], metric: str
) -> dict[str, list[Guide]]:
    """The labels of a scenario by burst: of each estimator and metric the scores of all frames; none where it looks at one frame only."""
    path = labels_path(scenario.name)
    if scenario.info.single_frame or not has_file(root, path):
        return {}
    columns = ["burst_id", "frame_index", "scenario", "estimator", "metric", "score"]
    labels = read_table(root, path, LABELS, columns=columns).to_pandas()
    guides = defaultdict(list)
    for (burst_id, estimator, own), rows in labels[labels["burst_id"].isin(list(chosen))].groupby(
        columns[:1] + columns[3:5]
    ):
        scores = tuple(None if np.isnan(score) else float(score) for score in rows["score"])
        name = estimator if own == metric else f"{estimator} {own}"
        guides[str(burst_id)].append(Guide(name, scores, signed=estimator.partition("(")[0] in SIGNED))
    return guides
