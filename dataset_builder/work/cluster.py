"""Workers of a dask.distributed cluster that see the data set's folder."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import logging
import signal
import socket
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from dataclasses import dataclass
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from dataset_builder.errors import ClusterError
from dataset_builder.work.local import UnitType
from dataset_builder.work.stopping import check_stop
from dataset_builder.work.unit import DEFAULT_LIMITS, Failure, Limits, Unit, hash_facts, run_unit
from restorers.errors import MissingExtraError

_CONNECT_SECONDS = 10
_ANSWER_SECONDS = 5
_LONGEST_BATCH = 16
_BATCHES_PER_CORE = 32
_SLICE = 1.0
"""Seconds between looks at signals and for signs of life."""
_WORKER_SECONDS = 30
"""Time for a worker to appear: one that a unit killed comes back in a few seconds, and may have been the only one."""


@dataclass(frozen=True)
class DaskWorkers:
    """A cluster by the address of its scheduler.

    Units go out in batches, of more where there are more of them, a few batches per core at a time, and are forgotten as they finish: the
    driver's memory does not grow with their number, and a scheduler that takes a millisecond for a task keeps up with many cores.
    Results are written by the workers to the shared folder; a unit that runs twice, as one that is stolen may, writes the same bytes.

    Attributes:
        address: such as `tcp://host:8786`.
        limits: limits of each unit; the memory of workers is limited where they are started.
        device: where networks compute; what the driver finds for `auto` goes for all workers.
        patience: minutes without any sign of life until the cluster is given up.
    """

    address: str
    limits: Limits = DEFAULT_LIMITS
    device: str = "cpu"
    patience: float = 10.0

    def run(self, units: Iterable[UnitType], root: Path) -> Iterator[tuple[UnitType, Failure | None]]:
        """As `Workers.run`. A unit that kills several workers is given up.

        Raises:
            ClusterError: if the cluster cannot be reached, has no workers, shows no life any more, or a worker has other code or does not
                see `root`.
        """
        waiting = list(units)
        if not waiting:
            return
        client = _connect(self.address)
        with _quiet():
            try:
                folder = root.resolve()
                cores = _check_workers(client, folder)
                yield from _run_on(client, _batch(waiting, cores), folder, self, window=4 * cores)
            finally:
                client.close(timeout=_ANSWER_SECONDS)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """What dask would log of a lost scheduler is said in one line by an error of ours."""
    known = [
        name
        for name in logging.root.manager.loggerDict
        if name.partition(".")[0] in ("distributed", "tornado", "asyncio")
    ]
    loggers = [logging.getLogger(name) for name in known]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _batch(units: Sequence[UnitType], cores: int) -> Iterator[tuple[UnitType, ...]]:
    """Units that follow each other, so that what they share is at hand; each core gets many batches, lest it wait for others at last."""
    length = max(1, min(_LONGEST_BATCH, len(units) // (_BATCHES_PER_CORE * cores)))
    for start in range(0, len(units), length):
        yield tuple(units[start : start + length])


def _run_on(
    client: Any, batches: Iterator[tuple[UnitType, ...]], root: Path, workers: DaskWorkers, *, window: int
) -> Iterator[tuple[UnitType, Failure | None]]:
    import distributed

    under_way: dict[Any, tuple[UnitType, ...]] = {}
    suspects: list[UnitType] = []
    facts = (root, workers.limits.seconds, hash_sources())

    def submit(batch: tuple[UnitType, ...]) -> None:
        key = f"{batch[0].part}:{hash_facts([unit.key for unit in batch])}"
        under_way[client.submit(_run_batch, batch, *facts, pure=False, key=key)] = batch

    for batch in itertools.islice(batches, window):
        submit(batch)
    while under_way:
        for future in _wait_for_some(client, list(under_way), workers):
            batch = under_way.pop(future)
            error = future.exception()
            if isinstance(error, distributed.KilledWorker):
                suspects += batch
            elif error is not None:
                raise error
            else:
                yield from zip(batch, future.result(), strict=True)
            future.release()
            if (following := next(batches, None)) is not None:
                submit(following)
    # dask suspects all that a dead worker had before it; only who kills it alone is guilty.
    for unit in suspects:
        submit((unit,))
        (future,) = _wait_for_some(client, list(under_way), workers)
        under_way.clear()
        error = future.exception()
        if error is not None and not isinstance(error, distributed.KilledWorker):
            raise error
        reason = "its worker died, or took too much time or memory, each time it was tried"
        lost = Failure("WorkerDiedError", reason, attempts=2 * _count_attempts())
        yield unit, lost if error is not None else future.result()[0]
        future.release()


def _wait_for_some(client: Any, futures: list[Any], workers: DaskWorkers) -> list[Any]:
    """Futures that are done, at least one.

    Raises:
        ClusterError: if the scheduler ends, or if for `patience` minutes nothing is done and neither scheduler nor any worker shows life.
        Stopped: if a signal asked for the end.
    """
    import distributed

    since, seen = time.monotonic(), dict[str, float]()
    while True:
        check_stop()
        try:
            with client.as_current():
                wait: Any = distributed.wait  # publishes no types
                done = wait(futures, timeout=_SLICE, return_when="FIRST_COMPLETED").done
        except TimeoutError:
            done = set()
        except (CancelledError, distributed.client.FuturesCancelledError, OSError) as error:
            raise _name_end(workers) from error
        if any(future.cancelled() or future.status == "lost" for future in futures):
            raise _name_end(workers)
        if done:
            return [future for future in futures if future in done]
        now = _look_for_life(client)
        if now and now != seen:
            since, seen = time.monotonic(), now
        if time.monotonic() - since > 60 * workers.patience:
            raise ClusterError(
                f"address {workers.address}: for {workers.patience:g} minutes nothing was done and no worker showed life; see to the "
                "cluster and run the same command again: finished work is kept"
            )


def _name_end(workers: DaskWorkers) -> ClusterError:
    return ClusterError(
        f"address {workers.address}: the scheduler ended; start it again and run the same command again: finished work is kept"
    )


def _look_for_life(client: Any) -> dict[str, float]:
    """When each worker was last heard of, by the scheduler's clock; nothing if that does not answer."""
    try:
        facts = client.sync(client.scheduler.identity, callback_timeout=_ANSWER_SECONDS)
    except Exception:  # noqa: BLE001  # whatever keeps the answer away, there is none
        return {}
    return {name: worker["last_seen"] for name, worker in facts["workers"].items()}


def _run_batch(units: Sequence[Unit], root: Path, seconds: float, sources: str) -> list[Failure | None]:
    """Run units one after the other."""
    if hash_sources() != sources:
        raise ClusterError(
            f"address: worker on {socket.gethostname()} has other code of buiqa-toolkit than the driver, whatever its version says: "
            "install the same"
        )
    _bound_threads()
    return [_run_bounded(unit, root, seconds) for unit in units]


def _run_bounded(unit: Unit, root: Path, seconds: float) -> Failure | None:
    # The kernel kills the process when the time is over, whatever native code it is stuck in. That is the default of this signal.
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        return run_unit(unit, root)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


@lru_cache(maxsize=1)
def hash_sources() -> str:
    """SHA-256 (hex) of the code of the three packages as this process has it on disk."""
    digest = hashlib.sha256()
    for package in ("dataset_builder", "manifests", "restorers"):
        folder = Path(str(files(package)))
        for path in sorted(folder.rglob("*.py")):
            digest.update(f"{package}/{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()


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
