"""Who runs units of work: processes on this machine; `cluster` has those of a cluster."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections import deque
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from dataset_builder.work.stopping import check_stop
from dataset_builder.work.unit import DEFAULT_LIMITS, Failure, Limits, Unit
from dataset_builder.work.worker import BEGUN, Answer, Task

_THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS"), "1")
# glibc gives the memory of large arrays back to the system and fetches it anew for the next burst, page by page; it may keep 256 MiB.
_ALLOCATION = dict.fromkeys(("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_"), str(256 * 2**20))
WORKER_ENVIRONMENT = {**_THREADS, **_ALLOCATION}
"""Variables that a worker process starts with."""
UnitType = TypeVar("UnitType", bound=Unit)
_START = (
    "import json, sys; facts = json.loads(sys.argv[1]); sys.path[:] = facts.pop('path'); "
    "from dataset_builder.work.worker import serve; serve(**facts)"
)
_SLICE = 0.2
"""Seconds between looks at the clock and at signals."""
_AHEAD = 2
"""Units that a worker has before it, so that it need not wait for the next."""
_LOOK_AHEAD = 64
"""Units among which a worker finds one on the subject that it has before it."""
_MOST_AHEAD = 65_536
"""Bytes of a unit that fit into a pipe which nobody reads yet."""


class Workers(Protocol):
    """Something that runs units, with networks on a device: `auto`, `cpu` or `cuda`."""

    @property
    def device(self) -> str:
        """Where networks compute."""
        ...

    def run(self, units: Iterable[UnitType], root: Path) -> Iterator[tuple[UnitType, Failure | None]]:
        """Run units of the data set `root`; yield each, with its failure if any, as it finishes. Results go to part files."""
        ...


class _Queue(Generic[UnitType]):
    """Units that wait, made when they are needed: there may be millions."""

    def __init__(self, units: Iterable[UnitType]) -> None:
        self._rest = iter(units)
        self._first = deque[UnitType]()

    def __bool__(self) -> bool:
        """Whether there is another."""
        if not self._first:
            self._first.extend(islice(self._rest, 1))
        return bool(self._first)

    def take(self, own: Hashable, taken: Collection[Hashable]) -> UnitType:
        """The next on a worker's own subject, else on one that nobody has taken, else the first; there must be one, as who asked knows."""
        self._first.extend(islice(self._rest, max(_LOOK_AHEAD - len(self._first), 0)))
        subjects = [unit.subject for unit in self._first]
        free = (place for place, subject in enumerate(subjects) if subject not in taken)
        place = subjects.index(own) if own in subjects else next(free, 0)
        unit = self._first[place]
        del self._first[place]
        return unit

    def put_back(self, units: Sequence[UnitType]) -> None:
        """Have units come before all others."""
        self._first.extendleft(reversed(units))


@dataclass(eq=False)
class _Worker(Generic[UnitType]):
    """A process, the units that it has before it, what they are about, and since when it runs the first; None while it starts."""

    process: subprocess.Popen[bytes]
    pipe: Connection
    units: deque[UnitType] = field(default_factory=deque)
    subject: Hashable = None
    since: float | None = None

    def end(self) -> int:
        """Kill it and all that it started; its exit status."""
        self.pipe.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        return self.process.wait()


@dataclass(frozen=True)
class LocalWorkers:
    """Processes on this machine, which stay for the next units until this object goes or nobody asks for a minute.

    Attributes:
        jobs: number of processes. Results do not depend on it.
        limits: limits of each unit.
        device: where networks compute.
    """

    jobs: int = 1
    limits: Limits = DEFAULT_LIMITS
    device: str = "cpu"
    _idle: list[_Worker[Unit]] = field(default_factory=list, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        weakref.finalize(self, _end_all, self._idle)

    def run(self, units: Iterable[UnitType], root: Path) -> Iterator[tuple[UnitType, Failure | None]]:
        """As `Workers.run`.

        An exception costs its own unit, and so does taking more memory or time than the limit. A unit whose worker dies is run again
        when no other is under way, and given up if that worker dies too.

        Raises:
            OSError: if the disk is full or read-only.
            Stopped: if a signal asked for the end.
        """
        queue, fallen = _Queue(units), deque[UnitType]()
        root, workers = root.absolute(), list[_Worker[UnitType]]()
        try:
            while queue or fallen or any(worker.units for worker in workers):
                check_stop()
                self._hand_out(queue, workers, root)
                if not any(worker.units for worker in workers):
                    yield self._run_alone(fallen.popleft(), workers, root)
                    continue
                yield from self._collect(workers, queue, fallen)
        except BaseException:
            _end_all(workers)
            raise
        self._idle.extend(workers)  # type: ignore[arg-type]  # they have no units

    def _hand_out(self, queue: _Queue[UnitType], workers: list[_Worker[UnitType]], root: Path) -> None:
        """Give each worker a unit to run, then each one ahead."""
        for depth in range(1, _AHEAD + 1):
            while queue:
                free = next((worker for worker in workers if len(worker.units) < depth), None)
                if free is None and depth == 1 and len(workers) < self.jobs:
                    free = self._find_worker()
                    workers.append(free)
                if free is None:
                    break
                unit = queue.take(free.subject, [worker.subject for worker in workers])
                if not _send(free, unit, root, ahead=depth > 1):
                    queue.put_back([unit])
                    return
                free.units.append(unit)
                free.subject = unit.subject

    def _collect(
        self, workers: list[_Worker[UnitType]], queue: _Queue[UnitType], fallen: deque[UnitType]
    ) -> Iterator[tuple[UnitType, Failure | None]]:
        """What has come back within a slice of time."""
        busy = {worker.pipe: worker for worker in workers if worker.units}
        for pipe in wait(list(busy), timeout=_SLICE):
            worker = busy[pipe]  # type: ignore[index]  # only pipes were waited for
            answer = _receive(worker)
            if answer == BEGUN:
                continue
            unit = worker.units.popleft()
            if not isinstance(answer, Answer):
                _dismiss(worker, workers, queue)
                fallen.append(unit)
                continue
            if answer.leaves:
                _dismiss(worker, workers, queue)
            yield unit, _require_room(answer)
        for worker in [worker for worker in workers if worker.units and self._is_late(worker)]:
            unit = worker.units.popleft()
            _dismiss(worker, workers, queue)
            yield unit, self._give_up(attempts=1)

    def _run_alone(
        self, unit: UnitType, workers: list[_Worker[UnitType]], root: Path
    ) -> tuple[UnitType, Failure | None]:
        """Once more, with nothing beside it: what killed its worker may have been another's greed for memory."""
        if not workers:
            workers.append(self._find_worker())
        worker = workers[-1]
        _send(worker, unit, root, ahead=False)
        answer: Answer | str | None = BEGUN
        while answer == BEGUN:
            while not worker.pipe.poll(_SLICE):
                check_stop()
                if self._is_late(worker):
                    _dismiss(worker, workers, _Queue(()))
                    return unit, self._give_up(attempts=2)
            answer = _receive(worker)
        if not isinstance(answer, Answer):
            reason = f"the worker process died twice on this unit: {_name_exit(_dismiss(worker, workers, _Queue(())))}"
            return unit, Failure("WorkerDiedError", reason, attempts=2)
        if answer.leaves:
            _dismiss(worker, workers, _Queue(()))
        return unit, _require_room(answer)

    def _is_late(self, worker: _Worker[UnitType]) -> bool:
        return worker.since is not None and time.monotonic() - worker.since > self.limits.seconds

    def _give_up(self, *, attempts: int) -> Failure:
        taken = f"took more than {self.limits.seconds:g} s; raise the time limit if it needs them"
        return Failure("TimeLimitError", taken, attempts=attempts)

    def _find_worker(self) -> _Worker[UnitType]:
        """An idle one, or a new one."""
        while self._idle:
            worker = self._idle.pop()
            if worker.process.poll() is None and not worker.pipe.poll():
                return worker  # type: ignore[return-value]  # it has no units
            worker.end()
        return _start(self.limits.memory_bytes(self.jobs))


def _start(memory: int) -> _Worker[UnitType]:
    ours, theirs = socket.socketpair()
    with theirs:
        facts = {"handle": theirs.fileno(), "driver": os.getpid(), "memory": memory, "path": sys.path}
        process = subprocess.Popen(  # noqa: S603  # this interpreter and this module
            [sys.executable, "-c", _START, json.dumps(facts)],
            stdin=subprocess.DEVNULL,
            pass_fds=[theirs.fileno()],
            env={**os.environ, **WORKER_ENVIRONMENT},
            process_group=0,  # so that it can be ended with all that it starts, and a terminal's Ctrl-C passes it by
        )
    return _Worker(process, Connection(ours.detach()))


def _send(worker: _Worker[UnitType], unit: UnitType, root: Path, *, ahead: bool) -> bool:
    """Whether the unit went out; one that a worker cannot take ahead waits, and so does any for a worker that is gone."""
    task = pickle.dumps(Task(pickle.dumps(unit), root, str(Path.cwd()), tuple(sys.path)))
    if ahead and len(task) > _MOST_AHEAD:
        return False
    try:
        worker.pipe.send_bytes(task)
    except OSError:  # it has ended; whoever waits for it will notice
        return not ahead
    return True


def _receive(worker: _Worker[UnitType]) -> Answer | str | None:
    """What a worker says; None if it is gone."""
    try:
        said: Answer | str = worker.pipe.recv()
    except Exception:  # noqa: BLE001  # a torn message is as good as none
        return None
    worker.since = time.monotonic() if said == BEGUN else None
    return said


def _require_room(answer: Answer) -> Failure | None:
    """The failure of a unit, if any; an error that no unit would survive ends all."""
    if isinstance(answer.outcome, OSError):
        raise answer.outcome
    return answer.outcome


def _dismiss(worker: _Worker[UnitType], workers: list[_Worker[UnitType]], queue: _Queue[UnitType]) -> int:
    """End a worker; the units that it had ahead go to others. Its exit status."""
    workers.remove(worker)
    queue.put_back(worker.units)
    worker.units.clear()
    return worker.end()


def _end_all(workers: list[_Worker[UnitType]]) -> None:
    while workers:
        workers.pop().end()


def _name_exit(status: int) -> str:
    return f"{signal.Signals(-status).name}({status})" if status < 0 else f"EXIT({status})"


ONE_WORKER = LocalWorkers()
