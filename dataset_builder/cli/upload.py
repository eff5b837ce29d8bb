"""`buiqa upload`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import CREDENTIALS_NOTE, dataset_argument
from dataset_builder.cli.terminal import say


@click.command()
@dataset_argument
@click.argument("uri")
def command(dataset: Path, uri: str) -> None:
    """Copy DIR, a data set or a pack, to object storage, such as s3://bucket/path.

    Credentials come from where the AWS tools look for them: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY.
    Other services than AWS: s3://bucket/path?endpoint_override=host:port&scheme=http
    """
    from dataset_builder.cli.console import print_notes, show_count
    from manifests.address import has_credentials, hide_credentials
    from manifests.plain_text import count
    from manifests.storage import upload_dataset

    with show_count("upload") as on_progress:
        files = upload_dataset(dataset, uri, on_progress=on_progress)
    say(f"{hide_credentials(uri)}: {count(files, 'file')}")
    print_notes([CREDENTIALS_NOTE] if has_credentials(uri) else [])
