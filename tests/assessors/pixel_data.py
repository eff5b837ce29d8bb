"""Bursts of random pixels in the form that networks see, and labels that can be learnt from them."""

from __future__ import annotations

import numpy as np

from assessors.examples import Examples
from assessors.inputs import BurstInputs
from assessors.pixel_lessons import CAMERA_FACTS, PixelLessons, Wants

HEADS = (("denoise/hdrplus", "leave_one_out"), ("denoise/nlm", "solo"))


def make_random_inputs(rng: np.random.Generator, frames: int, height: int, width: int) -> BurstInputs:
    """Frames of unit noise about one scene, each disturbed by a strength of its own; the reference by none."""
    reference = int(rng.integers(frames))
    strength = rng.uniform(0, 6, frames)
    strength[reference] = 0
    scene = rng.normal(20, 4, (4, height, width))
    planes = scene + rng.standard_normal((frames, 4, height, width)) * (1 + strength[:, None, None, None])
    valid = rng.random((frames, height, width)) > 0.1
    valid[reference] = True
    aligned = np.where(valid[:, None], planes, planes[reference])
    return BurstInputs(
        planes=planes.astype(np.float32),
        aligned=aligned.astype(np.float32),
        valid=valid,
        homographies=np.tile(np.eye(3), (frames, 1, 1)),
        found=np.ones(frames, bool),
        noise=np.ones(frames, np.float32),
        saturated=np.zeros(frames, np.float32),
        shot_noise=np.full(frames, 1e-3),
        read_noise=np.full(frames, 1e-5),
        exposure_ratio=np.ones(frames),
        timestamps=np.arange(frames, dtype=np.float64),
        white_balance=np.ones(3),
        color_matrix=np.eye(3),
        reference_index=reference,
        cell=2,
        is_mosaic=True,
    )


class RandomProvider:
    """As an `InputProvider`, without a data set."""

    def __init__(self, seed: int, count: int, sides: tuple[int, int] = (12, 16)) -> None:
        rng = np.random.default_rng(seed)
        self.bursts = [make_random_inputs(rng, int(frames), *sides) for frames in rng.integers(3, 6, count)]
        self.truth = [np.full((4, *sides), np.nan if number == 1 else 20.0, np.float32) for number in range(count)]

    def __getitem__(self, position: int) -> BurstInputs:
        return self.bursts[position]

    def content_key(self, position: int) -> str:
        return str(float(self.bursts[position].planes.sum()))

    def load_truth(self, position: int) -> np.ndarray:
        return self.truth[position]


def make_lessons(seed: int, count: int, wants: Wants, *, sides: tuple[int, int] = (12, 16)) -> PixelLessons:
    """The less a frame differs from the reference, the more it is worth under the first task, and the less under the second."""
    provider = RandomProvider(seed, count, sides)
    rng = np.random.default_rng(seed + 1)
    features, worth, taught, factors = [], [], [], []
    for inputs in provider.bursts:
        frames = inputs.num_frames
        disturbed = np.log(np.square(inputs.difference).mean((1, 2, 3)) + 1)
        own = np.stack([disturbed.mean() - disturbed, disturbed - disturbed.mean()]).astype(np.float64)
        own[0, inputs.reference_index] = np.nan
        worth.append(own)
        features.append(rng.standard_normal((frames, len(CAMERA_FACTS) + 2)).astype(np.float32))
        small = (frames, *(-(-side // 4) for side in sides))
        trust = np.broadcast_to(np.exp(-disturbed)[:, None, None], small).astype(np.float32)
        taught.append((trust, None))
        factor = rng.standard_normal((frames, 7)).astype(np.float32)
        factor[:, 3] = np.nan
        factors.append(factor)
    names = ("other", *CAMERA_FACTS, "another")
    scenes, ones = np.arange(count), tuple(np.ones((count, 2)))
    examples = Examples(names, tuple(features), tuple(worth), ones, scenes, HEADS)
    return PixelLessons(
        examples,
        provider,  # type: ignore[arg-type]
        tuple(range(count)),
        wants,
        tuple(taught) if wants.teachers else (),
        tuple(factors) if wants.factors else (),
    )
