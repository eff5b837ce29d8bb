"""Filtering of frames by kernels of their own at every pixel (Mildenhall et al., CVPR 2018, section 4)."""

from __future__ import annotations

import math

from torch import Tensor
from torch.nn import functional

from restorers.errors import InvalidRestorerError


def filter_by_pixel(frames: Tensor, kernels: Tensor) -> Tensor:
    """Weigh the neighbourhood of every pixel: tap (i, j) of K x K looks at row y + i − (K − 1) / 2, column x + j − (K − 1) / 2.

    Args:
        frames: [T, C, H, W]; zero beyond their edges.
        kernels: [T, K, K, H, W], K odd.

    Returns:
        [T, C, H, W]; memory for K·K images in between.
    """
    count, channels, height, width = frames.shape
    size = kernels.shape[1]
    neighbours = functional.unfold(frames, size, padding=size // 2)
    neighbours = neighbours.reshape(count, channels, size * size, height, width)
    return (neighbours * kernels.reshape(count, 1, size * size, height, width)).sum(2)


def find_kernel_size(kernels: int, frames: int) -> int:
    """Side of the kernels of a network that predicts so many numbers for the kernels of so many frames.

    Raises:
        InvalidRestorerError: if these are no square kernels of odd side.
    """
    size = math.isqrt(kernels // frames) if frames > 0 else 0
    if size % 2 == 0 or size**2 * frames != kernels:
        raise InvalidRestorerError(
            f"expected kernels of K x K numbers for each frame, K odd, got {kernels} numbers for {frames} frames"
        )
    return size
