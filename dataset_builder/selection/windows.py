"""Windows of a burst at full resolution, in which its frames are judged: what blurs or misses a merge by a pixel shows in nothing smaller.

A frame of at most `WHOLE` pixels is one window. Of a larger one there are six: it is cut into 3 x 2 cells, and each gives the window of
`SIDE` x `SIDE` pixels with most fine structure in the reference. In every other frame a window lies where the motion of the whole
frame puts it, to two pixels; the rest of the motion is measured in the window. So a burst takes memory by its number of frames,
whatever their size.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.geometry import map_points
from dataset_builder.errors import ChangedSourceError, FrameSizeError, SourceError
from dataset_builder.ingest.crops import Window, find_textured
from dataset_builder.ingest.files import read_frame
from dataset_builder.ingest.leveling import match_levels
from dataset_builder.records.loading import assemble_burst
from dataset_builder.selection.folder import SeenBurst, read_sensor
from dataset_builder.work.local import Workers
from dataset_builder.work.pieces import do_pieces
from dataset_builder.work.unit import Failure
from restorers import Burst

SIDE = 256
"""Of a window, pixels: 128 x 128 cells of a mosaic."""
WHOLE = 640 * 640
"""Pixels of frames up to which they are judged as a whole."""
_CELLS = (3, 2)
"""Along the longer and the shorter side."""


@dataclass(frozen=True)
class _Cut:
    """Windows of a file to cut out: a piece of work."""

    folder: str
    name: str
    place: int
    shape: tuple[int, int]
    windows: tuple[Window, ...]
    sensor: Mapping[str, Any]

    @property
    def cost(self) -> int:
        """Any file is worth a unit of its own."""
        return 1


def choose_windows(grey: NDArray[np.float32], shape: tuple[int, int]) -> list[Window]:
    """The windows of the reference, by the rule above.

    Args:
        grey: float32 [h, w], the reference in small.
        shape: rows and columns of the frame.
    """
    height, width = shape
    if height * width <= WHOLE:
        return [Window(0, 0, width & ~1, height & ~1)]
    across, down = _CELLS if width >= height else _CELLS[::-1]
    cell = (height // down & ~1, width // across & ~1)
    size = min(SIDE, cell[0]), min(SIDE, cell[1])
    factor = height / grey.shape[0]
    windows = []
    for row, column in np.ndindex(down, across):
        top, left = row * cell[0], column * cell[1]
        (y, x), (bottom, right) = (
            (round(place / factor) for place in corner) for corner in ((top, left), (top + cell[0], left + cell[1]))
        )
        (found,) = find_textured(np.ascontiguousarray(grey[y:bottom, x:right]), cell, size, 1)
        windows.append(found._replace(x=left + found.x, y=top + found.y))
    return windows


def follow_window(window: Window, homography: Sequence[float] | None, shape: tuple[int, int]) -> Window:
    """Where a window of the reference lies in a frame: moved as its middle moves, by whole pairs of pixels, and kept inside the frame.

    Args:
        window: of the reference.
        homography: reference to frame, 9 numbers by rows; None where it is not known.
        shape: rows and columns of the frame.
    """
    if homography is None:
        return window
    middle = np.array([[window.x + (window.width - 1) / 2, window.y + (window.height - 1) / 2]])
    moved = (map_points(np.reshape(homography, (3, 3)), middle) - middle)[0]
    x, y = (
        min(max(start + 2 * round(step / 2), 0), (side - length) & ~1)
        for start, step, side, length in (
            (window.x, float(moved[0]), shape[1], window.width),
            (window.y, float(moved[1]), shape[0], window.height),
        )
    )
    return window._replace(x=x, y=y)


def cut_windows(burst: SeenBurst, scratch: Path, workers: Workers) -> Iterator[Burst]:
    """The burst within each window, one at a time, as restorers take it.

    Args:
        burst: what `look_at_folder` saw.
        scratch: where windows wait; whoever calls removes it.
        workers: who decodes.

    Raises:
        SourceError: if a file cannot be read any more, or is another than it was.
    """
    reference = burst.frames[burst.reference_index]
    windows = choose_windows(burst.grey, reference.shape)
    pieces = [
        _Cut(
            os.fspath(burst.folder.absolute()),
            frame.name,
            place,
            frame.shape,
            tuple(follow_window(window, frame.measures.get("homography"), frame.shape) for window in windows),
            asdict(reference.sensor),
        )
        for place, frame in enumerate(burst.frames)
    ]
    for outcome in do_pieces(cut_file, pieces, scratch, workers, cost=1):
        if isinstance(outcome, Failure):
            raise SourceError(outcome.message)
    rows = _describe_frames(burst)
    burst_row = {
        "reference_index": burst.reference_index,
        **{
            name: getattr(reference.sensor, name)
            for name in ("domain", "cfa", "black_level", "white_level", "white_balance", "color_matrix")
        },
    }
    for number in range(len(windows)):
        stored = (np.load(_place_cut(scratch, place), mmap_mode="r")[number] for place in range(len(burst.frames)))
        yield assemble_burst(burst_row, rows, stored)


def cut_file(root: Path, piece: _Cut) -> None:
    """Cut the windows out of a file, in a worker, to a file of `root`.

    Raises:
        SourceError: if it cannot be read, or is no frame of the burst any more.
    """
    path, expected = Path(piece.folder) / piece.name, read_sensor(piece.sensor)
    frame = match_levels(read_frame(path), expected)
    if frame.shape != tuple(piece.shape):
        raise ChangedSourceError(f"{path}: was replaced while it was read; run the same command again")
    if frame.sensor.form != expected.form:
        raise FrameSizeError(
            f"{path}: levels {frame.sensor.black_level:g} to {frame.sensor.white_level:g}, but the reference has "
            f"{expected.black_level:g} to {expected.white_level:g}; frames of a burst must agree"
        )
    np.save(_place_cut(root, piece.place), np.stack([window.cut(frame.pixels) for window in piece.windows]))


def _place_cut(root: Path, place: int) -> Path:
    return root / f"windows-{place}.npy"


def _describe_frames(burst: SeenBurst) -> list[dict[str, Any]]:
    """Rows as `assemble_burst` takes them."""
    return [
        {
            "orientation": 1,
            "exposure_ratio": ratio,
            "shot_noise": frame.sensor.shot_noise,
            "read_noise": frame.sensor.read_noise,
            "timestamp": frame.seconds,
        }
        for frame, ratio in zip(burst.frames, burst.exposure_ratios, strict=True)
    ]
