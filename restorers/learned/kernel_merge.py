"""A small kernel-predicting network for bursts of any length (after Mildenhall et al., CVPR 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from restorers.learned.parts import Refinement, Stabiliser, box, conv, describe_merge, leak, limit, variance_of
from restorers.learned.stacks import FramePart, FrameStack, take

_KERNEL = 3
_INPUTS = 18


@dataclass(frozen=True, eq=False)
class EncodedFrames:
    """What each frame adds to any merge, and what all merges need of the references.

    Attributes:
        sums: [N, 4, h, w]; of values times weights.
        weights: [N, 4, h, w]; sums of weights.
        spread: [N, 4, h, w]; sums of squared weights times noise variance.
        features: [N, F, h, w].
        reference: [B, 4, h, w].
        noise: [B, 2]; of the references.
        first: of each burst, the place of its reference.
        owners: burst of each frame.
    """

    sums: Tensor
    weights: Tensor
    spread: Tensor
    features: Tensor
    reference: Tensor
    noise: Tensor
    first: tuple[int, ...]
    owners: list[int]


class KernelMerge(nn.Module):
    """Merges aligned planes by kernels that it predicts for every pixel of every frame, then refines the merge.

    Kernels are 3 × 3, positive, common to the four planes, and normalised over all frames that are merged, so the merge is a weighted
    mean in linear light whose noise is known. A U-Net sees it after variance stabilisation, with the mean and the maximum of the
    frames' features, and adds a correction there. What a frame contributes depends on itself and the reference.

    Args:
        width: channels of the encoder of frames.
        features: channels that frames hand on to the refinement.
        hidden: channels of the refinement on its three scales.
    """

    def __init__(self, *, width: int = 32, features: int = 16, hidden: tuple[int, int, int] = (48, 64, 96)) -> None:
        super().__init__()
        self.encoder1, self.encoder2, self.encoder3 = conv(_INPUTS, width), conv(width, width), conv(width, width)
        self.kernels, self.features = conv(width, _KERNEL**2, 1), conv(width, features, 1)
        self.refinement = Refinement(5 * 4 + 2 * features + 3, 8, hidden)
        nn.init.zeros_(self.kernels.weight)
        with torch.no_grad():
            assert self.kernels.bias is not None
            self.kernels.bias.fill_(-2).view(_KERNEL, _KERNEL)[1, 1] = 1

    def encode(self, stack: FrameStack) -> EncodedFrames:
        """What depends on each frame and its reference alone."""
        sums, weights, spread, features = (
            torch.cat(parts) for parts in zip(*(self._encode_part(part) for part in stack.split()), strict=True)
        )
        first = list(stack.first)
        return EncodedFrames(
            sums,
            weights,
            spread,
            features,
            take(stack.values, first),
            take(stack.noise, first),
            stack.first,
            stack.owners,
        )

    def _encode_part(self, part: FramePart) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        features = leak(self.encoder1(describe_frames(part)))
        features = leak(self.encoder3(leak(self.encoder2(features))))
        logits = self.kernels(features).float().clamp(-12, 6)
        signal = box(part.reference_values, 5)
        variance = variance_of(part.noise, signal)
        # Frames of more noise count less, by as much as theory says; the network learns what theory leaves out.
        ratio = variance_of(part.reference_noise, signal) / variance
        kernels = logits.exp() * ratio.mean((1, 2, 3), keepdim=True).clamp(max=8)
        filtered = filter_frames(part.values, part.weights, kernels, variance)
        return *filtered, leak(self.features(features)).float()

    def merge(self, encoded: EncodedFrames, groups: Sequence[Sequence[int]]) -> Tensor:
        """The images [len(groups), 4, h, w] of some frames each, by places, the reference of one burst among them."""
        bursts = [encoded.owners[group[0]] for group in groups]
        stabiliser = Stabiliser(take(encoded.noise, bursts))
        total = gather(encoded.weights, groups).clamp(min=1e-8)
        merged = gather(encoded.sums, groups) / total
        deviation = stabiliser.deviation(merged, gather(encoded.spread, groups) / total.square())
        stabilised = stabiliser.apply(merged)
        reference = take(encoded.reference, bursts)
        counts = torch.tensor([float(len(group)) for group in groups]).log().to(merged.device)
        level = take(encoded.noise, bursts).clamp(min=1e-8).log() / 8
        facts = torch.cat([counts[:, None] / 3, level], 1)[:, :, None, None].expand(-1, -1, *merged.shape[2:])
        features = [
            stabilised,
            stabiliser.apply(reference),
            (deviation.clamp(min=1e-5).log() + 4) / 3,
            *describe_merge(stabiliser, stabilised, deviation, reference),
            torch.stack([take(encoded.features, group).mean(0) for group in groups]),
            torch.stack([take(encoded.features, group).amax(0) for group in groups]),
            facts,
        ]
        noisy, plain = self.refinement(torch.cat(features, 1)).chunk(2, 1)
        return stabiliser.invert(stabilised + deviation * noisy + 0.1 * plain)


def gather(values: Tensor, groups: Sequence[Sequence[int]]) -> Tensor:
    """Sums over the frames of each group, [len(groups), ...]."""
    return torch.stack([take(values, group).sum(0) for group in groups])


def describe_frames(part: FramePart) -> Tensor:
    """How frames, aligned planes, differ from their references, in units of their noise: [n, 18, h, w]."""
    reference, own = part.reference_values, part.reference_noise
    stabiliser = Stabiliser(own)
    signal = box(reference, 3)
    deviation = (variance_of(part.noise, signal) + variance_of(own, signal)).sqrt()
    difference = (part.values - reference) * part.weights / deviation
    energy = difference.square().mean(1, keepdim=True)
    usable = part.weights.amin(1, keepdim=True)
    ratio = (variance_of(part.noise, signal) / variance_of(own, signal)).log().mean(1, keepdim=True) / 4
    strength = stabiliser.deviation(signal, stabiliser.variance(signal)).mean(1, keepdim=True)
    return torch.cat(
        [
            stabiliser.apply(reference),
            limit(difference, 8),
            limit(5 * box(difference, 5), 16),
            torch.log1p(box(energy, 3)) / 2,
            torch.log1p(box(energy, 9)) / 2,
            usable,
            part.is_reference.expand_as(usable),
            ratio,
            (strength.log() + 4) / 3,
        ],
        1,
    )


def filter_frames(values: Tensor, usable: Tensor, kernels: Tensor, variance: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Weighted sums of the usable pixels about each pixel, sums of their weights, and of squared weights times noise variance.

    Args:
        values: [N, C, h, w]; beyond their edges nothing is usable.
        usable: the same shape, 1 or 0.
        kernels: [N, 9, h, w], tap (i, j) of 3 × 3 at row y + i − 1, column x + j − 1.
        variance: [N, C, h, w].
    """
    height, width = values.shape[-2:]
    edge = _KERNEL // 2
    values, usable = (functional.pad(each, (edge,) * 4) for each in (values * usable, usable))
    sums = weights = squares = torch.zeros((), dtype=values.dtype, device=values.device)
    for tap in range(_KERNEL**2):
        row, column = divmod(tap, _KERNEL)
        here = (..., slice(row, row + height), slice(column, column + width))
        kernel = kernels[:, tap : tap + 1]
        weight = kernel * usable[here]
        sums = sums + kernel * values[here]
        weights = weights + weight
        squares = squares + weight * kernel
    return sums, weights, squares * variance
