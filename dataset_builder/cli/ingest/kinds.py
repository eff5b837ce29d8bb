"""`buiqa ingest KIND`: a command for each kind of real bursts, with an option for each of its own settings."""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import click

from dataset_builder.cli.options import name_option, out_option, work_options
from dataset_builder.ingest.source import ESTIMATES, CaptureSource

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from dataset_builder.work.local import Workers

_RULES = ("first", "sharpest", "medoid")
_SHARED_OPTIONS = (
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
    click.option(
        "--strip-metadata",
        is_flag=True,
        help="Leave places, serial numbers and names out of the files of frames; what frames.parquet has is kept.",
    ),
    name_option,
    click.option(
        "--license", "license_", help="Licence of the images; default: that of a known data set, else unknown."
    ),
    out_option,
    work_options,
)


def describe_kind(kind: type[CaptureSource]) -> str:
    """What a kind is, in one line."""
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def make_command(kind: type[CaptureSource]) -> click.Command:
    """The command that adds a source of a kind: its help is the model's docstring, its options are the model's own fields."""
    about, _, attributes = inspect.cleandoc(kind.__doc__ or "").partition("\n\nAttributes:\n")
    texts = _read_attributes(attributes)
    own = [
        _make_option(name, field, texts[name])
        for name, field in kind.model_fields.items()
        if name not in CaptureSource.model_fields
    ]
    root = click.argument("root", type=click.Path(exists=True, path_type=Path))
    decorators: list[Callable[[Any], Any]] = [root, *own, *_SHARED_OPTIONS]
    function: Any = click.pass_context(functools.partial(_add_captures, kind=kind.name_kind()))
    for decorate in reversed(decorators):
        function = decorate(function)
    return click.command(kind.command, help=about)(function)


def _read_attributes(text: str) -> dict[str, str]:
    """What a docstring says of each attribute, without backticks and without what null means: on a command line nothing is null."""
    found = re.findall(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", text, re.MULTILINE)
    return {
        name: re.sub(r"\s*Null:[^.]*\.|\s*Null for none\.|`|; null [^.]*", "", " ".join(says.split()))
        for name, says in found
    }


def _make_option(name: str, field: FieldInfo, says: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Not given, it is None, and the model's default holds; the help states that. Flags leave out a unit at the end of a name."""
    flag = "--" + name.removesuffix("_seconds").replace("_", "-")
    many = get_origin(field.annotation) is tuple
    kind = get_args(field.annotation)[0] if many else field.annotation
    default = "" if field.default in (None, ()) else f"  [default: {field.default}]"
    return click.option(flag, name, type=_find_type(kind), multiple=many, help=says + default)


def _find_type(annotation: Any) -> Any:
    """What click makes the text of an option to."""
    if get_origin(annotation) is Literal:
        return click.Choice(get_args(annotation))
    if get_origin(annotation) in (Union, UnionType):
        return _find_type(next(one for one in get_args(annotation) if one is not NoneType))
    return annotation


def _add_captures(
    ctx: click.Context,
    /,
    kind: str,
    root: Path,
    out: Path,
    workers: Workers,
    name: str | None,
    license_: str | None,
    reference: str | None,
    crops: str | None,
    estimate: bool,  # click passes flags by name
    strip_metadata: bool,
    **own: Any,
) -> None:
    """Bring a source of real bursts into the data set and print what was done; exits."""
    from dataset_builder.build import add_source
    from dataset_builder.cli.console import print_summary, show_progress
    from dataset_builder.recipe import parse_source

    values = {
        "license": license_,
        "crops": None if crops is None else _parse_crops(crops),
        "estimate": list(ESTIMATES) if estimate else None,
        "strip_metadata": strip_metadata or None,
        "reference_rule" if reference in _RULES else "reference_index": reference
        if reference in _RULES
        else _parse_index(reference),
        **own,
    }
    given = {key: value for key, value in values.items() if value not in (None, ())}
    source = parse_source(name=name, kind=kind, root=str(root.resolve()), **given)
    ctx.exit(print_summary(out, add_source(out, source, workers=workers, progress=show_progress)))


def _parse_index(text: str | None) -> int | None:
    try:
        return None if text is None else int(text)
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
