"""v(S) for one burst under one restorer, by the cheapest way that the restorer offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.truth import project_truth, project_truth_to_frame
from restorers import Burst, LinearMerge, Restorer, SubsetRestorer
from restorers.base import check_accepts, check_image
from restorers.errors import RestorationError, UnsupportedBurstError
from restorers.fidelity import MetricConvention, crop_border, psnr, psnr_from_mse

_MIN_PIXELS = 256


@dataclass(frozen=True, eq=False)
class LabelingTask:
    """A burst with its truth.

    Attributes:
        burst: what the restorer sees.
        truth: float32 [H·scale, W·scale, 3], linear camera RGB on the reference's grid.
        scale: of the truth.
        homographies: float64 [T, 3, 3], reference to frame pixel; the restorer never sees them. None if unknown.
    """

    burst: Burst
    truth: NDArray[np.float32]
    scale: int
    homographies: NDArray[np.float64] | None


@dataclass(eq=False)
class FidelityGame:
    """Implements `estimators.Game`; every v(S) is computed once."""

    restorer: Restorer
    task: LabelingTask
    metric: MetricConvention
    _known: dict[frozenset[int], float] = field(default_factory=dict)
    _evaluate: Callable[[frozenset[int]], float] | None = None

    @property
    def num_frames(self) -> int:
        """T."""
        return self.task.burst.num_frames

    @property
    def reference_index(self) -> int:
        """r."""
        return self.task.burst.reference_index

    @property
    def border(self) -> int:
        """Pixels of the restorer's output that the metric drops: the convention counts in pixels of the truth."""
        return -(-self.metric.border * self.restorer.info.scale // self.task.scale)

    def value(self, members: frozenset[int]) -> float:
        """v(S)."""
        if members not in self._known:
            if self._evaluate is None:
                check_accepts(self.restorer.info, self.task.burst)
                self._evaluate = _choose_evaluation(self)
            self._known[members] = self._evaluate(members)
        return self._known[members]

    def value_alone(self, index: int) -> float:
        """Fidelity of frame `index` restored alone, over the pixels of its grid that the truth shows."""
        burst, task = self.task.burst.single(index), self.task
        check_accepts(self.restorer.info, burst)
        if task.homographies is None:
            raise UnsupportedBurstError("solo: the motion of the frames is unknown, so their own grids have no truth")
        truth, inside = project_truth_to_frame(
            task.truth,
            self.restorer.info,
            task.homographies[index],
            scale=task.scale,
            cfa=burst.cfa,
            shape=burst.frames.shape[1:3],
        )
        image = self.restorer.restore(burst)
        check_image(self.restorer.info, burst, image)
        inner = crop_border(inside, self.border)
        if inner.sum() < _MIN_PIXELS:
            raise UnsupportedBurstError(
                f"solo: frame {index} shares {inner.sum()} px with the truth, fewer than {_MIN_PIXELS}"
            )
        return psnr(
            crop_border(image, self.border)[inner][:, None],
            crop_border(truth, self.border)[inner][:, None],
            data_range=self.metric.data_range,
        )


def compute_gram(contributions: NDArray[np.float32], truth: NDArray[np.float32], border: int) -> NDArray[np.float64]:
    """Gram matrix G of the residuals of contributions c_i, per value: MSE(S) = 1ᵀ G_S 1 / |S|² with the reference in S.

    Args:
        contributions: float32 [T, H, W, ...].
        truth: float32 [H, W, ...].
        border: pixels dropped along each side.

    Returns:
        float64 [T, T].
    """
    target = crop_border(truth, border)
    residuals = np.stack([(crop_border(image, border) - target).ravel() for image in contributions]).astype(np.float64)
    gram: NDArray[np.float64] = residuals @ residuals.T / residuals.shape[1]
    return gram


def _choose_evaluation(game: FidelityGame) -> Callable[[frozenset[int]], float]:
    restorer, task, info = game.restorer, game.task, game.restorer.info
    truth = project_truth(task.truth, info, scale=task.scale, cfa=task.burst.cfa)

    def score(image: NDArray[Any]) -> float:
        check_image(info, task.burst, image)
        return psnr(image, truth, data_range=game.metric.data_range, border=game.border)

    if isinstance(restorer, LinearMerge):
        contributions = restorer.contributions(task.burst)
        if len(contributions) != task.burst.num_frames:
            raise RestorationError(f"contributions: expected {task.burst.num_frames} images, got {len(contributions)}")
        for image in contributions:
            check_image(info, task.burst, image)
        gram = compute_gram(contributions, truth, game.border)
        reference = task.burst.reference_index

        def merge(members: frozenset[int]) -> float:
            chosen = sorted(members | {reference})
            mse = float(gram[np.ix_(chosen, chosen)].mean())
            return psnr_from_mse(mse, data_range=game.metric.data_range)

        return merge
    if isinstance(restorer, SubsetRestorer):
        prepared = restorer.prepare(task.burst)
        return lambda members: score(restorer.fuse(prepared, sorted(members)))
    return lambda members: score(restorer.restore(task.burst.subset(sorted(members))))
