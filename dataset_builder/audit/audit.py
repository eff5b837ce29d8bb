"""The audit of a data set: statistics, findings, and the files that say so."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from dataset_builder.audit.against import Changes, compare_builds
from dataset_builder.audit.collect import STATISTICS, Statistics, build_tidy_table, collect_statistics
from dataset_builder.audit.features import measure_frames
from dataset_builder.audit.findings import Finding, describe_findings, judge
from dataset_builder.audit.restorations import read_restorations, restore_sample, select_curves
from dataset_builder.audit.rules import Rule, override_rules
from dataset_builder.audit.sample import SAMPLE_SIZE, choose_bursts
from dataset_builder.audit.statistics import choose_label_sets
from dataset_builder.audit.tables import ScoreMatrix, Tables, build_score_matrix, read_tables
from dataset_builder.labeling.units import read_bursts
from dataset_builder.workers import ONE_WORKER, Workers
from manifests.schema import MARGINAL_ESTIMATORS
from manifests.store import read_description, write_table, write_text


@dataclass(frozen=True, eq=False)
class Audit:
    """Everything that the report and the command line show.

    Attributes:
        description: `dataset.json`.
        tables: the manifests, frames with the columns of `audit.features`.
        matrix: scores of all label sets.
        statistics: what was computed.
        rules: as the recipe changed them.
        findings: worst first.
        restorations: of a sample of bursts; may be empty.
        changes: against another build; None without one.
    """

    description: dict[str, Any]
    tables: Tables
    matrix: ScoreMatrix
    statistics: Statistics
    rules: Mapping[str, Rule]
    findings: list[Finding]
    restorations: pd.DataFrame
    changes: Changes | None


def audit_dataset(root: Path, *, against: Path | None = None) -> Audit:
    """Compute the audit of a data set from its manifests, its images, and what `restore_bursts` left.

    Args:
        root: the data set.
        against: another build to compare with.

    Raises:
        ManifestError: if a folder is no data set, or its bursts or frames are missing or damaged.
    """
    description = read_description(root)
    tables = read_tables(root)
    measured = measure_frames(root, tables.bursts, tables.frames)
    tables = dataclasses.replace(tables, frames=measured.frames)
    matrix = build_score_matrix(tables)
    restorations = read_restorations(root)
    statistics = collect_statistics(root, tables, matrix, curves=select_curves(restorations))
    changes = None if against is None else compare_builds(root, against)
    chosen = description.get("recipe", {}).get("audit", {}).get("rules", {})
    rules = override_rules(chosen)
    scenarios = len(tables.labels.parts)
    findings = judge(
        statistics,
        rules,
        num_units=len(tables.bursts) * (1 + scenarios),
        unreadable=measured.unreadable,
        changes=changes,
        broken=tables.problems,
    )
    return Audit(description, tables, matrix, statistics, rules, findings, restorations, changes)


def write_audit(root: Path, *, against: Path | None = None) -> Audit:
    """Write `audit/index.html`, `audit/statistics.parquet` and `audit/findings.json` of a data set.

    Equal data sets give equal bytes.

    Args:
        root: the data set.
        against: another build to compare with.

    Raises:
        ManifestError: as `audit_dataset`.
        OSError: if a file cannot be written; a previous one stays intact.
    """
    from dataset_builder.audit.report import render_report  # noqa: PLC0415  # the page needs the audit's type

    audit = audit_dataset(root, against=against)
    folder = root / "audit"
    write_table(folder / "statistics.parquet", STATISTICS, build_tidy_table(audit.statistics))
    findings = describe_findings(audit.findings, audit.rules)
    write_text(folder / "findings.json", json.dumps(findings, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    write_text(folder / "index.html", render_report(root, audit))
    return audit


def restore_bursts(root: Path, *, named: Collection[str] = (), workers: Workers = ONE_WORKER) -> list[str]:
    """Restore the bursts that the report shows, with and without their frames; reuse what is still true.

    Args:
        root: the data set.
        named: scenarios that the user named; of the others, those run that are built in or installed.
        workers: who restores.

    Returns:
        What could not be restored and why, one line each.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    tables = read_tables(root)
    sample = choose_bursts(tables.bursts, limit=SAMPLE_SIZE)
    rows = read_bursts(root)
    sets = choose_label_sets(tables.labels.sets)
    marginal = sets[[name.split("(", maxsplit=1)[0] in MARGINAL_ESTIMATORS for name in sets["estimator"]]]
    labels = tables.labels.select(sample)
    bursts = {name: rows[name] for name in sample if name in rows}
    return restore_sample(root, bursts, marginal, labels, named=named, workers=workers)
