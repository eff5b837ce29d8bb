"""What the code values of a picture mean, and the way from there to sRGB (IEC 61966-2-1).

Primaries and curves are those of ITU-T H.273, which PNG's cICP, the nclx boxes of HEIC and AVIF, and video share. BT.709's curve and those
like it are undone as H.273 defines them, to the light that the camera saw.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import SRGB_TO_XYZ
from dataset_builder.decoding.pictures import Pixels, round_codes
from dataset_builder.errors import UnsupportedColorError
from restorers.imaging.color import encode_srgb

Curve = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""Code values in [0, 1] to linear light."""
Point = tuple[float, float]

D65: Point = (0.3127, 0.3290)
SRGB_PRIMARIES: tuple[Point, Point, Point] = ((0.64, 0.33), (0.30, 0.60), (0.15, 0.06))
SRGB_CODE = 13
UNSPECIFIED = 2
_C: Point = (0.310, 0.316)
_DCI: Point = (0.314, 0.351)
_CONE_RESPONSE = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_ROWS = 256
_STEP = 1.001 / 255
_ADOBE_GAMMA = 563 / 256

_BT601 = ((0.630, 0.340), (0.310, 0.595), (0.155, 0.070))
_PRIMARIES: dict[int, tuple[tuple[Point, Point, Point], Point]] = {
    1: (SRGB_PRIMARIES, D65),
    UNSPECIFIED: (SRGB_PRIMARIES, D65),
    4: (((0.67, 0.33), (0.21, 0.71), (0.14, 0.08)), _C),
    5: (((0.64, 0.33), (0.29, 0.60), (0.15, 0.06)), D65),
    6: (_BT601, D65),
    7: (_BT601, D65),
    8: (((0.681, 0.319), (0.243, 0.692), (0.145, 0.049)), _C),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), D65),
    11: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), _DCI),
    12: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), D65),
    22: (((0.630, 0.340), (0.295, 0.605), (0.155, 0.077)), D65),
}
_HIGH_RANGE = {16: "PQ (SMPTE ST 2084)", 18: "HLG (ARIB STD-B67)"}


class ColorMeaning(Protocol):
    """What the numbers of a picture mean."""

    @property
    def is_srgb(self) -> bool:
        """Whether they mean sRGB to within a step of 8 bits, so that they may stay as they are."""
        ...

    def convert(self, pixels: Pixels) -> Pixels:
        """To sRGB of the same depth; colours outside its gamut are clipped.

        Args:
            pixels: [H, W, C] in the channels that the meaning is about; one channel stands for equal ones of RGB.

        Returns:
            [H, W, 3].

        Raises:
            UnsupportedColorError: if the meaning is about other channels.
        """
        ...


@dataclass(frozen=True, eq=False)
class ColorSpace:
    """RGB by its primaries and a curve for each channel.

    Attributes:
        to_srgb: float64 [3, 3], linear RGB of the space to linear sRGB.
        curves: of R, G and B.
    """

    to_srgb: NDArray[np.float64]
    curves: tuple[Curve, Curve, Curve]

    @cached_property
    def is_srgb(self) -> bool:
        """Tried over grey and a grid of colours."""
        grid = np.stack(np.meshgrid(*[np.linspace(0, 1, 16)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
        colours = np.concatenate([np.repeat(np.linspace(0, 1, 256)[:, None], 3, axis=1), grid])
        linear = np.stack([curve(colours[:, channel]) for channel, curve in enumerate(self.curves)], axis=-1)
        return bool(np.abs(encode_srgb(linear @ self.to_srgb.T) - colours).max() <= _STEP)

    def convert(self, pixels: Pixels) -> Pixels:
        """Through float32, a few rows at a time."""
        if pixels.shape[2] not in (1, 3):
            raise UnsupportedColorError(f"{pixels.shape[2]} channels under a profile of RGB; convert it to sRGB")
        full = np.iinfo(pixels.dtype).max
        codes = np.arange(full + 1) / full
        tables = [curve(codes).astype(np.float32) for curve in self.curves]
        matrix = self.to_srgb.astype(np.float32)
        converted = np.empty((*pixels.shape[:2], 3), pixels.dtype)
        for top in range(0, len(pixels), _ROWS):
            rows = pixels[top : top + _ROWS]
            linear = np.stack([table[rows[..., min(c, rows.shape[2] - 1)]] for c, table in enumerate(tables)], axis=-1)
            converted[top : top + _ROWS] = np.rint(
                encode_srgb(np.asarray(cv2.transform(linear, matrix), np.float32)) * np.float32(full)
            )
        return converted


def make_space(primaries: tuple[Point, Point, Point], white: Point, *curves: Curve) -> ColorSpace:
    """A space by the xy of its primaries and white, adapted to D65 by Bradford's method; one curve stands for all.

    Raises:
        UnsupportedColorError: if the primaries span no colours.
    """
    try:
        if min(*(y for _, y in primaries), white[1]) <= 0:
            raise ValueError("y of 0")  # noqa: TRY301  # reported as any other
        source = _find_matrix(primaries, white)
        to_srgb = np.linalg.inv(_find_matrix(SRGB_PRIMARIES, D65)) @ adapt_white(_lift(white), _lift(D65)) @ source
        if not np.linalg.cond(to_srgb) < 1e4:
            raise ValueError("one line")  # noqa: TRY301  # reported as any other
    except (ValueError, np.linalg.LinAlgError) as error:
        raise UnsupportedColorError(f"primaries {primaries} and white {white} span no colours; convert it") from error
    first, second, third = curves if len(curves) == 3 else (curves[0],) * 3
    return ColorSpace(to_srgb, (first, second, third))


@lru_cache(maxsize=64)
def make_coded_space(primaries: int, transfer: int) -> ColorSpace:
    """The space of H.273's codes for primaries and transfer characteristics; what is unspecified counts as sRGB.

    Raises:
        UnsupportedColorError: if a code is unknown, or means more than sRGB can hold.
    """
    if transfer in _HIGH_RANGE:
        raise UnsupportedColorError(
            f"holds high dynamic range by {_HIGH_RANGE[transfer]}, which has no place in sRGB; export it as SDR"
        )
    if primaries not in _PRIMARIES or (curve := _find_curve(transfer)) is None:
        raise UnsupportedColorError(
            f"colour primaries {primaries} with transfer characteristics {transfer} (H.273) are not known here; convert it to sRGB"
        )
    return make_space(*_PRIMARIES[primaries], curve)


def make_adobe_space() -> ColorSpace:
    """Adobe RGB (1998)."""
    return make_space(((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), D65, make_power(_ADOBE_GAMMA))


def make_power(exponent: float) -> Curve:
    """Linear light is the code to a power."""
    return lambda codes: np.power(codes, exponent)


def decode_srgb_curve(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    """The curve of sRGB."""
    return np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)


def adapt_white(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bradford's matrix [3, 3] from XYZ under one white to XYZ under another."""
    gains = (_CONE_RESPONSE @ target) / (_CONE_RESPONSE @ source)
    adapted: NDArray[np.float64] = np.linalg.inv(_CONE_RESPONSE) @ np.diag(gains) @ _CONE_RESPONSE
    return adapted


def convert_lab(lab: NDArray[np.floating[Any]], full: int) -> Pixels:
    """CIELAB of D50 [H, W, 3], L in 0..100, to sRGB codes of 0..full."""
    fy = (lab[..., :1] + 16) / 116
    f = np.concatenate([fy + lab[..., 1:2] / 500, fy, fy - lab[..., 2:] / 200], axis=2)
    xyz = np.where(f > 6 / 29, f**3, 3 * (6 / 29) ** 2 * (f - 4 / 29)) * D50
    linear = xyz @ (np.linalg.inv(SRGB_TO_XYZ) @ adapt_white(D50, SRGB_TO_XYZ.sum(axis=1))).T
    return round_codes(encode_srgb(linear) * np.float32(full), full)


D50 = np.array([0.9642, 1.0, 0.8249])
"""XYZ of the white of profile connection spaces (ICC.1)."""


def _find_curve(transfer: int) -> Curve | None:
    if transfer in (1, 6, 14, 15):
        return _decode_bt709
    if transfer in (UNSPECIFIED, SRGB_CODE):
        return decode_srgb_curve
    exponent = {4: 2.2, 5: 2.8, 8: 1.0}.get(transfer)
    return None if exponent is None else make_power(exponent)


def _decode_bt709(codes: NDArray[np.float64]) -> NDArray[np.float64]:
    alpha, beta = 1.09929682680944, 0.018053968510807
    return np.where(codes < 4.5 * beta, codes / 4.5, ((codes + alpha - 1) / alpha) ** (1 / 0.45))


def _lift(point: Point) -> NDArray[np.float64]:
    """XYZ of an xy with Y = 1."""
    x, y = point
    return np.array([x / y, 1.0, (1 - x - y) / y])


def _find_matrix(primaries: tuple[Point, Point, Point], white: Point) -> NDArray[np.float64]:
    columns = np.stack([_lift(point) for point in primaries], axis=1)
    matrix: NDArray[np.float64] = columns * np.linalg.solve(columns, _lift(white))
    return matrix
