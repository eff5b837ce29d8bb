"""`buiqa synthesize`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import license_option, name_option, out_option, preset_option, work_options

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers


@click.command()
@click.argument("sources", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@preset_option
@click.option("--bursts", default=4, show_default=True, help="Bursts per photograph.")
@click.option("--frames", type=int, metavar="N", help="Frames per burst.  [default: as the preset says]")
@click.option("--height", default=96, show_default=True, help="Rows of a frame, px.")
@click.option("--width", default=96, show_default=True, help="Columns of a frame, px.")
@click.option("--scale", type=int, help="Ground-truth pixels per frame pixel; default: the preset's.")
@click.option(
    "--shorter-side", type=int, help="Reduce photographs towards this shorter side, px; default: as they are."
)
@click.option(
    "--max-clipped",
    default=0.25,
    show_default=True,
    help="Leave out photographs of which a larger share of the pixels is saturated.",
)
@click.option(
    "--max-blur",
    default=0.6,
    show_default=True,
    help="Leave out photographs with a larger blur effect, 0 sharp to 1 blurred.",
)
@click.option("--keep-near-duplicates", is_flag=True, help="Keep photographs that show what an earlier one shows.")
@click.option("--limit", type=int, help="Take so many photographs at most, drawn by their paths.")
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
    frames: int | None,
    height: int,
    width: int,
    scale: int | None,
    shorter_side: int | None,
    max_clipped: float,
    max_blur: float,
    keep_near_duplicates: bool,
    limit: int | None,
    seed: int | None,
    name: str | None,
    license_: str,
    out: Path,
    workers: Workers,
) -> None:
    """Add bursts synthesised from the photographs SOURCES: one folder, or files.

    Photographs that are too blurred or clipped for a truth, or shown twice, are left out and named.
    """
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
        num_frames=frames,
        max_clipped=max_clipped,
        max_blur=max_blur,
        near_duplicates="keep" if keep_near_duplicates else "leave_out",
        limit=limit,
    )
    ctx.exit(print_summary(out, add_source(out, source, seed=seed, workers=workers, progress=show_progress)))
