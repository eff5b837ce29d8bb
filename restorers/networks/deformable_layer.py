"""The modulated deformable layer of burst networks, 3 × 3, in groups of channels and of offsets."""

from __future__ import annotations

from math import sqrt

import torch
from torch import Tensor, nn

from restorers.networks.deformable_convolution import deform_conv2d

OFFSET_GROUPS = 8
_TAPS = 9
RAW_OFFSETS = 3 * OFFSET_GROUPS * _TAPS
"""Channels that a network predicts for a layer: displacements (dy, dx) of each tap of each group, then logits of their factors."""


class DeformableKernel(nn.Module):
    """Weights of a convolution with displaced and weighted taps that keeps the size of images.

    Args:
        channels: C of input and output, a multiple of 8.
        groups: groups of channels that are convolved by themselves.
        dilation: px between undisplaced taps.
    """

    def __init__(self, channels: int, *, groups: int = 1, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        bound = 1 / sqrt(channels // groups * _TAPS)
        self.weight = nn.Parameter(torch.empty(channels, channels // groups, 3, 3).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(channels))

    def convolve(self, features: Tensor, offsets: Tensor, factors: Tensor) -> Tensor:
        """Convolve.

        Args:
            features: [B, C, H, W].
            offsets: [B, 144, H, W], (dy, dx) of each tap of each group in px.
            factors: [B, 72, H, W], by which the taps are multiplied.

        Returns:
            [B, C, H, W].
        """
        spacing = self.dilation
        return deform_conv2d(features, offsets, self.weight, self.bias, padding=spacing, dilation=spacing, mask=factors)


class DeformableLayer(DeformableKernel):
    """A layer whose offsets and factors its network predicts elsewhere."""

    def forward(self, features: Tensor, raw_offsets: Tensor) -> Tensor:
        """Convolve features [B, C, H, W] by raw offsets [B, 216, H, W]."""
        return self.convolve(features, *split_offsets(raw_offsets))


def split_offsets(raw: Tensor) -> tuple[Tensor, Tensor]:
    """Offsets [B, 144, H, W] in px and factors [B, 72, H, W] from 0 to 1 of what a network predicts, [B, 216, H, W]."""
    offsets, logits = raw.tensor_split([2 * OFFSET_GROUPS * _TAPS], 1)
    return offsets, logits.sigmoid()


def spread_flow(flow: Tensor) -> Tensor:
    """Offsets [B, 144, H, W] by which all taps follow a flow [B, 2, H, W] of (dx, dy) in px."""
    return flow.flip(1).repeat(1, OFFSET_GROUPS * _TAPS, 1, 1)
