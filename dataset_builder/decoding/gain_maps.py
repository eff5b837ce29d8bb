"""Gain maps in the opcode lists of a DNG (DNG specification 1.7, chapter 7) as lens shading."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.dng import DngTags
from dataset_builder.decoding.frame import LensShading
from dataset_builder.errors import UnreadableImageError
from manifests.images.pixels import apply_orientation

_GAIN_MAP = 9
_LEVELS = {
    7: "MapTable",
    8: "MapPolynomial",
    10: "DeltaPerRow",
    11: "DeltaPerColumn",
    12: "ScalePerRow",
    13: "ScalePerColumn",
}
_OPTIONAL = 1
_MAX_SIDE = 256
_HEAD = ">10I4dI"


@dataclass(frozen=True, eq=False)
class _GainMap:
    bounds: tuple[int, int, int, int]
    pitch: tuple[int, int]
    spacing: tuple[float, float]
    start: tuple[float, float]
    gains: NDArray[np.float64]


def require_levels(lists: Sequence[bytes]) -> None:
    """Raise UnreadableImageError if a list must be obeyed, but changes levels in a way that is not supported, or is damaged."""
    for kind, flags, _ in _list_opcodes(lists):
        if kind in _LEVELS and not flags & _OPTIONAL:
            raise UnreadableImageError(
                f"asks for {_LEVELS[kind]}, which changes the levels of its pixels and is not supported; develop it"
            )


def read_gain_maps(tags: DngTags) -> LensShading | None:
    """Gains by colour over the upright frame; None if the file has none.

    Raises:
        UnreadableImageError: if a map is damaged, or covers a part of the frame only.
    """
    maps = [_read_map(body) for kind, _, body in _list_opcodes(tags.opcodes) if kind == _GAIN_MAP]
    if not maps:
        return None
    height, width = (max(found.gains.shape[axis] for found in maps) for axis in (0, 1))
    total = np.ones((height, width, 4))
    for found in maps:
        top, left, bottom, right = found.bounds
        if max(tags.active[0] - bottom, tags.active[1] - right) > 1 or max(top, left) > 1:
            raise UnreadableImageError(
                f"has a gain map over {found.bounds} of {tags.active}, a part of the frame only; develop it"
            )
        resampled = _resample(found, height, width)
        for site, (row, column) in enumerate(np.ndindex(2, 2)):
            if (row - top) % found.pitch[0] == 0 and (column - left) % found.pitch[1] == 0:
                total[..., site] *= resampled
    return _arrange(total, tags)


def _arrange(total: NDArray[np.float64], tags: DngTags) -> LensShading:
    """Sites of a cell to R, green beside R, green beside B, B of the upright frame."""
    letters = apply_orientation(tags.cfa, tags.orientation)
    sites = apply_orientation(np.arange(4).reshape(2, 2), tags.orientation)
    upright = apply_orientation(total, tags.orientation)
    red = int(np.argwhere(letters == "R")[0][0])
    order = [0, 0, 0, 0]
    for row, column in np.ndindex(2, 2):
        place = {"R": 0, "B": 3}.get(str(letters[row, column]), 1 if row == red else 2)
        order[place] = int(sites[row, column])
    return LensShading(upright.shape[0], upright.shape[1], tuple(upright[..., order].ravel().tolist()))


def _resample(found: _GainMap, height: int, width: int) -> NDArray[np.float64]:
    """A map on a grid from edge to edge, linear between its points and constant beyond."""
    gains = found.gains
    for axis, count in ((0, height), (1, width)):
        points = gains.shape[axis]
        spacing = found.spacing[axis] if points > 1 else 1.0
        places = (np.linspace(0, 1, count) - found.start[axis]) / spacing
        lower = np.clip(np.floor(places), 0, max(points - 2, 0)).astype(int)
        share = np.clip(places - lower, 0, 1)
        share = share[:, None] if axis == 0 else share
        upper = np.minimum(lower + 1, points - 1)
        gains = np.take(gains, lower, axis) * (1 - share) + np.take(gains, upper, axis) * share
    return gains


def _list_opcodes(lists: Sequence[bytes]) -> Iterator[tuple[int, int, bytes]]:
    """Kind, flags and parameters of each."""
    for data in lists:
        try:
            (count,) = struct.unpack_from(">I", data)
            place = 4
            for _ in range(count):
                kind, _, flags, size = struct.unpack_from(">4I", data, place)
                place += 16 + size
                if place > len(data):
                    raise ValueError("cut off")  # noqa: TRY301  # reported as any other damage
                yield kind, flags, data[place - size : place]
        except (struct.error, ValueError) as error:
            raise UnreadableImageError(f"has a damaged list of opcodes ({error}); copy it again") from error


def _read_map(body: bytes) -> _GainMap:
    try:
        head = struct.unpack_from(_HEAD, body)
        top, left, bottom, right, plane, planes, row_pitch, column_pitch, height, width = head[:10]
        spacing, start, layers = head[10:12], head[12:14], head[14]
        if plane or planes != 1 or not layers or not 0 < min(height, width) <= max(height, width) <= _MAX_SIDE:
            raise ValueError(f"{height} x {width} points of {layers} layers for planes {plane} to {planes}")  # noqa: TRY301  # as below
        values = np.frombuffer(body, ">f4", height * width * layers, struct.calcsize(_HEAD))
        gains = values.reshape(height, width, layers)[..., 0].astype(np.float64)
        if not np.isfinite(gains).all() or (gains <= 0).any() or not min(row_pitch, column_pitch):
            raise ValueError("gains that are not positive")  # noqa: TRY301  # as below
        if not np.isfinite((*spacing, *start)).all() or (max(height, width) > 1 and min(spacing) <= 0):
            raise ValueError(f"points {spacing} apart")  # noqa: TRY301  # as below
    except (struct.error, ValueError) as error:
        raise UnreadableImageError(f"has a damaged gain map ({error}); copy it again") from error
    return _GainMap((top, left, bottom, right), (row_pitch, column_pitch), spacing, start, gains)
