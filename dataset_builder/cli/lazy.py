"""A group of commands of which each is made when it is used: for help their names and one line each are enough."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

import click


class LazyGroup(click.Group):
    """Commands in the order of their table.

    Args:
        lines: what each command does, by its name.
        load: makes the command of a name.
        settings: what click's own group takes.
    """

    def __init__(self, *, lines: Mapping[str, str], load: Callable[[str], click.Command], **settings: Any) -> None:
        super().__init__(**settings)
        self._lines, self._load = lines, load

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names in order."""
        return list(self._lines)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of a name; None if there is none."""
        return self._load(cmd_name) if cmd_name in self._lines else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click's own; the error for an unknown name offers what comes close."""
        name = args[0]
        if name not in self._lines and not name.startswith("-") and (close := get_close_matches(name, self._lines)):
            ctx.fail(f"No such command {name!r}; did you mean {' or '.join(close)}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Names and lines."""
        with formatter.section("Commands"):
            formatter.write_dl(list(self._lines.items()))
