"""Bring a data set of an older format up to date, file by file; what is up to date already is left alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.documents.card import write_card
from manifests.errors import FormatVersionError, ManifestError, MissingManifestError, SchemaError
from manifests.images.appearance import hash_reference
from manifests.schema import FORMAT_VERSION, TABLES, TableSchema
from manifests.seal import seal_dataset
from manifests.store import list_label_files, read_description, table_path, write_atomically, write_table


def migrate_dataset(root: Path) -> list[Path]:
    """Rewrite what an older version wrote, in the form of this version.

    Killed at any time, it ends the same when it is run again: `dataset.json`, written last, keeps its old version until then.

    Args:
        root: the data set; no build may run on it.

    Returns:
        The tables that were rewritten; empty if the data set was up to date.

    Raises:
        MissingManifestError: if `root` is no data set.
        FormatVersionError: if a file is newer than this version reads, or has no version.
        SchemaError: if a table cannot be read, or lacks a column that nothing can fill.
    """
    path = root / "dataset.json"
    if not path.is_file():
        raise MissingManifestError(f"{root}: not a data set (no dataset.json); name the folder of one")
    try:
        description = json.loads(path.read_text(encoding="utf-8"))
        version = int(description["format_version"])
    except (ValueError, KeyError, TypeError) as error:
        raise SchemaError(f"{path}: expected a JSON object with format_version ({error}); restore it") from error
    if version >= FORMAT_VERSION:
        read_description(root)  # refuses a newer one
        return []
    files = {table_path(root, name): kind for name, kind in TABLES.items() if name != "labels"}
    files |= dict.fromkeys(list_label_files(root), TABLES["labels"])
    changed = [file for file, kind in files.items() if file.is_file() and _migrate_table(root, file, kind)]
    for file in sorted((root / "audit").glob("*.parquet")):
        _restamp(file)
    content = {name: value for name, value in description.items() if name not in {"format_version", "manifests"}}
    seal_dataset(root, content)
    write_card(root)
    seal_dataset(root, content)
    return changed


def _migrate_table(root: Path, path: Path, kind: TableSchema) -> bool:
    table, version = _read_any_version(path)
    if version >= FORMAT_VERSION:
        return False
    for step in range(version, FORMAT_VERSION):
        table = _STEPS.get((step, kind.name), _change_nothing)(root, table)
    for field in kind.schema:
        if field.name not in table.column_names and field.nullable:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    kept = {key: value for key, value in metadata.items() if key not in {"format_version", "pandas"}}
    write_table(path, kind, table, metadata=kept)
    return True


def _read_any_version(path: Path) -> tuple[pa.Table, int]:
    try:
        table = pq.read_table(path, partitioning=None, page_checksum_verification=True)
        version = int((table.schema.metadata or {})[b"format_version"])
    except (pa.ArrowException, OSError) as error:
        raise SchemaError(f"{path}: cannot be read as Parquet ({error}); restore it") from error
    except (KeyError, ValueError):
        raise FormatVersionError(f"{path}: no format_version; it was not written by this toolkit") from None
    return table, version


def _restamp(path: Path) -> None:
    """Give a table that the format does not describe, as the audit's statistics, the version of its data set."""
    table, _ = _read_any_version(path)
    table = table.replace_schema_metadata({**table.schema.metadata, b"format_version": str(FORMAT_VERSION).encode()})
    with write_atomically(path) as temporary:
        pq.write_table(table, temporary, compression="zstd", write_page_checksum=True)


def _change_nothing(root: Path, table: pa.Table) -> pa.Table:  # noqa: ARG001  # the signature is that of a step
    return table


def _describe_truth_and_looks(root: Path, bursts: pa.Table) -> pa.Table:
    frames, _ = _read_any_version(table_path(root, "frames"))
    references = {row["burst_id"]: row for row in frames.to_pylist() if row["is_reference"]}
    hashes = [_hash_or_none(root, row, references.get(row["burst_id"])) for row in bursts.to_pylist()]
    whites = pa.array([1.0] * bursts.num_rows, pa.float64())
    return bursts.append_column("perceptual_hash", pa.array(hashes, pa.string())).append_column(
        "ground_truth_white", whites
    )


def _hash_or_none(root: Path, burst: Mapping[str, Any], reference: Mapping[str, Any] | None) -> str | None:
    try:
        return None if reference is None else hash_reference(root, {**burst, "reference_index": 0}, [reference])
    except ManifestError:
        return None  # a damaged image is for `verify` to report


_STEPS: Mapping[tuple[int, str], Callable[[Path, pa.Table], pa.Table]] = {(1, "bursts"): _describe_truth_and_looks}
"""What leads a table from one version to the next, beyond new columns that may be null."""
