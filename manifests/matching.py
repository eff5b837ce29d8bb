"""Tables against each other: the frames of each burst and where they are, and that splits and labels name none but these."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.batches import Cursor, iterate_table
from manifests.errors import SchemaError
from manifests.plain_text import show
from manifests.schema import BURSTS, FRAMES, LABELS, SPLITS
from manifests.store import read_table, table_path

_BURSTS_AT_ONCE = 4096


class BurstTables(NamedTuple):
    """Bursts and their frames.

    Attributes:
        bursts: rows of `bursts`, B of them.
        frames: rows of `frames`, those of the first burst first, in capture order.
        starts: int64 [B + 1]; the frames of burst b are the rows `starts[b]` to `starts[b + 1]`.
    """

    bursts: pa.Table
    frames: pa.Table
    starts: NDArray[np.int64]


def read_burst_tables(
    root: Path, *, burst_columns: list[str] | None = None, frame_columns: list[str] | None = None
) -> BurstTables:
    """Read `bursts` and `frames`, and check them against each other.

    Args:
        root: the data set.
        burst_columns: those wanted, at least `burst_id`, `num_frames` and `reference_index`; None for all.
        frame_columns: those wanted, at least `burst_id`, `frame_index` and `is_reference`; None for all.

    Raises:
        ManifestError: as `read_table`.
        SchemaError: if a burst does not have its frames 0..num_frames−1 in order, or not the reference that it states.
    """
    bursts = read_table(root, table_path("bursts"), BURSTS, columns=burst_columns)
    path = table_path("frames")
    frames = read_table(root, path, FRAMES, columns=frame_columns)
    return BurstTables(bursts, frames, _match(bursts, frames, root / path))


def iterate_burst_tables(
    root: Path, *, burst_columns: list[str] | None = None, frame_columns: list[str] | None = None
) -> Iterator[BurstTables]:
    """As `read_burst_tables`, some thousand bursts at a time."""
    path = table_path("frames")
    pieces = iterate_table(root, path, FRAMES, columns=frame_columns)
    pairs = walk_bursts(iterate_table(root, table_path("bursts"), BURSTS, columns=burst_columns), pieces)
    pair = next(pairs, None)
    while pair is not None:
        bursts, frames = pair
        known = bursts.column("burst_id").combine_chunks()
        pair = next(pairs, None)
        # Frames of no burst are said first, for it may be their burst that then lacks some.
        strangers = frames if not bursts.num_rows else pair[1] if pair is not None and not pair[0].num_rows else None
        if strangers is not None:
            locate(strangers.column("burst_id"), known, root / path)
        yield BurstTables(bursts, frames, _match(bursts, frames, root / path))


def walk_bursts(bursts: Iterator[pa.Table], frames: Iterator[pa.Table]) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Some thousand bursts at a time and frames up to the last of them; then frames behind all bursts, if any. None is matched.

    Args:
        bursts: pieces of the table, as `iterate_table` gives them.
        frames: the same of `frames`.
    """
    cursor = Cursor(frames, FRAMES)
    for table in bursts:
        for start in range(0, table.num_rows, _BURSTS_AT_ONCE):
            chosen = table.slice(start, _BURSTS_AT_ONCE)
            yield chosen, cursor.take(chosen.column("burst_id")[-1].as_py())
    yield from ((BURSTS.schema.empty_table(), rest) for rest in cursor.finish())


class LabelCursor:
    """A label file read beside the bursts, piece by piece, and checked against them.

    Args:
        root: the data set.
        path: of the file in it.
        columns: those wanted, at least `burst_id` and `frame_index`; None for all.

    Raises:
        ManifestError: as `read_label_file`, by whatever is asked of it.
    """

    def __init__(self, root: Path, path: str, *, columns: list[str] | None = None) -> None:
        self._path = root / path
        self._cursor = Cursor(iterate_table(root, path, LABELS, columns=columns), LABELS)

    def take(self, tables: BurstTables) -> tuple[pa.Table, NDArray[np.int64]]:
        """Labels of the next bursts, and the rows of `tables.frames` that they are of."""
        known = tables.bursts.column("burst_id").combine_chunks()
        labels = self._cursor.take(known[-1].as_py())
        return labels, locate_frames(labels, known, tables.starts, self._path)

    def finish(self) -> None:
        """Once all bursts were taken: raise SchemaError if there are labels of others."""
        for rest in self._cursor.finish():
            locate(rest.column("burst_id"), pa.array([], pa.string()), self._path)


def read_splits(root: Path, tables: BurstTables, *, columns: list[str] | None = None) -> pa.Table:
    """Read `splits`, and check it against the bursts.

    Args:
        root: the data set.
        tables: its bursts.
        columns: those wanted, at least `burst_id`; None for all.

    Raises:
        ManifestError: as `read_table`.
        SchemaError: if it names a burst that is not there.
    """
    path = table_path("splits")
    splits = read_table(root, path, SPLITS, columns=columns)
    require_bursts(splits, tables, root / path)
    return splits


def require_bursts(table: pa.Table, tables: BurstTables, path: Path) -> None:
    """Raise SchemaError if a table, whose file is `path`, names a burst that is not there."""
    locate(table.column("burst_id"), tables.bursts.column("burst_id").combine_chunks(), path)


def read_label_file(root: Path, path: str, tables: BurstTables, *, columns: list[str] | None = None) -> pa.Table:
    """Read a label file, and check it against bursts and frames.

    Args:
        root: the data set.
        path: of the file in it.
        tables: its bursts and frames.
        columns: those wanted, at least `burst_id` and `frame_index`; None for all.

    Raises:
        ManifestError: as `read_table`.
        SchemaError: if it names a burst or a frame that is not there.
    """
    labels = read_table(root, path, LABELS, columns=columns)
    locate_frames(labels, tables.bursts.column("burst_id").combine_chunks(), tables.starts, root / path)
    return labels


def locate(burst_ids: pa.ChunkedArray, known: pa.Array, table: Path) -> NDArray[np.int64]:
    """Positions of bursts that another table names.

    Args:
        burst_ids: the names.
        known: the bursts.
        table: file that names them, for the error.

    Raises:
        SchemaError: if one is not there.
    """
    found = pc.index_in(burst_ids, value_set=known)
    if found.null_count:
        stranger = show(burst_ids.filter(pc.is_null(found))[0].as_py(), quoted=True)
        raise SchemaError(f"{table}: burst_id: {stranger} is not in the table bursts; run `buiqa verify`")
    positions: NDArray[np.int64] = found.to_numpy().astype(np.int64)
    return positions


def locate_frames(labels: pa.Table, known: pa.Array, starts: NDArray[np.int64], path: Path) -> NDArray[np.int64]:
    """Frames that another table names, as rows of `frames`.

    Args:
        labels: at least `burst_id` and `frame_index`.
        known: the bursts.
        starts: where their frames are, as in `BurstTables`.
        path: file that names them, for the error.

    Raises:
        SchemaError: if a burst or a frame is not there.
    """
    bursts = locate(labels.column("burst_id"), known, path)
    frames = labels.column("frame_index").to_numpy()
    positions: NDArray[np.int64] = starts[bursts] + frames
    inside = (frames >= 0) & (positions < starts[bursts + 1])
    if not inside.all():
        row = int(np.argmin(inside))
        burst, count = known[int(bursts[row])].as_py(), int(np.diff(starts)[bursts[row]])
        raise SchemaError(
            f"{path}: burst_id={show(burst)}: frame_index: expected a frame of the burst, below {count}, "
            f"got {frames[row]}; run `buiqa verify`"
        )
    return positions


def _match(bursts: pa.Table, frames: pa.Table, path: Path) -> NDArray[np.int64]:
    names = bursts.column("burst_id").combine_chunks()
    lengths, references = (bursts.column(name).to_numpy() for name in ("num_frames", "reference_index"))
    owners = locate(frames.column("burst_id"), names, path)
    counts = np.bincount(owners, minlength=len(names))
    starts = np.concatenate([[0], np.cumsum(counts)])
    index = frames.column("frame_index").to_numpy()
    _require(counts == lengths, names, path, "frame_index: expected frames 0..num_frames-1 of every burst, sorted")
    ordered = (owners == np.repeat(np.arange(len(names)), counts)) & (index == np.arange(len(owners)) - starts[owners])
    _require(ordered, names, path, "frame_index: expected frames 0..num_frames-1 of every burst, sorted", owners)
    marked = frames.column("is_reference").to_numpy() == (index == references[owners])
    _require(
        marked, names, path, "is_reference: expected one reference, the frame reference_index of the burst", owners
    )
    return starts.astype(np.int64)


def _require(
    holds: NDArray[np.bool_], names: pa.Array, path: Path, message: str, owners: NDArray[np.int64] | None = None
) -> None:
    if not holds.all():
        row = int(np.argmin(holds))
        burst = names[row if owners is None else int(owners[row])].as_py()
        raise SchemaError(f"{path}: burst_id={show(burst)}: {message}; run `buiqa verify`")
