"""Printing: what comes from files and strangers reaches a terminal as text that it does not obey."""

from __future__ import annotations

from typing import Any

import click


def say(text: Any, *, err: bool = False) -> None:
    """Print lines; control characters and turned directions of writing show as escapes."""
    click.echo(tame(str(text)), err=err)


def tame(text: str) -> str:
    """Lines without what a terminal obeys."""
    from manifests.plain_text import escape_controls  # `--help` goes without

    return escape_controls(text, keep="\n")
