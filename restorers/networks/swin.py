"""Blocks of the Swin transformer (Liu et al., ICCV 2021), as restoration networks use them: windows of one size, LayerNorm first."""

from __future__ import annotations

from collections import OrderedDict
from math import isqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.errors import InvalidRestorerError

_SEPARATE = -100.0
"""Added to the attention between pixels that only the rolling brought together."""


class SwinBlock(nn.Module):
    """Attention within windows and a perceptron per pixel, each added to its input.

    Args:
        width: channels, a multiple of the number of heads.
        heads: heads of the attention.
        window: px of a window's side.
        shift: px by which the image is rolled before it is cut into windows.
        hidden_width: channels within the perceptron.

    Raises:
        InvalidRestorerError: if the heads cannot share the channels evenly.
    """

    def __init__(self, width: int, *, heads: int, window: int, shift: int, hidden_width: int) -> None:
        super().__init__()
        self._window, self._shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = _WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        layers = {"fc1": nn.Linear(width, hidden_width), "gelu": nn.GELU(), "fc2": nn.Linear(hidden_width, width)}
        self.mlp = nn.Sequential(OrderedDict(layers))

    def forward(self, features: Tensor) -> Tensor:
        """Channels are last: [B, H, W, C], H and W multiples of the window."""
        size, shift = features.shape[1:3], self._shift
        rolled = self.norm1(features).roll((-shift, -shift), (1, 2))
        windows = self.attn(_cut(rolled, self._window), self._separate_regions(features))
        attended = _assemble(windows, size, self._window).roll((shift, shift), (1, 2))
        features = features + attended
        result: Tensor = features + self.mlp(self.norm2(features))
        return result

    def _separate_regions(self, features: Tensor) -> Tensor | None:
        """What to add to the attention in each window of a rolled image, [windows, n, n], so that opposite edges do not mix."""
        if not self._shift:
            return None
        rows, columns = (self._number_regions(length).to(features.device) for length in features.shape[1:3])
        regions = _cut((3 * rows[:, None] + columns)[None, :, :, None], self._window)
        return _SEPARATE * (regions != regions.mT).to(features.dtype)

    def _number_regions(self, length: int) -> Tensor:
        """0, 1 or 2 for each position along an axis: never moved across the edge, beside what was, and what was; [length]."""
        positions = torch.arange(length)
        return (positions >= length - self._window).long() + (positions >= length - self._shift).long()


class _WindowAttention(nn.Module):
    """Self-attention of the pixels of a window, with a bias by their relative position."""

    relative_position_index: Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        if width % heads:
            raise InvalidRestorerError(f"expected a number of channels that {heads} heads share evenly, got {width}")
        self._heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", _index_positions(window))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, windows: Tensor, separation: Tensor | None) -> Tensor:
        """Attend within windows [B·windows, n, C]; `separation` [windows, n, n] is added to each image's attention."""
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        if separation is not None:
            repeats = len(windows) // len(separation)
            bias = (bias + separation[:, None]).repeat(repeats, 1, 1, 1)
        query, key, value = self.qkv(windows).unflatten(2, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
        attended = functional.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        result: Tensor = self.proj(attended.transpose(1, 2).flatten(2))
        return result


def _index_positions(window: int) -> Tensor:
    """Row of the bias table for each pair of a window's pixels, [n, n]."""
    row, column = (axis.flatten() for axis in torch.meshgrid(torch.arange(window), torch.arange(window), indexing="ij"))
    down, right = (axis[:, None] - axis + window - 1 for axis in (row, column))
    return down * (2 * window - 1) + right


def check_positions(name: str, index: Tensor) -> None:
    """Check that a stored buffer numbers pairs of a window's pixels as attention does: others would point outside of its table.

    Args:
        name: name of the buffer, for messages.
        index: [n, n], n the pixels of a window.

    Raises:
        InvalidRestorerError: if it does not.
    """
    if not torch.equal(index.long(), _index_positions(isqrt(len(index)))):
        raise InvalidRestorerError(f"{name}: expected the relative positions within a window, got other numbers")


def _cut(image: Tensor, window: int) -> Tensor:
    """Windows [B·windows, n, C] of [B, H, W, C], row by row like their pixels."""
    batch, height, width, channels = image.shape
    grid = image.reshape(batch, height // window, window, width // window, window, channels)
    return grid.transpose(2, 3).reshape(-1, window * window, channels)


def _assemble(windows: Tensor, size: torch.Size, window: int) -> Tensor:
    """Undo `_cut`."""
    grid = windows.reshape(-1, size[0] // window, size[1] // window, window, window, windows.shape[-1])
    return grid.transpose(2, 3).reshape(-1, *size, windows.shape[-1])
