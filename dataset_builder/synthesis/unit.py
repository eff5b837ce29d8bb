"""Units of work that synthesise bursts from photographs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.geometry import mean_displacement
from dataset_builder.randomness import derive_seed
from dataset_builder.records.rows import Origin, make_burst_row, make_frame_row
from dataset_builder.synthesis.draw import sample_burst
from dataset_builder.synthesis.parameters import BurstParameters
from dataset_builder.synthesis.photographs import read_hashed_photograph
from dataset_builder.synthesis.presets import Preset
from dataset_builder.synthesis.render import RENDER_VERSION, RenderedBurst, render_burst
from dataset_builder.synthesis.source import PhotographSource
from dataset_builder.work.staging import open_stage
from dataset_builder.work.unit import Desk, hash_facts
from manifests.confined.writing import write_file
from manifests.images.appearance import hash_reference
from manifests.images.pixels import encode_png


@dataclass(frozen=True)
class SynthesisUnit:
    """One burst to render from a photograph.

    Attributes:
        redraw: 0 for the burst itself; another number gives the same burst with other noise.
    """

    burst_id: str
    origin: Origin
    root: Path
    source: PhotographSource
    preset: Preset
    seed: str
    redraw: int = 0

    @cached_property
    def key(self) -> str:
        """SHA-256 of everything declared that the pixels depend on."""
        source = self.source
        return hash_facts(
            {
                "stage": "synthesis",
                "version": RENDER_VERSION,
                "photograph": self.origin.sha256,
                "preset": [source.preset, self.preset.model_dump(mode="json")],
                "seed": self.seed,
                "geometry": [source.frame_height, source.frame_width, self.scale, source.shorter_side],
                "folder": self.folder,
                **({"redraw": self.redraw} if self.redraw else {}),
            }
        )

    @property
    def scale(self) -> int:
        """Ground-truth pixels per frame pixel."""
        return self.source.scale or self.preset.scale

    @property
    def part(self) -> str:
        """Where its result waits for the manifest."""
        return f"bursts/{self.burst_id}"

    @property
    def folder(self) -> str:
        """Where its files go, relative to the data set."""
        return f"frames/{self.origin.source}/{self.burst_id}"

    def run(self, root: Path, desk: Desk) -> Mapping[str, Any]:
        """Render the burst, write its files on a stage, return its rows."""
        stage, root = open_stage(root)
        parameters, rendered = self.render(desk)
        masks = {_name_mask(index): mask for index, mask in enumerate(rendered.masks) if mask is not None}
        images = {_name_frame(index): codes for index, codes in enumerate(rendered.frames)}
        digests = _write_images(root, self.folder, {"ground_truth.png": rendered.ground_truth, **masks, **images})
        frames = [self._describe(parameters, index, masks, digests) for index in range(len(rendered.frames))]
        burst = make_burst_row(
            self.burst_id,
            **_describe_burst(parameters),
            burst_key=self.key,
            seed=self.seed,
            preset=self.source.preset,
            ground_truth_path=f"{self.folder}/ground_truth.png",
            ground_truth_sha256=digests["ground_truth.png"],
            ground_truth_white=parameters.truth_white,
            ground_truth_kind="exact",
        )
        burst |= {"perceptual_hash": hash_reference(root, burst, frames)}
        return {"burst": burst, "frames": frames, "stage": stage}

    def render(self, desk: Desk) -> tuple[BurstParameters, RenderedBurst]:
        """What was drawn, and the pixels, of which nothing is written."""
        path, side = self.root / self.origin.path, self.source.shorter_side
        # Neighbouring units share their photograph; the worker that gets them decodes it once.
        sha256 = self.origin.sha256
        photograph = desk.take(
            (path, side, sha256), lambda: read_hashed_photograph(path, shorter_side=side, sha256=sha256)
        )
        parameters = sample_burst(
            self.preset,
            self.seed,
            photograph_size=(photograph.shape[0], photograph.shape[1]),
            height=self.source.frame_height,
            width=self.source.frame_width,
            scale=self.scale,
        )
        noise = derive_seed(self.seed, "redraw", self.redraw) if self.redraw else self.seed
        return parameters, render_burst(photograph, parameters, noise)

    def _describe(
        self, parameters: BurstParameters, index: int, masks: Mapping[str, NDArray[np.uint8]], digests: dict[str, str]
    ) -> dict[str, Any]:
        frame, name = _name_frame(index), _name_mask(index)
        return make_frame_row(
            self.burst_id,
            index,
            f"{self.folder}/{frame}",
            digests[frame],
            **_describe_frame(parameters, index),
            occlusion=float(masks[name].mean() / 255) if name in masks else 0.0,
            mask_path=f"{self.folder}/{name}" if name in masks else None,
            mask_sha256=digests.get(name),
        )


def _name_frame(index: int) -> str:
    return f"{index:02d}.png"


def _name_mask(index: int) -> str:
    return f"{index:02d}_mask.png"


def _write_images(
    root: Path, folder: str, images: Mapping[str, NDArray[np.uint8] | NDArray[np.uint16]]
) -> dict[str, str]:
    """Write PNGs and return the SHA-256 of each; while one waits for the disk, the next is encoded."""
    with ThreadPoolExecutor(1) as disk:
        stored = {
            name: disk.submit(_store, root, f"{folder}/{name}", encode_png(image)) for name, image in images.items()
        }
    return {name: digest.result() for name, digest in stored.items()}


def _store(root: Path, path: str, data: bytes) -> str:
    write_file(root, path, data)
    return hashlib.sha256(data).hexdigest()


def _describe_burst(parameters: BurstParameters) -> dict[str, Any]:
    sensor, profile, is_srgb = parameters.sensor, parameters.profile, parameters.is_srgb
    return {
        "camera": parameters.camera,
        "num_frames": len(parameters.frames),
        "reference_index": parameters.reference_index,
        "height": parameters.height,
        "width": parameters.width,
        "domain": "srgb" if is_srgb else "raw_bayer",
        "cfa": None if is_srgb else sensor.cfa.value,
        "black_level": 0.0 if is_srgb else float(sensor.black_level),
        "white_level": 255.0 if is_srgb else float(sensor.white_level),
        "white_balance": None if is_srgb else list(profile.white_balance),
        "color_matrix": None if is_srgb else list(profile.color_matrix),
        "scale": parameters.scale,
    }


def _describe_frame(parameters: BurstParameters, index: int) -> dict[str, Any]:
    frame, reference = parameters.frames[index], parameters.frames[parameters.reference_index]
    homography = parameters.homography(index)
    processing = frame.processing
    object_shift = None
    if frame.object_positions is not None and reference.object_positions is not None:
        middles = [positions[len(positions) // 2] for positions in (frame.object_positions, reference.object_positions)]
        object_shift = float(np.linalg.norm(middles[0] - middles[1]) / parameters.scale)
    return {
        "is_reference": index == parameters.reference_index,
        "timestamp": frame.timestamp,
        "exposure_time": frame.exposure_time,
        "gain": frame.gain,
        "exposure_ratio": frame.exposure_ratio,
        "shot_noise": frame.shot_noise,
        "read_noise": frame.read_noise,
        "row_noise": frame.row_noise,
        "homography": homography.ravel().tolist(),
        "displacement": mean_displacement(homography, parameters.height, parameters.width),
        "blur_length": frame.blur_length,
        "blur_angle": frame.blur_angle,
        "trajectory": frame.poses.ravel().tolist(),
        "rolling_shutter": list(frame.skew),
        "defocus": frame.defocus,
        "focus": frame.focus,
        "outlier": frame.outlier,
        "object_shift": object_shift,
        "white_balance_error": None if processing is None else list(processing.white_balance_error),
        "sharpening": None if processing is None else processing.sharpening,
        "jpeg_quality": None if processing is None else processing.jpeg_quality,
    }
