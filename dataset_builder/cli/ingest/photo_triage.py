"""`buiqa ingest photo-triage`."""

from __future__ import annotations

from typing import Any

import click

from dataset_builder.cli.ingest.shared import add_captures, shared_options


@click.command()
@shared_options
@click.option("--train-pairs", help="List below ROOT; default train_pairlist.txt.")
@click.option("--val-pairs", help="List below ROOT; default val_pairlist.txt.")
@click.option("--images", help="Folder below ROOT; default train_val_imgs.")
@click.option(
    "--min-preference",
    type=float,
    help="Leave out series whose strongest pair is preferred by a smaller share; default 0.6.",
)
@click.option("--votes-per-pair", type=float, help="Judgements behind each pair, for standard errors; default 1.")
@click.pass_context
def command(
    ctx: click.Context,
    /,
    train_pairs: str | None,
    val_pairs: str | None,
    images: str | None,
    min_preference: float | None,
    votes_per_pair: float | None,
    **given: Any,
) -> None:
    """Add the photo series of ROOT, and their preferences as the scenario subjective/photo_triage.

    ROOT holds the pair lists and the images, as %06d-%02d.JPG.
    """
    add_captures(
        ctx,
        "photo_triage",
        given,
        train_pairs=train_pairs,
        val_pairs=val_pairs,
        images=images,
        min_preference=min_preference,
        votes_per_pair=votes_per_pair,
    )
