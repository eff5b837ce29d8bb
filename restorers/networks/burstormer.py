"""Burstormer (Dudhane et al., Burstormer: Burst Image Restoration and Enhancement Transformer, CVPR 2023).

Attributes are named as in the checkpoints of akshaydudhane16/Burstormer, so that their state dicts load as they are.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.networks.channel_attention import ChannelAttentionBlock
from restorers.networks.deformable_layer import OFFSET_GROUPS, RAW_OFFSETS, DeformableLayer
from restorers.networks.inputs import Task, check_count, check_frames, join_noise
from restorers.networks.layout import allocate, fits, lay_out, read_shape

Variant = Literal["synthetic", "real", "denoise"]

_NAME = "Burstormer"
_FEATURES = 48
_ITEMS = 8
"""Frames that are merged; longer and shorter bursts are pooled to as many, or refused for denoising."""
_MULTIPLE = 4
"""Pixels of which the sides must be a multiple: the alignment halves them twice."""


class Burstormer(nn.Module):
    """Aligns a burst to its first frame at three sizes, with attention between channels, and merges it by pairs of frames.

    The reference is frame 0. Sides of frames are multiples of 4. Values are linear, in units of the white level, not clamped before or
    after the network; frames for super-resolution are camera colours without white balance, from which the black level was taken.

    The official repository has three networks of this name, which differ in more than sizes:
    `synthetic` and `real`: super-resolution of synthetic bursts and of BurstSR; frames are packed Bayer planes R, G in the rows of R, G
    in the rows of B, B, of any number (published networks were trained on 14), of which 8 are pooled. The output is linear RGB of 8
    times their sides, 4 times those of the mosaic.
    `denoise`: 8 frames, linear RGB or grey, each with its own noise map. The output is of their size and channels.
    The file published for `synthetic` is reported not to fit this network (issue 10 of the repository): `build` says where a file
    differs. Published images were made in mixed precision; expect differences of about 1e-3 from them.

    `encode` takes any number of frames, and aligns each to frame 0 whatever the others are, so that subsets of a burst are merged from
    rows of one encoding. Frame 0 itself is not displaced, so it differs from a repetition of it.

    Args:
        variant: which of the three.
        channels: C of a frame, without its noise map: 4 packed planes, 3 colours or 1 grey.
    """

    def __init__(self, *, variant: Variant, channels: int) -> None:
        super().__init__()
        self.variant, self.channels = variant, channels
        self.task: Task = "denoise" if variant == "denoise" else "sr"
        self.frames = _ITEMS if variant == "denoise" else None
        burst, pair = _ITEMS * _FEATURES, 2 * _FEATURES
        self.align = _Alignment(variant)
        self.back_projection1, self.back_projection2 = (_NeighbourBackProjection(variant) for _ in range(2))
        if variant == "denoise":
            self.conv1 = nn.Sequential(_convolve(2 * channels, _FEATURES))
            self.pool: nn.Module = nn.Identity()
            self.rec_conv1 = _fuse(burst, pair, size=1, bias=False)
            self.rec_conv2 = _fuse(pair, _FEATURES, size=1, bias=False)
            self.out_conv = nn.Sequential(_convolve(_FEATURES, channels))
        else:
            self.conv1 = nn.Sequential(_convolve(channels, _FEATURES))
            self.pool = _BurstPooling()
            self.up1 = _shuffle_up(burst, pair)
            self.up2 = _shuffle_up(pair, _FEATURES)
            self.up3 = _shuffle_up(_FEATURES, _FEATURES)
            self.out_conv = nn.Sequential(_convolve(_FEATURES, 3))

    def forward(self, frames: Tensor, *, noise: Tensor | None = None) -> Tensor:
        """Restore frame 0.

        Args:
            frames: [T, C, h, w].
            noise: [T, C, h, w], standard deviation of the noise at each value; for denoising only.

        Returns:
            [3, 8·h, 8·w] for super-resolution, [C, h, w] for denoising.

        Raises:
            UnsupportedBurstError: if frames or map are not of these sizes.
        """
        return self.merge(self.encode(frames, noise=noise))

    def encode(self, frames: Tensor, *, noise: Tensor | None = None) -> Tensor:
        """Features of each frame, aligned to frame 0: arguments as in `forward`, for any T ≥ 1; returns [T, 48, h, w]."""
        check_frames(_NAME, frames, channels=self.channels, multiple=_MULTIPLE)
        joined = join_noise(_NAME, self.task, frames, noise)
        aligned: Tensor = self.align(self.conv1(joined))
        return aligned

    def merge(self, encoded: Tensor) -> Tensor:
        """Restore frame 0 from encoded frames [T, 48, h, w], frame 0 first; returns as `forward` does."""
        denoises = self.task == "denoise"
        if denoises:
            check_count(_NAME, encoded, _ITEMS)
        first, second = (self.rec_conv1, self.rec_conv2) if denoises else (self.up1, self.up2)
        merged = first(_regroup(self.back_projection1(self.pool(encoded)), 1))
        merged = second(_regroup(self.back_projection2(_regroup(merged, 2)), 1))
        if not denoises:
            merged = self.up3(merged)
        restored: Tensor = self.out_conv(merged)[0]
        return restored


def build(state: Mapping[str, Tensor]) -> Burstormer:
    """Build the network of a checkpoint on the CPU, its numbers not set.

    Args:
        state: tensors by name, weight normalisation folded.

    Raises:
        InvalidRestorerError: if they are not those of this network.
    """
    return allocate(_lay_out(state))


def matches(state: Mapping[str, Tensor]) -> bool:
    """Whether a checkpoint, its weight normalisation folded, is of this network."""
    return fits(_lay_out, state)


def _lay_out(state: Mapping[str, Tensor]) -> Burstormer:
    variant: Variant = "synthetic"
    if "rec_conv1.0.weight" in state:
        variant = "denoise"
    elif "back_projection1.diff_fusion.weight" in state:
        variant = "real"
    inputs = read_shape(state, "conv1.0.weight", 4)[1]
    channels = (inputs + 1) // 2 if variant == "denoise" else inputs
    return lay_out(lambda: Burstormer(variant=variant, channels=channels), state)


class _Alignment(nn.Module):
    """Enhanced deformable alignment: from coarse to fine, then once more at the finest size; [T, 48, h, w]."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.encoder_level1 = _stack_blocks(_FEATURES)
        self.down1 = _halve_sides()
        self.encoder_level2 = _stack_blocks(_FEATURES, heads=2)
        self.down2 = _halve_sides()
        self.alignment2 = _AlignmentStep(variant, guided=False)
        self.offset_up2, self.up2 = _double_sides(), _double_sides()
        self.alignment1 = _AlignmentStep(variant, guided=True)
        self.offset_up1, self.up1 = _double_sides(), _double_sides()
        self.alignment0 = _AlignmentStep(variant, guided=True)
        self.cascade_alignment = _AlignmentStep(variant, guided=True)

    def forward(self, features: Tensor) -> Tensor:
        fine = self.encoder_level1(features)
        middle = self.encoder_level2(self.down1(fine))
        coarse, motion = self.alignment2(self.down2(middle))
        # Displacements in pixels double with the sides.
        middle, motion = self.alignment1(middle, 2 * self.offset_up2(motion))
        middle = self.up2(coarse) + middle
        fine, motion = self.alignment0(fine, 2 * self.offset_up1(motion))
        aligned: Tensor = self.cascade_alignment(self.up1(middle) + fine, motion)[0]
        return aligned


class _AlignmentStep(nn.Module):
    """Displaces the features of all frames but the reference; returns them, enriched by it, and features of their motion.

    A guided step also takes features of the motion that the step before it saw.
    """

    def __init__(self, variant: Variant, *, guided: bool) -> None:
        super().__init__()
        self.bottleneck = _fuse(2 * _FEATURES, _FEATURES, bias=False)
        if guided:
            self.bottleneck_o = _fuse(2 * _FEATURES, _FEATURES, bias=False)
        self.offset_conv = _convolve(_FEATURES, RAW_OFFSETS)
        self.deform = DeformableLayer(_FEATURES, groups=OFFSET_GROUPS, dilation=2)
        self.back_projection = _ReferenceBackProjection(variant)

    def forward(self, features: Tensor, seen_motion: Tensor | None = None) -> tuple[Tensor, Tensor]:
        motion = self.bottleneck(_join_reference(features))
        if seen_motion is not None:
            motion = self.bottleneck_o(torch.cat([seen_motion, motion], 1))
        displaced = self.deform(features, self.offset_conv(motion))
        return self.back_projection(torch.cat([features[:1], displaced[1:]])), motion


class _ReferenceBackProjection(nn.Module):
    """Reference-based feature enrichment: fuses each frame with the reference, and adds what the fusion lost; [T, 48, h, w]."""

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        self.joins_encoded = variant == "synthetic"
        self.encoder1 = _stack_blocks(_FEATURES if self.joins_encoded else 2 * _FEATURES)
        self.feat_fusion = _fuse(2 * _FEATURES, _FEATURES)
        self.feat_expand = _fuse(_FEATURES, 2 * _FEATURES)
        self.diff_fusion = _fuse(2 * _FEATURES, _FEATURES)

    def forward(self, features: Tensor) -> Tensor:
        encode, join = self.encoder1, _join_reference
        joined = join(encode(features)) if self.joins_encoded else encode(join(features))
        fused = self.feat_fusion(joined)
        enriched: Tensor = fused + self.diff_fusion(self.feat_expand(fused) - joined)
        return enriched


class _NeighbourBackProjection(nn.Module):
    """No-reference feature enrichment: fuses pairs of items, and adds what the fusion lost.

    For `synthetic`, [N, 48, h, w] becomes [N / 2, 96, h, w]. For the others, the pairs that start at odd items follow those that
    start at even ones, the last item standing before the first, and [N, 48, h, w] keeps its shape.
    """

    def __init__(self, variant: Variant) -> None:
        super().__init__()
        fuse = _convolve if variant == "real" else _fuse
        self.cyclic = variant != "synthetic"
        self.encoder1 = _stack_blocks(2 * _FEATURES)
        self.feat_fusion = fuse(2 * _FEATURES, _FEATURES)
        self.feat_expand = fuse(_FEATURES, 2 * _FEATURES)
        if self.cyclic:
            self.diff_fusion = fuse(2 * _FEATURES, _FEATURES)

    def forward(self, features: Tensor) -> Tensor:
        items = torch.cat([features, features.roll(1, 0)]) if self.cyclic else features
        pairs = self.encoder1(_regroup(items, len(items) // 2))
        fused = self.feat_fusion(pairs)
        lost = pairs - self.feat_expand(fused)
        enriched: Tensor = fused + self.diff_fusion(lost) if self.cyclic else pairs + lost
        return enriched


class _BurstPooling(nn.Module):
    """The reference, and seven items that are means over the channels of all frames in their order; [T, 48, h, w] to [8, 48, h, w].

    An item is not a mean of frames: neighbouring channels are averaged, as the published networks were trained.
    """

    def forward(self, features: Tensor) -> Tensor:
        pooled = functional.adaptive_avg_pool1d(features.flatten(0, 1).movedim(0, -1), (_ITEMS - 1) * _FEATURES)
        return torch.cat([features[:1], _regroup(pooled.movedim(-1, 0), _ITEMS - 1)])


def _regroup(features: Tensor, items: int) -> Tensor:
    """The same channels in their order, as those of another number of items."""
    return features.reshape(items, -1, *features.shape[-2:])


def _join_reference(features: Tensor) -> Tensor:
    """Features of frame 0 and of each frame, [T, 2·C, h, w]."""
    return torch.cat([features[:1].expand_as(features), features], 1)


def _convolve(inputs: int, outputs: int, *, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)


def _fuse(inputs: int, outputs: int, *, size: int = 3, bias: bool = True) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=bias), nn.GELU())


def _stack_blocks(channels: int, *, heads: int = 1) -> nn.Sequential:
    return nn.Sequential(*(ChannelAttentionBlock(channels, heads=heads) for _ in range(2)))


def _halve_sides() -> nn.Conv2d:
    return nn.Conv2d(_FEATURES, _FEATURES, 3, stride=2, padding=1)


def _double_sides() -> nn.ConvTranspose2d:
    return nn.ConvTranspose2d(_FEATURES, _FEATURES, 3, stride=2, padding=1, output_padding=1)


def _shuffle_up(inputs: int, outputs: int) -> nn.Sequential:
    """Doubles the sides."""
    return nn.Sequential(_convolve(inputs, 4 * outputs, size=1), nn.PixelShuffle(2), nn.GELU())
