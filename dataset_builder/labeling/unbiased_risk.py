"""`mse_unbiased`: the error against the noise-free reference frame, estimated without knowing it.

Stein's unbiased risk estimate (Stein, Annals of Statistics 1981): for y = x + n with independent Gaussian noise of variance σ²(x),
E‖f(y) − x‖² = E[‖f(y) − y‖² + 2 Σ σ² ∂f/∂y] − Σ σ². The last sum is the same for all subsets and is left out; the divergence is measured by
a random perturbation of the reference (Ramani, Blu & Unser, TIP 2008). Nothing is resampled, so the target is sharp where the reference
is; the noise model is that of the burst, or measured from it where it has none. The blur of the reference itself counts as the truth.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.game import MAX_LINEAR, enumerate_mse
from dataset_builder.labeling.restorations import Restorations, load_contributions
from dataset_builder.labeling.spaces import to_space
from dataset_builder.labeling.without_truth import mean_square
from restorers import Burst, Domain, LinearMerge, Restorer
from restorers.base import check_accepts, check_image
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import MetricConvention
from restorers.imaging.mosaic import join_planes, split_planes
from restorers.imaging.noise import noise_levels

BLOCKS_PER_SIDE = 4
"""The image is divided into this many blocks along each side; the spread of their scores gives the standard error."""
PROBES = 1
"""Random perturbations. More cost more and hardly help: what remains is the noise and the blur of the one reference."""
MARGIN = 3.0
"""Standard deviations of the noise that must fit below white where the reference counts."""
LEAST_SHOWN = 0.1
"""Share of a block that must not be saturated."""
LEAST_PARTS = 4
_STEP = 0.1
"""Size of the perturbation in standard deviations of the noise."""


class UnbiasedRisk:
    """Implements `without_truth.Comparison` with one part per block of the image that the reference does not saturate.

    Raises:
        UnsupportedBurstError: if the burst is not a linear mosaic, too small, or too bright.
    """

    def __init__(self, restorer: Restorer, burst: Burst, metric: MetricConvention, rng: np.random.Generator) -> None:
        check_accepts(restorer.info, burst)
        if burst.domain is not Domain.RAW_BAYER:
            raise UnsupportedBurstError(
                f"{metric.name}: needs the noise of raw_bayer frames, got {burst.domain}; use mse_held_out"
            )
        height, width = (side - 2 * metric.border for side in burst.reference.shape)
        if min(height, width) < 4 * BLOCKS_PER_SIDE:
            raise UnsupportedBurstError(
                f"{metric.name}: frames of {burst.reference.shape} px are too small for {BLOCKS_PER_SIDE**2} blocks"
            )
        self.restorer, self.burst, self.metric = restorer, burst, metric
        shot, read = noise_levels(burst)
        index = burst.reference_index
        signal = join_planes(np.stack([cv2.blur(plane, (5, 5)) for plane in split_planes(burst.reference)]))
        self._variance = np.maximum(shot[index] * np.maximum(signal, 0).astype(np.float64) + read[index], 1e-12)
        # Where the reference saturates, its noise is cut off and its value is no estimate. Neighbours tell, for a choice by a pixel's own
        # noise would be biased as well.
        peak = join_planes(np.stack([cv2.dilate(plane, np.ones((5, 5))) for plane in split_planes(burst.reference)]))
        shown = (signal + MARGIN * np.sqrt(self._variance) < 1) & (peak < 1)
        blocks = self._divide(shown.astype(np.float64))
        self._parts = np.flatnonzero(blocks.mean(axis=-1) >= LEAST_SHOWN)
        if (parts := len(self._parts)) < LEAST_PARTS:
            raise UnsupportedBurstError(
                f"{metric.name}: the reference is saturated: {parts} of {BLOCKS_PER_SIDE**2} blocks are not, needed are {LEAST_PARTS}"
            )
        self.num_parts = parts
        self._weights = blocks[self._parts] / blocks[self._parts].mean(axis=-1, keepdims=True)
        self._signs = rng.choice([-1.0, 1.0], size=(PROBES, *burst.reference.shape))
        self._known: dict[frozenset[int], NDArray[np.float64]] = {}

    def list_others(self, part: int) -> tuple[int, ...]:  # noqa: ARG002  # all blocks see all frames
        """All but the reference."""
        return self.burst.others

    def compare(self, members: frozenset[int]) -> NDArray[np.float64]:
        """−(MSE against the noisy reference + 2·divergence) of each block."""
        if members not in self._known:
            image = self._see(self._restorations[0](members))
            moved = [self._see(restore(members)) for restore in self._restorations[1:]]
            risk = np.square(image - self.burst.reference) + 2 * self._diverge(image, moved)
            self._known[members] = -self._average(risk)
        return self._known[members]

    def enumerate_values(self, part: int) -> NDArray[np.float64] | None:
        """From the Gram matrix of the block and the divergence of each contribution, for linear merges into a mosaic."""
        if self._linear is None or self.burst.num_frames > MAX_LINEAR:
            return None
        residuals, divergences = self._linear
        order = [self.burst.reference_index, *self.burst.others]
        mse = enumerate_mse(mean_square(residuals[order, part]))
        numbers = np.arange(len(mse), dtype=np.uint32)
        total = divergences[order[0], part] + sum(
            (numbers >> bit & 1) * divergences[frame, part] for bit, frame in enumerate(order[1:])
        )
        values: NDArray[np.float64] = -(mse + 2 * total / (1 + np.bitwise_count(numbers)))
        return values

    @cached_property
    def _linear(self) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Residuals [T, K, P] and divergences [T, K] of the contributions."""
        info = self.restorer.info
        if (
            not isinstance(self.restorer, LinearMerge)
            or info.output_for(self.burst.domain) is not Domain.RAW_BAYER
            or info.scale != 1
        ):
            return None
        images = load_contributions(self.restorer, self.burst).astype(np.float64)
        moved = [load_contributions(self.restorer, burst).astype(np.float64) for burst in self._moved]
        divergences = [self._diverge(image, [each[t] for each in moved]) for t, image in enumerate(images)]
        return (
            np.stack([self._select(image - self.burst.reference) * np.sqrt(self._weights) for image in images]),
            np.stack([self._average(divergence) for divergence in divergences]),
        )

    @cached_property
    def _moved(self) -> list[Burst]:
        """The burst with its reference perturbed."""
        bursts = []
        for signs in self._signs:
            frames = self.burst.frames.copy()
            frames[self.burst.reference_index] += (_STEP * np.sqrt(self._variance) * signs).astype(np.float32)
            bursts.append(replace(self.burst, frames=np.clip(frames, -1, 1)))
        return bursts

    @cached_property
    def _restorations(self) -> list[Any]:
        return [Restorations(self.restorer, burst).restore for burst in (self.burst, *self._moved)]

    def _diverge(self, image: NDArray[np.float64], moved: list[NDArray[np.float64]]) -> NDArray[np.float64]:
        """σ² ∂f/∂y of each pixel, in expectation over the signs."""
        gains = [(each - image) * signs for each, signs in zip(moved, self._signs, strict=True)]
        divergence: NDArray[np.float64] = np.mean(gains, axis=0) * np.sqrt(self._variance) / _STEP
        return divergence

    def _see(self, image: NDArray[Any]) -> NDArray[np.float64]:
        check_image(self.restorer.info, self.burst, image)
        return np.asarray(to_space(image, self.metric.space, info=self.restorer.info, burst=self.burst), np.float64)

    def _select(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Blocks [K, P] of the parts."""
        return self._divide(image)[self._parts]

    def _average(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mean [K] of each part, over what is not saturated."""
        mean: NDArray[np.float64] = (self._select(image) * self._weights).mean(axis=-1)
        return mean

    def _divide(self, image: NDArray[np.float64]) -> NDArray[np.float64]:
        """Blocks [16, P] of an image without its border; a few rows and columns at the end are left out where they do not divide evenly."""
        border = self.metric.border
        rows, columns = ((side - 2 * border) // BLOCKS_PER_SIDE for side in image.shape)
        inner = image[border : border + rows * BLOCKS_PER_SIDE, border : border + columns * BLOCKS_PER_SIDE]
        blocks = inner.reshape(BLOCKS_PER_SIDE, rows, BLOCKS_PER_SIDE, columns).swapaxes(1, 2)
        return blocks.reshape(BLOCKS_PER_SIDE**2, rows * columns)
