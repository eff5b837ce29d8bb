"""Write a tiny valid data set: four synthetic RAW bursts with truth, one ingested sRGB burst without, labels of two scenarios."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from PIL import Image

from manifests.confined.writing import write_file, write_text
from manifests.description import write_description
from manifests.documents.card import write_card
from manifests.images.appearance import hash_reference
from manifests.images.pixels import encode_png, quantise, write_png
from manifests.schema import BURSTS, FAILURES, FRAMES, LABELS, MARGINAL_ESTIMATORS, SPLITS
from manifests.seal import seal_dataset
from manifests.splits import SplitFractions, SplitPlan, plan_splits
from manifests.store import labels_path, read_dataset_table, table_path, write_table

SIDE = 16
LENGTHS = {"tiny-0": 2, "tiny-1": 3, "tiny-2": 4, "tiny-3": 4}
REFERENCES = {"tiny-0": 0, "tiny-1": 1, "tiny-2": 0, "tiny-3": 3}
SCENES = {"tiny-0": "scene-a", "tiny-1": "scene-a", "tiny-2": "scene-b", "tiny-3": "scene-c"}
INGESTED = "phone-0"
INGESTED_ORIENTATIONS = (1, 6, 3)
FRACTIONS = SplitFractions(train=0.5, val=0.0, test=0.5)
SALT = "tiny"
SCENARIOS = {"denoise/mean": ("add_one", "leave_one_out"), "denoise/nlm": ("solo",)}
BLACK, WHITE = 4096.0, 65535.0


def write_tiny_dataset(root: Path) -> Path:
    """Write the data set into `root` and return it; equal calls give equal bytes."""
    root.mkdir(parents=True, exist_ok=True)
    random = np.random.Generator(np.random.Philox(7))
    bursts: list[dict[str, Any]] = []
    frames: list[dict[str, Any]] = []
    for burst_id in LENGTHS:
        _write_synthetic_burst(root, burst_id, random, bursts, frames)
    _write_ingested_burst(root, random, bursts, frames)
    for burst in bursts:
        own = [frame for frame in frames if frame["burst_id"] == burst["burst_id"]]
        burst["perceptual_hash"] = hash_reference(root, burst, own)
    write_table(root, table_path("bursts"), BURSTS, bursts)
    write_table(root, table_path("frames"), FRAMES, frames)
    for scenario, estimators in SCENARIOS.items():
        rows = [
            row
            for burst_id in LENGTHS
            for estimator in estimators
            for row in make_label_rows(burst_id, scenario, estimator, random)
        ]
        write_table(root, labels_path(scenario), LABELS, rows)
    table = read_dataset_table(root, "bursts")
    write_table(root, table_path("splits"), SPLITS, plan_splits(table, SplitPlan(fractions=FRACTIONS, salt=SALT)))
    write_table(root, table_path("failures"), FAILURES, [_make_failure()])
    write_text(root, "recipe.toml", '[dataset]\nname = "tiny"\n')
    finish_description(root)
    return root


def finish_description(root: Path) -> None:
    """Write DATASET.md and dataset.json for the manifests that are there now."""
    write_description(root, make_description())
    write_card(root)
    seal(root)


def seal(root: Path) -> None:
    """Record the digests of tables and documents as they are now."""
    seal_dataset(root, make_description())


def make_description() -> dict[str, Any]:
    """`dataset.json` as a builder writes it, but for the digests of the manifests."""
    return {
        "name": "tiny",
        "recipe": {"dataset": {"name": "tiny", "seed": 7}, "splits": {"train": 0.5, "test": 0.5}},
        "software": {"buiqa-toolkit": "0.1.0", "numpy": "2"},
        "totals": {"bursts": 5, "frames": 16, "labels": 31, "scenarios": 2, "failures": 1},
        "metrics": {"psnr": {"name": "psnr", "version": "1", "unit": "dB", "border": 0, "cap": 100.0}},
        "estimators": {
            "leave_one_out": "v(N) − v(N∖{i})",
            "add_one": "v({i}) − v(∅)",
            "solo": "Q(restore(i), truth on the grid of i)",
        },
        "scenarios": {
            scenario: {
                "task": "denoise",
                "summary": "made-up | numbers",
                "paper": "",
                "output_domain": "raw_bayer",
                "scale": 1,
                "missing_frames": "any_length",
                "license": "Apache-2.0",
                "fingerprint": _digest(scenario),
            }
            for scenario in SCENARIOS
        },
    }


def make_label_rows(
    burst_id: str, scenario: str, estimator: str, random: np.random.Generator, *, metric: str = "psnr"
) -> list[dict[str, Any]]:
    """Rows of one burst with made-up scores of one decimal, so that ties happen."""
    num_frames, reference = LENGTHS[burst_id], REFERENCES[burst_id]
    score = pd.Series(np.round(random.normal(0, 0.3, num_frames), 1) + 0.0)
    if estimator in MARGINAL_ESTIMATORS:
        score[reference] = np.nan
    rank = score.rank(method="min", ascending=False)
    spread = score.max() - score.min()
    norm = (score - score.min()) / spread if spread > 0 else score * 0 + 0.5
    return [
        {
            "burst_id": burst_id,
            "estimator": estimator,
            "metric": metric,
            "frame_index": index,
            "scenario": scenario,
            "score": None if np.isnan(score[index]) else float(score[index]),
            "std_error": None if np.isnan(score[index]) else 0.0,
            "noise_error": None,
            "unit": "dB",
            "rank": None if np.isnan(score[index]) else int(rank[index]),
            "score_norm": None if np.isnan(score[index]) else float(norm[index]),
            "num_evaluations": 0 if np.isnan(score[index]) else 2,
            "reason": None,
            "label_key": _digest(f"{burst_id}{scenario}{estimator}{metric}"),
            "restorer_fingerprint": _digest(scenario),
        }
        for index in range(num_frames)
    ]


def make_burst_row(burst_id: str, **changes: Any) -> dict[str, Any]:
    """A row of `bursts` for a synthetic RAW burst, with some columns changed."""
    return {
        "burst_id": burst_id,
        "source": "tiny",
        "scene_id": SCENES.get(burst_id, burst_id),
        "origin_path": f"{burst_id}.png",
        "origin_sha256": _digest(f"origin {burst_id}"),
        "burst_key": _digest(f"key {burst_id}"),
        "seed": _digest(f"seed {burst_id}"),
        "preset": "test",
        "camera": "mixed",
        "crop": None,
        "lens_shading": None,
        "lens_shading_size": None,
        "reference_rule": None,
        "ground_truth_method": None,
        "ground_truth_mask_path": None,
        "ground_truth_mask_sha256": None,
        "official_split": None,
        "num_frames": LENGTHS.get(burst_id, 1),
        "reference_index": REFERENCES.get(burst_id, 0),
        "height": SIDE,
        "width": SIDE,
        "domain": "raw_bayer",
        "cfa": "RGGB",
        "black_level": BLACK,
        "white_level": WHITE,
        "white_balance": [2.0, 1.0, 1.5],
        "color_matrix": [1.0, 0, 0, 0, 1, 0, 0, 0, 1],
        "scale": 1,
        "ground_truth_path": f"frames/tiny/{burst_id}/ground_truth.png",
        "ground_truth_sha256": _digest(f"truth {burst_id}"),
        "ground_truth_white": 1.0,
        "ground_truth_kind": "exact",
        "license": "CC0-1.0",
        "perceptual_hash": None,
        **changes,
    }


def make_frame_row(burst_id: str, index: int, **changes: Any) -> dict[str, Any]:
    """A row of `frames` with what is known of a synthetic frame, with some columns changed."""
    return {
        "burst_id": burst_id,
        "frame_index": index,
        "path": f"frames/tiny/{burst_id}/{index:02d}.png",
        "sha256": _digest(f"{burst_id} {index}"),
        "is_reference": index == REFERENCES.get(burst_id, 0),
        "orientation": 1,
        "timestamp": 0.1 * index,
        "captured_at": None,
        "exposure_ratio": 1.0,
        "exposure_time": 0.01,
        "iso": None,
        "f_number": None,
        "origin_black_level": None,
        "origin_white_level": None,
        "gain": 1.0,
        "shot_noise": 1e-3,
        "read_noise": 1e-5,
        "homography": [1.0, 0, 0, 0, 1, 0, 0, 0, 1],
        "displacement": 0.0,
        "blur_length": 0.5,
        "blur_angle": 0.0,
        "trajectory": [0.0, 0.0, 0.0, 0.5, 0.0, 0.0],
        "row_noise": 0.0,
        "rolling_shutter": [0.0, 0.0],
        "defocus": 0.0,
        "focus": None,
        "occlusion": 0.0,
        "object_shift": None,
        "mask_path": None,
        "mask_sha256": None,
        "outlier": None,
        "white_balance_error": None,
        "sharpening": None,
        "jpeg_quality": None,
        "origin_name": None,
        "sharpness": None,
        "estimated": None,
        **changes,
    }


def _write_synthetic_burst(
    root: Path,
    burst_id: str,
    random: np.random.Generator,
    bursts: list[dict[str, Any]],
    frames: list[dict[str, Any]],
) -> None:
    # Two scales of ground-truth pixels per frame pixel, so that both are exercised.
    scale = 2 if burst_id == "tiny-3" else 1
    truth = quantise(random.uniform(0.1, 0.9, (SIDE * scale, SIDE * scale, 3)))
    truth_path = f"frames/tiny/{burst_id}/ground_truth.png"
    bursts.append(
        make_burst_row(
            burst_id,
            scale=scale,
            ground_truth_path=truth_path,
            ground_truth_sha256=_hash(write_png(root, truth_path, truth)),
        )
    )
    for index in range(LENGTHS[burst_id]):
        row = make_frame_row(burst_id, index)
        mosaic = random.integers(int(BLACK), int(WHITE), (SIDE, SIDE)).astype(np.uint16)
        mosaic[0, :2] = BLACK - 200, WHITE  # noisy RAW goes below black and reaches white
        frames.append({**row, "sha256": _hash(write_png(root, row["path"], mosaic))})


def _write_ingested_burst(
    root: Path, random: np.random.Generator, bursts: list[dict[str, Any]], frames: list[dict[str, Any]]
) -> None:
    height, width = 12, 20
    unknown = dict.fromkeys(
        (
            "exposure_ratio", "exposure_time", "gain", "shot_noise", "read_noise", "homography", "displacement",
            "blur_length", "blur_angle", "trajectory", "occlusion", "timestamp", "row_noise", "rolling_shutter", "defocus",
        )
    )  # fmt: skip
    for index, orientation in enumerate(INGESTED_ORIENTATIONS):
        turned = orientation >= 5
        pixels = random.integers(0, 256, (width, height, 3) if turned else (height, width, 3)).astype(np.uint8)
        path = f"frames/phone/{INGESTED}/{index:02d}.{'jpg' if turned else 'png'}"
        data = _encode_jpeg(pixels) if turned else encode_png(pixels)
        write_file(root, path, data)
        known = {"captured_at": "2020-01-01T00:00:00", "iso": 100.0, "f_number": 1.8}
        frames.append(
            make_frame_row(
                INGESTED,
                index,
                **{**unknown, **known, "path": path, "sha256": _hash(data), "orientation": orientation},
            )
        )
    bursts.append(
        make_burst_row(
            INGESTED,
            source="phone",
            scene_id="phone-scene",
            seed=None,
            preset="ingested",
            camera=None,
            num_frames=len(INGESTED_ORIENTATIONS),
            height=height,
            width=width,
            domain="srgb",
            cfa=None,
            black_level=0.0,
            white_level=255.0,
            white_balance=None,
            color_matrix=None,
            ground_truth_path=None,
            ground_truth_sha256=None,
            ground_truth_kind="none",
            license="proprietary",
        )
    )


def _make_failure() -> dict[str, Any]:
    return {
        "stage": "bursts",
        "source": "tiny",
        "burst_id": "broken",
        "scenario": "",
        "estimator": None,
        "metric": None,
        "frame_index": None,
        "error_type": "ImageFileError",
        "message": "broken.png: cannot be read | restore it",
        "attempts": 1,
    }


def _encode_jpeg(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def _digest(text: str) -> str:
    return _hash(text.encode())


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
