"""Typed, sorted, atomic reading and writing of a data set's files.

Equal content gives equal bytes: rows are sorted, row groups hold whole bursts, and no clock or host name is written.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import quote

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from manifests.errors import FormatVersionError, MissingManifestError, SchemaError, UnsafePathError
from manifests.schema import FORMAT_VERSION, TABLES, TableSchema

ROWS_PER_GROUP = 8192
"""A row group is closed at the first burst boundary after so many rows."""


PACKED_FORM = "packed"
"""Under `form` in `dataset.json` of a pack; a data set of image files has no such key."""


_LONGEST_STEM = 200


def table_path(root: Path, name: str) -> Path:
    """Where the table `name` (not `labels`, which has a file for each scenario) lies."""
    return root / "manifests" / f"{name}.parquet"


def labels_path(root: Path, scenario: str) -> Path:
    """Where the labels of a scenario lie.

    `/` becomes `--`, `:` becomes `~`, and other characters that some file system refuses are %-escaped; what is too long ends in a hash.
    """
    stem = quote(scenario.replace("/", "--").replace(":", "~"), safe="@~=,+()[]")
    if len(stem) > _LONGEST_STEM:
        stem = f"{stem[:_LONGEST_STEM]}~{hashlib.sha256(scenario.encode()).hexdigest()[:12]}"
    return root / "manifests" / "labels" / f"{stem}.parquet"


def write_table(
    path: Path,
    kind: TableSchema,
    rows: Iterable[Mapping[str, Any]] | pa.Table,
    *,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Write rows sorted, typed and atomically.

    Args:
        path: the Parquet file.
        kind: what the table must look like.
        rows: mappings from column to value, or a table with the columns of `kind`.
        metadata: further key-value pairs for the file's footer.

    Raises:
        SchemaError: if a value does not fit its column, a value is missing, or two rows share a key.
        OSError: if the file cannot be written; a previous version stays intact.
    """
    table = rows if isinstance(rows, pa.Table) else _build_table(kind, list(rows))
    _require_schema(path, kind, table.schema)
    if unknown := sorted(set(table.column_names) - set(kind.schema.names)):
        raise SchemaError(f"{path}: columns that the table {kind.name} does not have: {', '.join(unknown)}")
    table = table.select(kind.schema.names).sort_by([(name, "ascending") for name in _sort_columns(kind)])
    _require_content(path, kind, table)
    footer = {"format_version": str(FORMAT_VERSION), **(metadata or {})}
    schema = kind.schema.with_metadata(footer)
    table = table.cast(kind.schema).replace_schema_metadata(footer)
    leaves = dict(_list_leaves(kind))
    encodings = {name: encoding for name, encoding in leaves.items() if encoding}
    with (
        write_atomically(path) as temporary,
        pq.ParquetWriter(
            temporary,
            schema,
            compression="zstd",
            write_page_checksum=True,
            write_page_index=True,
            use_dictionary=[name for name in leaves if name not in encodings],
            column_encoding=encodings,
        ) as writer,
    ):
        for start, stop in _row_groups(table, kind):
            writer.write_table(table.slice(start, stop - start), row_group_size=max(stop - start, 1))


def read_table(path: Path, kind: TableSchema, *, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table and check it against its schema.

    Raises:
        MissingManifestError: if there is no such file.
        FormatVersionError: if it was written in another version of the format.
        SchemaError: if it is not Parquet, a column is missing or has another type.
    """
    if not path.is_file():
        raise MissingManifestError(
            f"{path}: no such table; build the data set with `buiqa build` or `buiqa synthesize`"
        )
    try:
        schema = pq.read_schema(path)
        check_format_version(schema.metadata.get(b"format_version") if schema.metadata else None, path)
        _require_schema(path, kind, schema)
        names = list(columns) if columns else kind.schema.names
        # Without `partitioning=None` a parent folder called `split=x` would become a column.
        return pq.read_table(path, columns=names, partitioning=None, page_checksum_verification=True)
    except (
        pa.ArrowException,
        OSError,
        UnicodeDecodeError,
    ) as error:  # a damaged page or name shows as one of the latter
        raise SchemaError(
            f"{path}: cannot be read as Parquet ({error}); restore it, or delete it and build again"
        ) from error


def read_or_empty(path: Path, kind: TableSchema) -> pa.Table:
    """Like `read_table`, but an absent file reads as no rows."""
    return read_table(path, kind) if path.is_file() else kind.schema.empty_table()


def read_dataset_table(root: Path, name: str) -> pa.Table:
    """Read `bursts`, `frames`, `splits` or `failures` of a data set.

    Raises:
        ManifestError: as `read_table`.
    """
    return read_table(table_path(root, name), TABLES[name])


def list_label_files(root: Path) -> list[Path]:
    """Label files of a data set, sorted by name."""
    return sorted((root / "manifests" / "labels").glob("*.parquet"))


def read_labels(root: Path, scenarios: Sequence[str] | None = None) -> pa.Table:
    """Labels of some scenarios, or of all, one below the other.

    Raises:
        MissingManifestError: if a scenario has no labels.
    """
    paths = list_label_files(root) if scenarios is None else [labels_path(root, scenario) for scenario in scenarios]
    tables = [read_table(path, TABLES["labels"]) for path in paths]
    return pa.concat_tables(tables) if tables else TABLES["labels"].schema.empty_table()


def read_description(root: Path) -> dict[str, Any]:
    """`dataset.json`: format version, resolved recipe, software, totals, metric conventions.

    Raises:
        MissingManifestError: if `root` is no data set.
        FormatVersionError: if it was written in another version of the format.
    """
    path = root / "dataset.json"
    if not path.is_file():
        raise MissingManifestError(f"{root}: not a data set (no dataset.json); name the folder of one")
    try:
        description: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        version = description["format_version"]
    except (ValueError, KeyError, TypeError) as error:
        raise SchemaError(
            f"{path}: expected a JSON object with format_version ({error}); restore it or build again"
        ) from error
    check_format_version(version, path)
    return description


def write_description(root: Path, description: Mapping[str, Any]) -> None:
    """Write `dataset.json` with sorted keys, the format version and a checksum over all the rest."""
    write_text(root / "dataset.json", render_description({"format_version": FORMAT_VERSION, **description}))


def render_description(description: Mapping[str, Any]) -> str:
    """The text of `dataset.json`; its key `checksum` is the SHA-256 of the text without that key."""
    content = {name: value for name, value in description.items() if name != "checksum"}
    return _to_json({**content, "checksum": hashlib.sha256(_to_json(content).encode()).hexdigest()})


def check_format_version(found: Any, path: Path) -> None:
    """Refuse what another version wrote.

    Raises:
        FormatVersionError: with the way out.
    """
    try:
        version = int(found)
    except (TypeError, ValueError, OverflowError):
        raise FormatVersionError(f"{path}: no format_version; it was not written by this toolkit") from None
    if version > FORMAT_VERSION:
        raise FormatVersionError(
            f"{path}: format {version} is newer than this version reads ({FORMAT_VERSION}): pip install --upgrade buiqa-toolkit"
        )
    if version < FORMAT_VERSION:
        raise FormatVersionError(
            f"{path}: format {version} is older than this version reads ({FORMAT_VERSION}): run `buiqa migrate DIR`"
        )


def _to_json(content: Mapping[str, Any]) -> str:
    return json.dumps(content, indent=2, sort_keys=True, allow_nan=False) + "\n"


def write_text(path: Path, text: str) -> None:
    """Write a UTF-8 file atomically."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, data: bytes) -> None:
    """Write a file atomically."""
    with write_atomically(path) as temporary:
        temporary.write_bytes(data)


@contextlib.contextmanager
def write_atomically(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; on success it is flushed to disk and renamed to `path`, on failure removed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(descriptor)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o644)
        with temporary.open("rb") as stream:
            os.fsync(stream.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def hash_file(path: Path) -> str:
    """SHA-256 (hex) of a file, read in blocks."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def resolve_inside(root: Path, relative: str) -> Path:
    """The file that a manifest's path names.

    Raises:
        UnsafePathError: if it is absolute, not POSIX, or leaves `root`, through `..` or through a symbolic link.
    """
    pure = PurePosixPath(relative)
    path = root / pure
    if (
        pure.is_absolute()
        or ".." in pure.parts
        or "\\" in relative
        or "\0" in relative
        or not Path(os.path.realpath(path)).is_relative_to(os.path.realpath(root))  # `Path.resolve` raises on loops
    ):
        raise UnsafePathError(f"{relative!r}: expected a relative POSIX path inside {root}")
    return path


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


def _row_groups(table: pa.Table, kind: TableSchema) -> Iterator[tuple[int, int]]:
    """Cut rows at the first change of the first sort column after every `ROWS_PER_GROUP` rows."""
    if table.num_rows <= ROWS_PER_GROUP:
        yield 0, table.num_rows
        return
    codes = table.column(kind.sort_by[0]).combine_chunks().dictionary_encode().indices.to_numpy()
    boundaries = np.append(np.flatnonzero(np.diff(codes)) + 1, table.num_rows)
    start = 0
    while start < table.num_rows:
        stop = int(boundaries[min(int(np.searchsorted(boundaries, start + ROWS_PER_GROUP)), len(boundaries) - 1)])
        yield start, stop
        start = stop
