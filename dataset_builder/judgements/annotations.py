"""Scores that people gave the frames of bursts, whatever form they came in."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from dataset_builder.judgements.preferences import FrameScores


def compose(name: str) -> str:
    """The composed form (NFC) of a name."""
    return unicodedata.normalize("NFC", name)


@dataclass(frozen=True, eq=False)
class AnnotatedBurst:
    """Scores of one burst.

    Attributes:
        path: `origin_path` or `burst_id` of the burst.
        names: `origin_name` of each scored frame.
        scores: scores of these frames, in the order of `names`.
    """

    path: str
    names: tuple[str, ...]
    scores: FrameScores


@dataclass(frozen=True, eq=False)
class Annotations:
    """Scores of many bursts under one scenario, and how they came to be.

    Attributes:
        scenario: the name in the column `scenario`.
        estimator: how judgements became a score.
        metric: what was judged.
        unit: unit of score and standard error.
        summary: one line.
        paper: where it is described; empty for none.
        settings: all that the scores depend on beside the judgements.
        statistics: what is worth knowing of the whole.
        fingerprint: SHA-256 (hex) of judgements and settings.
        bursts: the scores.
        rejected: paths of bursts from whose judgements no scores follow, and why.
    """

    scenario: str
    estimator: str
    metric: str
    unit: str
    summary: str
    paper: str
    settings: Mapping[str, Any]
    statistics: Mapping[str, Any]
    fingerprint: str
    bursts: tuple[AnnotatedBurst, ...]
    rejected: tuple[tuple[str, Exception], ...] = field(default=())

    def describe(self) -> dict[str, Any]:
        """Facts of the scenario, for the footer of its label file."""
        return {
            "name": self.scenario,
            "fingerprint": self.fingerprint,
            "task": self.scenario.partition("/")[0],
            "summary": self.summary,
            "paper": self.paper,
            "version": self.settings.get("version", "1"),
            "estimators": [self.estimator],
            "metric": {"name": self.metric, "unit": self.unit},
            "settings": dict(self.settings),
            "statistics": dict(self.statistics),
        }
