"""Rows of the table `labels`."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.scenarios import Definition
from manifests.schema.ranks import rank_scores


def make_label_rows(
    burst_id: str,
    scenario: str,
    definition: Definition,
    *,
    unit: str,
    score: NDArray[np.float64],
    std_error: NDArray[np.float64],
    num_evaluations: NDArray[np.int64],
    label_key: str,
    fingerprint: str,
    noise_error: NDArray[np.float64] | None = None,
    reasons: Mapping[int, str] = MappingProxyType({}),
) -> list[dict[str, Any]]:
    """One row per frame of a burst; null where it has no score.

    Args:
        burst_id: identifier of the burst.
        scenario: its name.
        definition: definition of the scores.
        unit: unit of score and standard error.
        score: float64 [T]; NaN where there is none.
        std_error: float64 [T]; NaN where it is not known.
        num_evaluations: int64 [T], what each score was computed from.
        label_key: key of all of them.
        fingerprint: fingerprint of the restorer or of the judgements.
        noise_error: float64 [T], standard deviation over redraws of the noise; NaN where it is not known, None for everywhere.
        reasons: why frames that should have a score have none, by frame.
    """
    rank, scaled = rank_scores(score, unit)
    return [
        {
            "burst_id": burst_id,
            "frame_index": index,
            "scenario": scenario,
            "estimator": definition.estimator,
            "metric": definition.metric,
            "score": float(score[index]) if known else None,
            "std_error": _know(std_error, index) if known else None,
            "noise_error": _know(noise_error, index) if known else None,
            "unit": unit,
            "rank": int(rank[index]) if known else None,
            "score_norm": float(scaled[index]) if known else None,
            "num_evaluations": int(num_evaluations[index]),
            "reason": None if known else reasons.get(index),
            "label_key": label_key,
            "restorer_fingerprint": fingerprint,
        }
        for index, known in enumerate((rank > 0).tolist())
    ]


def _know(values: NDArray[np.float64] | None, index: int) -> float | None:
    return None if values is None or not np.isfinite(values[index]) else float(values[index])
