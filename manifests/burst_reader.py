"""Pixels of a burst by its position in the index, from single image files or from a pack."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from manifests.burst_index import BurstIndex
from manifests.confined import read_files_inside
from manifests.errors import ImageFileError
from manifests.pack_files import PackFiles
from manifests.pixels import apply_orientation, decode_pixels


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
        frames = np.empty((rows.stop - rows.start, channels, height, width), np.float32)
        paths, root = index.paths[rows].to_pylist(), str(self._root)
        for frame, path, data, orientation in zip(
            frames, paths, read_files_inside(self._root, paths), index.orientation[rows].tolist(), strict=True
        ):
            pixels = decode_pixels(data, f"{root}/{path}")
            if orientation != 1:
                pixels = apply_orientation(pixels, orientation)
            planes = pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
            if planes.shape != frame.shape:
                raise ImageFileError(
                    f"{root}/{path}: expected {channels} x {height} x {width}, got {' x '.join(map(str, planes.shape))}"
                )
            np.subtract(planes, black, out=frame, dtype=np.float32)
            np.multiply(frame, gain, out=frame)
            frame.clip(0, 1, out=frame)
        return torch.from_numpy(frames)


class PackReader:
    """Reads a pack."""

    def __init__(self, root: Path, index: BurstIndex) -> None:
        self._files = PackFiles(root, index)

    def read(self, index: BurstIndex, burst: int) -> torch.Tensor:
        """As `BurstReader.read`."""
        black = index.black_level[burst]
        gain = np.float32(1) / (index.white_level[burst] - black)
        frames = torch.from_numpy(self._files.read_codes(index, burst)).to(torch.float32)
        return frames.sub_(float(black)).mul_(float(gain)).clamp_(0, 1)
