"""How sure it is that one frame is better than another, from scores and their errors.

Errors of two frames of a burst are taken as independent. Those of leave_one_out and Shapley values are; those of add_one share the noise of
the reference, so that the difference of two scores is up to a third surer than said here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr


def combine_errors(std_error: NDArray[np.floating[Any]], noise_error: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """Standard deviation of a score by sampling and by noise together.

    Args:
        std_error: of the estimator, as in the column `std_error`; NaN where unknown.
        noise_error: of the noise, as in the column `noise_error`; NaN where unknown.

    Returns:
        float64 of the same shape; NaN where the noise is unknown: a label whose noise nobody measured is not certain.

    Examples:
        >>> combine_errors(np.array([0.3, np.nan, 0.3]), np.array([0.4, 0.4, np.nan])).tolist()
        [0.5, 0.4, nan]
    """
    return np.asarray(np.hypot(np.nan_to_num(std_error), noise_error), np.float64)


def find_probability_better(
    score: NDArray[np.floating[Any]],
    other_score: NDArray[np.floating[Any]],
    error: NDArray[np.floating[Any]],
    other_error: NDArray[np.floating[Any]],
) -> NDArray[np.float64]:
    """P(the first frame is truly better than the second): Φ((s − s') / √(σ² + σ'²)), of normal errors that do not know of each other.

    Args:
        score: scores of the first frames; more is better.
        other_score: scores of the second ones, of a shape that broadcasts.
        error: standard deviation of each score, as `combine_errors` gives it.
        other_error: the same of the second ones.

    Returns:
        float64 in 0..1; without any error 1, ½ or 0; NaN where a score or an error is unknown.

    Examples:
        >>> errors = np.array([0.3, 0.3])
        >>> find_probability_better(np.array([1.0, 1.0]), np.array([1.0, 0.5]), errors, errors).round(2).tolist()
        [0.5, 0.88]
    """
    lead = np.subtract(score, other_score, dtype=np.float64)
    spread = np.hypot(np.asarray(error, np.float64), other_error)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.where((spread == 0) & (lead == 0), 0.0, lead / spread)
    probability: NDArray[np.float64] = ndtr(distance)
    return probability
