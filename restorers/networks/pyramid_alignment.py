"""Features of one frame brought to those of another by deformable convolutions, from coarse to fine (EDVR, Wang et al., CVPRW 2019)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.errors import InvalidRestorerError
from restorers.networks.deformable_layer import OFFSET_GROUPS, RAW_OFFSETS, DeformableKernel, split_offsets, spread_flow
from restorers.networks.resizing import enlarge
from restorers.networks.warping import warp

Levels = tuple[Tensor, Tensor, Tensor]
"""[B, C, H, W], [B, C, H/2, W/2] and [B, C, H/4, W/4]."""

_LARGEST_OFFSET = 200.0
_LARGEST_CORRECTION = 10.0


class PyramidAlignment(nn.Module):
    """Alignment of three levels of features, and one more deformable convolution over the finest (PCD).

    Args:
        width: channels of the features, a multiple of 8.
        flow_width: 2 if optical flow guides the offsets, as in BSRT; 0 if they follow from features alone, as in EDVR and EBSR.

    Raises:
        InvalidRestorerError: if the width is not a multiple of 8.
    """

    def __init__(self, width: int, *, flow_width: int) -> None:
        super().__init__()
        if width % OFFSET_GROUPS:
            raise InvalidRestorerError(
                f"expected a number of features that {OFFSET_GROUPS} groups of offsets share evenly, got {width}"
            )
        self.L3_offset_conv1 = _convolution(2 * width + flow_width, width)
        self.L3_offset_conv2 = _convolution(width, width)
        self.L3_dcnpack = _GuidedLayer(width)
        for level in ("L2", "L1"):
            self.add_module(f"{level}_offset_conv1", _convolution(2 * width + flow_width, width))
            self.add_module(f"{level}_offset_conv2", _convolution(2 * width, width))
            self.add_module(f"{level}_offset_conv3", _convolution(width, width))
            self.add_module(f"{level}_dcnpack", _GuidedLayer(width))
            self.add_module(f"{level}_fea_conv", _convolution(2 * width, width))
        self.cas_offset_conv1 = _convolution(2 * width, width)
        self.cas_offset_conv2 = _convolution(width, width)
        self.cas_dcnpack = _GuidedLayer(width)

    def forward(self, frame: Levels, reference: Levels, flow: Levels | None = None) -> Tensor:
        """Align a frame.

        Args:
            frame: its features.
            reference: those of the frame to align it to.
            flow: (dx, dy) in px of each level from the reference to the frame, two channels.

        Returns:
            [B, C, H, W], before any activation.
        """
        flows = flow or (None, None, None)
        contexts = [_join(*level) for level in zip(frame, reference, flows, strict=True)]
        offsets = _activate(self.L3_offset_conv2(_activate(self.L3_offset_conv1(contexts[2]))))
        aligned = self.L3_dcnpack(frame[2], offsets, flows[2])
        for index, level in ((1, "L2"), (0, "L1")):
            own = _activate(self.get_submodule(f"{level}_offset_conv1")(contexts[index]))
            # Offsets are in px of their level.
            both = torch.cat([own, 2 * enlarge(offsets)], 1)
            offsets = _activate(self.get_submodule(f"{level}_offset_conv2")(both))
            offsets = _activate(self.get_submodule(f"{level}_offset_conv3")(offsets))
            moved = self.get_submodule(f"{level}_dcnpack")(frame[index], offsets, flows[index])
            coarser = enlarge(_activate(aligned))
            aligned = self.get_submodule(f"{level}_fea_conv")(torch.cat([moved, coarser], 1))
        offsets = _activate(self.cas_offset_conv1(torch.cat([aligned, reference[0]], 1)))
        result: Tensor = self.cas_dcnpack(aligned, _activate(self.cas_offset_conv2(offsets)))
        return result


class _GuidedLayer(DeformableKernel):
    """A deformable layer whose offsets and factors are a convolution of other features.

    EBSR's own code also sets offsets to about 0 where they exceed 150 px on average, which no trained network was seen to reach; left out.
    """

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.conv_offset_mask = _convolution(width, RAW_OFFSETS)
        for parameter in self.conv_offset_mask.parameters():
            nn.init.zeros_(parameter)

    def forward(self, features: Tensor, guide: Tensor, flow: Tensor | None = None) -> Tensor:
        offsets, factors = split_offsets(self.conv_offset_mask(guide))
        if flow is None:
            offsets = offsets.clamp(-_LARGEST_OFFSET, _LARGEST_OFFSET)
        else:
            offsets = _LARGEST_CORRECTION * torch.tanh(offsets) + spread_flow(flow)
        return self.convolve(features, offsets, factors)


def _join(frame: Tensor, reference: Tensor, flow: Tensor | None) -> Tensor:
    """What the offsets of one level follow from."""
    if flow is None:
        return torch.cat([frame, reference], 1)
    return torch.cat([warp(frame, flow, outside="zeros"), reference, flow], 1)


def _activate(features: Tensor) -> Tensor:
    return functional.leaky_relu(features, 0.1)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1)
