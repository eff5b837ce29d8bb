"""Leaves: shapes of many kinds and power-law sizes that cover each other (Lee, Mumford & Huang, IJCV 2001).

Edges are antialiased by the signed distance of each pixel's centre to the outline: the area that a straight edge leaves covered, exactly
for edges along the pixel grid and within 0.09 for all others. Outlines of small leaves come from stamps, which are drawn once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dataset_builder.synthesis.layered.textures import SIDE, Tile

Floats = NDArray[np.float32]
KINDS = ("ellipse", "superellipse", "polygon", "bar")
SHARES_OF_KINDS = (0.35, 0.2, 0.3, 0.15)
LEAST_RADIUS = 7.0
MOST_RADIUS = 120.0
"""px; what fits on a tile."""
STAMPED = 40.0
"""px; leaves of a smaller radius come from stamps."""
STAMPS = 768
_ORIENTATIONS = 8
_LEAST_PHOTOGRAPHED = 10.0
_DARKEST_SHADE = 0.08


class Outline(NamedTuple):
    """A shape about the origin.

    Attributes:
        kind: one of `KINDS`.
        radius: px to where it ends at most.
        angle: rad.
        aspect: shorter over longer half axis.
        corners: of a polygon, (x, y) in px, in order.
    """

    kind: str
    radius: float
    angle: float
    aspect: float
    corners: tuple[tuple[float, float], ...] = ()


class Leaf(NamedTuple):
    """A shape at its place.

    Attributes:
        x: px, of its centre.
        y: px.
        outline: its shape, or the number of its stamp.
        color: linear sRGB, float32 [3, 1, 1].
        slope: change of its brightness per px along x and y, relative to that of its centre.
        texture: its tile, or after these its photograph; None for an even surface.
        contrast: of the tile, at most 0.9 over its deepest value.
        cut: (x, y) of its part of the tile or photograph, as shares of the room there.
    """

    x: float
    y: float
    outline: Outline | int
    color: Floats
    slope: tuple[float, float] = (0.0, 0.0)
    texture: int | None = None
    contrast: float = 0.0
    cut: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True, eq=False)
class Canvas:
    """A layer while it is painted.

    Attributes:
        light: float32 [3, H, W], linear sRGB times cover.
        gaps: float32 [H, W], the share of each pixel that is not covered; None of a background, which covers all.
    """

    light: Floats
    gaps: Floats | None


@dataclass(frozen=True, eq=False)
class Surfaces:
    """What leaves look like close up.

    Attributes:
        tiles: from `draw_tiles`.
        photographs: float32 [3, h, w], linear sRGB in [0, 1].
    """

    tiles: Sequence[Tile] = ()
    photographs: Sequence[Floats] = ()


def draw_radii(rng: np.random.Generator, count: int, least: float, most: float) -> NDArray[np.float64]:
    """Radii in px whose density falls with their third power, the only one that looks alike at every scale."""
    share = rng.uniform(size=count)
    return np.asarray((least**-2 - share * (least**-2 - most**-2)) ** -0.5)


def mean_square(least: float, most: float) -> float:
    """Mean of the squares of such radii."""
    return 2 * math.log(most / least) / (least**-2 - most**-2)


def draw_outlines(rng: np.random.Generator, radii: NDArray[np.float64]) -> list[Outline]:
    """A shape of a random kind for each radius."""
    count = len(radii)
    kinds = rng.choice(len(KINDS), count, p=SHARES_OF_KINDS)
    numbers = rng.uniform(size=(count, 2)).tolist()
    corners = rng.integers(3, 7, count).tolist()
    turns = rng.uniform(size=(count, 7))
    outlines = []
    for i, radius in enumerate(radii.tolist()):
        angle, aspect = math.pi * numbers[i][0], numbers[i][1]
        match KINDS[kinds[i]]:
            case "polygon":
                places = (
                    2 * math.pi * (np.arange(corners[i]) + 0.7 * turns[i, : corners[i]] + turns[i, -1]) / corners[i]
                )
                points = (radius * np.stack([np.cos(places), np.sin(places)], axis=-1)).tolist()
                outlines.append(Outline("polygon", radius, angle, 1.0, tuple((x, y) for x, y in points)))
            case "bar":
                outlines.append(Outline("bar", radius, angle, 0.02 + 0.12 * aspect))
            case kind:
                outlines.append(Outline(kind, radius, angle, 0.35 + 0.65 * aspect))
    return outlines


def _turn(x: Floats, y: Floats, angle: float) -> tuple[Floats, Floats]:
    cosine, sine = math.cos(angle), math.sin(angle)
    return x * cosine + y * sine, y * cosine - x * sine


def cover_ellipse(x: Floats, y: Floats, outline: Outline) -> Floats:
    """Share of each pixel that an ellipse covers; x [w] and y [h, 1] from its centre."""
    u, v = _turn(x, y, outline.angle)
    a, b = np.float32(outline.radius), np.float32(outline.radius * outline.aspect)
    across, down = np.square(u / a), np.square(v / b)
    value = np.sqrt(across + down)
    slope = np.sqrt(across / (a * a) + down / (b * b)) / np.maximum(value, np.float32(1e-6))
    return _cover_inside((1 - value) / np.maximum(slope, 1 / a))


def cover_superellipse(x: Floats, y: Floats, outline: Outline) -> Floats:
    """The same of (x/a)⁴ + (y/b)⁴ = 1, a rectangle with round corners."""
    u, v = _turn(x, y, outline.angle)
    # It reaches farther along its diagonals than along its axes.
    longer = outline.radius / 2**0.25
    a, b = np.float32(longer), np.float32(longer * outline.aspect)
    u, v = u / a, v / b
    across, down = u * u, v * v
    value = np.sqrt(np.sqrt(across * across + down * down))
    slope = np.sqrt(np.square(across * u / a) + np.square(down * v / b))
    slope /= np.maximum(value * value * value, np.float32(1e-6))
    return _cover_inside((1 - value) / np.maximum(slope, np.float32(0.5) / a))


def cover_polygon(x: Floats, y: Floats, outline: Outline) -> Floats:
    """The same of a convex polygon."""
    distance = np.full((y.shape[0], x.shape[0]), np.float32(outline.radius))
    corners = outline.corners
    for (x0, y0), (x1, y1) in zip(corners, (*corners[1:], corners[0]), strict=True):
        length = math.hypot(x1 - x0, y1 - y0)
        across, down = (y1 - y0) / length, (x0 - x1) / length
        np.minimum(distance, (across * x0 + down * y0 - across * x) - down * y, out=distance)
    return _cover_inside(distance)


def cover_bar(x: Floats, y: Floats, outline: Outline) -> Floats:
    """The same of a bar, which may be thinner than a pixel."""
    u, v = _turn(x, y, outline.angle)
    return _cover_between(u, outline.radius) * _cover_between(v, outline.radius * outline.aspect)


def _cover_inside(distance: Floats) -> Floats:
    distance += np.float32(0.5)
    return np.clip(distance, 0, 1, out=distance)


def _cover_between(place: Floats, reach: float) -> Floats:
    half = np.float32(reach + 0.5)
    covered = (half - place).clip(0, 1) + (half + place).clip(0, 1) - np.float32(1)
    return np.asarray(covered.clip(0, 1))


COVERS: dict[str, Callable[[Floats, Floats, Outline], Floats]] = {
    "ellipse": cover_ellipse,
    "superellipse": cover_superellipse,
    "polygon": cover_polygon,
    "bar": cover_bar,
}


@lru_cache(maxsize=1)
def draw_stamps() -> tuple[Floats, ...]:
    """What small leaves cover of the pixels around their centre: squares of odd side, each in eight orientations."""
    rng = np.random.Generator(np.random.Philox(1))
    stamps = []
    for outline in draw_outlines(rng, draw_radii(rng, STAMPS // _ORIENTATIONS, LEAST_RADIUS, STAMPED)):
        reach = math.ceil(outline.radius + 1)
        place = np.arange(-reach, reach + 1, dtype=np.float32)
        x, y = rng.uniform(-0.5, 0.5, 2)
        drawn = COVERS[outline.kind](place - np.float32(x), (place - np.float32(y))[:, None], outline)
        turned = [np.rot90(drawn, turns) for turns in range(4)]
        stamps += [np.ascontiguousarray(stamp) for each in turned for stamp in (each, each[:, ::-1])]
    return tuple(stamps)


def measure_reach(outline: Outline | int) -> tuple[int, int]:
    """Whole px along x and y from the pixel of a leaf's centre to beyond its outline."""
    if isinstance(outline, int):
        side = len(draw_stamps()[outline]) // 2
        return side, side
    radius, aspect = outline.radius, outline.aspect
    cosine, sine = abs(math.cos(outline.angle)), abs(math.sin(outline.angle))
    match outline.kind:
        case "polygon":
            across, down = (max(abs(corner[axis]) for corner in outline.corners) for axis in (0, 1))
        case "ellipse":
            across, down = radius * math.hypot(cosine, aspect * sine), radius * math.hypot(sine, aspect * cosine)
        case _:
            across, down = radius * (cosine + aspect * sine), radius * (sine + aspect * cosine)
    return math.ceil(across + 1), math.ceil(down + 1)


def paint_leaves(canvas: Canvas, leaves: Sequence[Leaf], surfaces: Surfaces) -> None:
    """Paint leaves on a canvas, one over the other, the first lowest."""
    height, width = canvas.light.shape[1:]
    columns, rows = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    stamps = draw_stamps()
    for leaf in leaves:
        outline, x, y = leaf.outline, round(leaf.x), round(leaf.y)
        beside, above = measure_reach(outline)
        left, right = max(x - beside, 0), min(x + beside + 1, width)
        top, bottom = max(y - above, 0), min(y + above + 1, height)
        if left >= right or top >= bottom:
            continue
        across, down = columns[left:right], rows[top:bottom]
        if isinstance(outline, int):
            alpha = stamps[outline][top - y + above : bottom - y + above, left - x + beside : right - x + beside]
        else:
            alpha = COVERS[outline.kind](across - np.float32(leaf.x), down - np.float32(leaf.y), outline)
        clear = 1 - alpha
        part = canvas.light[:, top:bottom, left:right]
        part *= clear
        part += _shade(leaf, across, down, alpha, surfaces)
        if canvas.gaps is not None:
            canvas.gaps[top:bottom, left:right] *= clear


def _shade(leaf: Leaf, x: Floats, y: Floats, alpha: Floats, surfaces: Surfaces) -> Floats:
    """Light of a leaf times its cover, [3, h, w]."""
    height, width = alpha.shape
    shade, tiles, (across, down) = alpha, surfaces.tiles, leaf.slope
    if across or down:
        slope = np.float32(across) * (x - np.float32(leaf.x)) + (1 + np.float32(down) * (y - np.float32(leaf.y)))
        shade = shade * np.maximum(slope, np.float32(_DARKEST_SHADE))
    if leaf.texture is None:
        return shade * leaf.color
    if leaf.texture < len(tiles):
        left, top = (int(share * SIDE) for share in leaf.cut)
        pattern = tiles[leaf.texture][top : top + height, left : left + width] * np.float32(leaf.contrast)
        pattern += np.float32(1)
        pattern *= shade
        return pattern * leaf.color
    photograph = surfaces.photographs[leaf.texture - len(tiles)]
    room = photograph.shape[1] - height, photograph.shape[2] - width
    if min(room) < 0 or min(height, width) < 2 * _LEAST_PHOTOGRAPHED:
        return shade * leaf.color
    left, top = round(leaf.cut[0] * room[1]), round(leaf.cut[1] * room[0])
    return shade * photograph[:, top : top + height, left : left + width]
