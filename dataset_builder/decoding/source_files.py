"""Files of a source: where a path below its root leads, and whether there is a plain file at all."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from dataset_builder.errors import MissingSourceError, UnreadableImageError
from manifests.errors import UnsafePathError

MAX_BYTES = 2_000_000_000
"""Larger files are refused before they are read."""


def resolve_inside(root: Path, relative: str) -> Path:
    """What a path below the root of a source means; links within the root are followed.

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


def require_plain(path: Path) -> int:
    """The size of a file, bytes; raise unless there is one that is no pipe, device or socket, which would hang whoever reads it.

    Raises:
        MissingSourceError: if there is no such file.
        UnsafePathError: if there is something else.
    """
    if path.is_file():
        return path.stat().st_size
    if not path.exists() or path.is_dir():
        raise MissingSourceError(f"{path}: no such file")
    raise UnsafePathError(f"{path}: expected a plain file, got a pipe, socket or device; remove it")


def require_file(path: Path) -> None:
    """Raise unless a path is a file that may be read and is neither empty nor too large to be an image.

    Raises:
        MissingSourceError: if there is no such file.
        UnreadableImageError: if it is empty or too large.
        UnsafePathError: as `require_plain`.
    """
    size = require_plain(path)
    if size == 0:
        raise UnreadableImageError(f"{path}: the file is empty (0 bytes); copy it again or remove it")
    if size > MAX_BYTES:
        raise UnreadableImageError(f"{path}: {size:,} bytes is more than {MAX_BYTES:,}; remove it")
