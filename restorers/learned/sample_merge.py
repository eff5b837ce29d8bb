"""A small network that merges the raw samples of a burst to linear RGB of a finer grid (after Bhat et al., CVPR 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.burst import FloatImage
from restorers.classical.aperture import correct_aperture
from restorers.classical.handheld import Handheld
from restorers.learned.parts import Refinement, Stabiliser, conv, describe_merge, leak, limit, variance_of
from restorers.learned.stacks import FramePart, FrameStack, take

_LEAST_WEIGHT = 1e-6
_SCANT = 0.02
"""Sum of weights of samples that tell half of what they could."""


@dataclass(frozen=True, eq=False)
class EncodedSamples:
    """What each frame adds to any merge, and what all merges need of the references.

    Attributes:
        sums: [N, C, h, w]; of samples times weights.
        weights: [N, C, h, w]; sums of weights.
        features: [N, F, h, w].
        reference: [B, C, h, w].
        noise: [B, 2]; of the references.
        owners: burst of each frame.
    """

    sums: Tensor
    weights: Tensor
    features: Tensor
    reference: Tensor
    noise: Tensor
    owners: list[int]


class SampleMerge(nn.Module):
    """Weighs the samples that each frame has about each output pixel, merges them, and refines the merge.

    The 2·scale × 2·scale output pixels of a cell of the mosaic lie in channels, so that convolutions work on a grid of half the size of
    the frames. Training begins with what `sr/handheld` makes of the same samples, its correction of the pixel aperture included. Each frame
    is encoded by itself and its difference to the reference; the encoder predicts by how much its samples count (one factor for each
    output pixel) and features, of which the refinement sees the mean and the maximum. The refinement works after variance stabilisation.

    Args:
        scale: output pixels per frame pixel.
        width: channels of the encoder of frames.
        features: channels that frames hand on to the refinement.
        hidden: channels of the refinement on its three scales.
    """

    def __init__(
        self, *, scale: int = 2, width: int = 48, features: int = 24, hidden: tuple[int, int, int] = (64, 80, 96)
    ) -> None:
        super().__init__()
        self.scale = scale
        pixels = (2 * scale) ** 2
        channels = 3 * pixels
        self.enter = conv(3 * channels + 4, width, 1)
        self.encoder1, self.encoder2 = conv(width, width), conv(width, width)
        self.factors, self.features = conv(width, pixels, 1), conv(width, features, 1)
        self.refinement = Refinement(5 * channels + 2 * features + 3, 2 * channels, hidden)
        nn.init.zeros_(self.factors.weight)

    def encode(self, stack: FrameStack) -> EncodedSamples:
        """What depends on each frame and its reference alone."""
        sums, weights, features = (
            torch.cat(parts) for parts in zip(*(self._encode_part(part) for part in stack.split()), strict=True)
        )
        first = list(stack.first)
        reference = _divide(take(stack.values, first), take(stack.weights, first))
        return EncodedSamples(sums, weights, features, reference, take(stack.noise, first), stack.owners)

    def _encode_part(self, part: FramePart) -> tuple[Tensor, Tensor, Tensor]:
        features = leak(self.enter(_describe(part)))
        features = features + leak(self.encoder2(leak(self.encoder1(features))))
        factors = self.factors(features).float().clamp(-8, 8).exp().repeat(1, 3, 1, 1)
        return part.values * factors, part.weights * factors, leak(self.features(features)).float()

    def merge(self, encoded: EncodedSamples, groups: Sequence[Sequence[int]]) -> Tensor:
        """Linear RGB [len(groups), 3, 2·scale·h, 2·scale·w] of some frames each, by places, the reference of one burst among them."""
        bursts = [encoded.owners[group[0]] for group in groups]
        stabiliser = Stabiliser(take(encoded.noise, bursts))
        weights = torch.stack([take(encoded.weights, group).sum(0) for group in groups])
        sums = torch.stack([take(encoded.sums, group).sum(0) for group in groups])
        merged = self._sharpen(_divide(sums, weights))
        stabilised = stabiliser.apply(merged)
        counts = torch.tensor([float(len(group)) for group in groups]).log().to(merged.device)
        level = take(encoded.noise, bursts).clamp(min=1e-8).log() / 8
        facts = torch.cat([counts[:, None] / 3, level], 1)[:, :, None, None].expand(-1, -1, *merged.shape[2:])
        deviation = stabiliser.deviation(merged, stabiliser.variance(merged))
        reference = take(encoded.reference, bursts)
        inputs = [
            stabilised,
            stabiliser.apply(reference),
            *describe_merge(stabiliser, stabilised, deviation, reference),
            (weights + 1e-3).log() / 4,
            torch.stack([take(encoded.features, group).mean(0) for group in groups]),
            torch.stack([take(encoded.features, group).amax(0) for group in groups]),
            facts,
        ]
        noisy, plain = self.refinement(torch.cat(inputs, 1)).chunk(2, 1)
        refined = stabiliser.invert(stabilised + deviation * noisy + 0.1 * plain)
        return functional.pixel_shuffle(refined, 2 * self.scale)

    def _sharpen(self, merged: Tensor) -> Tensor:
        """Correct the pixel aperture in every colour of images [B, C, h, w] on the output grid, as `sr/handheld` does."""
        if self.scale == 1:
            return merged
        kernel = torch.from_numpy(find_sharpening(self.scale)).to(merged.device)
        edge = kernel.shape[-1] // 2
        colours = functional.pad(functional.pixel_shuffle(merged, 2 * self.scale), (edge,) * 4, mode="replicate")
        height, width = colours.shape[-2:]
        spectrum = torch.fft.rfft2(colours) * torch.fft.rfft2(kernel, s=(height, width))
        sharp = torch.fft.irfft2(spectrum, s=(height, width))[..., 2 * edge :, 2 * edge :]
        return functional.pixel_unshuffle(sharp, 2 * self.scale)


def _describe(part: FramePart) -> Tensor:
    """How frames, sums of raw samples, differ from their references, in units of their noise: [n, 3·C + 4, h, w]."""
    means, reference = (
        _divide(part.values, part.weights),
        _divide(part.reference_values, part.reference_weights),
    )
    own = part.reference_noise
    stabiliser = Stabiliser(own)
    signal = reference.mean(1, keepdim=True)
    deviation = (variance_of(part.noise, reference) + variance_of(own, reference)).sqrt()
    certainty = part.weights / (part.weights + _SCANT)
    difference = (means - reference) * certainty / deviation
    ratio = (variance_of(part.noise, signal) / variance_of(own, signal)).log() / 4
    strength = stabiliser.deviation(signal, stabiliser.variance(signal))
    return torch.cat(
        [
            stabiliser.apply(reference),
            limit(difference, 8),
            (part.weights + 1e-3).log() / 4,
            difference.mean(1, keepdim=True).clamp(-8, 8) / 2,
            part.is_reference.expand_as(signal),
            ratio,
            (strength.log() + 4) / 3,
        ],
        1,
    )


def _divide(sums: Tensor, weights: Tensor) -> Tensor:
    return sums / weights.clamp(min=_LEAST_WEIGHT)


@lru_cache(maxsize=4)
def find_sharpening(scale: int) -> FloatImage:
    """What `correct_aperture` makes of a single pixel at a scale, float32 [6·scale + 1, 6·scale + 1], summing to 1."""
    reach = 3 * scale
    side = 8 * reach + 1
    image = np.zeros((side, side, 3), np.float32)
    image[side // 2, side // 2] = 1
    classical = Handheld(scale=scale)
    correct_aperture(image, scale, blur=classical.blur, regularisation=classical.regularisation)
    middle = slice(side // 2 - reach, side // 2 + reach + 1)
    kernel = image[middle, middle, 0]
    return np.asarray(kernel / kernel.sum(), np.float32)
