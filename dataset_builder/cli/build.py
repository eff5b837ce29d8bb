"""`buiqa build`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import out_option, work_options

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@out_option
@click.option("--dry-run", is_flag=True, help="Say what would be created, reused and rebuilt, and change nothing.")
@work_options
@click.pass_context
def command(ctx: click.Context, recipe: Path, out: Path, dry_run: bool, workers: Workers) -> None:
    """Build the data set that RECIPE (TOML) describes.

    Run it again to go on after an interruption, or after a change of the recipe: only what changed is computed.
    """
    from dataset_builder.build import (
        build_dataset,
        preview_dataset,
        require_buildable,
    )
    from dataset_builder.cli.console import announce, print_counts, print_summary, show_progress
    from dataset_builder.recipe import read_recipe

    content = read_recipe(recipe)
    if dry_run:
        require_buildable(out, content)
        print_counts(out, preview_dataset(recipe, content, out, workers=workers))
        return
    reports = build_dataset(recipe, content, out, workers=workers, progress=show_progress, announce=announce)
    ctx.exit(print_summary(out, reports))
