"""Pixels from parameters.

Geometry: a frame pixel averages `scale` x `scale` pixels of the latent image, so frame pixel (x, y) of the reference covers
latent pixels scale·x .. scale·x + scale − 1. The latent image is box-filtered once; every frame samples that on its own
low-resolution grid, only the channel that its colour filter array sees, and averages the samples over the poses of its
exposure.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.sensor import add_noise, digitise
from dataset_builder.randomness import make_generator
from dataset_builder.synthesis.motion import pose_to_homography
from dataset_builder.synthesis.parameters import BurstParameters
from manifests.pixels import quantise
from restorers import CFA

RENDER_VERSION = "1"
"""Changes whenever equal parameters would give other pixels."""


@dataclass(frozen=True, eq=False)
class RenderedBurst:
    """Sensor codes uint16 [H, W] of each frame, and the truth uint16 [H·scale, W·scale, 3]: linear camera RGB of the sharp reference."""

    frames: tuple[NDArray[np.uint16], ...]
    ground_truth: NDArray[np.uint16]


def render_burst(latent: NDArray[np.float32], parameters: BurstParameters, seed: str) -> RenderedBurst:
    """Render all frames and the truth.

    Args:
        latent: float32 [H', W', 3], linear camera RGB in [0, 1]: the whole photograph.
        parameters: as sampled for a photograph of this size.
        seed: hex; the noise of each frame is drawn from it and the frame's index.
    """
    x, y = parameters.origin
    height, width, scale = parameters.height * parameters.scale, parameters.width * parameters.scale, parameters.scale
    prefiltered = prefilter(latent, scale)
    frames = []
    for index, frame in enumerate(parameters.frames):
        light = np.zeros((parameters.height, parameters.width), np.float32)
        for pose in frame.poses:
            homography = pose_to_homography(pose, parameters.height, parameters.width)
            light += sample_mosaic(
                prefiltered, homography, light.shape, cfa=parameters.sensor.cfa, scale=scale, origin=(x, y)
            )
        light *= np.float32(frame.exposure_ratio / len(frame.poses))
        noisy = add_noise(
            light,
            shot_noise=frame.shot_noise,
            read_noise=frame.read_noise,
            rng=make_generator(seed, f"noise/{index}"),
        )
        frames.append(digitise(noisy, parameters.sensor))
    return RenderedBurst(tuple(frames), quantise(latent[y : y + height, x : x + width]))


def prefilter(latent: NDArray[np.float32], scale: int) -> NDArray[np.float32]:
    """Average over `scale` x `scale` pixels to the right and below; the value at (scale·x, scale·y) is that of frame pixel (x, y)."""
    if scale == 1:
        return latent
    return cv2.boxFilter(latent, -1, (scale, scale), anchor=(0, 0), borderType=cv2.BORDER_REPLICATE).astype(
        np.float32, copy=False
    )


def sample_mosaic(
    prefiltered: NDArray[np.float32],
    homography: NDArray[np.float64],
    shape: tuple[int, int],
    *,
    cfa: CFA,
    scale: int,
    origin: tuple[int, int] = (0, 0),
) -> NDArray[np.float32]:
    """Sample the mosaic of a frame with an affine homography (Lanczos, support 8).

    Args:
        prefiltered: [H', W', 3] from `prefilter`.
        homography: [3, 3], reference to frame pixel.
        shape: rows and columns of the frame, even.
        cfa: colour filter array.
        scale: as given to `prefilter`.
        origin: (x, y) of the reference's top-left pixel in `prefiltered`.

    Returns:
        float32 [H, W].
    """
    to_latent = np.array([[scale, 0, origin[0]], [0, scale, origin[1]], [0, 0, 1]]) @ np.linalg.inv(homography)
    channels = cv2.split(prefiltered)
    result = np.empty(shape, np.float32)
    for (row, column), channel in zip(np.ndindex(2, 2), cfa.channels, strict=True):
        from_plane = to_latent @ np.array([[2, 0, column], [0, 2, row], [0, 0, 1]])
        result[row::2, column::2] = cv2.warpAffine(
            channels[channel],
            from_plane[:2],
            (shape[1] // 2, shape[0] // 2),
            flags=cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return result
