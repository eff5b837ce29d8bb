"""Who runs units of work: processes on this machine; `cluster` has those of a cluster."""

from __future__ import annotations

import os
import re
import resource
import signal
import warnings
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeVar

from dataset_builder.work.unit import DEFAULT_LIMITS, TIME_OVER, Failure, Limits, Unit, run_unit

_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
# glibc gives the memory of large arrays back to the system and fetches it anew for the next burst, page by page; it may keep 256 MiB.
_ALLOCATION = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(256 * 2**20))
WORKER_ENVIRONMENT = {**_THREADS, **_ALLOCATION}
"""Variables that a worker process starts with."""
UnitType = TypeVar("UnitType", bound=Unit)


class Workers(Protocol):
    """Something that runs units, with networks on a device: `auto`, `cpu` or `cuda`."""

    @property
    def device(self) -> str:
        """Where networks compute."""
        ...

    def run(self, units: Iterable[UnitType], root: Path) -> Iterator[tuple[UnitType, Failure | None]]:
        """Run units of the data set `root`; yield each, with its failure if any, as it finishes. Results go to part files."""
        ...


@dataclass(frozen=True)
class LocalWorkers:
    """Processes on this machine.

    Attributes:
        jobs: number of processes. Results do not depend on it.
        limits: of each unit.
        device: where networks compute.
    """

    jobs: int = 1
    limits: Limits = DEFAULT_LIMITS
    device: str = "cpu"

    def run(self, units: Iterable[UnitType], root: Path) -> Iterator[tuple[UnitType, Failure | None]]:
        """As `Workers.run`.

        An exception costs its own unit, and so does asking for more memory than the limit. When a worker dies, be it by a crash or
        because its unit takes too long, the units that were under way are run again one at a time, and those that kill their worker
        again are given up.
        """
        return _run_units(units, root, self.jobs, self.limits)


ONE_WORKER = LocalWorkers()


def _run_units(
    units: Iterable[UnitType], root: Path, jobs: int, limits: Limits
) -> Iterator[tuple[UnitType, Failure | None]]:
    queue = deque(units)
    while queue:
        under_way: dict[Any, UnitType] = {}
        suspects: list[UnitType] = []
        executor = _start_workers(jobs, limits)
        try:
            while (queue or under_way) and not suspects:
                while queue and len(under_way) < 2 * jobs:
                    unit = queue.popleft()
                    under_way[executor.submit(run_unit, unit, root, limits.seconds)] = unit
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
    executor = _start_workers(1, limits)
    try:
        failure: Failure | None = executor.submit(run_unit, unit, root, limits.seconds).result()
    except BrokenProcessPool as error:
        if TIME_OVER.name in str(error):
            taken = f"took more than {limits.seconds:g} s; raise the time limit if it needs them"
            return Failure("TimeLimitError", taken, attempts=2)
        codes = (
            ", ".join(re.findall(r"SIG\w+\(-\d+\)|EXIT\(\d+\)", str(error))) or str(error).split("\n", maxsplit=1)[0]
        )
        return Failure("WorkerDiedError", f"the worker process died twice on this unit: {codes}", attempts=2)
    except BaseException:  # Ctrl-C does not wait for the unit
        executor.shutdown(wait=False, kill_workers=True)
        raise
    return failure


def _start_workers(jobs: int, limits: Limits) -> Any:
    # joblib's own Parallel loses the call when a worker is killed; its loky executor, used directly, says so per future.
    from joblib.externals.loky import get_reusable_executor

    # loky replaces a worker that leaves while units wait, and warns. Where warnings are errors, that would end the thread that hands
    # out units, and the build would wait for ever.
    warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given", category=UserWarning)
    memory = limits.memory_bytes(jobs)
    return get_reusable_executor(
        max_workers=jobs, timeout=60, env=WORKER_ENVIRONMENT, initializer=_prepare_worker, initargs=(memory,)
    )


def _prepare_worker(memory: int) -> None:
    """One thread per worker, so that results do not depend on the number of cores; Ctrl-C is the driver's business."""
    import cv2
    from joblib.externals.loky import process_executor

    # loky takes a worker that grew by 300 MB, as one does that holds models, for a leak and dismisses it; the limit is ours to set.
    process_executor._MAX_MEMORY_LEAK_SIZE = memory  # noqa: SLF001, there is no public way
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(_THREADS)
    cv2.setNumThreads(1)
    # What is asked for beyond this raises MemoryError, or what native code makes of it, instead of waking the kernel's killer.
    _, most = resource.getrlimit(resource.RLIMIT_DATA)
    allowed = memory if most == resource.RLIM_INFINITY else min(memory, most)
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, most))
