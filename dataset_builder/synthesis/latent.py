"""The part of the photograph that a burst sees: in linear light as the camera sees it, filtered by its lens, with what moves in it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.color import UINT16_MAX, expand_highlights, to_camera
from dataset_builder.synthesis.fields import INTERPOLATION_MARGIN, Planes, locate_pixels, locate_sites, prefilter
from dataset_builder.synthesis.focus import FocusStack, blur_disc, make_focus_stack
from dataset_builder.synthesis.parameters import BurstParameters, FrameParameters

Area = tuple[slice, slice]


def see_light(codes: NDArray[np.uint16], parameters: BurstParameters) -> NDArray[np.uint16]:
    """Linear sRGB codes [H, W, 3] of a scene as the camera sees them: camera RGB, 65535 = `truth_white`."""
    white = parameters.truth_white / parameters.brightness
    if parameters.highlights == 1:
        return to_camera(codes, parameters.profile, white=white)
    return to_camera(expand_highlights(codes / UINT16_MAX, parameters.highlights), parameters.profile, white=white)


def blur_by_lens(codes: NDArray[np.uint16], parameters: BurstParameters) -> Planes:
    """Codes [H, W] or [H, W, 3] after pixel aperture and lens."""
    sigma = parameters.lens_blur * parameters.scale
    planes = prefilter(codes, parameters.scale)
    if not sigma:
        return planes
    return tuple(
        cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE).astype(np.float64, copy=False)
        for plane in planes
    )


def get_signal(parameters: BurstParameters) -> float:
    """What one unit of a sum over a frame pixel stands for."""
    return parameters.truth_white / (UINT16_MAX * parameters.scale**2)


def as_truth(codes: NDArray[np.uint16], parameters: BurstParameters) -> NDArray[np.uint16]:
    """Camera RGB codes as a truth is stored: in sRGB primaries where the frames are JPEGs."""
    if not parameters.is_srgb:
        return codes
    linear = cv2.transform(codes.astype(np.float64), parameters.profile.to_srgb)
    return np.rint(linear).clip(0, UINT16_MAX).astype(np.uint16)


class Scene:
    """What the frames of a burst are sampled from.

    Attributes:
        latent: uint16 codes [H', W', 3], camera RGB; the truth is a crop of them.
        origin: (x, y) in it of the truth's top-left pixel.
        signal: that one unit of a sum over a frame pixel stands for.
        pixels: where on the fields of the burst the pixels of each frame lie, [n, 2, 3] for n poses.
        sites: the same of the sites of its colour filter array, [n, 4, 2, 3].
    """

    def __init__(self, photograph: NDArray[np.uint16], parameters: BurstParameters) -> None:
        self.photograph, self.parameters = photograph, parameters
        left, top, right, bottom = parameters.window
        self.origin = (parameters.origin[0] - left, parameters.origin[1] - top)
        self.latent = see_light(photograph[top:bottom, left:right], parameters)
        self.signal = get_signal(parameters)
        pixels = locate_pixels(parameters.all_homographies, parameters.scale, self.origin)
        self.pixels = parameters.split_poses(pixels)
        self.sites = parameters.split_poses(locate_sites(pixels))

    @cached_property
    def planes(self) -> Planes:
        """Of the whole window, in sharp focus."""
        return self._filter(self.latent)

    @cached_property
    def focus_stack(self) -> FocusStack:
        """For frames that focus at one depth each."""
        parameters, (height, width) = self.parameters, self.latent.shape[:2]
        assert parameters.depth is not None
        x = (np.arange(width) - self.origin[0]) / (parameters.scale * parameters.width)
        y = (np.arange(height) - self.origin[1]) / (parameters.scale * parameters.height)
        depth = parameters.depth.at(*np.meshgrid(x, y))
        return make_focus_stack(self.planes, depth, parameters.focus_series, parameters.scale)

    @cached_property
    def sprite(self) -> NDArray[np.uint16]:
        """The moving object's texture, as the camera sees it."""
        thing = self.parameters.moving_object
        assert thing is not None
        left, top = thing.texture
        return see_light(self.photograph[top : top + thing.side, left : left + thing.side], self.parameters)

    def _filter(self, codes: NDArray[np.uint16], defocus: float = 0.0) -> Planes:
        """Codes after pixel aperture, lens and defocus."""
        return blur_disc(blur_by_lens(codes, self.parameters), defocus * self.parameters.scale)

    def see_backgrounds(self) -> Iterator[tuple[Planes, list[int]]]:
        """The scene without what moves, as lenses render it, and the frames that see it so."""
        frames = self.parameters.frames
        if self.parameters.depth is not None:
            for index, frame in enumerate(frames):
                assert frame.focus is not None
                yield self.focus_stack.focus_at(frame.focus), [index]
            return
        for radius in sorted({frame.defocus for frame in frames}):
            seeing = [index for index, frame in enumerate(frames) if frame.defocus == radius]
            yield blur_disc(self.planes, radius * self.parameters.scale), seeing

    def see_object(
        self, frame: FrameParameters, background: Planes, pose: int
    ) -> tuple[Planes, NDArray[np.float64], tuple[int, int]] | None:
        """What the moving object changes in the background where it is at a pose, its coverage, and the (x, y) where both begin.

        None if it is out of sight.
        """
        assert frame.object_positions is not None
        position, (height, width) = frame.object_positions[pose], self.latent.shape[:2]
        located = self._locate(position, (slice(0, height), slice(0, width)))
        if located is None:
            return None
        scale = self.parameters.scale
        reach = scale + int(np.ceil(scale * (frame.defocus + 4 * self.parameters.lens_blur))) + INTERPOLATION_MARGIN
        # What the object's light reaches is replaced; to be filtered as the whole would be, it needs as much again around it.
        changed, needed = (
            tuple(
                slice(max(0, side.start - far), min(end, side.stop + far))
                for side, end in zip(located[0], (height, width), strict=True)
            )
            for far in (reach, 2 * reach)
        )
        inner = tuple(
            slice(side.start - whole.start, side.stop - whole.start)
            for side, whole in zip(changed, needed, strict=True)
        )
        codes, alpha = self._composite(position, (needed[0], needed[1]))
        planes = zip(self._filter(codes, frame.defocus), background, strict=True)
        change = tuple(patch[inner] - plane[changed] for patch, plane in planes)
        (coverage,) = self._filter(alpha, frame.defocus)
        return change, coverage[inner], (changed[1].start, changed[0].start)

    def _locate(self, position: NDArray[np.int64], area: Area) -> tuple[Area, Area] | None:
        """Where in an area of the window, and which part of its own square, the object shows."""
        thing = self.parameters.moving_object
        assert thing is not None
        starts = [int(position[axis]) - thing.reach + self.origin[axis] for axis in (1, 0)]
        here, part = [], []
        for start, side in zip(starts, area, strict=True):
            low, high = max(start, side.start), min(start + thing.side, side.stop)
            if low >= high:
                return None
            here.append(slice(low - side.start, high - side.start))
            part.append(slice(low - start, high - start))
        return (here[0], here[1]), (part[0], part[1])

    def _composite(self, position: NDArray[np.int64], area: Area) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
        """Codes of an area of the window with the object in it, and its coverage, where the largest code means 1."""
        codes = self.latent[area].copy()
        coverage = np.zeros(codes.shape[:2], np.uint16)
        located = self._locate(position, area)
        if located is not None:
            thing, (here, part) = self.parameters.moving_object, located
            assert thing is not None
            alpha = thing.alpha[part]
            mixed = codes[here] * (1 - alpha[..., None]) + self.sprite[part] * (thing.brightness * alpha[..., None])
            codes[here] = np.rint(mixed)
            coverage[here] = np.rint(alpha * UINT16_MAX)
        return codes, coverage

    def make_truth(self) -> NDArray[np.uint16]:
        """The sharp scene at the reference's mid-exposure, on its grid."""
        parameters, (x, y) = self.parameters, self.origin
        area = slice(y, y + parameters.height * parameters.scale), slice(x, x + parameters.width * parameters.scale)
        positions = parameters.frames[parameters.reference_index].object_positions
        codes = self.latent[area] if positions is None else self._composite(positions[len(positions) // 2], area)[0]
        return as_truth(codes, parameters)
