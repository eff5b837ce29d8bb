"""`buiqa restore`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.listed import complete, list_scenarios
from dataset_builder.cli.options import burst_argument, dataset_argument, device_option, limit_options
from dataset_builder.cli.terminal import say

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers


@click.command()
@dataset_argument
@burst_argument
@click.option(
    "--scenario", required=True, shell_complete=complete(list_scenarios), help="Name, module:attr or file of a model."
)
@device_option
@click.option("--out", type=click.Path(path_type=Path), help="PNG file; default: BURST_ID.png here.")
@limit_options
def command(dataset: Path, burst_id: str, scenario: str, out: Path | None, workers: Workers) -> None:
    """Restore BURST_ID and write the result, the reference frame and the truth side by side as a PNG."""
    from dataset_builder.cli.console import print_warnings
    from dataset_builder.viewing.side_by_side import restore_in_worker
    from manifests.confined.writing import write_file
    from manifests.listing import find_burst

    print_warnings()
    burst_id = find_burst(dataset, burst_id)
    path = out or Path(f"{burst_id}.png")
    picture, captions = restore_in_worker(dataset, burst_id, scenario, workers=workers)
    write_file(path.parent, path.name, picture)
    say(f"{path}: {' | '.join(captions)}")
