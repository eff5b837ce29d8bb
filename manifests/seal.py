"""The digests that make a data set tamper-evident: `dataset.json` lists every file but the images, whose digests stand in tables."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from manifests.confined.reading import hash_file, list_files, list_folder, walk_files
from manifests.description import DESCRIPTION, read_description, write_description
from manifests.errors import ManifestError

IMAGE_FOLDER = "frames"


def list_documents(root: Path) -> list[str]:
    """Every file but `dataset.json`, the images and what is hidden: relative POSIX paths, sorted.

    Hidden are names that begin with a dot: `.work`, and what an interrupted write left behind. Links, pipes and the like
    are listed too, for they should not be there.
    """
    return sorted(path for path, _ in _walk_documents(root))


def _walk_documents(root: Path) -> Iterator[tuple[str, bool]]:
    """The same with whether each is a plain file, in any order."""
    plain_files = list_files(root, "")
    for name in list_folder(root):
        if name in plain_files:
            if not name.startswith(".") and name != DESCRIPTION:
                yield name, True
        elif not name.startswith(".") and name != IMAGE_FOLDER:
            yield from (
                (path, plain) for path, plain in walk_files(root, name) if not path.rpartition("/")[2].startswith(".")
            )


def seal_dataset(root: Path, description: Mapping[str, Any]) -> None:
    """Write `dataset.json` with the SHA-256 of all documents that are there now, under `manifests`.

    Raises:
        OSError: if a file cannot be read.
    """
    digests = {path: hash_file(root, path) for path, plain in sorted(_walk_documents(root)) if plain}
    write_description(root, {**description, "manifests": digests})


def is_sealed(root: Path, description: Mapping[str, Any]) -> bool:
    """Whether `dataset.json` says just this, and every document is as it was when that was written."""
    try:
        sealed = read_description(root)
        paths = list_documents(root)
        return all(sealed.get(key) == value for key, value in description.items()) and sealed.get("manifests") == {
            path: hash_file(root, path) for path in paths
        }
    except (ManifestError, OSError):
        return False
