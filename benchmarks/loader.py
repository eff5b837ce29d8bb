"""Loading and verifying against the least that such work can cost, each pair timed in turns in one run.

Run with `python -m benchmarks.loader`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.loader_memory import measure_memory
from benchmarks.made_dataset import (
    BENCHMARK_BURSTS,
    BENCHMARK_FRAMES,
    BENCHMARK_LABELS,
    FRAMES_PER_BURST,
    write_benchmark_tables,
    write_images,
    write_tables,
)
from dataset_builder.export.hugging_face import export_hugging_face
from manifests.loading.dataset import BurstQualityDataset
from manifests.operations.pack import pack_dataset
from manifests.queries import select_labels
from manifests.verification.verify import verify

BURSTS_PER_ROUND = 40
ROUNDS = 9


def main() -> None:
    torch.set_num_threads(1)  # as in a worker of a DataLoader
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        measure_tables(Path(folder) / "tables")
        measure_images(Path(folder) / "small", side=96, num_bursts=2000)
        measure_images(Path(folder) / "large", side=256, num_bursts=400)


def measure_tables(root: Path) -> None:
    """Time and memory of a data set of the size of the published benchmark."""
    write_benchmark_tables(root)
    seconds = min(time_call(lambda: BurstQualityDataset(root, "train")) for _ in range(ROUNDS))
    first = BurstQualityDataset(root, None)
    assert first.lengths.sum() == BENCHMARK_FRAMES
    print(
        f"construction, {BENCHMARK_BURSTS} bursts, {BENCHMARK_FRAMES} frames, {BENCHMARK_LABELS} labels: "
        f"{seconds:.3f} s (bar: 1 s)"
    )
    query = min(time_call(lambda: select_labels(root, "task/s3", split="test")) for _ in range(ROUNDS))
    print(f"labels of one scenario and split: {1000 * query:.1f} ms (bar: 50 ms)")
    measure_memory(first)


def measure_images(root: Path, *, side: int, num_bursts: int) -> None:
    """Bursts per second against decoding from memory, and verification against bare hashing."""
    print(f"{num_bursts} bursts of {FRAMES_PER_BURST} frames of {side} x {side}")
    contents = list(write_images(root, side, num_bursts))
    hashes = [hashlib.sha256(data).hexdigest() for data in contents]
    write_tables(root, np.full(num_bursts, FRAMES_PER_BURST), side=side, hashes=hashes)
    measure_loading(root, [np.frombuffer(data, np.uint8) for data in contents])
    measure_verification(root)


def measure_loading(root: Path, encoded: list[np.ndarray]) -> None:
    dataset = BurstQualityDataset(root, None)
    order = np.random.default_rng(1).permutation(len(dataset))[:BURSTS_PER_ROUND].tolist()
    frames = [burst * FRAMES_PER_BURST + frame for burst in order for frame in range(FRAMES_PER_BURST)]

    def decode() -> None:
        for frame in frames:
            cv2.imdecode(encoded[frame], cv2.IMREAD_UNCHANGED)

    def load() -> None:
        for burst in order:
            dataset[burst]

    report("loading from PNG against decoding the same bytes from memory", decode, load, bar=0.9)
    pack_dataset(root, root / "pack")
    packed = BurstQualityDataset(root / "pack", None)
    torch.testing.assert_close(packed[order[0]]["frames"], dataset[order[0]]["frames"], rtol=0, atol=0)

    # All bursts in random order: a few would stay in the processor's cache.
    everything = np.random.default_rng(2).permutation(len(dataset)).tolist()[:1000]
    codes = np.stack([cv2.imdecode(data, cv2.IMREAD_UNCHANGED) for data in encoded[: FRAMES_PER_BURST * len(dataset)]])
    codes = codes.reshape(len(dataset), FRAMES_PER_BURST, 1, *codes.shape[1:])

    def copy() -> None:
        for burst in everything:
            codes[burst].astype(np.float32)

    def load_packed() -> None:
        for burst in everything:
            packed[burst]

    speed = report("loading from a pack against copying from memory to float32", copy, load_packed, bar=0.5)
    print(f"  {len(everything) / speed:.0f} bursts/s from the pack")
    compare_with_hugging_face(root, load, lambda: [packed[burst] for burst in order], order)


def compare_with_hugging_face(
    root: Path, load: Callable[[], object], load_packed: Callable[[], object], order: list[int]
) -> None:
    import datasets

    datasets.disable_progress_bars()
    export_hugging_face(root, root / "hf")
    exported = datasets.load_dataset(str(root / "hf"), cache_dir=str(root / "cache"))
    rows = datasets.concatenate_datasets(list(exported.values())).select_columns(["frames", "labels"])

    def load_exported() -> None:
        for burst in order:
            np.stack([np.asarray(image, np.float32) for image in rows[burst]["frames"]])

    seconds = report("loading from PNG against Hugging Face datasets over its export", load_exported, load, bar=1)
    print(f"  {len(order) / seconds:.0f} bursts/s from PNG")
    report("loading from a pack against Hugging Face datasets over its export", load_exported, load_packed, bar=15)


def measure_verification(root: Path) -> None:
    for name in ("pack", "hf", "cache"):  # no part of the data set
        (root / name).rename(root / f".{name}")
    paths = sorted((root / "frames").rglob("*.png"))
    batches = [paths[start : start + 32] for start in range(0, len(paths), 32)]

    def hash_files(some: list[Path]) -> list[str]:
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in some]

    def hash_in_threads() -> None:
        with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
            list(pool.map(hash_files, batches))

    def check() -> None:
        assert verify(root) == []

    report("verifying against SHA-256 of the same files, one by one", lambda: hash_files(paths), check, bar=0.8)
    report("verifying against SHA-256 of the same files, in threads", hash_in_threads, check, bar=0.8)


def time_call(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def report(name: str, least: Callable[[], object], ours: Callable[[], object], *, bar: float) -> float:
    """Print the ratio of speeds: best of several rounds, taken in turns so that both see the same machine; return our time."""
    rounds = [(time_call(least), time_call(ours)) for _ in range(ROUNDS)]
    base, mine = (min(times) for times in zip(*rounds, strict=True))
    print(f"{name}: {base / mine:.2f} of its speed (bar: {bar})", flush=True)
    return mine


if __name__ == "__main__":
    main()
