"""The burst as restorers see it: pixels, reference, and what the camera knows of each frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restorers.errors import InvalidBurstError

FloatImage = NDArray[np.float32]
FloatArray = NDArray[np.float64]


class Domain(StrEnum):
    """What the numbers of an image are; never guessed from the numbers."""

    RAW_BAYER = "raw_bayer"
    """Sensor mosaic, H x W, black level subtracted, linear in light."""
    LINEAR_RGB = "linear_rgb"
    """Camera RGB, H x W x 3, linear in light, before white balance."""
    SRGB = "srgb"
    """Display RGB, H x W x 3, with the sRGB transfer curve."""


class CFA(StrEnum):
    """Colour filter array, read along the first row then the second, from the top-left pixel."""

    RGGB = "RGGB"
    GRBG = "GRBG"
    GBRG = "GBRG"
    BGGR = "BGGR"

    @property
    def channels(self) -> tuple[int, int, int, int]:
        """RGB channel (0, 1, 2) of the pixels (0, 0), (0, 1), (1, 0), (1, 1), as (row, column)."""
        red, green, blue, last = ("RGB".index(letter) for letter in self.value)
        return red, green, blue, last


@dataclass(frozen=True, eq=False)
class Burst:
    """An ordered set of T frames of one scene.

    Attributes:
        frames: float32, [T, H, W] for `raw_bayer`, else [T, H, W, 3]. 1 is the white level of the sensor or display. Display
            frames lie in [0, 1]; linear frames may fall below 0, where read noise does: clipping there would bias averages.
            Read-only.
        reference_index: the frame on whose grid restorers work.
        domain: what the numbers are.
        cfa: colour filter array of the mosaic; None unless the domain is `raw_bayer`.
        black_level: sensor code that became 0.
        white_level: sensor code that became 1.
        shot_noise: float64 [T]; the noise variance of frame t at signal x is `shot_noise[t] * x + read_noise[t]`, in units where
            1 is white. None when unknown.
        read_noise: float64 [T]; None when unknown.
        exposure_ratio: float64 [T]; light gathered times gain, relative to the reference, where it is 1.
        timestamps: float64 [T]; seconds since the first frame, NaN where unknown.
        white_balance: float64 [3]; gains of R, G, B that make grey grey.
        color_matrix: float64 [3, 3]; white-balanced camera RGB to linear sRGB.

    Raises:
        InvalidBurstError: if any of this does not hold. The message names the attribute.
    """

    frames: FloatImage
    reference_index: int = 0
    domain: Domain = Domain.RAW_BAYER
    cfa: CFA | None = None
    black_level: float = 0.0
    white_level: float = 1.0
    shot_noise: FloatArray | None = None
    read_noise: FloatArray | None = None
    exposure_ratio: FloatArray = field(default_factory=lambda: np.empty(0))
    timestamps: FloatArray = field(default_factory=lambda: np.empty(0))
    white_balance: FloatArray = field(default_factory=lambda: np.ones(3))
    color_matrix: FloatArray = field(default_factory=lambda: np.eye(3))

    def __post_init__(self) -> None:
        kinds = f"one of {', '.join(Domain)} as a Domain"
        _require(isinstance(self.domain, Domain), "domain", kinds, repr(self.domain))
        frames = np.asarray(self.frames)
        _require(frames.dtype == np.float32, "frames", "float32", frames.dtype)
        mosaic = self.domain is Domain.RAW_BAYER
        _require(
            frames.ndim == (3 if mosaic else 4) and (mosaic or frames.shape[-1] == 3) and frames.size > 0,
            "frames",
            "[T, H, W]" if mosaic else "[T, H, W, 3]",
            f"shape {list(frames.shape)}",
        )
        _require(bool(np.isfinite(frames).all()), "frames", "finite values", "NaN or infinity")
        lowest, highest = float(frames.min()), float(frames.max())
        _require(
            highest <= 1.0 and lowest >= (0.0 if self.domain is Domain.SRGB else -1.0),
            "frames",
            "values up to 1, the white level",
            f"[{lowest:.4g}, {highest:.4g}]",
        )
        if mosaic:
            _require(isinstance(self.cfa, CFA), "cfa", f"one of {', '.join(CFA)}", self.cfa)
            _require(frames.shape[1] % 2 == 0 and frames.shape[2] % 2 == 0, "frames", "even sides", frames.shape[1:])
        else:
            _require(self.cfa is None, "cfa", f"None for {self.domain}", self.cfa)
        _require_index(self.reference_index, len(frames), "reference_index")
        _require(self.black_level < self.white_level, "black_level", f"below {self.white_level}", self.black_level)
        _require(
            (self.shot_noise is None) == (self.read_noise is None),
            "read_noise",
            "shot_noise and read_noise, or neither",
            "one",
        )

        view = frames.view()
        view.flags.writeable = False
        object.__setattr__(self, "frames", view)
        for name, missing in (
            ("shot_noise", None),
            ("read_noise", None),
            ("exposure_ratio", 1.0),
            ("timestamps", np.nan),
        ):
            self._freeze_per_frame(name, missing)
        _require(bool((self.exposure_ratio > 0).all()), "exposure_ratio", "positive", self.exposure_ratio.min())
        self._freeze_color("white_balance", (3,), "3 gains")
        self._freeze_color("color_matrix", (3, 3), "3 x 3")
        _require(bool((self.white_balance > 0).all()), "white_balance", "positive", self.white_balance.tolist())

    def _freeze_per_frame(self, name: str, missing: float | None) -> None:
        value = getattr(self, name)
        if value is None:
            return
        if np.size(value) == 0 and missing is not None:
            value = np.full(len(self.frames), missing)
        array = np.array(value, np.float64)
        _require(
            array.shape == (len(self.frames),),
            name,
            f"{len(self.frames)} numbers, one per frame",
            f"shape {list(array.shape)}",
        )
        if name == "timestamps":
            _require(not np.isinf(array).any(), name, "finite or NaN", array.tolist())
        else:
            _require(
                bool(np.isfinite(array).all() and (array >= 0).all()), name, "finite and not negative", array.tolist()
            )
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    def _freeze_color(self, name: str, shape: tuple[int, ...], words: str) -> None:
        array = np.array(getattr(self, name), np.float64)
        _require(array.shape == shape, name, words, array.shape)
        _require(bool(np.isfinite(array).all()), name, "finite", array.tolist())
        array.flags.writeable = False
        object.__setattr__(self, name, array)

    @property
    def num_frames(self) -> int:
        """T, the reference included."""
        return len(self.frames)

    @property
    def reference(self) -> FloatImage:
        """The reference frame, a view."""
        reference: FloatImage = self.frames[self.reference_index]
        return reference

    @property
    def others(self) -> tuple[int, ...]:
        """Indices of all frames but the reference, in capture order."""
        return tuple(i for i in range(self.num_frames) if i != self.reference_index)

    def subset(self, members: Sequence[int]) -> Burst:
        """The reference and the frames `members`, in capture order.

        Raises:
            InvalidBurstError: if an index is out of range.

        Examples:
            >>> burst = Burst(np.zeros((4, 4, 6), np.float32), 1, Domain.RAW_BAYER, CFA.RGGB)
            >>> part = burst.subset([3, 0])
            >>> part.num_frames, part.reference_index, part.others
            (3, 1, (0, 2))
        """
        kept = sorted({self.reference_index, *members})
        if kept[0] < 0 or kept[-1] >= self.num_frames:
            raise InvalidBurstError(f"members: expected indices 0..{self.num_frames - 1}, got {list(members)}")
        return self._select(kept, kept.index(self.reference_index))

    def single(self, index: int) -> Burst:
        """Frame `index` alone, as a burst of one whose reference it is; its exposure ratio is kept.

        Raises:
            InvalidBurstError: if the index is out of range.

        Examples:
            >>> burst = Burst(np.zeros((3, 4, 6), np.float32), 0, Domain.RAW_BAYER, CFA.RGGB, exposure_ratio=np.array([1.0, 2.0, 4.0]))
            >>> burst.single(2).exposure_ratio.tolist()
            [4.0]
        """
        _require_index(index, self.num_frames, "index")
        return self._select([index], 0)

    def with_reference(self, index: int) -> Burst:
        """The same frames on the grid, and relative to the exposure, of frame `index`.

        Raises:
            InvalidBurstError: if the index is out of range.
        """
        _require_index(index, self.num_frames, "index")
        return replace(self, reference_index=index, exposure_ratio=self.exposure_ratio / self.exposure_ratio[index])

    def _select(self, kept: list[int], reference: int) -> Burst:
        per_frame: dict[str, Any] = {
            name: value[kept]
            for name in ("shot_noise", "read_noise", "exposure_ratio", "timestamps")
            if (value := getattr(self, name)) is not None
        }
        return replace(self, frames=self.frames[kept], reference_index=reference, **per_frame)


def _require_index(index: int, length: int, name: str) -> None:
    _require(isinstance(index, int | np.integer) and 0 <= index < length, name, f"0..{length - 1}", index)


def _require(holds: bool, name: str, expected: object, got: object) -> None:
    if not holds:
        raise InvalidBurstError(f"Burst.{name}: expected {expected}, got {got}")
