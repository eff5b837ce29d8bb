"""Stage `labels`: compute what is missing, keep what is still current, write one Parquet file per scenario."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.expectation import expect_work, time_restorers
from dataset_builder.labeling.game import is_enumerable
from dataset_builder.labeling.known_limits import describe_limits, is_misleading
from dataset_builder.labeling.noise import list_noise_facts
from dataset_builder.labeling.rows import list_unscored, may_change
from dataset_builder.labeling.scenarios import Definition, ResolvedScenario, read_scenario_facts
from dataset_builder.labeling.suitability import REASONS, describe_choice, explain_metric
from dataset_builder.labeling.truth import explain_mismatch
from dataset_builder.labeling.units import BurstRows, LabelUnit, make_label_key, read_bursts
from dataset_builder.work.local import Workers
from dataset_builder.work.report import Announce, Progress, StageReport
from dataset_builder.work.unit import Failure, read_part, remove_part
from manifests.confined.reading import has_file
from manifests.confined.writing import remove_file
from manifests.schema import LABELS
from manifests.store import labels_path, list_label_files, read_or_empty, write_table
from restorers import Domain
from restorers.fidelity import METRICS

_MAX_SAMPLES = 2**28
"""Of the frames of a burst together, 1 GiB as float32."""
_REASONS = {
    "too large": "the burst is too large to be restored as a whole; ingest it with crops",
    "without truth": "the burst has no ground truth, which most metrics need (docs/labels.md, Without truth, has those that do not)",
    "other domain": "the restorer does not take the burst's domain",
    "other length": "the burst is too short or too long for the restorer or the estimator",
    "too many subsets": "exact Shapley values need a linear merge or a burst of at most 8 frames",
    "misleading": "without truth, series whose reference is not the shortest exposure are ranked by the wrong thing (docs/labels.md); "
    "label them all the same by --insist, or insist = true in the recipe",
    "no counterpart": "the truth's scale is no multiple of the restorer's, or the restorer returns a display image",
    **REASONS,
}


@dataclass
class LabelPlan:
    """What is there and what is missing.

    Attributes:
        units: to be computed, those of one burst in a row.
        stale: scenarios whose file holds rows that are not.
        reused: number of (burst, scenario) with nothing missing.
        skipped: number of (burst, scenario) to which no definition applies, by reason.
        left_out: number of those that have no labels by one metric, but by others; by metric and reason.
        chosen: number of those without truth for which a metric that needs none was chosen; by scenario and metric.
    """

    units: list[LabelUnit] = field(default_factory=list)
    stale: set[str] = field(default_factory=set)
    reused: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    left_out: Counter[tuple[str, str]] = field(default_factory=Counter)
    chosen: Counter[tuple[str, str]] = field(default_factory=Counter)


def plan_labels(root: Path, scenarios: Sequence[ResolvedScenario], bursts: Mapping[str, BurstRows]) -> LabelPlan:
    """Compare what the label files hold with what bursts, restorers and definitions ask for."""
    plan = LabelPlan()
    for scenario in scenarios:
        table = read_or_empty(root, labels_path(scenario.name), LABELS)
        held = _keep_current(table, bursts, scenario.fingerprint)
        if held.num_rows < table.num_rows:
            plan.stale.add(scenario.name)
        seen = set(table.column("burst_id").unique().to_pylist())
        present = set(_name_labels(held).unique().to_pylist()) - _name_failed(held)
        for burst_id, rows in bursts.items():
            definitions = scenario.list_definitions(rows.burst)
            reasons = [_explain(rows, scenario, definition) for definition in definitions]
            asked = [each for each, reason in zip(definitions, reasons, strict=True) if reason is None]
            if asked:
                left = zip(definitions, reasons, strict=True)
                plan.left_out.update({(each.metric, reason) for each, reason in left if reason and reason in REASONS})
            if scenario.chosen is not None and rows.burst["ground_truth_kind"] == "none":
                metrics = {each.metric for each in asked if not METRICS[each.metric].needs_truth}
                plan.chosen.update((scenario.name, metric) for metric in metrics - scenario.chosen)
            missing = [
                each
                for each in asked
                if f"{burst_id} {make_label_key(rows.content, scenario.fingerprint, each)}" not in present
            ]
            if missing:
                plan.units.append(LabelUnit(rows, scenario, tuple(missing), exists=burst_id in seen))
            elif asked:
                plan.reused += 1
            else:
                plan.skipped[str(reasons[0]) if reasons else "without truth"] += 1
    # Scenarios of one burst in a row: the worker that gets them reads its pixels once.
    plan.units.sort(key=lambda unit: (unit.rows.burst["burst_id"], unit.scenario.name))
    return plan


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
        Counts of units (burst, scenario) created, reused, rebuilt, skipped and failed.
    """
    bursts = read_bursts(root)
    _prune_others(root, scenarios, bursts)
    plan = plan_labels(root, scenarios, bursts)
    report = summarise_plan(plan)
    missing = [unit for unit in plan.units if read_part(root, unit) is None]
    report.counts["reused"] += len(plan.units) - len(missing)
    if announce is not None:
        for expectation in expect_work(missing, time_restorers(missing, root, workers)):
            announce(str(expectation))
    with progress("labels", len(missing)) as advance:
        for unit, failure in workers.run(missing, root):
            if failure is None:
                report.counts["rebuilt" if unit.exists else "created"] += 1
            else:
                report.fail_burst(failure, unit.rows.burst, unit.scenario.name)
            advance()
    _merge(root, scenarios, plan, report, bursts)
    for unit in plan.units:
        remove_part(root, unit)
    return report


def preview_stage(root: Path, scenarios: Sequence[ResolvedScenario], bursts: Mapping[str, BurstRows]) -> StageReport:
    """What `build_labels` would do."""
    plan = plan_labels(root, scenarios, bursts)
    report = summarise_plan(plan)
    for unit in plan.units:
        finished = read_part(root, unit) is not None
        report.counts["reused" if finished else "rebuilt" if unit.exists else "created"] += 1
    report.remarks += map(str, expect_work([unit for unit in plan.units if read_part(root, unit) is None], {}))
    return report


def summarise_plan(plan: LabelPlan) -> StageReport:
    """A report of what is reused and skipped, before anything is computed."""
    report = StageReport("labels")
    report.counts["reused"] = plan.reused
    report.counts["skipped"] = plan.skipped.total()
    report.remarks += [
        f"{count} of (burst, scenario) got no labels: {_REASONS[reason]}"
        for reason, count in sorted(plan.skipped.items())
    ]
    report.remarks += [
        f"{count} of (burst, scenario) got no labels by {metric}: {_REASONS[reason]}"
        for (metric, reason), count in sorted(plan.left_out.items())
    ]
    report.remarks += [
        f"{scenario}: bursts without ground truth are labelled by {metric}, {describe_choice(metric)}: {count} of them "
        "(docs/labels.md, Without truth); --metric names another"
        for (scenario, metric), count in sorted(plan.chosen.items())
    ]
    report.remarks += describe_limits(
        (METRICS[definition.metric], unit.rows.burst["preset"])
        for unit in plan.units
        for definition in unit.definitions
    )
    return report


def _merge(
    root: Path,
    scenarios: Sequence[ResolvedScenario],
    plan: LabelPlan,
    report: StageReport,
    bursts: Mapping[str, BurstRows],
) -> None:
    """Write the files that change, one scenario at a time, so that memory does not grow with their number."""
    units: dict[str, list[LabelUnit]] = defaultdict(list)
    failed = {(row["burst_id"], row["scenario"]) for row in report.failures}
    for unit in plan.units:
        units[unit.scenario.name].append(unit)
    for scenario in scenarios:
        tables = []
        for unit in units[scenario.name]:
            burst_id = unit.rows.burst["burst_id"]
            if (burst_id, scenario.name) in failed:
                continue
            if (part := read_part(root, unit)) is not None:
                tables.append(pa.Table.from_pylist(part["rows"], schema=LABELS.schema))
                for each in part["failures"]:
                    names = {"estimator": each["estimator"], "metric": each["metric"], "scenario": scenario.name}
                    failure = Failure(**each["failure"])
                    report.note(failure, source=unit.rows.burst["source"], burst_id=burst_id, **names)
            else:
                lost = Failure("OSError", "the result was removed while the build ran; run the command again")
                report.fail(lost, source=unit.rows.burst["source"], burst_id=burst_id, scenario=scenario.name)
        path, facts = labels_path(scenario.name), scenario.describe()
        if tables or scenario.name in plan.stale or (has_file(root, path) and read_scenario_facts(root, path) != facts):
            held = _keep_current(read_or_empty(root, path, LABELS), bursts, scenario.fingerprint)
            fresh = pa.concat_tables([LABELS.schema.empty_table(), *tables])
            replaced = pc.is_in(_name_labels(held), value_set=_name_labels(fresh).combine_chunks())
            _write_labels(root, path, pa.concat_tables([held.filter(pc.invert(replaced)), fresh]), facts)
        for each in list_unscored(read_or_empty(root, path, LABELS)):
            source = bursts[each["burst_id"]].burst["source"]
            report.note(**each, source=source, scenario=scenario.name)


def _explain(rows: BurstRows, scenario: ResolvedScenario, definition: Definition) -> str | None:
    """Why a definition does not apply to a burst: a key of `_REASONS`; None if it does."""
    burst, info = rows.burst, scenario.info
    domain, count = Domain(burst["domain"]), burst["num_frames"]
    metric, estimator = METRICS[definition.metric], find_estimator(definition.estimator)
    samples = count * burst["height"] * burst["width"] * (1 if domain is Domain.RAW_BAYER else 3)
    fits = estimator.family == "alone" or info.min_frames <= count <= (info.max_frames or count)
    hindrances = {
        "without truth": metric.needs_truth and burst["ground_truth_kind"] == "none",
        "misleading": not scenario.insist and is_misleading(metric, rows.frames),
        "other domain": domain not in info.input_domains,
        "too large": samples > _MAX_SAMPLES,
        "other length": not fits or count < estimator.min_frames,
        "too many subsets": estimator.exact and not is_enumerable(metric, info, domain, count, linear=scenario.linear),
        "no counterpart": metric.needs_truth and explain_mismatch(info, domain, burst["scale"]) is not None,
    }
    found = next((reason for reason, hinders in hindrances.items() if hinders), None)
    return found or explain_metric(metric, info, burst)


def _keep_current(table: pa.Table, bursts: Mapping[str, BurstRows], fingerprint: str | None) -> pa.Table:
    """Rows whose key still follows from the burst, the restorer and the definitions of today, where every frame has its row.

    With `fingerprint` None every row's own restorer is taken for granted.
    """
    facts = ["burst_id", "estimator", "metric", "restorer_fingerprint", "label_key"]
    groups = table.group_by(facts).aggregate([("frame_index", "count_distinct"), ("frame_index", "max")])
    current = [
        f"{row['burst_id']} {row['label_key']}"
        for row in groups.to_pylist()
        if row["burst_id"] in bursts and _is_current(row, bursts[row["burst_id"]], fingerprint)
    ]
    return table.filter(pc.is_in(_name_labels(table), value_set=pa.array(current, pa.string())))


def _is_current(group: Mapping[str, Any], rows: BurstRows, fingerprint: str | None) -> bool:
    maker, definition = group["restorer_fingerprint"], Definition(group["estimator"], group["metric"])
    return (
        fingerprint in (None, maker)
        and group["frame_index_count_distinct"] == len(rows.frames) == group["frame_index_max"] + 1
        and group["label_key"] == make_label_key(rows.content, maker, definition)
    )


def _name_labels(table: pa.Table) -> pa.ChunkedArray:
    """Burst and key of each row: bursts of equal content have equal keys."""
    return pc.binary_join_element_wise(table.column("burst_id"), table.column("label_key"), " ")


def _name_failed(table: pa.Table) -> set[str]:
    """Labels, as `_name_labels`, of which another attempt may find a score that is missing."""
    failed = table.filter(pc.is_valid(table.column("reason")))
    named = zip(_name_labels(failed).to_pylist(), failed.column("reason").to_pylist(), strict=True)
    return {name for name, reason in named if may_change(reason)}


def _prune_others(root: Path, chosen: Iterable[ResolvedScenario], bursts: Mapping[str, BurstRows]) -> None:
    own = {labels_path(scenario.name) for scenario in chosen}
    for path in list_label_files(root):
        if path in own:
            continue
        table = read_or_empty(root, path, LABELS)
        kept = _keep_current(table, bursts, None)
        if kept.num_rows < table.num_rows:
            _write_labels(root, path, kept, read_scenario_facts(root, path))


def _write_labels(root: Path, path: str, table: pa.Table, facts: Mapping[str, Any]) -> None:
    if table.num_rows:
        metadata = {**list_noise_facts(root, path), "scenario": json.dumps(facts, sort_keys=True)}
        write_table(root, path, LABELS, table, metadata=metadata)
    else:
        remove_file(root, path)
