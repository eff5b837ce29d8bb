"""Bring a data set of an older format up to date, file by file; what is up to date already is left alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from manifests.confined.reading import has_file, hash_file, list_folder, read_file
from manifests.confined.writing import replace_file, write_file
from manifests.description import DIGESTS, drop_seal, read_any_version, read_description
from manifests.documents.card import write_card
from manifests.documents.croissant import CROISSANT_NAME, write_croissant
from manifests.errors import FormatVersionError, ManifestError, SchemaError
from manifests.images.appearance import hash_reference
from manifests.schema import FORMAT_VERSION, TABLES, TableSchema
from manifests.schema.ranks import rank_scores
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
    if version < _RENAMED_IN:
        content = _rename_in_description(content)
        _rename_in_recipe(root, digests)
    seal_dataset(root, content)
    write_card(root)
    if has_file(root, CROISSANT_NAME):  # it holds the digests of the tables
        write_croissant(root)
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
    if version < _RENAMED_IN:
        table = _rename_in_table(root, table)
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


def _rename_in_table(root: Path, table: pa.Table) -> pa.Table:  # noqa: ARG001  # the signature is that of a step
    for index, name in enumerate(table.column_names):
        if name.endswith("estimator"):
            renamed = pc.replace_substring_regex(table.column(name).cast(pa.string()), r"^banzhaf(\(|$)", r"marginal\1")
            table = table.set_column(index, table.schema.field(index), renamed.cast(table.schema.field(index).type))
    return table


def _rank_anew(root: Path, labels: pa.Table) -> pa.Table:
    labels = _rename_in_table(root, labels)
    names = ("burst_id", "estimator", "metric", "unit")
    if not {"score", "rank", "score_norm", *names} <= set(labels.column_names):
        return labels  # whoever writes it will say what is missing
    codes = [labels.column(name).combine_chunks().dictionary_encode().indices.to_numpy() for name in names]
    _, groups = np.unique(np.stack(codes), axis=1, return_inverse=True)
    scores = labels.column("score").cast(pa.float64()).to_numpy()
    rank, norm = np.zeros(len(scores), np.int64), np.full(len(scores), np.nan)
    for code, unit in enumerate(labels.column("unit").combine_chunks().dictionary_encode().dictionary.to_pylist()):
        own = codes[-1] == code
        rank[own], norm[own] = rank_scores(scores[own], unit, groups.ravel()[own])
    for name, values in (("rank", rank), ("score_norm", norm)):
        place = labels.column_names.index(name)
        field = labels.schema.field(place)
        labels = labels.set_column(place, field, pa.array(values, field.type, mask=rank == 0))
    return labels


def _rename(name: str) -> str:
    return re.sub(r"^banzhaf(?=\(|$)", "marginal", name)


def _rename_in_description(content: Mapping[str, Any]) -> dict[str, Any]:
    estimators = {_rename(name): formula for name, formula in content.get("estimators", {}).items()}
    recipe = content.get("recipe", {})
    scenarios = [
        {**choice, "estimators": [_rename(str(name)) for name in choice["estimators"]]}
        if isinstance(choice.get("estimators"), list)
        else choice
        for choice in recipe.get("scenarios", ())
    ]
    return {
        **content,
        **({"estimators": estimators} if "estimators" in content else {}),
        **({"recipe": {**recipe, "scenarios": scenarios}} if "scenarios" in recipe else {}),
    }


def _rename_in_recipe(root: Path, digests: Mapping[str, Any]) -> None:
    """In the recipe as given, too: `banzhaf` means something else now."""
    if not has_file(root, _RECIPE):
        return
    text = read_file(root, _RECIPE)
    renamed = re.sub(rb"""(?<=["'])banzhaf(?=["'(])""", b"marginal", text)
    if renamed != text:
        _require_sealed(root, _RECIPE, digests)
        write_file(root, _RECIPE, renamed)


_RECIPE = "recipe.toml"
_RENAMED_IN = 3
"""Version since which what was `banzhaf(k)` is `marginal(k)`."""
_STEPS: Mapping[tuple[int, str], Callable[[Path, pa.Table], pa.Table]] = {
    (1, "bursts"): _describe_truth_and_looks,
    (2, "labels"): _rank_anew,
    (2, "reliability"): _rename_in_table,
}
"""What leads a table from one version to the next, beyond new columns that may be null."""
