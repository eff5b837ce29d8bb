"""BurstSR (Bhat et al., CVPR 2021): bursts of a phone, and a photograph of the same scene by a better camera.

`ROOT/{train,val,test}/<sequence>_<crop>/samsung_00..13/` and `canon/`, each with `im_raw.png` and `meta_info.pkl`. Samsung: packed RGGB
mosaic of 10 bit. Canon: linear RGB of 14 bit, four pixels for each of the mosaic.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.decoding.levels import level_mosaic
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.decoding.packed import list_files, read_planes, unpack_mosaic
from dataset_builder.decoding.source_files import resolve_inside
from dataset_builder.errors import SourceError, UnreadableImageError
from dataset_builder.ingest.cross_camera import match_cameras
from dataset_builder.ingest.files import hash_files
from dataset_builder.ingest.kinds.meta_info import read_array, read_exif_values, read_mapping, read_noise_profile
from dataset_builder.ingest.reader import Finding, FoundBurst, ReaderDefaults, RejectedBurst, Truth
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.settings import SourceSplit
from dataset_builder.settings.roots import Layout
from manifests.errors import UnsafePathError
from restorers import CFA, Domain

SAMSUNG_WHITE, CANON_WHITE = 1023.0, 16383.0
_PARTS = ("train", "val", "test")
_FILES = ("im_raw.png", "meta_info.pkl")
_SEQUENCE_LENGTH = 4


@dataclass(frozen=True)
class BurstSRFrames(ReaderDefaults):
    """One crop of a sequence.

    Attributes:
        folder: folder of the crop.
        names: folders of its frames.
    """

    folder: Path
    names: tuple[str, ...]
    reference_index: int | None = 0

    def digest(self) -> str:
        """SHA-256 over frames, truth and metadata."""
        return hash_files([self.folder / name / file for name in (*self.names, "canon") for file in _FILES])

    def read(self, index: int) -> Frame:
        """Decode one frame."""
        folder = self.folder / self.names[index]
        meta = read_mapping(folder / "meta_info.pkl")
        blacks = read_array(meta.get("black_level"), (4,))
        if blacks is None or not ((blacks >= 0) & (blacks < SAMSUNG_WHITE)).all():
            raise UnreadableImageError(
                f"{folder}: expected 4 black levels below {SAMSUNG_WHITE:g}; copy meta_info.pkl again"
            )
        planes = read_planes(folder / "im_raw.png", 4)
        mosaic, black, white = level_mosaic(unpack_mosaic(planes), blacks, SAMSUNG_WHITE)
        noise = read_noise_profile(meta.get("exif_data"))
        sensor = SensorFacts(Domain.RAW_BAYER, CFA.RGGB, black, white, _read_gains(meta), _read_matrix(meta), *noise)
        return Frame(mosaic, read_exif_values(meta.get("exif_data")), sensor)

    def iterate(self) -> Iterator[Frame]:
        """Decode frame after frame."""
        return map(self.read, range(len(self.names)))

    def read_truth(self) -> Truth | None:
        """The other camera's photograph in exposure, grid and colours of frame 0."""
        folder = self.folder / "canon"
        meta = read_mapping(folder / "meta_info.pkl")
        blacks = np.asarray(meta.get("black_level", 0.0), np.float64).ravel()
        if len(blacks) == 4:
            blacks = blacks[[0, 1, 3]]
        if len(blacks) not in (1, 3) or not ((blacks >= 0) & (blacks < CANON_WHITE)).all():
            raise UnreadableImageError(
                f"{folder}: expected 3 or 4 black levels below {CANON_WHITE:g}; copy meta_info.pkl again"
            )
        linear = ((read_planes(folder / "im_raw.png", 3) - blacks) / (CANON_WHITE - blacks)).astype(np.float32)
        reference = self.read(0)
        return match_cameras(
            reference, linear, _compare_light(reference.facts, read_exif_values(meta.get("exif_data")))
        )


class BurstSRSource(CaptureSource):
    """BurstSR: phone bursts with a camera's photograph as truth.

    ROOT holds train, val or test (Bhat et al., CVPR 2021). The truth is the other camera's photograph, brought to the grid and colours of
    the reference, with a mask of where it can be trusted.

    Attributes:
        parts: Which of train, val and test to take; when empty, all that are there.
    """

    command = "burstsr"

    kind: Literal["burstsr"]
    license: str = "BurstSR: research use, see the authors' page"
    split: SourceSplit | None = "folders"
    parts: tuple[Literal["train", "val", "test"], ...] = ()

    @property
    def layout(self) -> Layout:
        """Some crop of some part."""
        return [[f"{part}/*/samsung_*" for part in self.parts or _PARTS]]

    def find_bursts(self, root: Path) -> Iterator[Finding]:
        """Crops of all parts in natural order; those of one sequence are one scene."""
        for part in self.parts or _PARTS:
            folder = root / part
            names = (
                sorted((path.name for path in folder.iterdir() if path.is_dir()), key=natural_key)
                if folder.is_dir()
                else []
            )
            for name in names:
                path = f"{part}/{name}"
                try:
                    frames = tuple(list_files(resolve_inside(root, path), "samsung_*"))
                    for inner in (*frames, "canon"):
                        for file in _FILES:
                            resolve_inside(root, f"{path}/{inner}/{file}")
                except (SourceError, UnsafePathError, OSError) as error:
                    yield RejectedBurst(path, error)
                    continue
                yield FoundBurst(path, BurstSRFrames(root / path, frames), scene=name[:_SEQUENCE_LENGTH])


def _read_gains(meta: Mapping[str, Any]) -> tuple[float, float, float] | None:
    """White balance as shot, else of daylight, of the pixels of a cell; green becomes 1."""
    for name in ("cam_wb", "daylight_wb"):
        gains = read_array(meta.get(name), (4,))
        if gains is not None and (gains[[0, 1, 3]] > 0).all():
            return float(gains[0] / gains[1]), 1.0, float(gains[3] / gains[1])
    return None


def _read_matrix(meta: Mapping[str, Any]) -> tuple[float, ...] | None:
    """LibRaw's matrix from white-balanced camera RGB to linear sRGB, a fourth column left out; None if its rows do not keep grey."""
    matrix: NDArray[np.float64] | None = read_array(meta.get("color_matrix"), (3, 4))
    matrix = read_array(meta.get("color_matrix"), (3, 3)) if matrix is None else matrix[:, :3]
    if matrix is None or (np.abs(matrix.sum(axis=1) - 1) > 0.1).any() or np.linalg.cond(matrix) > 1e4:
        return None
    return tuple(float(value) for value in (matrix / matrix.sum(axis=1, keepdims=True)).ravel())


def _compare_light(phone: CaptureFacts, camera: CaptureFacts) -> float:
    """How much brighter the phone's frame is exposed than the camera's photograph, as EXIF tells; 1 if it does not."""
    return phone.exposure / camera.exposure if phone.exposure and camera.exposure else 1.0
