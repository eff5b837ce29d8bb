"""A decoded frame, and what its numbers mean."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.pictures import DecodedPicture, Pixels
from restorers import CFA, Domain


@dataclass(frozen=True)
class LensShading:
    """Gains that undo the lens's shading, on a grid over the frame.

    Attributes:
        height: rows of the grid.
        width: columns of the grid.
        gains: gains of R, green beside R, green beside B, B at each point, by rows.
    """

    height: int
    width: int
    gains: tuple[float, ...]


@dataclass(frozen=True)
class SensorFacts:
    """What the numbers of a frame mean.

    Attributes:
        domain: what the numbers are.
        cfa: colour filter array by the top-left pixel of the upright frame; None unless the domain is `raw_bayer`.
        black_level: value that means no light.
        white_level: value that means 1.
        white_balance: gains of R, G, B, green 1; None if unknown.
        color_matrix: white-balanced camera RGB to linear sRGB, 9 values by rows; None if unknown.
        shot_noise: a in variance = a · signal + b, signal 1 at white; None if unknown.
        read_noise: b of the same.
    """

    domain: Domain
    cfa: CFA | None = None
    black_level: float = 0.0
    white_level: float = 255.0
    white_balance: tuple[float, float, float] | None = None
    color_matrix: tuple[float, ...] | None = None
    shot_noise: float | None = None
    read_noise: float | None = None

    @property
    def form(self) -> tuple[object, ...]:
        """What must agree within a burst."""
        return self.domain, self.cfa, self.black_level, self.white_level


@dataclass(frozen=True, eq=False)
class Frame:
    """A decoded frame.

    Attributes:
        picture: what `pixels` come from.
        facts: facts of its capture.
        sensor: what the numbers mean.
        file: bytes of a JPEG or PNG that hold these very pixels up to EXIF orientation; None if there are none.
        origin: the file that held `file` when it was read; copying it is cheaper than writing the bytes.
        timestamp: seconds, from any start that the burst shares; None if only EXIF may know, NaN if nothing does.
        own_levels: black and white level of the file, where the pixels were brought to others since.
    """

    picture: Pixels | DecodedPicture
    facts: CaptureFacts
    sensor: SensorFacts
    file: bytes | None = None
    origin: Path | None = None
    timestamp: float | None = None
    own_levels: tuple[float, float] | None = None

    @cached_property
    def pixels(self) -> Pixels:
        """uint8 or uint16, [H, W] for a mosaic, else RGB [H, W, 3]; upright."""
        return self.picture.load() if isinstance(self.picture, DecodedPicture) else self.picture

    @property
    def preview(self) -> Pixels:
        """The pixels, or a smaller picture of the same proportions that is cheaper to have."""
        return self.picture.preview() if isinstance(self.picture, DecodedPicture) else self.picture

    @property
    def sample(self) -> str:
        """Digest of some of the pixels: equal for equal pixels of one kind of file, and seldom for others."""
        picture = self.picture
        rows = picture.sample() if isinstance(picture, DecodedPicture) else picture[:1]
        return hashlib.sha256(
            repr((self.shape, rows.dtype)).encode() + np.ascontiguousarray(rows).tobytes()
        ).hexdigest()

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, known without a look at the pixels."""
        return self.picture.shape[0], self.picture.shape[1]

    @property
    def bits(self) -> int:
        """Per sample."""
        return 8 * self.picture.itemsize
