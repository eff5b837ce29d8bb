"""Parquet files of whole bursts, written row group by row group."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import TracebackType
from typing import BinaryIO, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.schema import TableSchema


class RowGroupWriter:
    """Gathers sorted rows until they make a row group, and writes that; the bytes do not depend on how the rows are handed over.

    Args:
        stream: where to.
        kind: what the table looks like.
        footer: key-value pairs for the file's footer.
        rows: a row group is closed at the first burst boundary after so many.
    """

    def __init__(self, stream: BinaryIO, kind: TableSchema, footer: Mapping[str, str], rows: int) -> None:
        self._kind, self._rows = kind, rows
        self._schema = kind.schema.with_metadata(dict(footer))
        self._waiting = self._schema.empty_table()
        self._is_empty = True
        leaves = dict(_list_leaves(kind))
        encodings = {name: encoding for name, encoding in leaves.items() if encoding}
        self._writer = pq.ParquetWriter(
            stream,
            self._schema,
            compression="zstd",
            write_page_checksum=True,
            write_page_index=True,
            use_dictionary=[name for name in leaves if name not in encodings],
            column_encoding=encodings,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, error: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        is_wanted = len(self._waiting) or self._is_empty  # a table without rows has a row group without rows
        with self._writer:
            if error is None and is_wanted:
                self._write(self._waiting)

    def add(self, piece: pa.Table) -> None:
        """Take the next rows: the columns of the table in its order, sorted; a piece ends where a burst does."""
        self._waiting = pa.concat_tables([self._waiting, piece.cast(self._schema)])
        if len(self._waiting) < self._rows:
            return
        for start, stop in _cut(self._waiting, self._kind, self._rows):
            if stop - start < self._rows:
                self._waiting = self._waiting.slice(start)
                return
            self._write(self._waiting.slice(start, stop - start))
        self._waiting = self._schema.empty_table()

    def _write(self, group: pa.Table) -> None:
        # Pages are cut where chunks end.
        self._writer.write_table(group.combine_chunks(), row_group_size=max(len(group), 1))
        self._is_empty = False


def _list_leaves(kind: TableSchema) -> Iterator[tuple[str, str]]:
    """Parquet's name of every column and its encoding; empty for a dictionary, which suits values that repeat."""
    for field in kind.schema:
        listed = pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type)
        encoding = ""
        if pa.types.is_floating(field.type.value_type if listed else field.type):
            encoding = "BYTE_STREAM_SPLIT"  # a quarter smaller than plain numbers, whose bytes zstd cannot tell apart
        elif kind.unique and kind.sort_by == (field.name,):
            encoding = "DELTA_BYTE_ARRAY"  # sorted and unique: neighbours share their beginning
        yield (f"{field.name}.list.element" if listed else field.name), encoding


def _cut(table: pa.Table, kind: TableSchema, rows: int) -> Iterator[tuple[int, int]]:
    """Cut at the first change of the first sort column after every `rows` rows."""
    codes = table.column(kind.sort_by[0]).combine_chunks().dictionary_encode().indices.to_numpy()
    boundaries = np.append(np.flatnonzero(np.diff(codes)) + 1, table.num_rows)
    start = 0
    while start < table.num_rows:
        stop = int(boundaries[min(int(np.searchsorted(boundaries, start + rows)), len(boundaries) - 1)])
        yield start, stop
        start = stop
