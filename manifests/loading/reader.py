"""Pixels of a burst by its position in the index, from single image files or from a pack."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from manifests.confined.reading import read_files
from manifests.errors import ImageFileError
from manifests.images.pixels import apply_orientation, decode_pixels
from manifests.loading.index import BurstIndex
from manifests.loading.pack_files import PackFiles
from manifests.schema.words import MOST_PIXELS


class BurstReader(Protocol):
    """Reads whole bursts."""

    def read(self, index: BurstIndex, burst: int) -> torch.Tensor:
        """Frames of a burst.

        Args:
            index: the bursts of the data set.
            burst: position in it.

        Returns:
            float32 [T, C, H, W], upright, 0 at the black level and 1 at the white level, clipped to [0, 1].

        Raises:
            ManifestError: if the pixels are missing, damaged, or not of the size that the index states.
        """
        ...


class FileReader:
    """Reads the image files of a data set."""

    def __init__(self, root: Path) -> None:
        self._root = root

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
            frame.clip(0, 1, out=frame)
        assert frames is not None  # a burst has a frame at least
        return torch.from_numpy(frames)


class PackReader:
    """Reads a pack."""

    def __init__(self, root: Path, index: BurstIndex) -> None:
        self._files = PackFiles(root, index)

    def read(self, index: BurstIndex, burst: int) -> torch.Tensor:
        """As `BurstReader.read`."""
        codes = self._files.read_codes(index, burst)
        return torch.from_numpy(scale_codes(codes, index.black_level[burst], index.white_level[burst]))


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
