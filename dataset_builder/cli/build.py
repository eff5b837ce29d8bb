"""`buiqa build`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import jobs_option, memory_limit_option, out_option, time_limit_option


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@out_option
@jobs_option
@time_limit_option
@memory_limit_option
@click.pass_context
def command(
    ctx: click.Context, recipe: Path, out: Path, jobs: int, time_limit: float, memory_limit: float | None
) -> None:
    """Build the data set that RECIPE (TOML) describes.

    Run it again to go on after an interruption, or after a change of the recipe: only what changed is computed.
    """
    from dataset_builder.build import build_dataset  # noqa: PLC0415
    from dataset_builder.cli.console import print_summary, show_progress  # noqa: PLC0415
    from dataset_builder.recipe import read_recipe  # noqa: PLC0415
    from dataset_builder.work import Limits  # noqa: PLC0415

    limits = Limits(time_limit, memory_limit)
    reports = build_dataset(recipe, read_recipe(recipe), out, jobs=jobs, progress=show_progress, limits=limits)
    ctx.exit(print_summary(out, reports))
