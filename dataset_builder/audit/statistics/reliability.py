"""How far labels can be trusted: their own errors against the differences they state, and repeated labelling."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dataset_builder.audit.statistics.ranks import find_best
from dataset_builder.audit.tables import ScoreMatrix
from manifests.schema import LABEL_SET


def measure_precision(matrix: ScoreMatrix) -> pd.DataFrame:
    """Standard errors of the labels against what they are to tell apart.

    Returns:
        Per label set: scenario, estimator, metric, `unit`, `median_error` and `max_error` (standard error; 0 where nothing was sampled),
        `median_spread` (standard deviation of the scores of a burst, median over bursts), `signal` (spread over error; NaN
        where the error is 0),
        `clear_best` (share of bursts whose best frame leads the second by more than two standard errors of the difference), `bursts`.
    """
    number = len(matrix.burst_ids)
    rows = []
    for place, (*key, unit) in enumerate(matrix.sets.itertuples(index=False, name=None)):
        values, errors = matrix.values[place], np.nan_to_num(matrix.std_errors[place])
        known = np.isfinite(values)
        owners = matrix.bursts[known]
        size = np.bincount(owners, minlength=number)
        sums, squares = (np.bincount(owners, values[known] ** power, minlength=number) for power in (1, 2))
        usable = size >= 2
        variance = (squares[usable] - sums[usable] ** 2 / size[usable]) / (size[usable] - 1)
        spread = float(np.median(np.sqrt(variance.clip(0)))) if usable.any() else np.nan
        error = float(np.median(errors[known])) if known.any() else np.nan
        rest = values.copy()
        best = find_best(values, matrix.bursts, number)
        led = best[best >= 0]
        rest[led] = np.nan
        second = find_runner_up(rest, matrix, number)[best >= 0]
        lead = values[led] - values[second]
        clear = float((lead > 2 * np.hypot(errors[led], errors[second])).mean()) if len(led) else np.nan
        signal = spread / error if error > 0 else np.nan
        largest = float(errors[known].max()) if known.any() else np.nan
        rows.append((*key, unit, error, largest, spread, signal, clear, len(led)))
    return pd.DataFrame(
        rows,
        columns=[*LABEL_SET, "unit", "median_error", "max_error", "median_spread", "signal", "clear_best", "bursts"],
    )


def find_runner_up(values: np.ndarray, matrix: ScoreMatrix, number: int) -> np.ndarray:
    """Row of the highest value left in each burst; −1 where none is."""
    rows = np.flatnonzero(np.isfinite(values))
    order = rows[np.lexsort((-values[rows], matrix.bursts[rows]))]
    owners, first = np.unique(matrix.bursts[order], return_index=True)
    found = np.full(number, -1)
    found[owners] = order[first]
    return found
