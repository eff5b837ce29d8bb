"""Results joined with what label files hold, piece by piece: memory does not grow with the data set."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from dataset_builder.labeling.catalogue import BurstCatalogue
from dataset_builder.labeling.noise import list_noise_facts
from dataset_builder.labeling.plan import LabelPlan, ScenarioPlan
from dataset_builder.labeling.rows import list_unscored
from dataset_builder.labeling.runs import decode, look_through
from dataset_builder.labeling.scenarios import ResolvedScenario, read_scenario_facts
from dataset_builder.work.report import StageReport
from dataset_builder.work.unit import Failure, read_part
from manifests.batches import walk_together
from manifests.confined.reading import has_file
from manifests.confined.writing import remove_file
from manifests.schema import LABELS
from manifests.store import labels_path, list_label_files, sort_rows
from manifests.table_writer import TableWriter, open_writer

_UNITS_AT_ONCE = 512


def merge_results(root: Path, plan: LabelPlan, report: StageReport) -> None:
    """Write the files that change, one scenario at a time, each piece by piece.

    Args:
        root: the data set.
        plan: what was to be computed.
        report: names what failed as a whole; what failed in part goes there, and what has a reason instead of a score.
    """
    failed = {(row["burst_id"], row["scenario"]) for row in report.failures}
    for part in plan.parts:
        scenario = part.scenario
        path, facts = labels_path(scenario.name), scenario.describe()
        fresh = _read_results(root, part, plan.catalogue, failed, report)
        first = next(fresh, None)
        unscored = part.unscored
        differs = has_file(root, path) and read_scenario_facts(root, path) != facts
        if first is not None or part.stale or differs:
            pieces = fresh if first is None else chain([first], fresh)
            unscored = _rewrite(root, path, plan.catalogue, scenario.fingerprint, fresh=pieces, facts=facts)
        for each in unscored:
            (place,) = plan.catalogue.locate(pa.array([each["burst_id"]])).tolist()
            source = plan.catalogue.sketch(place).burst["source"]
            report.note(**each, source=source, scenario=scenario.name)


def prune_others(root: Path, chosen: Iterable[ResolvedScenario], catalogue: BurstCatalogue) -> None:
    """Drop labels of other scenarios whose burst is gone or changed."""
    own = {labels_path(scenario.name) for scenario in chosen}
    for path in list_label_files(root):
        if path not in own and not all(bool(runs.current.all()) for runs in look_through(root, path, catalogue, None)):
            _rewrite(root, path, catalogue, None, fresh=(), facts=read_scenario_facts(root, path))


def _read_results(
    root: Path, part: ScenarioPlan, catalogue: BurstCatalogue, failed: set[tuple[str, str]], report: StageReport
) -> Iterator[pa.Table]:
    """Rows of the units that have a result, in the order of their bursts."""
    rows: list[dict[str, Any]] = []
    units = 0
    name = part.scenario.name
    for _, unit in part.sketch_units(catalogue):
        burst_id, source = unit.rows.burst["burst_id"], unit.rows.burst["source"]
        if (burst_id, name) in failed:
            continue
        if (result := read_part(root, unit)) is None:
            lost = Failure("OSError", "the result was removed while the build ran; run the command again")
            report.fail(lost, source=source, burst_id=burst_id, scenario=name)
            continue
        rows += result["rows"]
        units += 1
        for each in result["failures"]:
            names = {"estimator": each["estimator"], "metric": each["metric"], "scenario": name}
            report.note(Failure(**each["failure"]), source=source, burst_id=burst_id, **names)
        if units == _UNITS_AT_ONCE:
            yield pa.Table.from_pylist(rows, schema=LABELS.schema)
            rows, units = [], 0
    if units:
        yield pa.Table.from_pylist(rows, schema=LABELS.schema)


def _rewrite(
    root: Path,
    path: str,
    catalogue: BurstCatalogue,
    fingerprint: str | None,
    *,
    fresh: Iterable[pa.Table],
    facts: Mapping[str, Any],
) -> Sequence[dict[str, Any]]:
    """Write a file with what of it is current and fresh rows, which take the place of those of their key; what then has no score."""
    metadata = {**list_noise_facts(root, path), "scenario": json.dumps(facts, sort_keys=True)}
    held = (decode(runs.kept) for runs in look_through(root, path, catalogue, fingerprint, whole=True))
    unscored: list[dict[str, Any]] = []
    writer: TableWriter | None = None
    with contextlib.ExitStack() as stack:
        for kept, made in walk_together(held, iter(fresh), LABELS):
            replaced = pc.is_in(_name_labels(kept), value_set=_name_labels(made).combine_chunks())
            table = sort_rows(LABELS, pa.concat_tables([kept.filter(pc.invert(replaced)), made]))
            if writer is None and table.num_rows:
                writer = stack.enter_context(open_writer(root, path, LABELS, metadata=metadata))
            if writer is not None:
                writer.write(table)
            unscored += list_unscored(table)
    if writer is None:
        remove_file(root, path)
    return unscored


def _name_labels(table: pa.Table) -> pa.ChunkedArray:
    """Burst and key of each row: bursts of equal content have equal keys."""
    return pc.binary_join_element_wise(table.column("burst_id"), table.column("label_key"), " ")
