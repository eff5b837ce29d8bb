"""What the networks trained here see of a burst: its frames on the grid of the reference, and their noise.

Both kinds of stack hold the reference first and then the other frames that could be aligned. Mosaics are flipped to begin with R, G.
Values are divided by `level`, four times the mean of the reference: a dim burst and a bright one of the same shot noise per signal look
alike to a network.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from restorers.burst import Burst, FloatImage
from restorers.classical.handheld import Handheld
from restorers.imaging.noise import noise_levels
from restorers.imaging.planes import measure_local_motion, resample_frame, split_frame
from restorers.imaging.turning import turn_to_rggb
from restorers.motion.align import align_burst

_LEAST_LEVEL = 0.02
PART_PIXELS = 2**17
"""Of a stack's grid, so many are encoded at a time."""


@dataclass(frozen=True, eq=False)
class FramePart:
    """Some frames of a stack, each beside its reference.

    Attributes:
        values: [n, C, h, w].
        weights: [n, C, h, w].
        noise: [n, 2].
        reference_values: [n, C, h, w].
        reference_weights: [n, C, h, w].
        reference_noise: [n, 2].
        is_reference: [n, 1, 1, 1]; 1 for a reference, else 0.
    """

    values: Tensor
    weights: Tensor
    noise: Tensor
    reference_values: Tensor
    reference_weights: Tensor
    reference_noise: Tensor
    is_reference: Tensor


@dataclass(frozen=True, eq=False)
class FrameStack:
    """Frames of one burst, or of several one after the other.

    Attributes:
        values: float32 [N, C, h, w].
        weights: float32 [N, C, h, w]; of aligned planes 1 where a frame has something to tell, else 0; of raw samples the sums of their
            weights, by which `values` are still to be divided.
        noise: float32 [N, 2]; shot and read noise of each frame, as `restorers.imaging.noise.noise_levels`, in units of `level`.
        first: place of the reference of each burst; frames up to the next belong to it.
        level: what the values of each burst were divided by.
        indices: of each frame in its burst.
    """

    values: Tensor
    weights: Tensor
    noise: Tensor
    first: tuple[int, ...]
    level: tuple[float, ...]
    indices: tuple[int, ...]

    @property
    def owners(self) -> list[int]:
        """Which of the bursts each frame belongs to."""
        ends = [*self.first[1:], len(self.indices)]
        return [
            burst for burst, (start, end) in enumerate(zip(self.first, ends, strict=True)) for _ in range(start, end)
        ]

    def split(self) -> Iterator[FramePart]:
        """The frames in parts of at most `PART_PIXELS` pixels, for encoders whose features take many times the memory of a frame."""
        owners = self.owners
        size = max(1, PART_PIXELS // (self.values.shape[-2] * self.values.shape[-1]))
        for start in range(0, len(owners), size):
            places = list(range(start, min(start + size, len(owners))))
            references = [self.first[owners[place]] for place in places]
            is_reference = torch.tensor([place == first for place, first in zip(places, references, strict=True)])
            yield FramePart(
                take(self.values, places),
                take(self.weights, places),
                take(self.noise, places),
                take(self.values, references),
                take(self.weights, references),
                take(self.noise, references),
                is_reference.reshape(-1, 1, 1, 1).float().to(self.values.device),
            )

    def to(self, device: torch.device | str) -> FrameStack:
        """The same on another device."""
        values, weights, noise = (each.to(device) for each in (self.values, self.weights, self.noise))
        return replace(self, values=values, weights=weights, noise=noise)


def take(entries: Tensor, places: Sequence[int]) -> Tensor:
    """Some entries [n, ...] of [N, ...], by indices that go to their device."""
    return entries.index_select(0, torch.tensor(places).to(entries.device))


def join_stacks(stacks: list[FrameStack]) -> FrameStack:
    """Stacks of frames of one size as one."""
    starts = np.cumsum([0, *(len(stack.indices) for stack in stacks)]).tolist()
    return FrameStack(
        torch.cat([stack.values for stack in stacks]),
        torch.cat([stack.weights for stack in stacks]),
        torch.cat([stack.noise for stack in stacks]),
        tuple(start + place for start, stack in zip(starts[:-1], stacks, strict=True) for place in stack.first),
        tuple(level for stack in stacks for level in stack.level),
        tuple(index for stack in stacks for index in stack.indices),
    )


def stack_planes(burst: Burst) -> FrameStack:
    """Aligned planes R, G, G, B of mosaics of half the size: [N, 4, H/2, W/2].

    Frames are aligned by a rigid camera motion and, where that is not enough, by the displacement of tiles, as `denoise/hdrplus` does.
    """
    burst = turn_to_rggb(burst)
    alignment, noise = align_burst(burst), noise_levels(burst)
    order = _order(burst, np.flatnonzero(alignment.aligned).tolist())
    reference = split_frame(burst.reference / np.float32(burst.exposure_ratio[burst.reference_index]))
    values, weights = [reference], [np.ones_like(reference)]
    for index in order[1:]:
        homography = alignment.homographies[index]
        local = measure_local_motion(burst, index, homography, noise)
        planes, usable = resample_frame(burst, index, homography, local)
        values.append(planes * usable)
        weights.append(usable.astype(np.float32))
    return _make_stack(burst, order, np.stack(values), np.stack(weights), noise)


def stack_samples(burst: Burst, *, scale: int) -> FrameStack:
    """Raw samples summed up about each pixel of linear RGB at `scale` times the size, as `sr/handheld` sums them.

    Blocks of 2·scale × 2·scale pixels, the cells of the mosaic, lie in channels: [N, 3·(2·scale)², H/2, W/2], colour by colour.
    """
    burst = turn_to_rggb(burst)
    prepared = Handheld(scale=scale).prepare(burst)
    order = _order(burst, list(prepared.sums))
    sums = torch.from_numpy(np.stack([prepared.sums[index] for index in order]))
    values, weights = (functional.pixel_unshuffle(sums[:, which], 2 * scale).numpy() for which in range(2))
    return _make_stack(burst, order, values, weights, noise_levels(burst))


def _order(burst: Burst, aligned: list[int]) -> list[int]:
    return [burst.reference_index, *(index for index in sorted(aligned) if index != burst.reference_index)]


def _make_stack(
    burst: Burst, order: list[int], values: FloatImage, weights: FloatImage, noise: tuple[np.ndarray, np.ndarray]
) -> FrameStack:
    mean = float(burst.reference.mean() / burst.exposure_ratio[burst.reference_index])
    level = max(4 * mean, _LEAST_LEVEL)
    shot, read = noise[0][order] / level, noise[1][order] / level**2
    return FrameStack(
        torch.from_numpy(np.ascontiguousarray(values, np.float32) / np.float32(level)),
        torch.from_numpy(np.ascontiguousarray(weights, np.float32)),
        torch.from_numpy(np.stack([shot, read], 1).astype(np.float32)),
        (0,),
        (level,),
        tuple(order),
    )
