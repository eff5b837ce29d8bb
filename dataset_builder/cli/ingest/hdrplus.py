"""`buiqa ingest hdrplus`."""

from __future__ import annotations

from typing import Any

import click

from dataset_builder.cli.ingest.shared import add_captures, shared_options


@click.command()
@shared_options
@click.option(
    "--results", help="Folder below ROOT with merged.dng and reference_frame.txt; default: the first results_*."
)
@click.pass_context
def command(ctx: click.Context, /, results: str | None, **given: Any) -> None:
    """Add the bursts of HDR+: ROOT holds bursts and results_*."""
    add_captures(ctx, "hdrplus", given, results=results)
