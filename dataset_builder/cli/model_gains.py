"""What it gains to restore from the frames that models choose."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import numpy as np

if TYPE_CHECKING:
    import pandas as pd

    from assessors.predictions import Entrant
    from assessors.targets import Targets
    from dataset_builder.selection import Guide
    from dataset_builder.work.local import Workers
    from dataset_builder.work.report import StageReport

LABELS = "labels"
"""Guides by the labels themselves, which saw the truth: no entrant, but what one could reach."""


def measure_model_gains(
    targets: Targets, entrants: Sequence[Entrant], named: Sequence[str], workers: Workers
) -> tuple[pd.DataFrame, StageReport]:
    """Restore the bursts that are judged from the frames that each entrant chooses.

    Frames are judged on the pixels that they were chosen on: whoever selects frames restores from these.

    Returns:
        As `dataset_builder.selection.summarise_gains`, and what failed.

    Raises:
        UsageError: if the data set holds no truth.
        ManifestError: if a table is missing or damaged.
    """
    import pandas as pd

    from dataset_builder.cli.console import show_progress
    from dataset_builder.finish import read_built_recipe
    from dataset_builder.labeling.scenarios import resolve_recorded
    from dataset_builder.selection import measure_gains, summarise_gains
    from dataset_builder.selection.gains import GAIN_COLUMNS
    from dataset_builder.work.lock import lock_dataset
    from dataset_builder.work.report import StageReport
    from manifests.description import PACKED_FORM, read_description
    from restorers.fidelity import METRICS

    if read_description(targets.root).get("form") == PACKED_FORM or not METRICS[targets.metric].needs_truth:
        raise click.UsageError(
            "--gain: needs the ground truth; name the data set itself, and a metric that compares with the truth"
        )
    with lock_dataset(targets.root):
        recipe = read_built_recipe(targets.root)
        scenarios, left_out = resolve_recorded(recipe.scenarios, named, device=workers.device)
        report, parts = StageReport("gain"), []
        for scenario in scenarios:
            if scenario.name not in targets.scenarios or scenario.info.single_frame:
                continue
            guides = _make_guides(targets, entrants, scenario.name)
            gains, failed = measure_gains(
                targets.root, scenario, guides, metric=targets.metric, workers=workers, progress=show_progress
            )
            report.include(failed)
            parts.append(gains)
        report.remarks += left_out
    return summarise_gains(pd.concat(parts) if parts else pd.DataFrame(columns=GAIN_COLUMNS)), report


def _make_guides(targets: Targets, entrants: Sequence[Entrant], scenario: str) -> dict[str, list[Guide]]:
    """By burst: the first set of labels of the scenario, and each entrant that predicted it."""
    from dataset_builder.selection import Guide
    from manifests.schema import is_marginal

    place = targets.labels.scenarios.index(scenario)
    signed = is_marginal(targets.labels.estimators[place])
    rows = [(LABELS, targets.labels.values[place], signed)]
    rows += [(one.name, one.scores[targets.scenarios.index(scenario)], one.signed) for one in entrants]
    guides: defaultdict[str, list[Guide]] = defaultdict(list)
    for burst in targets.bursts:
        for name, scores, has_sign in rows:
            own = scores[targets.rows(int(burst))]
            if np.isfinite(own).any():
                values = tuple(float(score) if np.isfinite(score) else None for score in own)
                guides[targets.index.burst_ids[int(burst)].as_py()].append(Guide(name, values, signed=has_sign))
    return dict(guides)


def print_model_gains(gains: pd.DataFrame, metric_unit: str) -> None:
    """A table for each scenario: a row for each preset and guide, a column for each policy."""
    from rich.console import Console

    from dataset_builder.audit.tables import to_rows
    from dataset_builder.audit.wording import format_number, to_markup
    from dataset_builder.cli.console import make_narrow_table
    from dataset_builder.selection import POLICIES

    console = Console(highlight=False, soft_wrap=True)
    for scenario, own in gains.groupby("scenario", sort=False):
        table = make_narrow_table(to_markup(f"{scenario}: gain over all frames, {metric_unit}"))
        for name in ("preset", "chosen by"):
            table.add_column(name, no_wrap=True)
        for policy in POLICIES:
            table.add_column(policy.replace("best_", "").replace("_", " "), justify="right")
        table.add_column("bursts", justify="right")
        for (preset, guide), rows in own.groupby(["preset", "guide"], sort=False):
            cells: dict[str, Any] = {row["policy"]: row["gain"] for row in to_rows(rows)}
            shown = (format_number(cells.get(policy), 2, signed=True) for policy in POLICIES)
            table.add_row(to_markup(str(preset)), to_markup(str(guide)), *shown, str(rows["bursts"].max()))
        console.print(table)
