"""`buiqa label`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.listed import ListedOption, complete, list_metrics, list_scenarios
from dataset_builder.cli.options import base_option, dataset_argument, read_roots, roots_option, work_options

if TYPE_CHECKING:
    from dataset_builder.labeling.scenarios import ScenarioChoice
    from dataset_builder.work.local import Workers


@click.command()
@dataset_argument
@click.option(
    "--scenario",
    "scenarios",
    multiple=True,
    shell_complete=complete(list_scenarios),
    help="Name, module:attr or file of a model; may be given several times.",
)
@click.option(
    "--all",
    "everything",
    is_flag=True,
    help="Label again for all that DIR was labelled for, after bursts were added. Code and model files run if --scenario names them, too.",
)
@click.option("--as", "own_name", metavar="TASK/NAME", help="Name of the one scenario in DIR, such as denoise/mynet.")
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
@roots_option
@click.option(
    "--metric",
    "metrics",
    cls=ListedOption,
    names=list_metrics,
    multiple=True,
    help="Fidelity metric; default: psnr and psnr_srgb, or psnr_mu and psnr_pu21 of bursts of high dynamic range. "
    "mse_held_out, mse_unbiased and mef_ssim need no truth; of bursts without, the one that suits the scenario is the default.",
)
@click.option("--insist", is_flag=True, help="Label without truth also where that is known to mislead.")
@click.option(
    "--check/--no-check",
    default=True,
    help="Try a restorer of your own, of which DIR has no labels, on a made-up burst first, and label nothing if it is unsound.  "
    "[default: check]",
)
@click.option("--dry-run", is_flag=True, help="Say what would be computed, and compute nothing.")
@work_options
@click.pass_context
def command(
    ctx: click.Context,
    dataset: Path,
    scenarios: tuple[str, ...],
    everything: bool,
    own_name: str | None,
    estimators: tuple[str, ...],
    metrics: tuple[str, ...],
    noise_redraws: int | None,
    base: Path,
    roots: tuple[str, ...],
    insist: bool,
    check: bool,
    dry_run: bool,
    workers: Workers,
) -> None:
    """Compute the labels of a scenario for all bursts of DIR; what is already there is reused."""
    from dataset_builder.build import add_labels
    from dataset_builder.cli.console import announce, print_counts, print_notes, print_summary, show_progress
    from dataset_builder.finish import read_built_recipe
    from dataset_builder.preview import preview_labels
    from dataset_builder.recipe import parse_scenario

    if own_name is not None and (everything or len(scenarios) != 1):
        raise click.UsageError("--as names one scenario: give one --scenario, and no --all")
    settings = {"estimators": list(estimators), "metrics": list(metrics or ("default",)), "insist": insist}
    named = {} if own_name is None else {"restorer": scenarios[0]}
    if everything:
        if estimators or metrics or insist:
            raise click.UsageError("--all labels as DIR was labelled: leave --estimator, --metric and --insist out")
        choices, remarks = _choose_all(dataset, scenarios)
        print_notes(remarks)
    elif scenarios:
        choices = [parse_scenario(name=own_name or name, **named, **settings) for name in scenarios]
    else:
        raise click.UsageError(
            "name a --scenario, or all that DIR was labelled for by --all; `buiqa scenarios` lists what there is"
        )
    if dry_run:
        print_counts(dataset, [preview_labels(dataset, choices, device=workers.device)])
        return
    reports = add_labels(
        dataset,
        choices,
        noise_redraws=noise_redraws,
        base=base,
        roots=read_roots(read_built_recipe(dataset), roots),
        check=check,
        workers=workers,
        progress=show_progress,
        announce=announce,
    )
    ctx.exit(print_summary(dataset, reports))


def _choose_all(dataset: Path, named: tuple[str, ...]) -> tuple[list[ScenarioChoice], list[str]]:
    """The scenarios of a data set that may run here, and why others may not, one line each."""
    from dataset_builder.finish import read_built_recipe
    from dataset_builder.labeling.scenarios import choose_recorded
    from manifests.description import read_description

    read_description(dataset)
    choices, remarks = choose_recorded(read_built_recipe(dataset).scenarios, named)
    if not choices:
        reasons = f": {'; '.join(remarks)}" if remarks else "; name what to label it for by --scenario"
        raise click.UsageError(f"{dataset} was labelled for nothing that may run here{reasons}")
    return choices, remarks
