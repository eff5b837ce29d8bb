"""`buiqa evaluate --page`: results as plain data for the page, with pictures of the bursts that were ordered worst."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

    from assessors.evaluation import Result
    from assessors.predictions import Entrant
    from assessors.targets import Targets
    from dataset_builder.audit.report.evaluation import FailedBurst, JudgedLabels, Measured, RankedEntrant
    from dataset_builder.work.local import Workers

_WORST = 2
"""Bursts that are shown of an entrant under a set of labels."""
_SHOWN = 48
"""Films on a page; with 14 frames of 4 KiB each they take 3 MiB."""


def write_page(
    path: Path,
    targets: Targets,
    entrants: Sequence[Entrant],
    results: Sequence[Result],
    *,
    split: str,
    columns: Mapping[str, str],
    gains: pd.DataFrame | None,
    workers: Workers,
) -> None:
    """Write an evaluation as one HTML file.

    Args:
        path: of the file.
        targets: labels.
        entrants: who was judged.
        results: by `assessors.evaluate`.
        split: whose bursts.
        columns: measures of the table, the rank correlation first, and their headings.
        gains: what `summarise_gains` gives; None if they were not measured.
        workers: who reads the pictures.

    Raises:
        ManifestError: if a table is missing or damaged.
        OSError: if the file cannot be written.
    """
    from dataset_builder.audit.report.evaluation import render_evaluation
    from dataset_builder.audit.tables import to_rows
    from manifests.confined.writing import write_file
    from manifests.description import read_description

    judged = [_judge(targets, place, results) for place in range(len(targets.labels.scenarios))]
    judged, remarks = _add_failures(targets, judged, entrants, workers)
    name = read_description(targets.root).get("name") or targets.root.resolve().name
    page = render_evaluation(
        str(name),
        judged,
        columns={measure: heading for measure, heading in columns.items() if measure != "spearman"},
        gains=[] if gains is None else to_rows(gains),
        facts={
            "Split": f"{split}, {len(targets.bursts):,} bursts",
            "Fidelity": targets.metric,
            "Models": ", ".join(entrant.name for entrant in entrants),
        },
        remarks=remarks,
    )
    write_file(path.absolute().parent, path.name, page.encode())


def _judge(targets: Targets, place: int, results: Sequence[Result]) -> JudgedLabels:
    from assessors.evaluation import AGAIN, ALL
    from dataset_builder.audit.report.evaluation import JudgedLabels
    from manifests.schema import is_marginal
    from restorers.fidelity import METRICS

    scenario, estimator = targets.labels.scenarios[place], targets.labels.estimators[place]
    own = [one for one in results if (one.scenario, one.estimator) == (scenario, estimator)]
    everywhere = [one for one in own if one.preset == ALL and one.entrant != AGAIN]
    size = max(everywhere, key=lambda one: one.bursts, default=None)
    rows = [_rank_entrant(name, own) for name in dict.fromkeys(one.entrant for one in own)]
    ranked = sorted(rows, key=lambda row: -row.numbers["spearman"].value if "spearman" in row.numbers else math.inf)
    metric = METRICS.get(targets.metric)
    return JudgedLabels(
        scenario,
        estimator,
        "" if metric is None else metric.unit,
        is_marginal(estimator),
        0 if size is None else size.bursts,
        0 if size is None else size.scenes,
        tuple(ranked),
        (),
    )


def _rank_entrant(name: str, results: Sequence[Result]) -> RankedEntrant:
    from assessors.evaluation import AGAIN, ALL
    from dataset_builder.audit.report.evaluation import RankedEntrant

    own = [one for one in results if one.entrant == name]
    return RankedEntrant(
        name,
        {one.measure: _measured(one) for one in own if one.preset == ALL},
        name == AGAIN,
        {one.preset: _measured(one) for one in own if one.preset != ALL and one.measure == "spearman"},
    )


def _measured(result: Result) -> Measured:
    from dataset_builder.audit.report.evaluation import Measured

    return Measured(result.value, result.low, result.high)


def _add_failures(
    targets: Targets, judged: Sequence[JudgedLabels], entrants: Sequence[Entrant], workers: Workers
) -> tuple[list[JudgedLabels], tuple[str, ...]]:
    """The bursts that the best entrants order worst, with pictures; and what could not be read."""
    wanted = _choose_failures(targets, judged, {entrant.name: entrant for entrant in entrants})
    films, remarks = _read_films(targets, {burst for _, _, burst, _ in wanted}, workers)
    found: dict[int, list[FailedBurst]] = {}
    for place, entrant, burst, correlation in wanted:
        found.setdefault(place, []).append(_make_failure(targets, place, entrant, burst, correlation, films[burst]))
    return [replace(part, failures=tuple(found.get(place, ()))) for place, part in enumerate(judged)], remarks


def _choose_failures(
    targets: Targets, judged: Sequence[JudgedLabels], entrants: Mapping[str, Entrant]
) -> list[tuple[int, Entrant, int, float]]:
    """Set of labels, entrant, burst and rank correlation; the best entrant of every set of labels comes first."""
    from assessors.evaluation import correlate_bursts

    scenes = pc.rank(targets.index.scene_id, tiebreaker="dense").to_numpy()
    chosen: list[tuple[int, int, Entrant, int, float]] = []
    for place, part in enumerate(judged):
        named = [entrants[row.name] for row in part.entrants if row.name in entrants]
        for rank, entrant in enumerate(named):
            scores = entrant.scores[targets.scenarios.index(part.scenario)]
            correlations = correlate_bursts(targets, place, scores)
            seen: set[int] = set()
            for number in np.argsort(correlations, kind="stable"):
                burst, value = int(targets.bursts[number]), float(correlations[number])
                if math.isnan(value) or len(seen) == _WORST:
                    break
                if int(scenes[burst]) not in seen:
                    seen.add(int(scenes[burst]))
                    chosen.append((rank, place, entrant, burst, value))
    chosen.sort(key=lambda one: one[0])
    return [one[1:] for one in chosen[:_SHOWN]]


_Film = tuple[Mapping[str, Any], tuple[int, ...], tuple[str | None, ...]]
"""Row of a burst, the frames that are shown, and their pictures."""


def _read_films(targets: Targets, bursts: set[int], workers: Workers) -> tuple[dict[int, _Film], tuple[str, ...]]:
    from dataset_builder.audit.pictures import read_pictures
    from dataset_builder.audit.shown import MAX_FRAMES, choose_frames
    from dataset_builder.labeling.units import read_bursts
    from dataset_builder.records.reading import pick_frames, read_frames
    from manifests.description import PACKED_FORM, read_description

    order = sorted(bursts)
    rows = read_bursts(targets.root)
    own = [rows[targets.index.burst_ids[burst].as_py()] for burst in order]
    shown = [choose_frames(len(one.frames), one.burst["reference_index"], limit=MAX_FRAMES) for one in own]
    if read_description(targets.root).get("form") == PACKED_FORM:
        pictures: list[Any] = [None] * len(order)
        remarks: tuple[str, ...] = ("Pictures are those of the data set itself; this is a pack.",)
    else:
        pieces = [
            pick_frames(one.burst, [one.frames[index] for index in frames])
            for one, frames in zip(own, shown, strict=True)
        ]
        pictures, remarks = read_frames(read_pictures, pieces, targets.root, workers, purpose="shown")
    films = {
        burst: (one.burst, frames, tuple(picture or (None,) * len(frames)))
        for burst, one, frames, picture in zip(order, own, shown, pictures, strict=True)
    }
    return films, remarks


def _make_failure(
    targets: Targets, place: int, entrant: Entrant, burst: int, correlation: float, film: _Film
) -> FailedBurst:
    from dataset_builder.audit.report.evaluation import FailedBurst

    row, frames, pictures = film
    rows = targets.rows(burst)
    labels = targets.labels.values[place][rows]
    scores = entrant.scores[targets.scenarios.index(targets.labels.scenarios[place])][rows]
    scores = np.where(np.isfinite(labels), scores, np.nan)  # of the reference it means nothing
    size = f"{row['width']} × {row['height']} {row['domain']}"
    return FailedBurst(
        entrant.name,
        str(row["burst_id"]),
        " · ".join(filter(None, [row["source"], row["preset"], size])),
        correlation,
        frames,
        int(row["reference_index"]),
        pictures,
        *(
            tuple(float(values[index]) if math.isfinite(values[index]) else None for index in frames)
            for values in (labels, scores)
        ),
    )
