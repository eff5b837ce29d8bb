"""Train the weights of a scenario: `python -m training.restorers NAME --photographs FOLDER`."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import click
import cv2
import torch

from dataset_builder.cli.terminal import say
from restorers.device import choose_device
from restorers.learned.weights import FOLDER
from training.restorers.engine import train
from training.restorers.photographs import find_photographs
from training.restorers.recipes import RECIPES


@click.command()
@click.argument("name", type=click.Choice(list(RECIPES)))
@click.option(
    "--photographs",
    "folders",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    multiple=True,
    help="Folder that holds the photographs of training/restorers/photographs.toml, at any depth; may be repeated.",
)
@click.option(
    "--work", type=click.Path(file_okay=False, path_type=Path), help="Where the state is kept to resume from."
)
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), default=FOLDER, help="Folder of the weights.")
@click.option("--minutes", type=click.FloatRange(min=0), help="Stop after so many; the same command goes on.")
@click.option(
    "--steps", type=click.IntRange(min=1), help="Instead of the recipe's cycles; the learning rate falls over them."
)
@click.option(
    "--threads", type=click.IntRange(min=1), default=1, show_default=True, help="Equal numbers give equal bytes."
)
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="cpu", show_default=True)
def main(
    name: str,
    folders: tuple[Path, ...],
    work: Path | None,
    out: Path,
    minutes: float | None,
    steps: int | None,
    threads: int,
    device: str,
) -> None:
    """Train the weights of scenario NAME, keep those of the best validation, and write them."""
    recipe = RECIPES[name]
    if steps is not None:
        recipe = dataclasses.replace(recipe, cycles=(steps,))
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    try:
        photographs = {use: find_photographs(use, folders) for use in ("train", "validation")}
    except FileNotFoundError as error:
        raise click.ClickException(str(error)) from None
    place = work or Path("build") / "training" / recipe.file
    out.mkdir(parents=True, exist_ok=True)
    complete = train(
        recipe,
        photographs,
        place,
        out / f"{recipe.file}.safetensors",
        minutes=minutes,
        device=choose_device(device),
        report=say,
    )
    say("complete" if complete else f"interrupted; the same command goes on from {place}")


if __name__ == "__main__":
    main()
