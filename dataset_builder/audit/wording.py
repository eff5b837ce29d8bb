"""Numbers as people read them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType

from rich.markup import escape

from manifests.plain_text import count, escape_controls

__all__ = ["count", "format_interval", "format_number", "percent", "to_markup"]  # all that the audit writes with

_SHOWN_UNITS: Mapping[str, tuple[str, float, int]] = MappingProxyType({"signal²": ("ppm", 1e6, 0), "1": ("", 1.0, 2)})
"""Unit on display, its number in one of the stored unit, and the fewest digits after the point; others are shown as they are stored."""
_SIGNIFICANT = 3
_MOST_DECIMALS = 9


def show_unit(unit: str) -> tuple[str, float]:
    """How a unit of scores is shown, and what values are multiplied by for it.

    Squared signals become ppm, millionths of the square of white: 100 ppm is an MSE of 1e-4, a PSNR of 40 dB. What has no unit shows none.
    """
    shown, factor, _ = _SHOWN_UNITS.get(unit, (unit, 1.0, 2))
    return shown, factor


def format_score(value: float | None, unit: str, *, signed: bool = False) -> str:
    """A score, or a difference of scores, with the unit that people read and three significant digits or more; an en dash for none.

    Args:
        value: the value in the stored unit.
        unit: the stored unit.
        signed: whether to show a plus.
    """
    shown, factor, least = _SHOWN_UNITS.get(unit, (unit, 1.0, 2))
    if value is None or not math.isfinite(value):
        return "–"
    number = format_number(value * factor, _count_decimals(value * factor, least), signed=signed)
    return f"{number} {shown}" if shown else number


def _count_decimals(value: float, least: int) -> int:
    if value == 0:
        return least
    return min(_MOST_DECIMALS, max(least, _SIGNIFICANT - 1 - math.floor(math.log10(abs(value)))))


def format_number(value: float | None, decimals: int, *, signed: bool = False) -> str:
    """A number as text with a true minus sign and thousands set apart; an en dash for None and NaN; no sign on what rounds to 0."""
    if value is None or not math.isfinite(value):
        return "–"
    text = f"{value:+,.{decimals}f}" if signed else f"{value:,.{decimals}f}"
    if not text.strip("+-0.,"):
        text = text.lstrip("+-")
    return text.replace("-", "−")


def percent(share: float | None) -> str:
    """A share of 1 as text; an en dash for None or NaN; never 0 % or 100 % for what is not. Spaces do not break."""
    if share is None or not math.isfinite(share):
        return "–"
    if 0 < share < 0.01:
        return "<\u00a01\u00a0%"
    if 0.99 < share < 1:
        return ">\u00a099\u00a0%"
    return f"{format_number(100 * share, 0)}\u00a0%"


def format_interval(low: float, high: float, decimals: int = 2) -> str:
    """An interval of signed numbers; empty where it is unknown."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"{format_number(low, decimals, signed=True)} to {format_number(high, decimals, signed=True)}"


def format_score_interval(low: float, high: float, unit: str) -> str:
    """An interval of signed scores of a stored unit; empty where it is unknown."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    shown, _ = show_unit(unit)
    return f"{format_score(low, unit, signed=True).removesuffix(shown).rstrip()} to {format_score(high, unit, signed=True)}"


def shorten_middle(text: str, most: int) -> str:
    """A text of at most so many characters: what is longer loses its middle, for beginnings and ends tell names apart."""
    if len(text) <= most:
        return text
    tail = (most - 1) // 2
    return f"{text[: most - 1 - tail]}…{text[len(text) - tail :]}"


def to_markup(text: str) -> str:
    """Text of a data set as it stands, for a console of rich: it marks nothing up, and holds nothing that a terminal obeys."""
    return escape(escape_controls(text, keep="\u00a0"))
