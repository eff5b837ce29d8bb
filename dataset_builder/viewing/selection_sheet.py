"""Which frames of a folder were kept, and why: a contact sheet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_builder.audit.burst_view import BurstView, Factor, Mark, ScoreRow
from dataset_builder.audit.wording import count
from dataset_builder.selection.folder import SeenBurst
from dataset_builder.viewing.contact_sheet import Caption, draw_captioned_sheet
from dataset_builder.viewing.reasons import FrameLook
from manifests.plain_text import escape_controls

_FADED = 0.6
"""How far the picture of a frame that was left out fades into the paper."""
_TILE = 256
_LONGEST_NAME = 26
"""Characters that fit below a picture."""


@dataclass(frozen=True)
class Selection:
    """Frames of a burst that a model chose.

    Attributes:
        model: its name.
        task: what they are for.
        scores: of each frame; that of the reference counts for nothing.
        kept: the frames that stay, the reference among them.
        looks: what was measured of each.
        reasons: what is wrong with each, in words.
        signed: whether a score below 0 says that the frame harms.
    """

    model: str
    task: str
    scores: tuple[float, ...]
    kept: frozenset[int]
    looks: tuple[FrameLook, ...]
    reasons: tuple[tuple[str, ...], ...]
    signed: bool


def draw_selection(burst: SeenBurst, selection: Selection, *, columns: int = 7) -> NDArray[np.uint8]:
    """Every frame with its score, whether it was kept, and what is wrong with it; those that were not are pale.

    Returns:
        uint8 [h, w, 3], sRGB.
    """
    pictures = [
        frame.thumbnail if index in selection.kept else _fade(frame.thumbnail)
        for index, frame in enumerate(burst.frames)
    ]
    captions = [_caption(burst, selection, index) for index in range(len(burst.frames))]
    return draw_captioned_sheet(_view(burst, selection), pictures, captions, columns=columns, tile=_TILE)


def _caption(burst: SeenBurst, selection: Selection, index: int) -> list[Caption]:
    is_kept, reasons = index in selection.kept, selection.reasons[index]
    verdict = "kept" if is_kept else "left out"
    if index == burst.reference_index:
        verdict = "kept: the others are merged onto it"
    mark: Mark = "best" if is_kept else "worst"
    name = escape_controls(burst.frames[index].name)
    # What tells the names of a burst apart stands at their end.
    shown = name if len(name) <= _LONGEST_NAME else f"…{name[1 - _LONGEST_NAME :]}"
    lines = [Caption(shown, quiet=True), Caption(verdict, mark)]
    return [*lines, *(Caption(reason) for reason in reasons)]


def _view(burst: SeenBurst, selection: Selection) -> BurstView:
    frames, reference = burst.frames, burst.frames[burst.reference_index]
    height, width = reference.shape
    scores = tuple(None if index == burst.reference_index else score for index, score in enumerate(selection.scores))
    # `add_one` has a sign, `solo` has none.
    estimator = "add_one" if selection.signed else "solo"
    row = ScoreRow(selection.task, estimator, "", "", scores, _mark(scores))
    looks = selection.looks
    factors = (
        Factor("exposure", "×", tuple(burst.exposure_ratios)),
        Factor("shift", "px", tuple(frame.measures.get("displacement") for frame in frames)),
        Factor("detail", "%", tuple(None if look.detail is None else 100 * look.detail for look in looks)),
        Factor("differs", "%", tuple(None if look.mismatched is None else 100 * look.mismatched for look in looks)),
    )
    facts = {
        "burst_id": escape_controls(burst.folder.resolve().name or "burst"),
        "source": f"{len(selection.kept)} of {count(len(frames), 'frame')} kept",
        "preset": f"by {escape_controls(selection.model)}",
        "width": width,
        "height": height,
        "domain": str(reference.sensor.domain),
        "reference_index": burst.reference_index,
    }
    return BurstView(facts, "", tuple({} for _ in frames), factors, (row,))


def _mark(scores: Sequence[float | None]) -> tuple[Mark, ...]:
    known = [score for score in scores if score is not None]
    if not known or min(known) == max(known):
        return tuple("" for _ in scores)
    return tuple("best" if score == max(known) else "worst" if score == min(known) else "" for score in scores)


def _fade(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    faded: NDArray[np.uint8] = np.rint(picture + _FADED * (255.0 - picture)).astype(np.uint8)
    return faded
