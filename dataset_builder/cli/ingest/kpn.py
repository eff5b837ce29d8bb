"""`buiqa ingest kpn`."""

from __future__ import annotations

from typing import Any

import click

from dataset_builder.cli.ingest.shared import add_captures, shared_options


@click.command()
@shared_options
@click.pass_context
def command(ctx: click.Context, /, **given: Any) -> None:
    """Add each .npz below ROOT: noisy, truth, white_level, sig_read, sig_shot."""
    add_captures(ctx, "kpn", given)
