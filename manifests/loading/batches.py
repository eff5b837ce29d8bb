"""Which bursts make a batch: without padding where it can be helped, the same on every machine, shared out, resumable."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, Sampler, get_worker_info

from manifests.loading.dataset import BurstQualityDataset
from manifests.loading.items import BurstBatch, BurstItem, collate_bursts

Uneven = Literal["repeat", "drop", "keep"]


_MOST_WORKERS = 1024


class BucketBatchSampler(Sampler[list[int]]):
    """Batches of bursts of one size and similar length, for `DataLoader(batch_sampler=…)`.

    The batches of an epoch depend on the seed and the epoch alone; each rank takes every `world_size`-th of them. Each iteration gives the
    epoch after that of the one before, unless `set_epoch` or `load_state_dict` said otherwise in between.

    Args:
        dataset: whose bursts are batched; it is told of every epoch.
        batch_size: bursts in a batch; those left over in a bucket make a smaller one.
        seed: seed of the order.
        rank: rank of this process, as `torch.distributed.get_rank()`.
        world_size: number of processes.
        shuffle: whether order and company change from epoch to epoch; otherwise sorted.
        length_step: bursts whose lengths differ by less than this share a bucket; 1 leaves nothing to pad.
        uneven: what to do where batches do not share out evenly: `repeat` some of the first, `drop` the last, or `keep` ranks of
            unequal number, which suits evaluation only, for DistributedDataParallel would wait for ever.

    Raises:
        ValueError: if a number is out of range.
    """

    def __init__(
        self,
        dataset: BurstQualityDataset,
        batch_size: int,
        *,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        shuffle: bool = True,
        length_step: int = 1,
        uneven: Uneven = "repeat",
    ) -> None:
        for name, value in (("batch_size", batch_size), ("world_size", world_size), ("length_step", length_step)):
            if value < 1:
                raise ValueError(f"{name}: expected at least 1, got {value}")
        if not 0 <= rank < world_size:
            raise ValueError(f"rank: expected 0..{world_size - 1}, got {rank}")
        self._dataset = dataset
        self._batch_size, self._seed, self._shuffle, self._uneven = batch_size, seed, shuffle, uneven
        self._rank, self._world_size = rank, world_size
        shapes = dataset.shapes.copy()
        shapes[:, 0] = -(-shapes[:, 0] // length_step)
        self._buckets: NDArray[np.int64] = np.unique(shapes, axis=0, return_inverse=True)[1].ravel()
        # Shared, so that workers that outlive an epoch learn of the next one: epoch and first batch that somebody chose, and how many
        # iterations each process has begun since; of streams, every worker iterates for itself.
        self._position = torch.zeros(2, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]
        self._begun = torch.zeros(_MOST_WORKERS, dtype=torch.int64).share_memory_()  # type: ignore[no-untyped-call]

    def __len__(self) -> int:
        """Number of batches of this rank in the current epoch that were still to come when it began."""
        epoch, first_batch = self._locate()
        return max(len(self._plan(epoch)) - first_batch, 0)

    def __iter__(self) -> Iterator[list[int]]:
        """Batches of this rank in the next epoch, or in the one that was chosen, from the first that is still to come."""
        return self.iterate(0)

    def iterate(self, worker: int) -> Iterator[list[int]]:
        """The same in one of several workers that all iterate. The epoch begins when the first batch is asked for.

        Args:
            worker: its number.
        """
        # DataLoader asks for an iterator more often than it uses one, so that only the first batch counts.
        self._begun[worker] += 1
        epoch, first_batch = self._locate(worker)
        self._dataset.set_epoch(epoch)
        yield from self._plan(epoch)[first_batch:]

    def set_epoch(self, epoch: int, *, first_batch: int = 0) -> None:
        """Choose what the next iteration gives.

        Args:
            epoch: draws another order, and other random numbers for the dataset's transform.
            first_batch: number of batches of this rank to leave out, for those of an interrupted epoch that are done.
        """
        self._position[0], self._position[1] = epoch, first_batch
        self._begun.zero_()
        self._dataset.set_epoch(epoch)

    def state_dict(self, *, batches_done: int) -> dict[str, int]:
        """What `load_state_dict` needs to go on.

        Args:
            batches_done: since the iteration began; workers run ahead, so only the training loop knows.
        """
        epoch, first_batch = self._locate()
        return {"epoch": epoch, "first_batch": first_batch + batches_done}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on in mid-epoch."""
        self.set_epoch(state["epoch"], first_batch=state["first_batch"])

    def _locate(self, worker: int = 0) -> tuple[int, int]:
        """Epoch that was begun last, or will be begun first, and its first batch."""
        later = max(int(self._begun[worker]) - 1, 0)
        return int(self._position[0]) + later, 0 if later else int(self._position[1])

    def _plan(self, epoch: int) -> list[list[int]]:
        seed = (self._seed, epoch) if self._shuffle else None
        batches = plan_batches(self._buckets, self._batch_size, seed=seed)
        rest = len(batches) % self._world_size
        if rest and self._uneven == "drop":
            batches = batches[: len(batches) - rest]
        elif rest and self._uneven == "repeat":
            batches += [batches[number % len(batches)] for number in range(self._world_size - rest)]
        return batches[self._rank :: self._world_size]


class BurstStream(IterableDataset[BurstBatch]):
    """The batches of a sampler as an iterable dataset, for `DataLoader(stream, batch_size=None, num_workers=…)`.

    Worker w of n makes the batches w, w + n, w + 2n, …, which the DataLoader puts back in order: the stream is the same for any
    number of workers.

    Args:
        dataset: the data set that the sampler was given.
        sampler: which bursts, in which order; `set_epoch` on it applies to the stream too.
        collate: makes a batch of items.
    """

    def __init__(
        self,
        dataset: BurstQualityDataset,
        sampler: BucketBatchSampler,
        collate: Callable[[Sequence[BurstItem]], BurstBatch] = collate_bursts,
    ) -> None:
        self._dataset, self._sampler, self._collate = dataset, sampler, collate

    def __iter__(self) -> Iterator[BurstBatch]:
        """Batches of this worker."""
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        for batch in itertools.islice(self._sampler.iterate(first), first, None, step):
            yield self._collate([self._dataset[item] for item in batch])


def plan_batches(buckets: NDArray[np.int64], batch_size: int, *, seed: tuple[int, int] | None) -> list[list[int]]:
    """Batches of members of one bucket each.

    Args:
        buckets: bucket of each member, int64 [N].
        batch_size: members in a batch; the last of a bucket may be smaller.
        seed: seed of the order of members and of batches; None for sorted order.

    Returns:
        Lists of positions, together 0..N-1, each once.
    """
    order = np.arange(len(buckets))
    random = None
    if seed is not None:
        random = np.random.Generator(np.random.Philox(np.random.SeedSequence(seed)))
        random.shuffle(order)
    order = order[np.argsort(buckets[order], kind="stable")]
    starts = np.flatnonzero(np.diff(buckets[order], prepend=-1)).tolist()
    batches = [
        order[first : min(first + batch_size, stop)].tolist()
        for start, stop in itertools.pairwise([*starts, len(order)])
        for first in range(start, stop, batch_size)
    ]
    if random is not None:
        return [batches[number] for number in random.permutation(len(batches))]
    return batches
