"""`buiqa pack`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import FOLDER, dataset_argument
from dataset_builder.cli.terminal import say


@click.command()
@dataset_argument
@click.option("--out", required=True, metavar="DIR", type=FOLDER, help="New folder of the pack.")
@click.option(
    "--shard-megabytes", default=256, show_default=True, type=click.IntRange(min=1), help="Size of a shard, roughly."
)
def command(dataset: Path, out: Path, shard_megabytes: int) -> None:
    """Write DIR in the packed form for training: its samples in a few memory-mapped files, one burst one read.

    BurstQualityDataset reads a pack like the data set that it was made from. Ground truth is not packed.
    """
    from dataset_builder.cli.console import show_count
    from manifests.operations.pack import pack_dataset
    from manifests.plain_text import count

    with show_count("pack") as on_progress:
        shards = pack_dataset(dataset, out, shard_bytes=shard_megabytes << 20, on_progress=on_progress)
    say(f"{out}: {count(shards, 'shard')}")
