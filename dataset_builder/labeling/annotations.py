"""What people say of the frames of a burst, as labels: rows of a scenario `subjective/…` that no restorer computed.

Such a scenario has an estimator of its own (how judgements became a score), a metric of its own (what was judged) and a unit of its own;
the fingerprint of the restorer is that of the judgements. Every frame has a score, the reference too, for nothing is removed.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from dataset_builder.errors import SourceError
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.judgements.annotations import AnnotatedBurst, Annotations, compose
from dataset_builder.labeling.rows import make_label_rows
from dataset_builder.labeling.scenarios import Definition
from dataset_builder.labeling.units import BurstRows, make_label_key, read_bursts
from dataset_builder.work.report import StageReport
from dataset_builder.work.unit import Failure
from manifests.confined.writing import remove_file
from manifests.schema import LABELS
from manifests.store import labels_path, read_dataset_table, read_or_empty, write_table


def annotate_sources(root: Path, judged: Iterable[tuple[CaptureSource, Path]]) -> StageReport:
    """Write the labels that the judgements of some sources give their bursts.

    Args:
        root: the data set, with the bursts of the sources in it.
        judged: sources of a kind that people judged, surveyed, and the folder of each.

    Returns:
        Counts of labelled bursts.
    """
    report = StageReport("labels")
    for source, folder in judged:
        _annotate_source(root, source, folder, report)
    return report


def _annotate_source(root: Path, source: CaptureSource, folder: Path, report: StageReport) -> None:
    try:
        annotations = source.read_annotations(folder)
    except SourceError as error:
        report.fail(Failure.from_exception(error), source=source.name, burst_id="", scenario=source.judged_as)
        return
    if annotations is None:
        return
    by_path = {
        rows.burst["origin_path"]: rows
        for rows in read_bursts(root).values()
        if rows.burst["source"] == source.name and rows.burst["crop"] is None
    }
    write_annotations(root, annotations, by_path, report, source=source.name)


def write_annotations(
    root: Path, annotations: Annotations, bursts: Mapping[str, BurstRows], report: StageReport, *, source: str
) -> None:
    """Write the scores of those bursts that are there; other rows of the scenario stay, unless they belong to one of these.

    Args:
        root: the data set.
        annotations: the scores.
        bursts: what their paths may name.
        report: counts labelled bursts and failures here.
        source: name of the source, for failures.
    """
    path = labels_path(annotations.scenario)
    table = read_or_empty(root, path, LABELS)
    held = {(row["burst_id"], row["label_key"]) for row in table.select(["burst_id", "label_key"]).to_pylist()}
    seen = {burst_id for burst_id, _ in held}
    fresh: list[dict[str, Any]] = []
    names = _read_names(root)
    for annotated in annotations.bursts:
        rows = bursts.get(annotated.path)
        if rows is None:
            continue  # its images failed, or it was left out
        try:
            made = _make_rows(annotations, annotated, rows, names[rows.burst["burst_id"]])
        except SourceError as error:
            _fail(report, annotations, source, rows.burst["burst_id"], error)
            continue
        burst_id = made[0]["burst_id"]
        known = (burst_id, made[0]["label_key"]) in held
        report.counts["reused" if known else "rebuilt" if burst_id in seen else "created"] += 1
        fresh += made
    for name, reason in annotations.rejected:
        if name in bursts:
            _fail(report, annotations, source, bursts[name].burst["burst_id"], reason)
    own = {rows.burst["burst_id"] for rows in bursts.values()}
    kept = [row for row in table.to_pylist() if row["burst_id"] not in own]
    if not fresh and not kept:
        remove_file(root, path)
        return
    metadata = {"scenario": json.dumps(annotations.describe(), sort_keys=True)}
    write_table(root, path, LABELS, pa.Table.from_pylist(kept + fresh, schema=LABELS.schema), metadata=metadata)


def _read_names(root: Path) -> dict[str, list[str | None]]:
    """What the origin calls each frame, in order, by burst."""
    names: dict[str, list[str | None]] = defaultdict(list)
    table = read_dataset_table(root, "frames").select(["burst_id", "origin_name"])
    for burst_id, name in zip(*(column.to_pylist() for column in table.columns), strict=True):
        names[burst_id].append(name)
    return names


def _fail(report: StageReport, annotations: Annotations, source: str, burst_id: str, error: Exception) -> None:
    report.fail(Failure.from_exception(error), source=source, burst_id=burst_id, scenario=annotations.scenario)


def _make_rows(
    annotations: Annotations, annotated: AnnotatedBurst, rows: BurstRows, names: Sequence[str | None]
) -> list[dict[str, Any]]:
    length = rows.burst["num_frames"]
    places = _find_frames(annotated.names, names)
    score, error = (np.full(length, np.nan) for _ in range(2))
    count = np.zeros(length, np.int64)
    scores = annotated.scores
    score[places], error[places], count[places] = scores.score, scores.std_error, scores.count
    definition = Definition(annotations.estimator, annotations.metric)
    return make_label_rows(
        rows.burst["burst_id"],
        annotations.scenario,
        definition,
        unit=annotations.unit,
        score=score,
        std_error=error,
        num_evaluations=count,
        label_key=make_label_key(rows.content, annotations.fingerprint, definition),
        fingerprint=annotations.fingerprint,
    )


def _find_frames(names: Sequence[str], frames: Sequence[str | None]) -> list[int]:
    """Index of the frame that each name means: its `origin_name`, or its number."""
    known = {str(index): index for index in range(len(frames))}
    # One name has several spellings in Unicode, and a Mac's disk another one than a table.
    known |= {compose(frame): index for index, frame in enumerate(frames) if frame is not None}
    known |= {frame: index for index, frame in enumerate(frames) if frame is not None}
    missing = [name for name in names if name not in known and compose(name) not in known]
    if missing:
        raise SourceError(
            f"frame {missing[0]!r}: expected one of {', '.join(sorted(known)[:8])}; correct the annotations"
        )
    return [known[name] if name in known else known[compose(name)] for name in names]
