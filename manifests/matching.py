"""Frames of bursts: that the two tables fit each other, and where the frames of a burst are."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from manifests.errors import SchemaError
from manifests.plain_text import show
from manifests.schema import BURSTS, FRAMES
from manifests.store import read_table, table_path


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
