"""What the keys of `dataset.json` hold, as far as anything here reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

_SCALAR = (str, int, float, bool, type(None))
_NUMBER = (int, float, bool, type(None))
_NAMES = {
    str: "text",
    int: "a whole number",
    dict: "a mapping",
    list: "a list",
    _NUMBER: "a number",
    _SCALAR: "text or a number",
}
FORM: Mapping[str, Any] = {
    "name": str,
    "form": str,
    "part": dict,
    "part.number": int,
    "part.total": int,
    "part.plan_sha256": str,
    "part.code_sha256": str,
    "totals": dict,
    "totals.*": int,
    "software": dict,
    "software.*": _SCALAR,
    "estimators": dict,
    "estimators.*": str,
    "metrics": dict,
    "metrics.*": dict,
    "scenarios": dict,
    "scenarios.*": dict,
    "manifests": dict,
    "manifests.*": str,
    "provenance": dict,
    "left_out": dict,
    "left_out.*": dict,
    "left_out.*.*": str,
    "recipe": dict,
    "recipe.dataset": dict,
    "recipe.splits": dict,
    "recipe.sources": list,
    "recipe.sources.*": dict,
    "recipe.sources.*.name": str,
    "recipe.scenarios": list,
    "recipe.scenarios.*": dict,
    "recipe.scenarios.*.name": str,
    "recipe.audit": dict,
    "recipe.audit.rules": dict,
    "recipe.audit.rules.*": dict,
    "recipe.audit.rules.*.*": _NUMBER,
}
"""Dotted key, `*` for each entry, to the type of what it holds; all may be missing."""


def find_form_problems(description: Mapping[str, Any]) -> Iterator[str]:
    """One line for each key that holds something else than it should, outer ones first."""
    for key, kind in FORM.items():
        for name, value in _find(description, key.split("."), ""):
            if not isinstance(value, kind):
                yield f"{name}: expected {_NAMES[kind]}, got {type(value).__name__}"


def _find(value: Any, steps: list[str], name: str) -> Iterator[tuple[str, Any]]:
    """All that lies at a dotted key; nothing behind what holds something else than entries."""
    if not steps:
        yield name, value
        return
    step, rest = steps[0], steps[1:]
    if step == "*":
        entries: Iterable[tuple[Any, Any]] = (
            value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        )
    else:
        entries = ((step, value[step]),) if isinstance(value, dict) and step in value else ()
    for inner, found in entries:
        yield from _find(found, rest, f"{name}.{inner}" if name else str(inner))
