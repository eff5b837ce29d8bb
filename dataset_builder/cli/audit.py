"""`buiqa audit`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import dataset_argument


@click.command()
@dataset_argument
def command(dataset: Path) -> None:
    """Write DIR/audit/index.html: what is in the data set and whether its labels can be trusted."""
    from dataset_builder.build import redo_reports  # noqa: PLC0415

    click.echo(redo_reports(dataset))
