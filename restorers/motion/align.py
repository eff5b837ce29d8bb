"""Motion estimation shared by the classical restorers: one homography per frame, or one displacement per tile.

Convention: coordinates are (x, y) in frame pixels (mosaic pixels of a mosaic), pixel centres at integers. A homography maps
reference pixels to frame pixels; a displacement is what must be added to a reference position to find it in the frame. Motion is
measured on grey images; pixel u of a grey image that is smaller by f lies at frame pixel f·u + (f − 1) / 2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from weakref import WeakKeyDictionary

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft

from restorers.burst import Burst, Domain, FloatArray, FloatImage
from restorers.errors import AlignmentError
from restorers.motion.refinement import Model, blur, refine_motion

_WORKING_PIXELS = 320 * 320
"""Grey images are halved until they are no larger, but no more often than this allows: a factor of 4 keeps a few hundredths
of a pixel, and more pixels than needed for that only cost time."""
_MAX_FACTOR = 4
_SEARCH_SIDE = 96
"""Longest side of the images in which the first translation is sought."""
_MIN_CORRELATION = 0.45
"""Of the fine structure: unrelated photographs rarely reach it at their best shift."""
_NOISE_SLACK = 1.25
"""How many times its expected energy a difference may have and still count as noise."""
_ALIGNMENTS: WeakKeyDictionary[Burst, dict[Model, BurstAlignment]] = WeakKeyDictionary()
"""Of bursts that are alive."""


@dataclass(frozen=True, eq=False)
class BurstAlignment:
    """How each frame of a burst lies on its reference.

    Attributes:
        homographies: float64 [T, 3, 3], reference to frame, in frame pixels; identity for the reference and for failed frames.
        correlation: float64 [T]; of the fine structure of reference and aligned frame, 1 for the reference.
        aligned: bool [T]; False where no motion could be found. Restorers let such a frame contribute the reference only.
    """

    homographies: FloatArray
    correlation: FloatArray
    aligned: NDArray[np.bool_]


def grey_image(
    frame: FloatImage, domain: Domain, exposure_ratio: float = 1.0, *, ceiling: float | None = None
) -> tuple[FloatImage, int]:
    """Reduce a frame to one channel for motion estimation, in the exposure of the reference.

    Args:
        frame: float32 [H, W] mosaic or [H, W, 3].
        domain: domain of the frame.
        exposure_ratio: light gathered relative to the reference.
        ceiling: value, in the exposure of the reference, above which the other frame is saturated: where one is clipped, both must be.

    Returns:
        float32 [H/f, W/f] and f: 2 for a mosaic, whose 2 x 2 cells are averaged (each colour moves alike), else 1.
    """
    if ceiling is not None and ceiling * exposure_ratio < 1:
        frame = np.minimum(frame, np.float32(ceiling * exposure_ratio))
    if domain is Domain.RAW_BAYER:
        height, width = frame.shape
        grey = cv2.resize(frame, (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        return grey * np.float32(1 / exposure_ratio), 2
    return frame.mean(axis=-1, dtype=np.float32) * np.float32(1 / exposure_ratio), 1


def align_burst(burst: Burst, model: Model = "euclidean") -> BurstAlignment:
    """Register every frame of a burst to its reference, each on its own.

    The result for a frame depends on that frame and the reference alone, so it is the same in every subset of the burst. It is kept as
    long as the burst is: restorers of one burst share it. Its arrays are read-only.
    """
    known = _ALIGNMENTS.setdefault(burst, {})
    if model not in known:
        known[model] = _align(burst, model)
    return known[model]


def _align(burst: Burst, model: Model) -> BurstAlignment:
    homographies = np.tile(np.eye(3), (burst.num_frames, 1, 1))
    correlation = np.zeros(burst.num_frames)
    aligned = np.zeros(burst.num_frames, bool)
    correlation[burst.reference_index], aligned[burst.reference_index] = 1, True
    for index in burst.others:
        reference, frame, factor = grey_pair(burst, index)
        try:
            noise = _difference_noise(burst, index, reference, factor)
            matrix, correlation[index] = align_grey(reference, frame, model, noise_variance=noise)
        except AlignmentError:
            continue
        homographies[index] = enlarge_homography(matrix, factor)
        aligned[index] = True
    for array in (homographies, correlation, aligned):
        array.flags.writeable = False
    return BurstAlignment(homographies, correlation, aligned)


def grey_pair(burst: Burst, index: int) -> tuple[FloatImage, FloatImage, int]:
    """Grey images of the reference and of frame `index`, in one exposure and clipped alike, and their reduction."""
    own, other = float(burst.exposure_ratio[burst.reference_index]), float(burst.exposure_ratio[index])
    ceiling = 1 / max(own, other)
    reference, factor = grey_image(burst.reference, burst.domain, own, ceiling=ceiling)
    frame, _ = grey_image(burst.frames[index], burst.domain, other, ceiling=ceiling)
    return reference, frame, factor


def _difference_noise(burst: Burst, index: int, reference: FloatImage, factor: int) -> float:
    """Variance of the difference between the grey images of a frame and of the reference; 0 if the noise is unknown."""
    if burst.shot_noise is None or burst.read_noise is None:
        return 0.0
    both = [index, burst.reference_index]
    ratio, signal = burst.exposure_ratio[both], max(float(reference.mean()), 0.0)
    variance = burst.shot_noise[both] / ratio * signal + burst.read_noise[both] / ratio**2
    averaged = factor**2 if burst.domain is Domain.RAW_BAYER else 3
    return float(variance.sum()) / averaged


def enlarge_homography(matrix: FloatArray, factor: float) -> FloatArray:
    """Express a homography of an image that is smaller by `factor` in the pixels of the full one."""
    centre = (factor - 1) / 2
    to_full = np.array([[factor, 0, centre], [0, factor, centre], [0, 0, 1.0]])
    full = to_full @ matrix @ np.linalg.inv(to_full)
    return np.asarray(full / full[2, 2])


def align_grey(
    reference: FloatImage,
    frame: FloatImage,
    model: Model = "euclidean",
    *,
    noise_variance: float = 0.0,
) -> tuple[FloatArray, float]:
    """Register one grey image to another: correlation search for the shift, then Gauss-Newton from coarse to fine.

    Args:
        reference: float32 [h, w], at least 16 x 16.
        frame: same shape and exposure.
        model: model of the motion.
        noise_variance: noise variance of the difference of two pixels, if known.

    Returns:
        Homography from reference to frame in grey pixels, float64 [3, 3], and the correlation of their fine structure. Where both show
        nothing but noise, any motion will do, and the identity may be returned.

    Raises:
        AlignmentError: if the correlation could be that of unrelated images, and the difference is more than noise.
    """
    pyramid, factor = [(reference, frame)], 1
    while pyramid[-1][0].size > _WORKING_PIXELS and factor < _MAX_FACTOR:
        pyramid = [(halve(pyramid[-1][0]), halve(pyramid[-1][1]))]
        factor *= 2
    while max(pyramid[-1][0].shape) > _SEARCH_SIDE:
        pyramid.append((halve(pyramid[-1][0]), halve(pyramid[-1][1])))
    matrix = np.eye(3)
    matrix[:2, 2] = find_translation(band_pass(pyramid[-1][0]), band_pass(pyramid[-1][1]))
    try:
        for level, (first, second) in reversed(list(enumerate(pyramid))):
            matrix = refine_motion(first, second, matrix, model)
            if level:
                matrix = enlarge_homography(matrix, 2)
    except AlignmentError:
        if noise_variance == 0:
            raise
        matrix = np.eye(3)
    correlation = _check(*pyramid[0], matrix, noise_variance / factor**2)
    return enlarge_homography(matrix, factor), correlation


def halve(image: FloatImage) -> FloatImage:
    """Average 2 x 2 pixels; an odd last row or column is dropped."""
    height, width = (side // 2 for side in image.shape)
    even = image[: 2 * height, : 2 * width]
    return np.asarray(cv2.resize(even, (width, height), interpolation=cv2.INTER_AREA), np.float32)


def band_pass(image: FloatImage, fine: float = 1.0, coarse: float = 4.0) -> FloatImage:
    """Difference of Gaussians: without shading, which correlates in unrelated images, and with less of the noise."""
    return blur(image, fine) - blur(image, coarse)


def find_translation(reference: FloatImage, frame: FloatImage, min_overlap: float = 0.5) -> tuple[float, float]:
    """Whole-pixel shift (x, y) of highest normalised correlation over the overlap (Padfield, CVPR 2010), by FFT.

    Args:
        reference: float32 [h, w].
        frame: same shape.
        min_overlap: fraction of the reference that must lie within the shifted frame.
    """
    height, width = reference.shape
    padded = (fft.next_fast_len(2 * height, real=True), fft.next_fast_len(2 * width, real=True))

    def transform(image: FloatImage) -> NDArray[np.complex64]:
        return np.asarray(fft.rfft2(image, padded))

    def correlate(first: NDArray[np.complex64], second: NDArray[np.complex64]) -> FloatImage:
        return np.asarray(fft.irfft2(np.conj(first) * second, padded))

    ones = transform(np.ones_like(reference))
    first, second = transform(reference), transform(frame)
    count = np.maximum(correlate(ones, ones), 1)
    first_sum, second_sum = correlate(first, ones), correlate(ones, second)
    covariance = correlate(first, second) - first_sum * second_sum / count
    first_variance = correlate(transform(np.square(reference)), ones) - np.square(first_sum) / count
    second_variance = correlate(ones, transform(np.square(frame))) - np.square(second_sum) / count
    scale = first_variance * second_variance
    floor = max(float(scale.max()) * 1e-6, float(np.finfo(np.float32).tiny))
    correlation = np.where(
        count >= min_overlap * reference.size, covariance / np.sqrt(np.maximum(scale, floor)), -np.inf
    )
    row, column = divmod(int(np.argmax(correlation)), padded[1])
    return (
        float(column - padded[1] if column >= width else column),
        float(row - padded[0] if row >= height else row),
    )


def _check(reference: FloatImage, frame: FloatImage, matrix: FloatArray, noise_variance: float) -> float:
    height, width = reference.shape
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    inside = cv2.warpPerspective(np.ones_like(reference), matrix, (width, height), flags=flags) > 0.999
    warped = cv2.warpPerspective(band_pass(frame), matrix, (width, height), flags=flags)
    first, second = band_pass(reference)[inside], warped[inside]
    first, second = first - first.mean(), second - second.mean()
    scale = math.sqrt(float(np.dot(first, first)) * float(np.dot(second, second)))
    correlation = float(np.dot(first, second)) / scale if scale > 0 else 0.0
    impulse = np.zeros((33, 33), np.float32)
    impulse[16, 16] = 1
    expected = noise_variance * float(np.square(band_pass(impulse)).sum())
    if not correlation > _MIN_CORRELATION and not np.square(first - second).mean() < _NOISE_SLACK * expected:
        raise AlignmentError(
            "no motion aligns the frame to the reference: "
            f"expected a correlation above {_MIN_CORRELATION}, got {correlation:.2f}"
        )
    return correlation
