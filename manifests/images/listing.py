"""Every image that the tables of a data set name: frames, masks and ground truth."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from manifests.confined.members import find_shard_digest, name_holder, name_plain
from manifests.errors import ImageFileError

IMAGE_COLUMNS = ("path", "mask_path", "ground_truth_path", "ground_truth_mask_path")
"""Columns of `frames` and `bursts` that name images."""


class StoredFile(NamedTuple):
    """A file of a data set: its path there, and the SHA-256 that it must have."""

    path: str
    sha256: str


def list_image_files(bursts: pa.Table, frames: pa.Table) -> list[StoredFile]:
    """The files of some bursts, sorted by path.

    Args:
        bursts: rows of `bursts`, at least `ground_truth_path`, `ground_truth_sha256` and the same of `ground_truth_mask`.
        frames: rows of `frames`, at least `path`, `sha256`, `mask_path` and `mask_sha256`.
    """
    columns = (
        (frames.column("path"), frames.column("sha256")),
        (frames.column("mask_path"), frames.column("mask_sha256")),
        (bursts.column("ground_truth_path"), bursts.column("ground_truth_sha256")),
        (bursts.column("ground_truth_mask_path"), bursts.column("ground_truth_mask_sha256")),
    )
    return sorted(
        StoredFile(path, sha256)
        for paths, digests in columns
        for path, sha256 in zip(paths.to_pylist(), digests.to_pylist(), strict=True)
        if path is not None
    )


def use_plain_paths(table: pa.Table) -> pa.Table:
    """Rows of `bursts` or `frames`, or of another table, as they are in a data set whose images are files of their own."""
    for name in IMAGE_COLUMNS:
        if name in table.column_names:
            paths = [path and name_plain(path) for path in table.column(name).to_pylist()]
            place = table.schema.get_field_index(name)
            table = table.set_column(place, table.schema.field(name), pa.array(paths, pa.string()))
    return table


def list_stored_files(files: Iterable[StoredFile]) -> list[StoredFile]:
    """The files on disk that hold some images: themselves, or their shards, each once, sorted by path."""
    holders = ((name_holder(file.path), file.sha256) for file in files)
    return sorted({StoredFile(holder, find_shard_digest(holder) or sha256) for holder, sha256 in holders})


def require_digest(data: bytes, sha256: str, path: Path) -> None:
    """Refuse the bytes of an image that are not those that its table names.

    Raises:
        ImageFileError: with the way out.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ImageFileError(f"{path}: SHA-256 differs from its table; restore the file, or delete it and build again")
