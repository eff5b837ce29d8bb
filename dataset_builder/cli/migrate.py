"""`buiqa migrate`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import dataset_argument
from dataset_builder.cli.terminal import say


@click.command()
@dataset_argument
def command(dataset: Path) -> None:
    """Bring DIR, written by an older version, up to the format of this one."""
    from dataset_builder.work.lock import lock_dataset
    from manifests.operations.migrate import migrate_dataset
    from manifests.plain_text import count
    from manifests.schema import FORMAT_VERSION

    if not dataset.is_dir():
        raise click.UsageError(f"{dataset}: no such folder")
    with lock_dataset(dataset):
        changed = migrate_dataset(dataset)
    text = f"{count(len(changed), 'table')} rewritten" if changed else "nothing to do"
    say(f"{dataset}: format {FORMAT_VERSION}, {text}")
