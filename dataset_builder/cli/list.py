"""`buiqa list`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.listed import ListedOption, complete, list_labelled, list_metrics
from dataset_builder.cli.options import dataset_argument
from dataset_builder.cli.terminal import say

if TYPE_CHECKING:
    import pandas as pd

_SHOWN = ("burst_id", "source", "preset", "domain", "num_frames", "width", "height", "split")


@click.command()
@dataset_argument
@click.option(
    "--where",
    metavar="QUERY",
    help="Condition on the columns of bursts, on split, and with --scenario on best, worst, highest, lowest and spread: "
    "\"preset == 'night' and spread > 0.5\".",
)
@click.option(
    "--scenario",
    shell_complete=complete(list_labelled),
    help="Whose labels to tell: best and worst frame, their scores, and how far apart these are.",
)
@click.option("--estimator", help="By which estimator; default: all.")
@click.option("--metric", cls=ListedOption, names=list_metrics, help="By which metric; default: all.")
@click.option("--sort", metavar="COLUMN", help="Sort by a column, upwards; -COLUMN downwards, as in --sort=-spread.")
@click.option("--limit", type=click.IntRange(min=1), help="List so many at most.")
@click.option("--json", "as_json", is_flag=True, help="Print all columns, one JSON object a line.")
def command(
    dataset: Path,
    where: str | None,
    scenario: str | None,
    estimator: str | None,
    metric: str | None,
    sort: str | None,
    limit: int | None,
    as_json: bool,
) -> None:
    """List the bursts of DIR: what they are, and what the labels of a scenario say of each."""
    from dataset_builder.cli.console import print_rows
    from manifests.errors import SelectionError
    from manifests.listing import choose_rows, select_bursts, tell_best_frames
    from manifests.plain_text import count, suggest

    rows = select_bursts(dataset)
    told: list[str] = []
    if scenario is not None:
        best = tell_best_frames(dataset, scenario, estimator=estimator, metric=metric)
        told = [name for name in best.columns if name != "burst_id"]
        rows = rows.merge(best, on="burst_id")
    if where is not None:
        rows = choose_rows(rows, where)
    if sort is not None:
        column = sort.removeprefix("-")
        if column not in rows.columns:
            hint = suggest(column, rows.columns) or f"expected one of {', '.join(rows.columns)}"
            more = "" if scenario else "; --scenario adds best, worst, highest, lowest and spread"
            raise SelectionError(f"sort {column!r}: no such column: {hint}{more}")
        rows = rows.sort_values(column, ascending=not sort.startswith("-"), kind="stable")
    shown = rows if limit is None else rows.head(limit)
    if as_json:
        for line in shown.to_json(orient="records", lines=True).splitlines():
            say(line)
        return
    print_rows(_show_spreads(shown[[*_SHOWN, *told]]))
    if len(shown) < len(rows):
        say(f"{len(shown)} of {count(len(rows), 'burst')}")


def _show_spreads(rows: pd.DataFrame) -> pd.DataFrame:
    """Spreads as text, with the units that people read."""
    if "spread" not in rows:
        return rows
    from dataset_builder.audit.wording import format_score

    texts = [format_score(value, unit) for value, unit in zip(rows["spread"], rows["unit"], strict=True)]
    return rows.assign(spread=texts).drop(columns="unit")
