"""`buiqa ingest annotations`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from dataset_builder.cli.options import dataset_argument

if TYPE_CHECKING:
    from dataset_builder.judgements.albums import Mark
    from dataset_builder.judgements.annotations import Annotations

_FILE = click.Path(path_type=Path)


@click.command()
@dataset_argument
@click.option("--scenario", required=True, help="Name of the scenario, as subjective/mine.")
@click.option("--pairs", type=_FILE, help="CSV with burst, first, second, preference and perhaps votes.")
@click.option("--scores", type=_FILE, help="CSV with burst, frame, score.")
@click.option("--ratings", type=_FILE, help="CSV with burst, frame, person, score: habits of people are taken out.")
@click.option("--picks", type=_FILE, help="CSV with burst, frame, person and perhaps pick: 1, 0, or -1 for rejected.")
@click.option(
    "--xmp",
    "sidecars",
    multiple=True,
    metavar="[PERSON=]FOLDER",
    help="Marks in .xmp files beside the photographs in FOLDER, or in a folder laid out alike; given once for each person.",
)
@click.option(
    "--mark",
    default="stars",
    show_default=True,
    type=click.Choice(["stars", "flags", "labels"]),
    help="Which marks of --xmp become scores; labels by --worth.",
)
@click.option("--worth", multiple=True, metavar="LABEL=NUMBER", help="What a colour label is worth, as Green=2.")
@click.option(
    "--unit", default="points", show_default=True, help="Unit of scores and ratings; others have one of their own."
)
@click.pass_context
def command(
    ctx: click.Context,
    dataset: Path,
    scenario: str,
    pairs: Path | None,
    scores: Path | None,
    ratings: Path | None,
    picks: Path | None,
    sidecars: tuple[str, ...],
    mark: str,
    worth: tuple[str, ...],
    unit: str,
) -> None:
    """Make your own judgements of the frames of DIR labels of a scenario.

    Bursts go by their burst_id or origin_path, frames by their index or origin_name, one way in a file. A preference is the
    share of the votes for the first frame; several lines on one pair or frame are taken together.
    """
    from dataset_builder.build import add_annotations
    from dataset_builder.cli.console import print_summary
    from dataset_builder.judgements.albums import (
        read_pick_annotations,
        read_rating_annotations,
        read_sidecar_annotations,
    )
    from dataset_builder.judgements.csv_files import read_pair_annotations, read_score_annotations

    if sum(map(bool, (pairs, scores, ratings, picks, sidecars))) != 1:
        raise click.UsageError("expected one of --pairs, --scores, --ratings, --picks and --xmp")
    annotations: Annotations
    if pairs is not None:
        annotations = read_pair_annotations(pairs, scenario)
    elif scores is not None:
        annotations = read_score_annotations(scores, scenario, unit=unit)
    elif ratings is not None:
        annotations = read_rating_annotations(ratings, scenario, unit=unit)
    elif picks is not None:
        annotations = read_pick_annotations(picks, scenario, dataset)
    else:
        people, values = _read_people(sidecars), dict(map(_read_worth, worth))
        annotations = read_sidecar_annotations(dataset, people, scenario, mark=cast("Mark", mark), values=values)
    ctx.exit(print_summary(dataset, add_annotations(dataset, annotations)))


def _read_people(options: tuple[str, ...]) -> dict[str, Path]:
    """A folder for each person; without a name, its own stands for one."""
    people: dict[str, Path] = {}
    for option in options:
        person, separator, folder = option.partition("=")
        path = Path(folder if separator else option)
        if not path.is_dir():
            raise click.UsageError(f"--xmp {option}: no such folder")
        if people.setdefault(person if separator else option, path) is not path:
            raise click.UsageError(f"--xmp {option}: this person is named twice")
    return people


def _read_worth(option: str) -> tuple[str, float]:
    label, separator, number = option.rpartition("=")
    try:
        value = float(number)
    except ValueError:
        value = float("nan")
    if not separator or not abs(value) < float("inf"):
        raise click.UsageError(f"--worth {option}: expected LABEL=NUMBER")
    return label, value
