"""Deformable convolution (Zhu et al., Deformable ConvNets v2, CVPR 2019) from PyTorch's own operators.

It stands in for `torchvision.ops.deform_conv2d` where torchvision came without its compiled operators, as its wheels do beside a PyTorch
built for another platform.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

Pair = int | tuple[int, int]


def deform_conv2d(  # noqa: PLR0917  # callers pass them by position, as to torchvision
    image: Tensor,
    offset: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    mask: Tensor | None = None,
) -> Tensor:
    """Convolve with a kernel whose K = kh·kw taps are displaced and weighted at every output pixel; arguments as torchvision orders them.

    Args:
        image: [B, C, H, W]; zero beyond its edges.
        offset: [B, 2·D·K, H', W'], for D groups of channels: (dy, dx) of each tap in px.
        weight: [O, C / groups, kh, kw].
        bias: [O].
        stride: stride of the output grid in px; one number or (y, x), like the next two.
        padding: px by which the output grid starts outside the image.
        dilation: px between taps.
        mask: [B, D·K, H', W'], factors of the taps.

    Returns:
        [B, O, H', W'], differentiable in all tensors; memory for C·K·H'·W' values per image.
    """
    batch, channels, height, width = image.shape
    outputs, group_channels, kernel_height, kernel_width = weight.shape
    taps, (rows, columns) = kernel_height * kernel_width, offset.shape[-2:]
    groups = offset.shape[1] // (2 * taps)
    shape = (batch * groups, taps, rows, columns)

    displacement = offset.reshape(batch * groups, taps, 2, rows, columns)
    spacing = (_pair(stride), _pair(padding), _pair(dilation))
    y, x = (
        _place_taps(size, count, *(pair[axis] for pair in spacing)).to(image)
        for axis, (size, count) in enumerate(((rows, kernel_height), (columns, kernel_width)))
    )
    y = y.repeat_interleave(kernel_width, 0)[:, :, None] + displacement[:, :, 0]
    x = x.repeat(kernel_height, 1)[:, None, :] + displacement[:, :, 1]
    # grid_sample counts from −1 at the left edge of the first pixel to 1 at the right edge of the last.
    positions = torch.stack([(2 * x + 1) / width - 1, (2 * y + 1) / height - 1], -1)
    samples = functional.grid_sample(
        image.reshape(batch * groups, channels // groups, height, width),
        positions.reshape(batch * groups, taps * rows, columns, 2),
        align_corners=False,
    ).reshape(batch * groups, channels // groups, *shape[1:])
    if mask is not None:
        samples = samples * mask.reshape(batch * groups, 1, *shape[1:])

    parts = channels // group_channels
    samples = samples.reshape(batch, parts, group_channels * taps, rows * columns)
    kernels = weight.reshape(parts, outputs // parts, group_channels * taps)
    result = torch.einsum("goc,bgcn->bgon", kernels, samples).reshape(batch, outputs, rows, columns)
    return result if bias is None else result + bias[:, None, None]


def _pair(value: Pair) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _place_taps(size: int, taps: int, stride: int, padding: int, dilation: int) -> Tensor:
    """Positions of the undisplaced taps along one axis, [taps, size]."""
    return torch.arange(taps)[:, None] * dilation + torch.arange(size) * stride - padding
