"""`buiqa ingest folder`."""

from __future__ import annotations

from typing import Any

import click

from dataset_builder.cli.ingest.shared import add_captures, shared_options


@click.command()
@shared_options
@click.option(
    "--group",
    type=click.Choice(["stem", "gap", "pattern"]),
    help="How files of a folder with many bursts belong together: names but for their last number, pauses in time, --pattern.",
)
@click.option("--gap", type=float, help="Seconds of pause that begin a new burst; default 2.")
@click.option("--pattern", help="Regular expression with a group (?P<burst>…) and perhaps (?P<frame>…).")
@click.pass_context
def command(ctx: click.Context, /, group: str | None, gap: float | None, pattern: str | None, **given: Any) -> None:
    """Add one burst for each sub-folder of ROOT; its images are the frames.

    JPEG, PNG, TIFF and HEIC, and RAW files of Bayer sensors. Frames are in order of capture where EXIF knows it to below a second, else in
    natural order of their names. If ROOT has no sub-folders, its own images are one burst, or many with --group.
    """
    add_captures(ctx, "folders", given, group=group, gap_seconds=gap, pattern=pattern)
