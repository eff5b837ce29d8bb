"""Large tables checked piece by piece, each with the bursts that it is about, so that memory does not grow with the data set."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from manifests.errors import ManifestError
from manifests.problem import Problem
from manifests.schema import TableSchema
from manifests.verification.reading import iterate_pieces
from manifests.verification.rows import Rows, check_values


def check_pieces(
    root: Path,
    path: str,
    kind: TableSchema,
    keys: Sequence[str],
    *,
    check: Callable[[Rows, Rows], Iterator[Problem]],
    bursts: Rows | None,
) -> tuple[list[Problem], list[Problem], bool]:
    """Check the values of a table, then its rows against the bursts that they are about.

    Args:
        root: the data set.
        path: path of the Parquet file in it.
        kind: what the table must look like.
        keys: columns that name a row in a message.
        check: given rows and their bursts.
        bursts: all bursts; None if they cannot be read, and `check` is not asked.

    Returns:
        What is wrong with values, what `check` found, and whether the table could be read.
    """
    wrong: list[Problem] = []
    found: list[Problem] = []
    spread = None if bursts is None else _Spread(bursts)
    try:
        pieces = iterate_pieces(root, path, kind)
        table = next(pieces, None)
        while table is not None:
            following = next(pieces, None)
            wrong += check_values(path, kind, table)
            if spread is not None:
                rows = Rows(path, tuple(keys), table.to_pandas())
                found += check(rows, spread.take(table, last=following is None))
            table = following
    except (ManifestError, pa.ArrowException, OSError) as error:
        return [*wrong, Problem(path, "", str(error))], found, False
    return wrong, found, True


class _Spread:
    """Bursts dealt out to the pieces of a table that is sorted as they are; all of them to a table of one piece."""

    def __init__(self, bursts: Rows) -> None:
        self._bursts, self._start = bursts, 0
        self._names = pa.array(bursts.frame["burst_id"], pa.string())
        ordered = pc.less_equal(self._names[:-1], self._names[1:])
        self._sorted = bool(pc.all(pc.fill_null(ordered, fill_value=False)).as_py())

    def take(self, table: pa.Table, *, last: bool) -> Rows:
        """Those up to the last burst of a piece, which `last` says to be the last one."""
        if not self._sorted or (last and not self._start):
            return self._bursts
        stop = len(self._names)
        if not last:
            stop = int(pc.sum(pc.less_equal(self._names, table.column("burst_id")[-1])).as_py() or 0)
        chosen = self._bursts.frame.iloc[self._start : stop]
        self._start = stop
        return Rows(self._bursts.file, self._bursts.keys, chosen)
