"""HDR+ bursts with the merged result as truth.

    ROOT holds bursts and results_* (Hasinoff et al., SIGGRAPH Asia 2016).

`bursts/<id>/payload_N%03d.dng`, `lens_shading_map_N%03d.tiff` and `rgb2rgb.txt`; `results_*/<id>/merged.dng` and `reference_frame.txt`. The
merged RAW image is the truth, of kind `reference_capture`: HDR+ aligned it to the reference and merged it at the frames' exposure.
Neither frames nor truth are corrected for lens shading; the map is kept beside them. `timing.txt` tells how long the phone computed, not
when frames were taken, and is passed over; `final.jpg` is developed, and passed over too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import field_validator

from dataset_builder.camera.develop import demosaic_bilinear
from dataset_builder.decoding.frame import Frame, LensShading
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.decoding.packed import list_files
from dataset_builder.decoding.pictures import explain
from dataset_builder.decoding.raw import read_raw
from dataset_builder.decoding.source_files import require_file, resolve_inside
from dataset_builder.errors import FrameSizeError, SourceError, UnreadableImageError
from dataset_builder.ingest.files import hash_files
from dataset_builder.ingest.kinds.meta_info import read_matrix
from dataset_builder.ingest.reader import Finding, FoundBurst, ReaderDefaults, RejectedBurst, Remark, Truth
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.settings import require_inside
from dataset_builder.settings.roots import Layout
from manifests.errors import UnsafePathError
from manifests.images.pixels import quantise

_MAX_TEXT = 10_000
_MAX_SHADING_SIDE = 256


@dataclass(frozen=True)
class HdrPlusFrames(ReaderDefaults):
    """One burst.

    Attributes:
        folder: folder of its payload.
        names: names of the frames' files.
        results: folder of the merged image; None if the set has none for it.
        reference_index: the index that the results state, else None.
    """

    folder: Path
    names: tuple[str, ...]
    results: Path | None
    reference_index: int | None

    def digest(self) -> str:
        """SHA-256 over all files that are used."""
        optional = [self._shading_path, self.folder / "rgb2rgb.txt"]
        optional += [] if self.results is None else [self.results / "merged.dng"]
        return hash_files(
            [*(self.folder / name for name in self.names), *(path for path in optional if path.is_file())]
        )

    def read(self, index: int) -> Frame:
        """Decode one frame; the burst's own colour matrix goes before the file's."""
        frame = read_raw(self.folder / self.names[index])
        path = self.folder / "rgb2rgb.txt"
        matrix = read_matrix(_read_numbers(path)) if path.is_file() else None
        sensor = dataclasses.replace(frame.sensor, color_matrix=matrix or frame.sensor.color_matrix)
        return dataclasses.replace(frame, sensor=sensor)

    def iterate(self) -> Iterator[Frame]:
        """Decode frame after frame."""
        return map(self.read, range(len(self.names)))

    def read_truth(self) -> Truth | None:
        """The merged image, demosaicked: at the pixels of each colour it is the merged mosaic itself."""
        if self.results is None or not (self.results / "merged.dng").is_file():
            return None
        path = self.results / "merged.dng"
        merged = read_raw(path)
        sensor, cfa = merged.sensor, merged.sensor.cfa
        reference = read_raw(self.folder / self.names[self.reference_index or 0])
        if cfa is None or cfa != reference.sensor.cfa or merged.pixels.shape != reference.pixels.shape:
            raise FrameSizeError(
                f"{path}: {merged.pixels.shape[1]} x {merged.pixels.shape[0]} px of {cfa}, but the reference has "
                f"{reference.pixels.shape[1]} x {reference.pixels.shape[0]} px of {reference.sensor.cfa}; leave the burst out"
            )
        signal = (merged.pixels.astype(np.float32) - sensor.black_level) / (sensor.white_level - sensor.black_level)
        rgb = demosaic_bilinear(signal, cfa)
        for (row, column), channel in zip(np.ndindex(2, 2), cfa.channels, strict=True):
            rgb[row::2, column::2, channel] = signal[row::2, column::2]
        return Truth(quantise(rgb), 1, "reference_capture", f"hdrplus_merge: {self.results.parent.name}")

    def read_shading(self, reference: int) -> LensShading | None:  # noqa: ARG002  # part of the digest is the set's own only
        """Lens shading of the set's own reference; None if the burst has no map."""
        path = self._shading_path
        if not path.is_file():
            return None
        import tifffile

        require_file(path)
        try:
            gains = np.asarray(tifffile.imread(path), np.float64)
        except Exception as error:  # decoders raise anything on hostile files
            raise UnreadableImageError(f"{path}: cannot be decoded ({explain(error)}); copy it again") from error
        sides = gains.shape[:2]
        if gains.ndim != 3 or gains.shape[2] != 4 or max(sides) > _MAX_SHADING_SIDE or not (gains > 0).all():
            raise UnreadableImageError(f"{path}: expected positive gains [h, w, 4], got shape {list(gains.shape)}")
        return LensShading(int(sides[0]), int(sides[1]), tuple(gains.ravel().tolist()))

    @property
    def _shading_path(self) -> Path:
        return self.folder / f"lens_shading_map_N{self.reference_index or 0:03d}.tiff"


class HdrPlusSource(CaptureSource):
    """HDR+ bursts with the merged result as truth.

    ROOT holds bursts and results_* (Hasinoff et al., SIGGRAPH Asia 2016).

    Attributes:
        results: Folder below ROOT with merged.dng and reference_frame.txt; null takes the last results_* by name.
    """

    command = "hdrplus"

    kind: Literal["hdrplus"]
    license: str = "CC-BY-SA-4.0"
    results: str | None = None

    @field_validator("results")
    @classmethod
    def _check_results(cls, value: str | None) -> str | None:
        return None if value is None else require_inside((value,))[0]

    @property
    def layout(self) -> Layout:
        """Some frame."""
        return [["bursts/*/payload_N*.dng"]]

    def find_bursts(self, root: Path) -> Iterator[Finding]:
        """Bursts of the set in natural order."""
        folder = root / "bursts"
        results = _find_results(self, root)
        if results is None:
            yield Remark(
                f"source {self.name!r}: expected a folder results_* in {root}, found none; bursts have no truth without it"
            )
        names = (
            sorted((path.name for path in folder.iterdir() if path.is_dir()), key=natural_key)
            if folder.is_dir()
            else []
        )
        for name in names:
            path = f"bursts/{name}"
            try:
                frames = list_files(resolve_inside(root, path), "payload_N*.dng")
                own = None if results is None else resolve_inside(root, f"{results}/{name}")
                for inner in (
                    *(f"{path}/{frame}" for frame in frames),
                    *([f"{results}/{name}/merged.dng"] if own else []),
                ):
                    resolve_inside(root, inner)
                reference = _read_reference(own)
            except (SourceError, UnsafePathError, OSError) as error:
                yield RejectedBurst(path, error)
                continue
            yield FoundBurst(path, HdrPlusFrames(root / path, tuple(frames), own, reference))


def _find_results(source: HdrPlusSource, root: Path) -> str | None:
    if source.results is not None:
        return source.results
    # The later results are the better ones.
    return max((path.name for path in root.glob("results_*") if path.is_dir()), default=None)


def _read_reference(results: Path | None) -> int | None:
    path = None if results is None else results / "reference_frame.txt"
    if path is None or not path.is_file():
        return None
    numbers = _read_numbers(path)
    if len(numbers) != 1 or numbers[0] < 0 or numbers[0] != int(numbers[0]):
        raise UnreadableImageError(f"{path}: expected the index of a frame, got {numbers[:3]}; copy it again")
    return int(numbers[0])


def _read_numbers(path: Path) -> list[float]:
    """All numbers of a small text file."""
    try:
        if path.stat().st_size > _MAX_TEXT:
            raise ValueError(f"{path.stat().st_size:,} bytes")  # noqa: TRY301  # reported as any other damage
        numbers = [float(word) for word in path.read_text(encoding="ascii").replace(",", " ").split()]
    except (ValueError, OSError) as error:
        raise UnreadableImageError(f"{path}: expected numbers ({explain(error)}); copy it again") from error
    if not np.isfinite(numbers).all():
        raise UnreadableImageError(f"{path}: expected finite numbers; copy it again")
    return numbers
