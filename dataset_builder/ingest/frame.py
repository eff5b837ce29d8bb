"""One frame of a real burst, whatever kind of file it came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from dataset_builder.ingest.exif import CaptureFacts
from dataset_builder.ingest.images import DecodedPicture, Pixels
from restorers import CFA, Domain


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
        facts: of its capture.
        sensor: what the numbers mean.
        file: bytes of a JPEG or PNG that hold these very pixels up to EXIF orientation; None if there are none.
        origin: the file that held `file` when it was read; copying it is cheaper than writing the bytes.
        timestamp: seconds, from any start that the burst shares; None if only EXIF may know.
    """

    picture: Pixels | DecodedPicture
    facts: CaptureFacts
    sensor: SensorFacts
    file: bytes | None = None
    origin: Path | None = None
    timestamp: float | None = None

    @cached_property
    def pixels(self) -> Pixels:
        """uint8 or uint16, [H, W] for a mosaic, else RGB [H, W, 3]; upright."""
        return self.picture.load() if isinstance(self.picture, DecodedPicture) else self.picture

    @property
    def preview(self) -> Pixels:
        """The pixels, or a smaller picture of the same proportions that is cheaper to have."""
        return self.picture.preview() if isinstance(self.picture, DecodedPicture) else self.picture

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns, known without a look at the pixels."""
        return self.picture.shape[0], self.picture.shape[1]

    @property
    def bits(self) -> int:
        """Per sample."""
        return 8 * self.picture.itemsize


@dataclass(frozen=True, eq=False)
class Truth:
    """Ground truth that came with a burst.

    Attributes:
        pixels: uint16 [H·scale, W·scale, 3], linear camera RGB, 65535 = `white`.
        scale: its pixels per frame pixel.
        kind: `exact` or `reference_capture`.
        method: how it came to lie on the grid of the reference, name and parameters; empty if it was captured there.
        white: signal that the largest value means.
        mask: bool, same rows and columns, True where it can be trusted; None if everywhere.
    """

    pixels: NDArray[np.uint16]
    scale: int
    kind: str
    method: str = ""
    white: float = 1.0
    mask: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class LensShading:
    """Gains that undo the lens's shading, on a grid over the frame.

    Attributes:
        height: rows of the grid.
        width: columns of the grid.
        gains: of R, green beside R, green beside B, B at each point, by rows.
    """

    height: int
    width: int
    gains: tuple[float, ...]


class BurstReader(Protocol):
    """Reads one burst, frame by frame; small and picklable."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the origin calls each frame, in order of capture."""
        ...

    @property
    def reference_index(self) -> int | None:
        """The frame that the origin calls the reference; None if it names none."""
        ...

    @property
    def settings(self) -> list[int]:
        """What the frames depend on beside the content of the files."""
        ...

    def digest(self) -> str:
        """SHA-256 (hex) over the digests of the files that the burst is read from, in order.

        Raises:
            SourceError: if a file cannot be read.
        """
        ...

    def resolve(self, *, look: bool) -> BurstReader:
        """The same burst with its frames and their order settled, as far as that needs a look into the files.

        Args:
            look: whether somebody will look at the pixels of all frames; else they are checked, but may be decoded later.

        Raises:
            SourceError: if a file cannot be read.
        """
        ...

    def read(self, index: int) -> Frame:
        """Decode one frame.

        Raises:
            SourceError: if it cannot be read.
        """
        ...

    def iterate(self) -> Iterator[Frame]:
        """Decode all frames in order, one at a time.

        Raises:
            SourceError: at the first that cannot be read.
        """
        ...

    def read_shading(self) -> LensShading | None:
        """Decode the map of the lens's shading; None if there is none.

        Raises:
            SourceError: if it cannot be read.
        """
        ...

    def read_truth(self) -> Truth | None:
        """Decode the ground truth; None if there is none.

        Raises:
            SourceError: if it cannot be read.
        """
        ...


class ReaderDefaults:
    """What most readers do, for them to inherit."""

    @property
    def settings(self) -> list[int]:
        """Nothing."""
        return []

    def resolve(self, *, look: bool) -> Self:  # noqa: ARG002  # nothing is left to later
        """Itself: frames and order are settled."""
        return self

    def read_truth(self) -> Truth | None:
        """None."""
        return None

    def read_shading(self) -> LensShading | None:
        """None."""
        return None


@dataclass(frozen=True)
class FoundBurst:
    """A burst that a source holds, before anything of it is decoded.

    Attributes:
        path: folder or file below the source's root, POSIX; names the burst.
        reader: of its frames.
        scene: name of what was photographed, where several bursts of the source show it; empty if the burst is alone.
        split: that the origin's own lists give it; None if they give none.
    """

    path: str
    reader: BurstReader
    scene: str = ""
    split: str | None = None


@dataclass(frozen=True)
class RejectedBurst:
    """A burst that cannot be used, found so before anything was decoded."""

    path: str
    error: Exception


Finding = FoundBurst | RejectedBurst
