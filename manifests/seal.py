"""The digests that make a data set tamper-evident: `dataset.json` lists every file but the images, whose digests stand in tables."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from manifests.confined.reading import has_file, hash_file, list_files, list_folder, walk_files
from manifests.description import DESCRIPTION, DIGESTS, UNFINISHED, read_description, write_description
from manifests.errors import ManifestError, SchemaError
from manifests.journal import JOURNAL, close_journal, read_journal

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
    """Write `dataset.json` with the SHA-256 of all documents that are there now, under `manifests`; that ends the journal.

    Raises:
        OSError: if a file cannot be read.
    """
    digests = {path: hash_file(root, path) for path, plain in sorted(_walk_documents(root)) if plain}
    write_description(root, {**description, DIGESTS: digests})
    close_journal(root)


def open_seal(root: Path, description: Mapping[str, Any]) -> None:
    """Write `dataset.json` for those who read it before all is written: marked as unfinished, with the digests of the last seal."""
    digests = read_description(root).get(DIGESTS, {}) if has_file(root, DESCRIPTION) else {}
    write_description(root, {**description, DIGESTS: digests, UNFINISHED: True})


def is_sealed(root: Path, description: Mapping[str, Any]) -> bool:
    """Whether `dataset.json` says just this, and every document is as it was when that was written."""
    try:
        sealed = read_description(root)
        paths = list_documents(root)
        return (
            UNFINISHED not in sealed
            and all(sealed.get(key) == value for key, value in description.items())
            and sealed.get(DIGESTS) == {path: hash_file(root, path) for path in paths}
        )
    except (ManifestError, OSError):
        return False


def find_altered(root: Path, paths: Iterable[str]) -> list[str]:
    """Those files that are there, but neither as they were sealed nor as the journal says that they were written since.

    A data set whose `dataset.json` never had digests has nothing to compare with.

    Args:
        root: the data set; where it has no `dataset.json`, the journal alone counts.
        paths: relative, POSIX.

    Raises:
        SchemaError: if `dataset.json` cannot be read, or its digests are no mapping.
        UnsafePathError: if a file is a link or no plain file.
        OSError: if a file cannot be read.
    """
    sealed: Any = {}
    if has_file(root, DESCRIPTION):
        sealed = read_description(root).get(DIGESTS)
        if sealed is None and not has_file(root, JOURNAL):
            return []
    if not isinstance(sealed, dict):
        raise SchemaError(f"{root / DESCRIPTION}: {DIGESTS}: expected a mapping from path to SHA-256; restore the file")
    noted = read_journal(root)
    return [
        path
        for path in paths
        if has_file(root, path) and hash_file(root, path) not in {sealed.get(path), *noted.get(path, ())}
    ]
