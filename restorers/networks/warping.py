"""Images sampled where a flow points, as networks that align frames need it."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional


def warp(image: Tensor, flow: Tensor, *, outside: Literal["zeros", "border"]) -> Tensor:
    """Sample an image at every pixel displaced by its flow, bilinearly.

    Args:
        image: [B, C, H, W].
        flow: [B, 2, H, W], (dx, dy) in px: the result at (x, y) is the image at (x + dx, y + dy).
        outside: what lies beyond the image: zeros, of which each counts by its own part, or what the nearest edge holds.

    Returns:
        [B, C, H, W], differentiable in both.
    """
    height, width = image.shape[-2:]
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    # grid_sample counts from −1 at the left edge of the first pixel to 1 at the right edge of the last.
    positions = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    return functional.grid_sample(image, positions, padding_mode=outside, align_corners=False)
