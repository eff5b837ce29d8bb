"""Transformer blocks that attend over channels instead of pixels (Zamir et al., Restormer, CVPR 2022), with biases in norms alone.

Burstormer calls them burst feature attention. Attributes are named as in its checkpoints.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ChannelAttentionBlock(nn.Module):
    """Attention and a gated feed-forward network, each on normalised features and added to them; [B, C, H, W] of any size.

    Args:
        channels: C.
        heads: consecutive groups of channels that attend within themselves; a divisor of C.
    """

    def __init__(self, channels: int, *, heads: int = 1) -> None:
        super().__init__()
        self.norm1 = _ChannelNorm(channels)
        self.attn = _ChannelAttention(channels, heads)
        self.norm2 = _ChannelNorm(channels)
        self.ffn = _GatedFeedForward(channels)

    def forward(self, features: Tensor) -> Tensor:
        """Refine features, [B, C, H, W]."""
        attended = features + self.attn(self.norm1(features))
        refined: Tensor = attended + self.ffn(self.norm2(attended))
        return refined


class _ChannelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.body = nn.LayerNorm(channels)

    def forward(self, features: Tensor) -> Tensor:
        normalised: Tensor = self.body(features.movedim(1, -1))
        return normalised.movedim(-1, 1)


class _ChannelAttention(nn.Module):
    """Each channel becomes a mean of its head's channels, weighted by the cosines between their images."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.temperature = nn.Parameter(torch.ones(heads, 1, 1))
        self.qk = _mix_channels(channels, 2 * channels)
        self.qk_dwconv = _filter_channels(2 * channels)
        self.v = _mix_channels(channels, channels)
        self.v_dwconv = _filter_channels(channels)
        self.project_out = _mix_channels(channels, channels)

    def forward(self, features: Tensor) -> Tensor:
        heads = (len(features), len(self.temperature), -1, features.shape[2] * features.shape[3])
        queries, keys = self.qk_dwconv(self.qk(features)).chunk(2, 1)
        queries, keys = (functional.normalize(images.reshape(heads), dim=-1) for images in (queries, keys))
        weights = (queries @ keys.mT * self.temperature).softmax(-1)
        values = self.v_dwconv(self.v(features)).reshape(heads)
        attended: Tensor = self.project_out((weights @ values).reshape(features.shape))
        return attended


class _GatedFeedForward(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = int(2.66 * channels)
        self.project_in = _mix_channels(channels, 2 * hidden)
        self.dwconv = _filter_channels(2 * hidden)
        self.project_out = _mix_channels(hidden, channels)

    def forward(self, features: Tensor) -> Tensor:
        gates, values = self.dwconv(self.project_in(features)).chunk(2, 1)
        projected: Tensor = self.project_out(functional.gelu(gates) * values)
        return projected


def _mix_channels(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 1, bias=False)


def _filter_channels(channels: int) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
