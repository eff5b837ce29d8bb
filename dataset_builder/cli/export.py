"""`buiqa export`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import FOLDER, dataset_argument, limit_options
from dataset_builder.cli.terminal import say

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers


@click.command()
@dataset_argument
@click.option(
    "--format",
    "form",
    required=True,
    type=click.Choice(["hf", "webdataset", "croissant", "fiftyone", "csv"]),
    help="hf: Parquet with images for Hugging Face datasets. webdataset: tar shards. croissant: tables, images and metadata for "
    "mlcroissant. fiftyone: developed pictures in groups, scores as fields. csv: name, score and split of every frame, as pyiqa reads.",
)
@click.option("--out", required=True, metavar="DIR", type=FOLDER, help="New folder of the export.")
@click.option(
    "--strip-metadata/--keep-metadata",
    "strip",
    default=True,
    help="Leave places, serial numbers, names and other metadata out of pictures, or keep them; default: leave them out.",
)
@limit_options
def command(dataset: Path, form: str, out: Path, strip: bool, workers: Workers) -> None:
    """Write DIR in a form that other tools read."""
    from dataset_builder.cli.console import show_count
    from dataset_builder.export.croissant import export_croissant
    from dataset_builder.export.fiftyone import export_fiftyone
    from dataset_builder.export.hugging_face import export_hugging_face
    from dataset_builder.export.score_lists import export_score_lists
    from dataset_builder.export.web_dataset import export_web_dataset
    from manifests.plain_text import count

    exporters: dict[str, Callable[..., list[Path]]] = {
        "hf": functools.partial(export_hugging_face, strip=strip, workers=workers),
        "webdataset": functools.partial(export_web_dataset, strip=strip, workers=workers),
        "croissant": functools.partial(export_croissant, strip=strip, workers=workers),
        "fiftyone": functools.partial(export_fiftyone, workers=workers),
        "csv": export_score_lists,
    }
    with show_count("export") as on_progress:
        files = exporters[form](dataset, out, on_progress=on_progress)
    say(f"{out}: {count(len(files), 'file')}")
