"""How the bursts of a source are read, frame by frame, whatever kind of file they came from."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.frame import Frame, LensShading
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

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is worth knowing of the frames and their order, once they are settled."""
        ...

    def digest(self) -> str:
        """SHA-256 (hex) over the digests of the files that the burst is read from, in order.

        Raises:
            SourceError: if a file cannot be read.
        """
        ...

    def has_digest(self, sha256: str, copied: Mapping[str, str]) -> bool:
        """Whether the files still are what they were when their digest was taken.

        Args:
            sha256: what `digest` gave then.
            copied: SHA-256 of what was read of those files that were copied byte for byte, by the name of their frame.

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

    def read_shading(self, reference: int) -> LensShading | None:
        """Decode the map of the lens's shading; None if there is none.

        Args:
            reference: index of the frame that became the reference.

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


class ReaderDefaults(ABC):
    """What most readers do, for them to inherit."""

    @abstractmethod
    def digest(self) -> str:
        """As `BurstReader`."""

    def has_digest(self, sha256: str, copied: Mapping[str, str]) -> bool:  # noqa: ARG002  # most readers copy nothing
        """Whether the files have that digest now."""
        return self.digest() == sha256

    @property
    def settings(self) -> list[int]:
        """Nothing."""
        return []

    @property
    def remarks(self) -> tuple[str, ...]:
        """None."""
        return ()

    def resolve(self, *, look: bool) -> Self:  # noqa: ARG002  # nothing is left to later
        """Itself: frames and order are settled."""
        return self

    def read_truth(self) -> Truth | None:
        """None."""
        return None

    def read_shading(self, reference: int) -> LensShading | None:  # noqa: ARG002  # there is none
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


@dataclass(frozen=True)
class Remark:
    """What was left out or taken on trust, for the person at the terminal."""

    text: str


Finding = FoundBurst | RejectedBurst | Remark
