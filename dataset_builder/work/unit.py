"""Units of work: what they are, how one is run, and how a finished one is found again.

A unit is a small picklable object with a key, the SHA-256 of everything declared that its result depends on. A worker
writes the result to a part file under `.work/`; whoever finds a part file with the right key and an intact digest need not
run the unit again.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self, TypeVar

from dataset_builder.work.traces import format_traceback, name_place
from manifests.confined.reading import read_file
from manifests.confined.writing import remove_file, write_text

WORK_FOLDER = ".work"
# A full or read-only disk fails every unit alike: the build stops, and resumes when there is room.
_FATAL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_LONGEST_MESSAGE = 1500
_ADDRESS = re.compile(r"<[^<>]{1,200} at 0x[0-9a-fA-F]+>|\b0x[0-9a-fA-F]{6,16}\b")
State = TypeVar("State")


class Desk:
    """What a worker keeps from one unit to the next about the subject of both, such as a burst; a new subject takes its place.

    Units on one subject share what it holds when they follow each other; in any other order they load it again, with the same result.
    """

    def __init__(self) -> None:
        self._subject: object = None
        self._state: Any = None

    def take(self, subject: Hashable, make: Callable[[], State]) -> State:
        """The state of a subject: that on the desk, or a new one in its place."""
        if subject != self._subject:
            self._subject = self._state = None  # room for the next before it is made
            self._state = make()
            self._subject = subject
        state: State = self._state
        return state


class Unit(Protocol):
    """What can be run: picklable, knows its key and the part file of its result."""

    @property
    def key(self) -> str:
        """SHA-256 (hex) of everything declared that the result depends on."""
        ...

    @property
    def subject(self) -> Hashable:
        """What it shares with other units, such as a burst: one worker takes them, unless another would have nothing to do."""
        ...

    @property
    def part(self) -> str:
        """Name of its part file below `.work/`, without suffix."""
        ...

    def run(self, root: Path, desk: Desk) -> Mapping[str, Any]:
        """Do the work below the data set `root`; return plain data that JSON can hold.

        Args:
            root: the data set.
            desk: what the worker has before it; takes what a next unit on the same subject may need.
        """
        ...


@dataclass(frozen=True)
class Limits:
    """What one unit may take before it is given up.

    Attributes:
        seconds: seconds of wall-clock time.
        memory_gib: GiB of memory that its worker process may write to; None for the machine's memory divided by the number of workers.
    """

    seconds: float = 3600.0
    memory_gib: float | None = None

    def memory_bytes(self, jobs: int) -> int:
        """The limit of one of `jobs` workers."""
        if self.memory_gib is not None:
            return int(self.memory_gib * 2**30)
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // jobs


DEFAULT_LIMITS = Limits()


@dataclass(frozen=True)
class Failure:
    """Why a unit has no result."""

    error_type: str
    message: str
    attempts: int = 1
    wants_out: bool = field(default=False, compare=False)
    """Whether the unit tried to end its process, as `sys.exit` does; who knows what it ended before."""
    trace: str = field(default="", compare=False)
    """Calls that led to it, with their source, for who mends the code; no table holds them."""

    @classmethod
    def from_exception(cls, error: BaseException) -> Self:
        """What is worth keeping of an exception: its kind, and its message with its place, in one line that a table can hold."""
        try:
            text = str(error)[:_LONGEST_MESSAGE] or repr(error)[:_LONGEST_MESSAGE]
        except Exception:  # noqa: BLE001  # its text is third-party code, too
            text = "it cannot say what is wrong"
        # Equal builds give equal tables: where an object lay in memory is no part of what is wrong.
        text = _ADDRESS.sub("…", text)
        place = name_place(error)
        # What is no UTF-8 in a file's name would not go into a table.
        words = f"{text} ({place})" if place else text
        message = " ".join(words.encode("utf-8", "backslashreplace").decode().split())
        wants_out = not isinstance(error, Exception)
        return cls(type(error).__name__, message, wants_out=wants_out, trace=format_traceback(error))


def is_fatal(error: BaseException) -> bool:
    """Whether an error stops the build: no other unit, or part of one, would survive it either."""
    return isinstance(error, OSError) and error.errno in _FATAL


def hash_facts(facts: object) -> str:
    """SHA-256 (hex) of plain data, independent of the order of keys."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, allow_nan=False).encode()).hexdigest()


def read_part(root: Path, unit: Unit) -> Any:
    """The stored result of a unit; None if there is none, it is of another key, or it is damaged."""
    try:
        part = json.loads(read_file(root, _part_path(unit)))
        intact = part["key"] == unit.key and part["digest"] == hash_facts([part["key"], part["result"]])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return part["result"] if intact else None


def write_part(root: Path, unit: Unit, result: Mapping[str, Any]) -> None:
    """Store the result of a unit, in the place of another."""
    part = {"key": unit.key, "result": result, "digest": hash_facts([unit.key, result])}
    write_text(root, _part_path(unit), json.dumps(part, allow_nan=False))


def remove_part(root: Path, unit: Unit) -> None:
    """Forget the stored result of a unit, once a manifest holds it."""
    remove_file(root, _part_path(unit))


_DESK = Desk()
"""Of this process, which runs one unit at a time."""


def run_unit(unit: Unit, root: Path) -> Failure | None:
    """Run a unit in this process, which is a worker's, and write its result to its part file.

    Errors return as text, since not every exception survives pickling.

    Raises:
        OSError: if the disk is full or read-only, which no other unit would survive either.
    """
    try:
        write_part(root, unit, unit.run(root, _DESK))
    except BaseException as error:  # whatever third-party code raises costs this unit only
        if is_fatal(error):
            raise
        return Failure.from_exception(error)
    return None


def _part_path(unit: Unit) -> str:
    return f"{WORK_FOLDER}/{unit.part}.json"
