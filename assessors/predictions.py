"""Predictions: a Parquet file of scores by anybody's model, from any framework, and whether they fit a data set."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from assessors.errors import PredictionError
from assessors.targets import Targets
from manifests.plain_text import show

SCHEMA = pa.schema(
    [
        pa.field("burst_id", pa.string()),
        pa.field("frame_index", pa.int32()),
        pa.field("scenario", pa.string()),
        pa.field("score", pa.float64()),
    ]
)
"""Columns of a file of predictions; a row for each frame and scenario, higher scores for better frames. More columns may be there."""

_SIGNED = "signed"


@dataclass(frozen=True, eq=False)
class Entrant:
    """Scores that fit a data set.

    Attributes:
        name: of the model or the file.
        scores: float64 [scenarios, F], by the scenarios of the targets and the frames of their index; NaN where there is none.
        signed: whether a score below 0 means that the frame harms.
    """

    name: str
    scores: NDArray[np.float64]
    signed: bool = False


def write_predictions(path: Path, table: pa.Table, *, signed: bool = False) -> None:
    """Write predictions, sorted by scenario, burst and frame.

    Args:
        path: the file.
        table: the columns of `SCHEMA`.
        signed: whether a score below 0 means that the frame harms; kept as `signed` among the key-value pairs of the file.

    Raises:
        OSError: if it cannot be written.
    """
    keys = [(name, "ascending") for name in ("scenario", "burst_id", "frame_index")]
    rows = table.select(SCHEMA.names).cast(SCHEMA).sort_by(keys)
    pq.write_table(rows.replace_schema_metadata({_SIGNED: str(signed).lower()}), path, compression="zstd")


def read_predictions(path: Path, targets: Targets) -> Entrant:
    """Read a file of predictions, and check it against the data set.

    Raises:
        PredictionError: as `check_predictions`, or if the file cannot be read.
    """
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise PredictionError(f"{path}: cannot be read as Parquet ({error})") from error
    signed = (table.schema.metadata or {}).get(_SIGNED.encode()) == b"true"
    return check_predictions(table, targets, name=path.stem, place=str(path), signed=signed)


def check_predictions(table: pa.Table, targets: Targets, *, name: str, place: str, signed: bool = False) -> Entrant:
    """Put predictions where the data set has their frames.

    Of a scenario that has any, every labelled frame of the bursts that count must have one. Scenarios without labels, and bursts of other
    splits, are passed over.

    Args:
        table: the columns of `SCHEMA`.
        targets: what they are to predict.
        name: how the entrant is called.
        place: where they come from, for errors.
        signed: what `Entrant.signed` will say.

    Raises:
        PredictionError: if a column is missing or of another kind, a score is missing or not finite, a frame has several or none, or there
            are bursts or frames that the data set does not have.
    """
    table = _require_columns(table, place)
    values = table.column("score").to_numpy()
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        raise PredictionError(
            f"{place}: {len(wrong)} scores are NaN or infinite, the first of {_describe(table, wrong[0])}"
        )
    frames = _locate(table, targets, place)
    places = pc.index_in(table.column("scenario"), value_set=pa.array(targets.scenarios)).to_numpy(zero_copy_only=False)
    known = np.flatnonzero(~np.isnan(places.astype(np.float64)))
    if not len(known):
        there = ", ".join(sorted(map(show, pc.unique(table.column("scenario")).to_pylist()))[:5]) or "none"
        raise PredictionError(
            f"{place}: no scenario that is evaluated has predictions: expected {', '.join(targets.scenarios)}, got {there}"
        )
    cells = np.stack([places[known].astype(np.int64), frames[known]])
    _, first, counts = np.unique(cells, axis=1, return_index=True, return_counts=True)
    if (counts > 1).any():
        row = known[first[np.argmax(counts > 1)]]
        doubled = int((counts - 1).sum())
        raise PredictionError(f"{place}: {doubled} rows repeat a frame and scenario, the first {_describe(table, row)}")
    scores = np.full((len(targets.scenarios), int(targets.index.starts[-1])), np.nan)
    scores[cells[0], cells[1]] = values[known]
    _require_all(scores, targets, place)
    return Entrant(name, scores, signed)


def _require_columns(table: pa.Table, place: str) -> pa.Table:
    missing = [name for name in SCHEMA.names if name not in table.column_names]
    if missing:
        raise PredictionError(f"{place}: expected columns {', '.join(SCHEMA.names)}; {', '.join(missing)} missing")
    columns = []
    for field in SCHEMA:
        column = table.column(field.name)
        if pa.types.is_dictionary(column.type):
            column = column.cast(column.type.value_type)
        try:
            columns.append(column.cast(field.type))
        except pa.ArrowException as error:
            raise PredictionError(f"{place}: column {field.name}: expected {field.type}, got {column.type}") from error
        if column.null_count:
            raise PredictionError(f"{place}: column {field.name}: {column.null_count} values are missing")
    return pa.table(columns, schema=SCHEMA)


def _locate(table: pa.Table, targets: Targets, place: str) -> NDArray[np.int64]:
    """Rows of the table as frames of the index: int64 [N]."""
    index = targets.index
    found = pc.index_in(table.column("burst_id"), value_set=index.burst_ids)
    if found.null_count:
        strangers = pc.unique(table.column("burst_id").filter(pc.is_null(found)))
        whole = "is of another data set" if found.null_count == len(table) else "has bursts of another one"
        raise PredictionError(
            f"{place}: {whole}: {len(strangers)} bursts are not in {targets.root}, such as {show(strangers[0].as_py())}"
        )
    bursts = found.to_numpy().astype(np.int64)
    numbers = table.column("frame_index").to_numpy().astype(np.int64)
    frames: NDArray[np.int64] = index.starts[bursts] + numbers
    outside = np.flatnonzero((numbers < 0) | (frames >= index.starts[bursts + 1]))
    if len(outside):
        count = int(np.diff(index.starts)[bursts[outside[0]]])
        raise PredictionError(f"{place}: {_describe(table, outside[0])}: expected a frame below {count}")
    return frames


def _require_all(scores: NDArray[np.float64], targets: Targets, place: str) -> None:
    """Raise unless each scenario is predicted for all labelled frames of the bursts that count, or not at all."""
    counted = np.zeros(scores.shape[1], bool)
    for burst in targets.bursts:
        counted[targets.rows(int(burst))] = True
    for scenario, labels in zip(targets.labels.scenarios, targets.labels.values, strict=True):
        own = scores[targets.scenarios.index(scenario)]
        if np.isnan(own).all():
            continue
        missing = np.flatnonzero(counted & np.isfinite(labels) & np.isnan(own))
        if len(missing):
            burst = int(np.searchsorted(targets.index.starts, missing[0], side="right")) - 1
            frame = int(missing[0] - targets.index.starts[burst])
            raise PredictionError(
                f"{place}: {len(missing)} labelled frames of {scenario} have no prediction, the first frame {frame} of burst "
                f"{targets.index.burst_ids[burst].as_py()}; predict all, or evaluate a split that is predicted"
            )


def _describe(table: pa.Table, row: int) -> str:
    names = ("burst_id", "frame_index", "scenario")
    return ", ".join(f"{name}={show(table.column(name)[int(row)].as_py())}" for name in names)
