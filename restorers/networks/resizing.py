"""Enlargement to twice the sides by the two rules for bilinear interpolation that networks were trained with."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def enlarge(images: Tensor) -> Tensor:
    """Enlarge [B, C, H, W] to [B, C, 2·H, 2·W]: new pixels lie a quarter of an old one beside its centre."""
    return functional.interpolate(images, scale_factor=2.0, mode="bilinear")


def enlarge_as_tensorflow(images: Tensor) -> Tensor:
    """Enlarge as TensorFlow 1 does: the first of two new pixels lies on the old one, the other between it and the next."""
    return _double_last(_double_last(images).mT).mT


def _double_last(images: Tensor) -> Tensor:
    following = torch.cat([images[..., 1:], images[..., -1:]], -1)
    return torch.stack([images, (images + following) / 2], -1).flatten(-2)
