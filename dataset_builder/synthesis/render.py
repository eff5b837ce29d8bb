"""Pixels from parameters.

Geometry: a frame pixel averages `scale` x `scale` pixels of the latent image, so frame pixel (x, y) of the reference covers
latent pixels scale·x .. scale·x + scale − 1. The latent image is filtered once; every frame samples that on its own low-resolution
grid, only the channel that its colour filter array sees, and averages the samples over the poses of its exposure.

Arithmetic: the latent image, which is the truth, is of whole 16-bit codes, and sums over its pixels are exact. What follows is float64
until the sensor rounds to codes. Platforms may differ in the last bits of that, about 1e-15; a code would differ only where a value lies
that close to the middle between two of them, about once in 1e11 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.isp import develop_jpeg
from dataset_builder.camera.sensor import add_noise, digitise, read_codes
from dataset_builder.randomness import make_generator
from dataset_builder.synthesis.latent import Scene
from dataset_builder.synthesis.parameters import BurstParameters
from dataset_builder.synthesis.sampling import Planes, sample_mosaic, sample_plane
from restorers import CFA

RENDER_VERSION = "3"
"""Changes whenever equal presets, seeds and photographs would give other pixels."""


@dataclass(frozen=True, eq=False)
class RenderedBurst:
    """What goes to disk.

    Attributes:
        frames: uint16 [H, W] sensor codes, or uint8 [H, W, 3] sRGB, of each frame.
        ground_truth: uint16 [H·scale, W·scale, 3], linear light of the sharp reference: camera RGB for mosaics, sRGB primaries for JPEGs.
            65535 means `BurstParameters.truth_white`.
        masks: uint8 [H, W] of each frame, 255 where something else than the scene is all that it shows; None where nothing is.
    """

    frames: tuple[NDArray[np.uint16] | NDArray[np.uint8], ...]
    ground_truth: NDArray[np.uint16]
    masks: tuple[NDArray[np.uint8] | None, ...]


def render_burst(photograph: NDArray[np.uint16], parameters: BurstParameters, seed: str) -> RenderedBurst:
    """Render all frames and the truth.

    Args:
        photograph: uint16 codes [H', W', 3] of linear sRGB, the whole photograph.
        parameters: as sampled for a photograph of this size.
        seed: hex; the noise of each frame is drawn from it and the frame's index.
    """
    scene = Scene(photograph, parameters)
    frames, masks = zip(
        *(
            _render_frame(scene, index, make_generator(seed, f"noise/{index}"))
            for index in range(len(parameters.frames))
        ),
        strict=True,
    )
    return RenderedBurst(frames, scene.make_truth(), masks)


def _render_frame(
    scene: Scene, index: int, rng: np.random.Generator
) -> tuple[NDArray[np.uint16] | NDArray[np.uint8], NDArray[np.uint8] | None]:
    parameters, frame = scene.parameters, scene.parameters.frames[index]
    sensor, shape = parameters.sensor, (parameters.height, parameters.width)
    light, cover = np.zeros(shape), np.zeros(shape)
    for homography, planes, coverage in _expose(scene, index):
        light += sample_mosaic(planes, homography, shape, cfa=sensor.cfa, scale=parameters.scale, origin=scene.origin)
        if coverage is not None:
            cover += sample_plane(coverage[0], homography, shape, scale=parameters.scale, origin=scene.origin)
    light *= scene.signal / len(frame.poses)
    cover /= len(frame.poses)
    if frame.occluder is not None:
        blocked = frame.occluder.cover(*shape)
        seen = np.linalg.inv(parameters.profile.to_srgb) @ frame.occluder.color
        light += blocked * (_paint(seen, shape, sensor.cfa) - light)
        cover += blocked * (1 - cover)
    light *= frame.exposure_ratio
    noise = {"shot_noise": frame.shot_noise, "read_noise": frame.read_noise, "row_noise": frame.row_noise}
    codes = digitise(add_noise(light, rng=rng, **noise), sensor)
    mask = _draw_mask(cover)
    if frame.processing is None:
        return codes, mask
    return develop_jpeg(read_codes(codes, sensor), sensor.cfa, parameters.profile, frame.processing), mask


def _draw_mask(cover: NDArray[np.float64]) -> NDArray[np.uint8] | None:
    if not cover.any():
        return None
    # The kernel rings a little around sharp outlines, where what hides the scene darkens it as well.
    mask = np.rint(np.abs(cover).clip(0, 1) * 255).astype(np.uint8)
    return mask if mask.any() else None


def _expose(scene: Scene, index: int) -> Iterator[tuple[NDArray[np.float64], Planes, Planes | None]]:
    """Homography, scene and coverage at each pose."""
    frame = scene.parameters.frames[index]
    background = scene.see_background(frame)
    for pose, homography in enumerate(scene.parameters.homographies(index)):
        placed = None if frame.object_positions is None else scene.place_object(frame, background, pose)
        planes, coverage = (background, None) if placed is None else placed
        yield homography, planes, coverage


def _paint(signal: NDArray[np.float64], shape: tuple[int, int], cfa: CFA) -> NDArray[np.float64]:
    """A mosaic of one colour."""
    return np.tile(np.reshape([signal[channel] for channel in cfa.channels], (2, 2)), (shape[0] // 2, shape[1] // 2))
