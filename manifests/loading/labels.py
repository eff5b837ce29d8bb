"""Labels of chosen scenarios as one matrix, scenario by frame."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Literal, TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from manifests.batches import iterate_table
from manifests.confined.reading import has_file
from manifests.errors import SchemaError, SelectionError
from manifests.loading.index import BurstIndex
from manifests.matching import locate_frames
from manifests.queries import list_labelled, name_unlabelled
from manifests.schema import LABELS
from manifests.store import labels_path, list_label_files

ScoreColumn = Literal["score", "score_norm", "rank"]
SCORE_COLUMNS: tuple[ScoreColumn, ...] = ("score", "score_norm", "rank")
EstimatorChoice: TypeAlias = str | Sequence[str] | Mapping[str, str | Sequence[str]]
"""One or several estimators of every scenario, or of each by scenario."""
PREFERRED = ("leave_one_out", "shapley", "shapley(exact)", "add_one", "solo")
"""Estimators that are taken where none is named, the first that is there; then any other by name."""
ERRORS: tuple[str, ...] = tuple(name for name in ("std_error", "noise_error") if name in LABELS.schema.names)
"""Columns that say how uncertain a score is."""
_COLUMNS = ["burst_id", "frame_index", "scenario", "estimator", "metric"]
_CODED = ("burst_id", "scenario", "estimator", "metric")
_NAME = np.dtype("S32")
"""Identifiers are no longer."""


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


@dataclass(frozen=True)
class LabelSets:
    """Which sets of labels are wanted of a data set.

    Attributes:
        sets: scenario and estimator of each, those of one scenario in a row.
        metric: of all.
        score: column that becomes the value.
        assumed: those of `LabelMatrix`.
    """

    sets: tuple[tuple[str, str], ...]
    metric: str
    score: ScoreColumn
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
        scenarios: the same as for `choose_label_sets`, and so are the others.
        estimator: the same as there.
        metric: the same as there.
        score: the same as there.

    Raises:
        SelectionError: as there.
        SchemaError: if a label file is damaged, or contradicts the index.
    """
    chosen = choose_label_sets(root, scenarios=scenarios, estimator=estimator, metric=metric, score=score)
    values, errors = (np.full((len(chosen.sets), len(index.paths)), np.nan, np.float32) for _ in range(2))
    for row, own, own_errors in iterate_label_sets(root, index, chosen):
        values[row], errors[row] = own, own_errors
    names, estimators = (tuple(each[place] for each in chosen.sets) for place in range(2))
    return LabelMatrix(names, estimators, values, errors, chosen.assumed)


def choose_label_sets(
    root: Path,
    *,
    scenarios: Sequence[str] | None,
    estimator: EstimatorChoice | None,
    metric: str,
    score: ScoreColumn,
) -> LabelSets:
    """Find which labels of a data set are meant.

    Args:
        root: the data set.
        scenarios: which, in this order; None for all that have labels by the metric (and one of `estimator`, where that is no mapping).
        estimator: estimators of every scenario, or of each by scenario; each gives a set of labels. None for the one that there is, or
            the first there is of `PREFERRED`.
        metric: fidelity metric.
        score: which column becomes the value.

    Raises:
        SelectionError: if a scenario, estimator, metric or column is not there; it names what is.
        SchemaError: if a label file is damaged.
    """
    if score not in SCORE_COLUMNS:
        raise SelectionError(f"score {score!r} is unknown: expected one of {', '.join(SCORE_COLUMNS)}")
    if scenarios is None:
        files = {each.scenario: each for each in _read_all(root)}
        by_metric = {name: file for name, file in files.items() if file.list_estimators(metric)}
        if files and not by_metric:
            metrics = sorted({one for file in files.values() for _, one in file.pairs})
            raise SelectionError(f"{root}: no scenario has labels by metric {metric!r}: there are {', '.join(metrics)}")
        files = by_metric
    else:
        files = {name: _read_one(root, name) for name in scenarios}
    there = {name: file.list_estimators(metric) for name, file in files.items()}
    wanted = {name: estimator.get(name) if isinstance(estimator, Mapping) else estimator for name in files}
    if scenarios is None and estimator is not None and not isinstance(estimator, Mapping) and files:
        named = _as_list(estimator)
        wanted = {name: found for name in files if (found := [one for one in named if one in there[name]])}
        if not wanted:
            names = " or ".join(map(repr, named))
            raise SelectionError(f"{root}: no scenario has labels by estimator {names} and metric {metric!r}")
    chosen = {name: _choose(name, files[name], there[name], wanted[name], metric) for name in wanted}
    assumed = tuple(name for name in wanted if wanted[name] is None and len(there[name]) > 1)
    sets = tuple((scenario, one) for scenario, estimators in chosen.items() for one in estimators)
    return LabelSets(sets, metric, score, assumed)


def iterate_label_sets(
    root: Path, index: BurstIndex, chosen: LabelSets
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
    """The number of each set, and its values and errors as in `LabelMatrix`, float32 [F] each.

    Args:
        root: the data set.
        index: its bursts and frames.
        chosen: the sets.

    Raises:
        SchemaError: if a label file is damaged, or contradicts the index.
    """
    known = np.array(index.burst_ids.to_pylist(), _NAME)
    first = 0
    for scenario, group in groupby(chosen.sets, key=lambda each: each[0]):
        estimators = [one for _, one in group]
        values, errors = (np.full((len(estimators), len(index.paths)), np.nan, np.float32) for _ in range(2))
        path = labels_path(scenario)
        columns = [*_COLUMNS, *dict.fromkeys([chosen.score, "score"]), *ERRORS]
        for table in iterate_table(root, path, LABELS, columns=columns, coded=_CODED):
            frames = _locate_frames(table, known, index, root / path)
            by_metric = _find_equal(table, "metric", chosen.metric)
            numbers = table.select(dict.fromkeys([chosen.score, "score", *ERRORS]))
            for row, one in enumerate(estimators):
                own = np.flatnonzero(by_metric & _find_equal(table, "estimator", one))
                if not len(own):
                    continue
                places = frames[own]
                if (np.diff(places) <= 0).any():
                    raise SchemaError(
                        f"{root / path}: a frame has several labels of one estimator and metric; run `buiqa verify`"
                    )
                mine = numbers if len(own) == len(frames) else numbers.take(pa.array(own))
                owners = np.searchsorted(index.starts, places, side="right")
                values[row, places], errors[row, places] = _measure(mine, owners, chosen.score)
        for row in range(len(estimators)):
            yield first + row, values[row], errors[row]
        first += len(estimators)


@dataclass(frozen=True)
class _LabelFile:
    """What a label file holds.

    Attributes:
        scenario: whose labels.
        pairs: estimators and metrics that occur together.
    """

    scenario: str
    pairs: frozenset[tuple[str, str]]

    def list_estimators(self, metric: str) -> list[str]:
        """Those by which there are labels by a metric."""
        return sorted(estimator for estimator, one in self.pairs if one == metric)


def _read_all(root: Path) -> list[_LabelFile]:
    files = [_read(root, path) for path in list_label_files(root)]
    return [file for file in files if file.pairs]


def _read_one(root: Path, scenario: str) -> _LabelFile:
    path = labels_path(scenario)
    if not has_file(root, path):
        raise name_unlabelled(root, scenario, list_labelled(root))
    return _read(root, path)


def _read(root: Path, path: str) -> _LabelFile:
    scenario = ""
    pairs: set[tuple[str, str]] = set()
    names = ["estimator", "metric", "scenario"]
    for table in iterate_table(root, path, LABELS, columns=names, coded=_CODED):
        scenario = scenario or table.column("scenario")[0].as_py()
        codes = [pa.concat_arrays(table.column(name).chunks) for name in names[:2]]
        both = np.unique(np.stack([each.indices.to_numpy() for each in codes]), axis=1)
        texts = [each.dictionary.to_pylist() for each in codes]
        pairs |= {(texts[0][one], texts[1][other]) for one, other in both.T.tolist()}
    return _LabelFile(scenario, frozenset(pairs))


def _find_equal(table: pa.Table, name: str, text: str) -> NDArray[np.bool_]:
    """Rows with a text in a column that is coded by a dictionary."""
    codes = pa.concat_arrays(table.column(name).chunks)
    return np.isin(codes.indices.to_numpy(), np.flatnonzero([one == text for one in codes.dictionary.to_pylist()]))


def _locate_frames(labels: pa.Table, known: NDArray[np.bytes_], index: BurstIndex, path: Path) -> NDArray[np.int64]:
    """As `matching.locate_frames`, by a look at each burst instead of at each row."""
    names = pa.concat_arrays(labels.column("burst_id").chunks)
    wanted = np.array(names.dictionary.to_pylist(), _NAME)
    bursts = np.searchsorted(known, wanted).clip(0, max(len(known) - 1, 0))
    rows = names.indices.to_numpy()
    if not len(known) or (known[bursts] != wanted).any():
        return locate_frames(labels, index.burst_ids, index.starts, path)  # which says what is wrong
    owners = bursts[rows]
    frames = labels.column("frame_index").to_numpy()
    positions: NDArray[np.int64] = index.starts[owners] + frames
    if ((frames < 0) | (positions >= index.starts[owners + 1])).any():
        return locate_frames(labels, index.burst_ids, index.starts, path)
    return positions


def _choose(
    scenario: str, file: _LabelFile, there: Sequence[str], wanted: str | Sequence[str] | None, metric: str
) -> list[str]:
    if not there:
        metrics = sorted({metric for _, metric in file.pairs})
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


def _measure(
    labels: pa.Table, bursts: NDArray[np.int64], score: ScoreColumn
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Values of rows of one set, and their errors; `bursts` has a number for the burst of each, which rises."""
    values = _to_numpy(labels, score)
    errors = np.full(len(values), np.nan)
    if score != "rank":
        errors = np.sqrt(sum(np.nan_to_num(_to_numpy(labels, name)) ** 2 for name in ERRORS))
        errors[np.isnan(values)] = np.nan
    if score == "score_norm":
        errors /= _spread_within(_to_numpy(labels, "score"), bursts)
    return values, errors


def _spread_within(scores: NDArray[np.float64], bursts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Best minus worst of each burst, at each of its frames; infinite where all are equal, for then no error moves `score_norm`."""
    starts = np.flatnonzero(np.append(True, np.diff(bursts) != 0)[: len(bursts)])
    highest = np.fmax.reduceat(scores, starts)
    spread = highest - np.fmin.reduceat(scores, starts)
    return np.repeat(np.where(spread > 0, spread, np.inf), np.diff(np.append(starts, len(scores))))


def _to_numpy(labels: pa.Table, column: str) -> NDArray[np.float64]:
    numbers: NDArray[np.float64] = labels.column(column).cast(pa.float64()).to_numpy()
    return numbers
