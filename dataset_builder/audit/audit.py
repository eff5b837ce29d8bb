"""The audit of a data set: statistics, findings, and the files that say so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dataset_builder.audit.changes import Changes, compare_builds
from dataset_builder.audit.collect import Statistics, collect_statistics
from dataset_builder.audit.factors import discount_shifts
from dataset_builder.audit.features import measure_frames
from dataset_builder.audit.finding import Finding
from dataset_builder.audit.findings import judge
from dataset_builder.audit.gains import read_gains
from dataset_builder.audit.label_columns import check_label_columns
from dataset_builder.audit.look_alikes import list_look_alikes
from dataset_builder.audit.restorations import read_restorations
from dataset_builder.audit.rules import Rule, override_rules
from dataset_builder.audit.tables import ScoreMatrix, Tables, build_score_matrix, read_tables
from dataset_builder.work.local import ONE_WORKER, Workers
from manifests.description import read_description
from manifests.schema.words import DOUBTFUL


@dataclass(frozen=True, eq=False)
class Audit:
    """Everything that the report and the command line show.

    Attributes:
        description: `dataset.json`.
        tables: the manifests, frames with the columns of `audit.features`.
        matrix: scores of all label sets.
        statistics: what was computed.
        rules: the rules as the recipe changed them.
        findings: worst first.
        restorations: restorations of a sample of bursts; may be empty.
        changes: against another build; None without one.
        remarks: frames that cost their worker, or more time or memory than it may take, in a line for each purpose.
    """

    description: dict[str, Any]
    tables: Tables
    matrix: ScoreMatrix
    statistics: Statistics
    rules: Mapping[str, Rule]
    findings: list[Finding]
    restorations: pd.DataFrame
    changes: Changes | None
    remarks: tuple[str, ...]


def audit_dataset(
    root: Path, *, against: Path | None = None, workers: Workers = ONE_WORKER, out: Path | None = None
) -> Audit:
    """Compute the audit of a data set from its manifests, its images, and what `restore_bursts` left.

    Args:
        root: the data set.
        against: another build to compare with.
        workers: who reads the frames; the result does not depend on it.
        out: folder for what is measured, instead of `audit` in the data set, which then is only read.

    Raises:
        ManifestError: if a folder is no data set, or its bursts or frames are missing or damaged.
    """
    description = read_description(root)
    tables = read_tables(root)
    measured = measure_frames(root, tables.bursts, tables.frames, workers=workers, out=out)
    tables = dataclasses.replace(tables, frames=measured.frames)
    counted = discount_shifts(tables.frames, tables.bursts)
    matrix = build_score_matrix(dataclasses.replace(tables, frames=counted))
    restorations = read_restorations(root)
    look_alikes, unseen = list_look_alikes(root, tables, workers=workers, results=out)
    statistics = collect_statistics(
        root, tables, matrix, curves=restorations, gain=read_gains(root), look_alikes=look_alikes
    )
    changes = None if against is None else compare_builds(root, against)
    chosen = description.get("recipe", {}).get("audit", {}).get("rules", {})
    rules = override_rules(chosen)
    scenarios = len(tables.labels.parts)
    findings = judge(
        statistics,
        rules,
        num_units=(tables.total or len(tables.bursts)) * (1 + scenarios),
        unreadable=measured.unreadable,
        doubtful=_list_doubtful(tables.bursts),
        changes=changes,
        broken=tables.problems,
        altered=check_label_columns(root, tables.bursts, drawn=len(tables.bursts) < tables.total),
    )
    remarks = (*_tell_drawn(tables), *measured.remarks, *unseen)
    return Audit(description, tables, matrix, statistics, rules, findings, restorations, changes, remarks)


def _tell_drawn(tables: Tables) -> list[str]:
    """A line where the statistics are those of a part."""
    drawn = f"{len(tables.bursts):,} of {tables.total:,} bursts"
    line = f"statistics of labels, frames and splits are those of {drawn}, whole scenes drawn by their names; `buiqa verify` looks at all"
    return [line] if len(tables.bursts) < tables.total else []


def _list_doubtful(bursts: pd.DataFrame) -> list[str]:
    """Bursts of whose truth the table says that it is doubtful."""
    methods = bursts["ground_truth_method"].fillna("").astype(str)
    return [str(burst_id) for burst_id in bursts.loc[methods.str.contains(DOUBTFUL, regex=False), "burst_id"]]
