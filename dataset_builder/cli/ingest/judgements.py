"""`buiqa ingest annotations`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import dataset_argument


@click.command()
@dataset_argument
@click.option("--scenario", required=True, help="Name of the scenario, as subjective/mine.")
@click.option(
    "--pairs", type=click.Path(path_type=Path), help="CSV with burst, first, second, preference and perhaps votes."
)
@click.option("--scores", type=click.Path(path_type=Path), help="CSV with burst, frame, score.")
@click.option("--unit", default="points", show_default=True, help="Unit of the scores; preferences give logits.")
@click.pass_context
def command(
    ctx: click.Context, dataset: Path, scenario: str, pairs: Path | None, scores: Path | None, unit: str
) -> None:
    """Make your own judgements of the frames of DIR labels of a scenario.

    Bursts go by their burst_id or origin_path, frames by their index or origin_name, one way in a file. A preference is the
    share of the votes for the first frame; several lines on one pair or frame are taken together.
    """
    from dataset_builder.build import add_annotations
    from dataset_builder.cli.console import print_summary
    from dataset_builder.judgements.csv_files import read_pair_annotations, read_score_annotations

    if (pairs is None) == (scores is None):
        raise click.UsageError("expected either --pairs or --scores")
    if pairs is not None:
        annotations = read_pair_annotations(pairs, scenario)
    else:
        assert scores is not None
        annotations = read_score_annotations(scores, scenario, unit=unit)
    ctx.exit(print_summary(dataset, add_annotations(dataset, annotations)))
