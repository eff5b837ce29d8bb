"""Writing and removing files below a folder, as carefully as `reading` reads them."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

from manifests.confined.plain import open_descriptor
from manifests.confined.reading import FOLDER, enter_folder, explain_link, list_steps, open_file, split_path
from manifests.errors import UnsafePathError

TEMPORARY = ".tmp"
"""How the name of a file ends that is being written; it begins with a dot."""


@contextlib.contextmanager
def replace_file(root: Path, path: str) -> Iterator[io.BufferedRandom]:
    """Yield a stream, to write and read; on success it is flushed to disk and gets its name, on failure it is removed.

    Folders are made as needed. What had the name stays as it is until then; a link is replaced, not followed.

    Args:
        root: the folder that the path may not leave; made as needed.
        path: relative, POSIX.

    Raises:
        UnsafePathError: if the path leaves `root`, or goes through a link.
        OSError: if it cannot be written.
    """
    parent, name = split_path(root, path)
    folder = make_folder(root, parent)
    try:
        temporary = f".{name}.{secrets.token_hex(4)}{TEMPORARY}"
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        stream = os.fdopen(open_descriptor(temporary, flags, shown=f"{root}/{path}", folder=folder), "w+b")
        try:
            with stream:
                yield stream
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary, dir_fd=folder)
            raise
    finally:
        os.close(folder)


def write_file(root: Path, path: str, data: bytes) -> None:
    """Write a file atomically; raises as `replace_file`."""
    with replace_file(root, path) as stream:
        stream.write(data)


def write_new_file(root: Path, path: str, data: bytes) -> None:
    """Write a file that is not there yet, at once under its name and without waiting for the disk.

    For files that count for nothing without one that is written after them, as those of a data set do without `dataset.json`.

    Raises:
        FileExistsError: if something has the name.
        UnsafePathError: as `replace_file`.
        OSError: as `replace_file`.
    """
    parent, name = split_path(root, path)
    folder = make_folder(root, parent)
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
        with os.fdopen(open_descriptor(name, flags, shown=f"{root}/{path}", folder=folder), "wb") as stream:
            stream.write(data)
    finally:
        os.close(folder)


def write_text(root: Path, path: str, text: str) -> None:
    """Write a file in UTF-8 atomically; raises as `replace_file`."""
    write_file(root, path, text.encode())


def copy_file(root: Path, path: str, out: Path) -> None:
    """Copy a file to the same place below another folder; raises as `open_file` and `replace_file`."""
    with open_file(root, path) as source, replace_file(out, path) as target:
        shutil.copyfileobj(source, target)


def append_to_file(root: Path, path: str, data: bytes) -> None:
    """Add to the end of a file, if it is there, and wait for the disk; raises as `replace_file`."""
    parent, name = split_path(root, path)
    with _enter_or_none(root, parent) as folder:
        if folder is None:
            return
        try:
            flags = os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW
            descriptor = open_descriptor(name, flags, shown=f"{root}/{path}", folder=folder)
        except FileNotFoundError:
            return
        except OSError as error:
            raise explain_link(error, f"{root}/{path}") from None
        with os.fdopen(descriptor, "ab") as stream:
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())


def open_to_lock(root: Path, path: str) -> int:
    """Descriptor of a file that is there to be locked, made empty as needed; whoever calls closes it. Raises as `replace_file`."""
    parent, name = split_path(root, path)
    folder = make_folder(root, parent)
    try:
        return open_descriptor(name, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, shown=f"{root}/{path}", folder=folder)
    except OSError as error:
        raise explain_link(error, f"{root}/{path}") from None
    finally:
        os.close(folder)


def make_folder(root: Path, path: str) -> int:
    """Descriptor of a folder, made with all above it as needed; whoever calls closes it.

    Raises:
        UnsafePathError: if the path leaves `root`, or a step on the way is a link or no folder.
        OSError: if it cannot be made.
    """
    try:
        return enter_folder(root, path)
    except FileNotFoundError:
        root.mkdir(parents=True, exist_ok=True)
    folder = os.open(root, FOLDER)
    for part in list_steps(root, path):
        try:
            with contextlib.suppress(FileExistsError):
                os.mkdir(part, dir_fd=folder)
            inner = os.open(part, FOLDER | os.O_NOFOLLOW, dir_fd=folder)
        except OSError as error:
            raise explain_link(error, f"{root}/{path}") from None
        finally:
            os.close(folder)
        folder = inner
    return folder


def move_folder(root: Path, path: str, target: str) -> None:
    """Move a folder to another place below `root`, where nothing is.

    Raises:
        UnsafePathError: as `replace_file`.
        OSError: as `replace_file`, and if there is no such folder, or something at the target.
    """
    _move(root, path, target)


def move_file(root: Path, path: str, target: str) -> None:
    """Give a file another place below `root`; what had its name there is replaced. Raises as `replace_file`."""
    _move(root, path, target)


def _move(root: Path, path: str, target: str) -> None:
    (parent, name), (new_parent, new_name) = split_path(root, path), split_path(root, target)
    source = enter_folder(root, parent)
    try:
        folder = make_folder(root, new_parent)
        try:
            os.rename(name, new_name, src_dir_fd=source, dst_dir_fd=folder)
        finally:
            os.close(folder)
    finally:
        os.close(source)


def remove_file(root: Path, path: str) -> None:
    """Remove a file, or a link itself, if it is there; raises as `replace_file`."""
    parent, name = split_path(root, path)
    with _enter_or_none(root, parent) as folder:
        if folder is not None:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(name, dir_fd=folder)


def remove_tree(root: Path, path: str) -> None:
    """Remove a folder and all that it holds, or what else has its name; nothing is followed out of it.

    Raises:
        UnsafePathError: as `replace_file`, and if folders are nested deeper than anybody can remove them.
        OSError: as `replace_file`.
    """
    parent, name = split_path(root, path)
    with _enter_or_none(root, parent) as folder:
        if folder is None:
            return
        try:
            if stat.S_ISDIR(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
                shutil.rmtree(name, dir_fd=folder)
            else:
                os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            pass
        except RecursionError:
            raise UnsafePathError(f"{root / path}: folders are nested too deep; remove it yourself") from None


@contextlib.contextmanager
def _enter_or_none(root: Path, path: str) -> Iterator[int | None]:
    try:
        folder = enter_folder(root, path)
    except FileNotFoundError:
        yield None
        return
    try:
        yield folder
    finally:
        os.close(folder)
