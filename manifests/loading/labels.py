"""Labels of chosen scenarios as one matrix, scenario by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.confined.reading import has_file
from manifests.errors import SchemaError, SelectionError
from manifests.loading.index import BurstIndex
from manifests.matching import locate_frames
from manifests.queries import list_labelled, name_unlabelled
from manifests.schema import LABELS
from manifests.store import labels_path, list_label_files, read_table

ScoreColumn = Literal["score", "score_norm", "rank"]
SCORE_COLUMNS: tuple[ScoreColumn, ...] = ("score", "score_norm", "rank")
EstimatorChoice: TypeAlias = str | Sequence[str] | Mapping[str, str | Sequence[str]]
"""One or several estimators of every scenario, or of each by scenario."""
PREFERRED = ("leave_one_out", "shapley", "shapley(exact)", "add_one", "solo")
"""Estimators that are taken where none is named, the first that is there; then any other by name."""
ERRORS: tuple[str, ...] = tuple(name for name in ("std_error", "noise_error") if name in LABELS.schema.names)
"""Columns that say how uncertain a score is."""
_COLUMNS = ["burst_id", "frame_index", "scenario", "estimator", "metric"]


@dataclass(frozen=True, eq=False)
class LabelMatrix:
    """S sets of labels, each of one scenario and estimator, for the F frames of an index.

    Attributes:
        scenarios: name of the scenario of each set [S].
        estimators: the estimator of each set [S].
        values: float32 [S, F]; NaN where there is no label or the estimator defines none.
        errors: float32 [S, F]; the label's own uncertainty, one standard deviation in the unit of `values`: that of sampling and, where it
            was measured, of noise in the pixels. NaN where there is no label, and for ranks.
        assumed: scenarios for which one of several estimators was taken because none was named.
    """

    scenarios: tuple[str, ...]
    estimators: tuple[str, ...]
    values: NDArray[np.float32]
    errors: NDArray[np.float32]
    assumed: tuple[str, ...]


def load_label_matrix(
    root: Path,
    index: BurstIndex,
    *,
    scenarios: Sequence[str] | None,
    estimator: EstimatorChoice | None,
    metric: str,
    score: ScoreColumn,
) -> LabelMatrix:
    """Read the labels of a data set.

    Args:
        root: the data set.
        index: its bursts and frames.
        scenarios: which, in this order; None for all that have labels by the metric (and one of `estimator`, where that is no mapping).
        estimator: estimators of every scenario, or of each by scenario; each gives a set of labels. None for the one that there is, or
            the first there is of `PREFERRED`.
        metric: fidelity metric.
        score: which column becomes the value.

    Raises:
        SelectionError: if a scenario, estimator, metric or column is not there; it names what is.
        SchemaError: if a label file is damaged, or contradicts the index.
    """
    if score not in SCORE_COLUMNS:
        raise SelectionError(f"score {score!r} is unknown: expected one of {', '.join(SCORE_COLUMNS)}")
    if scenarios is None:
        tables = {table.column("scenario")[0].as_py(): table for table in _read_all(root, score)}
        by_metric = {name: table for name, table in tables.items() if _list_estimators(table, metric)}
        if tables and not by_metric:
            metrics = sorted(
                {one for table in tables.values() for one in pc.unique(table.column("metric")).to_pylist()}
            )
            raise SelectionError(f"{root}: no scenario has labels by metric {metric!r}: there are {', '.join(metrics)}")
        tables = by_metric
    else:
        tables = {name: _read_one(root, name, score) for name in scenarios}
    there = {name: _list_estimators(table, metric) for name, table in tables.items()}
    wanted = {name: estimator.get(name) if isinstance(estimator, Mapping) else estimator for name in tables}
    if scenarios is None and estimator is not None and not isinstance(estimator, Mapping) and tables:
        named = _as_list(estimator)
        wanted = {name: found for name in tables if (found := [one for one in named if one in there[name]])}
        if not wanted:
            names = " or ".join(map(repr, named))
            raise SelectionError(f"{root}: no scenario has labels by estimator {names} and metric {metric!r}")
    chosen = {name: _choose(name, tables[name], there[name], wanted[name], metric) for name in wanted}
    assumed = tuple(name for name in wanted if wanted[name] is None and len(there[name]) > 1)
    sets = [(scenario, one) for scenario, estimators in chosen.items() for one in estimators]
    values, errors = (np.full((len(sets), len(index.paths)), np.nan, np.float32) for _ in range(2))
    for row, (scenario, one) in enumerate(sets):
        table = tables[scenario]
        own = pc.and_(pc.equal(table.column("estimator"), one), pc.equal(table.column("metric"), metric))
        values[row], errors[row] = _align(table.filter(own), index, root / labels_path(scenario), score)
    return LabelMatrix(tuple(name for name, _ in sets), tuple(name for _, name in sets), values, errors, assumed)


def _read_all(root: Path, score: ScoreColumn) -> list[pa.Table]:
    tables = [_read(root, path, score) for path in list_label_files(root)]
    return [table for table in tables if table.num_rows]


def _read_one(root: Path, scenario: str, score: ScoreColumn) -> pa.Table:
    path = labels_path(scenario)
    if not has_file(root, path):
        raise name_unlabelled(root, scenario, list_labelled(root))
    return _read(root, path, score)


def _read(root: Path, path: str, score: ScoreColumn) -> pa.Table:
    return read_table(root, path, LABELS, columns=[*_COLUMNS, *dict.fromkeys([score, "score"]), *ERRORS])


def _list_estimators(table: pa.Table, metric: str) -> list[str]:
    rows = table.filter(pc.equal(table.column("metric"), metric))
    names: list[str] = sorted(pc.unique(rows.column("estimator")).to_pylist())
    return names


def _choose(
    scenario: str, table: pa.Table, there: Sequence[str], wanted: str | Sequence[str] | None, metric: str
) -> list[str]:
    if not there:
        metrics = sorted(pc.unique(table.column("metric")).to_pylist())
        raise SelectionError(
            f"scenario {scenario!r} has no labels by metric {metric!r}: there are {', '.join(metrics) or 'none'}"
        )
    if wanted is None:
        return [next((name for name in PREFERRED if name in there), there[0])]
    for name in _as_list(wanted):
        if name not in there:
            raise SelectionError(
                f"scenario {scenario!r} has no labels by estimator {name!r}: there are {', '.join(there)}"
            )
    return _as_list(wanted)


def _as_list(names: str | Sequence[str]) -> list[str]:
    return [names] if isinstance(names, str) else list(names)


def _align(
    labels: pa.Table, index: BurstIndex, path: Path, score: ScoreColumn
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of one set, and their errors, where the index has their frames: [F] each."""
    positions = locate_frames(labels, index.burst_ids, index.starts, path)
    if len(np.unique(positions)) < len(positions):
        raise SchemaError(f"{path}: a frame has several labels of one estimator and metric; run `buiqa verify`")
    values, errors, scores = (np.full(len(index.paths), np.nan) for _ in range(3))
    values[positions] = _to_numpy(labels, score)
    if score != "rank":
        errors[positions] = np.sqrt(sum(np.nan_to_num(_to_numpy(labels, name)) ** 2 for name in ERRORS))
        errors[np.isnan(values)] = np.nan
    if score == "score_norm":
        scores[positions] = _to_numpy(labels, "score")
        errors /= _spread_within(scores, index.starts)
    return values, errors


def _spread_within(scores: NDArray[np.float64], starts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Best minus worst of each burst, at each of its frames; infinite where all are equal, for then no error moves `score_norm`."""
    highest = np.fmax.reduceat(scores, starts[:-1])
    spread = highest - np.fmin.reduceat(scores, starts[:-1])
    return np.repeat(np.where(spread > 0, spread, np.inf), np.diff(starts))


def _to_numpy(labels: pa.Table, column: str) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = labels.column(column).cast(pa.float64()).to_numpy()
    return numbers
