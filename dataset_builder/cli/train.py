"""`buiqa train`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from dataset_builder.cli.options import inputs_option
from dataset_builder.cli.terminal import say


@click.command()
@click.argument("recipe", metavar="RECIPE", type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--out",
    required=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File of the model, *.safetensors; a checkpoint and the figures of the training lie beside it.",
)
@click.option("--dataset", metavar="DIR", help="Data set in place of the recipe's.")
@inputs_option
def command(recipe: Path, out: Path, dataset: str | None, cache: Path | None) -> None:
    """Train a model on the labels of a data set; what was interrupted goes on where it stopped.

    RECIPE is a TOML file, or the name of a recipe of the toolkit: assessor, which needs --dataset.
    """
    from assessors.fitting import fit_assessor, name_checkpoint
    from assessors.model_files import save_model
    from assessors.recipe import read_training_recipe
    from assessors.registry import MODEL_SUFFIX
    from assessors.training import write_log
    from dataset_builder.cli.console import show_count
    from dataset_builder.settings.shipped import find_recipe

    if out.suffix != MODEL_SUFFIX:
        raise click.UsageError(f"--out: expected a file *{MODEL_SUFFIX}, got {out}")
    recipe = find_recipe(recipe)
    wanted = read_training_recipe(recipe)
    if dataset is not None:
        wanted = wanted.model_copy(
            update={"dataset": str(Path(dataset).absolute()) if "://" not in dataset else dataset}
        )
    checkpoint, log = out.with_suffix(".checkpoint"), out.with_suffix(".csv")
    figures: list[Mapping[str, float]] = []

    def watch(row: Mapping[str, float]) -> None:
        figures.append(row)
        say(
            f"step {row['step']:.0f}: loss {row['loss']:.4f}, rank correlation on validation {row['spearman']:.3f}",
            err=True,
        )

    with show_count("measure") as progress:
        model = fit_assessor(
            wanted, base=recipe.parent, cache=cache, checkpoint=checkpoint, on_progress=progress, watch=watch
        )
    save_model(out, model.header, model.to_arrays())
    if figures:
        write_log(log, figures)
    for number in range(wanted.networks):
        name_checkpoint(checkpoint, number).unlink(missing_ok=True)
    say(f"{model.header.name} ({model.header.kind}) in {out}")
