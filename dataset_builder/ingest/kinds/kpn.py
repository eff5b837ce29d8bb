"""Test bursts of kernel- and basis-prediction networks (Mildenhall et al., CVPR 2018; Xia et al., CVPR 2020) in `.npz` files.

`noisy` is [N, H, W, T] or [N, H, W, T, 3], `truth` [N, H, W] or [N, H, W, 3], both linear; their value `white_level` [N] means 1.
Noise has the variance `sig_read`² + `sig_shot`² · value (in colour sets `sqrt_sig_shot`). Frame 0 is the reference.
"""

from __future__ import annotations

import hashlib
import math
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.decoding.pictures import explain, require_size
from dataset_builder.decoding.source_files import require_file, resolve_inside
from dataset_builder.errors import SourceError, UnreadableImageError
from dataset_builder.ingest.reader import Finding, FoundBurst, ReaderDefaults, RejectedBurst, Truth
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.settings import SourceSplit
from manifests.confined.plain import hash_plain
from manifests.errors import UnsafePathError
from manifests.images.pixels import quantise
from restorers import Domain

_BLACK, _WHITE = 4096, 65535
"""Codes: below black there is room for noise."""
_MAX_BURSTS = 10_000
_MAX_PACKED_BYTES = 8_000_000_000
"""Of an array that is compressed, whose rows can only be reached through all before them."""
_MAX_BURST_BYTES = 2_000_000_000


@dataclass(frozen=True)
class KernelFrames(ReaderDefaults):
    """One burst of a file.

    Attributes:
        path: path of the file.
        index: index of the burst in it.
        length: T.
        content: SHA-256 of the file.
    """

    path: Path
    index: int
    length: int
    content: str
    reference_index: int | None = 0

    @property
    def names(self) -> tuple[str, ...]:
        """Numbers of the frames."""
        return tuple(f"noisy[{self.index}, {frame}]" for frame in range(self.length))

    def digest(self) -> str:
        """SHA-256 over that of the file and the place in it; the numbers of all bursts would have to be unpacked here."""
        return hashlib.sha256(f"{self.content}:{self.index}".encode()).hexdigest()

    def read(self, index: int) -> Frame:
        """One frame."""
        return self._make_frame(_read_row(self.path, "noisy", self.index), index)

    def iterate(self) -> Iterator[Frame]:
        """Frame after frame."""
        noisy = _read_row(self.path, "noisy", self.index)
        return (self._make_frame(noisy, index) for index in range(self.length))

    def read_truth(self) -> Truth | None:
        """The clean reference; where it is brighter than white, its own white says so."""
        truth = _to_rgb(_read_row(self.path, "truth", self.index)) / self._read_white()
        white = max(1.0, float(truth.max()))
        return Truth(quantise(truth / white), 1, "exact", white=white)

    @property
    def _facts(self) -> tuple[str, ...]:
        members = _list_members(self.path)
        return tuple(name for name in ("white_level", "sig_read", "sig_shot", "sqrt_sig_shot") if name in members)

    def _read_white(self) -> float:
        white = (
            float(_read_row(self.path, "white_level", self.index).ravel()[0]) if "white_level" in self._facts else 1.0
        )
        if not (math.isfinite(white) and white > 0):
            raise UnreadableImageError(
                f"{self.path}: white_level[{self.index}]: expected a positive number, got {white}"
            )
        return white

    def _make_frame(self, noisy: NDArray[np.float64], index: int) -> Frame:
        white = self._read_white()
        signal = _to_rgb(noisy[:, :, index]) / white
        codes = np.rint(signal * (_WHITE - _BLACK) + _BLACK).clip(0, _WHITE).astype(np.uint16)
        shot, read = self._read_noise(white)
        sensor = SensorFacts(Domain.LINEAR_RGB, None, float(_BLACK), float(_WHITE), shot_noise=shot, read_noise=read)
        return Frame(codes, CaptureFacts(), sensor)

    def _read_noise(self, white: float) -> tuple[float | None, float | None]:
        names = self._facts
        shot = next((name for name in ("sig_shot", "sqrt_sig_shot") if name in names), None)
        if shot is None or "sig_read" not in names:
            return None, None
        a, b = (float(_read_row(self.path, name, self.index).ravel()[0]) for name in (shot, "sig_read"))
        # Both are in units of the file; signal 1 at white divides the signal by the white level.
        return (a**2 / white, b**2 / white**2) if math.isfinite(a) and math.isfinite(b) else (None, None)


class KernelSource(CaptureSource):
    """Test bursts of kernel- and basis-prediction networks (.npz).

    Each file below ROOT holds noisy, truth, white_level, sig_read, sig_shot (Mildenhall et al. 2018; Xia et al. 2020).
    """

    command = "kpn"

    kind: Literal["kpn"]
    split: SourceSplit | None = "test"

    def find_bursts(self, root: Path) -> Iterator[Finding]:
        """Bursts of all `.npz` files below a folder, in natural order."""
        found = sorted((path.relative_to(root).as_posix() for path in root.rglob("*.npz")), key=natural_key)
        for path in found:
            try:
                located = resolve_inside(root, path)
                require_file(located)
                shape = _read_shape(located, "noisy")
                clean = _read_shape(located, "truth")
                if len(shape) not in (4, 5) or clean != (*shape[:3], *shape[4:]) or shape[0] > _MAX_BURSTS:
                    raise UnreadableImageError(
                        f"{located}: expected noisy [N, H, W, T] or [N, H, W, T, 3] and truth of the same sizes, got {list(shape)} and "
                        f"{list(clean)}"
                    )
                require_size(located, shape[2] * shape[3], shape[1])
                _require_reachable(located)
                content = hash_plain(located)
            except (SourceError, UnsafePathError, OSError) as error:
                yield RejectedBurst(path, error)
                continue
            for index in range(shape[0]):
                # The same scene comes at several gains; who made the set held it out as a whole.
                yield FoundBurst(f"{path}/{index:04d}", KernelFrames(located, index, shape[3], content))


def _to_rgb(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """[H, W] or [H, W, 3] to [H, W, 3]."""
    return np.repeat(image[..., None], 3, axis=2) if image.ndim == 2 else image


def _list_members(path: Path) -> frozenset[str]:
    try:
        with zipfile.ZipFile(path) as archive:
            return frozenset(name.removesuffix(".npy") for name in archive.namelist())
    except (zipfile.BadZipFile, OSError) as error:
        raise UnreadableImageError(f"{path}: cannot be read as npz ({explain(error)}); copy it again") from error


def _require_reachable(path: Path) -> None:
    """Raise UnreadableImageError where an array is compressed and so long that finding its rows would take for ever."""
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if member.compress_type != zipfile.ZIP_STORED and member.file_size > _MAX_PACKED_BYTES:
                raise UnreadableImageError(
                    f"{path}: {member.filename} is compressed and has {member.file_size:,} bytes, more than {_MAX_PACKED_BYTES:,}; "
                    "save it with numpy.savez, which does not compress"
                )


def _read_shape(path: Path, name: str) -> tuple[int, ...]:
    return _open_array(path, name, None)[0]


def _read_row(path: Path, name: str, index: int) -> NDArray[np.float64]:
    """Row `index` of an array in the file as float64; the rest is never in memory."""
    row = _open_array(path, name, index)[1]
    assert row is not None
    if not np.isfinite(row).all():
        raise UnreadableImageError(f"{path}: {name}[{index}]: expected finite numbers, got NaN or infinity")
    return row


def _open_array(path: Path, name: str, index: int | None) -> tuple[tuple[int, ...], NDArray[np.float64] | None]:
    """Shape of an array in the file, and one of its rows."""
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as stream:
            shape, kind = _read_header(stream)
            if index is None:
                return shape, None
            count = math.prod(shape[1:])
            if count * kind.itemsize > _MAX_BURST_BYTES or not 0 <= index < shape[0]:
                raise ValueError(f"{name}[{index}] of shape {list(shape)}")  # noqa: TRY301  # reported as any other damage
            stream.seek(index * count * kind.itemsize, 1)
            data = stream.read(count * kind.itemsize)
            return shape, np.frombuffer(data, kind).reshape(shape[1:]).astype(np.float64)
    except Exception as error:  # zip and header may be damaged in any way
        raise UnreadableImageError(f"{path}: {name} cannot be read ({explain(error)}); copy it again") from error


def _read_header(stream: Any) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, kind = read(stream)
    if fortran or kind.kind not in "fiu" or not shape or min(shape) < 1:
        raise ValueError(f"expected numbers in C order, got {kind} of shape {list(shape)}")
    return tuple(int(side) for side in shape), kind
