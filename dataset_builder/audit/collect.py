"""All statistics of one data set together, and their tidy form on disk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import pyarrow as pa

from dataset_builder.audit.statistics import (
    choose_label_sets,
    compare_spread,
    correlate_factors,
    correlate_scenarios,
    count_overlap,
    explain_ranks,
    histogram_scores,
    summarise_scores,
)
from dataset_builder.audit.tables import Tables
from manifests.schema import TableSchema
from manifests.statistics import count_contents, count_failures, count_licenses, summarise_splits
from manifests.store import table_path

_SCOPE = (
    "source",
    "preset",
    "domain",
    "license",
    "split",
    "other_split",
    "scenario",
    "other_scenario",
    "estimator",
    "metric",
    "unit",
    "factor",
    "stage",
    "error_type",
)

STATISTICS = TableSchema(
    "statistics",
    pa.schema(
        [
            pa.field("topic", pa.string(), nullable=False, metadata={"doc": "Which question of the audit it answers."}),
            *(
                pa.field(name, pa.string(), nullable=False, metadata={"doc": f"Scope: {name}; empty if not one."})
                for name in _SCOPE
            ),
            pa.field("name", pa.string(), nullable=False, metadata={"doc": "Name of the statistic."}),
            pa.field("value", pa.float64(), metadata={"doc": "Its value; null where the data set gives none."}),
        ]
    ),
    ("topic", *_SCOPE, "name"),
)
"""One row per statistic: its scope, name and value."""


@dataclass(frozen=True)
class Statistics:
    """What the report shows; each field is a frame as the function of the same topic returns it."""

    contents: pd.DataFrame
    licenses: pd.DataFrame
    scores: pd.DataFrame
    histograms: pd.DataFrame
    spread: pd.DataFrame
    label_sets: pd.DataFrame
    scenarios: pd.DataFrame
    factors: pd.DataFrame
    explained: pd.DataFrame
    splits: pd.DataFrame
    overlap: pd.DataFrame
    failures: pd.DataFrame


def collect_statistics(root: Path, tables: Tables) -> Statistics:
    """Compute every statistic of the audit; labels, splits and failures may be absent.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    chosen = choose_label_sets(tables.labels)
    no_splits = pd.DataFrame(columns=["split", "scenes", "bursts", "frames", "labels"])
    return Statistics(
        contents=count_contents(root),
        licenses=count_licenses(root),
        scores=summarise_scores(tables.labels),
        histograms=histogram_scores(tables.labels),
        spread=compare_spread(tables.labels),
        label_sets=chosen,
        scenarios=correlate_scenarios(tables.labels, chosen),
        factors=correlate_factors(tables, chosen),
        explained=explain_ranks(tables, chosen),
        splits=summarise_splits(root) if table_path(root, "splits").is_file() else no_splits,
        overlap=count_overlap(tables.bursts, tables.splits),
        failures=count_failures(root),
    )


def build_tidy_table(statistics: Statistics) -> pa.Table:
    """All numbers (histograms apart) below each other, in the columns of `STATISTICS`."""
    topics = ("contents", "licenses", "scores", "spread", "scenarios", "factors", "explained", "splits", "overlap")
    parts = [part for topic in topics for part in _melt(topic, getattr(statistics, topic))]
    parts += _melt("failures", statistics.failures.drop(columns="example"))
    empty = pd.DataFrame(columns=STATISTICS.schema.names)
    table = pd.concat(parts, ignore_index=True) if parts else empty
    return pa.Table.from_pandas(table.reindex(columns=STATISTICS.schema.names), STATISTICS.schema, preserve_index=False)


def _melt(topic: str, table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    if table.empty:
        return
    scope = [name for name in _SCOPE if name in table]
    tidy = table.astype(dict.fromkeys(table.columns.difference(scope), "float64"))
    tidy = tidy.melt(id_vars=scope, var_name="name", value_name="value")
    absent = {name: "" for name in _SCOPE if name not in scope}
    yield tidy.assign(topic=topic, **absent)
