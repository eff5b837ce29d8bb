"""`buiqa select`."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from dataset_builder.cli.options import work_options
from dataset_builder.cli.terminal import say

if TYPE_CHECKING:
    from assessors.base import Assessor
    from dataset_builder.selection.folder import SeenBurst
    from dataset_builder.viewing.selection_sheet import Selection
    from dataset_builder.work.local import Workers

_RULES = ("first", "sharpest", "medoid")
_RANKING = ("shapley(exact)", "shapley", "half_sum")
"""Estimators that say which frames to keep of a number, the best first (docs/labels.md)."""


@click.command()
@click.argument("folder", metavar="FOLDER", type=click.Path(path_type=Path))
@click.option(
    "--model",
    default="selector",
    show_default=True,
    metavar="NAME|FILE",
    help="Who judges: a model by name, the file of a trained one, or your own as module:attr.",
)
@click.option(
    "--task",
    default="denoise/hdrplus",
    show_default=True,
    metavar="SCENARIO",
    help="What the frames are to be merged by.",
)
@click.option(
    "--keep", type=click.IntRange(min=1), metavar="N", help="Keep the best N frames, the reference among them."
)
@click.option("--drop-harmful", is_flag=True, help="Keep all frames but those without which the result is better.")
@click.option(
    "--reference",
    default="medoid",
    show_default=True,
    metavar="N|first|sharpest|medoid",
    help="Frame that the others are merged onto: by number in order of capture, from 0, or the one that moved least against the others.",
)
@click.option("--prefer", type=click.Choice(["raw", "jpeg"]), help="Which form to take of pictures stored in both.")
@click.option(
    "--copy", "target", type=click.Path(path_type=Path), metavar="DIR", help="Copy the frames that are kept there."
)
@click.option(
    "--sheet",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="PNG of all frames; default: FOLDER-selection.png here.",
)
@click.option("--json", "as_json", is_flag=True, help="Print what was found as JSON.")
@work_options
def command(
    folder: Path,
    model: str,
    task: str,
    keep: int | None,
    drop_harmful: bool,
    reference: str,
    prefer: Any,
    target: Path | None,
    sheet: Path | None,
    as_json: bool,
    workers: Workers,
) -> None:
    """Choose from a FOLDER of one burst's photographs or RAW files those that are worth merging.

    Says which to keep and what is wrong with the others, and draws a contact sheet that shows it. Nothing in FOLDER is changed.
    """
    from dataset_builder.cli.console import print_notes
    from dataset_builder.selection.folder import look_at_folder
    from dataset_builder.viewing.selection_sheet import draw_selection
    from manifests.images.pixels import write_png

    if (keep is None) != drop_harmful:
        raise click.UsageError("say either --keep N or --drop-harmful")
    assessor = _create_assessor(model, ranks=keep is not None)
    _require_able(assessor, model, task, drop_harmful=drop_harmful)
    with TemporaryDirectory(prefix="buiqa-select-") as scratch:
        burst = look_at_folder(folder, Path(scratch), workers, reference=_read_reference(reference), prefer=prefer)
        if keep is not None and keep > len(burst.frames):
            raise click.UsageError(f"--keep {keep}: {folder} holds {len(burst.frames)} frames that can be read")
        selection = _select(burst, assessor, task, keep, Path(scratch), workers)
    path = sheet or Path(f"{folder.resolve().name or 'burst'}-selection.png")
    write_png(path.parent, path.name, draw_selection(burst, selection))
    if target is not None:
        _copy(burst, selection, target)
    print_notes(burst.remarks)
    if as_json:
        say(json.dumps(_describe(burst, selection), indent=2))
    else:
        _print(burst, selection)
        say(f"{len(selection.kept)} of {len(burst.frames)} frames kept" + (f", copied to {target}" if target else ""))
        say(path)


def _create_assessor(model: str, *, ranks: bool) -> Assessor:
    """The model; to rank frames, as it learnt from subsets, if it did: leave_one_out says which harm, but less well which to keep."""
    from assessors.model_files import ModelHeader
    from assessors.registry import create_assessor

    assessor = create_assessor(model)
    header = getattr(assessor, "header", None)
    if ranks and "@" not in model and isinstance(header, ModelHeader):
        learnt = {estimator for _, estimator in header.heads}
        ranking = next((name for name in _RANKING if name in learnt), None)
        return assessor if ranking is None else create_assessor(f"{model}@{ranking}")
    return assessor


def _read_reference(text: str) -> Any:
    if text in _RULES:
        return text
    if not text.isdecimal():
        raise click.BadParameter(
            f"expected a number or one of {', '.join(_RULES)}, got {text!r}", param_hint="--reference"
        )
    return int(text)


def _require_able(assessor: Assessor, model: str, task: str, *, drop_harmful: bool) -> None:
    info = assessor.info
    if info.scenarios is not None and task not in info.scenarios:
        raise click.UsageError(
            f"--task {task}: {model} was trained for {', '.join(info.scenarios)}; name one of these, or another --model"
        )
    if drop_harmful and not info.signed:
        raise click.UsageError(
            f"--drop-harmful: scores of {model} only rank frames, none of them means harmful; say --keep N, or name a trained --model"
        )


def _select(
    burst: SeenBurst, assessor: Assessor, task: str, keep: int | None, scratch: Path, workers: Workers
) -> Selection:
    from assessors.assess import score_windows
    from assessors.inputs import make_inputs
    from assessors.symptoms import find_symptoms
    from dataset_builder.selection.policies import DROP_HARMFUL, choose_best, choose_frames
    from dataset_builder.selection.windows import cut_windows
    from dataset_builder.viewing.reasons import look_at_frames, name_reasons
    from dataset_builder.viewing.selection_sheet import Selection

    windows = [make_inputs(cut) for cut in cut_windows(burst, scratch, workers)]
    scores, symptoms = score_windows(assessor, windows, task), find_symptoms(windows)
    # What can be aligned nowhere gives a merge nothing, whatever a model makes of it.
    scores[symptoms.found == 0] = min(float(scores.min()), 0.0) - 1.0
    others = [index for index in range(len(burst.frames)) if index != burst.reference_index]
    chosen = choose_frames(scores, others, DROP_HARMFUL) if keep is None else choose_best(scores, others, keep - 1)
    looks = look_at_frames(burst, symptoms)
    return Selection(
        assessor.info.name,
        task,
        tuple(scores.tolist()),
        chosen | {burst.reference_index},
        looks,
        tuple(map(name_reasons, looks)),
        assessor.info.signed,
    )


def _copy(burst: SeenBurst, selection: Selection, target: Path) -> None:
    """Copy what is kept; nothing that is there is overwritten."""
    names = [burst.frames[index].name for index in sorted(selection.kept)]
    target.mkdir(parents=True, exist_ok=True)
    there = [name for name in names if (target / name).exists()]
    if there:
        raise click.UsageError(f"--copy {target}: holds {there[0]}; name a new folder")
    for name in names:
        shutil.copy2(burst.folder / name, target / name)


def _describe(burst: SeenBurst, selection: Selection) -> dict[str, Any]:
    return {
        "model": selection.model,
        "task": selection.task,
        "reference": burst.frames[burst.reference_index].name,
        "frames": [
            {
                "name": frame.name,
                "kept": index in selection.kept,
                "score": None if index == burst.reference_index else selection.scores[index],
                "reasons": list(selection.reasons[index]),
            }
            for index, frame in enumerate(burst.frames)
        ],
    }


def _print(burst: SeenBurst, selection: Selection) -> None:
    from dataset_builder.audit.wording import format_number, to_markup
    from dataset_builder.cli.console import make_table, print_wide

    table = make_table(None)
    for heading, justify in (
        ("frame", "right"),
        ("file", "left"),
        ("score", "right"),
        ("verdict", "left"),
        ("what is wrong", "left"),
    ):
        table.add_column(heading, justify=justify, no_wrap=True)  # type: ignore[arg-type]  # words that rich knows
    for index, frame in enumerate(burst.frames):
        is_reference = index == burst.reference_index
        score = None if is_reference else selection.scores[index]
        verdict = "reference" if is_reference else "kept" if index in selection.kept else "left out"
        table.add_row(
            str(index),
            to_markup(frame.name),
            format_number(score, 2, signed=selection.signed),
            verdict,
            ", ".join(selection.reasons[index]),
        )
    print_wide(table)
