"""Arguments and options that several commands share."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dataset_builder.cli.listed import ListedOption, complete, list_bursts, list_labelled, list_metrics, list_presets

if TYPE_CHECKING:
    from dataset_builder.recipe import Recipe


class _Folder(click.Path):
    """A folder here; an address is refused without being shown, for it may hold credentials."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """As every path."""
        if "://" in str(value):
            self.fail("is an address; bring the data set here with `buiqa fetch` and name its folder", param, ctx)
        return super().convert(value, param, ctx)


FOLDER = _Folder(path_type=Path)
dataset_argument = click.argument("dataset", metavar="DIR", type=FOLDER)
burst_argument = click.argument("burst_id", metavar="BURST_ID", shell_complete=complete(list_bursts))
preset_option = click.option(
    "--preset",
    cls=ListedOption,
    names=list_presets,
    default="handheld",
    show_default=True,
    help="How the frames of a burst differ.",
)
out_option = click.option("--out", required=True, metavar="DIR", type=FOLDER, help="Folder of the data set.")
name_option = click.option("--name", help="Name of the source in the data set; default: that of the folder.")
license_option = click.option(
    "--license", "license_", default="unknown", show_default=True, help="Licence of the images."
)
device_option = click.option(
    "--device",
    default="auto",
    show_default=True,
    metavar="auto|cpu|cuda",
    callback=lambda _ctx, _option, value: _check_device(value),
    help="Where networks compute; auto is CUDA where there is a device.",
)
base_option = click.option(
    "--base",
    default=".",
    show_default="current folder",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Folder that relative roots of the recipe are relative to, to render bursts again.",
)
fold_option = click.option("--fold", type=int, help="Fold of cross-validation; its bursts are the split test.")
inputs_option = click.option("--cache", metavar="DIR", type=FOLDER, help="Where inputs of models are kept.")
roots_option = click.option(
    "--root",
    "roots",
    multiple=True,
    metavar="NAME=DIR",
    help="Folder of a root that the recipe names ($NAME); default: that of the environment's BUIQA_ROOT_NAME. Sources without are skipped.",
)


def labelled_option(help_: str, *, required: bool = False) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--scenario`, which may be given several times, of those that have labels in the data set."""
    return click.option(
        "--scenario",
        "scenarios",
        multiple=True,
        required=required,
        metavar="NAME",
        shell_complete=complete(list_labelled),
        help=help_,
    )


def metric_option(help_: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """`--metric`, one of those that there are."""
    return click.option("--metric", cls=ListedOption, names=list_metrics, default="psnr", show_default=True, help=help_)


trusted_option = labelled_option(
    "Code or a model file by which DIR was labelled and that you trust: module:attr, onnx:FILE. Without it, only scenarios that are "
    "built in or installed run."
)
_LIMIT_OPTIONS = (
    click.option(
        "--time-limit",
        default=3600.0,
        show_default=True,
        metavar="SECONDS",
        type=click.FloatRange(min=0, min_open=True),
        help="Longest time for one burst, or for its labels under one scenario.",
    ),
    click.option(
        "--memory-limit",
        metavar="GIB",
        type=click.FloatRange(min=0, min_open=True),
        help="Most memory of one worker.  [default: its share of the machine's]",
    ),
)
_WORK_OPTIONS = (
    click.option(
        "--jobs",
        default="1",
        show_default=True,
        metavar="N|auto",
        callback=lambda _ctx, _option, value: _count_jobs(value),
        help="Worker processes, auto for as many as there are cores to use; the result does not depend on it.",
    ),
    click.option(
        "--dask", metavar="ADDRESS", help="Work on the dask cluster of this scheduler, such as tcp://host:8786."
    ),
    click.option(
        "--patience",
        default=10.0,
        show_default=True,
        metavar="MINUTES",
        type=click.FloatRange(min=0, min_open=True),
        help="How long a cluster may show no sign of life until it is given up.",
    ),
    *_LIMIT_OPTIONS,
    device_option,
)


CREDENTIALS_NOTE = (
    "credentials in an address are seen by whoever lists processes or reads the shell's history; "
    "use AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
)


def read_roots(recipe: Recipe, given: Sequence[str]) -> dict[str, Path]:
    """Folders of the named roots of a recipe, from the command line, else from the environment.

    Raises:
        RecipeError: for a name that the recipe does not have.
    """
    from dataset_builder.plans import list_root_names
    from dataset_builder.settings.roots import ROOT_VARIABLE, read_named

    named = read_named("--root", given, list_root_names(recipe), ROOT_VARIABLE)
    return {name: Path(folder).expanduser().absolute() for name, folder in named.items()}


def _count_jobs(value: str) -> int:
    if value == "auto":
        from joblib import cpu_count

        return int(cpu_count())  # what this process may use, not what the machine has
    if not value.isdecimal() or int(value) < 1:
        raise click.BadParameter(f"expected a whole number from 1 or auto, got {value!r}")
    return int(value)


def _check_device(value: str) -> str:
    """Refuse at once what is not there; what `auto` means is found out when a network is loaded, which takes a second."""
    if value not in ("auto", "cpu"):
        from restorers.device import choose_device

        choose_device(value)
    return value


def limit_options(function: Callable[..., None]) -> Callable[..., None]:
    """Limits of the one worker that decodes what a command reads; the command gets it as one argument, `workers`."""

    @functools.wraps(function)
    def command(*args: Any, time_limit: float, memory_limit: float | None, device: str = "cpu", **kwargs: Any) -> None:
        from dataset_builder.work.local import LocalWorkers
        from dataset_builder.work.unit import Limits

        function(*args, workers=LocalWorkers(1, Limits(time_limit, memory_limit), device), **kwargs)

    for option in reversed(_LIMIT_OPTIONS):
        command = option(command)
    return command


def work_options(function: Callable[..., None]) -> Callable[..., None]:
    """Options that say who does the work; the command gets them as one argument, `workers`."""

    @functools.wraps(function)
    def command(
        *args: Any,
        jobs: int,
        dask: str | None,
        patience: float,
        time_limit: float,
        memory_limit: float | None,
        device: str,
        **kwargs: Any,
    ) -> None:
        from dataset_builder.cli.console import print_warnings
        from dataset_builder.work.cluster import DaskWorkers
        from dataset_builder.work.local import LocalWorkers, Workers
        from dataset_builder.work.stopping import heed_signals
        from dataset_builder.work.unit import Limits

        print_warnings()
        limits = Limits(time_limit, memory_limit)
        workers: Workers = DaskWorkers(dask, limits, device, patience) if dask else LocalWorkers(jobs, limits, device)
        with heed_signals():
            function(*args, workers=workers, **kwargs)

    for option in reversed(_WORK_OPTIONS):
        command = option(command)
    return command
