"""Bursts that the manifest holds, and writing it anew: both piece by piece, so that memory does not grow with the data set."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from dataset_builder.errors import OutputError
from dataset_builder.records.rows import Origin
from dataset_builder.work.unit import Unit, read_part
from manifests.batches import iterate_or_empty, iterate_table, walk_together
from manifests.confined.reading import has_file
from manifests.images.listing import IMAGE_COLUMNS
from manifests.matching import walk_bursts
from manifests.schema import BURSTS, FRAMES, TableSchema
from manifests.store import sort_rows, table_path
from manifests.table_writer import open_writer

_ROWS_AT_ONCE = 2048
_BURST_COLUMNS = [
    "burst_id", "source", "scene_id", "origin_path", "origin_sha256", "license", "official_split", "burst_key", "num_frames",
    "ground_truth_path", "ground_truth_mask_path",
]  # fmt: skip
_FRAME_COLUMNS = ["burst_id", "path", "mask_path"]


class MadeBurst(Unit, Protocol):
    """A unit whose result is a burst."""

    @property
    def burst_id(self) -> str:
        """Identifier of the burst."""
        ...

    @property
    def origin(self) -> Origin:
        """Where it comes from."""
        ...


@dataclass(frozen=True)
class HeldBurst:
    """A burst in the manifest.

    Attributes:
        burst_id: its identifier.
        row: of its row in `bursts`, what its origin says, its key and its number of frames.
        files: of its frames, then of its truth; paths in the data set.
        num_frames: rows in `frames`.
    """

    burst_id: str
    row: Mapping[str, Any]
    files: Sequence[str]
    num_frames: int


def iterate_held(root: Path) -> Iterator[HeldBurst]:
    """Bursts of a data set, which may be new, whether or not its tables fit each other.

    Raises:
        ManifestError: if a table cannot be read.
    """
    if not has_file(root, table_path("bursts")):
        return
    tables = iterate_table(root, table_path("bursts"), BURSTS, columns=_BURST_COLUMNS)
    for bursts, frames in walk_bursts(
        tables, iterate_or_empty(root, table_path("frames"), FRAMES, columns=_FRAME_COLUMNS)
    ):
        files: dict[str, list[str]] = {}
        lengths: dict[str, int] = {}
        columns = (frames.column(name).to_pylist() for name in _FRAME_COLUMNS)
        for burst_id, path, mask_path in zip(*columns, strict=True):
            files.setdefault(burst_id, []).extend([path, mask_path] if mask_path else [path])
            lengths[burst_id] = lengths.get(burst_id, 0) + 1
        for row in bursts.to_pylist():
            burst_id = row["burst_id"]
            own = [*files.get(burst_id, ()), *list_truths(row)]
            yield HeldBurst(burst_id, row, own, lengths.get(burst_id, 0))


def list_truths(burst: Mapping[str, Any]) -> list[str]:
    """Files of the truth of a burst, given its row."""
    return [burst[name] for name in ("ground_truth_path", "ground_truth_mask_path") if burst[name]]


def write_burst_tables(
    root: Path, kept: Collection[str], made: Sequence[MadeBurst] = (), renamed: Mapping[str, Origin] | None = None
) -> None:
    """Write `bursts` and `frames` with what they hold and what was made.

    Args:
        root: the data set.
        kept: ids of bursts whose rows stay.
        made: units that have a result, sorted by burst.
        renamed: of those that stay, origins that take the place of the old ones.

    Raises:
        OutputError: if a result is gone.
        ManifestError: if a table cannot be read.
    """
    # Frames first: a burst is in the data set once `bursts` names it.
    _rewrite(root, FRAMES, kept, _tabulate(FRAMES, (part["frames"] for _, part in _read_parts(root, made))), {})
    bursts = ([{**part["burst"], **unit.origin.describe()}] for unit, part in _read_parts(root, made))
    _rewrite(root, BURSTS, kept, _tabulate(BURSTS, bursts), renamed or {})


def write_moved(root: Path, moved: Mapping[str, str]) -> None:
    """Let `bursts` and `frames` name images where they lie now.

    Args:
        root: the data set.
        moved: new paths by the old ones, both of which are there until this is done.

    Raises:
        ManifestError: if a table cannot be read.
    """
    for kind in (FRAMES, BURSTS):
        path = table_path(kind.name)
        with open_writer(root, path, kind) as writer:
            for table in iterate_or_empty(root, path, kind):
                writer.write(_move(table, moved))


def _move(table: pa.Table, moved: Mapping[str, str]) -> pa.Table:
    for name in set(IMAGE_COLUMNS) & set(table.column_names):
        paths = [moved.get(path, path) for path in table.column(name).to_pylist()]
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.array(paths, pa.string()))
    return table


def _rewrite(
    root: Path, kind: TableSchema, kept: Collection[str], fresh: Iterator[pa.Table], renamed: Mapping[str, Origin]
) -> None:
    path = table_path(kind.name)
    held = (_rename(_choose(table, kept), renamed) for table in iterate_or_empty(root, path, kind))
    with open_writer(root, path, kind) as writer:
        for pair in walk_together(held, fresh, kind):
            writer.write(sort_rows(kind, pa.concat_tables(pair)))


def _choose(table: pa.Table, kept: Collection[str]) -> pa.Table:
    """Rows of some bursts."""
    names = table.column("burst_id").combine_chunks().dictionary_encode()
    chosen = np.array([name in kept for name in names.dictionary.to_pylist()], bool)
    return table if chosen.all() else table.filter(pa.array(chosen[names.indices.to_numpy()]))


def _rename(bursts: pa.Table, renamed: Mapping[str, Origin]) -> pa.Table:
    concerned = {name for name in bursts.column("burst_id").to_pylist() if name in renamed} if renamed else ()
    if not concerned:
        return bursts
    rows = _choose(bursts, concerned).to_pylist()
    changed = [{**row, **renamed[row["burst_id"]].describe()} for row in rows]
    others = _choose(bursts, set(bursts.column("burst_id").to_pylist()) - concerned)
    return sort_rows(BURSTS, pa.concat_tables([others, pa.Table.from_pylist(changed, schema=BURSTS.schema)]))


def _read_parts(root: Path, made: Sequence[MadeBurst]) -> Iterator[tuple[MadeBurst, Mapping[str, Any]]]:
    for unit in made:
        part = read_part(root, unit)
        if part is None:
            raise OutputError(f"{root}: the work in progress was removed during the build; run the same command again")
        yield unit, part


def _tabulate(kind: TableSchema, bursts: Iterator[Sequence[Mapping[str, Any]]]) -> Iterator[pa.Table]:
    """Rows burst by burst as tables: one for each would be mostly overhead, all rows at once as dicts no less."""
    waiting: list[Mapping[str, Any]] = []
    for rows in bursts:
        waiting += rows
        if len(waiting) >= _ROWS_AT_ONCE:
            yield pa.Table.from_pylist(waiting, schema=kind.schema)
            waiting = []
    if waiting:
        yield pa.Table.from_pylist(waiting, schema=kind.schema)
