"""Deep Burst Super-Resolution (Bhat et al., CVPR 2021): aligned features, merged by predicted weights and enlarged eight times."""

from __future__ import annotations

from collections.abc import Mapping
from math import exp, isqrt

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.networks.inputs import check_frames
from restorers.networks.layout import allocate, count_layers, fits, lay_out, read_shape
from restorers.networks.pwc_net import PWCNet
from restorers.networks.warping import warp

_BLUR_SIGMA = 1.0


class DBSR(nn.Module):
    """Linear RGB at eight times the size of packed frames, four times that of their mosaics.

    Frames: 4 channels (R, G of the red rows, G of the blue rows, B) of any size, linear without white balance; 1 is the white level of the
    synthetic bursts, raw values less black divided by 1023 those of BurstSR, where negative ones stay. The first frame is the reference.
    Any number of frames: trained with 8, published with 14. The output is not negative; values above 1 are left to the caller.
    Keys and sizes are those of the repository goutamgmb/deep-burst-sr; a `width` is a number of channels, `blocks` that of residual blocks.
    """

    def __init__(
        self,
        *,
        encoder_width: int = 64,
        encoder_blocks: int = 9,
        feature_width: int = 512,
        projection_width: int = 64,
        offset_width: int = 64,
        offset_blocks: int = 1,
        weight_width: int = 128,
        weight_blocks: int = 3,
        decoder_width: int = 64,
        decoder_blocks: int = 5,
        enlarged_width: int = 32,
        enlarged_blocks: int = 4,
        scale: int = 8,
    ) -> None:
        super().__init__()
        self.scale = scale
        self.encoder = _Encoder(encoder_width, encoder_blocks, feature_width)
        compared_width = 2 * projection_width + offset_width
        self.merging = nn.ModuleDict(
            {
                "feat_project_layer": _rectified(feature_width, projection_width, 1),
                "offset_feat_extractor": nn.Sequential(
                    _rectified(2, offset_width), *_blocks(offset_width, offset_blocks)
                ),
                "weight_predictor": nn.Sequential(
                    _rectified(compared_width, weight_width),
                    *_blocks(weight_width, weight_blocks),
                    nn.Sequential(nn.Conv2d(weight_width, feature_width, 3, padding=1)),
                ),
            }
        )
        self.decoder = _Decoder(
            feature_width,
            width=decoder_width,
            blocks=decoder_blocks,
            enlarged_width=enlarged_width,
            enlarged_blocks=enlarged_blocks,
            scale=scale,
        )

    def forward(self, frames: Tensor) -> Tensor:
        """Restore the first of frames [T, 4, h, w], as [3, 8h, 8w].

        Raises:
            UnsupportedBurstError: if the frames have another shape.
        """
        return self.merge(*self.encode(frames))

    def encode(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """Features of all frames where the reference has theirs, and how the frames moved.

        Both can be computed once and cut to any subset of frames that begins with the reference.

        Args:
            frames: [T, 4, h, w], the reference first.

        Returns:
            features [T, F, h, w]; flow [T, 2, h, w], (dx, dy) in px from the reference to each frame, zero for the reference.

        Raises:
            UnsupportedBurstError: if the frames have another shape.
        """
        check_frames("DBSR", frames, channels=4)
        features: Tensor = self.encoder(frames)
        flow = frames.new_zeros(len(frames), 2, *frames.shape[-2:])
        if len(frames) > 1:
            flow = torch.cat([flow[:1], self.encoder.find_flow(frames)])
            features = torch.cat([features[:1], warp(features[1:], flow[1:], outside="zeros")])
        return features, flow

    def weigh(self, features: Tensor, flow: Tensor) -> Tensor:
        """Shares of the frames in the merged features, [T, F, h, w]; the sum over frames is 1."""
        projected = self.merging["feat_project_layer"](features)
        reference = projected[:1]
        offsets = self.merging["offset_feat_extractor"](flow % 1)
        together = torch.cat([reference.expand_as(projected), projected - reference, offsets], 1)
        return torch.softmax(self.merging["weight_predictor"](together), 0)

    def merge(self, features: Tensor, flow: Tensor) -> Tensor:
        """Restore what `encode` made of some frames, as [3, 8h, 8w]."""
        merged = (self.weigh(features, flow) * features).sum(0, keepdim=True)
        restored: Tensor = self.decoder(merged)[0]
        return restored


class _Encoder(nn.Module):
    """Features of each frame, and the flow from the first frame to the others."""

    def __init__(self, width: int, blocks: int, outputs: int) -> None:
        super().__init__()
        self.alignment_net = nn.ModuleDict({"net": PWCNet()})
        self.init_layer = _rectified(4, width)
        self.res_layers = nn.Sequential(*_blocks(width, blocks))
        self.out_layer = _rectified(width, outputs)

    def forward(self, frames: Tensor) -> Tensor:
        features: Tensor = self.out_layer(self.res_layers(self.init_layer(frames)))
        return features

    def find_flow(self, frames: Tensor) -> Tensor:
        colours = torch.stack([frames[:, 0], frames[:, 1:3].mean(1), frames[:, 3]], 1)
        flow: Tensor = self.alignment_net["net"](colours[:1], colours[1:])
        return flow


class _Decoder(nn.Module):
    """Colours at `scale` times the size of the merged features."""

    def __init__(
        self, inputs: int, *, width: int, blocks: int, enlarged_width: int, enlarged_blocks: int, scale: int
    ) -> None:
        super().__init__()
        self.init_layer = _rectified(inputs, width)
        self.pre_res_layers = nn.Sequential(*_blocks(width, blocks))
        self.upsample_layer = _Enlargement(width, enlarged_width, scale)
        self.post_res_layers = nn.Sequential(*_blocks(enlarged_width, enlarged_blocks))
        self.predictor = _rectified(enlarged_width, 3, 1)

    def forward(self, merged: Tensor) -> Tensor:
        enlarged = self.upsample_layer(self.pre_res_layers(self.init_layer(merged)))
        restored: Tensor = self.predictor(self.post_res_layers(enlarged))
        return restored


class _Enlargement(nn.Module):
    """Channels rearranged to pixels, and a Gaussian over the grid that this leaves."""

    def __init__(self, inputs: int, outputs: int, scale: int) -> None:
        super().__init__()
        self._scale = scale
        self.conv_layer = nn.Sequential(nn.Conv2d(inputs, outputs * scale**2, 1, bias=False), nn.ReLU())

    def forward(self, features: Tensor) -> Tensor:
        enlarged = functional.pixel_shuffle(self.conv_layer(features), self._scale)
        channels, side = enlarged.shape[1], exp(-0.5 / _BLUR_SIGMA**2)
        taps = enlarged.new_tensor([side, 1, side]) / (1 + 2 * side)
        kernel = (taps[:, None] * taps).expand(channels, 1, 3, 3)
        return functional.conv2d(enlarged, kernel, padding=1, groups=channels)


class _ResidualBlock(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = _rectified(width, width)
        self.conv2 = nn.Sequential(nn.Conv2d(width, width, 3, padding=1))

    def forward(self, features: Tensor) -> Tensor:
        return functional.relu(self.conv2(self.conv1(features)) + features)


def _blocks(width: int, count: int) -> list[_ResidualBlock]:
    return [_ResidualBlock(width) for _ in range(count)]


def _rectified(inputs: int, outputs: int, size: int = 3) -> nn.Sequential:
    """A convolution that keeps the size, and ReLU."""
    return nn.Sequential(nn.Conv2d(inputs, outputs, size, padding=size // 2), nn.ReLU())


def build(state: Mapping[str, Tensor]) -> DBSR:
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


def _lay_out(state: Mapping[str, Tensor]) -> DBSR:
    enlarged_width = _read_size(state, "decoder.predictor", 1)
    phases = _read_size(state, "decoder.upsample_layer.conv_layer") // enlarged_width
    return lay_out(
        lambda: DBSR(
            encoder_width=_read_size(state, "encoder.init_layer"),
            encoder_blocks=count_layers(state, "encoder.res_layers.{}.conv1.0.weight"),
            feature_width=_read_size(state, "encoder.out_layer"),
            projection_width=_read_size(state, "merging.feat_project_layer"),
            offset_width=_read_size(state, "merging.offset_feat_extractor.0"),
            offset_blocks=count_layers(state, "merging.offset_feat_extractor.{}.conv1.0.weight", start=1),
            weight_width=_read_size(state, "merging.weight_predictor.0"),
            weight_blocks=count_layers(state, "merging.weight_predictor.{}.conv1.0.weight", start=1),
            decoder_width=_read_size(state, "decoder.init_layer"),
            decoder_blocks=count_layers(state, "decoder.pre_res_layers.{}.conv1.0.weight"),
            enlarged_width=enlarged_width,
            enlarged_blocks=count_layers(state, "decoder.post_res_layers.{}.conv1.0.weight"),
            scale=max(1, isqrt(phases)),
        ),
        state,
    )


def _read_size(state: Mapping[str, Tensor], layer: str, axis: int = 0) -> int:
    return read_shape(state, f"{layer}.0.weight", 4)[axis]
