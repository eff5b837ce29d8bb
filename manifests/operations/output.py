"""The folder that an operation writes into: put together beside its place, where it appears once it is whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from manifests.errors import OutputExistsError

UNFINISHED = ".unfinished"
"""How the name of the folder ends in which the output is put together; it begins with a dot."""


def require_new_folder(out: Path) -> None:
    """Refuse a folder that holds something, before anything is read for it.

    Raises:
        OutputExistsError: if it does, or could not be put into place.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputExistsError(f"{out}: is not empty; name a new folder")
    if out.is_mount():
        raise OutputExistsError(f"{out}: is where something is mounted; name a new folder in it")


@contextlib.contextmanager
def write_new_folder(out: Path) -> Iterator[Path]:
    """Yield an empty folder beside `out`, which takes its place on success and is removed on failure.

    What an operation left there that was killed is removed first.

    Raises:
        OutputExistsError: if `out` holds something, or another process writes it.
        OSError: if the folder cannot be written.
    """
    require_new_folder(out)
    place = Path(os.path.realpath(out))
    staged = place.with_name(f".{place.name}{UNFINISHED}")
    lock = _lock_folder(staged, out)
    try:
        require_new_folder(out)  # who held it may just have finished
        _empty_folder(staged)
        yield staged
        if place.is_dir():
            staged.chmod(place.stat().st_mode)
        staged.rename(place)
    except BaseException:
        shutil.rmtree(staged, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def _lock_folder(folder: Path, out: Path) -> int:
    """Make a folder and lock it; the descriptor, which holds the lock while it is open."""
    while True:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            raise OutputExistsError(f"{out}: another process writes it; wait for it, or stop it") from None
        if folder.is_dir() and os.path.samestat(os.fstat(descriptor), folder.lstat()):
            return descriptor
        os.close(descriptor)  # its owner has just moved or removed it


def _empty_folder(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
