"""`buiqa ingest burstsr`."""

from __future__ import annotations

from typing import Any

import click

from dataset_builder.cli.ingest.shared import add_captures, shared_options


@click.command()
@shared_options
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Add the bursts of BurstSR: ROOT holds train, val or test.

    The truth is the other camera's photograph, brought to the grid and colours of the reference, with a mask of where it can be trusted.
    """
    add_captures(ctx, "burstsr", given)
