"""Scores of assessors for the bursts of a data set."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from assessors.base import Assessor
from assessors.errors import InvalidAssessorError
from assessors.inputs import BurstInputs
from assessors.predictions import SCHEMA
from assessors.provider import InputProvider

Progress = Callable[[int, int], object]


def predict(
    assessors: Sequence[Assessor],
    provider: InputProvider,
    scenarios: Sequence[str],
    *,
    on_progress: Progress | None = None,
) -> list[pa.Table]:
    """Let assessors score every frame of every burst; the inputs of each burst are made once for all of them.

    Args:
        assessors: who scores.
        provider: the bursts.
        scenarios: the scenarios meant; an assessor that was trained for some scores those of them that are among these.
        on_progress: called with the number of bursts done and of all.

    Returns:
        Predictions of each assessor, columns as `assessors.predictions.SCHEMA`.

    Raises:
        InvalidAssessorError: if an assessor gives scores of the wrong number, or such that are not finite.
        ManifestError: if pixels cannot be read.
    """
    chosen = [
        [name for name in scenarios if assessor.info.scenarios is None or name in assessor.info.scenarios]
        for assessor in assessors
    ]
    rows: list[list[pa.Table]] = [[SCHEMA.empty_table()] for _ in assessors]
    for position, burst_id in enumerate(provider.burst_ids):
        inputs = provider[position]
        for assessor, names, tables in zip(assessors, chosen, rows, strict=True):
            for scenario in names:
                scores = _score(assessor, inputs, scenario, f"burst {burst_id}")
                columns = [[burst_id] * len(scores), range(len(scores)), [scenario] * len(scores), scores]
                tables.append(
                    pa.table(
                        [pa.array(column, field.type) for column, field in zip(columns, SCHEMA, strict=True)],
                        schema=SCHEMA,
                    )
                )
        if on_progress is not None:
            on_progress(position + 1, len(provider))
    return [pa.concat_tables(tables) for tables in rows]


def score_windows(assessor: Assessor, windows: Iterable[BurstInputs], scenario: str) -> NDArray[np.float64]:
    """Scores of the frames of a burst that is too large to be seen as a whole: means over windows.

    A window counts by the share of its frames whose motion was found: in one without structure nothing can be told.

    Args:
        assessor: who scores.
        windows: of one burst, at least one, each with all its frames.
        scenario: what the frames are for.

    Returns:
        float64 [T].

    Raises:
        InvalidAssessorError: as `predict`.
    """
    scores, weights = [], []
    for number, inputs in enumerate(windows):
        scores.append(_score(assessor, inputs, scenario, f"window {number}"))
        weights.append(float(inputs.found.mean()))
    return np.asarray(np.average(scores, axis=0, weights=weights), np.float64)


def _score(assessor: Assessor, inputs: BurstInputs, scenario: str, place: str) -> NDArray[np.float64]:
    scores = np.asarray(assessor.score(inputs, scenario), np.float64)
    if scores.shape != (inputs.num_frames,) or not np.isfinite(scores).all():
        raise InvalidAssessorError(
            f"assessor {assessor.info.name}: {place}, {scenario}: expected {inputs.num_frames} finite scores, got "
            f"shape {list(scores.shape)}, {int(np.isfinite(scores).sum())} of them finite"
        )
    return scores
