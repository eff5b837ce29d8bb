"""The order of names in which people and cameras count."""

from __future__ import annotations

import re

Part = tuple[int, int, str]
NaturalKey = tuple[tuple[tuple[Part, ...], ...], str]
_SUFFIX = re.compile(r"\.[0-9A-Za-z]{1,8}$")


def natural_key(name: str) -> NaturalKey:
    """Sort key under which `BURST2` comes before `BURST10`, `A.jpg` before `A (1).jpg`, and different names never tie.

    Args:
        name: a file's name, or a POSIX path, whose folders count first.
    """
    *folders, last = name.split("/")
    suffix = _SUFFIX.search(last)
    stem = last[: suffix.start()] if suffix and suffix.start() else last
    return tuple(_split(part) for part in (*folders, stem, last[len(stem) :])), name


def _split(text: str) -> tuple[Part, ...]:
    # Only ASCII digits are numbers: `①` and `²` call themselves digits, too, and are none to `int`.
    parts = re.findall(r"[0-9]+|[^0-9]+", text)
    return tuple((0, int(part), "") if part[0] in "0123456789" else (1, 0, part.casefold()) for part in parts)
