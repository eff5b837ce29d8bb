"""Loading and verifying against the least that such work can cost, each pair timed in turns in one run.

Run with `python -m benchmarks.loader`.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from manifests.loader import BurstQualityDataset
from manifests.pixels import encode_png
from manifests.schema import BURSTS, FAILURES, FRAMES, LABELS, SPLITS, TableSchema
from manifests.splits import SplitFractions, build_split_rows
from manifests.store import labels_path, table_path, write_description, write_table
from manifests.verify import verify

FRAMES_PER_BURST = 14
BENCHMARK_BURSTS, BENCHMARK_FRAMES, BENCHMARK_LABELS, BENCHMARK_SCENARIOS = 7346, 45827, 200_000, 10
BURSTS_PER_ROUND = 40
ROUNDS = 9


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        measure_construction(Path(folder) / "tables")
        measure_images(Path(folder) / "small", side=96, num_bursts=2000)
        measure_images(Path(folder) / "large", side=256, num_bursts=400)


def measure_construction(root: Path) -> None:
    """Time to open a data set of the size of the published benchmark."""
    lengths = np.full(BENCHMARK_BURSTS, BENCHMARK_FRAMES // BENCHMARK_BURSTS)
    lengths[: BENCHMARK_FRAMES - lengths.sum()] += 1
    write_tables(root, lengths, side=96, hashes=[""] * BENCHMARK_FRAMES)
    rows = BENCHMARK_LABELS // BENCHMARK_SCENARIOS
    owners = np.repeat(np.arange(BENCHMARK_BURSTS), lengths)[:rows]
    inside = np.concatenate([np.arange(length) for length in lengths])[:rows]
    for number in range(BENCHMARK_SCENARIOS):
        values = {
            "burst_id": name_bursts(owners),
            "frame_index": inside.astype(np.int32),
            "scenario": [f"task/s{number}"] * rows,
            "estimator": ["solo"] * rows,
            "metric": ["psnr"] * rows,
            "score": np.random.default_rng(number).normal(size=rows),
        }
        write_table(labels_path(root, f"task/s{number}"), LABELS, fill_table(LABELS, values, rows))
    seconds = min(time_call(lambda: BurstQualityDataset(root, "train")) for _ in range(ROUNDS))
    first = BurstQualityDataset(root, None)
    assert first.lengths.sum() == BENCHMARK_FRAMES
    assert len(first.scenarios) == BENCHMARK_SCENARIOS
    print(
        f"construction, {BENCHMARK_BURSTS} bursts, {BENCHMARK_FRAMES} frames, {BENCHMARK_LABELS} labels: "
        f"{seconds:.3f} s (bar: 1 s)"
    )


def measure_images(root: Path, *, side: int, num_bursts: int) -> None:
    """Bursts per second against decoding from memory, and verification against bare hashing."""
    print(f"{num_bursts} bursts of {FRAMES_PER_BURST} frames of {side} x {side}")
    contents = list(write_images(root, side, num_bursts))
    hashes = [hashlib.sha256(data).hexdigest() for data in contents]
    write_tables(root, np.full(num_bursts, FRAMES_PER_BURST), side=side, hashes=hashes)
    measure_loading(root, [np.frombuffer(data, np.uint8) for data in contents])
    measure_verification(root)


def write_images(root: Path, side: int, num_bursts: int) -> Iterator[bytes]:
    """Write noisy mosaics as PNG and yield the bytes of each."""
    random = np.random.default_rng(0)
    for burst in range(num_bursts):
        scene = cv2.resize(random.uniform(0.1, 0.7, (12, 12)), (side, side), interpolation=cv2.INTER_CUBIC)
        for frame in range(FRAMES_PER_BURST):
            noisy = scene + random.normal(0, 0.02, (side, side))
            path = root / name_frame(burst, frame)
            path.parent.mkdir(parents=True, exist_ok=True)
            data = encode_png((noisy.clip(0, 1) * 65535).astype(np.uint16))
            path.write_bytes(data)
            yield data


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


def measure_verification(root: Path) -> None:
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


def write_tables(root: Path, lengths: np.ndarray, *, side: int, hashes: list[str]) -> None:
    """Tables of a data set of RAW bursts; columns that nothing here looks at hold zeros."""
    owners = np.repeat(np.arange(len(lengths)), lengths)
    inside = np.concatenate([np.arange(length) for length in lengths])
    bursts = {
        "burst_id": name_bursts(np.arange(len(lengths))),
        "scene_id": name_bursts(np.arange(len(lengths))),
        "origin_sha256": ["0" * 64] * len(lengths),
        "burst_key": ["0" * 64] * len(lengths),
        "num_frames": lengths.astype(np.int32),
        "height": np.full(len(lengths), side, np.int32),
        "width": np.full(len(lengths), side, np.int32),
        "domain": ["raw_bayer"] * len(lengths),
        "cfa": ["RGGB"] * len(lengths),
        "white_level": np.full(len(lengths), 65535.0),
        "scale": np.ones(len(lengths), np.int32),
        "ground_truth_kind": ["none"] * len(lengths),
    }
    frames = {
        "burst_id": name_bursts(owners),
        "frame_index": inside.astype(np.int32),
        "path": [name_frame(owner, frame) for owner, frame in zip(owners, inside, strict=True)],
        "sha256": hashes,
        "is_reference": inside == 0,
        "orientation": np.ones(len(owners), np.int32),
    }
    table = fill_table(BURSTS, bursts, len(lengths))
    write_table(table_path(root, "bursts"), BURSTS, table)
    write_table(table_path(root, "frames"), FRAMES, fill_table(FRAMES, frames, len(owners)))
    write_table(table_path(root, "splits"), SPLITS, build_split_rows(table, SplitFractions(), salt=""))
    write_table(table_path(root, "failures"), FAILURES, [])
    write_description(root, {})


def fill_table(kind: TableSchema, values: dict[str, object], num_rows: int) -> pa.Table:
    """A table of `num_rows` rows: the values given, null where that is allowed, else zero or no text."""
    columns = []
    for field in kind.schema:
        if field.name in values:
            columns.append(pa.array(values[field.name], field.type))
        elif field.nullable:
            columns.append(pa.nulls(num_rows, field.type))
        else:
            columns.append(pa.array([""] if pa.types.is_string(field.type) else [0], field.type).take([0] * num_rows))
    return pa.Table.from_arrays(columns, schema=kind.schema)


def name_bursts(numbers: np.ndarray) -> list[str]:
    return [f"b{number:05d}" for number in numbers]


def name_frame(burst: int, frame: int) -> str:
    return f"frames/source/b{burst:05d}/{frame:02d}.png"


def time_call(call: Callable[[], object]) -> float:
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def report(name: str, least: Callable[[], object], ours: Callable[[], object], *, bar: float) -> None:
    """Print the ratio of speeds: best of several rounds, taken in turns so that both see the same machine."""
    rounds = [(time_call(least), time_call(ours)) for _ in range(ROUNDS)]
    base, mine = (min(times) for times in zip(*rounds, strict=True))
    print(f"{name}: {base / mine:.2f} of its speed (bar: {bar})")


if __name__ == "__main__":
    main()
