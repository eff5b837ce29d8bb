"""Units of work that synthesise bursts from photographs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import to_camera
from dataset_builder.ingest.photographs import read_photograph
from dataset_builder.origin import Origin, make_frame_row
from dataset_builder.recipe import PhotographSource
from dataset_builder.synthesis.motion import mean_displacement, pose_to_homography
from dataset_builder.synthesis.parameters import BurstParameters, sample_burst
from dataset_builder.synthesis.presets import PRESETS
from dataset_builder.synthesis.render import RENDER_VERSION, render_burst
from dataset_builder.work import hash_facts
from manifests.appearance import hash_reference
from manifests.pixels import write_png


@dataclass(frozen=True)
class SynthesisUnit:
    """One burst to render from a photograph."""

    burst_id: str
    origin: Origin
    root: Path
    source: PhotographSource
    seed: str

    @cached_property
    def key(self) -> str:
        """SHA-256 of everything declared that the pixels depend on."""
        source = self.source
        return hash_facts(
            {
                "stage": "synthesis",
                "version": RENDER_VERSION,
                "photograph": self.origin.sha256,
                "preset": PRESETS[source.preset].model_dump(mode="json"),
                "seed": self.seed,
                "geometry": [source.frame_height, source.frame_width, source.scale, source.shorter_side],
                "folder": self.folder,
            }
        )

    @property
    def part(self) -> str:
        """Where its result waits for the manifest."""
        return f"bursts/{self.burst_id}"

    @property
    def folder(self) -> str:
        """Where its files go, relative to the data set."""
        return f"frames/{self.origin.source}/{self.burst_id}"

    def run(self, root: Path) -> Mapping[str, Any]:
        """Render the burst, write its files, return its rows."""
        linear = _load_photograph(self.root / self.origin.path, self.source.shorter_side)
        parameters = sample_burst(
            PRESETS[self.source.preset],
            self.seed,
            photograph_size=(linear.shape[0], linear.shape[1]),
            height=self.source.frame_height,
            width=self.source.frame_width,
            scale=self.source.scale,
        )
        rendered = render_burst(to_camera(linear, parameters.profile), parameters, self.seed)
        truth = write_png(root / self.folder / "ground_truth.png", rendered.ground_truth)
        frames = []
        for index, pixels in enumerate(rendered.frames):
            name = f"{index:02d}.png"
            data = write_png(root / self.folder / name, pixels)
            row = _describe_frame(parameters, index)
            frames.append(
                make_frame_row(self.burst_id, index, f"{self.folder}/{name}", hashlib.sha256(data).hexdigest(), **row)
            )
        sensor, profile = parameters.sensor, parameters.profile
        burst = {
            "burst_id": self.burst_id,
            "burst_key": self.key,
            "seed": self.seed,
            "preset": self.source.preset,
            "num_frames": len(frames),
            "reference_index": parameters.reference_index,
            "height": parameters.height,
            "width": parameters.width,
            "domain": "raw_bayer",
            "cfa": sensor.cfa.value,
            "black_level": float(sensor.black_level),
            "white_level": float(sensor.white_level),
            "white_balance": list(profile.white_balance),
            "color_matrix": list(profile.color_matrix),
            "scale": parameters.scale,
            "ground_truth_path": f"{self.folder}/ground_truth.png",
            "ground_truth_sha256": hashlib.sha256(truth).hexdigest(),
            "ground_truth_kind": "exact",
        }
        return {"burst": {**burst, "perceptual_hash": hash_reference(root, burst, frames)}, "frames": frames}


# Neighbouring units share their photograph; the worker that gets them decodes it once.
@lru_cache(maxsize=1)
def _load_photograph(path: Path, shorter_side: int | None) -> NDArray[np.float32]:
    return read_photograph(path, shorter_side=shorter_side)


def _describe_frame(parameters: BurstParameters, index: int) -> dict[str, Any]:
    frame = parameters.frames[index]
    homography = pose_to_homography(frame.mid_pose, parameters.height, parameters.width)
    facts = {name: value for name, value in asdict(frame).items() if name != "poses"}
    return {
        **facts,
        "is_reference": index == parameters.reference_index,
        "homography": homography.ravel().tolist(),
        "displacement": mean_displacement(homography, parameters.height, parameters.width),
        "blur_length": frame.blur_length,
        "blur_angle": frame.blur_angle,
        "trajectory": frame.poses.ravel().tolist(),
        "occlusion": 0.0,
    }
