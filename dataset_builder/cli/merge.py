"""`buiqa merge`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import FOLDER, out_option


@click.command()
@click.argument("first", metavar="A", type=FOLDER)
@click.argument("second", metavar="B", type=FOLDER)
@out_option
def command(first: Path, second: Path, out: Path) -> None:
    """Write a data set that holds the bursts and labels of A and B.

    What both hold must be equal, and no scene may lie in different splits.
    """
    from dataset_builder.build import redo_reports
    from dataset_builder.cli.console import print_notes, print_problems
    from manifests.operations.combine import merge_datasets
    from manifests.verification.verify import verify

    remarks: list[str] = []
    merge_datasets(first, second, out, finish=lambda folder: remarks.extend(redo_reports(folder)))
    print_notes(remarks)
    # Scenes that are apart in each may look alike together.
    click.get_current_context().exit(print_problems(verify(out, hashes=False)))
