"""`buiqa split`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from dataset_builder.cli.options import dataset_argument
from dataset_builder.cli.terminal import say


@click.command()
@dataset_argument
@click.option("--val", default=0.0, show_default=True, help="Share of the scenes.")
@click.option("--test", default=0.2, show_default=True, help="Share of the scenes; the rest trains.")
@click.option("--salt", default="buiqa", show_default=True, help="Another salt draws another split.")
@click.option(
    "--stratified", is_flag=True, help="Give every source and preset its share, as is done for fewer than 50 scenes."
)
@click.option("--by-name", is_flag=True, help="Place each scene by its name alone, as is done for 50 scenes and more.")
@click.option("--folds", default=0, show_default=True, type=click.IntRange(min=0), help="Folds of cross-validation.")
@click.option("--leave-out", "source", default="", metavar="SOURCE", help="Test on this source, train on the others.")
@click.option(
    "--list",
    "lists",
    multiple=True,
    metavar="SPLIT=FILE",
    help="Official split: a file with a scene, burst or origin in each line; given once for each split.",
)
def command(
    dataset: Path,
    val: float,
    test: float,
    salt: str,
    stratified: bool,
    by_name: bool,
    folds: int,
    source: str,
    lists: tuple[str, ...],
) -> None:
    """Assign the scenes of DIR to train, val and test anew. A scene is never cut.

    Adding data never moves a scene. Where shares of few scenes leave less than two for a split, a note says so.
    """
    from collections import Counter

    from dataset_builder.cli.console import print_notes
    from dataset_builder.recipe import parse_splits
    from dataset_builder.redo import redo_splits
    from manifests.plain_text import count
    from manifests.schema import SPLIT_NAMES
    from manifests.store import read_dataset_table

    asked = {"stratified": stratified, "hash": by_name, "leave_one_source_out": source, "official": lists}
    methods = [name for name, given in asked.items() if given]
    if len(methods) > 1:
        raise click.UsageError("--stratified, --by-name, --leave-out and --list exclude each other")
    values: dict[str, Any] = {
        "salt": salt,
        "method": methods[0] if methods else "auto",
        "folds": folds,
        "source": source,
    }
    choice = parse_splits(val=val, test=test, **values, lists=dict(map(_read_list, lists)))
    remarks = redo_splits(dataset, choice)
    table = read_dataset_table(dataset, "splits")
    counts = Counter(table.column("split").to_pylist())
    say(", ".join(f"{name}: {count(counts[name], 'burst')}" for name in SPLIT_NAMES))
    if folds:
        counts = Counter(table.column("fold").to_pylist())
        say(", ".join(f"fold {fold}: {count(counts[fold], 'burst')}" for fold in range(folds)))
    print_notes(remarks)


def _read_list(option: str) -> tuple[str, list[str]]:
    split, separator, name = option.partition("=")
    if not separator:
        raise click.UsageError(f"--list {option}: expected SPLIT=FILE")
    try:
        lines = Path(name).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"--list {option}: cannot be read ({error}); name a text file") from error
    return split, [line.strip() for line in lines if line.strip() and not line.startswith("#")]
