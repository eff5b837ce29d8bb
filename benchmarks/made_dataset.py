"""Data sets made for benchmarks: noisy mosaics in sound tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pyarrow as pa

from manifests.description import write_description
from manifests.images.pixels import encode_png
from manifests.schema import BURSTS, FAILURES, FRAMES, LABELS, SPLITS, TableSchema
from manifests.splits import SplitPlan, plan_splits
from manifests.store import labels_path, table_path, write_table

FRAMES_PER_BURST = 14
BENCHMARK_BURSTS, BENCHMARK_FRAMES, BENCHMARK_LABELS, BENCHMARK_SCENARIOS = 7346, 45827, 200_000, 10


def write_benchmark_tables(root: Path) -> None:
    """Tables of the size of the published benchmark, without images."""
    lengths = np.full(BENCHMARK_BURSTS, BENCHMARK_FRAMES // BENCHMARK_BURSTS)
    lengths[: BENCHMARK_FRAMES - lengths.sum()] += 1
    write_tables(root, lengths, side=96, hashes=["0" * 64] * BENCHMARK_FRAMES)
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
        write_table(root, labels_path(f"task/s{number}"), LABELS, fill_table(LABELS, values, rows))


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
        "ground_truth_white": np.ones(len(lengths)),
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
    write_table(root, table_path("bursts"), BURSTS, table)
    write_table(root, table_path("frames"), FRAMES, fill_table(FRAMES, frames, len(owners)))
    write_table(root, table_path("splits"), SPLITS, plan_splits(table, SplitPlan()))
    write_table(root, table_path("failures"), FAILURES, [])
    write_description(root, {})


def fill_table(kind: TableSchema, values: dict[str, object], num_rows: int) -> pa.Table:
    """A table of `num_rows` rows: the values given, null where that is allowed, else zeros."""
    columns = []
    for field in kind.schema:
        if field.name in values:
            columns.append(pa.array(values[field.name], field.type))
        elif field.nullable:
            columns.append(pa.nulls(num_rows, field.type))
        else:
            zero = "0" * (64 if field.name.endswith(("sha256", "key", "fingerprint")) else 1)
            columns.append(pa.array([zero if pa.types.is_string(field.type) else 0], field.type).take([0] * num_rows))
    return pa.Table.from_arrays(columns, schema=kind.schema)


def name_bursts(numbers: np.ndarray) -> list[str]:
    return [f"b{number:05d}" for number in numbers]


def name_frame(burst: int, frame: int) -> str:
    return f"frames/source/b{burst:05d}/{frame:02d}.png"
