"""`buiqa ingest synthetic-burst`."""

from __future__ import annotations

from typing import Any

import click

from dataset_builder.cli.ingest.shared import add_captures, shared_options


@click.command()
@shared_options
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Add the bursts of the validation set SyntheticBurst: ROOT holds bursts and gt."""
    add_captures(ctx, "synthetic_burst", given)
