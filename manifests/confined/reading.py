"""Reading files below a folder.

A data set may come from strangers. Its files are reached from its folder step by step, no step through a link, so that what is read lies in
the data set whatever it holds. The folder itself may be reached through links: the user named it.
"""

from __future__ import annotations

import errno
import hashlib
import io
import os
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

from manifests.confined.members import find_member, hold_bytes, name_holder, read_range
from manifests.confined.plain import open_descriptor, open_stream
from manifests.errors import FileTooLargeError, ImageFileError, UnsafePathError

MAX_BYTES = 2_000_000_000
"""Larger files are not read into memory."""
DEEPEST = 32
"""Folders within folders that are looked into; a data set has a handful."""
FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_NOT_FOLLOWED = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EMLINK})
"""What systems answer who asks them not to follow a link."""
_NO_NAMES = frozenset({"", ".", ".."})
_ABSENT = (FileNotFoundError, NotADirectoryError)
"""The latter is left only where `root` itself is a file."""


class FileOpener:
    """Opens files below a folder, those within shards too; the folder of the last one stays open, for neighbours mostly follow each other.

    Args:
        root: the folder that no path may leave.
    """

    def __init__(self, root: Path) -> None:
        self._root, self._text = root, str(root)
        self._parent: str | None = None
        self._folder = -1

    def open(self, path: str) -> int:
        """Descriptor of a plain file to read; whoever calls closes it.

        Raises:
            FileTooLargeError: if it is within a shard and has more than `MAX_BYTES`.
            UnsafePathError: if the path leaves the folder, goes through a link, or leads to something else than a plain file.
            OSError: if it cannot be opened.
        """
        return self._open_plain(path) if find_member(path) is None else hold_bytes(self.read(path))

    def read(self, path: str) -> bytes:
        """The bytes of a plain file.

        Raises:
            FileTooLargeError: if it has more than `MAX_BYTES`.
            UnsafePathError: as `open`.
            OSError: as `open`.
        """
        member = find_member(path)
        descriptor = self._open_plain(name_holder(path))
        try:
            offset, size = (0, os.fstat(descriptor).st_size) if member is None else (member.offset, member.length)
            if size > MAX_BYTES:
                raise FileTooLargeError(
                    f"{self._text}/{path}: {size:,} bytes is more than {MAX_BYTES:,}; restore it or build again"
                )
            return read_range(descriptor, offset, size)
        finally:
            os.close(descriptor)

    def _open_plain(self, path: str) -> int:
        parent, _, name = path.rpartition("/")
        if parent != self._parent or not _is_name(name):
            split_path(self._root, path)
            self.close()
            self._folder, self._parent = enter_folder(self._root, parent), parent
        try:
            return open_descriptor(name, os.O_RDONLY | os.O_NOFOLLOW, shown=f"{self._text}/{path}", folder=self._folder)
        except OSError as error:
            raise explain_link(error, f"{self._text}/{path}") from None

    def close(self) -> None:
        """Close the folder that is still open."""
        if self._parent is not None:
            os.close(self._folder)
            self._parent = None


def open_file(root: Path, path: str) -> io.BufferedReader:
    """Open a file to read it.

    Args:
        root: the folder that the path may not leave.
        path: relative, POSIX.

    Raises:
        UnsafePathError: if the path leaves `root`, goes through a link, or leads to something else than a plain file.
        OSError: if it cannot be opened.
    """
    with closing(FileOpener(root)) as opener:
        return open_stream(opener.open(path))


def read_file(root: Path, path: str) -> bytes:
    """The bytes of a file.

    Raises:
        FileTooLargeError: if it has more than `MAX_BYTES`.
        UnsafePathError: as `open_file`.
        OSError: as `open_file`.
    """
    with closing(FileOpener(root)) as opener:
        return opener.read(path)


def read_files(root: Path, paths: Sequence[str]) -> Iterator[bytes]:
    """The bytes of files, in order.

    Args:
        root: the folder that no path may leave.
        paths: relative, POSIX; those of one folder together.

    Raises:
        FileTooLargeError: if one has more than `MAX_BYTES`.
        UnsafePathError: as `open_file`.
        ImageFileError: if a file cannot be read.
    """
    folder = str(root)
    with closing(FileOpener(root)) as opener:
        for path in paths:
            try:
                yield opener.read(path)
            except OSError as error:
                raise ImageFileError(
                    f"{folder}/{path}: cannot be read ({error.strerror}); restore it or build again"
                ) from error


def hash_file(root: Path, path: str) -> str:
    """SHA-256 (hex) of a file, read in blocks; raises as `open_file`."""
    with open_file(root, path) as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def has_file(root: Path, path: str) -> bool:
    """Whether there is such a file.

    Raises:
        UnsafePathError: if there is something else, or the way there leaves `root` or goes through a link.
        OSError: if the folder cannot be looked into.
    """
    try:
        with open_file(root, path):
            return True
    except _ABSENT:
        return False


def has_folder(root: Path, path: str) -> bool:
    """Whether there is such a folder.

    Raises:
        UnsafePathError: if there is something else, or the way there leaves `root` or goes through a link.
        OSError: if it cannot be looked into.
    """
    try:
        os.close(enter_folder(root, path))
    except _ABSENT:
        return False
    return True


def list_folder(root: Path, path: str = "") -> list[str]:
    """Names of all that a folder holds, sorted; none if there is no such folder. Raises as `has_folder`."""
    try:
        folder = enter_folder(root, path)
    except _ABSENT:
        return []
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.name for entry in entries)
    finally:
        os.close(folder)


def list_files(root: Path, path: str) -> set[str]:
    """Names of the plain files in a folder; none if there is no such folder. Raises as `has_folder`."""
    try:
        folder = enter_folder(root, path)
    except _ABSENT:
        return set()
    try:
        with os.scandir(folder) as entries:
            return {entry.name for entry in entries if entry.is_file(follow_symlinks=False)}
    finally:
        os.close(folder)


def list_sizes(root: Path, path: str) -> dict[str, int]:
    """Names and bytes of the plain files in a folder; none if there is no such folder. Raises as `has_folder`."""
    try:
        folder = enter_folder(root, path)
    except _ABSENT:
        return {}
    try:
        with os.scandir(folder) as entries:
            plain = (entry for entry in entries if entry.is_file(follow_symlinks=False))
            return {entry.name: entry.stat(follow_symlinks=False).st_size for entry in plain}
    finally:
        os.close(folder)


def walk_files(root: Path, path: str) -> Iterator[tuple[str, bool]]:
    """All that is no folder at `path` and below: relative POSIX path, and whether it is a plain file.

    Folders below `DEEPEST` others are no plain files either.

    Raises:
        OSError: if a folder cannot be looked into.
    """
    waiting = [path]
    while waiting:
        current = waiting.pop()
        try:
            folder = enter_folder(root, current)
        except _ABSENT:
            continue
        except UnsafePathError:
            yield current, False
            continue
        try:
            with os.scandir(folder) as entries:
                found = [
                    (entry.name, entry.is_dir(follow_symlinks=False), entry.is_file(follow_symlinks=False))
                    for entry in entries
                ]
        finally:
            os.close(folder)
        for name, is_folder, is_plain in found:
            inner = f"{current}/{name}" if current else name
            if is_folder and inner.count("/") < DEEPEST:
                waiting.append(inner)
            else:
                yield inner, is_plain


def split_path(root: Path, path: str) -> tuple[str, str]:
    """The folder and the name of a path.

    Raises:
        UnsafePathError: if it is no plain relative POSIX path, or leaves `root`.
    """
    if not all(map(_is_name, path.split("/"))):
        raise UnsafePathError(f"{path!r}: expected a relative POSIX path inside {root}")
    parent, _, name = path.rpartition("/")
    return parent, name


def _is_name(part: str) -> bool:
    return part not in _NO_NAMES and "\\" not in part and "\0" not in part


def list_steps(root: Path, path: str) -> list[str]:
    """The names along a path; none if it is empty, which means `root` itself. Raises as `split_path`."""
    if path:
        split_path(root, path)
    return path.split("/") if path else []


def enter_folder(root: Path, path: str) -> int:
    """Descriptor of a folder, `root` itself if the path is empty; whoever calls closes it.

    Raises:
        UnsafePathError: if the path leaves `root`, or a step on the way is a link or no folder.
        OSError: if there is no such folder, or it cannot be entered.
    """
    parts = list_steps(root, path)
    folder = os.open(root, FOLDER)
    for part in parts:
        try:
            inner = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        except OSError as error:
            raise explain_link(error, f"{root}/{path}") from None
        finally:
            os.close(folder)
        folder = inner
    return folder


def explain_link(error: OSError, path: str) -> Exception:
    """The error to raise where a step was not taken: another one if it is because of a link."""
    if error.errno in _NOT_FOLLOWED:
        return UnsafePathError(
            f"{path}: is a link, or lies behind a link or file; a data set holds plain files in plain folders; replace it"
        )
    return error
