"""The command `buiqa`: finds its subcommands by name and turns expected errors into one line."""

from __future__ import annotations

import errno
import importlib
import re
import traceback
from typing import Any

import click

from dataset_builder.cli.lazy import LazyGroup
from dataset_builder.cli.terminal import say, tame
from dataset_builder.work.library_warnings import silence_libraries
from dataset_builder.work.stopping import stop_at_once

_COMMANDS = {
    "build": "Build the data set that a recipe describes.",
    "synthesize": "Add synthetic bursts made from photographs.",
    "ingest": "Add real bursts.",
    "label": "Compute the labels of a scenario.",
    "unlabel": "Remove the labels of a scenario.",
    "reliability": "Label again with other noise, and compare.",
    "gain": "Say what selecting frames by the labels is worth.",
    "split": "Assign train, val and test anew.",
    "audit": "Write the report on a data set.",
    "verify": "Check a data set: schema, keys, splits, hashes.",
    "train": "Train a model on the labels.",
    "predict": "Score the frames of a data set by a model.",
    "evaluate": "Compare models by the labels.",
    "select": "Choose the frames of a folder's burst that are worth merging.",
    "pack": "Write the packed form for training.",
    "export": "Write a form that other tools read.",
    "mark": "Mark the best photographs for Lightroom, darktable and digiKam.",
    "diff": "Say what changed between two builds.",
    "merge": "Join two data sets.",
    "subset": "Take the part of a data set that a query chooses.",
    "upload": "Copy a data set to object storage.",
    "fetch": "Bring a data set from object storage.",
    "migrate": "Bring a data set of an older format up to date.",
    "scenarios": "List the scenarios that can be labelled.",
    "restore": "Restore a burst and show it beside the truth.",
    "restorer": "Check a restorer of your own.",
    "list": "List the bursts of a data set, with their best frames.",
    "info": "Say what a data set holds.",
    "show": "Draw the contact sheet of a burst.",
}


EXIT_STATUSES = {
    "0": "done, and nothing was found wrong; what was left out is no failure",
    "1": "could not be done; or verify, merge, diff or restorer check found something",
    "2": "wrong usage",
    "3": "done, but bursts or labels failed, or none of what was asked could be labelled",
    "4": "audit --strict found something severe",
    "129, 130, 143": "stopped by SIGHUP, Ctrl-C or SIGTERM",
}

_FLAGS = {"root": "--out", "seed": "--seed", "base": "--base", "address": "--dask"}
"""What gives the parameter that begins a message of the library."""
_LIBRARY = re.compile(r"(lib[\w.+-]+?\.so[.\d]*): cannot open shared object file")
"""How the loader says that a library of the system is missing."""
_OF_WINDOWS = ("libGL", "libICE", "libSM", "libX", "libglib", "libgthread")
"""Libraries that only OpenCV's package with windows needs."""


class _Commands(LazyGroup):
    """Turns expected errors into one line."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            silence_libraries()
            with stop_at_once():
                return super().invoke(ctx)
        except KeyboardInterrupt as stop:
            say("Stopped. Run the same command again; what a build has finished is kept.", err=True)
            ctx.exit(getattr(stop, "status", 130))
        except click.ClickException as error:
            error.message = _hide_credentials(error.message)  # type: ignore[misc]  # nothing else knows what click shows
            raise
        except Exception as error:
            if ctx.params.get("debug") or not _is_expected(error):
                _require_no_secret(ctx, error)
                raise
            raise click.ClickException(tame(_hide_credentials(_explain(error)))) from error


def _load(name: str) -> click.Command:
    command: click.Command = importlib.import_module(f"dataset_builder.cli.{name}").command
    return command


@click.command(
    cls=_Commands,
    lines=_COMMANDS,
    load=_load,
    epilog="\b\nExit status:\n" + "\n".join(f"  {status:15}{meaning}" for status, meaning in EXIT_STATUSES.items()),
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)
@click.option("--debug", is_flag=True, help="Show the traceback of an error, and of what failed in a restorer.")
@click.option("-q", "--quiet", is_flag=True, help="Say only what was asked for, what failed and what is wrong.")
@click.option("-v", "--verbose", is_flag=True, help="Show all notes and failures, not the first ones.")
@click.version_option(package_name="buiqa-toolkit", prog_name="buiqa")
def main(*, quiet: bool, verbose: bool, **_flags: bool) -> None:
    """Build, label, audit and load benchmarks of burst image quality."""
    if quiet and verbose:
        raise click.UsageError("-q and -v exclude each other")


def _require_no_secret(ctx: click.Context, error: Exception) -> None:
    """Show a traceback here where the interpreter would show credentials in it, and end."""
    text = "".join(traceback.format_exception(error))
    if (cleaned := _hide_credentials(text)) != text:
        say(cleaned, err=True)
        ctx.exit(1)


def _hide_credentials(text: str) -> str:
    from manifests.address import hide_in_text

    return hide_in_text(text)


def _is_expected(error: Exception) -> bool:
    from assessors.errors import AssessorError
    from dataset_builder.errors import BuildError
    from manifests.errors import ManifestError
    from restorers.errors import RestorerError

    return (
        isinstance(error, (AssessorError, BuildError, ManifestError, RestorerError))
        or (isinstance(error, OSError) and error.errno is not None)
        or bool(_name_missing_library(error))
    )


def _name_missing_library(error: Exception) -> str:
    """The library of the system without which an installed package cannot be imported; empty for any other error."""
    found = _LIBRARY.match(str(error)) if isinstance(error, ImportError) else None
    return found[1] if found else ""


def _explain(error: Exception) -> str:
    if library := _name_missing_library(error):
        way_out = "the package of this machine's system that has it"
        if library.startswith(_OF_WINDOWS):
            way_out = (
                "this machine's (Debian, Ubuntu: apt-get install libgl1 libglib2.0-0), or OpenCV without windows instead: "
                "pip uninstall opencv-python, then pip install opencv-python-headless"
            )
        return f"an installed package needs the library {library}, which is not there: install {way_out}"
    if not isinstance(error, OSError) or error.errno is None:
        parameter, rest = re.match(r"(\w*)(.*)", str(error), re.DOTALL).groups()  # type: ignore[union-attr]  # matches anything
        return _FLAGS.get(parameter, parameter) + rest
    place = f" ({error.filename})" if error.filename else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return f"the disk is full{place}: make room and run the same command again; finished work is kept"
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission to write{place}: choose a folder that you may write to"
    return f"{error.strerror}{place}"


if __name__ == "__main__":
    main()
