"""What the settings of several networks have in common."""

from __future__ import annotations

from typing import Literal

FactsName = Literal["none", "camera", "measured"]


def require_divisor(attention_heads: int, width: int) -> None:
    """Refuse heads that attention cannot share out.

    Raises:
        ValueError: if they do not divide the width.
    """
    if width % attention_heads:
        raise ValueError(f"attention_heads: expected a divisor of the width {width}, got {attention_heads}")
