"""`buiqa predict`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import dataset_argument, fold_option, inputs_option, labelled_option
from dataset_builder.cli.terminal import say


@click.command()
@dataset_argument
@click.option(
    "--model",
    required=True,
    metavar="NAME|FILE",
    help="A baseline by name, the file of a trained model, or module:attr.",
)
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Parquet file to write.",
)
@click.option("--split", default="all", show_default=True, metavar="NAME|all", help="Bursts that are scored.")
@fold_option
@labelled_option("For what.  [default: every one that has labels]")
@inputs_option
def command(
    dataset: Path,
    model: str,
    out: Path,
    split: str,
    fold: int | None,
    scenarios: tuple[str, ...],
    cache: Path | None,
) -> None:
    """Score every frame by a model, for `buiqa evaluate --predictions` or your own use."""
    from assessors.assess import predict
    from assessors.predictions import write_predictions
    from assessors.provider import InputProvider
    from assessors.registry import create_assessor
    from dataset_builder.cli.console import show_count
    from manifests import queries
    from manifests.plain_text import count
    from manifests.storage import locate_dataset

    assessor = create_assessor(model)
    provider = InputProvider(dataset, split, fold=fold, cache=cache)
    wanted = list(scenarios) or queries.list_labelled(locate_dataset(dataset))
    with show_count("predict") as progress:
        (table,) = predict([assessor], provider, wanted, on_progress=progress)
    if not table.num_rows:
        names = ", ".join(assessor.info.scenarios or ())
        raise click.UsageError(f"{model} scores for none of {', '.join(wanted) or 'no scenarios'}; it knows {names}")
    write_predictions(out, table, signed=assessor.info.signed)
    say(f"{count(table.num_rows, 'score')} of {count(len(provider), 'burst')} in {out}")
