"""Batches: every burst once an epoch, the same for any number of workers, shared out between processes, resumable."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import pickle
import socket
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from manifests import BurstQualityDataset, collate_bursts
from manifests.errors import MissingManifestError, SelectionError
from manifests.loading.augment import RandomCrop, RandomFlip, compose
from manifests.loading.batches import BucketBatchSampler, BurstStream, plan_batches
from manifests.loading.ranking import DrawPairs
from manifests.loading.shared_arrays import ArrayFile
from manifests.operations.pack import pack_dataset
from manifests.schema import SPLITS
from manifests.store import read_dataset_table, table_path, write_table
from tests.tiny_dataset import LENGTHS

TRANSFORM = compose(RandomFlip(), RandomCrop(8, 8), DrawPairs(2))


@pytest.fixture(scope="module")
def packed(tiny_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "pack"
    pack_dataset(tiny_original, path)
    return path


def open_dataset(root: Path, **choices) -> BurstQualityDataset:
    return BurstQualityDataset(root, "all", ["denoise/nlm"], **{"transform": TRANSFORM, "seed": 5, **choices})


# -------------------------------------------------------------------------------------------------------------- batches


@given(
    st.lists(st.integers(0, 4), max_size=60),
    st.integers(1, 9),
    st.one_of(st.none(), st.tuples(*[st.integers(0, 99)] * 2)),
)
def test_every_member_once_and_buckets_apart(buckets: list[int], size: int, seed: tuple[int, int] | None) -> None:
    batches = plan_batches(np.array(buckets, np.int64), size, seed=seed)
    assert sorted(position for batch in batches for position in batch) == list(range(len(buckets)))
    assert all(0 < len(batch) <= size and len({buckets[position] for position in batch}) == 1 for batch in batches)
    short = Counter(buckets[batch[0]] for batch in batches if len(batch) < size)
    assert all(count == 1 for count in short.values())
    if seed is None:
        assert batches == sorted(batches, key=lambda batch: (buckets[batch[0]], batch))


@pytest.mark.parametrize("world_size", [1, 2, 3, 4])
@pytest.mark.parametrize("uneven", ["repeat", "drop", "keep"])
def test_ranks_share_an_epoch_out(tiny_original: Path, world_size: int, uneven) -> None:
    dataset = open_dataset(tiny_original)
    shares = [
        list(BucketBatchSampler(dataset, 1, seed=3, rank=rank, world_size=world_size, uneven=uneven))
        for rank in range(world_size)
    ]
    counts = Counter(position for share in shares for (position,) in share)
    lengths = {len(share) for share in shares}
    if uneven == "keep":
        assert counts == dict.fromkeys(range(5), 1)
    else:
        assert len(lengths) == 1
        assert set(counts) == set(range(5)) if uneven == "repeat" else set(counts.values()) == {1}


class Shapes:
    """What a sampler asks of a dataset."""

    def __init__(self, lengths: list[int]) -> None:
        self.shapes = np.array([[length, 1, 8, 8] for length in lengths], np.int64)

    def set_epoch(self, epoch: int) -> None:
        pass


@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=40),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 5),
    st.data(),
)
def test_each_burst_once_an_epoch_for_any_ranks_and_workers_after_any_stop(
    lengths: list[int], size: int, world_size: int, workers: int, data: st.DataObject
) -> None:
    counts: Counter = Counter()
    epoch = data.draw(st.integers(0, 3))
    for rank in range(world_size):
        choices = {"seed": 2, "rank": rank, "world_size": world_size, "uneven": "keep"}
        before, after = (BucketBatchSampler(Shapes(lengths), size, **choices) for _ in range(2))
        before.set_epoch(epoch)
        done = data.draw(st.integers(0, len(before)))
        counts.update(position for batch in itertools.islice(before, done) for position in batch)
        after.load_state_dict(before.state_dict(batches_done=done))
        shares = [itertools.islice(after.iterate(worker), worker, None, workers) for worker in range(workers)]
        counts.update(position for share in shares for batch in share for position in batch)
    assert counts == dict.fromkeys(range(len(lengths)), 1)


def test_buckets_are_of_one_size_and_similar_length(tiny_original: Path) -> None:
    dataset = open_dataset(tiny_original, transform=None)
    for step, expected in ((1, [[0], [1], [2], [3, 4]]), (2, [[0], [1], [2, 3, 4]])):
        sampler = BucketBatchSampler(dataset, 4, shuffle=False, length_step=step)
        assert sorted(sampler) == expected
    (batch,) = (
        collate_bursts([dataset[item] for item in batch]) for batch in BucketBatchSampler(dataset, 4) if len(batch) == 2
    )
    assert batch["mask"].all()


def test_epochs_differ_and_repeat(tiny_original: Path) -> None:
    sampler = BucketBatchSampler(open_dataset(tiny_original), 1)
    orders = []
    for epoch in range(6):
        sampler.set_epoch(epoch)
        orders.append(tuple(position for (position,) in sampler))
    assert len(set(orders)) > 3
    sampler.set_epoch(2)
    assert tuple(position for (position,) in sampler) == orders[2]


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"batch_size": 0}, "batch_size: expected at least 1"),
        ({"rank": 2, "world_size": 2}, r"rank: expected 0\.\.1"),
        ({"world_size": 0}, "world_size"),
        ({"length_step": 0}, "length_step"),
    ],
)
def test_impossible_choices(tiny_original: Path, choices, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BucketBatchSampler(open_dataset(tiny_original), **{"batch_size": 1, **choices})


# --------------------------------------------------------------------------------------- one stream, whoever produces it


def describe(batch) -> tuple:
    pixels = round(float(batch["frames"].double().sum()), 6), batch["pairs"].tolist()
    return tuple(batch["burst_id"]), tuple(batch["frames"].shape), *pixels


def make_loader(root: Path, kind: str, workers: int, *, persistent: bool = False):
    dataset = open_dataset(root)
    sampler = BucketBatchSampler(dataset, 2, seed=1)
    workers_of = {"num_workers": workers, "persistent_workers": persistent}
    if kind == "stream":
        return sampler, DataLoader(BurstStream(dataset, sampler), batch_size=None, **workers_of)
    return sampler, DataLoader(dataset, batch_sampler=sampler, collate_fn=collate_bursts, **workers_of)


def run_epochs(root: Path, kind: str, workers: int, *, persistent: bool = False) -> list[list[tuple]]:
    sampler, loader = make_loader(root, kind, workers, persistent=persistent)
    epochs = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        epochs.append([describe(batch) for batch in loader])
    return epochs


@pytest.mark.slow
def test_map_style_and_stream_agree_for_any_number_of_workers(tiny_original: Path, packed: Path) -> None:
    expected = run_epochs(tiny_original, "map", 0)
    assert len({str(epoch) for epoch in expected}) == 3  # the augmentation, if not the order, changes
    assert run_epochs(packed, "stream", 0) == expected
    assert run_epochs(packed, "stream", 2, persistent=True) == expected
    assert run_epochs(tiny_original, "map", 2, persistent=True) == expected
    assert run_epochs(packed, "stream", 1) == expected


@pytest.mark.parametrize("kind", ["map", "stream"])
def test_it_goes_on_in_mid_epoch(packed: Path, kind: str) -> None:
    expected = run_epochs(packed, kind, 0)[1]
    sampler, loader = make_loader(packed, kind, 2)
    sampler.set_epoch(1)
    first = []
    for done, batch in enumerate(loader, start=1):
        first.append(describe(batch))
        if done == 2:
            break
    state = pickle.loads(pickle.dumps(sampler.state_dict(batches_done=done)))
    resumed, rest = make_loader(packed, kind, 1)
    resumed.load_state_dict(state)
    assert len(resumed) == len(expected) - 2
    assert first + [describe(batch) for batch in rest] == expected
    again = resumed.state_dict(batches_done=1)
    assert again == {"epoch": 1, "first_batch": 3}


@pytest.mark.parametrize("workers", [0, 1])
def test_epochs_of_a_plain_loader_differ(tiny_original: Path, workers: int) -> None:
    dataset = open_dataset(tiny_original, transform=compose(RandomFlip(), RandomCrop(8, 8)))
    loader = DataLoader(dataset, num_workers=workers, collate_fn=collate_bursts)
    epochs = [[batch["frames"] for batch in loader] for _ in range(3)]
    for first, second in itertools.combinations(epochs, 2):
        assert any(not torch.equal(one, other) for one, other in zip(first, second, strict=True))
    dataset.set_epoch(1)
    again = [[batch["frames"] for batch in loader] for _ in range(2)]
    for told, expected in zip(again, epochs[1:], strict=True):
        assert all(torch.equal(one, other) for one, other in zip(told, expected, strict=True))


def run_by_itself(root: Path, workers: int, *, persistent: bool = False, context: str | None = None) -> list[dict]:
    """Three epochs of a plain loader that shuffles, of which nobody tells the dataset."""
    dataset = open_dataset(root, transform=compose(RandomFlip(), RandomCrop(8, 8)))
    settings = {"num_workers": workers, "persistent_workers": persistent, "multiprocessing_context": context}
    loader = DataLoader(dataset, shuffle=True, collate_fn=collate_bursts, **settings)
    return [{batch["burst_id"][0]: batch["frames"].numpy().tobytes() for batch in loader} for _ in range(3)]


@pytest.mark.slow
def test_a_plain_loader_augments_alike_whoever_works(tiny_original: Path) -> None:
    expected = run_by_itself(tiny_original, 0)
    assert len(expected[0]) == 5
    assert all(one != other for one, other in itertools.combinations(expected, 2))
    assert run_by_itself(tiny_original, 1) == expected
    assert run_by_itself(tiny_original, 2, persistent=True) == expected
    assert run_by_itself(tiny_original, 2, context="spawn") == expected


def test_epochs_of_a_sampler_differ_by_themselves(tiny_original: Path, packed: Path) -> None:
    told = run_epochs(tiny_original, "map", 0)
    for root, kind, workers in ((tiny_original, "map", 0), (packed, "stream", 0)):
        _, loader = make_loader(root, kind, workers)
        assert [[describe(batch) for batch in loader] for _ in range(3)] == told


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "workers", "persistent"), [("map", 2, False), ("stream", 2, False), ("stream", 2, True)]
)
def test_so_they_do_in_workers(tiny_original: Path, packed: Path, kind: str, workers: int, *, persistent: bool) -> None:
    sampler, loader = make_loader(packed, kind, workers, persistent=persistent)
    assert [[describe(batch) for batch in loader] for _ in range(3)] == run_epochs(tiny_original, "map", 0)
    assert sampler.state_dict(batches_done=1) == {"epoch": 2, "first_batch": 1}


def test_an_interrupted_epoch_is_followed_by_the_next(packed: Path) -> None:
    expected = run_epochs(packed, "map", 0)
    sampler, loader = make_loader(packed, "map", 0)
    sampler.load_state_dict({"epoch": 1, "first_batch": 2})
    assert len(sampler) == len(expected[1]) - 2
    assert [describe(batch) for batch in loader] == expected[1][2:]
    assert [describe(batch) for batch in loader] == expected[2]
    assert len(sampler) == len(expected[2])


def test_seeds_draw_other_augmentations(tiny_original: Path) -> None:
    frames = [open_dataset(tiny_original, seed=seed)[3]["frames"] for seed in range(6)]
    assert any(not torch.equal(frames[0], other) for other in frames[1:])
    assert torch.equal(frames[0], open_dataset(tiny_original, seed=0)[3]["frames"])


# ---------------------------------------------------------------------------------------------------------------- folds


def test_folds_take_the_place_of_splits(tiny: Path) -> None:
    rows = read_dataset_table(tiny, "splits").to_pylist()
    folds = {"phone-scene": 0, "scene-a": 1, "scene-b": 0, "scene-c": 1}
    write_table(tiny, table_path("splits"), SPLITS, [{**row, "fold": folds[row["scene_id"]]} for row in rows])
    names = {
        (split, fold): BurstQualityDataset(tiny, split, ["denoise/nlm"], fold=fold).burst_ids
        for split in ("train", "test")
        for fold in (0, 1)
    }
    assert names["test", 0] == names["train", 1] == ["phone-0", "tiny-2"]
    assert names["test", 1] == names["train", 0] == ["tiny-0", "tiny-1", "tiny-3"]
    with pytest.raises(SelectionError, match="no fold 2: there are 2 folds"):
        BurstQualityDataset(tiny, "train", ["denoise/nlm"], fold=2)
    with pytest.raises(SelectionError, match="split 'val' has no bursts"):
        BurstQualityDataset(tiny, "val", ["denoise/nlm"], fold=1)


# ----------------------------------------------------------------------------------------------------- memory, processes


def test_a_pickle_holds_no_rows(tiny_original: Path) -> None:
    dataset = open_dataset(tiny_original, transform=None)
    assert len(pickle.dumps(dataset)) < 4000
    data = pickle.dumps(dataset)
    assert pickle.loads(data).burst_ids == dataset.burst_ids
    del dataset
    with pytest.raises(MissingManifestError, match="gone with the process"):
        pickle.loads(data)


def _count_rows(dataset: BurstQualityDataset) -> None:
    assert len(dataset.burst_ids) == len(dataset) == 5


@pytest.mark.slow
def test_no_temporary_file_is_left_behind(tiny_original: Path, tmp_path: Path) -> None:
    code = (
        "import os, sys; from manifests import BurstQualityDataset; from torch.utils.data import DataLoader\n"
        "d = BurstQualityDataset(sys.argv[1], 'all', [])\n"
        "assert len(list(DataLoader(d, batch_size=None, num_workers=2))) == 5\n"
        "os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code, str(tiny_original)], check=False, env=environment)
    assert done.returncode == -9
    assert not list(tmp_path.iterdir())


def test_a_file_that_another_process_has_under_that_number_is_not_taken_for_it(tiny_original: Path) -> None:
    dataset = open_dataset(tiny_original, transform=None)
    state = pickle.dumps(dataset)
    place = dataset._shared.__getstate__()
    other = dataset._shared.__class__(ArrayFile.of({"numbers": np.zeros(3)})).__getstate__()
    assert (place.device, place.inode) != (other.device, other.inode)
    moved = pickle.dumps(place._replace(inode=place.inode + 1))
    shared = dataset._shared.__class__.__new__(dataset._shared.__class__)
    with pytest.raises(MissingManifestError, match="gone with the process"):
        shared.__setstate__(pickle.loads(moved))
    assert len(pickle.loads(state)) == 5


@pytest.mark.slow
def test_spawned_processes_map_the_same_file(tiny_original: Path) -> None:
    dataset = open_dataset(tiny_original, transform=None)
    process = multiprocessing.get_context("spawn").Process(target=_count_rows, args=(dataset,))
    process.start()
    process.join(60)
    assert process.exitcode == 0
    assert dataset.burst_ids


def _train(rank: int, world_size: int, port: int, root: str, queue) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world_size
    )
    try:
        model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(64, 1))
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        dataset = open_dataset(Path(root))
        sampler = BucketBatchSampler(dataset, 1, seed=2, rank=rank, world_size=world_size)
        seen = []
        for epoch in range(2):
            sampler.set_epoch(epoch)
            for batch in DataLoader(dataset, batch_sampler=sampler, collate_fn=collate_bursts):
                optimiser.zero_grad()
                model(batch["frames"][:, :, 0].flatten(2)).mean().backward()
                optimiser.step()
                seen.append((epoch, *batch["burst_id"]))
        weights = model.module.weight.detach().clone()
        gathered = [torch.empty_like(weights) for _ in range(world_size)]
        torch.distributed.all_gather(gathered, weights)
        queue.put((rank, seen, all(torch.equal(weights, other) for other in gathered)))
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.slow
def test_two_processes_train_on_shares_of_one_epoch(packed: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    context = multiprocessing.get_context("spawn")
    queue = context.Queue()
    processes = [context.Process(target=_train, args=(rank, 2, port, str(packed), queue)) for rank in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(100)  # what they put fits the pipe, so that they end before it is read
        assert process.exitcode == 0
    results = [queue.get(timeout=5) for _ in processes]
    assert all(equal for _, _, equal in results)
    for epoch in range(2):
        shares = [[name for number, name in seen if number == epoch] for _, seen, _ in results]
        assert [len(share) for share in shares] == [3, 3]
        counts = Counter(name for share in shares for name in share)
        assert set(counts) == {"phone-0", *LENGTHS}
        assert sorted(counts.values()) == [1, 1, 1, 1, 2]
