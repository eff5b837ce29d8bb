"""Reading files that must lie inside a folder, at next to no cost."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from itertools import groupby
from pathlib import Path

from manifests.errors import ImageFileError
from manifests.store import resolve_inside

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def read_files_inside(root: Path, paths: Sequence[str]) -> Iterator[bytes]:
    """Bytes of files, in order.

    Resolving a path costs as much as reading a small file. So each folder is opened step by step without following links, and its
    files relative to it; only what cannot be reached like that is resolved.

    Args:
        root: the folder that no path may leave.
        paths: relative, POSIX; those of one folder together.

    Raises:
        UnsafePathError: if a path leaves `root`, by itself or through a link.
        ImageFileError: if a file cannot be read.
    """
    for parent, group in groupby(paths, key=lambda path: path.rpartition("/")[0]):
        folder = _open_folder(root, parent)
        try:
            for path in group:
                data = None if folder is None else _read_plain(path.rpartition("/")[2], folder)
                yield _read_resolved(root, path) if data is None else data
        finally:
            if folder is not None:
                os.close(folder)


def _open_folder(root: Path, relative: str) -> int | None:
    """Descriptor of a folder below `root`; None unless it is reached through folders alone."""
    parts = relative.split("/") if relative else []
    if ".." in parts or "" in parts:
        return None
    try:
        folder = os.open(root, _FOLDER)
        for part in parts:
            try:
                inner = os.open(part, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
            finally:
                os.close(folder)
            folder = inner
    except (OSError, ValueError):  # ValueError: a null character
        return None
    return folder


def _read_plain(name: str, folder: int) -> bytes | None:
    """Bytes of a file in an open folder; None unless it is there and no link."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            return os.read(descriptor, os.fstat(descriptor).st_size)
        finally:
            os.close(descriptor)
    except (OSError, ValueError):
        return None


def _read_resolved(root: Path, path: str) -> bytes:
    try:
        return resolve_inside(root, path).read_bytes()
    except OSError as error:
        raise ImageFileError(f"{root / path}: cannot be read ({error.strerror}); restore it or build again") from error
