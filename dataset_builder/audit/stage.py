"""Stage `audit`: restore the bursts that are shown, and write the files that say what was found."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Collection
from pathlib import Path

from dataset_builder.audit.audit import Audit, audit_dataset
from dataset_builder.audit.collect import STATISTICS, build_tidy_table
from dataset_builder.audit.finding import describe_findings
from dataset_builder.audit.restorations import restore_sample
from dataset_builder.audit.shown import SAMPLE_SIZE, choose_bursts
from dataset_builder.audit.statistics import choose_label_sets
from dataset_builder.audit.tables import read_tables
from dataset_builder.labeling.units import read_bursts
from dataset_builder.work.local import ONE_WORKER, Workers
from manifests.confined.writing import write_text
from manifests.schema import is_marginal
from manifests.store import write_table


def write_audit(
    root: Path, *, against: Path | None = None, workers: Workers = ONE_WORKER, out: Path | None = None
) -> Audit:
    """Write `index.html`, `statistics.parquet` and `findings.json` into the folder `audit` of a data set, or into another folder.

    Equal data sets give equal bytes.

    Args:
        root: the data set.
        against: another build to compare with.
        workers: who reads the frames; the result does not depend on it.
        out: another folder, which exists; the data set then is only read.

    Returns:
        The audit; its remarks also say what the page does not show.

    Raises:
        ManifestError: as `audit_dataset`.
        OSError: if a file cannot be written; a previous one stays intact.
    """
    from dataset_builder.audit.report.gallery import build_gallery
    from dataset_builder.audit.report.report import render_report

    audit = audit_dataset(root, against=against, workers=workers, out=out)
    place, folder = (root, "audit/") if out is None else (out, "")
    write_table(place, f"{folder}statistics.parquet", STATISTICS, build_tidy_table(audit.statistics))
    findings = describe_findings(audit.findings, audit.rules)
    text = json.dumps(findings, indent=2, ensure_ascii=False, allow_nan=False)
    write_text(place, f"{folder}findings.json", text + "\n")
    gallery = build_gallery(root, audit, workers=workers, results=out)
    write_text(place, f"{folder}index.html", render_report(audit, gallery))
    return dataclasses.replace(audit, remarks=(*audit.remarks, *gallery.remarks))


def restore_bursts(root: Path, *, named: Collection[str] = (), workers: Workers = ONE_WORKER) -> list[str]:
    """Restore the bursts that the report shows, with and without their frames; reuse what is still current.

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
    rows = read_bursts(root, sample)
    sets = choose_label_sets(tables.labels.sets)
    marginal = sets[[is_marginal(name) for name in sets["estimator"]]]
    labels = tables.labels.select(sample)
    bursts = {name: rows[name] for name in sample if name in rows}
    del tables, rows
    return restore_sample(root, bursts, marginal, labels, named=named, workers=workers)
