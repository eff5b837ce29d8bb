"""`buiqa show`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import burst_argument, dataset_argument, limit_options
from dataset_builder.cli.terminal import say

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers


@click.command()
@dataset_argument
@burst_argument
@click.option("--out", type=click.Path(path_type=Path), help="PNG file; default: BURST_ID.png here.")
@click.option("--columns", default=7, show_default=True, type=click.IntRange(min=1), help="Frames per row.")
@limit_options
def command(dataset: Path, burst_id: str, out: Path | None, columns: int, workers: Workers) -> None:
    """Draw the frames of BURST_ID with their scores as a PNG."""
    from dataset_builder.viewing.contact_sheet import draw_contact_sheet
    from manifests.images.pixels import write_png
    from manifests.listing import find_burst

    burst_id = find_burst(dataset, burst_id)
    path = out or Path(f"{burst_id}.png")
    write_png(path.parent, path.name, draw_contact_sheet(dataset, burst_id, columns=columns, workers=workers))
    say(path)
