"""The modulated deformable layer of BIPNet and Burstormer: offsets and masks come from one convolution of its caller."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from restorers.networks.deformable_convolution import deform_conv2d

TAPS = 9
"""Of its 3 × 3 kernel."""


class DeformableLayer(nn.Module):
    """Convolution 3 × 3 with displaced and weighted taps, keeping the size; channels and offsets come in as many groups.

    Args:
        channels: C of input and output, a multiple of `groups`.
        groups: G of channels and of offsets.
        dilation: px between undisplaced taps.
    """

    def __init__(self, *, channels: int, groups: int, dilation: int = 1) -> None:
        super().__init__()
        self.dilation = dilation
        self.weight = nn.Parameter(torch.empty(channels, channels // groups, 3, 3))
        self.bias = nn.Parameter(torch.zeros(channels))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))

    def forward(self, features: Tensor, raw_offsets: Tensor) -> Tensor:
        """Convolve.

        Args:
            features: [B, C, H, W].
            raw_offsets: [B, 3·G·9, H, W]: two thirds are displacements, (dy, dx) of each tap of each group in px, the last third are
                logits of the taps' factors.

        Returns:
            [B, C, H, W].
        """
        offset, logits = raw_offsets.tensor_split([raw_offsets.shape[1] // 3 * 2], 1)
        return deform_conv2d(
            features,
            offset,
            self.weight,
            self.bias,
            padding=self.dilation,
            dilation=self.dilation,
            mask=logits.sigmoid(),
        )
