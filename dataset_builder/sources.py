"""From a source in the recipe to the units of work that make its bursts."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import to_camera
from dataset_builder.errors import DuplicateOriginError, MissingSourceError, SourceError
from dataset_builder.ingest.folders import (
    INGEST_VERSION,
    hash_folder,
    list_bursts,
    list_frames,
    relate_captures,
    require_frames,
    store_frames,
)
from dataset_builder.ingest.photographs import list_photographs, read_photograph
from dataset_builder.randomness import derive_seed
from dataset_builder.recipe import PhotographSource, Source
from dataset_builder.synthesis.motion import mean_displacement, pose_to_homography
from dataset_builder.synthesis.parameters import BurstParameters, sample_burst
from dataset_builder.synthesis.presets import PRESETS
from dataset_builder.synthesis.render import RENDER_VERSION, render_burst
from dataset_builder.work import hash_facts
from manifests.errors import UnsafePathError
from manifests.pixels import write_png
from manifests.schema import FRAMES
from manifests.store import hash_file, resolve_inside


@dataclass(frozen=True)
class Origin:
    """Where a burst comes from; what may change without changing its pixels stands here.

    Attributes:
        source: name of the source.
        path: of the photograph or folder below the source's root.
        sha256: of its content.
        license: of its content.
    """

    source: str
    path: str
    sha256: str
    license: str

    @property
    def scene_id(self) -> str:
        """Equal content is one scene, in whatever source it turns up."""
        return f"scene-{self.sha256[:16]}"

    def describe(self) -> dict[str, str]:
        """The columns of `bursts` that it fills."""
        return {
            "source": self.source,
            "scene_id": self.scene_id,
            "origin_path": self.path,
            "origin_sha256": self.sha256,
            "license": self.license,
        }


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
                _frame_row(self.burst_id, index, f"{self.folder}/{name}", hashlib.sha256(data).hexdigest(), **row)
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
        return {"burst": burst, "frames": frames}


@dataclass(frozen=True)
class IngestUnit:
    """One real burst to copy from a folder of images."""

    burst_id: str
    origin: Origin
    folder_in: Path
    names: tuple[str, ...]
    reference_index: int

    @cached_property
    def key(self) -> str:
        """SHA-256 of everything declared that the stored burst depends on."""
        return hash_facts(
            {
                "stage": "ingest",
                "version": INGEST_VERSION,
                "frames": self.origin.sha256,
                "reference": self.reference_index,
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
        """Check and copy the frames, return their rows."""
        require_frames(self.folder_in, self.names)
        if self.reference_index >= len(self.names):
            raise SourceError(
                f"{self.folder_in}: reference_index {self.reference_index}, but there are {len(self.names)} frames; "
                "choose a smaller one"
            )
        stored = store_frames(self.folder_in, self.names, root / self.folder)
        captures = relate_captures(stored, self.reference_index)
        frames = [
            _frame_row(
                self.burst_id,
                index,
                f"{self.folder}/{frame.name}",
                frame.sha256,
                is_reference=index == self.reference_index,
                orientation=frame.orientation,
                **capture,
            )
            for index, (frame, capture) in enumerate(zip(stored, captures, strict=True))
        ]
        burst = {
            "burst_id": self.burst_id,
            "burst_key": self.key,
            "seed": None,
            "preset": "ingested",
            "num_frames": len(stored),
            "reference_index": self.reference_index,
            "height": stored[0].height,
            "width": stored[0].width,
            "domain": "srgb",
            "cfa": None,
            "black_level": 0.0,
            "white_level": float(2 ** stored[0].bits - 1),
            "white_balance": None,
            "color_matrix": None,
            "scale": 1,
            "ground_truth_path": None,
            "ground_truth_sha256": None,
            "ground_truth_kind": "none",
        }
        return {"burst": burst, "frames": frames}


BurstUnit = SynthesisUnit | IngestUnit


@dataclass
class Plan:
    """Units to run, and what was found unusable before anything ran: (source, id, error)."""

    units: list[BurstUnit] = field(default_factory=list)
    rejected: list[tuple[str, str, Exception]] = field(default_factory=list)


def plan_source(source: Source, base: Path, *, recipe_seed: int) -> Plan:
    """Find the photographs or folders of a source and name the bursts to make of them.

    Args:
        source: from the recipe.
        base: folder that relative roots are relative to.
        recipe_seed: seed of the whole recipe.

    Raises:
        MissingSourceError: if the root is not there or holds nothing; anything smaller is recorded in the plan.
    """
    root = source.resolve_root(base)
    if isinstance(source, PhotographSource):
        paths, expected = list(source.files) or list_photographs(root), "no JPEG, PNG or TIFF below"
    else:
        paths, expected = list(source.folders) or list_bursts(root), "no sub-folders and no images in"
    if not paths:
        raise MissingSourceError(f"source {source.name!r}: {expected} {root}; correct root")
    plan, seen = Plan(), dict[str, str]()
    for path in paths:
        try:
            units = _plan_origin(source, root, path, recipe_seed)
            if (other := seen.setdefault(units[0].origin.sha256, path)) != path:
                raise DuplicateOriginError(f"{root / path}: holds the same pixels as {other}; remove one")
            plan.units += units
        except (SourceError, UnsafePathError, OSError) as error:
            plan.rejected.append(
                (source.name, _make_id(PurePosixPath(path).stem, derive_seed(source.name, path), ""), error)
            )
    return plan


def _plan_origin(source: Source, root: Path, path: str, recipe_seed: int) -> list[BurstUnit]:
    located = resolve_inside(root, path)
    if isinstance(source, PhotographSource):
        if not located.is_file():
            raise MissingSourceError(f"{located}: no such photograph; correct source {source.name!r}")
        origin = Origin(source.name, path, hash_file(located), source.license)
        ids = [
            _make_id(located.stem, derive_seed(source.name, origin.sha256), f"-{index:02d}")
            for index in range(source.bursts_per_photograph)
        ]
        return [
            SynthesisUnit(burst_id, origin, root, source, derive_seed(recipe_seed, origin.sha256, burst_id))
            for burst_id in ids
        ]
    if not located.is_dir():
        raise MissingSourceError(f"{located}: no such folder; correct source {source.name!r}")
    names = list_frames(located)
    require_frames(located, names)
    for name in names:
        resolve_inside(root, f"{path}/{name}")
    origin = Origin(source.name, path, hash_folder(located, names), source.license)
    burst_id = _make_id(located.resolve().name, derive_seed(source.name, origin.sha256), "")
    return [IngestUnit(burst_id, origin, located, tuple(names), source.reference_index)]


def _make_id(name: str, digest: str, suffix: str) -> str:
    """A readable identifier of at most 32 characters of [a-z0-9_-]."""
    slug = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:18].strip("-") or "burst"
    return f"{slug}-{digest[:8]}{suffix}"


# Neighbouring units share their photograph; the worker that gets them decodes it once.
@lru_cache(maxsize=1)
def _load_photograph(path: Path, shorter_side: int | None) -> NDArray[np.float32]:
    return read_photograph(path, shorter_side=shorter_side)


def _frame_row(burst_id: str, index: int, path: str, sha256: str, **known: Any) -> dict[str, Any]:
    row = dict.fromkeys(FRAMES.schema.names)
    return {
        **row,
        "burst_id": burst_id,
        "frame_index": index,
        "path": path,
        "sha256": sha256,
        "orientation": 1,
        **known,
    }


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
