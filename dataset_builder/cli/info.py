"""`buiqa info`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import dataset_argument
from dataset_builder.cli.terminal import say


@click.command()
@dataset_argument
def command(dataset: Path) -> None:
    """Say what DIR holds: bursts by source and preset, labels by scenario, splits, failures, and how it was made."""
    from dataset_builder.cli.console import print_rows, tell_totals
    from manifests.description import read_description
    from manifests.documents.statistics import count_contents, count_failures, summarise_labels, summarise_splits

    description = read_description(dataset)
    totals = description.get("totals", {})
    say(f"{dataset}, format {description['format_version']}")
    say(f"holds {tell_totals(totals)}")
    software = description.get("software", {})
    say("made with " + ", ".join(f"{name} {version}" for name, version in sorted(software.items())))
    contents = count_contents(dataset)
    for side in ("frames", "height", "width"):
        contents[f"{side}_each"] = [
            f"{low}–{high}" if low < high else str(low)
            for low, high in zip(contents.pop(f"min_{side}"), contents.pop(f"max_{side}"), strict=True)
        ]
    for title, rows in (
        ("bursts", contents),
        ("labels", summarise_labels(dataset)),
        ("splits", summarise_splits(dataset)),
        ("failures", count_failures(dataset)),
    ):
        if len(rows):
            print_rows(rows, title=title)
