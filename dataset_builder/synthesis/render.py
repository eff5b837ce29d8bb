"""Pixels from parameters.

Geometry: a frame pixel averages `scale` x `scale` pixels of the latent image, so frame pixel (x, y) of the reference covers
latent pixels scale·x .. scale·x + scale − 1. The latent image is filtered once; every frame samples that on its own low-resolution
grid, only the channel that its colour filter array sees, and averages the samples over the poses of its exposure.

Arithmetic: up to the light of a sharp frame every sum is exact (see `sampling`); the sensor's is float64 whose every operation is
correctly rounded everywhere. Where convolutions of lens, defocus and depth or Lanczos interpolation (scale 1) take part, platforms may
differ by about 1e-15; a code would differ only where a value lies that close to the middle between two, once in 1e11 pixels.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import UINT16_MAX
from dataset_builder.camera.isp import develop_jpeg
from dataset_builder.camera.sensor import add_noise, digitise, read_codes
from dataset_builder.randomness import make_generator
from dataset_builder.synthesis.fields import Planes, make_field, sample_field, sample_mosaics
from dataset_builder.synthesis.latent import Scene
from dataset_builder.synthesis.layered.layers import LayeredScene
from dataset_builder.synthesis.layered.view import LayeredView
from dataset_builder.synthesis.parameters import BurstParameters
from restorers import CFA

RENDER_VERSION = "7"
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


def render_burst(
    photograph: NDArray[np.uint16] | LayeredScene, parameters: BurstParameters, seed: str
) -> RenderedBurst:
    """Render all frames and the truth.

    Args:
        photograph: uint16 codes [H', W', 3] of linear sRGB, the whole photograph; or a scene in its place.
        parameters: what was drawn for a photograph of this size, or for this scene.
        seed: hex; the noise of each frame is drawn from it and the frame's index.
    """
    if isinstance(photograph, LayeredScene):
        view = LayeredView(photograph, parameters)
        seen, truth = view.see_frames(), view.make_truth()
    else:
        scene = Scene(photograph, parameters)
        seen, truth = _see_frames(scene), scene.make_truth()
    rendered = {
        index: _capture(light, cover, parameters, index, make_generator(seed, f"noise/{index}"))
        for index, light, cover in seen
    }
    frames, masks = zip(*(rendered[index] for index in range(len(rendered))), strict=True)
    return RenderedBurst(frames, truth, masks)


def _see_frames(scene: Scene) -> Iterator[tuple[int, NDArray[np.float64], NDArray[np.float64] | None]]:
    """Of each frame its mean light, and the moving object's share of what each pixel shows."""
    parameters = scene.parameters
    for background, indices in scene.see_backgrounds():
        sites = [scene.sites[index] for index in indices]
        lights = sample_mosaics(background, parameters.scale, sites, parameters.shape, cfa=parameters.sensor.cfa)
        for index, light in zip(indices, lights, strict=True):
            cover = _add_object(light, scene, index, background)
            yield index, light * (scene.signal / len(scene.sites[index])), cover


def _add_object(light: NDArray[np.float64], scene: Scene, index: int, background: Planes) -> NDArray[np.float64] | None:
    """Change the sum of light over the poses to what it is with the moving object; return how much of the mean light is the object's.

    None where nothing moves.
    """
    parameters, frame = scene.parameters, scene.parameters.frames[index]
    pixels, sites, cover = scene.pixels[index], scene.sites[index], None
    for pose in range(0 if frame.object_positions is None else len(pixels)):
        seen = scene.see_object(frame, background, pose)
        if seen is not None:
            change, coverage, offset = seen
            here = slice(pose, pose + 1)
            (part,) = sample_mosaics(
                change, parameters.scale, [sites[here]], parameters.shape, cfa=parameters.sensor.cfa, offset=offset
            )
            light += part
            part = sample_field(make_field(coverage, parameters.scale, offset), pixels[here], parameters.shape)
            cover = part if cover is None else cover + part
    return None if cover is None else cover / (UINT16_MAX * parameters.scale**2 * len(pixels))


def _capture(
    light: NDArray[np.float64],
    cover: NDArray[np.float64] | None,
    parameters: BurstParameters,
    index: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.uint16] | NDArray[np.uint8], NDArray[np.uint8] | None]:
    """Frame and mask from the mean light of the scene."""
    frame, sensor, shape = parameters.frames[index], parameters.sensor, parameters.shape
    if frame.occluder is not None:
        blocked = frame.occluder.cover(*shape)
        seen = np.linalg.inv(parameters.profile.to_srgb) @ frame.occluder.color
        light += blocked * (_paint(seen, shape, sensor.cfa) - light)
        cover = blocked if cover is None else cover + blocked * (1 - cover)
    if frame.exposure_ratio != 1:
        light *= frame.exposure_ratio
    noise = {"shot_noise": frame.shot_noise, "read_noise": frame.read_noise, "row_noise": frame.row_noise}
    codes = digitise(add_noise(light, rng=rng, **noise), sensor)
    mask = _draw_mask(cover)
    if frame.processing is None:
        return codes, mask
    return develop_jpeg(read_codes(codes, sensor), sensor.cfa, parameters.profile, frame.processing), mask


def _draw_mask(cover: NDArray[np.float64] | None) -> NDArray[np.uint8] | None:
    if cover is None:
        return None
    # The kernel rings a little around sharp outlines, where what hides the scene darkens it as well.
    mask = np.rint(np.abs(cover).clip(0, 1) * 255).astype(np.uint8)
    return mask if mask.any() else None


def _paint(signal: NDArray[np.float64], shape: tuple[int, int], cfa: CFA) -> NDArray[np.float64]:
    """A mosaic of one colour."""
    return np.tile(np.reshape([signal[channel] for channel in cfa.channels], (2, 2)), (shape[0] // 2, shape[1] // 2))
