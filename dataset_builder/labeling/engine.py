"""Stage `labels`: compute what is missing, keep what is still current, write one Parquet file per scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from dataset_builder.labeling.catalogue import BurstCatalogue, read_catalogue
from dataset_builder.labeling.expectation import expect_work, time_restorers
from dataset_builder.labeling.known_limits import describe_limits
from dataset_builder.labeling.merge import merge_results, prune_others
from dataset_builder.labeling.plan import LabelPlan, plan_labels
from dataset_builder.labeling.scenarios import ResolvedScenario
from dataset_builder.labeling.skips import Skip, describe_skips
from dataset_builder.labeling.suitability import describe_choice
from dataset_builder.work.local import Workers
from dataset_builder.work.report import Announce, Progress, StageReport
from dataset_builder.work.unit import remove_part
from restorers.fidelity import METRICS


def build_labels(
    root: Path,
    scenarios: Sequence[ResolvedScenario],
    *,
    workers: Workers,
    progress: Progress,
    announce: Announce | None = None,
) -> StageReport:
    """Bring the labels of some scenarios up to date; drop labels of other scenarios only where their burst is gone or changed.

    Args:
        root: the data set.
        scenarios: whose labels.
        workers: who computes them.
        progress: how to show progress.
        announce: told what it will cost, before it begins; restorers are timed for it where there is much to do.

    Returns:
        Counts of units (burst, scenario) created, extended, reused, rebuilt, skipped and failed.
    """
    catalogue = read_catalogue(root)
    prune_others(root, scenarios, catalogue)
    plan = plan_labels(root, scenarios, catalogue)
    report = summarise_plan(plan)
    missing = plan.find_unfinished(root)
    report.counts["reused"] += len(plan.units) - len(missing)
    if announce is not None:
        groups = list(missing.group())
        for expectation in expect_work(groups, time_restorers(groups, root, workers)):
            announce(str(expectation))
    with progress("labels", len(missing)) as advance:
        for unit, failure in workers.run(missing, root):
            if failure is None:
                report.counts[unit.action] += 1
            else:
                report.fail_burst(failure, unit.rows.burst, unit.scenario.name)
            advance()
    merge_results(root, plan, report)
    for part in plan.parts:
        for _, unit in part.sketch_units(catalogue):
            remove_part(root, unit)
    return report


def preview_stage(root: Path, scenarios: Sequence[ResolvedScenario], catalogue: BurstCatalogue) -> StageReport:
    """What `build_labels` would do."""
    plan = plan_labels(root, scenarios, catalogue)
    report = summarise_plan(plan)
    missing = plan.find_unfinished(root)
    report.counts["reused"] += len(plan.units) - len(missing)
    for part, chosen in zip(plan.parts, missing.chosen, strict=True):
        report.counts += Counter(part.tell_action(place) for place in np.flatnonzero(chosen).tolist())
    report.remarks += map(str, expect_work(missing.group(), {}))
    return report


def summarise_plan(plan: LabelPlan) -> StageReport:
    """A report of what is reused and skipped, before anything is computed."""
    report = StageReport("labels")
    skipped: Counter[Skip] = sum((part.skipped for part in plan.parts), Counter())
    left_out: Counter[tuple[str, str]] = sum((part.left_out for part in plan.parts), Counter())
    report.counts["reused"] = sum(part.reused for part in plan.parts)
    report.counts["skipped"] = skipped.total()
    report.remarks += describe_skips(skipped)
    report.remarks += [
        f"{count} of (burst, scenario) got no labels by {metric}: {reason}"
        for (metric, reason), count in sorted(left_out.items())
    ]
    report.remarks += [
        f"{part.scenario.name}: bursts without ground truth are labelled by {metric}, {describe_choice(metric)}: {count} of them "
        "(docs/labels.md, Without truth); --metric names another"
        for part in sorted(plan.parts, key=lambda part: part.scenario.name)
        for metric, count in sorted(part.chosen.items())
    ]
    report.remarks += describe_limits(
        (METRICS[definition.metric], unit.rows.burst["preset"])
        for unit, _ in plan.units.group()
        for definition in unit.definitions
    )
    return report
