"""Black and white levels of mosaics: brought to one for all pixels, and looked at beside the pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.errors import UnreadableImageError

_ROWS = 256
_WAY_OUT = "state the right ones with black_level and white_level (--black-level, --white-level)"
_MOST_DARK, _MOST_BRIGHT = 0.9, 0.05
"""Shares of pixels that may lie below the black level, where noise is all there is, and well above the white level, where all saturate."""
_WELL = 0.1
_PILE = 5e-4


@dataclass(frozen=True)
class Levels:
    """What somebody says of the levels of a source's files, who knows better than they do.

    Attributes:
        black: code that means no light; None leaves it to the files.
        white: code that means 1; None leaves it to the files.
    """

    black: float | None = None
    white: float | None = None

    @property
    def settings(self) -> list[int]:
        """Both in thousandths, for keys; empty if neither is given."""
        if self.black is None and self.white is None:
            return []
        return [-1 if level is None else round(1000 * level) for level in (self.black, self.white)]


AS_STATED = Levels()
"""Those of the files."""


def level_mosaic(
    mosaic: NDArray[np.uint16], blacks: NDArray[np.float64], white: float
) -> tuple[NDArray[np.uint16], float, float]:
    """Shift all pixels to one black level, and end them all where the first saturates.

    Codes stay whole, so the shifts are; what fractions of a code they leave is shared among the pixels.

    Args:
        mosaic: [H, W].
        blacks: float64, levels of the pixels (0, 0), (0, 1), (1, 0), (1, 1) of a cell as [4] or [2, 2], else of each pixel as [H, W].
        white: level at which all saturate, before the shift.

    Returns:
        uint16 [H, W], the black level and the white level that now hold for all.
    """
    levels = blacks.reshape(2, 2) if blacks.size == 4 else blacks
    offsets = np.rint(levels.max() - levels).astype(np.int64)
    top = int(min(white + offsets.min(), 65535))
    levelled = np.empty_like(mosaic)
    if levels.shape == (2, 2):
        for row, column in np.ndindex(2, 2):
            plane, offset = mosaic[row::2, column::2], offsets[row, column]
            levelled[row::2, column::2] = np.minimum(plane.astype(np.int64) + offset if offset else plane, top)
    else:
        for start in range(0, len(mosaic), _ROWS):
            rows = slice(start, start + _ROWS)
            levelled[rows] = np.minimum(mosaic[rows].astype(np.int64) + offsets[rows], top)
    return levelled, float((levels + offsets).mean()), float(top)


def shift_levels(
    mosaic: NDArray[np.uint16], black: float, white: float, *, to_black: float, to_white: float
) -> NDArray[np.uint16]:
    """Bring a mosaic of levels of its own to those of another: shifted by whole codes, saturated where it was or where the other is.

    Half a code of black may be left between the two.
    """
    shift = round(to_black - black)
    shifted = np.clip(mosaic.astype(np.int64) + shift, 0, int(to_white))
    shifted[mosaic >= white] = int(to_white)
    return shifted.astype(np.uint16)


def require_plausible(mosaic: NDArray[Any], black: float, white: float) -> None:
    """Raise UnreadableImageError unless pixels can have the levels that they are said to have.

    Noise may take half of a dark frame below black, and lamps may exceed white by the spread of saturation. A whole number of bits at
    which pixels pile up well below white is the end of another range than white says.
    """
    if not white > black:
        raise UnreadableImageError(
            f"expected a white level above the black level, got {white:g} and {black:g}; {_WAY_OUT}"
        )
    dark = np.count_nonzero(mosaic < black) / mosaic.size
    if dark > _MOST_DARK:
        raise UnreadableImageError(f"{100 * dark:.0f} % of its pixels lie below the black level {black:g}; {_WAY_OUT}")
    bright = np.count_nonzero(mosaic > white + _WELL * (white - black)) / mosaic.size
    if bright > _MOST_BRIGHT:
        raise UnreadableImageError(
            f"{100 * bright:.0f} % of its pixels lie well above the white level {white:g}; {_WAY_OUT}"
        )
    top = int(mosaic.max())
    ends_early = top & (top + 1) == 0 and top >= 255 and 1.5 * top < white
    if ends_early and np.count_nonzero(mosaic == top) > max(_PILE * mosaic.size, 4):
        raise UnreadableImageError(
            f"its pixels pile up at {top}, as if they had {top.bit_length()} bits, below the white level {white:g}; {_WAY_OUT}"
        )
