"""What the settings of several networks have in common."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import TypeAdapter

from assessors.model_files import ModelHeader

FactsName = Literal["none", "camera", "measured"]


def require_divisor(attention_heads: int, width: int) -> None:
    """Refuse heads that attention cannot share out.

    Raises:
        ValueError: if they do not divide the width.
    """
    if width % attention_heads:
        raise ValueError(f"attention_heads: expected a divisor of the width {width}, got {attention_heads}")


def read_settings(kind: type[Any], header: ModelHeader) -> Any:
    """Settings of a class as a model's file states them, within their ranges: a file must not ask for more memory than it is worth.

    Raises:
        ValueError: if they are others, or out of range.
    """
    return TypeAdapter(kind).validate_python(dict(header.settings))
