"""Names that exist on this machine or in a data set: in the help of options, and as what a shell completes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

_Names = Callable[[click.Context], Iterable[str]]
Completer = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


class ListedOption(click.Option):
    """An option whose help ends with the names that there are: they are looked up when somebody asks for help.

    Args:
        names: looks them up, given nothing; it may import what takes a while.
        settings: what click's own option takes, `help` among them.
    """

    def __init__(self, *arguments: Any, names: Callable[[], Iterable[str]], **settings: Any) -> None:
        super().__init__(*arguments, **settings, shell_complete=complete(lambda _ctx: names()))
        self._names, self._says = names, self.help

    def get_help_record(self, ctx: click.Context) -> tuple[str, str] | None:
        """As click's own, with the names."""
        self.help = f"{self._says} There are {', '.join(self._names())}."
        return super().get_help_record(ctx)


def complete(names: _Names) -> Completer:
    """What a shell offers for a parameter: of some names those that begin as what was typed; nothing where they cannot be found."""

    def offer(ctx: click.Context, _parameter: click.Parameter, typed: str) -> list[CompletionItem]:
        found: list[str] = []
        with contextlib.suppress(Exception):  # a shell shows whatever is raised in the middle of the line
            found = [name for name in names(ctx) if name.startswith(typed)]
        return [CompletionItem(name) for name in found]

    return offer


def list_presets() -> Iterable[str]:
    """Presets of the toolkit."""
    from dataset_builder.synthesis.builtin import PRESETS

    return list(PRESETS)


def list_metrics() -> Iterable[str]:
    """Fidelity metrics."""
    from restorers.fidelity import METRICS

    return list(METRICS)


def list_scenarios(_ctx: click.Context) -> Iterable[str]:
    """Scenarios that have a name of their own: built-in ones and those of installed packages."""
    from restorers.registry import read_scenarios

    return read_scenarios().usable


def list_labelled(ctx: click.Context) -> Iterable[str]:
    """Scenarios that have labels in the data set that the command names."""
    from manifests import queries

    return queries.list_labelled(_find_dataset(ctx))


def list_bursts(ctx: click.Context) -> Iterable[str]:
    """Ids of the bursts of the data set that the command names."""
    from manifests.schema import BURSTS
    from manifests.store import read_table, table_path

    ids: list[str] = (
        read_table(_find_dataset(ctx), table_path("bursts"), BURSTS, columns=["burst_id"]).column(0).to_pylist()
    )
    return ids


def _find_dataset(ctx: click.Context) -> Path:
    # Before an option that is not complete, click tells no arguments apart: DIR is the first of them.
    return Path(ctx.params.get("dataset") or ctx.args[0])
