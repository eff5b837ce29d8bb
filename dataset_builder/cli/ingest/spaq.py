"""`buiqa ingest spaq`."""

from __future__ import annotations

from typing import Any

import click

from dataset_builder.cli.ingest.shared import add_captures, shared_options


@click.command()
@shared_options
@click.option("--max-frames", type=int, help="Frames of a pseudo-burst at most; default 8.")
@click.option("--max-distance", type=int, help="Bits in which the hashes of neighbours may differ, of 64; default 12.")
@click.pass_context
def command(ctx: click.Context, /, max_frames: int | None, max_distance: int | None, **given: Any) -> None:
    """Add the photographs of SPAQ as pseudo-bursts of look-alikes, and their scores as the scenario subjective/spaq.

    ROOT holds TestImage and Annotations.
    """
    add_captures(ctx, "spaq", given, max_frames=max_frames, max_distance=max_distance)
