"""`buiqa synthesize`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import license_option, name_option, out_option, work_options

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--preset", default="handheld", show_default=True, help="How the frames of a burst differ.")
@click.option("--bursts", default=4, show_default=True, help="Bursts per photograph.")
@click.option("--height", default=96, show_default=True, help="Rows of a frame, px.")
@click.option("--width", default=96, show_default=True, help="Columns of a frame, px.")
@click.option("--scale", type=int, help="Ground-truth pixels per frame pixel; default: the preset's.")
@click.option(
    "--shorter-side", type=int, help="Reduce photographs towards this shorter side, px; default: as they are."
)
@click.option("--seed", type=int, help="Seed of the data set; default 0, or its own.")
@name_option
@license_option
@out_option
@work_options
@click.pass_context
def command(
    ctx: click.Context,
    sources: tuple[Path, ...],
    preset: str,
    bursts: int,
    height: int,
    width: int,
    scale: int | None,
    shorter_side: int | None,
    seed: int | None,
    name: str | None,
    license_: str,
    out: Path,
    workers: Workers,
) -> None:
    """Add bursts synthesised from the photographs SOURCES: one folder, or files."""
    from dataset_builder.build import add_source
    from dataset_builder.cli.console import print_summary, show_progress
    from dataset_builder.recipe import parse_source

    if len(sources) == 1 and sources[0].is_dir():
        root, files = sources[0].resolve(), []
    else:
        paths = [path.resolve() for path in sources]
        root = Path(os.path.commonpath([path.parent for path in paths]))
        files = [path.relative_to(root).as_posix() for path in paths]
    source = parse_source(
        name=name,
        kind="photographs",
        root=str(root),
        files=files,
        license=license_,
        preset=preset,
        bursts_per_photograph=bursts,
        frame_height=height,
        frame_width=width,
        scale=scale,
        shorter_side=shorter_side,
    )
    ctx.exit(print_summary(out, add_source(out, source, seed=seed, workers=workers, progress=show_progress)))
