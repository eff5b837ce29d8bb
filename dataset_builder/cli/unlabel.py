"""`buiqa unlabel`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import dataset_argument, labelled_option


@click.command()
@dataset_argument
@labelled_option("Whose labels to remove; may be given several times.", required=True)
@click.pass_context
def command(ctx: click.Context, dataset: Path, scenarios: tuple[str, ...]) -> None:
    """Remove the labels of scenarios from DIR, and the scenarios from its recipe; bursts stay as they are."""
    from dataset_builder.build import remove_labels
    from dataset_builder.cli.console import print_summary

    ctx.exit(print_summary(dataset, remove_labels(dataset, scenarios)))
