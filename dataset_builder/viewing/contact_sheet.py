"""A contact sheet of one burst: every frame in natural colours with its factors and scores."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dataset_builder.audit.burst_view import BurstView, Factor, Mark, ScoreRow, view_bursts
from dataset_builder.audit.statistics import choose_label_sets
from dataset_builder.audit.tables import read_tables
from dataset_builder.audit.wording import format_number
from dataset_builder.records.developing import develop_frames
from dataset_builder.records.reading import pick_frames
from dataset_builder.work.local import ONE_WORKER, Workers
from manifests.images.pixels import decode_pixels

_PAPER, _INK, _QUIET, _LINE = "#ffffff", "#1c1e21", "#6b7076", "#d9dcdf"
# Okabe & Ito, "Color universal design" (2008): blue and vermilion stay apart for every kind of colour vision.
_ACCENT = "#e69f00"
_MARK_COLORS: dict[Mark, str] = {"best": "#0072b2", "worst": "#d55e00", "": _INK}
_MIN_TILE = 96
_FACTORS_PER_LINE = 2
_SCORE_SIZE = 0.95
_GLYPHS = str.maketrans({"×": "x", "−": "-", "–": "-", "…": "...", "\u00a0": " "})
"""Pillow's built-in font lacks these."""


@dataclass(frozen=True)
class Caption:
    """A line below the picture of a frame.

    Attributes:
        text: cut where it is too long.
        mark: that it is drawn in the colour of; empty for plain.
        quiet: whether it says less than others.
    """

    text: str
    mark: Mark = ""
    quiet: bool = False


def draw_contact_sheet(
    root: Path, burst_id: str, *, columns: int = 7, tile: int = 192, workers: Workers = ONE_WORKER
) -> NDArray[np.uint8]:
    """Draw all frames of a burst with index, factors and scores; the reference is outlined, best and worst are marked.

    Each scenario shows one label set, chosen as the audit does. Noise is the standard deviation at mid-grey in per cent of white.

    Args:
        root: the data set.
        burst_id: the burst.
        columns: frames per row, at least 1.
        tile: width and height that a frame may take, pixels, at least 96. Smaller frames are enlarged to whole multiples of
            their pixels.
        workers: who decodes the frames.

    Returns:
        uint8 [h, w, 3], sRGB.

    Raises:
        SelectionError: if there is no such burst; the message offers close matches.
        ImageFileError: if a frame is missing or cannot be read within the limits of the workers.
        ValueError: if `columns` or `tile` is out of range.
    """
    if columns < 1 or tile < _MIN_TILE:
        raise ValueError(f"expected columns >= 1 and tile >= {_MIN_TILE}, got columns = {columns} and tile = {tile}")
    tables = read_tables(root, most=sys.maxsize)
    view = view_bursts(tables, [burst_id], choose_label_sets(tables.labels.sets))[0]
    wanted = [pick_frames(view.burst, [frame]) for frame in view.frames]
    developed = develop_frames(root, wanted, tile, ".png", workers=workers)
    pictures = [_fit(decode_pixels(picture.data, "thumbnail"), tile) for picture in developed]
    return _draw(view, pictures, (), columns=columns, tile=tile)


def draw_captioned_sheet(
    view: BurstView,
    pictures: Sequence[NDArray[np.uint8]],
    captions: Sequence[Sequence[Caption]],
    *,
    columns: int = 7,
    tile: int = 192,
) -> NDArray[np.uint8]:
    """Draw frames that need not be those of a data set, each with lines of its own between its index and its factors.

    Args:
        view: what is known of the burst.
        pictures: uint8 [h, w, 3] of each frame.
        captions: of each frame.
        columns: frames per row, at least 1.
        tile: width and height that a frame may take, pixels; larger pictures are an error.

    Returns:
        uint8 [h, w, 3], sRGB.
    """
    return _draw(view, [_fit(picture, tile) for picture in pictures], captions, columns=columns, tile=tile)


def _draw(
    view: BurstView,
    pictures: Sequence[Image.Image],
    captions: Sequence[Sequence[Caption]],
    *,
    columns: int,
    tile: int,
) -> NDArray[np.uint8]:
    tallest = max((picture.height for picture in pictures), default=tile)
    across = min(columns, max(1, len(pictures)))
    sheet = _Sheet(view, columns=across, tile=tile, picture_height=tallest, captions=captions)
    canvas = Image.new("RGB", (sheet.width, sheet.height), _PAPER)
    draw = ImageDraw.Draw(canvas)
    sheet.draw_title(draw)
    for index, picture in enumerate(pictures):
        sheet.draw_frame(canvas, draw, index, picture)
    return np.asarray(canvas)


def _fit(picture: NDArray[Any], tile: int) -> Image.Image:
    """Enlarge a small picture by a whole factor, so that its pixels stay visible."""
    height, width = picture.shape[:2]
    factor = max(1, tile // max(height, width))
    return Image.fromarray(np.repeat(np.repeat(picture, factor, axis=0), factor, axis=1))


@dataclass(frozen=True)
class _Sheet:
    """Where things go; text sizes and gaps follow the tile."""

    view: BurstView
    columns: int
    tile: int
    picture_height: int
    captions: Sequence[Sequence[Caption]] = ()

    @cached_property
    def em(self) -> int:
        """Size of the small text, pixels."""
        return max(10, self.tile // 15)

    @cached_property
    def line(self) -> int:
        return round(self.em * 1.5)

    @cached_property
    def margin(self) -> int:
        return 2 * self.em

    @cached_property
    def gap(self) -> int:
        return round(1.4 * self.em)

    @cached_property
    def header(self) -> int:
        return self.margin + round(4.9 * self.em)

    @cached_property
    def known_factors(self) -> list[Factor]:
        """Factors that this burst knows."""
        return [factor for factor in self.view.factors if factor.known]

    @cached_property
    def cell(self) -> int:
        """Height of a frame with its captions."""
        most = max(map(len, self.captions), default=0)
        lines = 1 + most + -(-len(self.known_factors) // _FACTORS_PER_LINE) + len(self.view.scores)
        return self.picture_height + round(0.6 * self.em) + lines * self.line + self.gap

    @property
    def width(self) -> int:
        across = self.columns * self.tile + (self.columns - 1) * self.gap
        return 2 * self.margin + max(across, round(self._measure(self.view.burst["burst_id"], 1.7)))

    @property
    def height(self) -> int:
        rows = -(-len(self.view.frames) // self.columns)
        return self.header + rows * self.cell + self.margin

    def draw_title(self, draw: ImageDraw.ImageDraw) -> None:
        burst = self.view.burst
        facts = [
            burst["source"],
            burst["preset"],
            f"{len(self.view.frames)} frames of {burst['width']} × {burst['height']}",
            burst["domain"],
            self.view.split,
        ]
        self._write(draw, (self.margin, self.margin), burst["burst_id"], _INK, 1.7)
        self._write(draw, (self.margin, self.margin + 2.3 * self.em), " · ".join(filter(None, facts)), _QUIET, 1.0)

    def draw_frame(self, canvas: Image.Image, draw: ImageDraw.ImageDraw, index: int, picture: Image.Image) -> None:
        row, column = divmod(index, self.columns)
        left = self.margin + column * (self.tile + self.gap)
        top = self.header + row * self.cell
        x, y = left + (self.tile - picture.width) // 2, top + (self.picture_height - picture.height) // 2
        canvas.paste(picture, (x, y))
        is_reference = index == self.view.reference_index
        if is_reference:
            around = (x - 4, y - 4, x + picture.width + 3, y + picture.height + 3)
            draw.rectangle(around, outline=_ACCENT, width=3)
        y = top + self.picture_height + round(0.6 * self.em)
        self._write(draw, (left, y), str(index), _INK, 1.15)
        if is_reference:
            self._write(draw, (left + self.tile, y), "reference", _QUIET, 1.0, anchor="ra")
        captions = self.captions[index] if self.captions else ()
        for caption in captions:
            y += self.line
            color = _QUIET if caption.quiet else _MARK_COLORS[caption.mark]
            self._write(draw, (left, y), self._cut(caption.text, self.tile), color, _SCORE_SIZE)
        y += self.line * (max(map(len, self.captions), default=0) - len(captions))
        texts = [_describe(factor, index) for factor in self.known_factors]
        for start in range(0, len(texts), _FACTORS_PER_LINE):
            y += self.line
            self._write(draw, (left, y), " · ".join(texts[start : start + _FACTORS_PER_LINE]), _QUIET, 0.9)
        for score in self.view.scores:
            y += self.line
            self._draw_score(draw, score, index, left, y)

    def _draw_score(self, draw: ImageDraw.ImageDraw, score: ScoreRow, index: int, left: int, y: int) -> None:
        mark = score.marks[index]
        color = _MARK_COLORS[mark]
        right = left + self.tile
        value = score.format(index)
        if score.values[index] is not None:
            value = f"{value} {score.unit}".rstrip()
        draw.line((left, y - 2, right, y - 2), _LINE)
        self._write(draw, (right, y), value, color, _SCORE_SIZE, anchor="ra")
        used = self._measure(value, _SCORE_SIZE)
        self._write(
            draw, (left, y), self._shorten(score.scenario, self.tile - used - 1.6 * self.em), _QUIET, _SCORE_SIZE
        )
        if mark:
            _draw_arrow(draw, (right - used - 0.8 * self.em, y + 0.55 * self.em), 0.3 * self.em, mark)

    def _shorten(self, text: str, room: float) -> str:
        """A text that is too long loses the task in front, then its end."""
        if self._measure(text, _SCORE_SIZE) <= room:
            return text
        return self._cut(text.split("/", 1)[-1], room)

    def _cut(self, text: str, room: float) -> str:
        shortened = text
        while text and self._measure(shortened, _SCORE_SIZE) > room:
            text = text[:-1]
            shortened = text + "…"
        return shortened

    def _write(
        self,
        draw: ImageDraw.ImageDraw,
        place: tuple[float, float],
        text: str,
        color: str,
        size: float,
        *,
        anchor: str = "la",
    ) -> None:
        draw.text(place, text.translate(_GLYPHS), color, self._font(size), anchor=anchor)

    def _measure(self, text: str, size: float) -> float:
        return self._font(size).getlength(text.translate(_GLYPHS))

    def _font(self, size: float) -> ImageFont.FreeTypeFont:
        font = ImageFont.load_default(size=round(size * self.em))
        assert isinstance(font, ImageFont.FreeTypeFont)
        return font


def _describe(factor: Factor, index: int) -> str:
    if factor.unit == "×":
        return f"{factor.name} ×{format_number(factor.values[index], 2)}"
    return f"{factor.name} {format_number(factor.values[index], 1)} {factor.unit}"


def _draw_arrow(draw: ImageDraw.ImageDraw, center: tuple[float, float], radius: float, mark: Mark) -> None:
    """A triangle that points up for the best and down for the worst: shape says what colour says."""
    (x, y), tip = center, -radius if mark == "best" else radius
    draw.polygon([(x - radius, y - tip), (x + radius, y - tip), (x, y + tip)], fill=_MARK_COLORS[mark])
