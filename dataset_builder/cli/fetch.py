"""`buiqa fetch`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import CREDENTIALS_NOTE
from dataset_builder.cli.terminal import say


@click.command()
@click.argument("uri")
@click.option(
    "--cache", type=click.Path(path_type=Path), help="Where to keep it; default: $BUIQA_CACHE, else ~/.cache/buiqa."
)
def command(uri: str, cache: Path | None) -> None:
    """Bring a data set or a pack from object storage into the local cache, checked, and print its folder there.

    Credentials come from where the AWS tools look for them: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    """
    from dataset_builder.cli.console import print_notes, show_count
    from manifests.address import has_credentials
    from manifests.storage import fetch_dataset

    with show_count("fetch") as on_progress:
        root = fetch_dataset(uri, cache=cache, on_progress=on_progress)
    say(root)
    print_notes([CREDENTIALS_NOTE] if has_credentials(uri) else [])
