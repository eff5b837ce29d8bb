"""Writing a table in pieces: typed, sorted, atomically, with bytes that do not depend on how it was cut."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from manifests.confined.writing import replace_file
from manifests.errors import SchemaError
from manifests.journal import note_digest
from manifests.schema import FORMAT_VERSION, TableSchema
from manifests.schema.table import compare_neighbours

ROWS_PER_GROUP = 8192
"""A row group is closed at the first burst boundary after so many rows."""


class TableWriter:
    """Takes rows in the order of the table, a piece at a time, and holds those of one row group.

    Args:
        file: where row groups go.
        path: of the file, for messages.
        kind: what the table must look like.
        footer: metadata of the schema.
    """

    def __init__(self, file: pq.ParquetWriter, path: Path, kind: TableSchema, footer: Mapping[str, str]) -> None:
        self._file, self._path, self._kind, self._footer = file, path, kind, footer
        self._waiting: list[pa.Table] = []
        self._num_waiting = 0
        self._last: pa.Table | None = None
        self._begun = False

    def write(self, table: pa.Table) -> None:
        """Take the next rows.

        Args:
            table: the columns of the table, sorted after all that was written before.

        Raises:
            SchemaError: if a value does not fit its column or is missing, two rows share a key, or a row comes too early.
            OSError: if the file cannot be written.
        """
        self._require_columns(table)
        table = table.select(self._kind.schema.names)
        self._require_keys(table)
        self._waiting.append(table.cast(self._kind.schema).replace_schema_metadata(self._footer))
        self._num_waiting += table.num_rows
        if self._num_waiting > ROWS_PER_GROUP:
            self._write_groups(last=False)

    def finish(self) -> None:
        """Write what is left; an empty table has one row group without rows."""
        if not self._waiting:
            empty = self._kind.schema.empty_table().replace_schema_metadata(self._footer)
            self._waiting.append(empty)
        self._write_groups(last=True)

    def _require_columns(self, table: pa.Table) -> None:
        require_schema(self._path, self._kind, table.schema)
        if unknown := sorted(set(table.column_names) - set(self._kind.schema.names)):
            raise SchemaError(
                f"{self._path}: columns that the table {self._kind.name} does not have: {', '.join(unknown)}"
            )
        for field in self._kind.schema:
            missing = table.column(field.name).null_count
            if missing and not field.nullable:
                raise SchemaError(f"{self._path}: column {field.name!r}: {missing} values are missing")

    def _require_keys(self, table: pa.Table) -> None:
        keys = table.select(self._kind.sort_by)
        if self._last is not None:
            keys = pa.concat_tables([self._last, keys])
        repeats, early = compare_neighbours(keys)
        if early.any():
            raise SchemaError(f"{self._path}: rows come before others that they follow by {self._kind.sort_by}")
        if self._kind.unique and repeats.any():
            raise SchemaError(f"{self._path}: {int(repeats.sum())} rows repeat the key {self._kind.sort_by}")
        if keys.num_rows:
            self._last = keys.slice(keys.num_rows - 1).combine_chunks()

    def _write_groups(self, *, last: bool) -> None:
        # In one piece: where a column is cut in memory, pages would be cut too.
        table = pa.concat_tables(self._waiting).combine_chunks()
        boundaries = self._find_boundaries(table)
        if last:
            boundaries = np.append(boundaries, table.num_rows)
        start = 0
        for stop in _cut(boundaries):
            self._write_group(table.slice(start, stop - start))
            start = stop
        rest = table.slice(start)
        if last and (rest.num_rows or not self._begun):
            self._write_group(rest)
        self._waiting, self._num_waiting = [rest], rest.num_rows

    def _write_group(self, table: pa.Table) -> None:
        self._file.write_table(table, row_group_size=max(table.num_rows, 1))
        self._begun = True

    def _find_boundaries(self, table: pa.Table) -> NDArray[np.int64]:
        """Rows at which the first sort column changes."""
        if table.num_rows <= ROWS_PER_GROUP:
            return np.zeros(0, np.int64)
        codes = table.column(self._kind.sort_by[0]).combine_chunks().dictionary_encode().indices
        return np.flatnonzero(np.diff(codes.to_numpy(zero_copy_only=False))).astype(np.int64) + 1


@contextlib.contextmanager
def open_writer(
    root: Path, path: str, kind: TableSchema, *, metadata: Mapping[str, str] | None = None
) -> Iterator[TableWriter]:
    """A writer whose file gets its name when the context ends well; where a journal is open, the digest is noted first.

    Args:
        root: the data set.
        path: path of the Parquet file in it.
        kind: what the table must look like.
        metadata: further key-value pairs for the file's footer.

    Raises:
        SchemaError: as `TableWriter.write`.
        UnsafePathError: if the way to the file goes through a link.
        OSError: if the file cannot be written; a previous version stays intact.
    """
    footer = {"format_version": str(FORMAT_VERSION), **(metadata or {})}
    leaves = dict(_list_leaves(kind))
    encodings = {name: encoding for name, encoding in leaves.items() if encoding}
    with replace_file(root, path) as stream:
        with pq.ParquetWriter(
            stream,
            kind.schema.with_metadata(footer),
            compression="zstd",
            write_page_checksum=True,
            write_page_index=True,
            use_dictionary=[name for name in leaves if name not in encodings],
            column_encoding=encodings,
        ) as file:
            writer = TableWriter(file, root / path, kind, footer)
            yield writer
            writer.finish()
        stream.seek(0)
        note_digest(root, path, hashlib.file_digest(stream, "sha256").hexdigest())


def require_schema(path: Path, kind: TableSchema, schema: pa.Schema) -> None:
    """Raise SchemaError unless each column of `kind` is there once, with its type; text may be coded by a dictionary."""
    for field in kind.schema:
        if field.name not in schema.names:
            raise SchemaError(f"{path}: column {field.name!r} is missing")
        if len(schema.get_all_field_indices(field.name)) > 1:
            raise SchemaError(f"{path}: column {field.name!r} is there more than once")
        found = schema.field(field.name).type
        plain = found.value_type if pa.types.is_dictionary(found) else found
        if not plain.equals(field.type):
            raise SchemaError(f"{path}: column {field.name!r}: expected {field.type}, got {found}")


def _cut(boundaries: NDArray[np.int64]) -> Iterator[int]:
    """Ends of row groups: each the first boundary `ROWS_PER_GROUP` rows or more after the one before."""
    start = 0
    while (place := int(np.searchsorted(boundaries, start + ROWS_PER_GROUP))) < len(boundaries):
        start = int(boundaries[place])
        yield start


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
