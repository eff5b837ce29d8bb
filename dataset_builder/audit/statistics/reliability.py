"""How far labels can be trusted: their own errors, by sampling and by noise, against the differences they state."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dataset_builder.audit.statistics.ranks import find_best
from dataset_builder.audit.tables import ScoreMatrix
from manifests.certainty import combine_errors, find_probability_better
from manifests.schema import LABEL_SET
from restorers.fidelity import METRICS

CLEAR = 0.975
"""Probability from which one frame counts as clearly better than another."""


def measure_precision(matrix: ScoreMatrix) -> pd.DataFrame:
    """Standard errors of the labels against what they are to tell apart.

    Returns:
        Per label set: scenario, estimator, metric, `unit`, `median_error` and `max_error` (standard error; 0 where nothing was sampled),
        `median_noise` (noise error; NaN where it was not measured), `median_spread` (standard deviation of the scores of a burst, median
        over bursts), `signal` (spread over error; NaN where the error is 0), `clear_best` (share of bursts whose best frame is
        better than the second with a probability of `CLEAR`, of those bursts whose noise is known; NaN without one), `bursts`.
    """
    rows = []
    for place, (*key, unit) in enumerate(matrix.sets.itertuples(index=False, name=None)):
        values, errors = matrix.values[place], np.nan_to_num(matrix.std_errors[place])
        known = np.isfinite(values)
        spread = _median(_measure_spread(values, matrix))
        error = float(np.median(errors[known])) if known.any() else np.nan
        largest = float(errors[known].max()) if known.any() else np.nan
        clear = _find_clear_best(matrix, place)
        numbers = (_mean(clear), int((find_best(values, matrix.bursts, len(matrix.burst_ids)) >= 0).sum()))
        signal = spread / error if error > 0 else np.nan
        rows.append((*key, unit, error, largest, _median(matrix.noise_errors[place]), spread, signal, *numbers))
    columns = ["unit", "median_error", "max_error", "median_noise", "median_spread", "signal", "clear_best", "bursts"]
    return pd.DataFrame(rows, columns=[*LABEL_SET, *columns])


def measure_label_noise(matrix: ScoreMatrix, presets: NDArray[np.object_]) -> pd.DataFrame:
    """How far labels are noise, for each preset apart: frames of some presets are as good as exchangeable.

    The variance of the scores of a burst is that of true worth and that of noise and sampling together. Where the latter is more than half
    of it, the burst is below its noise.

    Args:
        matrix: label sets.
        presets: preset of each burst, object [B].

    Returns:
        Per label set and preset that has a measured noise: scenario, estimator, metric, `preset`, `unit`, `noise_error` and `spread` (root
        mean square over bursts; of the error by noise and sampling, and of the standard deviation of scores), `signal` (spread over error),
        `reliability` (share of the variance that is not error: what another draw of the noise would correlate with this one),
        `below_noise` (share of bursts below their noise), `clear_best` (as `measure_precision`), `bursts`.
    """
    rows = []
    for place, (*key, unit) in enumerate(matrix.sets.itertuples(index=False, name=None)):
        spread, error = _measure_spread(matrix.values[place], matrix) ** 2, _average_noise(matrix, place)
        known = np.isfinite(spread) & np.isfinite(error)
        clear = _find_clear_best(matrix, place)
        for preset in sorted(set(presets[known])):
            mine = known & (presets == preset)
            total, noise = float(spread[mine].mean()), float(error[mine].mean())
            below = float((spread[mine] <= 2 * error[mine]).mean())
            signal = np.sqrt(total / noise) if noise > 0 else np.nan
            reliability = 1 - noise / total if total > 0 else np.nan
            numbers = (np.sqrt(noise), np.sqrt(total), signal, reliability, below, _mean(clear[mine]), int(mine.sum()))
            rows.append((*key, preset, unit, *numbers))
    columns = ["noise_error", "spread", "signal", "reliability", "below_noise", "clear_best", "bursts"]
    return pd.DataFrame(rows, columns=[*LABEL_SET, "preset", "unit", *columns])


def list_below_noise(matrix: ScoreMatrix, presets: NDArray[np.object_]) -> pd.DataFrame:
    """Bursts whose frames differ less than the noise of their labels, as `measure_label_noise` counts them.

    Returns:
        Columns scenario, estimator, metric, `preset`, `burst_id`, `signal` (spread over error); sorted, the noisiest first.
    """
    rows = []
    for place, key in enumerate(matrix.sets[LABEL_SET].itertuples(index=False, name=None)):
        spread, error = _measure_spread(matrix.values[place], matrix) ** 2, _average_noise(matrix, place)
        for burst in np.flatnonzero((error > 0) & (spread <= 2 * error)):
            signal = float(np.sqrt(spread[burst] / error[burst]))
            rows.append((*key, presets[burst], str(matrix.burst_ids[burst]), signal))
    table = pd.DataFrame(rows, columns=[*LABEL_SET, "preset", "burst_id", "signal"])
    return table.sort_values([*LABEL_SET, "preset", "signal", "burst_id"], ignore_index=True)


def find_runner_up(values: NDArray[np.float64], matrix: ScoreMatrix, number: int) -> NDArray[np.int64]:
    """Row of the highest value left in each burst; −1 where none is."""
    rows = np.flatnonzero(np.isfinite(values))
    order = rows[np.lexsort((-values[rows], matrix.bursts[rows]))]
    owners, first = np.unique(matrix.bursts[order], return_index=True)
    found: NDArray[np.int64] = np.full(number, -1)
    found[owners] = order[first]
    return found


def _measure_spread(values: NDArray[np.float64], matrix: ScoreMatrix) -> NDArray[np.float64]:
    """Standard deviation of the scores of each burst, [B]; NaN of fewer than two."""
    number, known = len(matrix.burst_ids), np.isfinite(values)
    size = np.bincount(matrix.bursts[known], minlength=number)
    sums = np.bincount(matrix.bursts[known], values[known], minlength=number)
    means = np.divide(sums, size, out=np.zeros(number), where=size > 0)
    squares = np.bincount(matrix.bursts[known], (values[known] - means[matrix.bursts[known]]) ** 2, minlength=number)
    variance = np.full(number, np.nan)
    np.divide(squares, size - 1, out=variance, where=size >= 2)
    spread: NDArray[np.float64] = np.sqrt(variance)
    return spread


def _find_errors(matrix: ScoreMatrix, place: int) -> NDArray[np.float64]:
    """Error of each score by sampling and by noise; NaN where the noise is unknown."""
    metric = matrix.sets["metric"].iloc[place]
    if metric in METRICS and METRICS[metric].compares_parts:
        own: NDArray[np.float64] = matrix.std_errors[place]  # of parts of the very burst, noise and all
        return own
    return combine_errors(matrix.std_errors[place], matrix.noise_errors[place])


def _average_noise(matrix: ScoreMatrix, place: int) -> NDArray[np.float64]:
    """Mean squared error of the scores of each burst, [B]; NaN where it is unknown of one."""
    number, errors = len(matrix.burst_ids), _find_errors(matrix, place)
    scored = np.isfinite(matrix.values[place])
    size = np.bincount(matrix.bursts[scored], minlength=number)
    # NaN of one frame is NaN of its burst.
    sums = np.bincount(matrix.bursts[scored], errors[scored] ** 2, minlength=number)
    mean: NDArray[np.float64] = np.divide(sums, size, out=np.full(number, np.nan), where=size > 0)
    return mean


def _find_clear_best(matrix: ScoreMatrix, place: int) -> NDArray[np.float64]:
    """Of each burst 1 where the best frame is clearly better than the second, 0 where it is not, NaN where nobody knows; [B]."""
    number, values, errors = len(matrix.burst_ids), matrix.values[place], _find_errors(matrix, place)
    best = find_best(values, matrix.bursts, number)
    led = best[best >= 0]
    rest = values.copy()
    rest[led] = np.nan
    second = find_runner_up(rest, matrix, number)[best >= 0]
    probability = find_probability_better(values[led], values[second], errors[led], errors[second])
    clear = np.full(number, np.nan)
    clear[best >= 0] = np.where(np.isnan(probability), np.nan, probability >= CLEAR)
    return clear


def _mean(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else np.nan


def _median(values: NDArray[np.float64]) -> float:
    known = values[np.isfinite(values)]
    return float(np.median(known)) if len(known) else np.nan
