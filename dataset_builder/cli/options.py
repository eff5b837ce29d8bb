"""Arguments and options that several commands share."""

from __future__ import annotations

from pathlib import Path

import click

dataset_argument = click.argument("dataset", metavar="DIR", type=click.Path(path_type=Path))
out_option = click.option(
    "--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="Folder of the data set."
)
jobs_option = click.option(
    "--jobs",
    default=1,
    show_default=True,
    type=click.IntRange(min=1),
    help="Worker processes; the result does not depend on it.",
)
name_option = click.option("--name", help="Name of the source in the data set; default: that of the folder.")
license_option = click.option(
    "--license", "license_", default="unknown", show_default=True, help="Licence of the images."
)
time_limit_option = click.option(
    "--time-limit",
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    type=click.FloatRange(min=0, min_open=True),
    help="Longest time for the labels of one burst under one scenario.",
)
memory_limit_option = click.option(
    "--memory-limit",
    metavar="GIB",
    type=click.FloatRange(min=0, min_open=True),
    help="Most memory of one worker.  [default: its share of the machine's]",
)
