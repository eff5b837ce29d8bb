"""Typed, sorted, atomic reading and writing of a data set's tables.

Equal content gives equal bytes: rows are sorted, row groups hold whole bursts, and no clock or host name is written. What is read keeps the
rules of the schema, whoever wrote it.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.confined.reading import has_file, list_folder, open_file
from manifests.confined.writing import replace_file
from manifests.description import check_format_version
from manifests.errors import MissingManifestError, SchemaError
from manifests.journal import note_digest
from manifests.plain_text import show
from manifests.row_groups import RowGroupWriter
from manifests.schema import FORMAT_VERSION, TABLES, TableSchema, Violation

ROWS_PER_GROUP = 8192
"""A row group is closed at the first burst boundary after so many rows."""


LABEL_FOLDER = "manifests/labels"
_LONGEST_STEM = 200
# A damaged page or name shows as one of the latter.
_DAMAGES = (pa.ArrowException, OSError, UnicodeDecodeError)


def table_path(name: str) -> str:
    """Where the table `name` (not `labels`, which has a file for each scenario) lies in a data set."""
    return f"manifests/{name}.parquet"


def labels_path(scenario: str) -> str:
    """Where the labels of a scenario lie in a data set.

    `/` becomes `--`, `:` becomes `~`, and other characters that some file system refuses are %-escaped; what is too long ends in a hash.
    """
    stem = quote(scenario.replace("/", "--").replace(":", "~"), safe="@~=,+()[]")
    if len(stem) > _LONGEST_STEM:
        stem = f"{stem[:_LONGEST_STEM]}~{hashlib.sha256(scenario.encode()).hexdigest()[:12]}"
    return f"{LABEL_FOLDER}/{stem}.parquet"


def write_table(
    root: Path,
    path: str,
    kind: TableSchema,
    rows: Iterable[Mapping[str, Any]] | pa.Table,
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write rows sorted, typed and atomically; where a journal is open, the digest is noted first.

    Args:
        root: the data set.
        path: path of the Parquet file in it.
        kind: what the table must look like.
        rows: mappings from column to value, or a table with the columns of `kind`.
        metadata: further key-value pairs for the file's footer.

    Raises:
        SchemaError: if a value does not fit its column, a value is missing, or two rows share a key.
        UnsafePathError: if the way to the file goes through a link.
        OSError: if the file cannot be written; a previous version stays intact.
    """
    table = rows if isinstance(rows, pa.Table) else _build_table(kind, list(rows))
    _require_schema(root / path, kind, table.schema)
    if unknown := sorted(set(table.column_names) - set(kind.schema.names)):
        raise SchemaError(f"{root / path}: columns that the table {kind.name} does not have: {', '.join(unknown)}")
    table = table.select(kind.schema.names).sort_by([(name, "ascending") for name in _sort_columns(kind)])
    _require_content(root / path, kind, table)
    with write_pieces(root, path, kind, metadata=metadata) as write:
        write(table)


@contextlib.contextmanager
def write_pieces(
    root: Path, path: str, kind: TableSchema, *, metadata: Mapping[str, str] | None = None
) -> Iterator[Callable[[pa.Table], None]]:
    """Write a table of which no more than some row groups are in memory; the bytes do not depend on how it is cut.

    Args:
        root: the data set.
        path: path of the Parquet file in it.
        kind: what the table must look like.
        metadata: further key-value pairs for the file's footer.

    Yields:
        What takes the next rows, with the columns of `kind` and in the order of its keys; a piece ends where a burst does.

    Raises:
        SchemaError: if a column has another type.
        UnsafePathError: as `write_table`.
        OSError: as `write_table`.
    """
    footer = {"format_version": str(FORMAT_VERSION), **(metadata or {})}
    with replace_file(root, path) as stream:
        with RowGroupWriter(stream, kind, footer, ROWS_PER_GROUP) as writer:

            def write(piece: pa.Table) -> None:
                _require_schema(root / path, kind, piece.schema)
                writer.add(piece.select(kind.schema.names))

            yield write
        stream.seek(0)
        note_digest(root, path, hashlib.file_digest(stream, "sha256").hexdigest())


def read_table(root: Path, path: str, kind: TableSchema, *, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table; check it against its schema, its values and its order against the rules there.

    Args:
        root: the data set.
        path: path of the Parquet file in it.
        kind: what the table must look like.
        columns: those wanted; None for all. Rules between columns are asked of those that are read.

    Raises:
        MissingManifestError: if there is no such file.
        FormatVersionError: if it was written in another version of the format.
        SchemaError: if it is not Parquet, a column is missing or has another type, or a value breaks a rule; names row and column.
        UnsafePathError: if it is no plain file, or the way there goes through a link.
    """
    table = read_unchecked(root, path, kind, columns=columns)
    for violation in kind.find_violations(table):
        row = int(violation.rows[0])
        raise SchemaError(
            f"{root / path}: {describe_row(kind, table, row)}: {describe_value(table, violation, row)}; "
            "`buiqa verify` lists all that is wrong; restore the file, or build again"
        )
    # Whoever wrote it may have allowed nulls where there are none.
    return table.cast(pa.schema([kind.schema.field(name) for name in table.column_names]))


def read_unchecked(root: Path, path: str, kind: TableSchema, *, columns: Sequence[str] | None = None) -> pa.Table:
    """As `read_table`, but values may be anything of their type: for who looks for what is wrong with them."""
    names = list(columns) if columns else kind.schema.names
    with open_table(root, path) as file:
        check_format_version(_read_metadata(file).get(b"format_version"), root / path)
        _require_schema(root / path, kind, file.schema_arrow)
        table = file.read(columns=names).select(names)
        table.validate(full=True)  # damaged text would otherwise raise wherever it is used
    return table


def iterate_pieces(root: Path, path: str, kind: TableSchema, *, rows: int) -> Generator[pa.Table, None, None]:
    """A table in pieces of at most so many rows, whose values may be anything of their type; raises as `read_unchecked`."""
    with open_table(root, path) as file:
        check_format_version(_read_metadata(file).get(b"format_version"), root / path)
        _require_schema(root / path, kind, file.schema_arrow)
        for batch in file.iter_batches(rows, columns=kind.schema.names):
            piece = pa.table(batch).select(kind.schema.names)
            piece.validate(full=True)
            yield piece.cast(kind.schema)


def read_footer(root: Path, path: str) -> dict[str, str]:
    """What the footer of a table says beside its columns; raises as `read_table`."""
    with open_table(root, path) as file:
        return {key.decode(): value.decode() for key, value in _read_metadata(file).items()}


def read_or_empty(root: Path, path: str, kind: TableSchema) -> pa.Table:
    """Like `read_table`, but an absent file reads as no rows."""
    return read_table(root, path, kind) if has_file(root, path) else kind.schema.empty_table()


def read_dataset_table(root: Path, name: str) -> pa.Table:
    """Read `bursts`, `frames`, `splits` or `failures` of a data set.

    Raises:
        ManifestError: as `read_table`.
    """
    return read_table(root, table_path(name), TABLES[name])


def list_label_files(root: Path) -> list[str]:
    """Label files of a data set, sorted by name."""
    return [
        f"{LABEL_FOLDER}/{name}"
        for name in list_folder(root, LABEL_FOLDER)
        if name.endswith(".parquet") and name[0] != "."
    ]


def read_labels(root: Path, scenarios: Sequence[str] | None = None) -> pa.Table:
    """Labels of some scenarios, or of all, one below the other.

    Raises:
        MissingManifestError: if a scenario has no labels.
        ManifestError: as `read_table`.
    """
    paths = list_label_files(root) if scenarios is None else [labels_path(scenario) for scenario in scenarios]
    tables = [read_table(root, path, TABLES["labels"]) for path in paths]
    return pa.concat_tables(tables) if tables else TABLES["labels"].schema.empty_table()


@contextlib.contextmanager
def open_table(root: Path, path: str) -> Iterator[pq.ParquetFile]:
    """A Parquet file, to be read without any check; raises as `read_table`."""
    try:
        stream = open_file(root, path)
    except (FileNotFoundError, NotADirectoryError):
        raise MissingManifestError(
            f"{root / path}: no such table; build the data set with `buiqa build` or `buiqa synthesize`"
        ) from None
    except OSError as error:
        raise _explain_damage(root / path, error) from error
    with stream:
        try:
            yield pq.ParquetFile(stream, page_checksum_verification=True)
        except _DAMAGES as error:
            raise _explain_damage(root / path, error) from error


def _explain_damage(path: Path, error: Exception) -> SchemaError:
    return SchemaError(f"{path}: cannot be read as Parquet ({error}); restore it, or delete it and build again")


def _read_metadata(file: pq.ParquetFile) -> Mapping[bytes, bytes]:
    return file.schema_arrow.metadata or {}


def describe_row(kind: TableSchema, table: pa.Table, row: int) -> str:
    """The keys of a row, for messages: `burst_id=a, frame_index=3`; its number where the table has none of them."""
    names = [name for name in kind.sort_by if name in table.column_names]
    return ", ".join(f"{name}={show(table.column(name)[row].as_py())}" for name in names) or f"row {row}"


def describe_value(table: pa.Table, violation: Violation, row: int) -> str:
    """What is wrong with the value of a row, for messages."""
    got = show(table.column(violation.column)[row].as_py(), quoted=True)
    return f"{violation.column}: expected {violation.expected}, got {got}"


def _build_table(kind: TableSchema, rows: Sequence[Mapping[str, Any]]) -> pa.Table:
    known = set(kind.schema.names)
    for row in rows:
        if row.keys() != known:
            wrong = sorted(known.symmetric_difference(row))
            raise SchemaError(f"table {kind.name}: columns missing or unknown: {', '.join(wrong)}")
    try:
        return pa.Table.from_pylist(list(rows), schema=kind.schema)
    except pa.ArrowException as error:
        raise SchemaError(f"table {kind.name}: {error}") from error


def _sort_columns(kind: TableSchema) -> tuple[str, ...]:
    """The sort key; where it does not identify a row, all columns, so that the order of equal keys is settled too."""
    rest = () if kind.unique else tuple(name for name in kind.schema.names if name not in kind.sort_by)
    return (*kind.sort_by, *rest)


def _require_schema(path: Path, kind: TableSchema, schema: pa.Schema) -> None:
    for field in kind.schema:
        if field.name not in schema.names:
            raise SchemaError(f"{path}: column {field.name!r} is missing")
        if len(schema.get_all_field_indices(field.name)) > 1:
            raise SchemaError(f"{path}: column {field.name!r} is there more than once")
        found = schema.field(field.name).type
        if not found.equals(field.type):
            raise SchemaError(f"{path}: column {field.name!r}: expected {field.type}, got {found}")


def _require_content(path: Path, kind: TableSchema, table: pa.Table) -> None:
    for field in kind.schema:
        column = table.column(field.name)
        if not field.nullable and column.null_count:
            raise SchemaError(f"{path}: column {field.name!r}: {column.null_count} values are missing")
    if kind.unique and table.num_rows:
        keys = table.select(kind.sort_by).group_by(list(kind.sort_by)).aggregate([([], "count_all")])
        if keys.num_rows < table.num_rows:
            raise SchemaError(f"{path}: {table.num_rows - keys.num_rows} rows repeat the key {kind.sort_by}")
