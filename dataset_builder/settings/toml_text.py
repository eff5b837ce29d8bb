"""Plain data as TOML 1.0, which the standard library only reads."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_WIDEST = 100
"""Characters up to which a list stays on one line."""


def render_toml(data: Mapping[str, Any]) -> str:
    """Tables, lists of tables, and within them values, lists and inline tables, in the order of the data; nulls are left out.

    Args:
        data: text, whole and finite numbers, truth values, lists and mappings from text.

    Raises:
        ValueError: for anything else.
    """
    lines = _render_pairs({key: value for key, value in data.items() if not _is_table(value)})
    for key, value in data.items():
        if isinstance(value, Mapping):
            lines += ["", f"[{_render_key(key)}]", *_render_pairs(value)]
        elif _is_table(value):
            for entry in value:
                lines += ["", f"[[{_render_key(key)}]]", *_render_pairs(entry)]
    return "\n".join(lines).lstrip("\n") + "\n"


def _is_table(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    is_list = isinstance(value, list | tuple)
    return is_list and bool(value) and all(isinstance(entry, Mapping) for entry in value)


def _render_pairs(table: Mapping[str, Any]) -> list[str]:
    return [f"{_render_key(key)} = {_render_value(value)}" for key, value in table.items() if value is not None]


def _render_key(key: str) -> str:
    return key if _BARE_KEY.fullmatch(key) else _render_text(key)


def _render_value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return _render_text(value)
    if isinstance(value, int | float):
        return json.dumps(value, allow_nan=False)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(_render_pairs(value)) + " }" if value else "{}"
    if isinstance(value, list | tuple):
        parts = [_render_value(part) for part in value]
        line = f"[{', '.join(parts)}]"
        return line if len(line) <= _WIDEST else "[\n" + "".join(f"  {part},\n" for part in parts) + "]"
    raise ValueError(f"expected text, a number, a list or a mapping, got {type(value).__name__}")


def _render_text(text: str) -> str:
    # JSON escapes what TOML does, but for one character.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
