"""`buiqa reliability`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import (
    base_option,
    dataset_argument,
    read_roots,
    roots_option,
    trusted_option,
    work_options,
)

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers


@click.command()
@dataset_argument
@base_option
@roots_option
@click.option("--bursts", default=200, show_default=True, type=click.IntRange(min=1), help="How many to label again.")
@trusted_option
@work_options
@click.pass_context
def command(
    ctx: click.Context,
    dataset: Path,
    base: Path,
    roots: tuple[str, ...],
    bursts: int,
    scenarios: tuple[str, ...],
    workers: Workers,
) -> None:
    """Label synthetic bursts of DIR again, with other noise and with half the frames, and compare.

    The result is manifests/reliability.parquet; card and audit show it.
    """
    from dataset_builder.cli.console import print_reliability, print_summary, show_progress
    from dataset_builder.finish import read_built_recipe
    from dataset_builder.repetition.reliability import measure_reliability

    folders = read_roots(read_built_recipe(dataset), roots)
    reports = measure_reliability(
        dataset, base, roots=folders, most_bursts=bursts, named=scenarios, workers=workers, progress=show_progress
    )
    print_reliability(dataset)
    ctx.exit(print_summary(dataset, reports))
