"""One burst as people look at it: frames, the factors that made them, and their scores; for contact sheets and reports."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builder.audit.factors import FACTORS, is_estimated, measure_noise
from dataset_builder.audit.tables import Tables, to_rows
from dataset_builder.audit.wording import format_number, show_unit
from dataset_builder.ingest.measures import find_shift_error
from manifests.listing import name_unknown_burst
from manifests.schema import LABEL_SET, is_marginal

Mark = Literal["best", "worst", ""]

_LISTED = ("exposure_ratio", "shot_noise", "blur_length", "displacement", "defocus", "occlusion", "jpeg_quality")
_OCCASIONAL = frozenset({"defocus", "occlusion", "jpeg_quality"})
"""Listed only where a frame of the burst has some."""


@dataclass(frozen=True)
class Factor:
    """One property of every frame of a burst.

    Attributes:
        name: its name for people.
        unit: unit of the values; empty for ratios.
        values: one per frame; None where unknown.
        note: how far values may be off, where they are estimates; else empty.
    """

    name: str
    unit: str
    values: tuple[float | None, ...]
    note: str = ""

    @property
    def known(self) -> bool:
        """Whether any frame has a value."""
        return any(value is not None for value in self.values)


@dataclass(frozen=True)
class ScoreRow:
    """Scores of one label set for every frame of a burst.

    Attributes:
        scenario: scenario of the label set.
        estimator: estimator of the label set.
        metric: metric of the label set.
        unit: unit of the scores as `wording.show_unit` shows it; empty for none.
        values: one per frame, in that unit; None where there is no score.
        marks: `best` and `worst` of the burst, ties included; empty elsewhere, and everywhere if no two scores differ.
    """

    scenario: str
    estimator: str
    metric: str
    unit: str
    values: tuple[float | None, ...]
    marks: tuple[Mark, ...]

    @property
    def signed(self) -> bool:
        """Whether scores are gains and losses, whose sign matters."""
        return is_marginal(self.estimator)

    @property
    def decimals(self) -> int:
        """Digits after the point that tell the frames apart: two significant ones of the range of the values, or more."""
        known = [value for value in self.values if value is not None]
        spread = max(known) - min(known) if known else 0.0
        fewest = 2 if self.signed else 1
        return fewest if spread <= 0 else min(9, max(fewest, 1 - math.floor(math.log10(spread))))

    def format(self, frame_index: int) -> str:
        """The score of a frame as text; an en dash where there is none."""
        return format_number(self.values[frame_index], self.decimals, signed=self.signed)


@dataclass(frozen=True)
class BurstView:
    """A burst, its frames in capture order, and what is known of them.

    Attributes:
        burst: its row of `bursts`.
        split: its split; empty if it has none.
        frames: its rows of `frames`.
        factors: exposure relative to the reference; noise, its standard deviation at `MID_GREY` in per cent of white; blur, the path
            during the exposure; shift, the mean displacement against the reference. Where any frame has some of it also defocus, the
            radius of the circle of confusion; occlusion, the share of the frame that something hides; and, of JPEGs, their quality.
        scores: one row per label set, in the order asked for; label sets without a score in this burst are left out.
    """

    burst: dict[str, Any]
    split: str
    frames: tuple[dict[str, Any], ...]
    factors: tuple[Factor, ...]
    scores: tuple[ScoreRow, ...]

    @property
    def reference_index(self) -> int:
        """The reference frame."""
        return int(self.burst["reference_index"])


def view_bursts(tables: Tables, burst_ids: Sequence[str], label_sets: pd.DataFrame) -> list[BurstView]:
    """Gather what there is to see of some bursts.

    Args:
        tables: the manifests.
        burst_ids: which bursts, in the order wanted.
        label_sets: scenario, estimator, metric, unit of the scores wanted.

    Raises:
        SelectionError: if a burst does not exist; the message offers close matches.
    """
    wanted = set(burst_ids)
    bursts = {row["burst_id"]: row for row in to_rows(tables.bursts[tables.bursts["burst_id"].isin(wanted)])}
    frames = _rows_by_burst(tables.frames[tables.frames["burst_id"].isin(wanted)].sort_values("frame_index"))
    labels = tables.labels.select(wanted)
    scores = {
        key: rows.set_index("frame_index")["score"]
        for key, rows in labels.groupby(["burst_id", *LABEL_SET], observed=True)
    }
    splits = dict(zip(tables.splits["burst_id"], tables.splits["split"], strict=True))
    views = []
    for burst_id in burst_ids:
        if burst_id not in bursts:
            raise name_unknown_burst(burst_id, list(tables.bursts["burst_id"]))
        mine = tuple(frames.get(burst_id, ()))
        rows = [
            _score_row(scores[key].reindex(range(len(mine))), (*names, unit))
            for *names, unit in label_sets[[*LABEL_SET, "unit"]].itertuples(index=False)
            if (key := (burst_id, *names)) in scores
        ]
        views.append(
            BurstView(
                burst=bursts[burst_id],
                split=str(splits.get(burst_id, "")),
                frames=mine,
                factors=_factors(bursts[burst_id], mine),
                scores=tuple(row for row in rows if any(value is not None for value in row.values)),
            )
        )
    return views


def _score_row(scores: pd.Series[float], names: tuple[str, str, str, str]) -> ScoreRow:
    aligned = scores.to_numpy(np.float64)
    known = aligned[np.isfinite(aligned)]
    low, high = (known.min(), known.max()) if len(known) else (0.0, 0.0)
    marks: tuple[Mark, ...] = tuple(
        "" if low == high else "best" if value == high else "worst" if value == low else "" for value in aligned
    )
    scenario, estimator, metric, unit = names
    shown, factor = show_unit(unit)
    return ScoreRow(scenario, estimator, metric, shown, _plain(aligned * factor), marks)


def _factors(burst: dict[str, Any], frames: Sequence[dict[str, Any]]) -> tuple[Factor, ...]:
    columns = {name: np.array([row[name] for row in frames], np.float64) for name in (*_LISTED, "read_noise")}
    columns["shot_noise"] = measure_noise(columns["shot_noise"], columns["read_noise"])
    columns["occlusion"] *= 100
    listed = (
        Factor(FACTORS[name].label, FACTORS[name].unit, _plain(columns[name]), _describe_estimate(name, burst, frames))
        for name in _LISTED
    )
    return tuple(
        factor for name, factor in zip(_LISTED, listed, strict=True) if name not in _OCCASIONAL or any(factor.values)
    )


def _describe_estimate(name: str, burst: dict[str, Any], frames: Sequence[dict[str, Any]]) -> str:
    """Whether a factor was estimated from pixels, and how far a shift may be off."""
    if not any(is_estimated(frame.get("estimated"), name) for frame in frames):
        return ""
    if name != "displacement":
        return "estimated"
    error = find_shift_error(burst["domain"], burst["height"], burst["width"])
    return f"estimated, ± {format_number(error, 1)} px"


def _plain(values: NDArray[np.floating[Any]]) -> tuple[float | None, ...]:
    return tuple(float(value) if math.isfinite(value) else None for value in values)


def _rows_by_burst(rows: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    return {str(burst_id): to_rows(group) for burst_id, group in rows.groupby("burst_id", sort=False)}
