"""The digests that make a data set tamper-evident: `dataset.json` lists every file but the images, whose digests stand in tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from manifests.errors import ManifestError
from manifests.store import hash_file, read_description, write_description

IMAGE_FOLDER = "frames"


def list_documents(root: Path) -> Iterator[str]:
    """Every file but `dataset.json`, the images and what is hidden: relative POSIX paths, sorted.

    Hidden are names that begin with a dot: `.work`, and what an interrupted write left behind.
    """
    for entry in sorted(root.iterdir()):
        if entry.name.startswith(".") or entry.name in {IMAGE_FOLDER, "dataset.json"}:
            continue
        paths = sorted(entry.rglob("*")) if entry.is_dir() and not entry.is_symlink() else [entry]
        for path in paths:
            if not path.name.startswith(".") and (path.is_symlink() or not path.is_dir()):
                yield path.relative_to(root).as_posix()


def seal_dataset(root: Path, description: Mapping[str, Any]) -> None:
    """Write `dataset.json` with the SHA-256 of all documents that are there now, under `manifests`.

    Raises:
        OSError: if a file cannot be read.
    """
    digests = {path: hash_file(root / path) for path in list_documents(root) if (root / path).is_file()}
    write_description(root, {**description, "manifests": digests})


def is_sealed(root: Path, description: Mapping[str, Any]) -> bool:
    """Whether `dataset.json` says just this, and every document is as it was when that was written."""
    try:
        sealed = read_description(root)
        paths = list(list_documents(root))
        return all(sealed.get(key) == value for key, value in description.items()) and sealed.get("manifests") == {
            path: hash_file(root / path) for path in paths
        }
    except (ManifestError, OSError):
        return False
