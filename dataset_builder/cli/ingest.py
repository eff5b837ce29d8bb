"""`buiqa ingest`: one subcommand per kind of source."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import jobs_option, license_option, name_option, out_option


@click.group()
def command() -> None:
    """Add real bursts."""


@command.command()
@click.argument("root", type=click.Path(path_type=Path))
@click.option("--reference", default=0, show_default=True, help="Index of the reference frame.")
@name_option
@license_option
@out_option
@jobs_option
@click.pass_context
def folder(
    ctx: click.Context, root: Path, reference: int, name: str | None, license_: str, out: Path, jobs: int
) -> None:
    """Add one burst for each sub-folder of ROOT; its images are the frames, in natural order of their names.

    JPEG, PNG and TIFF of 8 or 16 bit. If ROOT has no sub-folders, its own images are one burst.
    """
    from dataset_builder.build import add_source  # noqa: PLC0415
    from dataset_builder.cli.console import print_summary, show_progress  # noqa: PLC0415
    from dataset_builder.recipe import parse_source  # noqa: PLC0415

    source = parse_source(
        name=name, kind="folders", root=str(root.resolve()), license=license_, reference_index=reference
    )
    ctx.exit(print_summary(out, add_source(out, source, jobs=jobs, progress=show_progress)))
