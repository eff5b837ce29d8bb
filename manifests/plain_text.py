"""Text made fit to be shown: that of strangers on one line, of bounded length, without characters that a terminal obeys; counts."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

LONGEST_VALUE = 80
"""Characters of a value that are shown."""


def escape_controls(text: str, *, keep: str = "") -> str:
    r"""Text in which everything that does not print is written as an escape: `\n`, `\x1b`, `\u202e`.

    Not printing, besides control characters, are those that turn the direction of writing, lone halves of surrogate pairs, and all spaces
    but the common one.

    Args:
        text: the text.
        keep: characters that stay all the same.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() or letter in keep else letter.encode("unicode_escape").decode()
        for letter in text
    )


def show(value: Any, *, quoted: bool = False) -> str:
    """A value as text for a message; text itself in quotes if wanted."""
    if isinstance(value, str):
        shown = escape_controls(value[:LONGEST_VALUE]) + "…" * (len(value) > LONGEST_VALUE)
        return f"'{shown}'" if quoted else shown
    text = repr(value)
    return text if len(text) <= LONGEST_VALUE else f"{text[:LONGEST_VALUE]}…"


def count(number: float, noun: str, plural: str = "") -> str:
    """1 burst, 2 bursts, 7,346 bursts."""
    return f"{number:,.0f} {noun if number == 1 else plural or noun + 's'}"


def suggest(name: str, known: Iterable[str], *, cutoff: float = 0.6) -> str:
    """Question that offers the three names that come closest, as a message ends with it; empty where none does.

    Args:
        name: what was asked for.
        known: names that there are.
        cutoff: how alike they must be, 0 to 1, by `difflib`.

    Examples:
        >>> suggest("sharpnes", ["index", "sharpness"])
        'did you mean sharpness?'
    """
    close = get_close_matches(name, list(known), n=3, cutoff=cutoff)
    return f"did you mean {' or '.join(close)}?" if close else ""
