"""Options that all kinds of real bursts share, and what is done with them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dataset_builder.cli.options import name_option, out_option, work_options
from dataset_builder.ingest.source import ESTIMATES

if TYPE_CHECKING:
    from dataset_builder.work.local import Workers

_RULES = ("first", "sharpest", "medoid")


@dataclass(frozen=True)
class SharedOptions:
    """What was given for every kind alike; None where nothing was."""

    root: Path
    out: Path
    workers: Workers
    name: str | None
    license: str | None
    reference: str | None
    crops: str | None
    estimate: bool

    def to_values(self) -> dict[str, Any]:
        """The same as keys of a source in a recipe."""
        values: dict[str, Any] = {}
        if self.license is not None:
            values["license"] = self.license
        if self.reference is not None:
            key = "reference_rule" if self.reference in _RULES else "reference_index"
            values[key] = self.reference if key == "reference_rule" else _parse_index(self.reference)
        if self.crops is not None:
            values["crops"] = _parse_crops(self.crops)
        if self.estimate:
            values["estimate"] = list(ESTIMATES)
        return values


def shared_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add argument ROOT and the options that every kind has."""
    for decorate in (
        click.argument("root", type=click.Path(path_type=Path)),
        click.option(
            "--reference",
            help="Index of the reference frame, or how to choose it: first, sharpest, medoid (least motion to the others). "
            "Default: what the source says, else first.",
        ),
        click.option(
            "--crops",
            metavar="RULE:N:HEIGHTxWIDTH",
            help="Also cut N crops out of each burst, as bursts of their own; RULE is grid or textured. Example: textured:4:256x256.",
        ),
        click.option(
            "--estimate",
            is_flag=True,
            help="Estimate noise, exposure, sharpness, motion and occlusion from the pixels where the files do not say them.",
        ),
        name_option,
        click.option(
            "--license", "license_", help="Licence of the images; default: that of a known data set, else unknown."
        ),
        out_option,
        work_options,
    ):
        function = decorate(function)
    return function


def add_captures(ctx: click.Context, kind: str, given: dict[str, Any], **values: Any) -> None:
    """Bring a source of real bursts into the data set and print what was done; exits.

    Args:
        ctx: of the command.
        kind: as in a recipe.
        given: what `shared_options` collected.
        values: the keys of the kind itself; None leaves a key at its default.
    """
    from dataset_builder.build import add_source
    from dataset_builder.cli.console import print_summary, show_progress
    from dataset_builder.recipe import parse_source

    shared = SharedOptions(
        **{**{key: value for key, value in given.items() if key != "license_"}, "license": given["license_"]}
    )
    own = {key: value for key, value in values.items() if value is not None}
    source = parse_source(name=shared.name, kind=kind, root=str(shared.root.resolve()), **shared.to_values(), **own)
    ctx.exit(print_summary(shared.out, add_source(shared.out, source, workers=shared.workers, progress=show_progress)))


def _parse_index(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise click.BadParameter(
            f"--reference {text}: expected an index or one of {', '.join(_RULES)}", param_hint="--reference"
        ) from None


def _parse_crops(text: str) -> dict[str, Any]:
    try:
        rule, count, size = text.split(":")
        height, width = size.split("x")
        return {"rule": rule, "count": int(count), "height": int(height), "width": int(width)}
    except ValueError:
        raise click.BadParameter(
            f"expected RULE:N:HEIGHTxWIDTH, as textured:4:256x256, got {text!r}", param_hint="--crops"
        ) from None
