"""Marks inside tables, as HTML: they need no script, print as they are, and stand beside the number they show."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from manifests.plain_text import escape_controls


def draw_stack(parts: Sequence[tuple[str, float, str]], *, label: str) -> Markup:
    """One horizontal bar cut into parts.

    Args:
        parts: class that colours the part, its share of 1, and its text (shown on hovering).
        label: what the bar says, for screen readers.
    """
    spans = Markup("").join(
        Markup('<span class="{}" style="width:{}%" title="{}"></span>').format(name, round(100 * share, 2), _show(text))
        for name, share, text in parts
        if share > 0
    )
    return Markup('<span class="stack" role="img" aria-label="{}">{}</span>').format(_show(label), spans)


def draw_interval(value: float, low: float, high: float, *, label: str) -> Markup:
    """A value and its interval on an axis from −1 to 1, with a line at 0.

    Args:
        value: a number in [−1, 1]; nothing is drawn where it is not finite.
        low: lower end of the interval; may be NaN.
        high: upper end of the interval; may be NaN.
        label: what it says, for screen readers.
    """
    if not math.isfinite(value):
        return Markup("")

    def place(number: float) -> float:
        return round(50 + 50 * min(max(float(number), -1.0), 1.0), 1)

    span = Markup("")
    if math.isfinite(low) and math.isfinite(high):
        span = Markup('<i style="left:{}%;width:{}%"></i>').format(place(low), round(place(high) - place(low), 1))
    return Markup('<span class="interval" role="img" aria-label="{}"><u></u>{}<b style="left:{}%"></b></span>').format(
        _show(label), span, place(value)
    )


def tint(value: float | None) -> Markup:
    """Style of a cell that stands for a value from −1 (vermilion) over 0 (no colour) to 1 (blue)."""
    if value is None or not math.isfinite(value):
        return Markup("")
    strength = round(100 * min(1.0, abs(value)))
    return Markup(' style="--tint:var(--{});--strength:{}%"').format("gain" if value >= 0 else "loss", strength)


def _show(text: str) -> str:
    """What the templates make of a text, which leave markup as it is."""
    return escape_controls(text, keep="\u00a0")
