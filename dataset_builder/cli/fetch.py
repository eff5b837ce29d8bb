"""`buiqa fetch`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("uri")
@click.option(
    "--cache", type=click.Path(path_type=Path), help="Where to keep it; default: $BUIQA_CACHE, else ~/.cache/buiqa."
)
def command(uri: str, cache: Path | None) -> None:
    """Bring a data set or a pack from object storage into the local cache, checked, and print its folder there."""
    from dataset_builder.cli.console import show_count
    from manifests.storage import fetch_dataset

    with show_count("fetch") as on_progress:
        root = fetch_dataset(uri, cache=cache, on_progress=on_progress)
    click.echo(root)
