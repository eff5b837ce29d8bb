"""Tables read in pieces of whole bursts, so that memory does not grow with the data set."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from itertools import chain
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.confined.reading import has_file
from manifests.schema import TableSchema, Violation
from manifests.schema.table import compare_neighbours
from manifests.store import open_table, require_form, require_sound

ROWS_AT_ONCE = 65_536
"""Rows that a piece has about: of labels 20 MB, of frames with all columns 60 MB."""


def iterate_table(
    root: Path, path: str, kind: TableSchema, *, columns: Sequence[str] | None = None, coded: Sequence[str] = ()
) -> Iterator[pa.Table]:
    """Read a table piece by piece, each checked as `read_table` does, and against what came before.

    Args:
        root: the data set.
        path: path of the Parquet file in it.
        kind: what the table must look like.
        columns: those wanted; None for all. Rules between columns are asked of those that are read.
        coded: columns of repeated text that come as dictionaries, which is faster and smaller.

    Yields:
        Rows in order, those of a burst together, about `ROWS_AT_ONCE` at a time; nothing of a table without rows.

    Raises:
        ManifestError: as `read_table`.
    """
    names = list(columns) if columns else kind.schema.names
    with open_table(root, path, coded=[name for name in coded if name in names]) as file:
        require_form(file, root / path, kind)
        check = _Checks(root / path, kind)
        waiting: pa.Table | None = None
        for groups in _gather_groups(file):
            table = file.read_row_groups(groups, columns=names).select(names)
            table.validate(full=True)  # damaged text would otherwise raise wherever it is used
            if not table.num_rows:
                continue
            check.add(table)
            table = table.cast(_find_schema(kind, table))
            if waiting is not None and _continues(waiting, table, kind):
                table = pa.concat_tables([waiting, table])
            elif waiting is not None:
                yield waiting
            waiting = table
        if waiting is not None:
            yield waiting


def iterate_slices(root: Path, path: str, kind: TableSchema, *, rows: int) -> Generator[pa.Table, None, None]:
    """A table in pieces of at most so many rows, which may cut bursts and whose values may be anything of their type.

    For who reads many tables side by side, of each as little as can be.

    Raises:
        ManifestError: as `read_unchecked`.
    """
    with open_table(root, path) as file:
        require_form(file, root / path, kind)
        for batch in file.iter_batches(rows, columns=kind.schema.names):
            piece = pa.table(batch).select(kind.schema.names)
            piece.validate(full=True)
            yield piece.cast(kind.schema)


class Cursor:
    """A table read from its beginning on, as far as somebody asks for.

    Args:
        pieces: what `iterate_table` gives.
        kind: of table.
    """

    def __init__(self, pieces: Iterator[pa.Table], kind: TableSchema) -> None:
        self._pieces, self._column = pieces, kind.sort_by[0]
        self._waiting = kind.schema.empty_table()

    def take(self, last: str) -> pa.Table:
        """The next rows, up to a value of the first sort column."""
        while not self._waiting.num_rows or self._waiting.column(self._column)[-1].as_py() <= last:
            if (piece := next(self._pieces, None)) is None:
                break
            self._waiting = pa.concat_tables([self._waiting, piece]) if self._waiting.num_rows else piece
        own, self._waiting = split_rows(self._waiting, self._column, last)
        return own

    def finish(self) -> Iterator[pa.Table]:
        """Pieces of what is left, none of them empty."""
        return (piece for piece in chain([self._waiting], self._pieces) if piece.num_rows)


def walk_together(
    one: Iterator[pa.Table], other: Iterator[pa.Table], kind: TableSchema
) -> Iterator[tuple[pa.Table, pa.Table]]:
    """Pieces of two tables of a kind, both sorted, cut so that each pair holds the same range of bursts."""
    name = kind.sort_by[0]
    left, right = _take_next(one), _take_next(other)
    while left is not None or right is not None:
        limit = min(table.column(name)[-1].as_py() for table in (left, right) if table is not None)
        pair = [
            (kind.schema.empty_table(), None) if table is None else split_rows(table, name, limit)
            for table in (left, right)
        ]
        yield pair[0][0], pair[1][0]
        left, right = (
            _take_next(tables) if rest is None or not rest.num_rows else rest
            for tables, (_, rest) in zip((one, other), pair, strict=True)
        )


def split_rows(table: pa.Table, column: str, last: str) -> tuple[pa.Table, pa.Table]:
    """The rows of a sorted table up to a value of its first sort column, and those after it."""
    count = int(pc.sum(pc.less_equal(table.column(column), last)).as_py() or 0)
    return table.slice(0, count), table.slice(count)


def _take_next(tables: Iterator[pa.Table]) -> pa.Table | None:
    return next((table for table in tables if table.num_rows), None)


def count_rows(root: Path, path: str, kind: TableSchema) -> int:
    """Rows of a table, by its footer.

    Raises:
        ManifestError: as `read_table`.
    """
    with open_table(root, path) as file:
        require_form(file, root / path, kind)
        return int(file.metadata.num_rows)


def iterate_or_empty(
    root: Path, path: str, kind: TableSchema, *, columns: Sequence[str] | None = None
) -> Iterator[pa.Table]:
    """As `iterate_table`, but an absent file has no rows."""
    return iterate_table(root, path, kind, columns=columns) if has_file(root, path) else iter(())


def is_null(root: Path, path: str, column: str) -> bool:
    """Whether the statistics of a file say that a column, no list, is null everywhere.

    Raises:
        ManifestError: as `read_table`.
    """
    with open_table(root, path) as file:
        facts = file.metadata
        place = next(at for at in range(facts.num_columns) if facts.schema.column(at).path == column)
        found = [facts.row_group(group).column(place).statistics for group in range(facts.num_row_groups)]
        counts = [None if each is None or not each.has_null_count else each.null_count for each in found]
        return None not in counts and sum(filter(None, counts)) == facts.num_rows


class _Checks:
    """What holds in each piece of a table, and between a piece and those before."""

    def __init__(self, path: Path, kind: TableSchema) -> None:
        self._path, self._kind = path, kind
        self._last: pa.Table | None = None
        self._seen: pa.Table | None = None

    def add(self, table: pa.Table) -> None:
        """Look at the next piece, of at least a row."""
        require_sound(self._path, self._kind, table, self._kind.find_violations(table))
        require_sound(self._path, self._kind, table, self._find_disorder(table))
        require_sound(self._path, self._kind, table, self._find_contradictions(table))

    def _find_disorder(self, table: pa.Table) -> Iterator[Violation]:
        if not set(self._kind.sort_by) <= set(table.column_names):
            return
        keys = _decode(table.select(self._kind.sort_by))
        if self._last is not None:
            repeats, early = compare_neighbours(pa.concat_tables([self._last, keys.slice(0, 1)]))
            if early.any():
                yield self._kind.blame_order(0)
            if self._kind.unique and repeats.any():
                yield self._kind.blame_repetition(0)
        self._last = keys.slice(keys.num_rows - 1)

    def _find_contradictions(self, table: pa.Table) -> Iterator[Violation]:
        rules = [rule for rule in self._kind.rules if rule.across and set(rule.columns) <= set(table.column_names)]
        if not rules:
            return
        names = sorted({name for rule in rules for name in rule.columns})
        rows = _decode(table.select(names))
        if self._seen is not None:
            count = self._seen.num_rows
            yield from self._kind.ask(rules, pa.concat_tables([self._seen, rows]), skip=count)
            rows = pa.concat_tables([self._seen, rows])
        self._seen = rows.group_by(names, use_threads=False).aggregate([]).select(names).combine_chunks()


def _find_schema(kind: TableSchema, table: pa.Table) -> pa.Schema:
    """Whoever wrote a file may have allowed nulls where there are none."""
    fields = (table.schema.field(name) for name in table.column_names)
    return pa.schema([each if pa.types.is_dictionary(each.type) else kind.schema.field(each.name) for each in fields])


def _decode(table: pa.Table) -> pa.Table:
    coded = [name for name in table.column_names if pa.types.is_dictionary(table.schema.field(name).type)]
    for name in coded:
        column = table.column(name)
        table = table.set_column(table.schema.get_field_index(name), name, column.cast(column.type.value_type))
    return table


def _gather_groups(file: pq.ParquetFile) -> Iterator[list[int]]:
    """Row groups that make a piece together."""
    groups: list[int] = []
    rows = 0
    for group in range(file.metadata.num_row_groups):
        groups.append(group)
        rows += file.metadata.row_group(group).num_rows
        if rows >= ROWS_AT_ONCE:
            yield groups
            groups, rows = [], 0
    if groups:
        yield groups


def _continues(before: pa.Table, after: pa.Table, kind: TableSchema) -> bool:
    """Whether a piece begins with the burst that the one before ends with; unknown where the column was not read."""
    name = kind.sort_by[0]
    if name not in before.column_names:
        return False
    return bool(before.column(name)[-1].as_py() == after.column(name)[0].as_py())
