"""Memory of worker processes that share one dataset, beyond the interpreter and what it imports."""

from __future__ import annotations

import multiprocessing
import pickle
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from manifests.loading.dataset import BurstQualityDataset
from manifests.loading.shared_arrays import ArrayFile, SharedArrays

WORKERS = 8
_PAGE = 4096
BAR = 1.3


def measure_memory(dataset: BurstQualityDataset) -> None:
    """Print what eight workers hold together against what one holds.

    Workers are spawned, so that they share nothing by inheritance, and touch every index and label. Memory is the proportional set
    size: what several processes share counts once.
    """
    data = pickle.dumps(dataset)
    totals = {count: sum(_run_workers(count, data)) for count in (1, WORKERS)}
    print(
        f"memory of {WORKERS} workers: {totals[WORKERS] / totals[1]:.2f} of that of one, {totals[WORKERS] / 2**20:.1f} MiB "
        f"against {totals[1] / 2**20:.1f} MiB (bar: {BAR})"
    )


def _run_workers(count: int, data: bytes) -> Iterator[int]:
    context = multiprocessing.get_context("spawn")
    barrier, queue = context.Barrier(count), context.Queue()
    workers = [context.Process(target=_hold, args=(data, barrier, queue)) for _ in range(count)]
    for worker in workers:
        worker.start()
    yield from [queue.get(timeout=120) for _ in workers]
    for worker in workers:
        worker.join()


def _hold(data: bytes, barrier: Barrier, queue: Any) -> None:
    # What the first use of a library brings into memory is no part of the dataset.
    small = SharedArrays(ArrayFile.of({"numbers": np.zeros(9), "text": pa.array(["a"])}))
    assert small["numbers"].sum() == 0
    barrier.wait(120)
    before = read_proportional_size()
    barrier.wait(120)
    dataset = pickle.loads(data)
    touch(dataset)
    barrier.wait(120)
    after = read_proportional_size()
    barrier.wait(120)
    queue.put(after - before)
    assert len(dataset)


def touch(dataset: BurstQualityDataset) -> int:
    """Read from every page of the index and the labels."""
    index, labels = dataset._index, dataset._labels  # noqa: SLF001  # what is public copies what it gives
    buffers = [labels[name] for name in ("values", "positions")]
    buffers += [getattr(index, name) for name in ("homography", "starts", "orientation", "height", "width", "cfa")]
    for column in (index.burst_ids, index.paths):
        buffers += [buffer for buffer in column.buffers() if buffer is not None]
    return sum(int(np.frombuffer(buffer, np.uint8)[::_PAGE].sum()) for buffer in buffers)


def read_proportional_size() -> int:
    """Proportional set size of this process, bytes."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) * 1024
