"""Bring a data set of an older format up to date, file by file; what is up to date already is left alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from manifests.confined.reading import has_file, hash_file, list_folder
from manifests.confined.writing import replace_file
from manifests.description import DIGESTS, drop_seal, read_any_version, read_description
from manifests.documents.card import write_card
from manifests.errors import FormatVersionError, ManifestError, SchemaError
from manifests.images.appearance import hash_reference
from manifests.schema import FORMAT_VERSION, TABLES, TableSchema
from manifests.seal import seal_dataset
from manifests.store import list_label_files, open_table, table_path, write_table


def migrate_dataset(root: Path) -> list[str]:
    """Rewrite what an older version wrote, in the form of this version.

    Killed at any time, it ends the same when it is run again: `dataset.json`, written last, keeps its old version until then.

    Args:
        root: the data set; no build may run on it.

    Returns:
        The tables that were rewritten, as paths in it; empty if the data set was up to date.

    Raises:
        MissingManifestError: if `root` is no data set.
        FormatVersionError: if a file is newer than this version reads, or has no version.
        SchemaError: if a table cannot be read, was changed since it was sealed, or lacks a column that nothing can fill.
    """
    description, version = read_any_version(root)
    if version >= FORMAT_VERSION:
        read_description(root)  # refuses a newer one
        return []
    files = {table_path(name): kind for name, kind in TABLES.items() if name != "labels"}
    files |= dict.fromkeys(list_label_files(root), TABLES["labels"])
    sealed = description.get(DIGESTS)
    digests = sealed if isinstance(sealed, dict) else {}
    changed = [
        file for file, kind in files.items() if has_file(root, file) and _migrate_table(root, file, kind, digests)
    ]
    for name in list_folder(root, "audit"):
        if name.endswith(".parquet"):
            _restamp(root, f"audit/{name}", digests)
    content = {name: value for name, value in drop_seal(description).items() if name != "format_version"}
    seal_dataset(root, content)
    write_card(root)
    seal_dataset(root, content)
    return changed


def _migrate_table(root: Path, path: str, kind: TableSchema, digests: Mapping[str, Any]) -> bool:
    table, version = _read_any_version(root, path)
    if version >= FORMAT_VERSION:
        return False
    _require_sealed(root, path, digests)
    for step in range(version, FORMAT_VERSION):
        table = _STEPS.get((step, kind.name), _change_nothing)(root, table)
    for field in kind.schema:
        if field.name not in table.column_names and field.nullable:
            table = table.append_column(field, pa.nulls(table.num_rows, field.type))
    metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    kept = {key: value for key, value in metadata.items() if key not in {"format_version", "pandas"}}
    write_table(root, path, kind, table, metadata=kept)
    return True


def _read_any_version(root: Path, path: str) -> tuple[pa.Table, int]:
    with open_table(root, path) as file:
        table = file.read()
    try:
        version = int((table.schema.metadata or {})[b"format_version"])
    except (KeyError, ValueError):
        raise FormatVersionError(f"{root / path}: no format_version; it was not written by this toolkit") from None
    return table, version


def _require_sealed(root: Path, path: str, digests: Mapping[str, Any]) -> None:
    """Refuse a table of the old version that is not as the old version sealed it: a new seal would make it look sound."""
    if path in digests and hash_file(root, path) != digests[path]:
        raise SchemaError(f"{root / path}: was changed since it was sealed; restore it, then migrate again")


def _restamp(root: Path, path: str, digests: Mapping[str, Any]) -> None:
    """Give a table that the format does not describe, as the audit's statistics, the version of its data set."""
    table, version = _read_any_version(root, path)
    if version >= FORMAT_VERSION:
        return
    _require_sealed(root, path, digests)
    table = table.replace_schema_metadata({**table.schema.metadata, b"format_version": str(FORMAT_VERSION).encode()})
    with replace_file(root, path) as stream:
        pq.write_table(table, stream, compression="zstd", write_page_checksum=True)


def _change_nothing(root: Path, table: pa.Table) -> pa.Table:  # noqa: ARG001  # the signature is that of a step
    return table


def _describe_truth_and_looks(root: Path, bursts: pa.Table) -> pa.Table:
    frames, _ = _read_any_version(root, table_path("frames"))
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
