"""What EBSR and its successor BSRT have in common around alignment and fusion."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from restorers.networks.pyramid_alignment import Levels
from restorers.networks.resizing import enlarge


class PyramidSuperResolution(nn.Module):
    """A pyramid of each frame's features, a short path from the reference's mosaic, and enlargement by four.

    Args:
        width: channels of the features.
        trunk_width: channels that the enlargement starts from.
        last_width: channels at four times the mosaic's size.
        activation: activation of the layers outside the alignment.
    """

    def __init__(self, *, width: int, trunk_width: int, last_width: int, activation: nn.Module) -> None:
        super().__init__()
        self.activation = activation
        self.fea_L2_conv1 = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.fea_L3_conv1 = nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)
        self.toplayer = nn.Conv2d(4 * width, width, 1)
        self.latlayer1, self.latlayer2 = nn.Conv2d(2 * width, width, 1), nn.Conv2d(width, width, 1)
        self.smooth1, self.smooth2 = (nn.Conv2d(width, width, 3, padding=1) for _ in range(2))
        self.skipup1 = nn.Conv2d(1, 4 * width, 3, padding=1)
        self.skipup2 = nn.Conv2d(width, 4 * 3, 3, padding=1)
        self.upconv1 = nn.Conv2d(trunk_width, 4 * width, 3, padding=1)
        self.upconv2 = nn.Conv2d(width, 4 * last_width, 3, padding=1)
        self.HRconv = nn.Conv2d(last_width, last_width, 3, padding=1)
        self.conv_last = nn.Conv2d(last_width, 3, 3, padding=1)

    def make_pyramid(self, features: Tensor) -> Levels:
        """Features [B, C, H, W] and, from them, those of half and a quarter of the size; H and W multiples of 4."""
        half = self.activation(self.fea_L2_conv1(features))
        quarter = self.activation(self.toplayer(self.activation(self.fea_L3_conv1(half))))
        half = self.smooth1(enlarge(quarter) + self.latlayer1(half))
        return self.smooth2(enlarge(half) + self.latlayer2(features)), half, quarter

    def enlarge_trunk(self, trunk: Tensor, mosaic: Tensor) -> Tensor:
        """Colours [3, 4H, 4W] from merged features [1, C, H, W] and the mosaic [1, 1, H, W] of the reference."""
        short = self.activation(functional.pixel_shuffle(self.skipup1(mosaic), 2))
        doubled = self.activation(functional.pixel_shuffle(self.upconv1(trunk), 2)) + short
        fourfold = self.activation(functional.pixel_shuffle(self.upconv2(doubled), 2))
        colours: Tensor = self.conv_last(self.activation(self.HRconv(fourfold)))
        return (colours + functional.pixel_shuffle(self.skipup2(short), 2))[0]
