"""Parts that the networks trained here share."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.1
_LEAST = 1e-6
_DARKEST = 0.1
"""Part of the offset below which the root's slope, endless at 0, is taken for no steeper: few frames of a dark scene fall below black."""


@dataclass(frozen=True, eq=False)
class Stabiliser:
    """A square root that makes noise of variance shot·x + read nearly equal everywhere, with 1 at x = 1 (after Anscombe).

    Its inverse is the plain algebraic one: networks correct the bias that averages of roots have.

    Attributes:
        noise: [B, 2]; shot and read noise of each burst's reference.
    """

    noise: Tensor

    @property
    def offset(self) -> Tensor:
        """What is added to the signal before the root, [B, 1, 1, 1]; read noise far above shot noise would make it endless."""
        shot, read = self._levels()
        shot = torch.maximum(shot, read / 4).clamp(min=1e-5)
        return 0.375 * shot + read / shot

    def apply(self, signal: Tensor) -> Tensor:
        """Stabilise [B, C, h, w]."""
        return ((signal + self.offset).clamp(min=_LEAST) / (1 + self.offset)).sqrt()

    def invert(self, stabilised: Tensor) -> Tensor:
        """Undo `apply`."""
        return stabilised.clamp(min=0).square() * (1 + self.offset) - self.offset

    def deviation(self, signal: Tensor, variance: Tensor) -> Tensor:
        """Standard deviation of the stabilised signal where that of the signal is the root of `variance`."""
        root = (torch.maximum(signal + self.offset, _DARKEST * self.offset) * (1 + self.offset)).sqrt()
        return (variance + 1e-10).sqrt() / (2 * root)

    def variance(self, signal: Tensor) -> Tensor:
        """Noise variance of the reference at a signal."""
        shot, read = self._levels()
        return shot * signal.clamp(min=0) + read + 1e-9

    def _levels(self) -> tuple[Tensor, Tensor]:
        return self.noise[:, 0].reshape(-1, 1, 1, 1), self.noise[:, 1].reshape(-1, 1, 1, 1)


def variance_of(noise: Tensor, signal: Tensor) -> Tensor:
    """Noise variance [N, C, h, w] of frames with levels [N, 2] at a signal."""
    shot, read = noise[:, 0].reshape(-1, 1, 1, 1), noise[:, 1].reshape(-1, 1, 1, 1)
    return shot * signal.clamp(min=0) + read + 1e-9


def box(images: Tensor, size: int) -> Tensor:
    """Mean over windows of odd size; beyond the edges nothing counts."""
    return functional.avg_pool2d(images, size, 1, size // 2, count_include_pad=False)


def limit(values: Tensor, bound: float) -> Tensor:
    """Values within ± bound, scaled to ± 1."""
    return values.clamp(-bound, bound) / bound


def describe_merge(
    stabiliser: Stabiliser, stabilised: Tensor, deviation: Tensor, reference: Tensor
) -> tuple[Tensor, Tensor]:
    """Detail of a merge in units of its noise, and what it has less than the reference in units of that one's: [B, C, h, w] each."""
    lost = stabiliser.apply(reference) - stabilised
    own = stabiliser.deviation(reference, stabiliser.variance(reference))
    return limit((stabilised - box(stabilised, 5)) / deviation, 8), limit(lost / own, 8)


def conv(inputs: int, outputs: int, size: int = 3, *, stride: int = 1) -> nn.Conv2d:
    """A convolution that keeps the size but for its stride; its first weights keep the strength of what passes through (He 2015)."""
    layer = nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2)
    if (
        not layer.weight.is_meta
    ):  # a layout has no values, and drawing them imports PyTorch's compiler: two seconds and 90 MB
        nn.init.kaiming_normal_(layer.weight, a=SLOPE)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer


def leak(features: Tensor) -> Tensor:
    """Leaky ReLU."""
    return functional.leaky_relu(features, SLOPE)


class Refinement(nn.Module):
    """A U-Net on three scales of any size of image.

    Args:
        inputs: channels.
        outputs: channels; zero at first.
        widths: channels on each scale.
    """

    def __init__(self, inputs: int, outputs: int, widths: tuple[int, int, int]) -> None:
        super().__init__()
        full, half, quarter = widths
        self.enter = conv(inputs, full, 1)
        self.full1, self.full2 = conv(full, full), conv(full, full)
        self.down1, self.half1, self.half2 = conv(full, half, 3, stride=2), conv(half, half), conv(half, half)
        self.down2, self.quarter1, self.quarter2 = (
            conv(half, quarter, 3, stride=2),
            conv(quarter, quarter),
            conv(quarter, quarter),
        )
        self.up2, self.up1 = conv(quarter, 4 * half, 1), conv(half, 4 * full, 1)
        self.leave = conv(full, outputs)
        nn.init.zeros_(self.leave.weight)

    def forward(self, features: Tensor) -> Tensor:
        """[B, inputs, h, w] to [B, outputs, h, w]."""
        height, width = features.shape[-2:]
        features = functional.pad(features, (0, -width % 4, 0, -height % 4), mode="replicate")
        full = leak(self.full1(leak(self.enter(features))))
        half = leak(self.half1(leak(self.down1(full))))
        quarter = leak(self.quarter2(leak(self.quarter1(leak(self.down2(half))))))
        half = leak(self.half2(half + functional.pixel_shuffle(self.up2(quarter), 2)))
        full = leak(self.full2(full + functional.pixel_shuffle(self.up1(half), 2)))
        # Training may convolve in bfloat16; what follows needs more digits.
        result: Tensor = self.leave(full).float()
        return result[..., :height, :width]
