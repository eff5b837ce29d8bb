"""v(S) for one burst under one restorer, by the cheapest way that the restorer offers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.regions import MIN_PIXELS, Region, find_regions
from dataset_builder.labeling.spaces import to_space
from dataset_builder.labeling.truth import project_truth, project_truth_to_frame
from restorers import BatchRestorer, Burst, Domain, LinearMerge, Restorer, RestorerInfo, SubsetRestorer
from restorers.base import check_accepts, check_image
from restorers.errors import RestorationError, UnsupportedBurstError
from restorers.fidelity import MetricConvention, measure, psnr_from_mse, psnrs_from_mses

MAX_LINEAR = 20
"""Linear merges of bursts of at most this many frames are enumerated: 2^19 subsets."""
MAX_ENUMERATED = 8
"""So are other restorers' bursts of at most this many frames: 2^7 restorations."""
BATCH = 16
"""Subsets whose restored images are held at a time."""


@dataclass(frozen=True, eq=False)
class LabelingTask:
    """A burst with its truth.

    Attributes:
        burst: what the restorer sees.
        truth: float32 [H·scale, W·scale, 3], linear camera RGB on the reference's grid.
        scale: scale of the truth.
        homographies: float64 [T, 3, 3], reference to frame pixel; the restorer never sees them. None if unknown.
        clear: bool [T, H, W], False where a frame shows an object that moves on its own; None for everywhere True.
    """

    burst: Burst
    truth: NDArray[np.float32]
    scale: int
    homographies: NDArray[np.float64] | None
    clear: NDArray[np.bool_] | None = None


@dataclass(eq=False)
class FidelityGame:
    """Implements `estimators.Game`; every v(S) is computed once."""

    restorer: Restorer
    task: LabelingTask
    metric: MetricConvention
    _known: dict[frozenset[int], float] = field(default_factory=dict)

    @property
    def num_frames(self) -> int:
        """T."""
        return self.task.burst.num_frames

    @property
    def others(self) -> tuple[int, ...]:
        """All frames but the reference."""
        return self.task.burst.others

    @property
    def border(self) -> int:
        """Pixels that the metric drops, of the images that it compares: the convention counts in pixels of the truth."""
        scale = 1 if self.metric.space == "raw" else self.restorer.info.scale
        return math.ceil(self.metric.border * scale / self.task.scale)

    def value(self, members: frozenset[int]) -> float:
        """v(S)."""
        if members not in self._known:
            self._known[members] = self._evaluate(members)
        return self._known[members]

    def expect(self, subsets: Iterable[frozenset[int]]) -> None:
        """Restore the subsets at once, if that is faster."""
        if not self._works_in_batches:
            return
        missing = [members for members in dict.fromkeys(subsets) if members not in self._known]
        for start in range(0, len(missing), BATCH):
            chunk = missing[start : start + BATCH]
            images = self._restore_many([self.task.burst.subset(sorted(members)) for members in chunk])
            self._known.update(zip(chunk, map(self._score, images), strict=True))

    def enumerate_values(self) -> NDArray[np.float64] | None:
        """v of all subsets of `others` by number: of linear merges in milliseconds, of other restorers one by one if they are few."""
        count = len(self.others)
        if self._gram is not None and count < MAX_LINEAR:
            order = [self.task.burst.reference_index, *self.others]
            return psnrs_from_mses(enumerate_mse(self._gram[np.ix_(order, order)]), data_range=self.metric.data_range)
        if count < MAX_ENUMERATED:
            subsets = [self._find_members(number) for number in range(2**count)]
            self.expect(subsets)
            return np.array([self.value(members) for members in subsets])
        return None

    def value_alone(self, index: int) -> float:
        """Fidelity of frame `index` restored alone, on its own grid, over what all frames show (`regions.py`)."""
        burst = self.task.burst.single(index)
        images = self._images_alone
        restore = self.restorer.restore if images is None else lambda _: images[index]
        return self._score_on_grid(index, burst, restore, exposure=1.0)

    def value_as_reference(self, index: int) -> float:
        """Fidelity of all frames restored on the grid of frame `index`, over what all frames show (`regions.py`)."""
        exposure = float(self.task.burst.exposure_ratio[index])
        burst = self.task.burst.with_reference(index)
        return self._score_on_grid(index, burst, self.restorer.restore, exposure=exposure)

    @cached_property
    def _regions(self) -> tuple[Region | None, ...]:
        task = self.task
        if task.homographies is None:
            return (None,) * self.num_frames
        return find_regions(
            task.homographies,
            shape=(task.burst.frames.shape[1], task.burst.frames.shape[2]),
            truth_shape=(task.truth.shape[0], task.truth.shape[1]),
            scale=task.scale,
            reference_index=task.burst.reference_index,
            border=math.ceil(self.metric.border / task.scale),
            clear=task.clear,
        )

    def _score_on_grid(
        self, index: int, burst: Burst, restore: Callable[[Burst], NDArray[np.float32]], *, exposure: float
    ) -> float:
        task, info = self.task, self.restorer.info
        check_accepts(info, burst)
        if task.homographies is None:
            raise UnsupportedBurstError(f"frame {index}: the motion is unknown, so its own grid has no truth")
        truth = project_truth_to_frame(
            task.truth,
            info,
            task.homographies[index],
            domain=burst.domain,
            scale=task.scale,
            cfa=burst.cfa,
            shape=burst.frames.shape[1:3],
        )
        image = restore(burst)
        check_image(info, burst, image)
        seen, expected = (
            to_space(each, self.metric.space, info=info, burst=task.burst)
            for each in (image / np.float32(exposure), truth)
        )
        return measure(self.metric, self._confine(index, seen), self._confine(index, expected))

    def _confine(self, index: int, image: NDArray[np.floating[Any]]) -> NDArray[np.floating[Any]]:
        """What counts of an image on the grid of a frame: for PSNR all pixels of the region, for metrics of structure a rectangle."""
        region = self._regions[index]
        found = None if region is None else region.choose(image) if self.metric.kind == "psnr" else region.cut(image)
        if found is None:
            raise UnsupportedBurstError(
                f"frame {index}: shows too little of what the others show; half of it and {MIN_PIXELS} px are needed"
            )
        return found

    @cached_property
    def _evaluate(self) -> Callable[[frozenset[int]], float]:
        task, metric = self.task, self.metric
        check_accepts(self.restorer.info, task.burst)
        if (gram := self._gram) is not None:
            reference = task.burst.reference_index

            def merge(members: frozenset[int]) -> float:
                chosen = sorted(members | {reference})
                return psnr_from_mse(float(gram[np.ix_(chosen, chosen)].mean()), data_range=metric.data_range)

            return merge
        restore = make_subset_restoration(self.restorer, task.burst)
        return lambda members: self._score(restore(members))

    def _score(self, image: NDArray[np.float32]) -> float:
        """Fidelity of an image on the grid of the reference."""
        task, info, space = self.task, self.restorer.info, self.metric.space
        check_image(info, task.burst, image)
        seen = to_space(image, space, info=info, burst=task.burst)
        return measure(self.metric, seen, self._expected, border=self.border)

    @cached_property
    def _expected(self) -> NDArray[np.floating[Any]]:
        return to_space(self._truth, self.metric.space, info=self.restorer.info, burst=self.task.burst)

    @property
    def _works_in_batches(self) -> bool:
        """On the CPU several inputs at once are no faster, and their sums may be rounded otherwise."""
        return self.restorer.info.device != "cpu" and isinstance(self.restorer, BatchRestorer)

    def _restore_many(self, bursts: list[Burst]) -> list[NDArray[np.float32]]:
        assert isinstance(self.restorer, BatchRestorer)
        for burst in bursts:
            check_accepts(self.restorer.info, burst)
        images = self.restorer.restore_many(bursts)
        if len(images) != len(bursts):
            raise RestorationError(f"restore_many: expected {len(bursts)} images, got {len(images)}")
        return images

    @cached_property
    def _images_alone(self) -> list[NDArray[np.float32]] | None:
        """Every frame restored alone, where that works at once; one that cannot be restored is no reason to give up the others."""
        if not self._works_in_batches:
            return None
        try:
            return self._restore_many([self.task.burst.single(index) for index in range(self.num_frames)])
        except Exception:  # noqa: BLE001  # third-party code; each frame then fails for itself, and says why
            return None

    @cached_property
    def _gram(self) -> NDArray[np.float64] | None:
        """Of linear merges, under metrics that are functions of the MSE of the merge itself."""
        task, info = self.task, self.restorer.info
        if not isinstance(self.restorer, LinearMerge) or not follows_from_mse(self.metric, info, task.burst.domain):
            return None
        check_accepts(info, task.burst)
        return compute_gram(load_contributions(self.restorer, task.burst), self._truth, self.border)

    @cached_property
    def _truth(self) -> NDArray[np.float32]:
        task = self.task
        return project_truth(
            task.truth, self.restorer.info, domain=task.burst.domain, scale=task.scale, cfa=task.burst.cfa
        )

    def _find_members(self, number: int) -> frozenset[int]:
        return frozenset(frame for bit, frame in enumerate(self.others) if number >> bit & 1)


def follows_from_mse(metric: MetricConvention, info: RestorerInfo, domain: Domain) -> bool:
    """Whether a fidelity with truth is a function of the MSE of the restored image as it is, in its own domain and scale."""
    output = info.output_for(domain)
    direct = metric.space == "linear" or (metric.space == "raw" and output is Domain.RAW_BAYER)
    return metric.kind == "psnr" and direct and output is not Domain.SRGB


def is_enumerable(
    metric: MetricConvention, info: RestorerInfo, domain: Domain, num_frames: int, *, linear: bool
) -> bool:
    """Whether v of all subsets of a burst can be had: of every restorer where they are few, of linear merges from one Gram matrix.

    Args:
        metric: metric of the fidelities.
        info: facts of the restorer.
        domain: domain of the burst.
        num_frames: number of frames of the burst.
        linear: whether the restorer is a `LinearMerge`.
    """
    if num_frames <= MAX_ENUMERATED:
        return True
    plain = info.scale == 1 and info.output_for(domain) is domain
    seen = follows_from_mse(metric, info, domain) if metric.needs_truth else plain
    return linear and seen and num_frames <= MAX_LINEAR


def load_contributions(restorer: LinearMerge, burst: Burst) -> NDArray[np.float32]:
    """The checked contributions of all frames, float32 [T, ...].

    Raises:
        RestorationError: if their number, shape or values are wrong.
    """
    contributions = restorer.contributions(burst)
    if len(contributions) != burst.num_frames:
        raise RestorationError(f"contributions: expected {burst.num_frames} images, got {len(contributions)}")
    for image in contributions:
        check_image(restorer.info, burst, image)
    return contributions


def make_subset_restoration(restorer: Restorer, burst: Burst) -> Callable[[frozenset[int]], NDArray[np.float32]]:
    """A function from the frames S to the image R(S), by the cheapest way that the restorer offers."""
    if isinstance(restorer, LinearMerge):
        contributions = load_contributions(restorer, burst)
        return lambda members: contributions[sorted(members | {burst.reference_index})].mean(axis=0)
    if isinstance(restorer, SubsetRestorer):
        prepared = restorer.prepare(burst)
        return lambda members: restorer.fuse(prepared, sorted(members))
    return lambda members: restorer.restore(burst.subset(sorted(members)))


def compute_gram(contributions: NDArray[np.float32], truth: NDArray[np.float32], border: int) -> NDArray[np.float64]:
    """Gram matrix G of the residuals of contributions c_i, per value: MSE(S) = 1ᵀ G_S 1 / |S|² with the reference in S.

    Args:
        contributions: float32 [T, H, W, ...].
        truth: float32 [H, W, ...].
        border: pixels dropped along each side.

    Returns:
        float64 [T, T].
    """
    inner = np.s_[:, border : truth.shape[0] - border, border : truth.shape[1] - border]
    residuals = np.subtract(contributions[inner], truth[None][inner], dtype=np.float64).reshape(len(contributions), -1)
    gram: NDArray[np.float64] = residuals @ residuals.T / residuals.shape[1]
    return gram


def enumerate_mse(gram: NDArray[np.float64]) -> NDArray[np.float64]:
    """MSE of every subset from the Gram matrix of the residuals, whose first row and column are those of the reference.

    Args:
        gram: float64 [1 + n, 1 + n].

    Returns:
        float64 [2^n]: 1ᵀ G_S 1 / |S|² with the reference in S, by the number of the subset of the others (bit k for the k-th).
    """
    total = np.array([gram[0, 0]])
    for player in range(1, len(gram)):
        # Σ_{j ∈ S} G_ij of all subsets of the frames before, built up in the same order of numbers.
        cross = np.array([gram[0, player]])
        for other in range(1, player):
            cross = np.concatenate([cross, cross + gram[other, player]])
        total = np.concatenate([total, total + 2 * cross + gram[player, player]])
    size = 1 + np.bitwise_count(np.arange(len(total), dtype=np.uint32))
    mse: NDArray[np.float64] = total / size.astype(np.float64) ** 2
    return mse
