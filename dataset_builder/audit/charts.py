"""Charts as inline SVG and HTML: pure functions of numbers; colours come from the style sheet, text is escaped.

Every chart has a text that says the same, for those who cannot see it, and stands beside a table of its numbers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

_WIDTH, _HEIGHT = 280, 104
_BASE, _BAND, _AXIS = 66, 78, 97
"""Heights of the foot of the bars, the line of quantiles and the tick labels, px."""


def draw_histogram(
    counts: NDArray[np.int64], edges: NDArray[np.float64], quantiles: Sequence[float], *, label: str, signed: bool
) -> Markup:
    """A histogram with a line of quantiles below, and a rule at 0 where the axis spans it.

    Args:
        counts: per bin.
        edges: one more than `counts`, increasing; the axis spans them.
        quantiles: of the scores: 5, 25, 50, 75 and 95 %.
        label: what the chart says, for screen readers.
        signed: whether scores below 0 are losses, and coloured so.
    """
    low, high = float(edges[0]), float(edges[-1])

    def place(value: float) -> float:
        return round(1 + (_WIDTH - 2) * (min(max(value, low), high) - low) / (high - low), 1)

    tallest = max(int(counts.max()), 1)
    bars = Markup("").join(
        Markup('<rect class="{}" x="{}" y="{}" width="{}" height="{}"/>').format(
            "bar loss" if signed and right <= 0 else "bar",
            place(left),
            round(_BASE - 60 * count / tallest, 1),
            round(max(place(right) - place(left) - 0.8, 0.4), 1),
            round(60 * count / tallest, 1),
        )
        for count, left, right in zip(counts.tolist(), edges[:-1].tolist(), edges[1:].tolist(), strict=True)
        if count
    )
    q05, q25, q50, q75, q95 = (place(value) for value in quantiles)
    band = Markup(
        '<line class="whisker" x1="{q05}" x2="{q95}" y1="{y}" y2="{y}"/><line class="box" x1="{q25}" x2="{q75}" y1="{y}" y2="{y}"/>'
        '<circle class="median" cx="{q50}" cy="{y}" r="3.5"/>'
    ).format(q05=q05, q25=q25, q50=q50, q75=q75, q95=q95, y=_BAND)
    zero = Markup("")
    if low <= 0 <= high:
        zero = Markup('<line class="zero" x1="{x}" x2="{x}" y1="2" y2="{y}"/>').format(x=place(0), y=_BAND + 6)
    ticks = Markup("").join(
        Markup('<text class="tick" x="{}" y="{}" text-anchor="{}">{}</text>').format(
            place(value), _AXIS, _anchor(place(value)), text
        )
        for value, text in choose_ticks(low, high)
    )
    return Markup(
        '<svg class="histogram" viewBox="0 0 {} {}" role="img" aria-label="{}">{}'
        '<line class="foot" x1="0" x2="{}" y1="{}" y2="{}"/>{}{}{}</svg>'
    ).format(_WIDTH, _HEIGHT, label, zero, _WIDTH, _BASE, _BASE, bars, band, ticks)


def choose_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """Three to six round numbers within [low, high], steps of 1, 2 or 5 times a power of ten, with their text."""
    span = high - low
    power = 10.0 ** math.floor(math.log10(span / 4))
    step = next(factor * power for factor in (1, 2, 5, 10) if span / (factor * power) <= 5)
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    values = np.arange(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1) * step
    return [(float(value), f"{value + 0.0:.{decimals}f}".replace("-", "−")) for value in values]


def draw_stack(parts: Sequence[tuple[str, float, str]], *, label: str) -> Markup:
    """One horizontal bar cut into parts.

    Args:
        parts: class that colours the part, its share of 1, and its text (shown on hovering).
        label: what the bar says, for screen readers.
    """
    spans = Markup("").join(
        Markup('<span class="{}" style="width:{}%" title="{}"></span>').format(name, round(100 * share, 2), text)
        for name, share, text in parts
        if share > 0
    )
    return Markup('<span class="stack" role="img" aria-label="{}">{}</span>').format(label, spans)


def tint(value: float | None) -> Markup:
    """Style of a cell that stands for a value from −1 (vermilion) over 0 (no colour) to 1 (blue)."""
    if value is None or not math.isfinite(value):
        return Markup("")
    strength = round(100 * min(1.0, abs(value)))
    return Markup(' style="--tint:var(--{});--strength:{}%"').format("gain" if value >= 0 else "loss", strength)


def _anchor(x: float) -> str:
    if x < 16:
        return "start"
    return "end" if x > _WIDTH - 16 else "middle"
