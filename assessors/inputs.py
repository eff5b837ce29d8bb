"""What assessors see of a burst: packed planes of one stabilised noise, aligned to the reference, and what the camera knew.

Nothing here is an oracle: the motion is measured between the pixels, as a phone would have to, and noise, exposure and time are what
metadata say, or measured where they say nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from assessors.stabilisation import stabilise_signal, stabilised_deviation, unstabilise_signal
from restorers.burst import CFA, Burst, Domain
from restorers.imaging.color import encode_srgb, linearise
from restorers.imaging.mosaic import demosaic, join_planes, split_planes
from restorers.imaging.noise import noise_levels
from restorers.imaging.planes import resample_frame
from restorers.imaging.turning import turn_to_rggb
from restorers.imaging.warping import CLIPPED
from restorers.motion.align import align_burst

INPUTS_VERSION = "1"
"""Changes whenever equal bursts give other inputs."""
MOST_PIXELS = 1 << 20
"""Of a plane; larger ones are averaged over squares, so that a burst of a hundred frames of 12 megapixels takes some gigabytes."""


@dataclass(frozen=True, eq=False)
class BurstInputs:
    """A burst of T frames as planes R, G, G, B of h x w, in the exposure of the reference, whose noise has variance 1.

    A mosaic is flipped until it begins with R, G, and its planes are those of its 2 x 2 cells; RGB is averaged over 2 x 2 pixels, and its
    green is both greens. So all domains look alike to a network. Planes of more than `MOST_PIXELS` are averaged over squares besides.

    Attributes:
        planes: float32 [T, 4, h, w], each frame on its own grid.
        aligned: float32 [T, 4, h, w], on the grid of the reference; where a frame does not reach, the reference.
        valid: bool [T, h, w], where `aligned` shows the frame itself, and none of its saturated pixels.
        homographies: float64 [T, 3, 3], reference to frame, in pixels of the flipped frame, as measured; the identity where there is none.
        found: bool [T], whether a motion was found that aligns the frame; what has none is in `aligned` as it is.
        noise: float32 [T], standard deviation of the noise of each frame in these units; about 1 for the reference.
        saturated: float32 [T], share of the frame's own pixels that are.
        shot_noise: float64 [T], a in the variance a·x + b of linear signals in the exposure of the reference.
        read_noise: float64 [T], b.
        exposure_ratio: float64 [T], relative to the reference.
        timestamps: float64 [T], seconds since the first frame, NaN where unknown.
        white_balance: float64 [3].
        color_matrix: float64 [3, 3], white-balanced camera RGB to linear sRGB.
        reference_index: the reference frame.
        cell: pixels of a frame along each side of a plane's pixel: 2, or more where planes were averaged.
        is_mosaic: whether the planes are those of a mosaic, and not of averages.
    """

    planes: NDArray[np.float32]
    aligned: NDArray[np.float32]
    valid: NDArray[np.bool_]
    homographies: NDArray[np.float64]
    found: NDArray[np.bool_]
    noise: NDArray[np.float32]
    saturated: NDArray[np.float32]
    shot_noise: NDArray[np.float64]
    read_noise: NDArray[np.float64]
    exposure_ratio: NDArray[np.float64]
    timestamps: NDArray[np.float64]
    white_balance: NDArray[np.float64]
    color_matrix: NDArray[np.float64]
    reference_index: int
    cell: int
    is_mosaic: bool

    @property
    def num_frames(self) -> int:
        """T."""
        return len(self.planes)

    @property
    def difference(self) -> NDArray[np.float32]:
        """float32 [T, 4, h, w]: aligned frames minus the reference, over the standard deviation that noise alone would give them."""
        difference: NDArray[np.float32] = self.aligned - self.aligned[self.reference_index]
        difference /= np.hypot(self.noise, self.noise[self.reference_index])[:, None, None, None]
        return difference

    @property
    def residual(self) -> NDArray[np.float32]:
        """float32 [T, 4, h, w]: aligned frames minus the mean of all that are valid, over the frame's own noise; 0 where not valid."""
        shown = self.valid[:, None]
        mean = np.sum(self.aligned * shown, axis=0) / np.maximum(shown.sum(0), 1)
        residual: NDArray[np.float32] = self.aligned - mean
        residual *= shown / self.noise[:, None, None, None]
        return residual

    def linear(self) -> NDArray[np.float32]:
        """float32 [T, 4, h, w]: planes of the frames on their own grids, linear, each in its own exposure, 1 at white."""
        own = self.shot_noise[self.reference_index], self.read_noise[self.reference_index]
        light = unstabilise_signal(self.planes, *own)
        light *= self.exposure_ratio.astype(np.float32)[:, None, None, None]
        return light

    def display(self) -> NDArray[np.float32]:
        """The frames on their own grids as sRGB in [0, 1], each in its own exposure.

        Returns:
            float32 [T, 2h, 2w, 3] of mosaics, else [T, h, w, 3].
        """
        light = self.linear()
        if self.is_mosaic:
            colours = np.stack([demosaic(mosaic, CFA.RGGB) for mosaic in join_planes(light)])
        else:
            colours = light[:, [0, 1, 3]].transpose(0, 2, 3, 1)
        matrix = self.color_matrix * self.white_balance
        return encode_srgb(colours @ matrix.T.astype(np.float32))


def make_inputs(burst: Burst) -> BurstInputs:
    """Align a burst and bring it into the form that assessors see.

    Raises:
        UnsupportedBurstError: if the frames are too small to be packed, that is below 2 x 2 pixels.
    """
    burst = linearise(burst)
    if burst.domain is Domain.RAW_BAYER:
        burst = turn_to_rggb(burst)
    own_ratio = float(burst.exposure_ratio[burst.reference_index])
    if own_ratio != 1:
        burst = replace(burst, exposure_ratio=burst.exposure_ratio / own_ratio)
    alignment = align_burst(burst)
    mosaic = burst.domain is Domain.RAW_BAYER
    height, width = (side // 2 for side in burst.frames.shape[1:3])
    factor = max(1, math.ceil(math.sqrt(height * width / MOST_PIXELS)))
    # Pixels of one colour that make one of a plane.
    averaged = factor**2 * (1 if mosaic else 4)
    shot, read = (level / averaged for level in noise_levels(burst))
    reference = burst.reference_index
    levels = float(shot[reference]), float(read[reference])
    light = reduce_planes(pack_frame(burst.reference), factor)
    planes = np.empty((burst.num_frames, *light.shape), np.float32)
    aligned, valid = np.empty_like(planes), np.ones((burst.num_frames, *light.shape[1:]), bool)
    noise = np.empty(burst.num_frames, np.float32)
    smooth = np.stack([cv2.blur(plane, (5, 5)) for plane in light])
    for index, frame in enumerate(burst.frames):
        packed = reduce_planes(pack_frame(frame), factor) * np.float32(1 / burst.exposure_ratio[index])
        planes[index] = stabilise_signal(packed, *levels)
        noise[index] = stabilised_deviation(smooth, (float(shot[index]), float(read[index])), levels)
        if index == reference:
            continue
        resampled, usable = resample_frame(burst, index, alignment.homographies[index])
        valid[index] = reduce_planes(_pack_mask(usable).astype(np.float32)[None], factor)[0] == 1
        aligned[index] = stabilise_signal(reduce_planes(_pack_planes(resampled), factor), *levels)
    aligned[reference] = planes[reference]
    np.copyto(aligned, aligned[reference], where=~valid[:, None])
    return BurstInputs(
        planes=planes,
        aligned=aligned,
        valid=valid,
        homographies=alignment.homographies,
        found=alignment.aligned,
        noise=noise,
        saturated=(burst.frames >= CLIPPED).mean(axis=tuple(range(1, burst.frames.ndim)), dtype=np.float32),
        shot_noise=shot,
        read_noise=read,
        exposure_ratio=burst.exposure_ratio,
        timestamps=burst.timestamps,
        reference_index=reference,
        white_balance=burst.white_balance,
        color_matrix=burst.color_matrix,
        cell=2 * factor,
        is_mosaic=mosaic and factor == 1,
    )


def pack_frame(frame: NDArray[np.float32]) -> NDArray[np.float32]:
    """A linear frame as planes R, G, G, B: float32 [4, h, w] of a mosaic [2h, 2w] that begins with R, G, or of RGB [2h(+1), 2w(+1), 3]."""
    return split_planes(frame) if frame.ndim == 2 else _pack_planes(np.moveaxis(frame, -1, 0))


def _pack_planes(planes: NDArray[np.float32]) -> NDArray[np.float32]:
    """Of four planes [4, h, w] as they are; of colours [3, H, W] means over 2 x 2 pixels, green twice."""
    if len(planes) == 4:
        return planes
    red, green, blue = reduce_planes(planes, 2)
    return np.stack([red, green, green, blue])


def _pack_mask(usable: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which pixels of packed planes come from usable pixels alone: bool [h, w] of [4, h, w] or [3, H, W]."""
    together: NDArray[np.bool_] = np.logical_and.reduce(usable)
    return (
        together if len(usable) == 4 else np.asarray(reduce_planes(np.asarray(together, np.float32)[None], 2)[0] == 1)
    )


def reduce_planes(planes: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Means over squares of pixels of planes [N, H, W]; what fills no square is left out, unless there is no whole one."""
    if factor == 1:
        return planes
    height, width = (max(side // factor, 1) for side in planes.shape[1:])
    inner = planes[:, : height * factor, : width * factor]
    return np.stack(
        [cv2.resize(np.ascontiguousarray(one), (width, height), interpolation=cv2.INTER_AREA) for one in inner]
    )
