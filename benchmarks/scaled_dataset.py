"""Data sets of any size without pixels of their own: bursts of drawn scenes, as a recipe plans them, and labels of ten scenarios.

All frames are one file by many names, and so are all truths.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.made_dataset import FRAMES_PER_BURST, fill_table
from dataset_builder.bursts import plan_source
from dataset_builder.finish import _describe  # what a build would write
from dataset_builder.labeling.contents import hash_contents
from dataset_builder.labeling.scenarios import Definition, ResolvedScenario, resolve_scenarios
from dataset_builder.labeling.units import make_label_key
from dataset_builder.recipe import Recipe, parse_recipe
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.local import ONE_WORKER
from manifests.images.pixels import encode_png
from manifests.matching import BurstTables
from manifests.schema import BURSTS, FAILURES, FRAMES, LABELS, SPLITS
from manifests.schema.ranks import rank_scores
from manifests.seal import seal_dataset
from manifests.splits import plan_splits
from manifests.store import labels_path, table_path, write_table
from manifests.table_writer import open_writer

SCENARIOS = (
    "deblur/fourier", "demosaic/burst", "denoise/handheld", "denoise/hdrplus", "denoise/hdrplus@spatial", "denoise/mean",
    "denoise/robust_mean", "denoise/wavelet", "sr/backprojection@x2", "sr/handheld@x2",
)  # fmt: skip
_SIDE, _SCALE = 96, 2
_BURSTS_PER_SCENE = 14
_BURSTS_AT_ONCE = 4096
_LINKS = 60_000
"""Names that a file may have; ext4 allows 65,000."""


def make_recipe(num_bursts: int) -> Recipe:
    """The recipe of a data set."""
    most = 100_000 // 2  # scenes of a source
    scenes = num_bursts // _BURSTS_PER_SCENE
    sources = [
        {
            "kind": "scenes",
            "name": f"scenes{number}",
            "count": min(most, scenes - number * most),
            "first": number * most,
            "bursts_per_scene": _BURSTS_PER_SCENE,
            "scale": _SCALE,
        }
        for number in range(-(-scenes // most))
    ]
    scenarios = [
        {"name": name, "metrics": ["psnr"], "estimators": ["solo" if name == "denoise/wavelet" else "leave_one_out"]}
        for name in SCENARIOS
    ]
    return parse_recipe({"name": "scale", "seed": 1, "sources": sources, "scenarios": scenarios}, "scale")


def write_scaled_dataset(root: Path, num_bursts: int) -> None:
    """Write tables, labels, links and seal of a data set, as a build would have left it without its report."""
    root.mkdir(parents=True)
    recipe = make_recipe(num_bursts)
    units = [unit for source in recipe.sources for unit in _plan(root, recipe, source)]
    units.sort(key=lambda unit: unit.burst_id)
    scenarios = resolve_scenarios(recipe.scenarios)
    random = np.random.default_rng(0)
    splits = []
    with contextlib.ExitStack() as stack:
        writers = {
            kind.name: stack.enter_context(open_writer(root, table_path(kind.name), kind)) for kind in (BURSTS, FRAMES)
        }
        labels = {each.name: stack.enter_context(_open_labels(root, each)) for each in scenarios}
        rest = iter(units)
        while chosen := list(islice(rest, _BURSTS_AT_ONCE)):
            tables = _make_tables(chosen, random)
            writers["bursts"].write(tables.bursts)
            writers["frames"].write(tables.frames)
            splits.append(plan_splits(tables.bursts, recipe.splits.to_plan()))
            contents = hash_contents(tables)
            for scenario in scenarios:
                labels[scenario.name].write(_make_labels(scenario, tables, contents, random))
    write_table(root, table_path("splits"), SPLITS, pa.concat_tables(splits))
    write_table(root, table_path("failures"), FAILURES, [])
    (root / "recipe.toml").write_text("# made without a file\n")
    _link_images(root, units)
    seal_dataset(root, _describe(root, recipe))


def _plan(root: Path, recipe: Recipe, source: Any) -> Sequence[SynthesisUnit]:
    plan = plan_source(source, root, root, seed=recipe.seed, presets=recipe.presets, workers=ONE_WORKER)
    return [unit for unit in plan.units if isinstance(unit, SynthesisUnit)]


def _open_labels(root: Path, scenario: ResolvedScenario) -> Any:
    import json

    metadata = {"scenario": json.dumps(scenario.describe(), sort_keys=True)}
    return open_writer(root, labels_path(scenario.name), LABELS, metadata=metadata)


def _make_tables(units: Sequence[SynthesisUnit], random: np.random.Generator) -> BurstTables:
    count, total = len(units), len(units) * FRAMES_PER_BURST
    truths = [f"{unit.folder}/ground_truth.png" for unit in units]
    origins = [unit.origin.describe() for unit in units]
    bursts = {
        "burst_id": [unit.burst_id for unit in units],
        **{name: [origin[name] for origin in origins] for name in origins[0]},
        "burst_key": [unit.key for unit in units],
        "seed": [unit.seed for unit in units],
        "preset": [unit.source.preset for unit in units],
        "num_frames": np.full(count, FRAMES_PER_BURST, np.int32),
        "height": np.full(count, _SIDE, np.int32),
        "width": np.full(count, _SIDE, np.int32),
        "domain": ["raw_bayer"] * count,
        "cfa": ["RGGB"] * count,
        "black_level": np.full(count, 256.0),
        "white_level": np.full(count, 65535.0),
        "white_balance": pa.FixedSizeListArray.from_arrays(random.uniform(1, 2, 3 * count), 3),
        "scale": np.full(count, _SCALE, np.int32),
        "ground_truth_path": truths,
        "ground_truth_sha256": _draw_hex(random, count, 32),
        "ground_truth_white": np.ones(count),
        "ground_truth_kind": ["exact"] * count,
        "perceptual_hash": _draw_hex(random, count, 8),
    }
    inside = np.tile(np.arange(FRAMES_PER_BURST, dtype=np.int32), count)
    motion = random.normal(0, 1, (total, 9)) * [1e-3, 1e-3, 4, 1e-3, 1e-3, 4, 1e-6, 1e-6, 0] + np.eye(3).ravel()
    frames = {
        "burst_id": pa.array(bursts["burst_id"]).take(pa.array(np.repeat(np.arange(count), FRAMES_PER_BURST))),
        "frame_index": inside,
        "path": [f"{unit.folder}/{frame:02d}.png" for unit in units for frame in range(FRAMES_PER_BURST)],
        "sha256": _draw_hex(random, total, 32),
        "is_reference": inside == 0,
        "timestamp": np.tile(np.arange(FRAMES_PER_BURST) / 30.0, count),
        "orientation": np.ones(total, np.int32),
        "exposure_ratio": np.where(inside == 0, 1.0, random.uniform(0.9, 1.1, total)),
        "shot_noise": np.repeat(random.uniform(1e-4, 1e-2, count), FRAMES_PER_BURST),
        "read_noise": np.repeat(random.uniform(1e-6, 1e-4, count), FRAMES_PER_BURST),
        "homography": pa.FixedSizeListArray.from_arrays(motion.ravel(), 9),
        "displacement": random.uniform(0, 20, total),
        "blur_length": random.uniform(0, 5, total),
    }
    starts = np.arange(count + 1) * FRAMES_PER_BURST
    return BurstTables(fill_table(BURSTS, bursts, count), fill_table(FRAMES, frames, total), starts)


def _make_labels(
    scenario: ResolvedScenario, tables: BurstTables, contents: Sequence[str], random: np.random.Generator
) -> pa.Table:
    total = tables.frames.num_rows
    (definition,) = scenario.definitions
    score = tables.frames.column("blur_length").to_numpy() * -0.1 + random.normal(0, 0.2, total)
    if definition != Definition("solo", "psnr"):
        score[tables.frames.column("is_reference").to_numpy()] = np.nan
    owners = np.repeat(np.arange(len(contents)), FRAMES_PER_BURST)
    rank, scaled = rank_scores(score, "dB", owners)
    known = rank > 0
    keys = pa.array([make_label_key(content, scenario.fingerprint, definition) for content in contents])
    values = {
        "burst_id": tables.frames.column("burst_id").combine_chunks(),
        "estimator": pa.repeat(definition.estimator, total),
        "metric": pa.repeat(definition.metric, total),
        "frame_index": tables.frames.column("frame_index").combine_chunks(),
        "scenario": pa.repeat(scenario.name, total),
        "score": pa.array(score, mask=~known),
        "std_error": pa.array(np.zeros(total), mask=~known),
        "unit": pa.repeat("dB", total),
        "rank": pa.array(rank.astype(np.int32), mask=~known),
        "score_norm": pa.array(scaled, mask=~known),
        "num_evaluations": np.full(total, 15, np.int32),
        "label_key": keys.take(pa.array(owners)),
        "restorer_fingerprint": pa.repeat(scenario.fingerprint, total),
    }
    return fill_table(LABELS, values, total)


def _draw_hex(random: np.random.Generator, count: int, size: int) -> pa.StringArray:
    data = random.bytes(count * size).hex().encode()
    offsets = np.arange(count + 1, dtype=np.int32) * 2 * size
    return pa.StringArray.from_buffers(count, pa.py_buffer(offsets), pa.py_buffer(data))


def _link_images(root: Path, units: Sequence[SynthesisUnit]) -> None:
    random = np.random.default_rng(1)
    frame = random.integers(300, 60000, (_SIDE, _SIDE)).astype(np.uint16)
    truth = random.integers(300, 60000, (_SIDE * _SCALE, _SIDE * _SCALE, 3)).astype(np.uint16)
    names = [f"{number:02d}.png" for number in range(FRAMES_PER_BURST)]
    for kind, files, picture in (("frame", names, frame), ("truth", ["ground_truth.png"], truth)):
        data = encode_png(picture)
        sources = _repeat_files(root.parent / f"{kind}-of-{root.name}", data)
        for unit in units:
            folder = f"{root}/{unit.folder}"
            if kind == "frame":
                Path(folder).mkdir(parents=True, exist_ok=True)
            for name in files:
                os.link(next(sources), f"{folder}/{name}")


def _repeat_files(path: Path, data: bytes) -> Iterator[str]:
    """A file, as often as it may have a further name; then another of the same bytes."""
    while True:
        path.write_bytes(data)
        for _ in range(_LINKS):
            yield str(path)
        path.unlink()
