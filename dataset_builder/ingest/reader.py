"""How the bursts of a source are read, frame by frame, whatever kind of file they came from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.frame import Frame
from dataset_builder.work.unit import Failure


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
        gains: gains of R, green beside R, green beside B, B at each point, by rows.
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
        reader: reader of its frames.
        scene: name of what was photographed, where several bursts of the source show it; empty if the burst is alone.
        split: that the origin's own lists give it; None if they give none.
    """

    path: str
    reader: BurstReader
    scene: str = ""
    split: str | None = None


@dataclass(frozen=True)
class RejectedBurst:
    """A burst that cannot be used, found so before its frames were decoded."""

    path: str
    error: Exception | Failure


Finding = FoundBurst | RejectedBurst
