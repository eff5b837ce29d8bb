"""Units of work: run in worker processes, finished ones found again, broken ones contained.

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
import resource
import signal
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from manifests.store import write_text

WORK_FOLDER = ".work"
# A full or read-only disk fails every unit alike: the build stops, and resumes when there is room.
_FATAL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})
_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
_TIME_OVER = signal.SIGALRM


class Unit(Protocol):
    """What can be run: picklable, knows its key and the part file of its result."""

    @property
    def key(self) -> str:
        """SHA-256 (hex) of everything declared that the result depends on."""
        ...

    @property
    def part(self) -> str:
        """Name of its part file below `.work/`, without suffix."""
        ...

    def run(self, root: Path) -> Mapping[str, Any]:
        """Do the work below the data set `root`; return plain data that JSON can hold."""
        ...


UnitType = TypeVar("UnitType", bound=Unit)


@dataclass(frozen=True)
class Limits:
    """What one unit may take before it is given up.

    Attributes:
        seconds: of wall-clock time.
        memory_gib: of memory that its worker process may write to; None for the machine's memory divided by the number of workers.
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


def hash_facts(facts: object) -> str:
    """SHA-256 (hex) of plain data, independent of the order of keys."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True, allow_nan=False).encode()).hexdigest()


def read_part(root: Path, unit: Unit) -> Any:
    """The stored result of a unit; None if there is none, it is of another key, or it is damaged."""
    try:
        part = json.loads(_part_path(root, unit).read_text(encoding="utf-8"))
        intact = part["key"] == unit.key and part["digest"] == hash_facts([part["key"], part["result"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return part["result"] if intact else None


def remove_part(root: Path, unit: Unit) -> None:
    """Forget the stored result of a unit, once a manifest holds it."""
    _part_path(root, unit).unlink(missing_ok=True)


def run_units(
    units: Iterable[UnitType], root: Path, *, jobs: int, limits: Limits = DEFAULT_LIMITS
) -> Iterator[tuple[UnitType, Failure | None]]:
    """Run units in `jobs` worker processes; yield each, with its failure if any, as it finishes.

    Results go to part files. An exception costs its own unit, and so does asking for more memory than the limit. When a worker dies,
    be it by a crash or because its unit takes too long, the units that were under way are run again one at a time, and those that kill
    their worker again are given up.
    """
    queue = deque(units)
    while queue:
        under_way: dict[Any, UnitType] = {}
        suspects: list[UnitType] = []
        executor = _start_workers(jobs, limits)
        try:
            while (queue or under_way) and not suspects:
                while queue and len(under_way) < 2 * jobs:
                    unit = queue.popleft()
                    under_way[executor.submit(_run_unit, unit, root, limits.seconds)] = unit
                for future in wait(under_way, return_when=FIRST_COMPLETED).done:
                    unit = under_way.pop(future)
                    if isinstance(future.exception(), BrokenProcessPool):
                        suspects.append(unit)
                    else:
                        yield unit, future.result()
        except BaseException:
            executor.shutdown(wait=False, kill_workers=True)
            raise
        for unit in (*suspects, *under_way.values()):
            yield unit, _run_alone(unit, root, limits)


def _run_alone(unit: Unit, root: Path, limits: Limits) -> Failure | None:
    try:
        failure: Failure | None = _start_workers(1, limits).submit(_run_unit, unit, root, limits.seconds).result()
    except BrokenProcessPool as error:
        if _TIME_OVER.name in str(error):
            taken = f"took more than {limits.seconds:g} s; raise --time-limit if it needs them"
            return Failure("TimeLimitError", taken, attempts=2)
        codes = (
            ", ".join(re.findall(r"SIG\w+\(-\d+\)|EXIT\(\d+\)", str(error))) or str(error).split("\n", maxsplit=1)[0]
        )
        return Failure("WorkerDiedError", f"the worker process died twice on this unit: {codes}", attempts=2)
    return failure


def _run_unit(unit: Unit, root: Path, seconds: float) -> Failure | None:
    """Runs in the worker; errors return as text, since not every exception survives pickling."""
    # The kernel kills the process when the time is over, whatever native code it is stuck in.
    signal.signal(_TIME_OVER, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        result = unit.run(root)
        part = {"key": unit.key, "result": result, "digest": hash_facts([unit.key, result])}
        write_text(_part_path(root, unit), json.dumps(part, allow_nan=False))
    except Exception as error:  # whatever third-party code raises costs this unit only
        if isinstance(error, OSError) and error.errno in _FATAL:
            raise
        return Failure(type(error).__name__, " ".join(str(error).split()) or repr(error))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return None


def _start_workers(jobs: int, limits: Limits) -> Any:
    # joblib's own Parallel loses the call when a worker is killed; its loky executor, used directly, says so per future.
    from joblib.externals.loky import get_reusable_executor  # noqa: PLC0415

    memory = limits.memory_bytes(jobs)
    return get_reusable_executor(
        max_workers=jobs, timeout=60, env=_THREADS, initializer=_prepare_worker, initargs=(memory,)
    )


def _prepare_worker(memory: int) -> None:
    """One thread per worker, so that results do not depend on the number of cores; Ctrl-C is the driver's business."""
    import cv2  # noqa: PLC0415

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(_THREADS)
    cv2.setNumThreads(1)
    # What is asked for beyond this raises MemoryError, or what native code makes of it, instead of waking the kernel's killer.
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))


def _part_path(root: Path, unit: Unit) -> Path:
    return root / WORK_FOLDER / f"{unit.part}.json"
