"""Total variation denoising of a single frame (Rudin, Osher & Fatemi 1992) by Chambolle's projection (2004)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from restorers.base import RestorerInfo
from restorers.burst import Burst, FloatImage
from restorers.classical.stabilisation import denoise_stabilised, describe_denoiser

_INFO = describe_denoiser(
    version="2",
    summary="total variation minimisation of each colour, after variance stabilisation",
    paper="Chambolle, An algorithm for total variation minimization and applications, 2004",
)


@dataclass(frozen=True)
class TotalVariation:
    """Total variation denoising after variance stabilisation (`denoise_stabilised`).

    Planes are denoised one by one, each in 7 more of them.

    Attributes:
        weight: weight of the total variation against half the squared difference, in standard deviations of the noise.
        iterations: at most.
    """

    weight: float = 0.6
    iterations: int = 100

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Denoise the only frame, float32 [H, W] or [H, W, 3]."""

        def denoise(planes: Sequence[FloatImage], deviation: float) -> None:
            for plane in planes:
                minimise_total_variation(plane, weight=self.weight * deviation, iterations=self.iterations)

        return denoise_stabilised(_INFO, burst, denoise)


def minimise_total_variation(image: FloatImage, *, weight: float, iterations: int, tolerance: float = 2e-4) -> None:
    """Minimise ½·|u − image|² + weight·TV(u) over u, in place, by Chambolle's projection.

    Gives what `denoise_tv_chambolle` of scikit-image does, in two thirds of its memory: 7 images.

    Args:
        image: float32 [h, w]; becomes u.
        weight: weight of the total variation.
        iterations: at most.
        tolerance: share of its first value by which a step must change what is minimised for another to follow.
    """
    step = np.float32(1 / 4)
    dual, gradient = np.zeros((2, *image.shape), np.float32), np.zeros((2, *image.shape), np.float32)
    estimate, norm, scratch = image.copy(), np.empty(image.shape, np.float32), np.empty(image.shape, np.float32)
    first = former = 0.0
    for iteration in range(iterations):
        if iteration:
            np.subtract(image, dual[0], out=estimate)
            estimate -= dual[1]
            estimate[1:] += dual[0, :-1]
            estimate[:, 1:] += dual[1, :, :-1]
        np.subtract(estimate, image, out=scratch)
        energy = float(np.square(scratch, out=scratch).sum())
        np.subtract(estimate[1:], estimate[:-1], out=gradient[0, :-1])
        np.subtract(estimate[:, 1:], estimate[:, :-1], out=gradient[1, :, :-1])
        np.square(gradient[0], out=norm)
        norm += np.square(gradient[1], out=scratch)
        np.sqrt(norm, out=norm)
        energy = (energy + weight * float(norm.sum())) / image.size
        norm *= step / np.float32(weight)
        norm += 1
        gradient *= step
        dual -= gradient
        dual /= norm
        if iteration == 0:
            first = energy
        elif abs(former - energy) < tolerance * first:
            break
        former = energy
    image[...] = estimate
