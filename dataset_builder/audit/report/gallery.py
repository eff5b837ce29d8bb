"""What the report shows in pictures: a sample of bursts, the most and least useful frames, quarrels, pairs that look alike."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dataset_builder.audit.audit import Audit
from dataset_builder.audit.burst_view import BurstView, view_bursts
from dataset_builder.audit.pictures import read_pictures
from dataset_builder.audit.shown import MAX_FRAMES, SAMPLE_SIZE, choose_bursts, choose_frames
from dataset_builder.audit.tables import ScoreMatrix, to_rows
from dataset_builder.records.reading import pick_frames, read_frames
from dataset_builder.work.local import ONE_WORKER, Workers
from manifests.schema import LABEL_SET

MAX_BURSTS = 64
"""Bursts with pictures; with 20 frames each, at 4 KiB, they take 7 MiB of the report."""
SHEET_SIZE = 6
"""Frames on each side of a contact sheet."""
_MAX_PAIRS = 6


@dataclass(frozen=True)
class ShownFrame:
    """A frame on a contact sheet.

    Attributes:
        burst_id: identifier of the frame.
        frame_index: index of the frame.
        score: under the label set of the sheet.
    """

    burst_id: str
    frame_index: int
    score: float


@dataclass(frozen=True)
class Sheet:
    """The most and the least useful frames under one label set, at most one per burst and side."""

    scenario: str
    estimator: str
    unit: str
    best: tuple[ShownFrame, ...]
    worst: tuple[ShownFrame, ...]


@dataclass(frozen=True)
class ShownBurst:
    """A burst that can be opened.

    Attributes:
        view: what is known of it; every frame, shown or not.
        shown: indices of the frames shown, the reference among them.
        pictures: one `data:` URI per frame shown; None where the file cannot be read.
        restorations: its rows of `restorations` that have a picture.
    """

    view: BurstView
    shown: tuple[int, ...]
    pictures: tuple[str | None, ...]
    restorations: tuple[dict[str, Any], ...]


@dataclass(frozen=True)
class Gallery:
    """Everything that is shown in pictures.

    Attributes:
        bursts: that can be opened, by id.
        sample: ids of the bursts of the contact sheet, spread evenly.
        sheets: one per chosen label set.
        quarrels: rows of `statistics.disagreements`.
        pairs: rows of `statistics.near_duplicates`.
        remarks: which bursts have no pictures, and why.
    """

    bursts: dict[str, ShownBurst]
    sample: tuple[str, ...]
    sheets: tuple[Sheet, ...]
    quarrels: tuple[dict[str, Any], ...]
    pairs: tuple[dict[str, Any], ...]
    remarks: tuple[str, ...]


def build_gallery(root: Path, audit: Audit, *, workers: Workers = ONE_WORKER, results: Path | None = None) -> Gallery:
    """Choose what to show and read the pictures.

    Args:
        root: the data set.
        audit: what was found in it.
        workers: who reads the pictures; the result does not depend on it.
        results: what `do_pieces` takes.
    """
    tables, statistics = audit.tables, audit.statistics
    sample = choose_bursts(tables.bursts, limit=SAMPLE_SIZE)
    sheets = tuple(choose_extremes(audit.matrix.select(statistics.label_sets)))
    quarrels = tuple(to_rows(statistics.disagreements))
    pairs = tuple(to_rows(statistics.near_duplicates.head(_MAX_PAIRS)))
    wanted = [
        *sample,
        *(name for row in pairs for name in (row["burst_id"], row["other_burst_id"])),
        *(name for finding in audit.findings for name in finding.bursts[:1]),
        *(row["burst_id"] for row in quarrels),
        *(frame.burst_id for place in range(SHEET_SIZE) for sheet in sheets for frame in _take(sheet, place)),
    ]
    known = set(tables.bursts["burst_id"])
    names = [name for name in dict.fromkeys(wanted) if name in known][:MAX_BURSTS]
    pictured = audit.restorations[audit.restorations["picture"].notna()]
    restorations = {str(name): to_rows(rows) for name, rows in pictured.groupby("burst_id")}
    scored = statistics.scores[statistics.scores["scores"] > 0]
    views = view_bursts(tables, names, _order_label_sets(scored, statistics.label_sets))
    shown = [_choose_shown(view, sheets, quarrels) for view in views]
    pieces = [
        pick_frames(view.burst, [view.frames[index] for index in chosen])
        for view, chosen in zip(views, shown, strict=True)
    ]
    read, remarks = read_frames(read_pictures, pieces, root, workers, purpose="shown in the report", results=results)
    bursts = {
        name: ShownBurst(view, chosen, tuple(pictures or (None,) * len(chosen)), tuple(restorations.get(name, ())))
        for view, chosen, pictures in zip(views, shown, read, strict=True)
        for name in [str(view.burst["burst_id"])]
    }
    return Gallery(bursts, tuple(sample), sheets, quarrels, pairs, remarks)


def choose_extremes(matrix: ScoreMatrix) -> Iterable[Sheet]:
    """The frames with the highest and lowest scores of each label set, one per burst and side; the earlier of equals."""
    index = matrix.frames["frame_index"].to_numpy()
    for place, (scenario, estimator, _, unit) in enumerate(matrix.sets[[*LABEL_SET, "unit"]].itertuples(index=False)):
        values = matrix.values[place]
        known = np.flatnonzero(np.isfinite(values))
        sides = []
        for order in (
            known[np.argsort(-values[known], kind="stable")],
            known[np.argsort(values[known], kind="stable")],
        ):
            _, first = np.unique(matrix.bursts[order], return_index=True)
            rows = order[np.sort(first)][:SHEET_SIZE]
            sides.append(
                tuple(
                    ShownFrame(str(matrix.burst_ids[matrix.bursts[row]]), int(index[row]), float(values[row]))
                    for row in rows
                )
            )
        yield Sheet(scenario, estimator, unit, *sides)


def _take(sheet: Sheet, place: int) -> list[ShownFrame]:
    return [side[place] for side in (sheet.best, sheet.worst) if place < len(side)]


def _choose_shown(view: BurstView, sheets: Iterable[Sheet], quarrels: Iterable[dict[str, Any]]) -> tuple[int, ...]:
    name, num_frames = str(view.burst["burst_id"]), len(view.frames)
    chosen = choose_frames(num_frames, view.reference_index, limit=MAX_FRAMES)
    return tuple(sorted({*chosen, *_list_wanted(name, sheets, quarrels, num_frames)}))


def _list_wanted(
    name: str, sheets: Iterable[Sheet], quarrels: Iterable[dict[str, Any]], num_frames: int
) -> Iterable[int]:
    for sheet in sheets:
        yield from (frame.frame_index for frame in (*sheet.best, *sheet.worst) if frame.burst_id == name)
    yield from (row["frame_index"] for row in quarrels if row["burst_id"] == name and row["frame_index"] < num_frames)


def _order_label_sets(scored: pd.DataFrame, chosen: pd.DataFrame) -> pd.DataFrame:
    """Chosen label sets first within their scenario."""
    marked = scored.merge(chosen[LABEL_SET].assign(place=0), on=LABEL_SET, how="left").fillna({"place": 1})
    return marked.sort_values(["scenario", "place", "estimator", "metric"], kind="stable")
