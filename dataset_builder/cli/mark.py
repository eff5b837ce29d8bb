"""`buiqa mark`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from dataset_builder.cli.options import FOLDER, dataset_argument
from dataset_builder.cli.terminal import say

if TYPE_CHECKING:
    from dataset_builder.selection.sidecars import SidecarNames

_MAX_PROBLEMS = 5


@click.command()
@dataset_argument
@click.argument("photographs", type=FOLDER)
@click.option("--scenario", required=True, help="Whose labels say which frames are kept.")
@click.option("--estimator", help="By which estimator; needed where there are several.")
@click.option("--metric", help="By which metric; needed where there are several.")
@click.option(
    "--keep",
    default="drop_harmful",
    show_default=True,
    metavar="RULE|N",
    help="drop_harmful: all whose score is not below 0; best_quarter, best_half, best_three_quarters; or the N best of each burst.",
)
@click.option("--reject", is_flag=True, help="Mark all others as rejected; else they are left unflagged.")
@click.option("--label", default="", help="Colour label of those that are kept, as Green.")
@click.option(
    "--names",
    default="both",
    show_default=True,
    type=click.Choice(["both", "full", "stem"]),
    help="full: NAME.EXT.xmp, as darktable and digiKam write; stem: NAME.xmp, as Adobe's programs do.",
)
@click.option("--overwrite", is_flag=True, help="Replace stars, flags and labels that others have set.")
def command(
    dataset: Path,
    photographs: Path,
    scenario: str,
    estimator: str | None,
    metric: str | None,
    keep: str,
    reject: bool,
    label: str,
    names: str,
    overwrite: bool,
) -> None:
    """Mark the photographs that DIR was ingested from, in XMP sidecars beside them, for Lightroom, darktable and digiKam.

    PHOTOGRAPHS is the folder that was ingested. Stars go by score within the burst, flags by what is kept. Photographs are not touched, and
    of sidecars that are there only these marks are; what somebody else has set stays.
    """
    from dataset_builder.cli.console import print_notes
    from dataset_builder.selection.sidecars import Selection, write_sidecars

    rule = int(keep) if keep.isdecimal() else keep
    selection = Selection(rule, reject, label, cast("SidecarNames", names), overwrite)
    report = write_sidecars(dataset, photographs, scenario, selection, estimator=estimator, metric=metric)
    say(f"{photographs}: {len(report.paths)} sidecars written")
    notes = [f"{report.missing} photographs are not there; name the folder that was ingested"] if report.missing else []
    if report.respected:
        notes.append(f"{report.respected} marks of others were left as they are; --overwrite replaces them")
    notes += report.problems[:_MAX_PROBLEMS]
    if len(report.problems) > _MAX_PROBLEMS:
        notes.append(f"and {len(report.problems) - _MAX_PROBLEMS} more sidecars that could not be read")
    print_notes(notes)
    if report.problems or (report.missing and not report.paths):
        raise click.exceptions.Exit(1)
