"""Numbers as people read them."""

from __future__ import annotations

import math

from rich.markup import escape

from manifests.plain_text import count, escape_controls

__all__ = ["count", "format_interval", "format_number", "percent", "to_markup"]  # all that the audit writes with


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


def to_markup(text: str) -> str:
    """Text of a data set as it stands, for a console of rich: it marks nothing up, and holds nothing that a terminal obeys."""
    return escape(escape_controls(text))
