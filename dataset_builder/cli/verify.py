"""`buiqa verify`."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import dataset_argument, limit_options

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers


@click.command()
@dataset_argument
@click.option("--fast", is_flag=True, help="Do not hash the files.")
@limit_options
@click.pass_context
def command(ctx: click.Context, dataset: Path, fast: bool, workers: Workers) -> None:
    """Check DIR: schema, keys, ranks, splits, near-duplicates across splits, image headers and the SHA-256 of every file.

    Prints one line for each problem, with its file and row. Exit status: 0 if there is none, else 1.
    """
    from dataset_builder.cli.console import print_notes, print_problems, show_count
    from dataset_builder.records.references import ReferenceReader
    from manifests.verification.verify import verify

    with tempfile.TemporaryDirectory(prefix="buiqa-") as folder, show_count("verify") as on_progress:
        reader = ReferenceReader(dataset, workers, results=Path(folder))
        problems = verify(dataset, hashes=not fast, on_progress=on_progress, read=reader)
    print_notes(reader.remarks)
    ctx.exit(print_problems(problems))
