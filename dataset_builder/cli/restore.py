"""`buiqa restore`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.listed import complete, list_scenarios
from dataset_builder.cli.options import burst_argument, dataset_argument, device_option
from dataset_builder.cli.terminal import say


@click.command()
@dataset_argument
@burst_argument
@click.option(
    "--scenario", required=True, shell_complete=complete(list_scenarios), help="Name, module:attr or file of a model."
)
@device_option
@click.option("--out", type=click.Path(path_type=Path), help="PNG file; default: BURST_ID.png here.")
def command(dataset: Path, burst_id: str, scenario: str, device: str, out: Path | None) -> None:
    """Restore BURST_ID and write the result, the reference frame and the truth side by side as a PNG."""
    from dataset_builder.cli.console import print_warnings
    from dataset_builder.viewing.side_by_side import restore_side_by_side
    from manifests.images.pixels import write_png
    from manifests.listing import find_burst

    print_warnings()
    burst_id = find_burst(dataset, burst_id)
    path = out or Path(f"{burst_id}.png")
    image, captions = restore_side_by_side(dataset, burst_id, scenario, device=device)
    write_png(path.parent, path.name, image)
    say(f"{path}: {' | '.join(captions)}")
