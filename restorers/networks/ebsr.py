"""EBSR: feature-enhanced burst super-resolution with deformable alignment (Luo et al., CVPRW 2021)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.networks.inputs import check_count, check_frames
from restorers.networks.layout import allocate, count_layers, fits, lay_out, read_shape
from restorers.networks.pyramid_alignment import PyramidAlignment
from restorers.networks.pyramid_super_resolution import PyramidSuperResolution

_POOLED = 4
_MULTIPLE = 4
"""The pyramid halves its input twice."""


class EBSR(PyramidSuperResolution):
    """Linear RGB at four times the size of mosaics.

    Frames: RGGB mosaics of one channel, height and width multiples of 4, linear without white balance; 1 is the white level of the
    synthetic bursts, raw values less black divided by 1023 those of BurstSR, where negative ones stay. The first frame is the reference.
    The weights fix how many frames are merged, 14 as published. Output values outside [0, 1] are left to the caller.
    Keys and sizes are those of the repository Algolzw/EBSR with non-local fusion and growing residual blocks, weight normalisation folded.

    Args:
        width: channels of the features, a multiple of 8.
        frames: length of a burst.
        feature_blocks: residual blocks before the alignment.
        groups: groups of residual blocks after the fusion.
        group_blocks: blocks of each group.
        last_width: channels at the size of the output.
    """

    def __init__(
        self,
        *,
        width: int = 128,
        frames: int = 14,
        feature_blocks: int = 5,
        groups: int = 5,
        group_blocks: int = 8,
        last_width: int = 64,
    ) -> None:
        super().__init__(width=width, trunk_width=width, last_width=last_width, activation=nn.ReLU())
        self.frames = frames
        self.conv_first = nn.Conv2d(1, width, 3, padding=1)
        self.feature_extraction = nn.Sequential(*(_WideBlock(width) for _ in range(feature_blocks)))
        self.pcd_align = PyramidAlignment(width, flow_width=0)
        self.fusion = _Fusion(width, frames)
        self.recon_trunk = nn.Sequential(
            nn.Sequential(*(_GrowingGroup(width, index, group_blocks) for index in range(groups))),
            nn.Conv2d(width * (groups + 1), width, 1),
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Restore the first of mosaics [T, 1, H, W], as [3, 4H, 4W].

        Raises:
            UnsupportedBurstError: if the frames have another shape or number.
        """
        return self.merge(self.encode(frames), frames[0])

    def encode(self, frames: Tensor) -> Tensor:
        """Features of frames where the reference, the first of them, has its own; each frame's depend on it and the reference alone.

        Args:
            frames: [T, 1, H, W], T from 1 on.

        Returns:
            [T, C, H, W].

        Raises:
            UnsupportedBurstError: if the frames have another shape.
        """
        check_frames("EBSR", frames, channels=1, multiple=_MULTIPLE)
        # One at a time: within its wide blocks and deformable layers a frame needs many times the memory of its features.
        pyramids = [self.make_pyramid(self._extract(frame[None])) for frame in frames]
        return torch.cat([functional.leaky_relu(self.pcd_align(own, pyramids[0]), 0.1) for own in pyramids])

    def merge(self, features: Tensor, reference: Tensor) -> Tensor:
        """Restore what `encode` made of as many frames as the weights merge.

        Args:
            features: [T, C, H, W], those of the reference first.
            reference: its mosaic, [1, H, W].

        Returns:
            [3, 4H, 4W].

        Raises:
            UnsupportedBurstError: if there are more or fewer frames.
        """
        trunk = self.recon_trunk(self.activation(self.fusion(features)))
        return self.enlarge_trunk(trunk, reference[None])

    def _extract(self, frame: Tensor) -> Tensor:
        features: Tensor = self.feature_extraction(self.activation(self.conv_first(frame)))
        return features


class _Fusion(nn.Module):
    """Non-local attention within each frame and from the reference to each frame, with weights of its own for each place in the burst."""

    def __init__(self, width: int, frames: int) -> None:
        super().__init__()
        self.non_local_T = nn.ModuleList(_NonLocal(width) for _ in range(frames))
        self.non_local_F = nn.ModuleList(_NonLocal(width) for _ in range(frames))
        self.fea_fusion = nn.Conv2d(2 * frames * width, width, 1)

    def forward(self, features: Tensor) -> Tensor:
        check_count("EBSR", features, len(self.non_local_F))
        frames = [frame[None] for frame in features]
        across = [attend(frame, frames[0]) for attend, frame in zip(self.non_local_T, frames, strict=True)]
        within = [attend(frame, frame) for attend, frame in zip(self.non_local_F, frames, strict=True)]
        fused: Tensor = self.fea_fusion(torch.cat([*across, *within], 1))
        return fused


class _NonLocal(nn.Module):
    """Every pixel of `query` looks at all pooled pixels of a frame (Wang et al., Non-local neural networks, CVPR 2018).

    Without softmax the attention of all pixels is a product of three matrices; that of the pooled pixels is multiplied first, which needs
    no memory for every pair of pixels.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.g, self.phi = (nn.Sequential(nn.Conv2d(width, width // 2, 1), nn.MaxPool2d(_POOLED)) for _ in range(2))
        self.theta = nn.Conv2d(width, width // 2, 1)
        self.W = nn.Conv2d(width // 2, width, 1)

    def forward(self, frame: Tensor, query: Tensor) -> Tensor:
        keys, values = self.phi(frame).flatten(2), self.g(frame).flatten(2)
        summary = values @ keys.mT / keys.shape[-1]
        attended = summary @ self.theta(query).flatten(2)
        result: Tensor = self.W(attended.unflatten(2, frame.shape[2:])) + frame
        return result


class _WideBlock(nn.Module):
    """Residual block, wide before its activation (Yu et al., Wide activation for efficient image super-resolution, 2018)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = _make_wide_body(width)

    def forward(self, features: Tensor) -> Tensor:
        result: Tensor = features + self.body(features)
        return result


class _GrowingBlock(nn.Module):
    """A wide body whose result is put before its input."""

    def __init__(self, width: int, index: int) -> None:
        super().__init__()
        self.head = _make_head(width, index)
        self.body = _make_wide_body(width)

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self.body(self.head(features)), features], 1)


class _GrowingGroup(nn.Module):
    """Growing blocks whose result is put before the group's input."""

    def __init__(self, width: int, index: int, blocks: int) -> None:
        super().__init__()
        self.head = _make_head(width, index)
        self.body = nn.Sequential(*(_GrowingBlock(width, block) for block in range(blocks)))
        self.tail = nn.Sequential(nn.Conv2d(width * (blocks + 1), width, 1))

    def forward(self, features: Tensor) -> Tensor:
        return torch.cat([self.tail(self.body(self.head(features))), features], 1)


def _make_head(width: int, index: int) -> nn.Sequential:
    """Back to the width of one block; the first of its kind has nothing to reduce."""
    return nn.Sequential(*([nn.Conv2d(width * (index + 1), width, 1)] if index else []))


def _make_wide_body(width: int) -> nn.Sequential:
    wide, narrow = 6 * width, int(0.8 * width)
    return nn.Sequential(
        nn.Conv2d(width, wide, 1), nn.ReLU(), nn.Conv2d(wide, narrow, 1), nn.Conv2d(narrow, width, 3, padding=1)
    )


def build(state: Mapping[str, Tensor]) -> EBSR:
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


def _lay_out(state: Mapping[str, Tensor]) -> EBSR:
    return lay_out(
        lambda: EBSR(
            width=read_shape(state, "conv_first.weight", 4)[0],
            frames=max(1, count_layers(state, "fusion.non_local_T.{}.W.weight")),
            feature_blocks=count_layers(state, "feature_extraction.{}.body.0.weight"),
            groups=count_layers(state, "recon_trunk.0.{}.tail.0.weight"),
            group_blocks=count_layers(state, "recon_trunk.0.0.body.{}.body.0.weight"),
            last_width=read_shape(state, "HRconv.weight", 4)[0],
        ),
        state,
    )
