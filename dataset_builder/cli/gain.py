"""`buiqa gain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dataset_builder.cli.options import (
    base_option,
    dataset_argument,
    metric_option,
    read_roots,
    roots_option,
    trusted_option,
    work_options,
)
from dataset_builder.cli.terminal import say

if TYPE_CHECKING:
    import pandas as pd

    from dataset_builder.work.local import Workers


@click.command()
@dataset_argument
@base_option
@roots_option
@click.option("--bursts", default=200, show_default=True, type=click.IntRange(min=1), help="How many to restore.")
@metric_option("Fidelity metric, one that needs a truth.")
@click.option("--json", "as_json", is_flag=True, help="Print the table as JSON, for machines.")
@trusted_option
@work_options
@click.pass_context
def command(
    ctx: click.Context,
    dataset: Path,
    base: Path,
    roots: tuple[str, ...],
    bursts: int,
    metric: str,
    as_json: bool,
    scenarios: tuple[str, ...],
    workers: Workers,
) -> None:
    """Restore the bursts of DIR from the frames that labels choose, and say what that gains over all frames.

    Frames are chosen on the noise that DIR holds and judged with other noise. The result is audit/gain.parquet; the report shows it.
    """
    from dataset_builder.cli.console import FAILED_STATUS, print_counts, print_notes, show_progress
    from dataset_builder.finish import read_built_recipe
    from dataset_builder.repetition.gain import measure_dataset_gain
    from restorers.fidelity import METRICS

    if metric not in METRICS or not METRICS[metric].needs_truth:
        known = ", ".join(name for name, convention in METRICS.items() if convention.needs_truth)
        raise click.BadParameter(f"expected one of {known}, got {metric!r}", ctx, param_hint="--metric")
    folders = read_roots(read_built_recipe(dataset), roots)
    gains, report = measure_dataset_gain(
        dataset,
        base,
        roots=folders,
        metric=metric,
        most_bursts=bursts,
        named=scenarios,
        workers=workers,
        progress=show_progress,
    )
    if as_json:
        print_notes(report.remarks)
        say(gains.to_json(orient="records", double_precision=15))
    else:
        print_counts(dataset, [report])
        _print_gains(gains)
    ctx.exit(FAILED_STATUS if report.failures else 0)


def _print_gains(gains: pd.DataFrame) -> None:
    """A row for each scenario, preset and guide, a column for each policy."""
    from dataset_builder.audit.tables import to_rows
    from dataset_builder.audit.wording import to_markup
    from dataset_builder.cli.console import make_table, print_wide
    from dataset_builder.selection.policies import POLICIES

    table = make_table("Gain over all frames, with its 95 % interval over scenes")
    for name in ("scenario", "preset", "chosen by"):
        table.add_column(name)
    for name in (*(policy.replace("_", " ") for policy in POLICIES), "bursts"):
        table.add_column(name, justify="right")
    for names, rows in gains.groupby(["scenario", "preset", "guide"], sort=False):
        cells = {row["policy"]: _format_gain(row) for row in to_rows(rows)}
        shown = (to_markup(cells.get(policy, "–")) for policy in POLICIES)
        table.add_row(*(to_markup(str(name)) for name in names), *shown, str(rows["bursts"].max()))
    print_wide(table)


def _format_gain(row: dict[str, Any]) -> str:
    from dataset_builder.audit.wording import format_score, format_score_interval

    gain = format_score(row["gain"], row["unit"], signed=True)
    interval = format_score_interval(row["low"], row["high"], row["unit"])
    return f"{gain} ({interval})" if interval else gain
