"""Scenes drawn from a data set that is too large to be looked at as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from dataset_builder.randomness import derive_seed
from manifests.batches import iterate_table
from manifests.matching import BurstTables, iterate_burst_tables
from manifests.schema import BURSTS, FRAMES, TableSchema
from manifests.store import read_table, table_path

MOST_BURSTS = 50_000
"""Bursts that the statistics of the audit look at; of ten scenarios that is 7 million labels, and takes about 1.5 GiB."""


def draw_bursts(root: Path, most: int) -> BurstTables:
    """Bursts of whole scenes and their frames, about `most` bursts.

    Scenes come in the order of a hash of their names, so that another scene displaces a few at most.

    Raises:
        ManifestError: if a table cannot be read, or the two do not fit each other.
    """
    scenes = read_table(root, table_path(BURSTS.name), BURSTS, columns=["scene_id"]).column("scene_id")
    counts = pc.value_counts(scenes)
    names = counts.field("values").to_pylist()
    order = sorted(range(len(names)), key=lambda place: derive_seed("audit", names[place]))
    reached = np.cumsum(counts.field("counts").to_numpy()[order])
    drawn = {names[place] for place in order[: max(1, int(np.searchsorted(reached, most, side="right")))]}
    bursts, frames, lengths = [BURSTS.schema.empty_table()], [FRAMES.schema.empty_table()], [np.zeros(1, np.int64)]
    for tables in iterate_burst_tables(root):
        chosen = np.array([name in drawn for name in tables.bursts.column("scene_id").to_pylist()], bool)
        own = np.diff(tables.starts)
        # Copied: a slice would hold on to all of the piece.
        bursts.append(tables.bursts.take(pa.array(np.flatnonzero(chosen))))
        frames.append(tables.frames.take(pa.array(np.flatnonzero(np.repeat(chosen, own)))))
        lengths.append(own[chosen])
    return BurstTables(pa.concat_tables(bursts), pa.concat_tables(frames), np.cumsum(np.concatenate(lengths)))


def read_rows_of(
    root: Path, path: str, kind: TableSchema, chosen: pa.ChunkedArray, *, columns: Sequence[str] | None = None
) -> pa.Table:
    """Of a table, read in pieces, the rows of some bursts.

    Raises:
        ManifestError: if the table cannot be read.
    """
    names = kind.schema.names if columns is None else columns
    empty = pa.schema([kind.schema.field(name) for name in names]).empty_table()
    pieces = iterate_table(root, path, kind, columns=list(names))
    return pa.concat_tables([empty, *(keep_bursts(table, chosen) for table in pieces)])


def keep_bursts(table: pa.Table, chosen: pa.ChunkedArray) -> pa.Table:
    """Rows of some bursts, copied."""
    kept = pc.is_in(table.column("burst_id"), value_set=chosen.combine_chunks())
    return table.take(pa.array(np.flatnonzero(kept.to_numpy())))
