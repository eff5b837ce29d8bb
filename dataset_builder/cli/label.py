"""`buiqa label`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import base_option, dataset_argument, work_options

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers


@click.command()
@dataset_argument
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    required=True,
    help="Name, module:attr or file of a model; may be given several times.",
)
@click.option(
    "--estimator",
    "estimators",
    multiple=True,
    help="leave_one_out, add_one, half_sum, interaction, shapley, shapley(RULE), shapley(exact), banzhaf, marginal(SIZE), "
    "best_subset(SIZE), solo, as_reference; "
    "default: leave_one_out and add_one, or solo.",
)
@click.option(
    "--noise-redraws",
    type=click.IntRange(min=0),
    metavar="K",
    help="Draw the noise of synthetic bursts anew K times and measure how far it moves the labels, at K times their cost.  "
    "[default: as the recipe says]",
)
@base_option
@click.option(
    "--metric",
    "metrics",
    multiple=True,
    help="Fidelity metric; default: psnr and psnr_srgb, or psnr_mu and psnr_pu21 of bursts of high dynamic range. "
    "mse_held_out, mse_unbiased and mef_ssim need no truth; of bursts without, the one that suits the scenario is the default.",
)
@click.option("--insist", is_flag=True, help="Label without truth also where that is known to mislead.")
@click.option("--dry-run", is_flag=True, help="Say what would be computed, and compute nothing.")
@work_options
@click.pass_context
def command(
    ctx: click.Context,
    dataset: Path,
    scenarios: tuple[str, ...],
    estimators: tuple[str, ...],
    metrics: tuple[str, ...],
    noise_redraws: int | None,
    base: Path,
    insist: bool,
    dry_run: bool,
    workers: Workers,
) -> None:
    """Compute the labels of a scenario for all bursts of DIR; what is already there is reused."""
    from dataset_builder.build import add_labels
    from dataset_builder.cli.console import announce, print_counts, print_summary, show_progress
    from dataset_builder.preview import preview_labels
    from dataset_builder.recipe import parse_scenario

    choices = [
        parse_scenario(name=name, estimators=list(estimators), metrics=list(metrics or ("default",)), insist=insist)
        for name in scenarios
    ]
    if dry_run:
        print_counts(dataset, [preview_labels(dataset, choices, device=workers.device)])
        return
    reports = add_labels(
        dataset,
        choices,
        noise_redraws=noise_redraws,
        base=base,
        workers=workers,
        progress=show_progress,
        announce=announce,
    )
    ctx.exit(print_summary(dataset, reports))
