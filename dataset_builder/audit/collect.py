"""All statistics of one data set together, and their tidy form on disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from dataset_builder.audit import statistics as of
from dataset_builder.audit.tables import ScoreMatrix, Tables
from manifests.documents.statistics import count_contents, count_licenses
from manifests.intervals import SceneIntervals
from manifests.schema import LABEL_SET, Column, TableSchema
from manifests.schema.table import REAL, TEXT_TYPE

_SCOPE = (
    "source", "preset", "domain", "license", "split", "other_split", "scenario", "other_scenario", "estimator", "other_estimator", "metric",
    "other_metric", "unit", "factor", "grouping", "group", "choice", "part", "guide", "policy", "judged", "burst_id",
    "other_burst_id", "partner", "stage", "error_type",
)  # fmt: skip
_NUMBERED_SCOPE = ("frame_index",)

STATISTICS = TableSchema(
    "statistics",
    (
        Column("topic", TEXT_TYPE, "Which question of the audit it answers."),
        *(Column(name, TEXT_TYPE, f"Scope: {name}; empty if not one.") for name in (*_SCOPE, *_NUMBERED_SCOPE)),
        Column("name", TEXT_TYPE, "Name of the statistic."),
        Column("value", REAL, "Its value; null where the data set gives none.", nullable=True),
    ),
    ("topic", *_SCOPE, *_NUMBERED_SCOPE, "name"),
)
"""One row per statistic: its scope, name and value."""


REPEATED = ["scenario", "estimator", "metric", "preset", "spearman", "icc", "stable_best", "length_spearman", "bursts"]
"""What the audit shows of `reliability.parquet`."""


@dataclass(frozen=True)
class Statistics:
    """What the report shows; each field is a frame as the function of `audit.statistics` returns it, and a topic of the tidy table."""

    contents: pd.DataFrame
    licenses: pd.DataFrame
    failures: pd.DataFrame
    label_sets: pd.DataFrame
    scores: pd.DataFrame
    spread: pd.DataFrame
    outliers: pd.DataFrame
    missing: pd.DataFrame
    coverage: pd.DataFrame
    constant: pd.DataFrame
    selection: pd.DataFrame
    curves: pd.DataFrame
    gain: pd.DataFrame
    oracle: pd.DataFrame
    scenarios: pd.DataFrame
    disagreements: pd.DataFrame
    estimators: pd.DataFrame
    metrics: pd.DataFrame
    precision: pd.DataFrame
    label_noise: pd.DataFrame
    below_noise: pd.DataFrame
    randomness: pd.DataFrame
    repetition: pd.DataFrame
    factors: pd.DataFrame
    explained: pd.DataFrame
    positions: pd.DataFrame
    groups: pd.DataFrame
    content: pd.DataFrame
    noise: pd.DataFrame
    splits: pd.DataFrame
    overlap: pd.DataFrame
    near_duplicates: pd.DataFrame
    shift: pd.DataFrame
    balance: pd.DataFrame


def collect_statistics(
    root: Path,
    tables: Tables,
    matrix: ScoreMatrix,
    *,
    curves: pd.DataFrame,
    gain: pd.DataFrame,
    look_alikes: pd.DataFrame,
) -> Statistics:
    """Compute every statistic of the audit; labels, splits and failures may be absent.

    Args:
        root: the data set.
        tables: its manifests, the frames with the columns of `audit.features`.
        matrix: all its label sets.
        curves: what `read_restorations` gives; may be empty.
        gain: what `read_gains` gives; may be empty.
        look_alikes: what `list_look_alikes` gives.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    label_sets = of.choose_label_sets(matrix.sets)
    chosen = matrix.select(label_sets)
    intervals = SceneIntervals(matrix.scenes)
    presets = tables.bursts.drop_duplicates("burst_id").set_index("burst_id")["preset"].astype(object)
    by_burst = presets.reindex(matrix.burst_ids).to_numpy(object)
    by_label_set = _describe_label_sets(tables)
    return Statistics(
        contents=count_contents(root),
        licenses=count_licenses(root),
        failures=of.count_failures(tables.failures),
        label_sets=label_sets,
        scores=by_label_set["scores"],
        spread=by_label_set["spread"],
        outliers=by_label_set["outliers"],
        missing=by_label_set["missing"],
        coverage=of.measure_coverage(matrix, tables.bursts),
        constant=by_label_set["constant"],
        selection=of.measure_selection(matrix, intervals),
        curves=of.summarise_curves(curves, presets),
        gain=gain,
        oracle=of.bound_selection(gain, of.summarise_curves(curves, presets)),
        scenarios=of.correlate_scenarios(chosen, intervals),
        disagreements=of.find_disagreements(chosen),
        estimators=of.correlate_estimators(matrix, intervals),
        metrics=of.correlate_metrics(matrix, intervals),
        precision=of.measure_precision(matrix),
        label_noise=of.measure_label_noise(matrix, by_burst),
        below_noise=of.list_below_noise(matrix, by_burst),
        randomness=of.assess_randomness(matrix, of.gather_factors(matrix)),
        repetition=tables.reliability[REPEATED].fillna({"preset": ""}),
        factors=of.correlate_factors(chosen, intervals),
        explained=of.explain_ranks(chosen),
        positions=of.locate_best(chosen),
        groups=of.compare_groups(chosen, tables.bursts),
        content=of.correlate_content(chosen),
        noise=of.compare_noise(tables.frames, tables.bursts),
        splits=of.count_splits(matrix, tables.splits),
        overlap=of.count_overlap(tables.bursts, tables.frames, tables.splits),
        near_duplicates=look_alikes,
        shift=of.compare_distributions(chosen, tables.splits),
        balance=of.balance_best(chosen, tables.splits),
    )


def build_tidy_table(statistics: Statistics) -> pa.Table:
    """All numbers below each other, in the columns of `STATISTICS`."""
    left_out = {"failures": ["example"], "label_sets": ["unit"], "coverage": ["unlabelled"]}
    parts = [
        part
        for field in fields(statistics)
        for part in _melt(field.name, getattr(statistics, field.name).drop(columns=left_out.get(field.name, [])))
    ]
    empty = pd.DataFrame(columns=STATISTICS.schema.names)
    table = pd.concat(parts, ignore_index=True) if parts else empty
    return pa.Table.from_pandas(table.reindex(columns=STATISTICS.schema.names), STATISTICS.schema, preserve_index=False)


def _describe_label_sets(tables: Tables) -> dict[str, pd.DataFrame]:
    """What concerns each label set by itself, in one pass over the labels."""
    references = tables.bursts.drop_duplicates("burst_id").set_index("burst_id")["reference_index"]
    useless = tables.frames.loc[tables.frames["outlier"].notna(), ["burst_id", "frame_index"]]
    functions: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
        "scores": of.summarise_scores,
        "spread": of.compare_spread,
        "outliers": partial(of.find_outliers, useless=useless),
        "missing": partial(of.count_missing, references=references),
        "constant": of.count_constant,
    }
    parts: dict[str, list[pd.DataFrame]] = {name: [] for name in functions}
    for part in tables.labels:
        for name, describe in functions.items():
            parts[name].append(describe(part))
    return {name: pd.concat(found).sort_values(LABEL_SET, ignore_index=True) for name, found in parts.items()}


def _melt(topic: str, table: pd.DataFrame) -> Iterator[pd.DataFrame]:
    scope = [name for name in (*_SCOPE, *_NUMBERED_SCOPE) if name in table]
    numbers = [name for name in table.columns if name not in scope]
    if table.empty or not numbers:
        return
    tidy = table.astype({**dict.fromkeys(numbers, "float64"), **dict.fromkeys(scope, object)})
    for name in _NUMBERED_SCOPE:
        if name in tidy:
            tidy[name] = [f"{value:g}" for value in tidy[name]]
    tidy = tidy.melt(id_vars=scope, var_name="name", value_name="value")
    tidy["value"] = tidy["value"].where(np.isfinite(tidy["value"].astype("float64")))
    absent = {name: "" for name in (*_SCOPE, *_NUMBERED_SCOPE) if name not in scope}
    yield tidy.assign(topic=topic, **absent)
