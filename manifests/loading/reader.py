"""Pixels of a burst by its position in the index, from single image files or from a pack."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal, Protocol, TypeAlias

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from manifests.confined.reading import read_files
from manifests.errors import ImageFileError
from manifests.images.pixels import UINT16_MAX, apply_orientation, decode_pixels, read_linear
from manifests.loading.index import BurstIndex
from manifests.loading.pack_files import PackFiles
from manifests.schema.words import MOST_PIXELS

BelowBlack: TypeAlias = Literal["clip", "keep"]
"""What becomes of values below the black level."""


class BurstReader(Protocol):
    """Reads whole bursts."""

    def read(self, index: BurstIndex, burst: int) -> torch.Tensor:
        """Frames of a burst.

        Args:
            index: the bursts of the data set.
            burst: position in it.

        Returns:
            float32 [T, C, H, W], upright, 0 at the black level and 1 at the white level, clipped to at most 1 and, unless the reader keeps
            what lies below black, to at least 0.

        Raises:
            ManifestError: if the pixels are missing, damaged, or not of the size that the index states.
        """
        ...


_LOWEST: dict[BelowBlack, float] = {"clip": 0.0, "keep": -1.0}
"""Least value that a reader hands on. Below −1 lies nothing that a sensor says."""


class FileReader:
    """Reads the image files of a data set."""

    def __init__(self, root: Path, below_black: BelowBlack = "clip") -> None:
        self._root, self._lowest = root, _LOWEST[below_black]

    def read(self, index: BurstIndex, burst: int) -> torch.Tensor:
        """As `BurstReader.read`."""
        rows = slice(int(index.starts[burst]), int(index.starts[burst + 1]))
        height, width, channels = int(index.height[burst]), int(index.width[burst]), int(index.channels[burst])
        black = index.black_level[burst]
        gain = np.float32(1) / (index.white_level[burst] - black)
        shape = (rows.stop - rows.start, channels, height, width)
        frames: NDArray[np.float32] | None = None
        paths, root = index.paths[rows].to_pylist(), str(self._root)
        for place, (path, data, orientation) in enumerate(
            zip(paths, read_files(self._root, paths), index.orientation[rows].tolist(), strict=True)
        ):
            pixels = decode_pixels(data, f"{root}/{path}", most=min(height * width, MOST_PIXELS))
            if orientation != 1:
                pixels = apply_orientation(pixels, orientation)
            planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
            if planes.shape != shape[1:]:
                raise ImageFileError(
                    f"{root}/{path}: expected {channels} x {height} x {width}, got {' x '.join(map(str, planes.shape))}"
                )
            if frames is None:  # only now: a table may state any size
                frames = np.empty(shape, np.float32)
            frame = frames[place]
            np.subtract(planes, black, out=frame, dtype=np.float32)
            np.multiply(frame, gain, out=frame)
            frame.clip(self._lowest, 1, out=frame)
        assert frames is not None  # a burst has a frame at least
        return torch.from_numpy(frames)


class PackReader:
    """Reads a pack."""

    def __init__(self, root: Path, index: BurstIndex, below_black: BelowBlack = "clip") -> None:
        self._files, self._below_black = PackFiles(root, index), below_black

    def read(self, index: BurstIndex, burst: int) -> torch.Tensor:
        """As `BurstReader.read`."""
        codes = self._files.read_codes(index, burst)
        black, white = index.black_level[burst], index.white_level[burst]
        if self._below_black == "keep":
            frames = codes.astype(np.float32)
            frames -= black
            frames *= np.float32(1) / (white - black)
            return torch.from_numpy(frames.clip(_LOWEST["keep"], 1, out=frames))
        return torch.from_numpy(scale_codes(codes, black, white))


def read_truth(root: Path, index: BurstIndex, burst: int) -> torch.Tensor:
    """Ground truth of a burst by its position in the index.

    Returns:
        float32 [3, H·scale, W·scale], linear light, 1 at white in the reference; NaN without truth.

    Raises:
        ManifestError: if the file is missing, damaged, or not of the size that the index states.
    """
    path = index.truth_path[burst].as_py()
    scale = int(index.scale[burst])
    height, width = scale * int(index.height[burst]), scale * int(index.width[burst])
    if not path:
        return torch.full((3, height, width), torch.nan)
    pixels = read_linear(
        root,
        path,
        black_level=0,
        white_level=UINT16_MAX / float(index.truth_white[burst]),
        most=min(height * width, MOST_PIXELS),
    )
    if pixels.shape != (height, width, 3):
        raise ImageFileError(
            f"{root}/{path}: expected {height} x {width} x 3, got {' x '.join(map(str, pixels.shape))}"
        )
    return torch.from_numpy(np.ascontiguousarray(pixels.transpose(2, 0, 1)))


def scale_codes(
    codes: NDArray[np.uint8] | NDArray[np.uint16], black: np.float32, white: np.float32
) -> NDArray[np.float32]:
    """Stored values as float32 in [0, 1]: 0 at black and below, 1 at white and above."""
    gain = np.float32(1) / (white - black)
    if not (black.is_integer() and white.is_integer() and 0 <= black < white <= np.iinfo(codes.dtype).max):
        scaled: NDArray[np.float32] = ((codes.astype(np.float32) - black) * gain).clip(0, 1)
        return scaled
    light: NDArray[Any] = codes
    if black > 0:
        # Clips at 0 by itself. In whole numbers, which take half the memory, the steps cost half.
        difference: Any = cv2.subtract(codes.reshape(-1, codes.shape[-1]), float(black))  # type: ignore[call-overload]  # numbers too
        light = difference.reshape(codes.shape)
    if white < np.iinfo(codes.dtype).max:
        light = np.minimum(light, codes.dtype.type(white - black))
    frames = light.astype(np.float32)
    frames *= gain
    return frames
