"""Your own judgements of frames, from CSV files: preferences of pairs, or scores."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from dataset_builder.errors import SourceError
from dataset_builder.judgements.annotations import AnnotatedBurst, Annotations
from dataset_builder.judgements.preferences import (
    EXTREME,
    PREFERENCES_VERSION,
    FrameScores,
    Judgements,
    count_agreements,
    fit_preferences,
)
from dataset_builder.judgements.tables import AnnotationFileError, read_table
from dataset_builder.work.unit import hash_facts
from manifests.confined.plain import hash_plain

_SCENARIO = re.compile(r"subjective/[a-z0-9][a-z0-9_-]{0,60}")


def read_pair_annotations(path: Path, scenario: str) -> Annotations:
    """Bradley-Terry scores from a CSV with the columns `burst`, `first`, `second`, `preference` and perhaps `votes` (default 1).

    Raises:
        SourceError: if it cannot be read; bursts from which no scores follow are named in `rejected`.
    """
    require_scenario(scenario)
    table = read_table(path, text=("burst", "first", "second"), numbers=("preference",), optional=("votes",))
    table["votes"] = table["votes"].fillna(1.0) if "votes" in table else 1.0
    bursts: list[AnnotatedBurst] = []
    rejected: list[tuple[str, Exception]] = []
    agreed = decided = 0
    for burst, rows in table.groupby("burst", sort=True):
        names = sorted({*rows["first"], *rows["second"]})
        places = {name: index for index, name in enumerate(names)}
        judgements = Judgements(
            rows["first"].map(places).to_numpy(np.int64),
            rows["second"].map(places).to_numpy(np.int64),
            rows["preference"].to_numpy(np.float64),
            rows["votes"].to_numpy(np.float64),
        )
        try:
            scores = fit_preferences(judgements, len(names))
        except SourceError as error:
            rejected.append((str(burst), error))
            continue
        counts = count_agreements(judgements, scores.score)
        agreed, decided = agreed + counts[0], decided + counts[1]
        bursts.append(AnnotatedBurst(str(burst), tuple(names), scores))
    settings = {
        "version": PREFERENCES_VERSION,
        "file": hash_plain(path),
        "shares_clipped_to": [EXTREME, 1 - EXTREME],
    }
    return Annotations(
        scenario=scenario,
        estimator="bradley_terry",
        metric="preference",
        unit="logit",
        summary="Preferences of pairs: Bradley-Terry scores, sum 0 within a burst",
        paper="",
        settings=settings,
        statistics={
            "pairs_decided": decided,
            "pairs_agreeing": agreed,
            "agreement": agreed / decided if decided else None,
        },
        fingerprint=hash_facts([scenario, settings]),
        bursts=tuple(bursts),
        rejected=tuple(rejected),
    )


def read_score_annotations(path: Path, scenario: str, *, unit: str) -> Annotations:
    """Mean scores from a CSV with the columns `burst`, `frame`, `score`.

    The standard error of a mean of n lines is that of one judgement by √n, where the deviation of one judgement is pooled over all frames
    of the file with several lines; 0 if there are none.

    Raises:
        SourceError: if it cannot be read.
    """
    require_scenario(scenario)
    table = read_table(path, text=("burst", "frame"), numbers=("score",))
    groups = table.groupby(["burst", "frame"], sort=True)["score"].agg(["mean", "count", "var"]).reset_index()
    several = groups[groups["count"] > 1]
    freedom = float((several["count"] - 1).sum())
    pooled = float(((several["count"] - 1) * several["var"]).sum()) / freedom if freedom else 0.0
    bursts = []
    for burst, rows in groups.groupby("burst", sort=True):
        count = rows["count"].to_numpy(np.int64)
        scores = FrameScores(rows["mean"].to_numpy(np.float64), np.sqrt(pooled / count), count)
        bursts.append(AnnotatedBurst(str(burst), tuple(rows["frame"]), scores))
    settings: dict[str, Any] = {"version": "1", "file": hash_plain(path), "deviation_of_one_judgement": pooled**0.5}
    return Annotations(
        scenario=scenario,
        estimator="mean_opinion",
        metric="opinion",
        unit=unit,
        summary="Mean of the scores that people gave",
        paper="",
        settings=settings,
        statistics={"scores": len(table)},
        fingerprint=hash_facts([scenario, settings, unit]),
        bursts=tuple(bursts),
    )


def require_scenario(scenario: str) -> None:
    """Refuse a name that is not one of a scenario of judgements.

    Raises:
        SourceError: if it is none.
    """
    if not _SCENARIO.fullmatch(scenario):
        raise AnnotationFileError(f"scenario {scenario!r}: expected subjective/NAME, NAME of [a-z0-9_-]")
