"""A sound data set of made-up labels that follow the factors of their frames, and ways to spoil it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from manifests.confined.writing import write_text
from manifests.description import write_description
from manifests.images.appearance import hash_reference
from manifests.images.pixels import write_png
from manifests.schema import BURSTS, FAILURES, FRAMES, LABELS, SPLITS
from manifests.schema.ranks import rank_scores
from manifests.store import labels_path, read_dataset_table, read_table, table_path, write_table
from tests.tiny_dataset import make_burst_row, make_description, make_frame_row

SOURCES = ("alpha", "beta")
SCENES, BURSTS_PER_SCENE, FRAMES_PER_BURST, SIDE = 10, 2, 8, 32
SCENARIOS = {"denoise/mean": (1.0, 0.3), "sr/other@x2": (0.4, 1.0)}
"""How much noise and blur take from a frame's worth."""
BLACK, WHITE = 4096.0, 65535.0

Rows = list[dict[str, Any]]


def write_audit_dataset(
    root: Path, *, noise_of: dict[str, float] | None = None, stated_noise_of: dict[str, float] | None = None
) -> Path:
    """Write the data set; equal calls give equal bytes.

    Args:
        root: folder.
        noise_of: factor on the noise of the pixels, by source.
        stated_noise_of: the same for the noise that the manifest states.
    """
    random = np.random.Generator(np.random.Philox(11))
    bursts: Rows = []
    frames: Rows = []
    for source in SOURCES:
        for scene in range(SCENES):
            picture = _draw_scene(random)
            for number in range(BURSTS_PER_SCENE):
                _write_burst(
                    root,
                    random,
                    bursts,
                    frames,
                    place=(source, scene, number),
                    picture=picture,
                    noise_of=noise_of or {},
                    stated_noise_of=stated_noise_of or {},
                )
    write_table(root, table_path("bursts"), BURSTS, bursts)
    write_table(root, table_path("frames"), FRAMES, frames)
    for scenario, weights in SCENARIOS.items():
        rows = [
            row
            for estimator in ("leave_one_out", "add_one")
            for row in _make_labels(frames, scenario, estimator, weights, random)
        ]
        write_table(root, labels_path(scenario), LABELS, rows)
    write_table(root, table_path("splits"), SPLITS, [_make_split(row) for row in bursts])
    write_table(root, table_path("failures"), FAILURES, [])
    write_text(root, "recipe.toml", '[dataset]\nname = "made up"\n')
    write_description(root, make_description())
    return root


def change_labels(root: Path, scenario: str, change: Callable[[Rows, np.random.Generator], None]) -> None:
    """Rewrite the labels of a scenario after `change` had its way with the rows, whose ranks then follow the scores."""

    def change_and_rank(rows: Rows, random: np.random.Generator) -> None:
        change(rows, random)
        rank_rows(rows)

    alter_labels(root, scenario, change_and_rank)


def alter_labels(root: Path, scenario: str, change: Callable[[Rows, np.random.Generator], None]) -> None:
    """Rewrite the labels of a scenario as somebody does who edits the file by hand."""
    path = root / labels_path(scenario)
    rows = read_table(path.parent, path.name, LABELS).to_pylist()
    change(rows, np.random.Generator(np.random.Philox(5)))
    write_table(path.parent, path.name, LABELS, rows)


def rank_rows(rows: Rows) -> None:
    """Make `rank`, `score_norm` and `std_error` follow the scores."""
    groups: dict[tuple[str, ...], Rows] = {}
    for row in rows:
        groups.setdefault((row["burst_id"], row["estimator"], row["metric"]), []).append(row)
    for own in groups.values():
        scores = np.array([np.nan if row["score"] is None else row["score"] for row in own], np.float64)
        for row, rank, norm in zip(own, *rank_scores(scores, own[0]["unit"]), strict=True):
            known = bool(rank)
            row.update(rank=int(rank) if known else None, score_norm=float(norm) if known else None)
            row["std_error"] = row["std_error"] if known else None


def change_rows(root: Path, kind: Any, change: Callable[[Rows], None]) -> None:
    """Rewrite a table after `change` had its way with the rows."""
    rows = read_dataset_table(root, kind.name).to_pylist()
    change(rows)
    write_table(root, table_path(kind.name), kind, rows)


def copy_pictures(root: Path, source: str, target: str) -> None:
    """Make the frames of one burst those of another, slightly brighter, under their own names and hashes."""
    frames = read_dataset_table(root, "frames").to_pylist()
    own = [row for row in frames if row["burst_id"] == target]
    others = [row for row in frames if row["burst_id"] == source]
    for row, other in zip(own, others, strict=True):
        mosaic = cv2.imread(str(root / other["path"]), cv2.IMREAD_UNCHANGED).astype(np.float64)
        brighter = np.clip((mosaic - BLACK) * 1.1 + BLACK, 0, WHITE).astype(np.uint16)
        row["sha256"] = _write_frame(root, row["path"], brighter)
    write_table(root, table_path("frames"), FRAMES, frames)

    def rehash(bursts: Rows) -> None:
        burst = next(row for row in bursts if row["burst_id"] == target)
        burst["perceptual_hash"] = hash_reference(root, burst, own)

    change_rows(root, BURSTS, rehash)


def _draw_scene(random: np.random.Generator) -> np.ndarray:
    coarse = random.uniform(0.1, 0.7, (6, 6)).astype(np.float32)
    return cv2.resize(coarse, (SIDE + 8, SIDE + 8), interpolation=cv2.INTER_CUBIC).clip(0.02, 0.9)


def _write_burst(
    root: Path,
    random: np.random.Generator,
    bursts: Rows,
    frames: Rows,
    *,
    place: tuple[str, int, int],
    picture: np.ndarray,
    noise_of: dict[str, float],
    stated_noise_of: dict[str, float],
) -> None:
    source, scene, number = place
    burst_id = f"{source}-{scene:02d}-{number}"
    own: Rows = []
    for index in range(FRAMES_PER_BURST):
        sigma, blur = random.uniform(0.01, 0.04), random.uniform(0.2, 3.0)
        top, left = random.integers(0, 3, 2)
        clean = cv2.GaussianBlur(picture, (0, 0), 0.2 + 0.2 * blur)[top : top + SIDE, left : left + SIDE]
        noisy = clean + random.normal(0, sigma * noise_of.get(source, 1.0), clean.shape)
        mosaic = np.clip(noisy * (WHITE - BLACK) + BLACK, 0, WHITE).astype(np.uint16)
        path = f"frames/{source}/{burst_id}/{index:02d}.png"
        row = make_frame_row(
            burst_id,
            index,
            path=path,
            sha256=_write_frame(root, path, mosaic),
            is_reference=index == 0,
            shot_noise=0.0,
            read_noise=(sigma * stated_noise_of.get(source, 1.0)) ** 2,
            blur_length=blur,
            displacement=float(np.hypot(top, left)),
        )
        own.append(row)
    frames += own
    burst = make_burst_row(
        burst_id,
        source=source,
        scene_id=f"{source}-{scene:02d}",
        origin_sha256=f"{scene:02d}{source.encode().hex()}".ljust(64, "0"),
        num_frames=FRAMES_PER_BURST,
        height=SIDE,
        width=SIDE,
        ground_truth_path=None,
        ground_truth_sha256=None,
        ground_truth_kind="none",
    )
    bursts.append({**burst, "perceptual_hash": hash_reference(root, burst, own)})


def _write_frame(root: Path, path: str, mosaic: np.ndarray) -> str:
    return hashlib.sha256(write_png(root, path, mosaic)).hexdigest()


def _make_labels(
    frames: Rows, scenario: str, estimator: str, weights: tuple[float, float], random: np.random.Generator
) -> Rows:
    rows = []
    for frame in frames:
        loss = weights[0] * 20 * np.sqrt(frame["read_noise"]) + weights[1] * 0.1 * frame["blur_length"]
        score = None if frame["is_reference"] else float(1.2 - loss + random.normal(0, 0.15))
        rows.append(
            {
                "burst_id": frame["burst_id"],
                "estimator": estimator,
                "metric": "psnr",
                "frame_index": frame["frame_index"],
                "scenario": scenario,
                "score": score,
                "std_error": None if score is None else 0.0,
                "noise_error": None,
                "unit": "dB",
                "rank": None,
                "score_norm": None,
                "num_evaluations": 2,
                "reason": None,
                "label_key": _digest(f"{scenario} {estimator} {frame['burst_id']}"),
                "restorer_fingerprint": _digest(scenario),
            }
        )
    rank_rows(rows)
    return rows


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _make_split(burst: dict[str, Any]) -> dict[str, Any]:
    split = "test" if int(burst["scene_id"].rsplit("-", 1)[1]) >= SCENES // 2 else "train"
    return {"burst_id": burst["burst_id"], "scene_id": burst["scene_id"], "split": split, "fold": None}
