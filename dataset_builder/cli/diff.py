"""`buiqa diff`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import FOLDER
from dataset_builder.cli.terminal import say

if TYPE_CHECKING:
    from manifests.operations.compare import DatasetDifference

_MOST = 10


@click.command()
@click.argument("first", metavar="A", type=FOLDER)
@click.argument("second", metavar="B", type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.pass_context
def command(ctx: click.Context, first: Path, second: Path, as_json: bool) -> None:
    """Say what B has otherwise than A: bursts, splits, labels, parameters, versions.

    Exit status: 0 if nothing, 1 if something.
    """
    from manifests.operations.compare import compare_datasets

    difference = compare_datasets(first, second)
    if as_json:
        say(json.dumps(asdict(difference), indent=2, default=str))
    else:
        _print(difference)
    ctx.exit(1 if difference else 0)


def _print(difference: DatasetDifference) -> None:
    from dataset_builder.audit.wording import format_score

    _print_some("bursts added", difference.added)
    _print_some("bursts removed", difference.removed)
    _print_some("bursts changed", [f"{name} ({', '.join(what)})" for name, what in difference.changed.items()])
    _print_some("splits changed", [f"{name} ({a} to {b})" for name, (a, b) in difference.moved.items()])
    for change in difference.labels:
        median, largest = (format_score(value, change.unit) for value in (change.median_change, change.max_change))
        size = f", by {median} at the median and {largest} at most"
        say(
            f"labels {change.scenario} {change.estimator} {change.metric}: {change.added} added, {change.removed} removed, "
            f"{change.changed} of {change.common} changed{size if change.changed else ''}"
        )
    for title, values in (("recipe", difference.parameters), ("software", difference.versions)):
        for key, (before, after) in values.items():
            say(f"{title} {key}: {before!r} to {after!r}")
    if not difference:
        say("no differences")


def _print_some(title: str, names: tuple[str, ...] | list[str]) -> None:
    if names:
        more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
        say(f"{title}: {len(names)}: {', '.join(names[:_MOST])}{more}")
