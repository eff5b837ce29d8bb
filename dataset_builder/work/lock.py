"""One build at a time on a data set; the lock dies with its owner."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from dataset_builder.errors import LockedError, OutputError
from dataset_builder.work.unit import WORK_FOLDER
from manifests.confined.reading import list_files, read_file, walk_files
from manifests.confined.writing import TEMPORARY, open_to_lock, remove_file, write_text
from manifests.seal import IMAGE_FOLDER
from manifests.store import LABEL_FOLDER

_LOCK, _HOLDER = f"{WORK_FOLDER}/lock", f"{WORK_FOLDER}/holder.json"


@contextlib.contextmanager
def lock_dataset(root: Path) -> Iterator[None]:
    """Create the folder if need be, hold its lock, and clear away what interrupted writes left behind.

    Raises:
        LockedError: if another process holds it; says which.
        OutputError: if the folder cannot be created or written.
        UnsafePathError: if the folder for work, or something in it that is written, is a link or no plain file.
    """
    try:
        descriptor = open_to_lock(root, _LOCK)
    except OSError as error:
        raise OutputError(
            f"{root}: cannot be written ({error.strerror}); choose a folder that you may write to"
        ) from error
    try:
        _acquire(descriptor, root)
        # While it is open, the file is locked; whoever comes later finds it there, so it is never removed.
        write_text(root, _HOLDER, json.dumps({"pid": os.getpid(), "host": socket.gethostname()}))
        try:
            _remove_torn(root)
            yield
        finally:
            with contextlib.suppress(OSError):  # the next to come clears them away, too
                _remove_torn(root)  # of workers that died or were stopped
            remove_file(root, _HOLDER)
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, root: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockedError(f"{root}: {_describe_holder(root)} is building here; wait for it, or stop it") from None
    except OSError as error:  # file systems of networks that know no locks
        raise OutputError(f"{root}: cannot be locked ({error.strerror}); choose a folder on a disk that can") from error


def _remove_torn(root: Path) -> None:
    for folder in ("", "manifests", LABEL_FOLDER, "audit"):
        for name in list_files(root, folder):
            if _is_torn(name):
                remove_file(root, f"{folder}/{name}" if folder else name)
    for folder in (WORK_FOLDER, IMAGE_FOLDER):
        for path, _ in walk_files(root, folder):
            if _is_torn(path.rpartition("/")[2]):
                remove_file(root, path)


def _is_torn(name: str) -> bool:
    return name.startswith(".") and name.endswith(TEMPORARY)


def _describe_holder(root: Path) -> str:
    try:
        holder = json.loads(read_file(root, _HOLDER))
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
