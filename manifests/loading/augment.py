"""Crops and flips that treat all frames of a burst and its truth alike, and keep their motion and colour filter array true.

Every transform moves the pixels of all frames by one map G. A homography H from reference to frame then becomes G ∘ H ∘ G⁻¹, and the
pattern of a mosaic is read off at its new top-left pixel.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from manifests.loading.items import BurstItem, Transform


def compose(*transforms: Transform) -> Transform:
    """One transform that applies several, in order."""
    return _Chain(transforms)


@dataclass(frozen=True)
class _Chain:
    transforms: tuple[Transform, ...]

    def __call__(self, item: BurstItem, random: np.random.Generator) -> BurstItem:
        for transform in self.transforms:
            item = transform(item, random)
        return item


@dataclass(frozen=True)
class RandomCrop:
    """Cut the same rectangle out of all frames.

    Of a mosaic, it begins at an even row and column, so that the pattern stays; or, if `cfa` is given, where the pattern is that.

    Attributes:
        height: rows to keep; even for mosaics.
        width: columns to keep; even for mosaics.
        cfa: pattern that every mosaic is to have (Liu et al., "Learning raw image denoising with Bayer pattern unification and Bayer
            preserving augmentation", CVPRW 2019); None keeps that of the burst.
    """

    height: int
    width: int
    cfa: str | None = None

    def __call__(self, item: BurstItem, random: np.random.Generator) -> BurstItem:
        """Draw the rectangle and cut.

        Raises:
            ValueError: if the frames are too small.
        """
        height, width = item["frames"].shape[-2:]
        row_step = column_step = 1
        first_row = first_column = 0
        if item["cfa"]:
            first_row, first_column = _find_phase(item["cfa"], self.cfa or item["cfa"])
            row_step = column_step = 2
        rows = (height - self.height - first_row) // row_step + 1
        columns = (width - self.width - first_column) // column_step + 1
        if rows < 1 or columns < 1:
            raise ValueError(
                f"burst {item['burst_id']}: expected frames of at least {self.height + first_row} x "
                f"{self.width + first_column}, got {height} x {width}; crop less"
            )
        row = first_row + row_step * int(random.integers(rows))
        column = first_column + column_step * int(random.integers(columns))

        def cut(pixels: torch.Tensor, scale: int) -> torch.Tensor:
            rows = slice(scale * row, scale * (row + self.height))
            return pixels[..., rows, scale * column : scale * (column + self.width)].contiguous()

        move = np.array([[1, 0, -column], [0, 1, -row], [0, 0, 1.0]])
        return _transform(item, cut, move, np.roll(_to_square(item["cfa"]), (-row, -column), (0, 1)))


@dataclass(frozen=True)
class RandomFlip:
    """Mirror all frames, rows and columns and their exchange each with a probability: all eight poses of a square.

    Attributes:
        rows: probability of turning upside down.
        columns: probability of exchanging left and right.
        transpose: probability of exchanging rows and columns.
    """

    rows: float = 0.5
    columns: float = 0.5
    transpose: float = 0.5

    def __call__(self, item: BurstItem, random: np.random.Generator) -> BurstItem:
        """Draw the pose and turn."""
        # All are drawn, whatever comes of them, so that one probability does not change another's draw.
        rows, columns, transpose = random.random(3) < (self.rows, self.columns, self.transpose)
        if rows:
            item = _flip_rows(item)
        if columns:
            item = _transpose(_flip_rows(_transpose(item)))
        return _transpose(item) if transpose else item


def _flip_rows(item: BurstItem) -> BurstItem:
    height = item["frames"].shape[-2]
    move = np.array([[1, 0, 0], [0, -1, height - 1], [0, 0, 1.0]])
    # Row 0 is what was the last row, whose pattern is that of its parity.
    pattern = np.roll(_to_square(item["cfa"])[::-1], height % 2, 0)
    return _transform(item, lambda pixels, _: pixels.flip(-2), move, pattern)


def _transpose(item: BurstItem) -> BurstItem:
    move = np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1.0]])
    return _transform(item, lambda pixels, _: pixels.transpose(-1, -2).contiguous(), move, _to_square(item["cfa"]).T)


def _transform(
    item: BurstItem,
    change: Callable[[torch.Tensor, int], torch.Tensor],
    move: NDArray[np.float64],
    cfa: NDArray[np.str_],
) -> BurstItem:
    """The item whose pixels were changed; `change` also takes how many of them make a pixel of a frame, along each side."""
    changed: BurstItem = {
        **item,
        "frames": change(item["frames"], 1),
        "oracle_homographies": _move(item["oracle_homographies"], move),
        "cfa": "".join(cfa.ravel()) if item["cfa"] else "",
    }
    if "estimated_homographies" in item:
        changed["estimated_homographies"] = _move(item["estimated_homographies"], move)
    if "truth" in item:
        changed["truth"] = change(item["truth"], item["truth"].shape[-1] // item["frames"].shape[-1])
    return changed


def _move(homographies: torch.Tensor, move: NDArray[np.float64]) -> torch.Tensor:
    moved = move @ homographies.numpy().astype(np.float64) @ np.linalg.inv(move)
    return torch.from_numpy(moved.astype(np.float32))


def _to_square(cfa: str) -> NDArray[np.str_]:
    """Pattern as [2, 2] letters; blanks for RGB."""
    return np.array(list(cfa or "    ")).reshape(2, 2)


def _find_phase(cfa: str, wanted: str) -> tuple[int, int]:
    """Row and column, 0 or 1, from which one pattern is another."""
    for row in (0, 1):
        for column in (0, 1):
            if "".join(np.roll(_to_square(cfa), (-row, -column), (0, 1)).ravel()) == wanted:
                return row, column
    raise ValueError(f"cfa {wanted!r}: expected one of RGGB, GRBG, GBRG, BGGR, as {cfa!r} can be shifted to")
