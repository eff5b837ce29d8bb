"""PWC-Net (Sun et al., CVPR 2018): optical flow from a pyramid of features, warping and a correlation volume per level.

The variant that DBSR holds, with dense decoders and a refinement of the finest flow.
"""

from __future__ import annotations

from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.networks.warping import warp

_WIDTHS = (16, 32, 64, 96, 128, 196)
_DENSE_WIDTHS = (128, 128, 96, 64, 32)
_NAMES = ("netOne", "netTwo", "netThr", "netFou", "netFiv", "netSix")
_MULTIPLE = 64
_RADIUS = 4
_FLOW_UNIT = 20.0
"""Pixels of the enlarged image that one unit of the decoders' flows stands for."""


class PWCNet(nn.Module):
    """Flow from one image to another; images of any size, RGB in [0, 1] as DBSR gives them, without normalisation."""

    def __init__(self) -> None:
        super().__init__()
        self.netExtractor = _Extractor()
        self.netTwo, self.netThr, self.netFou, self.netFiv, self.netSix = (_Decoder(level) for level in (2, 3, 4, 5, 6))
        self.netRefiner = _Refiner(_count_inputs(2) + sum(_DENSE_WIDTHS))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Find where the pixels of one image lie in others.

        Args:
            first: [1, 3, H, W].
            second: [B, 3, H, W].

        Returns:
            [B, 2, H, W], (dx, dy) in px: what first shows at p, second shows at p + flow.
        """
        height, width = first.shape[-2:]
        enlarged = tuple(ceil(size / _MULTIPLE) * _MULTIPLE for size in (height, width))
        images = functional.interpolate(torch.cat([first, second]), enlarged, mode="bilinear")
        levels = [(level[:1].expand_as(level[1:]), level[1:]) for level in self.netExtractor(images)]
        flow, features = self.netSix(*levels[5])
        for level, decoder in zip(levels[4:0:-1], (self.netFiv, self.netFou, self.netThr, self.netTwo), strict=True):
            flow, features = decoder(*level, flow, features)
        refined: Tensor = flow + self.netRefiner(features)
        unit = refined.new_tensor([[[width / enlarged[1]]], [[height / enlarged[0]]]]) * _FLOW_UNIT
        return functional.interpolate(refined, (height, width), mode="bilinear") * unit


class _Extractor(nn.Module):
    """Features at 1/2, 1/4 … 1/64 of the size."""

    def __init__(self) -> None:
        super().__init__()
        for name, inputs, outputs in zip(_NAMES, (3, *_WIDTHS), _WIDTHS, strict=False):
            halving = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
            following = (nn.Conv2d(outputs, outputs, 3, padding=1) for _ in range(2))
            layers = (part for layer in (halving, *following) for part in (layer, nn.LeakyReLU(0.1)))
            self.add_module(name, nn.Sequential(*layers))

    def forward(self, images: Tensor) -> list[Tensor]:
        levels = []
        for extract in self.children():
            images = extract(images)
            levels.append(images)
        return levels


class _Decoder(nn.Module):
    """Flow of one level from the features of both images and, but for the coarsest, from the flow and features of the level above."""

    def __init__(self, level: int) -> None:
        super().__init__()
        self._level = level
        width = _count_inputs(level)
        if level < len(_WIDTHS):
            self.netUpflow = nn.ConvTranspose2d(2, 2, 4, stride=2, padding=1)
            above = _count_inputs(level + 1) + sum(_DENSE_WIDTHS)
            self.netUpfeat = nn.ConvTranspose2d(above, 2, 4, stride=2, padding=1)
        for name, outputs in zip(_NAMES, _DENSE_WIDTHS, strict=False):
            self.add_module(name, nn.Sequential(nn.Conv2d(width, outputs, 3, padding=1), nn.LeakyReLU(0.1)))
            width += outputs
        self.netSix = nn.Sequential(nn.Conv2d(width, 2, 3, padding=1))

    def forward(
        self, first: Tensor, second: Tensor, flow: Tensor | None = None, above: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        if flow is None or above is None:
            features = _correlate(first, second)
        else:
            flow, above = self.netUpflow(flow), self.netUpfeat(above)
            warped = _warp_inside(second, flow * (_FLOW_UNIT / 2**self._level))
            features = torch.cat([_correlate(first, warped), first, flow, above], 1)
        for name, _ in zip(_NAMES, _DENSE_WIDTHS, strict=False):
            features = torch.cat([self.get_submodule(name)(features), features], 1)
        return self.netSix(features), features


class _Refiner(nn.Module):
    """Correction of the finest flow from a wide surrounding (the paper's context network)."""

    def __init__(self, inputs: int) -> None:
        super().__init__()
        widths = (128, 128, 128, 96, 64, 32, 2)
        layers = []
        for before, after, dilation in zip((inputs, *widths), widths, (1, 2, 4, 8, 16, 1, 1), strict=False):
            layers += [nn.Conv2d(before, after, 3, padding=dilation, dilation=dilation), nn.LeakyReLU(0.1)]
        self.netMain = nn.Sequential(*layers[:-1])

    def forward(self, features: Tensor) -> Tensor:
        correction: Tensor = self.netMain(features)
        return correction


def _count_inputs(level: int) -> int:
    """Channels that a level's decoder starts from: the volume; below the coarsest, its features, flow and features from above."""
    volume = (2 * _RADIUS + 1) ** 2
    return volume if level == len(_WIDTHS) else volume + _WIDTHS[level - 1] + 2 + 2


def _correlate(first: Tensor, second: Tensor) -> Tensor:
    """Mean over channels of the product with every displacement, [B, 81, H, W]; dx runs fastest."""
    height, width = first.shape[-2:]
    padded = functional.pad(second, (_RADIUS,) * 4)
    steps = range(2 * _RADIUS + 1)
    volume = [(first * padded[..., y : y + height, x : x + width]).mean(1) for y in steps for x in steps]
    return functional.leaky_relu(torch.stack(volume, 1), 0.1)


def _warp_inside(image: Tensor, flow: Tensor) -> Tensor:
    """Warp, zero wherever a neighbour outside the image has a part in the result."""
    height, width = image.shape[-2:]
    # The published weights were trained with flows stretched by this much.
    stretch = flow.new_tensor([[[width / (width - 1)]], [[height / (height - 1)]]])
    warped = warp(torch.cat([image, torch.ones_like(image[:, :1])], 1), flow * stretch, outside="zeros")
    return warped[:, :-1] * (warped[:, -1:] > 0.999)
