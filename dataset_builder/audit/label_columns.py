"""Whether the columns of label files fit each other, the bursts and the restorer that they name: edits by hand, labels of two builds."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from dataset_builder.audit.drawing import read_rows_of
from dataset_builder.labeling.scenarios import Definition, read_scenario_facts
from dataset_builder.labeling.units import BurstRows, make_label_key, read_bursts
from manifests.errors import ManifestError
from manifests.plain_text import show
from manifests.problem import Problem
from manifests.schema import LABELS
from manifests.store import list_label_files, read_table
from manifests.verification.labels import LABEL_KEYS, check_labels
from manifests.verification.rows import Rows
from restorers.fidelity import METRICS

_EVALUATIONS: Mapping[str, int] = {
    "leave_one_out": 2, "add_one": 2, "half_sum": 4, "interaction": 4, "solo": 1, "as_reference": 1,
}  # fmt: skip
"""Fidelities that a score of these estimators is computed from; without truth, as many for each part that is compared."""


def check_label_columns(root: Path, bursts: pd.DataFrame, *, drawn: bool = False) -> list[str]:
    """What is wrong with the label files that can be read: a line for each file and column, which names the first row.

    Args:
        root: the data set.
        bursts: the table `bursts`.
        drawn: whether these are some that were drawn from it; then nothing is said of labels of others.
    """
    chosen = pa.chunked_array([pa.array(bursts["burst_id"], pa.string())])
    known = Rows("manifests/bursts.parquet", ("burst_id",), bursts)
    contents: dict[str, BurstRows] = {}
    lines: list[str] = []
    for path in list_label_files(root):
        try:
            table = read_rows_of(root, path, LABELS, chosen) if drawn else read_table(root, path, LABELS)
            rows = Rows(path, LABEL_KEYS, table.to_pandas())
            facts = read_scenario_facts(root, path)
            contents = contents or read_bursts(root, set(bursts["burst_id"]) if drawn else None)
        except ManifestError:
            continue  # the audit names tables that cannot be read
        problems = [
            *check_labels(rows, known),
            *_check_maker(rows, facts.get("fingerprint")),
            *_check_keys(rows, contents),
            *_check_evaluations(rows),
        ]
        lines += _summarise(problems)
    return lines


def _check_maker(rows: Rows, stated: object) -> Iterator[Problem]:
    """The restorer is the one that the footer states."""
    if isinstance(stated, str):
        yield from rows.report(
            rows.frame["restorer_fingerprint"] != stated,
            "restorer_fingerprint",
            f"{show(stated)}, as the footer states",
        )


def _check_keys(rows: Rows, contents: Mapping[str, BurstRows]) -> Iterator[Problem]:
    """Keys follow from burst, restorer and definition.

    Where none of a definition does, estimator or metric were of another version: such labels are outdated, and not altered.
    """
    names = ["burst_id", "estimator", "metric", "restorer_fingerprint", "label_key"]
    groups = rows.frame.loc[rows.frame["burst_id"].isin(contents), names].drop_duplicates()
    for (estimator, metric), own in groups.groupby(["estimator", "metric"], sort=True):
        definition = Definition(str(estimator), str(metric))
        expected = [
            make_label_key(contents[burst_id].content, maker, definition)
            for burst_id, maker in zip(own["burst_id"], own["restorer_fingerprint"], strict=True)
        ]
        wrong = own["label_key"] != expected
        if wrong.all():
            continue
        yield from Rows(rows.file, ("burst_id", "estimator", "metric"), own).report(
            wrong, "label_key", "the key of the burst, the restorer and the definition"
        )


def _check_evaluations(rows: Rows) -> Iterator[Problem]:
    """Scores of simple estimators are computed from a number of fidelities that is known."""
    frame = rows.frame
    least = frame["estimator"].map(_EVALUATIONS)
    once = frame["metric"].isin(
        [name for name, metric in METRICS.items() if metric.needs_truth or metric.compares_stack]
    )
    parts = frame["metric"].isin(METRICS) & ~once
    number = frame["num_evaluations"]
    scored = frame["score"].notna() & least.notna()
    yield from rows.report(scored & once & (number != least), "num_evaluations", "the number that the estimator takes")
    yield from rows.report(
        scored & parts & (number.mod(least.fillna(1)) != 0),
        "num_evaluations",
        "a multiple of the number that the estimator takes",
    )


def _summarise(problems: list[Problem]) -> Iterator[str]:
    """A line for each file and column."""
    groups: dict[tuple[str, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        groups[problem.file, problem.message.partition(":")[0]].append(problem)
    for found in groups.values():
        more = f"; {len(found):,} rows in all" if len(found) > 1 else ""
        yield f"{found[0]}{more}"
