"""A small made-up burst on which any restorer can be tried: random texture under hand motion, with noise of known strength."""

from __future__ import annotations

import time

import cv2
import numpy as np

from restorers.base import Restorer, RestorerInfo
from restorers.burst import CFA, Burst, Domain, FloatImage
from restorers.imaging.color import encode_srgb
from restorers.imaging.mosaic import mosaic

SHOT_NOISE, READ_NOISE = 2e-3, 2e-5
_MARGIN = 16


def make_sample_burst(info: RestorerInfo, *, num_frames: int = 4, side: int = 96, seed: int = 0) -> Burst:
    """Make a burst that a restorer accepts.

    Args:
        info: facts of the restorer: decides the domain (a mosaic if it may be) and bounds the number of frames.
        num_frames: wanted.
        side: side of the square frames, even.
        seed: seed of everything random.
    """
    domain = next(each for each in Domain if each in info.input_domains)
    number = max(info.min_frames, num_frames if info.max_frames is None else min(num_frames, info.max_frames))
    rng = np.random.Generator(np.random.Philox(seed))
    scene = _make_scene(side + 2 * _MARGIN, rng)
    frames = []
    for index in range(number):
        shift = rng.uniform(-3, 3, 2) * (index > 0)
        matrix = np.array([[1, 0, _MARGIN + shift[0]], [0, 1, _MARGIN + shift[1]]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        light = np.asarray(cv2.warpAffine(scene, matrix, (side, side), flags=flags), np.float32)
        if domain is Domain.RAW_BAYER:
            light = mosaic(light, CFA.RGGB)
        deviation = np.sqrt(np.maximum(light, 0) * np.float32(SHOT_NOISE) + np.float32(READ_NOISE))
        noisy = np.clip(light + deviation * rng.standard_normal(light.shape, np.float32), -1, 1)
        frames.append(encode_srgb(noisy) if domain is Domain.SRGB else noisy)
    known = domain is not Domain.SRGB
    return Burst(
        np.stack(frames).astype(np.float32),
        domain=domain,
        cfa=CFA.RGGB if domain is Domain.RAW_BAYER else None,
        shot_noise=np.full(number, SHOT_NOISE) if known else None,
        read_noise=np.full(number, READ_NOISE) if known else None,
        white_balance=np.array([2.0, 1.0, 1.6]) if known else np.ones(3),
    )


def measure_cost(restorer: Restorer, *, side: int = 96) -> float:
    """Seconds per megapixel of frames that one `restore` takes here, the better of two runs on a sample burst.

    Small frames cost more per pixel than large ones; it is an order of magnitude. A first run that takes seconds is not repeated.
    """
    burst = make_sample_burst(restorer.info, side=side)
    best = float("inf")
    for _ in range(2):
        start = time.perf_counter()
        restorer.restore(burst)
        best = min(best, time.perf_counter() - start)
        if best > 2:
            break
    return best * 1e6 / (burst.num_frames * side * side)


def _make_scene(side: int, rng: np.random.Generator) -> FloatImage:
    """Linear RGB about 0.3 with structure on several scales, float32 [side, side, 3]."""
    scene = np.full((side, side, 3), 0.3, np.float32)
    for size, strength in ((1.5, 0.05), (4.0, 0.06), (12.0, 0.08)):
        for channels in (1, 3):
            field = cv2.GaussianBlur(rng.standard_normal((side, side, channels), np.float32), (0, 0), size)
            field = field.reshape(side, side, channels)
            scene += np.float32(strength / channels) * field / field.std()
    return np.clip(scene, 0.02, 0.9)
