"""SpyNet (Ranjan and Black, CVPR 2017): optical flow refined from level to level of an image pyramid, six levels as BSRT holds them."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.networks.warping import warp

_LEVELS = 6
_MULTIPLE = 2 ** (_LEVELS - 1)
_KERNEL = 7


class SpyNet(nn.Module):
    """Flow from one image to others of any size; it normalises RGB in [0, 1] by the mean and spread that its weights come with."""

    mean: Tensor
    std: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).reshape(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor([0.229, 0.224, 0.225]).reshape(1, 3, 1, 1))
        self.basic_module = nn.ModuleList(_Level() for _ in range(_LEVELS))

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Find where the pixels of one image lie in others.

        Args:
            first: [1, 3, H, W].
            second: [B, 3, H, W].

        Returns:
            [B, 2, H, W] and the flows for half and a quarter of the size, rounded down: (dx, dy) in px of their own size; what first
            shows at p, second shows at p + flow.
        """
        size = first.shape[-2:]
        enlarged = [ceil(length / _MULTIPLE) * _MULTIPLE for length in size]
        images = functional.interpolate(torch.cat([first, second]), enlarged, mode="bilinear")
        pyramid = [(images - self.mean) / self.std]
        for _ in range(_LEVELS - 1):
            pyramid.append(functional.avg_pool2d(pyramid[-1], 2))
        flows: list[Tensor] = []
        for refine, level in zip(self.basic_module, reversed(pyramid), strict=True):
            one, other = level[:1].expand_as(level[1:]), level[1:]
            flow = _double(flows[-1]) if flows else torch.zeros_like(other[:, :2])
            warped = warp(other, flow, outside="border")
            flows.append(refine(torch.cat([one, warped, flow], 1)) + flow)
        return _resize(flows[-1], size, 1), _resize(flows[-2], size, 2), _resize(flows[-3], size, 4)


class _Level(nn.Module):
    """Correction of a flow from both images, the second warped by it, and the flow."""

    def __init__(self) -> None:
        super().__init__()
        widths = (8, 32, 64, 32, 16, 2)
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise(widths):
            layers += [nn.Conv2d(inputs, outputs, _KERNEL, padding=_KERNEL // 2), nn.ReLU()]
        self.basic_module = nn.Sequential(*layers[:-1])

    def forward(self, images_and_flow: Tensor) -> Tensor:
        correction: Tensor = self.basic_module(images_and_flow)
        return correction


def _double(flow: Tensor) -> Tensor:
    """Flow of the next finer level; the published weights were trained with corners on corners here."""
    return 2 * functional.interpolate(flow, scale_factor=2.0, mode="bilinear", align_corners=True)


def _resize(flow: Tensor, full_size: torch.Size, reduction: int) -> Tensor:
    """Flow in pixels of the images as they were given, reduced by a factor."""
    height, width = (length // reduction for length in full_size)
    scale = flow.new_tensor([[[width / flow.shape[3]]], [[height / flow.shape[2]]]])
    return functional.interpolate(flow, (height, width), mode="bilinear") * scale
