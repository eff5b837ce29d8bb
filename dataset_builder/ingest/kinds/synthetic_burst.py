"""SyntheticBurst, the validation set of Bhat et al. (CVPR 2021): `bursts/%04d/im_raw_%02d.png`, `gt/%04d/im_rgb.png` and `meta_info.pkl`.

Frames are packed RGGB mosaics × 2^14, the truth is linear camera RGB at four times the mosaic's resolution, × 2^14.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.decoding.packed import list_files, read_planes, unpack_mosaic
from dataset_builder.decoding.source_files import resolve_inside
from dataset_builder.errors import FrameSizeError, SourceError
from dataset_builder.ingest.files import hash_files
from dataset_builder.ingest.kinds.meta_info import read_gains, read_mapping, read_matrix, read_number
from dataset_builder.ingest.reader import Finding, FoundBurst, ReaderDefaults, RejectedBurst, Truth
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.settings import SourceSplit
from dataset_builder.settings.roots import Layout
from manifests.errors import UnsafePathError
from restorers import CFA, Domain

WHITE = 2**14


@dataclass(frozen=True)
class SyntheticBurstFrames(ReaderDefaults):
    """One burst of the set.

    Attributes:
        root: folder of the set.
        number: number of the burst, as its folders are called.
        names: names of the frames' files.
    """

    root: Path
    number: str
    names: tuple[str, ...]
    reference_index: int | None = 0

    @property
    def truth_folder(self) -> Path:
        """Where truth and metadata lie."""
        return self.root / "gt" / self.number

    def digest(self) -> str:
        """SHA-256 over frames, truth and metadata."""
        frames = [self.root / "bursts" / self.number / name for name in self.names]
        return hash_files([*frames, self.truth_folder / "im_rgb.png", self.truth_folder / "meta_info.pkl"])

    def read(self, index: int) -> Frame:
        """Decode one frame."""
        return self._read(index, self._read_meta())

    def iterate(self) -> Iterator[Frame]:
        """Decode frame after frame."""
        meta = self._read_meta()
        return (self._read(index, meta) for index in range(len(self.names)))

    def read_truth(self) -> Truth | None:
        """Decode the truth, on the grid of frame 0."""
        path = self.truth_folder / "im_rgb.png"
        pixels = read_planes(path, 3)
        planes = read_planes(self.root / "bursts" / self.number / self.names[0], 4)
        scale = pixels.shape[0] // (2 * planes.shape[0])
        if scale < 1 or pixels.shape[:2] != (scale * 2 * planes.shape[0], scale * 2 * planes.shape[1]):
            raise FrameSizeError(
                f"{path}: {pixels.shape[1]} x {pixels.shape[0]} px are no multiple of the frames; copy it again"
            )
        codes = np.minimum(np.rint(pixels * (65535 / WHITE)), 65535).astype(np.uint16)
        return Truth(codes, scale, "exact")

    def _read(self, index: int, meta: Mapping[str, Any]) -> Frame:
        planes = read_planes(self.root / "bursts" / self.number / self.names[index], 4)
        sensor = SensorFacts(
            Domain.RAW_BAYER,
            CFA.RGGB,
            0.0,
            float(WHITE),
            read_gains(meta),
            read_matrix(meta.get("cam2rgb")),
            read_number(meta, "shot_noise"),
            read_number(meta, "read_noise"),
        )
        return Frame(np.minimum(unpack_mosaic(planes), WHITE), CaptureFacts(), sensor)

    def _read_meta(self) -> Mapping[str, Any]:
        return read_mapping(self.truth_folder / "meta_info.pkl")


class SyntheticBurstSource(CaptureSource):
    """SyntheticBurst, the validation set.

    ROOT holds bursts and gt (Bhat et al., CVPR 2021).
    """

    command = "synthetic-burst"

    kind: Literal["synthetic_burst"]
    license: str = "SyntheticBurst: derived from Zurich RAW-to-RGB, research use"
    split: SourceSplit | None = "val"

    @property
    def layout(self) -> Layout:
        """Some frame and some truth."""
        return [["bursts/*/im_raw_*.png"], ["gt/*/im_rgb.png"]]

    def find_bursts(self, root: Path) -> Iterator[Finding]:
        """Bursts of the set in natural order."""
        folder = root / "bursts"
        numbers = (
            sorted((path.name for path in folder.iterdir() if path.is_dir()), key=natural_key)
            if folder.is_dir()
            else []
        )
        for number in numbers:
            path = f"bursts/{number}"
            try:
                names = list_files(resolve_inside(root, path), "im_raw_*.png")
                for name in (
                    *(f"{path}/{name}" for name in names),
                    f"gt/{number}/im_rgb.png",
                    f"gt/{number}/meta_info.pkl",
                ):
                    resolve_inside(root, name)
            except (SourceError, UnsafePathError, OSError) as error:
                yield RejectedBurst(path, error)
                continue
            yield FoundBurst(path, SyntheticBurstFrames(root, number, tuple(names)))
