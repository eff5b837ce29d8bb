"""`buiqa label`."""

from __future__ import annotations

from pathlib import Path

import click

from dataset_builder.cli.options import dataset_argument, jobs_option


@click.command()
@dataset_argument
@click.option(
    "--scenario", "scenarios", multiple=True, required=True, help="Name or module:attr; may be given several times."
)
@click.option("--estimator", "estimators", multiple=True, help="Default: all that suit the restorer.")
@click.option("--metric", default="psnr", show_default=True, help="Fidelity metric.")
@jobs_option
@click.pass_context
def command(
    ctx: click.Context, dataset: Path, scenarios: tuple[str, ...], estimators: tuple[str, ...], metric: str, jobs: int
) -> None:
    """Compute the labels of a scenario for all bursts of DIR; what is already there is reused."""
    from dataset_builder.build import add_labels  # noqa: PLC0415
    from dataset_builder.cli.console import print_summary, show_progress  # noqa: PLC0415
    from dataset_builder.recipe import parse_scenario  # noqa: PLC0415

    choices = [parse_scenario(name=name, estimators=list(estimators), metric=metric) for name in scenarios]
    ctx.exit(print_summary(dataset, add_labels(dataset, choices, jobs=jobs, progress=show_progress)))
