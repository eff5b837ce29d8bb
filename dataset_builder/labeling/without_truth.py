"""Labels of real bursts: estimates of the error against a scene that nobody knows, each made of several parts whose spread is its error."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.estimate import Estimate
from dataset_builder.labeling.estimators import Estimator
from dataset_builder.labeling.game import MAX_ENUMERATED
from dataset_builder.labeling.stopping import find_resolution
from restorers import Burst
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import MetricConvention


class Comparison(Protocol):
    """Fidelities of every subset, in several parts: one per held-out frame, or one per block of the image.

    Attributes:
        burst: the burst.
        metric: what the fidelities are.
        num_parts: K.
    """

    burst: Burst
    metric: MetricConvention
    num_parts: int

    def list_others(self, part: int) -> tuple[int, ...]:
        """The frames that take part in the game of a part."""
        ...

    def compare(self, members: frozenset[int]) -> NDArray[np.float64]:
        """v(S) of each part, float64 [K]; meaningless for parts in which a member does not take part."""
        ...

    def enumerate_values(self, part: int) -> NDArray[np.float64] | None:
        """v of all subsets of a part by number, where they come at little cost."""
        ...


class PartGame:
    """The game of one part; implements `estimators.Game`."""

    def __init__(self, comparison: Comparison, part: int) -> None:
        self._comparison, self._part = comparison, part
        self.num_frames = comparison.burst.num_frames
        self.others = comparison.list_others(part)
        self.resolution = find_resolution(comparison.metric)

    def value(self, members: frozenset[int]) -> float:
        """v(S)."""
        return float(self._comparison.compare(members)[self._part])

    def expect(self, subsets: Iterable[frozenset[int]]) -> None:
        """Nothing is done ahead: the image of a subset serves all parts."""

    def enumerate_values(self) -> NDArray[np.float64] | None:
        """v of all subsets by number; None where that would cost too much."""
        values = self._comparison.enumerate_values(self._part)
        if values is None and len(self.others) < MAX_ENUMERATED:
            subsets = (
                frozenset(frame for bit, frame in enumerate(self.others) if number >> bit & 1)
                for number in range(2 ** len(self.others))
            )
            return np.array([self.value(members) for members in subsets])
        return values

    def value_alone(self, index: int) -> float:
        """Not defined: what is compared lies on the grid of the reference, or of a frame that is kept out."""
        raise UnsupportedBurstError(
            f"frame {index}: without ground truth only estimators that compare subsets are defined, such as leave_one_out"
        )

    value_as_reference = value_alone


def average_parts(
    estimator: Estimator, comparison: Comparison, make_rng: Callable[[], np.random.Generator]
) -> Estimate:
    """Mean of a marginal estimator's scores over the parts, with the standard error of their spread.

    Parts differ in level, so where a frame does not take part in one, least squares fill it in (score = frame + part). Every part gets a
    generator in the same state, so that what is sampled is the same and each subset is restored once.

    Raises:
        UnsupportedBurstError: if the estimator is not marginal, or the parts leave it too few frames.
    """
    least = estimator.min_frames
    for part in range(comparison.num_parts):
        if (count := 1 + len(comparison.list_others(part))) < least:
            raise UnsupportedBurstError(
                f"{estimator.name}: expected at least {least} frames beside what is kept out, got {count}"
            )
    estimates = [estimator.function(PartGame(comparison, part), make_rng()) for part in range(comparison.num_parts)]
    known = np.isfinite([estimate.score for estimate in estimates]).sum(axis=0)
    scores = _fill_in(np.stack([estimate.score for estimate in estimates]))
    error = np.full(len(known), np.nan)
    error[known > 1] = scores[:, known > 1].std(axis=0, ddof=1) / np.sqrt(known[known > 1])
    evaluations = np.sum([estimate.num_evaluations for estimate in estimates], axis=0)
    return Estimate(scores.mean(axis=0), error, np.where(known > 0, evaluations, 0))


def _fill_in(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scores [K, T] with NaN where a part does not know a frame that others know: the additive model stands in for those."""
    parts, frames = np.nonzero(np.isfinite(scores))
    design = np.zeros((len(parts), sum(scores.shape)))
    design[np.arange(len(parts)), parts] = 1
    design[np.arange(len(parts)), len(scores) + frames] = 1
    levels = np.linalg.lstsq(design, scores[parts, frames], rcond=None)[0]
    fitted = levels[: len(scores), None] + levels[len(scores) :]
    unknown = np.isnan(scores) & np.isfinite(scores).any(axis=0)
    return np.where(unknown, fitted, scores)


def mean_square(images: NDArray[Any]) -> NDArray[np.float64]:
    """Mean products of flattened images [T, ...]: float64 [T, T]."""
    flat = images.reshape(len(images), -1).astype(np.float64)
    products: NDArray[np.float64] = flat @ flat.T / flat.shape[1]
    return products
