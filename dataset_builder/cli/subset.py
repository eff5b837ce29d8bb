"""`buiqa subset`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import dataset_argument, labelled_option, out_option
from dataset_builder.cli.terminal import say


@click.command()
@dataset_argument
@click.option(
    "--where",
    required=True,
    metavar="QUERY",
    help="Condition on the columns of bursts, and split and fold, as pandas reads it: \"source == 'phone' and num_frames >= 8\".",
)
@labelled_option("Labels to keep; default: all.")
@out_option
def command(dataset: Path, where: str, scenarios: tuple[str, ...], out: Path) -> None:
    """Write a data set of the bursts of DIR that a query chooses, with their files, labels and splits."""
    from dataset_builder.cli.console import print_notes
    from dataset_builder.redo import redo_reports
    from manifests.operations.combine import subset_dataset
    from manifests.plain_text import count

    remarks: list[str] = []
    bursts = subset_dataset(
        dataset,
        out,
        where,
        scenarios=scenarios or None,
        finish=lambda folder: remarks.extend(redo_reports(folder)),
    )
    say(f"{out}: {count(bursts, 'burst')}")
    print_notes(remarks)
