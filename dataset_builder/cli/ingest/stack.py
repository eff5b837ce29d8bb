"""`buiqa ingest stack`."""

from __future__ import annotations

from typing import Any

import click

from dataset_builder.cli.ingest.shared import add_captures, shared_options


@click.command()
@shared_options
@click.option("--start", type=int, help="First frame, from 0.")
@click.option("--every", type=int, help="Take one frame in so many.")
@click.option("--max-frames", type=int, help="Frames of a burst at most; default 30.")
@click.pass_context
def command(ctx: click.Context, /, start: int | None, every: int | None, max_frames: int | None, **given: Any) -> None:
    """Add one burst for each TIFF of several pages and each video below ROOT.

    Pictures of a video that repeat the one before them do not count.
    """
    add_captures(ctx, "stacks", given, start=start, every=every, max_frames=max_frames)
