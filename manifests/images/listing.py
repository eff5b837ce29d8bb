"""Every image that the tables of a data set name: frames, masks and ground truth."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from manifests.errors import ImageFileError


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


def require_digest(data: bytes, sha256: str, path: Path) -> None:
    """Refuse the bytes of an image that are not those that its table names.

    Raises:
        ImageFileError: with the way out.
    """
    if hashlib.sha256(data).hexdigest() != sha256:
        raise ImageFileError(f"{path}: SHA-256 differs from its table; restore the file, or delete it and build again")
