"""Labels of chosen scenarios as one matrix, scenario by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.confined.reading import has_file
from manifests.errors import SchemaError, SelectionError
from manifests.loading.index import BurstIndex
from manifests.matching import locate_frames
from manifests.schema import LABELS
from manifests.store import labels_path, list_label_files, read_table

ScoreColumn = Literal["score", "score_norm", "rank"]
SCORE_COLUMNS: tuple[ScoreColumn, ...] = ("score", "score_norm", "rank")
_COLUMNS = ["burst_id", "frame_index", "scenario", "estimator", "metric"]


@dataclass(frozen=True, eq=False)
class LabelMatrix:
    """Labels of S scenarios for the F frames of an index.

    Attributes:
        scenarios: names [S].
        estimators: the estimator of each scenario [S].
        values: float32 [S, F]; NaN where there is no label or the estimator defines none.
    """

    scenarios: tuple[str, ...]
    estimators: tuple[str, ...]
    values: NDArray[np.float32]


def load_label_matrix(
    root: Path,
    index: BurstIndex,
    *,
    scenarios: Sequence[str] | None,
    estimator: str | Mapping[str, str] | None,
    metric: str,
    score: ScoreColumn,
) -> LabelMatrix:
    """Read the labels of a data set.

    Args:
        root: the data set.
        index: its bursts and frames.
        scenarios: which, in this order; None for all that have labels (of `estimator`, where that is one name).
        estimator: estimator of every scenario, or of each by scenario; None where each scenario has but one.
        metric: fidelity metric.
        score: which column becomes the value.

    Raises:
        SelectionError: if a scenario, estimator, metric or column is not there, or the choice is ambiguous; it names what is.
        SchemaError: if a label file is damaged, or contradicts the index.
    """
    if score not in SCORE_COLUMNS:
        raise SelectionError(f"score {score!r} is unknown: expected one of {', '.join(SCORE_COLUMNS)}")
    if scenarios is None:
        tables = {table.column("scenario")[0].as_py(): table for table in _read_all(root, score)}
        if isinstance(estimator, str) and tables:
            tables = {name: table for name, table in tables.items() if estimator in _list_estimators(table, metric)}
            if not tables:
                raise SelectionError(f"{root}: no scenario has labels by estimator {estimator!r} and metric {metric!r}")
    else:
        tables = {name: _read_one(root, name, score) for name in scenarios}
    chosen = {name: _choose_estimator(name, table, estimator, metric) for name, table in tables.items()}
    values = np.full((len(tables), len(index.paths)), np.nan, np.float32)
    for row, (name, table) in zip(values, tables.items(), strict=True):
        wanted = pc.and_(pc.equal(table.column("estimator"), chosen[name]), pc.equal(table.column("metric"), metric))
        _fill_row(row, table.filter(wanted), index, root / labels_path(name), score)
    return LabelMatrix(tuple(tables), tuple(chosen.values()), values)


def _read_all(root: Path, score: ScoreColumn) -> list[pa.Table]:
    tables = [read_table(root, path, LABELS, columns=[*_COLUMNS, score]) for path in list_label_files(root)]
    return [table for table in tables if table.num_rows]


def _read_one(root: Path, scenario: str, score: ScoreColumn) -> pa.Table:
    path = labels_path(scenario)
    if not has_file(root, path):
        names = sorted(table.column("scenario")[0].as_py() for table in _read_all(root, score))
        raise SelectionError(
            f"{root}: no labels of scenario {scenario!r}: there are {', '.join(names) or 'none'}; "
            f"make them with `buiqa label {root} --scenario {scenario}`"
        )
    return read_table(root, path, LABELS, columns=[*_COLUMNS, score])


def _list_estimators(table: pa.Table, metric: str) -> list[str]:
    rows = table.filter(pc.equal(table.column("metric"), metric))
    names: list[str] = sorted(pc.unique(rows.column("estimator")).to_pylist())
    return names


def _choose_estimator(scenario: str, table: pa.Table, estimator: str | Mapping[str, str] | None, metric: str) -> str:
    there = _list_estimators(table, metric)
    if not there:
        metrics = sorted(pc.unique(table.column("metric")).to_pylist())
        raise SelectionError(
            f"scenario {scenario!r} has no labels by metric {metric!r}: there are {', '.join(metrics) or 'none'}"
        )
    wanted = estimator.get(scenario) if isinstance(estimator, Mapping) else estimator
    if wanted is None:
        if len(there) > 1:
            raise SelectionError(
                f"scenario {scenario!r} has labels by several estimators: name one of {', '.join(there)}"
            )
        return there[0]
    if wanted not in there:
        raise SelectionError(
            f"scenario {scenario!r} has no labels by estimator {wanted!r}: there are {', '.join(there)}"
        )
    return wanted


def _fill_row(row: NDArray[np.float32], labels: pa.Table, index: BurstIndex, path: Path, score: ScoreColumn) -> None:
    """Put the values of one scenario where the index has their frames."""
    positions = locate_frames(labels, index.burst_ids, index.starts, path)
    if len(np.unique(positions)) < len(positions):
        raise SchemaError(f"{path}: a frame has several labels of one estimator and metric; run `buiqa verify`")
    row[positions] = labels.column(score).cast(pa.float64()).to_numpy()
