"""Draw a scene: which leaves lie in which layer, their colours, and the shadows that layers cast on those behind them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import UINT16_MAX
from dataset_builder.randomness import make_generator
from dataset_builder.synthesis.layered.layers import Layer, LayeredScene
from dataset_builder.synthesis.layered.leaves import (
    LEAST_RADIUS,
    MOST_RADIUS,
    STAMPED,
    STAMPS,
    Canvas,
    Leaf,
    Outline,
    Surfaces,
    draw_outlines,
    draw_radii,
    mean_square,
    paint_leaves,
)
from dataset_builder.synthesis.layered.textures import LETTERS, Tile, draw_tiles

SCENE_VERSION = "1"
"""Changes whenever equal facts and seeds would give other pixels."""
_SHARES_OF_TEXTURES = (0.25, 0.25, 0.05, 0.05, 0.06, 0.06, 0.28)
"""Of the tiles, and last of none."""
# Natural logarithms of linear sRGB, along (1, 1, 1)/√3, (1, 0, −1)/√2 and (1, −2, 1)/√6. In 13 photographs the medians within a picture
# are 2.6, 0.47 and 0.15; texture, shading and shadows add to what is drawn here for whole leaves.
_AXES = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])
_DEVIATIONS = np.array([2.1, 0.42, 0.16])
_MEAN_LOG = -1.7
_CAST = np.array([0.5, 0.15, 0.05])
"""Deviations of a scene's mean colour, along the same axes."""
_CHROMA = (0.5, 1.0, 2.0)
_SHARES_OF_CHROMA = (0.45, 0.38, 0.17)
"""Most leaves are dull and few are vivid."""
_DARKEST = 0.004
_FILLED = 0.6
"""Share of the disc around a leaf that it fills, on average."""
_GROUND_COVER = 1.0
"""Sum of the leaves of the background, over its area; between them shows the ground."""
_LOG_CONTRASTS = (math.log(0.02), math.log(0.42))
_BRIGHTEST_GROUND = 0.6
_LONG_BARS = 2.2
_LONGEST_BAR = 80.0
_LEAST_SLOPED = 12.0
"""px; smaller leaves are evenly lit."""
_COARSE = 4
_SHADOW = 0.5


@dataclass(frozen=True)
class SceneFacts:
    """What a scene is drawn from, beside its seed and its photographs.

    Attributes:
        height: rows, px of the truth.
        width: columns.
        layers: how many, the background among them.
        cover: share of the scene that each layer but the background covers, on average.
        photographed: share of the larger leaves that show a piece of a photograph, where there are photographs.
    """

    height: int
    width: int
    layers: int
    cover: float
    photographed: float


def draw_scene(facts: SceneFacts, seed: str, photographs: Sequence[NDArray[np.uint16]] = ()) -> LayeredScene:
    """Draw a scene.

    Args:
        facts: its size and layers.
        seed: hex.
        photographs: uint16 codes [h, w, 3] of linear sRGB, for surfaces to show.
    """
    rng = make_generator(seed, "scene")
    pictures = [np.asarray(np.moveaxis(picture, -1, 0) / UINT16_MAX, np.float32) for picture in photographs]
    surfaces = Surfaces(draw_tiles(rng), pictures)
    mean_log = _MEAN_LOG + (rng.normal(0, 1, 3) * _CAST) @ _AXES
    shape = facts.height, facts.width
    canvases = []
    for layer in range(facts.layers):
        is_background = layer == facts.layers - 1
        canvas = Canvas(np.zeros((3, *shape), np.float32), None if is_background else np.ones(shape, np.float32))
        if is_background:
            _paint_ground(canvas, rng, mean_log, surfaces.tiles[0])
        leaves = _draw_leaves(facts, rng, mean_log, is_background=is_background, photographs=len(pictures))
        paint_leaves(canvas, leaves, surfaces)
        paint_leaves(canvas, _draw_lamps(facts, rng), surfaces)
        canvases.append(canvas)
    _cast_shadows(canvases, rng)
    return LayeredScene(tuple(_as_layer(canvas) for canvas in canvases))


def _draw_leaves(
    facts: SceneFacts, rng: np.random.Generator, mean_log: NDArray[np.float64], *, is_background: bool, photographs: int
) -> list[Leaf]:
    """Leaves of a layer, the lowest first."""
    side = min(facts.height, facts.width)
    most = min(MOST_RADIUS, max(2 * LEAST_RADIUS, side * (0.3 if is_background else 0.2)))
    wanted = _GROUND_COVER if is_background else -math.log(1 - facts.cover)
    each = _FILLED * math.pi * mean_square(LEAST_RADIUS, most) / (facts.height * facts.width)
    count = max(1, round(wanted / each))
    radii = draw_radii(rng, count, LEAST_RADIUS, most)
    outlines = iter(draw_outlines(rng, radii[radii >= STAMPED]))
    stamps = rng.integers(STAMPS, size=count).tolist()
    textures = rng.choice(len(_SHARES_OF_TEXTURES), count, p=_SHARES_OF_TEXTURES)
    shows = rng.uniform(size=count) < (facts.photographed if photographs else 0)
    textures[shows] = len(_SHARES_OF_TEXTURES) - 1 + rng.integers(max(photographs, 1), size=count)[shows]
    even = len(_SHARES_OF_TEXTURES) - 1
    colors = draw_colors(rng, count, mean_log).astype(np.float32)[..., None, None]
    steepness = 0.7 * rng.uniform(size=count) ** 2 / radii
    lean = rng.uniform(0, 2 * np.pi, count)
    slopes = np.stack([steepness * np.cos(lean), steepness * np.sin(lean)], axis=-1)
    slopes[radii < _LEAST_SLOPED] = 0
    leans = [(float(x), float(y)) for x, y in slopes]
    # Most surfaces are nearly smooth, as walls, skin and skies are.
    contrasts = np.where(textures == LETTERS, 0.85, np.exp(rng.uniform(*_LOG_CONTRASTS, count))).tolist()
    places = (rng.uniform(size=(count, 2)) * (facts.width, facts.height)).tolist()
    cuts = rng.uniform(size=(count, 2)).tolist()
    leaves = []
    for i, (radius, texture) in enumerate(zip(radii.tolist(), textures.tolist(), strict=True)):
        outline = stamps[i] if radius < STAMPED else _lengthen(next(outlines))
        shown = None if texture == even and not shows[i] else texture
        x, y = places[i]
        leaves.append(Leaf(x, y, outline, colors[i], leans[i], shown, contrasts[i], cuts[i]))
    return leaves


def _lengthen(outline: Outline) -> Outline:
    """Bars are branches and wires: longer than other leaves of their area."""
    if outline.kind != "bar":
        return outline
    return outline._replace(radius=min(_LONGEST_BAR, _LONG_BARS * outline.radius), aspect=outline.aspect / _LONG_BARS)


def draw_colors(rng: np.random.Generator, count: int, mean_log: NDArray[np.float64]) -> NDArray[np.float64]:
    """Colours of surfaces, linear sRGB [count, 3] in [0.004, 1]; their logarithms spread as those of photographs do."""
    spread = rng.normal(0, 1, (count, 3)) * _DEVIATIONS
    spread[:, 1:] *= rng.choice(_CHROMA, (count, 1), p=_SHARES_OF_CHROMA)
    return np.asarray(np.exp(mean_log + spread @ _AXES).clip(_DARKEST, 1))


def _draw_lamps(facts: SceneFacts, rng: np.random.Generator) -> list[Leaf]:
    """A few small bright sources, which presets of a high dynamic range make much brighter than white surfaces."""
    lamps = []
    for _ in range(int(rng.poisson(0.8))):
        x, y, angle, aspect, green, blue = rng.uniform(size=6).tolist()
        outline = Outline("ellipse", float(rng.uniform(2, 9)), math.pi * angle, 0.5 + 0.5 * aspect)
        color = np.array([1.0, 0.85 + 0.15 * green, 0.6 + 0.4 * blue], np.float32)[:, None, None]
        lamps.append(Leaf(x * facts.width, y * facts.height, outline, color))
    return lamps


def _paint_ground(canvas: Canvas, rng: np.random.Generator, mean_log: NDArray[np.float64], tile: Tile) -> None:
    """Two colours that pass into each other from top to bottom, with the fractal tile over them."""
    height, width = canvas.light.shape[1:]
    high, low = draw_colors(rng, 2, mean_log + np.array([0.4, 0.4, 0.5])).clip(max=_BRIGHTEST_GROUND)
    share = np.linspace(0, 1, height)
    color = (np.outer(high, 1 - share) + np.outer(low, share)).astype(np.float32)
    repeats = (-(-height // tile.shape[0]), -(-width // tile.shape[1]))
    pattern = np.float32(1) + np.float32(rng.uniform(0.02, 0.15)) * np.tile(tile, repeats)[:height, :width]
    np.multiply(color[..., None], pattern, out=canvas.light)


def _cast_shadows(canvases: Sequence[Canvas], rng: np.random.Generator) -> None:
    """Darken each layer where those before it keep the light away, the softer the farther they are."""
    angle = rng.uniform(0, 2 * np.pi)
    direction = 2 * np.array([np.sin(angle), np.cos(angle)])
    # Shadows are soft, so every fourth pixel tells where they fall.
    covers = [
        1 - canvas.gaps[::_COARSE, ::_COARSE].astype(np.float64) for canvas in canvases if canvas.gaps is not None
    ]
    for behind in range(1, len(canvases)):
        shade = np.ones(covers[0].shape)
        for before in range(behind):
            gap = behind - before
            down, across = (int(step) for step in np.rint(gap * direction))
            soft = cv2.blur(np.roll(covers[before], (down, across), (0, 1)), (1 + 2 * gap, 1 + 2 * gap))
            shade *= 1 - _SHADOW / gap * np.asarray(soft)
        light = canvases[behind].light
        light *= np.asarray(cv2.resize(shade, light.shape[:0:-1], interpolation=cv2.INTER_LINEAR)).astype(np.float32)


def _as_layer(canvas: Canvas) -> Layer:
    planes, full = canvas.light, np.float32(UINT16_MAX)
    if canvas.gaps is None:
        cover = np.full(planes.shape[1:], UINT16_MAX, np.uint16)
        planes *= full
    else:
        share = 1 - canvas.gaps
        cover = np.rint(share * full).astype(np.uint16)
        planes *= full / np.maximum(share, np.float32(1e-4))
    # The sum with 0 rounds to nearest even, clips and converts in one pass.
    codes = cv2.add(planes.reshape(-1, planes.shape[2]), 0.0, dtype=cv2.CV_16U)  # type: ignore[call-overload]  # takes a number, too
    return Layer(np.asarray(cv2.merge(list(codes.reshape(planes.shape))), np.uint16), cover)
