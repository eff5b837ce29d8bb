"""Workers of a dask.distributed cluster that see the data set's folder."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dataset_builder.errors import ClusterError
from dataset_builder.work.local import UnitType
from dataset_builder.work.unit import DEFAULT_LIMITS, Failure, Limits, Unit, run_unit
from restorers.errors import MissingExtraError

_CONNECT_SECONDS = 10
_WORKER_SECONDS = 30
"""Time for a worker to appear: one that a unit killed comes back in a few seconds, and may have been the only one."""


@dataclass(frozen=True)
class DaskWorkers:
    """A cluster by the address of its scheduler.

    Units go out a few per core at a time and are forgotten as they finish, so the driver's memory does not grow with their number.
    Results are written by the workers to the shared folder; a unit that runs twice writes the same bytes.

    Attributes:
        address: such as `tcp://host:8786`.
        limits: of each unit; the memory of workers is limited where they are started.
        device: where networks compute; what the driver finds for `auto` goes for all workers.
    """

    address: str
    limits: Limits = DEFAULT_LIMITS
    device: str = "cpu"

    def run(self, units: Iterable[UnitType], root: Path) -> Iterator[tuple[UnitType, Failure | None]]:
        """As `Workers.run`. A unit that kills several workers is given up.

        Raises:
            ClusterError: if the cluster cannot be reached, has no workers, or a worker runs another version or does not see `root`.
        """
        pending = iter(units)
        first = next(pending, None)
        if first is None:
            return
        client = _connect(self.address)
        try:
            folder = root.resolve()
            cores = _check_workers(client, folder)
            yield from _run_on(client, first, pending, folder, window=4 * cores, seconds=self.limits.seconds)
        finally:
            client.close()


def _run_on(
    client: Any, first: UnitType, pending: Iterator[UnitType], root: Path, *, window: int, seconds: float
) -> Iterator[tuple[UnitType, Failure | None]]:
    import distributed

    under_way: dict[Any, UnitType] = {}

    def submit(unit: UnitType) -> Any:
        future = client.submit(_run_bounded, unit, root, seconds, pure=False, key=f"{unit.part}:{unit.key}")
        under_way[future] = unit
        return future

    collect: Any = distributed.as_completed  # publishes no types
    finished = collect([submit(first)], loop=client.loop)
    for _, unit in zip(range(window - 1), pending, strict=False):
        finished.add(submit(unit))
    suspects: list[UnitType] = []
    for future in finished:
        unit = under_way.pop(future)
        error = future.exception()
        if isinstance(error, distributed.KilledWorker):
            suspects.append(unit)
        elif error is not None:
            raise error
        else:
            yield unit, future.result()
        future.release()
        if (following := next(pending, None)) is not None:
            finished.add(submit(following))
    # dask suspects all that a dead worker had before it; only who kills it alone is guilty.
    for unit in suspects:
        future = submit(unit)
        error = future.exception()
        if error is not None and not isinstance(error, distributed.KilledWorker):
            raise error
        reason = "its worker died, or took too much time or memory, each time it was tried"
        yield (
            unit,
            future.result() if error is None else Failure("WorkerDiedError", reason, attempts=2 * _count_attempts()),
        )
        future.release()


def _run_bounded(unit: Unit, root: Path, seconds: float) -> Failure | None:
    _bound_threads()
    # The kernel kills the process when the time is over, whatever native code it is stuck in. That is the default of this signal.
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return run_unit(unit, root)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@lru_cache(maxsize=1)
def _bound_threads() -> None:
    """One thread per task: the cluster runs one task per core, and results do not depend on the number of cores."""
    import cv2

    cv2.setNumThreads(1)


def _connect(address: str) -> Any:
    try:
        import distributed
    except ImportError:
        raise MissingExtraError("dask", "distributed", "dask") from None
    try:
        connect: Any = distributed.Client  # publishes no types
        return connect(address, timeout=_CONNECT_SECONDS, set_as_default=False)
    except (OSError, TimeoutError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ClusterError(
            f"address {address}: no scheduler answers ({reason}); start one with `dask scheduler` and give its address"
        ) from error


def _check_workers(client: Any, root: Path) -> int:
    """Cores of the cluster, all of whose workers must run this version and see the folder."""
    try:
        client.wait_for_workers(1, timeout=_WORKER_SECONDS)
    except TimeoutError:
        raise ClusterError("address: the cluster has no workers; start some with `dask worker ADDRESS`") from None
    cores: dict[str, int] = client.ncores()
    _compare(
        client.run(_find_version),
        version("buiqa-toolkit"),
        "runs buiqa-toolkit {found}, the driver {expected}: install the same",
    )
    _compare(client.run(_sees, root), True, f"does not see {root}: the folder must be shared under one path")
    return sum(cores.values())


def _compare(answers: dict[str, Any], expected: Any, complaint: str) -> None:
    for worker, found in sorted(answers.items()):
        if found != expected:
            raise ClusterError(f"address: worker {worker} " + complaint.format(found=found, expected=expected))


def _find_version() -> str:
    return version("buiqa-toolkit")


def _sees(folder: Path) -> bool:
    return folder.is_dir()


def _count_attempts() -> int:
    from dask import config

    allowed: Callable[..., int] = config.get
    return 1 + int(allowed("distributed.scheduler.allowed-failures", 3))
