"""Rows of the table `labels`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from dataset_builder.labeling.scenarios import Definition
from dataset_builder.work.unit import Failure
from manifests.schema.ranks import rank_scores
from restorers.errors import UnsupportedBurstError


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


def state_reason(error: Exception) -> str:
    """An error as the column `reason` has it."""
    failure = Failure.from_exception(error)
    return f"{failure.error_type}: {failure.message}"


def may_change(reason: str) -> bool:
    """Whether another attempt may find a score: not where the burst is at fault."""
    return not reason.startswith(f"{UnsupportedBurstError.__name__}: ")


def list_unscored(labels: pa.Table) -> list[dict[str, Any]]:
    """What has a reason instead of a score: an entry for each burst, estimator and metric, or for each frame where others have scores.

    Args:
        labels: table `labels`, or these of its columns: `burst_id`, `estimator`, `metric`, `frame_index`, `score`, `reason`.

    Returns:
        Dictionaries of `burst_id`, `estimator`, `metric`, `frame_index` (None for all that the estimator would score) and `failure`.
    """
    names = ["burst_id", "estimator", "metric"]
    concerned = labels.filter(pc.is_valid(labels.column("reason"))).select(names).group_by(names).aggregate([])
    if not concerned.num_rows:
        return []
    groups: dict[tuple[str, ...], list[dict[str, Any]]] = defaultdict(list)
    keys = {tuple(row.values()) for row in concerned.to_pylist()}
    own = labels.filter(pc.is_in(labels.column("burst_id"), value_set=concerned.column("burst_id").combine_chunks()))
    for row in own.select([*names, "frame_index", "score", "reason"]).to_pylist():
        if (key := tuple(row[name] for name in names)) in keys:
            groups[key].append(row)
    found = []
    for key, rows in groups.items():
        failed = [row for row in rows if row["reason"] is not None]
        whole = len({row["reason"] for row in failed}) == 1 and all(row["score"] is None for row in rows)
        for row in failed[:1] if whole else failed:
            kind, _, message = row["reason"].partition(": ")
            entry = {**dict(zip(names, key, strict=True)), "frame_index": None if whole else row["frame_index"]}
            found.append({**entry, "failure": Failure(kind, message)})
    return found


def _know(values: NDArray[np.float64] | None, index: int) -> float | None:
    return None if values is None or not np.isfinite(values[index]) else float(values[index])
