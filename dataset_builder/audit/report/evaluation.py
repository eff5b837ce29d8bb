"""The page of an evaluation: who predicts the labels best, how sure that is, and where they fail; one HTML file without a script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from dataset_builder.audit.report import charts
from dataset_builder.audit.report.report import open_templates


@dataclass(frozen=True)
class Measured:
    """A number with its 95 % interval over scenes; bounds are None where there is none."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class RankedEntrant:
    """An entrant under one set of labels.

    Attributes:
        name: of the model or file.
        numbers: by the name of the measure.
        is_ceiling: whether it is the labels themselves, made again.
        presets: rank correlation by preset, where there are several.
    """

    name: str
    numbers: Mapping[str, Measured]
    is_ceiling: bool
    presets: Mapping[str, Measured]


@dataclass(frozen=True)
class FailedBurst:
    """A burst whose frames an entrant ordered badly.

    Attributes:
        entrant: its name.
        burst_id: identifier of the burst.
        facts: what it is, for people.
        correlation: rank correlation of its scores and labels.
        frames: indices of the frames that are shown.
        reference_index: the reference.
        pictures: a `data:` URI for each; None where the file cannot be read.
        labels: of each; None without.
        scores: of each; None without.
    """

    entrant: str
    burst_id: str
    facts: str
    correlation: float
    frames: tuple[int, ...]
    reference_index: int
    pictures: tuple[str | None, ...]
    labels: tuple[float | None, ...]
    scores: tuple[float | None, ...]


@dataclass(frozen=True)
class JudgedLabels:
    """One set of labels, and how well it was predicted.

    Attributes:
        scenario: of the labels.
        estimator: of the labels.
        unit: of the labels.
        signed: whether labels are gains and losses.
        bursts: that entered.
        scenes: their scenes.
        entrants: the best first.
        failures: where they fail.
    """

    scenario: str
    estimator: str
    unit: str
    signed: bool
    bursts: int
    scenes: int
    entrants: tuple[RankedEntrant, ...]
    failures: tuple[FailedBurst, ...]

    @property
    def best(self) -> RankedEntrant | None:
        """The first that is no ceiling."""
        return next((one for one in self.entrants if not one.is_ceiling and "spearman" in one.numbers), None)

    @property
    def presets(self) -> list[str]:
        """Presets that are told apart, by name."""
        return sorted({name for one in self.entrants for name in one.presets})


def render_evaluation(
    title: str,
    judged: Sequence[JudgedLabels],
    *,
    columns: Mapping[str, str],
    gains: Sequence[Mapping[str, Any]] = (),
    facts: Mapping[str, str],
    remarks: Sequence[str] = (),
) -> str:
    """The page as text.

    Args:
        title: of the data set.
        judged: sets of labels, in order.
        columns: measures of the table beside the first, and their headings.
        gains: rows as `dataset_builder.selection.summarise_gains` gives them.
        facts: what was evaluated, by name.
        remarks: what could not be shown.
    """
    return (
        open_templates()
        .get_template("evaluation.html.j2")
        .render(
            title=title,
            judged=judged,
            columns=columns,
            gains=gains,
            facts=facts,
            remarks=remarks,
            mark=_mark,
            cell_tint=_tint,
        )
    )


def _mark(number: Measured, label: str) -> Markup:
    low, high = (math.nan if bound is None else bound for bound in (number.low, number.high))
    return charts.draw_interval(number.value, low, high, label=label)


def _tint(values: Sequence[float | None], place: int, *, signed: bool) -> Markup:
    """Gains and losses against 0; other numbers against the middle of the burst's range."""
    value, known = values[place], [each for each in values if each is not None]
    if value is None or min(known) == max(known):
        return Markup("")
    if signed:
        return charts.tint(0.8 * value / max(abs(each) for each in known))
    return charts.tint(0.8 * (2 * (value - min(known)) / (max(known) - min(known)) - 1))
