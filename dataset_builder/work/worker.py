"""A worker process: it runs the units that come through a pipe, and ends with the process that started it."""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import sys
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

from dataset_builder.work.library_warnings import silence_libraries
from dataset_builder.work.unit import Failure, Unit, run_unit

IDLE_SECONDS = 60
"""A worker that nobody asks for so long ends."""
MORE_FILES = 64
"""Open files more than at the start that a worker may keep; a restorer that leaks more would soon starve the others."""
_PARENT_DEATH = 1
"""PR_SET_PDEATHSIG of prctl(2)."""


@dataclass(frozen=True)
class Task:
    """What goes to a worker.

    Attributes:
        unit: pickled apart, so that one that cannot be read costs itself only.
        root: the data set, absolute.
        folder: working directory of the driver.
        path: its `sys.path`.
    """

    unit: bytes
    root: Path
    folder: str
    path: tuple[str, ...]


BEGUN = "begun"
"""What comes first, when all that the unit is made of is imported: from now on the clock runs."""


@dataclass(frozen=True)
class Answer:
    """What comes back.

    Attributes:
        outcome: nothing if all went well, a failure, or an error that no unit would survive.
        leaves: whether the worker ends now, since its unit left it in another state than it found.
    """

    outcome: Failure | OSError | None
    leaves: bool = False


def serve(handle: int, *, driver: int, memory: int) -> None:
    """Run tasks until the pipe closes, nobody asks any more, or a unit left the process in another state than it found.

    Args:
        handle: file descriptor of the pipe.
        driver: process that this one must not outlive.
        memory: most bytes that this process may write to.
    """
    _follow(driver)
    _prepare(memory)
    pipe, me, files = Connection(handle), os.getpid(), _count_files()
    while pipe.poll(IDLE_SECONDS):
        try:
            task: Task = pipe.recv()
        except EOFError:
            return
        unit = _unpack(task)
        pipe.send(BEGUN)
        outcome = unit if isinstance(unit, Failure) else _run(unit, task.root)
        if os.getpid() != me:  # a child that a restorer forked and that came back from it
            os._exit(0)
        wants_out = isinstance(outcome, Failure) and outcome.wants_out
        leaves = wants_out or _has_children() or _count_files() > files + MORE_FILES
        pipe.send(Answer(outcome, leaves))
        if leaves:
            return


def _unpack(task: Task) -> Unit | Failure:
    """The unit, with all that it is made of imported."""
    try:
        os.chdir(task.folder)
        sys.path[:] = task.path
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        unit: Unit = pickle.loads(task.unit)  # noqa: S301  # the driver's own
    except Exception as error:  # noqa: BLE001  # imports what the unit is made of
        return Failure.from_exception(error)
    return unit


def _run(unit: Unit, root: Path) -> Failure | OSError | None:
    try:
        return run_unit(unit, root)
    except OSError as error:
        return OSError(error.errno, error.strerror, error.filename)


def _follow(driver: int) -> None:
    """Die when the driver does, however it does."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None)
    if prctl is not None:
        prctl(_PARENT_DEATH, signal.SIGKILL)
    if os.getppid() != driver:
        os._exit(0)


def _prepare(memory: int) -> None:
    """One thread, so that results do not depend on the number of cores; Ctrl-C is the driver's business."""
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(1)
    silence_libraries()
    # What is asked for beyond this raises MemoryError, or what native code makes of it, instead of waking the kernel's killer.
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))


def _count_files() -> int:
    handles = Path("/proc/self/fd")
    try:
        return sum(1 for _ in handles.iterdir())
    except OSError:  # no file is left to look with, or there is no such file system
        return sys.maxsize if handles.exists() else 0


def _has_children() -> bool:
    try:
        os.waitpid(-1, os.WNOHANG)
    except ChildProcessError:
        return False
    return True
