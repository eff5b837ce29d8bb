"""One build at a time on a data set; the lock dies with its owner."""

from __future__ import annotations

import contextlib
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from dataset_builder.errors import LockedError, OutputError
from dataset_builder.work.unit import WORK_FOLDER


@contextlib.contextmanager
def lock_dataset(root: Path) -> Iterator[None]:
    """Create the folder if need be, hold its lock, and clear away what interrupted writes left behind.

    Raises:
        LockedError: if another process holds it; says which.
        OutputError: if the folder cannot be created or written.
    """
    work = root / WORK_FOLDER
    try:
        work.mkdir(parents=True, exist_ok=True)
        (work / "holder.json").touch()
    except OSError as error:
        raise OutputError(
            f"{root}: cannot be written ({error.strerror}); choose a folder that you may write to"
        ) from error
    lock = FileLock(work / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LockedError(f"{root}: {_describe_holder(work)} is building here; wait for it, or stop it") from None
    try:
        (work / "holder.json").write_text(
            json.dumps({"pid": os.getpid(), "host": socket.gethostname()}), encoding="utf-8"
        )
        _remove_torn(root)
        yield
    finally:
        (work / "holder.json").unlink(missing_ok=True)
        lock.release()


def _remove_torn(root: Path) -> None:
    for folder in (root, root / "manifests", root / "manifests" / "labels", root / "audit"):
        for path in folder.glob(".*.tmp"):
            path.unlink()
    for pattern in (f"{WORK_FOLDER}/**/.*.tmp", "frames/*/*/.*.tmp"):
        for path in root.glob(pattern):
            path.unlink()


def _describe_holder(work: Path) -> str:
    try:
        holder = json.loads((work / "holder.json").read_text(encoding="utf-8"))
        return f"process {holder['pid']} on {holder['host']}"
    except (OSError, ValueError, KeyError, TypeError):
        return "another process"
