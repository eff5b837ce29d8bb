"""A small recurrent network for bursts of any length: a Kalman filter whose gains are predicted (cf. Godard et al., ECCV 2018)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import takewhile

import torch
from torch import Tensor, nn

from restorers.learned.parts import Refinement, Stabiliser, box, conv, describe_merge, leak, limit, variance_of
from restorers.learned.stacks import FramePart, FrameStack, take

_INPUTS = 11
_INNOVATION = 11


@dataclass(frozen=True, eq=False)
class State:
    """What was made of some frames: of each group an estimate [G, 4, h, w], its variance, and hidden features [G, F, h, w]."""

    estimate: Tensor
    variance: Tensor
    hidden: Tensor


@dataclass(frozen=True, eq=False)
class FrameFeatures:
    """The frames, and features of each alone.

    Attributes:
        stack: frames.
        features: [N, F, h, w].
        path: places of the longest group that was merged alone, each with the state after it: a group that begins with the same
            frames goes on from there. Leaving one frame out takes half of the steps on average.
    """

    stack: FrameStack
    features: Tensor
    path: list[tuple[int, State]] = field(default_factory=list)

    def recall(self, group: Sequence[int]) -> list[tuple[int, State]]:
        """The beginning of the path that a group shares."""
        same = takewhile(lambda both: both[0][0] == both[1], zip(self.path, group, strict=False))
        return [known for known, _ in same]


class RecurrentMerge(nn.Module):
    """Takes the frames one after the other, each against what was made of those before, and refines the last estimate.

    The state is an estimate of the image, which begins as the reference, its variance, and hidden features. Frame after frame, a cell
    sees the innovation, which is the frame less the estimate over the noise of both, and changes the features; from them come the gain of
    each pixel, by which the estimate moves towards the frame, and a factor on the gain that the variances suggest. What a frame is worth
    so depends on those before it.

    Args:
        width: channels of the hidden features.
        hidden: channels of the refinement on its three scales.
    """

    def __init__(self, *, width: int = 20, hidden: tuple[int, int, int] = (48, 64, 96)) -> None:
        super().__init__()
        self.width = width
        self.encoder1, self.encoder2 = conv(_INPUTS, width), conv(width, width)
        self.cell1, self.cell2 = conv(2 * width + _INNOVATION, width), conv(width, width)
        self.gain = conv(width, 1, 1)
        self.refinement = Refinement(5 * 4 + width + 3, 8, hidden)
        nn.init.zeros_(self.gain.weight)
        assert self.gain.bias is not None
        nn.init.constant_(self.gain.bias, 2.0)

    def encode(self, stack: FrameStack) -> FrameFeatures:
        """What depends on each frame and its reference alone."""
        return FrameFeatures(stack, torch.cat([self._encode_part(part) for part in stack.split()]))

    def _encode_part(self, part: FramePart) -> Tensor:
        stabiliser = Stabiliser(part.reference_noise)
        signal = box(part.reference_values, 3)
        strength = stabiliser.deviation(signal, stabiliser.variance(signal)).mean(1, keepdim=True)
        ratio = variance_of(part.noise, signal) / variance_of(part.reference_noise, signal)
        inputs = [
            stabiliser.apply(part.values),
            stabiliser.apply(part.reference_values),
            part.weights.amin(1, keepdim=True),
            ratio.log().mean(1, keepdim=True) / 4,
            (strength.log() + 4) / 3,
        ]
        return leak(self.encoder2(leak(self.encoder1(torch.cat(inputs, 1))))).float()

    def merge(self, encoded: FrameFeatures, groups: Sequence[Sequence[int]]) -> Tensor:
        """The images [len(groups), 4, h, w] of some frames each, by places, the reference of one burst first, then in capture order."""
        stack = encoded.stack
        first = [group[0] for group in groups]
        reference, own = take(stack.values, first), take(stack.noise, first)
        alone = len(groups) == 1 and not torch.is_grad_enabled()
        path = encoded.recall(groups[0]) if alone else []
        state = (
            path[-1][1]
            if path
            else State(reference, variance_of(own, box(reference, 5)), take(encoded.features, first))
        )
        path = path or [(first[0], state)]
        for step in range(len(path), max(len(group) for group in groups)):
            # Groups that have come to their end see the reference with a gain of 0.
            places = [group[step] if step < len(group) else group[0] for group in groups]
            goes_on = torch.tensor([step < len(group) for group in groups]).reshape(-1, 1, 1, 1)
            state = self._step(encoded, places, goes_on.float().to(reference.device), state)
            if alone:
                path.append((places[0], state))
        if alone and len(path) > len(encoded.path):
            encoded.path[:] = path
        estimate, variance, hidden = state.estimate, state.variance, state.hidden
        stabiliser = Stabiliser(own)
        deviation = stabiliser.deviation(estimate, variance)
        stabilised = stabiliser.apply(estimate)
        counts = torch.tensor([float(len(group)) for group in groups]).log().to(estimate.device)
        level = own.clamp(min=1e-8).log() / 8
        facts = torch.cat([counts[:, None] / 3, level], 1)[:, :, None, None].expand(-1, -1, *estimate.shape[2:])
        inputs = [
            stabilised,
            stabiliser.apply(reference),
            (deviation.clamp(min=1e-5).log() + 4) / 3,
            *describe_merge(stabiliser, stabilised, deviation, reference),
            hidden,
            facts,
        ]
        noisy, plain = self.refinement(torch.cat(inputs, 1)).chunk(2, 1)
        return stabiliser.invert(stabilised + deviation * noisy + 0.1 * plain)

    def _step(self, encoded: FrameFeatures, places: list[int], goes_on: Tensor, state: State) -> State:
        """The state after one more frame of each group, of those that go on (1, else 0)."""
        stack, estimate, variance = encoded.stack, state.estimate, state.variance
        usable = take(stack.weights, places)
        noise = variance_of(take(stack.noise, places), box(estimate, 3))
        innovation = (take(stack.values, places) - estimate) * usable
        normed = innovation / (noise + variance).sqrt()
        energy = normed.square().mean(1, keepdim=True)
        inputs = [
            take(encoded.features, places),
            state.hidden,
            limit(normed, 8),
            limit(5 * box(normed, 5), 16),
            torch.log1p(box(energy, 3)) / 2,
            torch.log1p(box(energy, 9)) / 2,
            (variance / noise).log().mean(1, keepdim=True) / 4,
        ]
        after = leak(self.cell2(leak(self.cell1(torch.cat(inputs, 1))))).float()
        trust = torch.sigmoid(self.gain(after).float()) * usable
        gain = trust * variance / (variance + noise)
        left = (1 - gain).square() * variance + gain.square() * noise
        return State(
            estimate + goes_on * (estimate + gain * innovation - estimate),
            variance + goes_on * (left - variance),
            state.hidden + goes_on * (after - state.hidden),
        )
