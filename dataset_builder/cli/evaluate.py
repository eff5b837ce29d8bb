"""`buiqa evaluate`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dataset_builder.cli.options import (
    dataset_argument,
    fold_option,
    inputs_option,
    labelled_option,
    metric_option,
    work_options,
)
from dataset_builder.cli.terminal import say

if TYPE_CHECKING:
    from assessors.evaluation import Result
    from assessors.predictions import Entrant
    from assessors.targets import Targets
    from dataset_builder.work.local import Workers

_COLUMNS = {"spearman": "spearman", "pairwise": "pairwise", "top-1": "top-1", "precision@1/2": "half", "auc": "auc"}
"""Measures and their headings, narrow enough for a terminal of 80 columns."""


@click.command()
@dataset_argument
@click.option(
    "--model",
    "models",
    multiple=True,
    metavar="NAME|FILE",
    help="A model: a baseline by name, the file of a trained one, or your own as module:attr. Repeat for more.",
)
@click.option(
    "--predictions",
    "files",
    multiple=True,
    metavar="FILE",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Parquet of scores by any model: burst_id, frame_index, scenario, score. Repeat for more.",
)
@click.option("--split", default="test", show_default=True, metavar="NAME|all", help="Bursts that are judged.")
@fold_option
@labelled_option("Whose labels.  [default: all]")
@click.option("--estimator", "estimators", multiple=True, metavar="NAME", help="By which estimator.")
@metric_option("By which fidelity metric.")
@inputs_option
@click.option("--gain", is_flag=True, help="Restore from the frames that each model chooses, and say what that gains.")
@click.option("--json", "as_json", is_flag=True, help="Print every number as JSON: by preset, with intervals.")
@click.option(
    "--page",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write an HTML page that ranks the models and shows bursts that they order badly.",
)
@work_options
@click.pass_context
def command(
    ctx: click.Context,
    dataset: Path,
    models: tuple[str, ...],
    files: tuple[Path, ...],
    split: str,
    fold: int | None,
    scenarios: tuple[str, ...],
    estimators: tuple[str, ...],
    metric: str,
    cache: Path | None,
    gain: bool,
    as_json: bool,
    page: Path | None,
    workers: Workers,
) -> None:
    """Compare models by how well they order the frames of each burst as the labels do.

    Means over bursts, within bursts; docs/assessors.md says what each number is.
    """
    from assessors.evaluation import evaluate
    from assessors.predictions import read_predictions
    from assessors.targets import load_targets
    from dataset_builder.cli.console import FAILED_STATUS, print_notes
    from dataset_builder.cli.evaluation_page import write_page
    from dataset_builder.cli.model_gains import measure_model_gains, print_model_gains
    from restorers.fidelity import METRICS

    if not models and not files:
        raise click.UsageError("name at least one --model or --predictions; `buiqa evaluate --help` lists both")
    targets = load_targets(
        dataset,
        split,
        scenarios=list(scenarios) or None,
        estimator=list(estimators) or None,
        metric=metric,
        fold=fold,
    )
    entrants = [read_predictions(file, targets) for file in files]
    if models:
        entrants = [*_predict(targets, models, split, fold=fold, cache=cache), *entrants]
    entrants = _tell_apart(entrants)
    results = evaluate(targets, entrants)
    gains, report = measure_model_gains(targets, entrants, scenarios, workers) if gain else (None, None)
    if page is not None:
        write_page(page, targets, entrants, results, split=split, columns=_COLUMNS, gains=gains, workers=workers)
    if as_json:
        told = {} if gains is None else {"gains": json.loads(gains.to_json(orient="records", double_precision=15))}
        say(json.dumps({"results": [asdict(one) for one in results], **told}, indent=2))
    else:
        _print(targets, results)
    if gains is not None and report is not None:
        if not as_json:
            print_model_gains(gains, METRICS[metric].unit)
        print_notes([*report.remarks, *(f"{row['burst_id']}: {row['message']}" for row in report.failures)])
        ctx.exit(FAILED_STATUS if report.failures else 0)


def _predict(
    targets: Targets, models: Sequence[str], split: str, *, fold: int | None, cache: Path | None
) -> list[Entrant]:
    from assessors.assess import predict
    from assessors.predictions import check_predictions
    from assessors.provider import InputProvider
    from assessors.registry import create_assessor
    from dataset_builder.cli.console import show_count

    assessors = [create_assessor(name) for name in models]
    provider = InputProvider(targets.root, split, fold=fold, cache=cache)
    with show_count("predict") as progress:
        tables = predict(assessors, provider, targets.scenarios, on_progress=progress)
    return [
        check_predictions(table, targets, name=assessor.info.name, place=name, signed=assessor.info.signed)
        for name, assessor, table in zip(models, assessors, tables, strict=True)
    ]


def _tell_apart(entrants: Sequence[Entrant]) -> list[Entrant]:
    """The same, of which no two have one name."""
    names: dict[str, int] = {}
    told = []
    for entrant in entrants:
        count = names[entrant.name] = names.get(entrant.name, 0) + 1
        told.append(entrant if count == 1 else replace(entrant, name=f"{entrant.name} ({count})"))
    return told


def _print(targets: Targets, results: Sequence[Result]) -> None:
    from rich.console import Console

    from assessors.evaluation import AGAIN, ALL
    from dataset_builder.audit.wording import format_number, to_markup
    from dataset_builder.cli.console import make_narrow_table
    from manifests.plain_text import count

    console = Console(highlight=False, soft_wrap=True)
    for scenario, estimator in zip(targets.labels.scenarios, targets.labels.estimators, strict=True):
        own = [one for one in results if (one.scenario, one.estimator, one.preset) == (scenario, estimator, ALL)]
        if not own:
            console.print(f"{to_markup(scenario)}, {to_markup(estimator)}: no burst with comparable labels")
            continue
        size = max(own, key=lambda one: one.bursts * (one.entrant != AGAIN))
        title = f"{scenario}, {estimator}: {count(size.bursts, 'burst')} of {count(size.scenes, 'scene')}"
        table = make_narrow_table(to_markup(title))
        table.add_column("model", no_wrap=True)
        first, *others = _COLUMNS.values()
        for heading in (first, "95 %", *others):
            table.add_column(heading, justify="right", no_wrap=True)
        numbers = {(one.entrant, one.measure): one for one in own}
        for entrant in _rank(own):
            values = [numbers.get((entrant, name)) for name in _COLUMNS]
            cells = [format_number(None if one is None else one.value, 2) for one in values]
            table.add_row(to_markup(entrant), cells[0], _format_interval(values[0]), *cells[1:])
        console.print(table)


def _rank(results: Sequence[Result]) -> list[str]:
    """Entrants, the highest rank correlation first."""
    names = dict.fromkeys(one.entrant for one in results)
    order = {one.entrant: -one.value for one in results if one.measure == "spearman"}
    return sorted(names, key=lambda name: order.get(name, 2.0))


def _format_interval(result: Result | None) -> str:
    from dataset_builder.audit.wording import format_number

    if result is None or result.low is None or result.high is None:
        return ""
    return f"{format_number(result.low, 2)} … {format_number(result.high, 2)}"
