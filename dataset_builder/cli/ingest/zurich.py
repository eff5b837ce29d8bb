"""`buiqa ingest zurich`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import name_option, out_option, preset_option, work_options

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers

_LICENSE = "Zurich RAW-to-RGB: research use, see the authors' page"


@click.command()
@click.argument("root", type=click.Path(exists=True, path_type=Path))
@preset_option
@click.option("--bursts", default=1, show_default=True, help="Bursts per photograph.")
@click.option("--size", default=96, show_default=True, help="Rows and columns of a frame, px.")
@click.option("--license", "license_", default=_LICENSE, show_default=True, help="Licence of the images.")
@name_option
@out_option
@work_options
@click.pass_context
def command(
    ctx: click.Context,
    root: Path,
    preset: str,
    bursts: int,
    size: int,
    license_: str,
    name: str | None,
    out: Path,
    workers: Workers,
) -> None:
    """Add bursts synthesised from the camera photographs of Zurich RAW-to-RGB: ROOT holds train/canon and test/canon.

    Its own division into train and test is kept.
    """
    from dataset_builder.build import add_source
    from dataset_builder.cli.console import print_summary, show_progress
    from dataset_builder.recipe import parse_source

    source = parse_source(
        name=name,
        kind="photographs",
        root=str(root.resolve()),
        license=license_,
        preset=preset,
        bursts_per_photograph=bursts,
        frame_height=size,
        frame_width=size,
        split="folders",
        near_duplicates="keep",
    )
    ctx.exit(print_summary(out, add_source(out, source, workers=workers, progress=show_progress)))
