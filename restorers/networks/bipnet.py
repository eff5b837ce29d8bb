"""BIPNet (Dudhane et al., Burst Image Restoration and Enhancement, CVPR 2022).

Attributes are named as in the checkpoints of akshaydudhane16/BIPNet, so that their state dicts load as they are.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from restorers.networks.deformable_layer import OFFSET_GROUPS, RAW_OFFSETS, DeformableLayer
from restorers.networks.inputs import Task, check_count, check_frames, join_noise
from restorers.networks.layout import allocate, fits, lay_out, read_shape

_NAME = "BIPNet"
_FEATURES = 64
_MEMBERS = 4
"""Pseudo-bursts that one stage merges; three stages leave 1 of 64."""
_MULTIPLE = 4
"""Pixels of which the sides must be a multiple: its U-Net halves them twice."""


class BIPNet(nn.Module):
    """Aligns a burst to its first frame and merges it by pseudo-bursts, each of which holds one feature of all frames.

    Sections 3.1 (edge-boosting alignment), 3.2 (pseudo-bursts) and 3.3 (adaptive group upsampling) of the paper.

    The reference is frame 0. Sides of frames are multiples of 4. Values are linear, in units of the white level, not clamped before or
    after the network; frames for super-resolution are camera colours without white balance, from which the black level was taken.

    Super-resolution: frames are packed Bayer planes R, G in the rows of R, G in the rows of B, B; published networks take 14. The
    output is linear RGB of 8 times their sides, 4 times those of the mosaic.
    Denoising: frames are linear RGB or grey, each with its own noise map; published networks take 8. The output is of their size and
    channels.

    The burst length is a size of the network: `merge` takes no other. `encode` takes any, and aligns each frame to frame 0 whatever
    the others are, so that subsets of a burst are merged from rows of one encoding; frame 0 is aligned to itself like any other.

    Args:
        task: `sr` or `denoise`.
        channels: C of a frame, without its noise map: 4 packed planes, 3 colours or 1 grey.
        frames: how many it takes.
    """

    def __init__(self, *, task: Task, channels: int, frames: int) -> None:
        super().__init__()
        self.task, self.channels, self.frames = task, channels, frames
        denoises = task == "denoise"
        self.conv1 = nn.Sequential(_convolve(2 * channels if denoises else channels, _FEATURES))
        self.encoder = _stack_groups(_FEATURES, groups=3, blocks=3)
        self.bottleneck = _convolve(2 * _FEATURES, _FEATURES)
        self.offset_conv1, self.offset_conv2, self.offset_conv3, self.offset_conv4 = (
            _convolve(_FEATURES, RAW_OFFSETS) for _ in range(4)
        )
        self.deform1, self.deform2, self.deform3, self.deform4 = (
            DeformableLayer(_FEATURES, groups=OFFSET_GROUPS) for _ in range(4)
        )
        self.feat_ext1 = _stack_groups(_FEATURES, groups=3, blocks=3)
        self.cor_conv1 = nn.Sequential(_convolve(_FEATURES, _FEATURES))
        self.conv2 = nn.Sequential(_convolve(frames, _FEATURES), _activate() if denoises else nn.Identity())
        self.UNet = nn.Sequential(_UNet())
        self.SKFF1, self.SKFF2, self.SKFF3 = (_GroupUpsampling(task) for _ in range(3))
        self.conv3 = nn.Sequential(_convolve(_FEATURES, channels if denoises else 3))

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
        """Features of each frame, aligned to frame 0: arguments as in `forward`, for any T ≥ 1; returns [T, 64, h, w]."""
        check_frames(_NAME, frames, channels=self.channels, multiple=_MULTIPLE)
        joined = join_noise(_NAME, self.task, frames, noise)
        shallow = self.conv1(joined)
        aligned = self.feat_ext1(self._align(self.encoder(shallow)))
        boosted: Tensor = aligned + self.cor_conv1(aligned - shallow[:1])
        return boosted

    def merge(self, encoded: Tensor) -> Tensor:
        """Restore frame 0 from encoded frames [T, 64, h, w], frame 0 first; returns as `forward` does."""
        check_count(_NAME, encoded, self.frames)
        pseudo_bursts = self.conv2(encoded.transpose(0, 1))
        if self.task == "denoise":
            pseudo_bursts = pseudo_bursts.transpose(0, 1)
        merged = self.SKFF3(self.SKFF2(self.SKFF1(self.UNet(pseudo_bursts))))
        restored: Tensor = self.conv3(merged)[0]
        return restored

    def _align(self, features: Tensor) -> Tensor:
        reference = features[:1].expand_as(features)
        moved = self.bottleneck(torch.cat([reference, features], 1))
        moved = self.deform1(moved, self.offset_conv1(moved))
        moved = self.deform2(moved, self.offset_conv2(moved))
        moved = self.deform3(features, self.offset_conv3(moved))
        aligned: Tensor = self.deform4(moved, self.offset_conv4(moved))
        return aligned


def build(state: Mapping[str, Tensor]) -> BIPNet:
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


def _lay_out(state: Mapping[str, Tensor]) -> BIPNet:
    upsampled = read_shape(state, "SKFF1.up.weight", 4)[0]
    inputs = read_shape(state, "conv1.0.weight", 4)[1]
    frames = read_shape(state, "conv2.0.weight", 4)[1]
    if upsampled == _FEATURES:
        channels = (inputs + 1) // 2
        return lay_out(lambda: BIPNet(task="denoise", channels=channels, frames=frames), state)
    return lay_out(lambda: BIPNet(task="sr", channels=inputs, frames=frames), state)


class _GlobalContext(nn.Module):
    """Mean of the features over all pixels, by weights that depend on them, [B, C, 1, 1] (Cao et al., GCNet, 2019)."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.conv_mask = _convolve(features, 1, size=1)
        self.channel_add_conv = nn.Sequential(
            _convolve(features, features, size=1), _activate(), _convolve(features, features, size=1)
        )

    def forward(self, features: Tensor) -> Tensor:
        weights = self.conv_mask(features).flatten(1).softmax(1)
        mean = torch.einsum("bcn,bn->bc", features.flatten(2), weights)
        context: Tensor = self.channel_add_conv(mean[:, :, None, None])
        return context


class _ContextAttention(nn.Module):
    """Residual global context attention (section 3.1 of the paper), [B, C, H, W]."""

    def __init__(self, features: int) -> None:
        super().__init__()
        self.body = nn.Sequential(_convolve(features, features), _activate(), _convolve(features, features))
        self.gcnet = nn.Sequential(_GlobalContext(features))
        self.conv1x1 = _convolve(features, features, size=1)

    def forward(self, features: Tensor) -> Tensor:
        residual = self.body(features)
        attended: Tensor = self.conv1x1(residual + self.gcnet(residual)) + features
        return attended


class _ContextGroup(nn.Module):
    """Blocks of residual global context attention within one more residual."""

    def __init__(self, features: int, blocks: int) -> None:
        super().__init__()
        self.module = nn.Sequential(
            *(_ContextAttention(features) for _ in range(blocks)), _convolve(features, features)
        )

    def forward(self, features: Tensor) -> Tensor:
        refined: Tensor = features + self.module(features)
        return refined


class _UNet(nn.Module):
    """Features of pseudo-bursts at three sizes, [B, 64, H, W]; H and W are multiples of 4."""

    def __init__(self) -> None:
        super().__init__()
        fine, middle, coarse = _FEATURES, _FEATURES * 3 // 2, _FEATURES * 9 // 4
        self.feat_ext1 = _stack_groups(fine, groups=2, blocks=2)
        self.down1 = _shrink(fine, middle)
        self.feat_ext2 = _stack_groups(middle, groups=2, blocks=2)
        self.down2 = _shrink(middle, coarse)
        self.feat_ext3 = _stack_groups(coarse, groups=1, blocks=2)
        self.up2 = _enlarge(coarse, middle)
        self.feat_ext5 = _stack_groups(middle, groups=2, blocks=2)
        self.up1 = _enlarge(middle, fine)
        self.feat_ext6 = _stack_groups(fine, groups=2, blocks=2)

    def forward(self, features: Tensor) -> Tensor:
        fine = self.feat_ext1(features)
        middle = self.feat_ext2(self.down1(fine))
        coarse = self.feat_ext3(self.down2(middle))
        middle = self.feat_ext5(self.up2(coarse) + middle)
        decoded: Tensor = self.feat_ext6(self.up1(middle) + fine)
        return decoded


class _GroupUpsampling(nn.Module):
    """Adaptive group upsampling (section 3.3 of the paper): merges four consecutive pseudo-bursts, [B, 64, H, W] to [B / 4, 64, ...].

    For super-resolution it doubles H and W, for denoising it keeps them.
    """

    def __init__(self, task: Task) -> None:
        super().__init__()
        self.conv_du = nn.Sequential(_convolve(_FEATURES, _FEATURES // 8, size=1), _activate())
        self.convs = nn.ModuleList(_convolve(_FEATURES // 8, _FEATURES, size=1) for _ in range(_MEMBERS))
        joined = _MEMBERS * _FEATURES
        self.up = (
            _convolve(joined, _FEATURES)
            if task == "denoise"
            else nn.ConvTranspose2d(joined, _FEATURES, 3, stride=2, padding=1, output_padding=1, bias=False)
        )

    def forward(self, features: Tensor) -> Tensor:
        groups = features.reshape(-1, _MEMBERS, *features.shape[1:])
        shared = self.conv_du(groups.sum(1))
        weights = torch.stack([convolution(shared) for convolution in self.convs], 1).softmax(1)
        merged: Tensor = self.up((groups * weights).flatten(1, 2))
        return merged


def _convolve(inputs: int, outputs: int, *, size: int = 3) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, padding=size // 2, bias=False)


def _activate() -> nn.LeakyReLU:
    return nn.LeakyReLU(0.2)


def _stack_groups(features: int, *, groups: int, blocks: int) -> nn.Sequential:
    return nn.Sequential(*(_ContextGroup(features, blocks) for _ in range(groups)))


def _shrink(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(OrderedDict(down=nn.Sequential(nn.AvgPool2d(2), _convolve(inputs, outputs, size=1))))


def _enlarge(inputs: int, outputs: int) -> nn.Sequential:
    upsample = nn.Upsample(scale_factor=2, mode="bilinear", align_corners=True)
    return nn.Sequential(OrderedDict(up=nn.Sequential(_convolve(inputs, outputs, size=1), upsample)))
