"""Refinement of a motion that is known to a pixel or two, by Gauss-Newton. Conventions as in `restorers.motion.align`."""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np

from restorers.burst import FloatArray, FloatImage
from restorers.errors import AlignmentError

Model = Literal["euclidean", "similarity", "homography"]

_SMOOTHING = 1.0
"""Standard deviation of the Gaussian before refinement, in grey pixels."""
_RIM = 3
"""Pixels along the edges that the smoothing spoils."""
_MAX_STEPS = 30
_CONVERGED = 2e-3
"""Pixels that a corner moves in the last step."""
_MIN_OVERLAP = 0.25
"""Fraction of the reference that the aligned frame must cover."""


def blur(image: FloatImage, deviation: float) -> FloatImage:
    """Smooth by a Gaussian of this standard deviation, in pixels."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), deviation), np.float32)


def refine_motion(
    reference: FloatImage,
    frame: FloatImage,
    matrix: FloatArray,
    model: Model = "euclidean",
) -> FloatArray:
    """Improve a homography by Gauss-Newton steps on the difference of the smoothed images.

    Follows the second-order minimisation of Benhimane & Malis (IROS 2004), which takes the mean gradient of both images, so that
    their noise does not pull the motion towards 0. Gain and offset between the images are free, as in ECC (Evangelidis & Psarakis
    2008), and large residuals, which other motion or occlusion leaves, count less (Cauchy weights).

    Args:
        reference: float32 [h, w].
        frame: same shape.
        matrix: initial homography from reference to frame, float64 [3, 3], off by no more than about 2 pixels.
        model: model of the motion.

    Raises:
        AlignmentError: if the motion leaves the frame or cannot be told.
    """
    height, width = reference.shape
    size, flags = (width, height), cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    first, second = (blur(image, _SMOOTHING) for image in (reference, frame))
    # Smoothing mirrors the image at its edges, and a mirrored scene moves the wrong way: the rim takes no part.
    inner = np.zeros((height, width), np.float32)
    inner[_RIM : height - _RIM, _RIM : width - _RIM] = 1
    centre_x, centre_y, radius = (width - 1) / 2, (height - 1) / 2, max(width, height) / 2
    to_unit = np.array([[1 / radius, 0, -centre_x / radius], [0, 1 / radius, -centre_y / radius], [0, 0, 1]])
    x = ((np.arange(width) - centre_x) / radius).astype(np.float32)
    y = ((np.arange(height)[:, None] - centre_y) / radius).astype(np.float32)
    corners = np.array([[[0, 0], [width, 0], [0, height], [width, height]]], float)
    robust = False
    for _ in range(_MAX_STEPS):
        warped = np.asarray(cv2.warpPerspective(second, matrix, size, flags=flags), np.float32)
        usable = (inner * cv2.warpPerspective(inner, matrix, size, flags=flags) > 0.999).ravel()
        if np.count_nonzero(usable) < _MIN_OVERLAP * reference.size:
            raise AlignmentError("no motion aligns the frame to the reference: too little of it would overlap")
        columns = _motion_columns(first + warped, x, y, radius, model)
        design = np.stack([*(column.ravel()[usable] for column in columns), first.ravel()[usable]])
        step = _solve(design, warped.ravel()[usable], robust=robust)
        update = np.linalg.inv(to_unit) @ _motion_matrix(step, model) @ to_unit
        matrix = matrix @ update
        matrix = matrix / matrix[2, 2]
        moved = float(np.abs(cv2.perspectiveTransform(corners, update) - corners).max())
        if not moved < radius:
            raise AlignmentError("no motion aligns the frame to the reference: the refinement diverges")
        if robust and moved < _CONVERGED:
            break
        # Before the edges meet, their residuals are large because they are misplaced, and they must count in full.
        robust = robust or moved < 0.1
    return matrix


def _motion_columns(both: FloatImage, x: FloatImage, y: FloatImage, radius: float, model: Model) -> list[FloatImage]:
    """Change of the image per unit of each motion parameter, in coordinates of which `radius` pixels are 1."""
    scale = radius / 4  # twice for the central difference, twice for the mean of both images
    slope = np.array([[-scale, 0.0, scale]])
    gradient_x, gradient_y = (
        np.asarray(cv2.filter2D(both, cv2.CV_32F, kernel), np.float32) for kernel in (slope, slope.T)
    )
    if model == "euclidean":
        return [gradient_x, gradient_y, x * gradient_y - y * gradient_x]
    towards = x * gradient_x + y * gradient_y
    if model == "similarity":
        return [gradient_x, gradient_y, x * gradient_y - y * gradient_x, towards]
    linear = [axis * gradient for gradient in (gradient_x, gradient_y) for axis in (x, y)]
    return [gradient_x, gradient_y, *linear, -x * towards, -y * towards]


def _motion_matrix(step: FloatArray, model: Model) -> FloatArray:
    if model == "euclidean":
        cosine, sine = math.cos(step[2]), math.sin(step[2])
        return np.array([[cosine, -sine, step[0]], [sine, cosine, step[1]], [0, 0, 1]])
    if model == "similarity":
        return np.array([[1 + step[3], -step[2], step[0]], [step[2], 1 + step[3], step[1]], [0, 0, 1]])
    a, b, c, d, e, f, g, h = step
    return np.array([[1 + c, d, a], [e, 1 + f, b], [g, h, 1]])


def _solve(design: FloatImage, target: FloatImage, *, robust: bool) -> FloatArray:
    """Motion δ that minimises the squares of target + motionᵀ·δ − gain·reference − offset; the reference is the last row of design."""
    design = design - design.mean(1, keepdims=True)
    target = target - target.mean()
    weighted = design
    if robust:
        reference = design[-1]
        residual = target - reference * (np.dot(reference, target) / max(float(np.dot(reference, reference)), 1e-20))
        spread = 1.4826 * float(np.median(np.abs(residual[:: max(1, residual.size // 8192)])))
        weight = 1 / (1 + np.square(residual / (2.385 * spread + 1e-9)))
        total = weight.sum()
        target = target - np.dot(weight, target) / total
        design = design - (design @ weight / total)[:, None]
        weighted = design * weight
    normal = (weighted @ design.T).astype(np.float64)
    try:
        solution = np.linalg.solve(normal, (weighted @ target).astype(np.float64))
    except np.linalg.LinAlgError as error:
        raise AlignmentError("no motion aligns the frame to the reference: they show no structure") from error
    return np.asarray(-solution[:-1])
