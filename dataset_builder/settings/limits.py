"""How large and how deep a recipe may be: what is checked before its text is parsed and before its content is."""

from __future__ import annotations

import re
from typing import Any

from dataset_builder.errors import RecipeError

MOST_BYTES = 1_000_000
DEEPEST = 16
"""Tables and lists within each other, and parts of a dotted key; recipes have five."""
_TEXT = re.compile(
    r'"""(?:[^\\]|\\.)*?"""|' + r"'''.*?'''" + r'|"(?:[^"\\\n]|\\.)*"|' + r"'[^'\n]*'" + r"|\#[^\n]*", re.DOTALL
)
# Each word is tried as the first of a key once, so that the search is linear.
_LONG_KEY = re.compile(r"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){" + str(DEEPEST) + "}")


def require_shallow_keys(text: str, where: str) -> None:
    """Raise RecipeError for TOML with a dotted key of more than `DEEPEST` parts, for which parsers take the square of their number."""
    if (found := _LONG_KEY.search(_TEXT.sub("s", text))) is not None:
        raise RecipeError(f"{where}: {found[0][:40]}…: expected keys of at most {DEEPEST} parts")


def require_shallow(data: Any, where: str) -> None:
    """Raise RecipeError for plain data nested more than `DEEPEST` deep."""
    level = [data]
    for _ in range(DEEPEST + 1):
        level = [inner for outer in level for inner in _list_inner(outer)]
        if not level:
            return
    raise RecipeError(f"{where}: expected tables and lists at most {DEEPEST} deep")


def _list_inner(value: Any) -> list[Any]:
    return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list | tuple) else []
