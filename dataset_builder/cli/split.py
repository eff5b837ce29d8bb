"""`buiqa split`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import dataset_argument


@click.command()
@dataset_argument
@click.option("--val", default=0.0, show_default=True, help="Share of the scenes.")
@click.option("--test", default=0.2, show_default=True, help="Share of the scenes; the rest trains.")
@click.option("--salt", default="buiqa", show_default=True, help="Another salt draws another split.")
def command(dataset: Path, val: float, test: float, salt: str) -> None:
    """Assign the scenes of DIR to train, val and test anew. A scene is never cut, and adding data never moves one."""
    from collections import Counter  # noqa: PLC0415

    from dataset_builder.build import redo_splits  # noqa: PLC0415
    from dataset_builder.recipe import parse_splits  # noqa: PLC0415
    from manifests.store import read_dataset_table  # noqa: PLC0415

    redo_splits(dataset, parse_splits(val=val, test=test, salt=salt))
    counts = Counter(read_dataset_table(dataset, "splits").column("split").to_pylist())
    click.echo(", ".join(f"{name}: {counts[name]} bursts" for name in ("train", "val", "test")))
