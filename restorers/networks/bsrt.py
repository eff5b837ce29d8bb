"""BSRT: burst super-resolution with Swin transformer and flow-guided deformable alignment (Luo et al., CVPRW 2022)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import isqrt, lcm

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.networks.inputs import check_count, check_frames
from restorers.networks.layout import allocate, count_layers, fits, lay_out, read_shape
from restorers.networks.pyramid_alignment import PyramidAlignment
from restorers.networks.pyramid_super_resolution import PyramidSuperResolution
from restorers.networks.spynet import SpyNet
from restorers.networks.swin import SwinBlock, check_positions


class BSRT(PyramidSuperResolution):
    """Linear RGB at eight times the size of packed frames, four times that of their mosaics.

    Frames: 4 channels (R, G of the red rows, G of the blue rows, B), height and width multiples of the window (8), linear without white
    balance; 1 is the white level of the synthetic bursts, raw values less black divided by 1023 those of BurstSR, where negative ones stay.
    The authors' code takes frames of more than 16 px only. The first frame is the reference. The weights fix how many frames are merged,
    14 as published. Output values outside [0, 1] are left to the caller.
    Keys and sizes are those of the repository Algolzw/BSRT with Swin features and without non-local fusion. The defaults are those of the
    small network; the large one has width 180, hidden width 360 and six groups of 8 blocks.

    Args:
        width: channels of the transformer, a multiple of the number of heads.
        heads: heads of its attention.
        window: px of its windows' side.
        hidden_width: channels within its perceptrons.
        pre_layers: its blocks before the alignment.
        depths: its blocks in each group after the fusion.
        frames: length of a burst.
        feature_width: channels of the features that are aligned, a multiple of 8.
        last_width: channels at the size of the output.
    """

    def __init__(
        self,
        *,
        width: int = 60,
        heads: int = 6,
        window: int = 8,
        hidden_width: int = 120,
        pre_layers: int = 6,
        depths: tuple[int, ...] = (6, 6, 6, 6),
        frames: int = 14,
        feature_width: int = 64,
        last_width: int = 64,
    ) -> None:
        super().__init__(width=feature_width, trunk_width=width, last_width=last_width, activation=nn.LeakyReLU(0.1))

        def make_blocks(count: int) -> nn.Sequential:
            make = partial(SwinBlock, width, heads=heads, window=window, hidden_width=hidden_width)
            return nn.Sequential(*(make(shift=window // 2 * (index % 2)) for index in range(count)))

        # The pyramid halves the mosaic's size twice.
        self.multiple, self.frames = lcm(2, window), frames
        self.spynet = SpyNet()
        self.conv_flow = nn.Conv2d(1, 3, 3, padding=1)
        self.conv_first = nn.Conv2d(4, width, 3, padding=1)
        self.patch_embed = nn.ModuleDict({"norm": nn.LayerNorm(width)})
        self.pre_layers, self.pre_norm = make_blocks(pre_layers), nn.LayerNorm(width)
        self.conv_after_pre_layer = nn.Conv2d(width, 4 * feature_width, 3, padding=1)
        self.align = PyramidAlignment(feature_width, flow_width=2)
        self.fusion = nn.Conv2d(frames * feature_width, width, 1)
        self.layers = nn.Sequential(*(_ResidualGroup(make_blocks(depth), width) for depth in depths))
        self.norm = nn.LayerNorm(width)
        self.conv_after_body = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, frames: Tensor) -> Tensor:
        """Restore the first of frames [T, 4, h, w], as [3, 8h, 8w].

        Raises:
            UnsupportedBurstError: if the frames have another shape or number.
        """
        return self.merge(self.encode(frames), frames[0])

    def encode(self, frames: Tensor) -> Tensor:
        """Features of frames where the reference, the first of them, has its own; each frame's depend on it and the reference alone.

        Args:
            frames: [T, 4, h, w], T from 1 on.

        Returns:
            [T, C, 2h, 2w].

        Raises:
            UnsupportedBurstError: if the frames have another shape.
        """
        check_frames("BSRT", frames, channels=4, multiple=self.multiple)
        colours = self.conv_flow(functional.pixel_shuffle(frames, 2))
        flows = self.spynet(colours[:1], colours)
        # One at a time: within attention and deformable layers a frame needs many times the memory of its features.
        pyramids = [self.make_pyramid(self._extract(frame[None])) for frame in frames]
        aligned = []
        for index, pyramid in enumerate(pyramids):
            full, half, quarter = (flow[index : index + 1] for flow in flows)
            aligned.append(self.align(pyramid, pyramids[0], (full, half, quarter)))
        return torch.cat(aligned)

    def merge(self, features: Tensor, reference: Tensor) -> Tensor:
        """Restore what `encode` made of as many frames as the weights merge.

        Args:
            features: [T, C, 2h, 2w], those of the reference first.
            reference: the frame, [4, h, w].

        Returns:
            [3, 8h, 8w].

        Raises:
            UnsupportedBurstError: if there are more or fewer frames.
        """
        check_count("BSRT", features, self.frames)
        fused = self.activation(self.fusion(features.flatten(0, 1)[None]))
        tokens = self.norm(self.layers(self.patch_embed["norm"](fused.permute(0, 2, 3, 1))))
        trunk = self.activation(self.conv_after_body(tokens.permute(0, 3, 1, 2))) + fused
        return self.enlarge_trunk(trunk, functional.pixel_shuffle(reference[None], 2))

    def _extract(self, frame: Tensor) -> Tensor:
        """Features [1, C, 2h, 2w] of a frame [1, 4, h, w]."""
        embedded = self.activation(self.conv_first(frame)).permute(0, 2, 3, 1)
        tokens = self.pre_norm(self.pre_layers(self.patch_embed["norm"](embedded)))
        return functional.pixel_shuffle(self.conv_after_pre_layer(tokens.permute(0, 3, 1, 2)), 2)


class _ResidualGroup(nn.Module):
    """Swin blocks and a convolution, added to their input; channels are last."""

    def __init__(self, blocks: nn.Sequential, width: int) -> None:
        super().__init__()
        self.residual_group = nn.ModuleDict({"blocks": blocks})
        self.conv = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, features: Tensor) -> Tensor:
        attended = self.residual_group["blocks"](features)
        result: Tensor = features + self.conv(attended.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        return result


def build(state: Mapping[str, Tensor]) -> BSRT:
    """Build the network of a checkpoint on the CPU, its numbers not set.

    Args:
        state: tensors by name, weight normalisation folded.

    Raises:
        InvalidRestorerError: if they are not those of this network, or its windows are numbered in another way.
    """
    network = _lay_out(state)
    for key, value in state.items():
        if key.endswith("relative_position_index") and not value.is_meta:
            check_positions(key, value)
    return allocate(network)


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether a checkpoint, its weight normalisation folded, is of this network."""
    return fits(_lay_out, state)


def _lay_out(state: Mapping[str, Tensor]) -> BSRT:
    positions, heads = read_shape(state, "pre_layers.0.attn.relative_position_bias_table", 2)
    width, fused_width = read_shape(state, "fusion.weight", 4)[:2]
    feature_width = read_shape(state, "skipup2.weight", 4)[1]
    groups = count_layers(state, "layers.{}.conv.weight")
    return lay_out(
        lambda: BSRT(
            width=width,
            heads=heads,
            window=(isqrt(positions) + 1) // 2,
            hidden_width=read_shape(state, "pre_layers.0.mlp.fc1.weight", 2)[0],
            pre_layers=count_layers(state, "pre_layers.{}.norm1.weight"),
            depths=tuple(
                count_layers(state, f"layers.{group}.residual_group.blocks.{{}}.norm1.weight")
                for group in range(groups)
            ),
            frames=max(1, fused_width // feature_width),
            feature_width=feature_width,
            last_width=read_shape(state, "HRconv.weight", 4)[0],
        ),
        state,
    )
