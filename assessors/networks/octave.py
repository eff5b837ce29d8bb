"""Octave convolution (Chen et al., Drop an octave, ICCV 2019): features of high and of low frequency, the latter at half the size."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from assessors.networks.parts import conv


class OctaveConvolution(nn.Module):
    """Convolves both kinds of features, and lets each have a part in the other.

    high' = f(high) + enlarged f(low), low' = f(low) + f(averaged high).

    Args:
        high: channels of high frequency that come in.
        low: of low frequency; 0 where there are none yet.
        high_after: that go out.
        low_after: 0 where they are dropped.
    """

    def __init__(self, high: int, low: int, high_after: int, low_after: int) -> None:
        super().__init__()
        self.high_to_high = conv(high, high_after)
        self.low_to_high = conv(low, high_after) if low else None
        self.high_to_low = conv(high, low_after) if low_after else None
        self.low_to_low = conv(low, low_after) if low and low_after else None

    def forward(self, high: Tensor, low: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """Features [N, C, h, w], and [N, C', ⌈h/2⌉, ⌈w/2⌉] or None."""
        high_after: Tensor = self.high_to_high(high)
        if self.low_to_high is not None and low is not None:
            high_after = high_after + functional.interpolate(self.low_to_high(low), high.shape[2:])
        if self.high_to_low is None:
            return high_after, None
        low_after: Tensor = self.high_to_low(functional.avg_pool2d(high, 2, ceil_mode=True))
        if self.low_to_low is not None and low is not None:
            low_after = low_after + self.low_to_low(low)
        return high_after, low_after
