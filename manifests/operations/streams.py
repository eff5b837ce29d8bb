"""Tables of several data sets merged a piece at a time."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from manifests.batches import iterate_slices
from manifests.errors import MergeConflictError
from manifests.plain_text import show
from manifests.schema import TableSchema
from manifests.store import sort_rows
from manifests.table_writer import open_writer

_ROWS_AT_ONCE = 16_384
"""Of all tables together."""
_FEWEST_ROWS = 512


def merge_tables(
    roots: Sequence[Path], path: str, kind: TableSchema, out: Path, *, metadata: Mapping[str, str] | None = None
) -> None:
    """Write the rows of one table of several data sets, none of which has a burst of another, as one table.

    The bytes are those of `write_table`. Memory holds a few pieces of each table, however long they are.

    Args:
        roots: the data sets.
        path: of the table in each.
        kind: what it looks like; sorted by burst first.
        out: data set to write it to.
        metadata: key-value pairs of the footer.

    Raises:
        MergeConflictError: if two have a burst in common.
        ManifestError: if a table cannot be read.
        OSError: if the new one cannot be written.
    """
    rows = max(_FEWEST_ROWS, _ROWS_AT_ONCE // max(len(roots), 1))
    with contextlib.ExitStack() as stack, open_writer(out, path, kind, metadata=metadata) as writer:
        streams = [
            _Stream(root, stack.enter_context(contextlib.closing(iterate_slices(root, path, kind, rows=rows))), kind)
            for root in roots
        ]
        while True:
            open_streams = [stream for stream in streams if stream.fill()]
            # Rows of this burst, and of all that follow, may be still to come.
            next_burst = min((stream.last for stream in open_streams), default=None)
            pieces = {stream.root: stream.take_before(next_burst) for stream in streams}
            _require_disjoint(pieces)
            piece = pa.concat_tables([kind.schema.empty_table(), *pieces.values()])
            writer.write(sort_rows(kind, piece))
            if next_burst is None:
                return
            for stream in open_streams:
                if stream.last == next_burst or stream.waiting < rows:
                    stream.read()


class _Stream:
    """A table that is read as it is needed, its rows sorted by burst."""

    def __init__(self, root: Path, pieces: Iterator[pa.Table], kind: TableSchema) -> None:
        self.root = root
        self._pieces: Iterator[pa.Table] | None = pieces
        self._rows = kind.schema.empty_table()

    @property
    def last(self) -> str:
        """Burst of the last row that was read."""
        name: str = self._rows.column("burst_id")[-1].as_py()
        return name

    @property
    def waiting(self) -> int:
        """Rows that were read and not taken."""
        return len(self._rows)

    def fill(self) -> bool:
        """Read on if no row is waiting; whether more may come behind those that are."""
        while self._pieces is not None and not len(self._rows):
            self.read()
        return self._pieces is not None

    def read(self) -> None:
        """Read the next piece, if there is one."""
        piece = None if self._pieces is None else next(self._pieces, None)
        if piece is None:
            self._pieces = None
        else:
            self._rows = pa.concat_tables([self._rows, piece])

    def take_before(self, burst_id: str | None) -> pa.Table:
        """Rows of the bursts before another one, or all; they do not wait any more."""
        taken = self._rows
        if burst_id is not None:
            taken = taken.slice(0, pc.sum(pc.less(taken.column("burst_id"), burst_id)).as_py() or 0)
        self._rows = self._rows.slice(len(taken))
        return taken


def _require_disjoint(pieces: Mapping[Path, pa.Table]) -> None:
    owners: dict[str, Path] = {}
    for root, piece in pieces.items():
        for burst_id in pc.unique(piece.column("burst_id")).to_pylist():
            if (other := owners.setdefault(burst_id, root)) is not root:
                raise MergeConflictError(
                    f"burst_id={show(burst_id)}: is in {other} and in {root}; each scene belongs to one part: build both again"
                )
