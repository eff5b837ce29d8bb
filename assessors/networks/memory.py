"""Quality by a memory of distortion patterns, with a reference or without, after MQAF (arXiv 2602.18000).

Part by part, what is the paper's and what is ours:

- **Encoder.** Theirs: the fourth layer of an ImageNet ResNet-50, 2048 channels, fine-tuned. Ours: `backbones.Lite` from scratch, and an
  embedding of the task that scales and shifts its last features.
- **Score by the reference.** Theirs: cos(p_d, p_r)·(1 − | |p_d| − |p_r| | / max(|p_d|, |p_r|)), p the global average of channel-normalised
  features. Ours: averages over valid places, frames being aligned; and in the mixture the root of what the score lacks to 1, for frames of
  one burst are so alike that the score itself hardly differs.
- **Memory.** Theirs: 1024 learnable words of 2048 numbers; the score is the norm of the averages of the cosine maps of the features with
  each word. Ours: fewer, shorter words.
- **Mixture.** Theirs: α of a perceptron on [p_d; p_r] with two hidden layers (1024 and 512), score α·s_r + (1 − α)·s_m; without reference
  s_m. Ours: hidden layers by the size of the features; a scale and an offset for each task, since worth is signed and not in [0, 1].
- **Loss.** Theirs: mean square error, 0.01 · decorrelation of the words (its form is not stated) and 0.1 · mean square error of α against
  e^|s_m − y| / (e^|s_m − y| + e^|s_r − y|). Ours: `assessors.losses` in place of the first, the mean square of the cosines of different
  words for the second, and the regression of worth by the memory alone besides, so that what is trained with a reference can do without.
- **Reference.** Theirs: the pristine image. Ours: the truth of a synthetic burst (an oracle that only training sees; frames are then
  scored by the memory alone), or its reference frame, which every burst has; or none.

The published numbers are of images, not of frames of bursts; nothing here reproduces them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from assessors.batches import Batch
from assessors.losses import worth_loss
from assessors.networks.backbones import Lite
from assessors.networks.parts import ScoringNetwork, fold, shrink, unfold
from assessors.pixel_lessons import Wants

_LEAST = 1e-6
_LEAST_APART = 1e-3
_SCALES = (2.0, 4.0)
"""By which scores of the memory and of the reference begin to become worth."""
_FURTHEST = 10.0
"""Errors beyond which the better way is clear enough."""


@dataclass(frozen=True)
class MemorySettings:
    """Sizes and ways of the network.

    Attributes:
        reference: `frame` for the burst's reference frame, `truth` for the truth while it learns, `none` for the memory alone.
        width: channels of the first stage of the encoder; the last has two and a half times as many.
        words: of the memory.
        decorrelation: weight of the loss of the same name.
        gate: weight of the loss of α.
        alone: weight of the regression of worth by the memory alone.
    """

    reference: Literal["frame", "truth", "none"] = "frame"
    width: Annotated[int, Field(ge=4, le=256)] = 16
    words: Annotated[int, Field(ge=2, le=4096)] = 64
    decorrelation: Annotated[float, Field(ge=0)] = 0.01
    gate: Annotated[float, Field(ge=0)] = 0.1
    alone: Annotated[float, Field(ge=0)] = 0.5

    @property
    def wants(self) -> Wants:
        """What the network takes, and learns from."""
        return Wants("none", truth=self.reference == "truth")


class _Parts(NamedTuple):
    """Scores [B, H, T] by the mixture, by the memory and by the reference, and α; the last two None without a reference."""

    scores: Tensor
    by_memory: Tensor
    by_reference: Tensor | None
    share: Tensor | None


def compare_averages(averages: Tensor, of_reference: Tensor) -> Tensor:
    """s_r of the averages [..., C] of features of a frame and of its reference."""
    lengths = [torch.linalg.vector_norm(each, dim=-1) for each in (averages, of_reference)]
    alike = functional.cosine_similarity(averages, of_reference, dim=-1)
    score: Tensor = alike * (1 - (lengths[0] - lengths[1]).abs() / torch.maximum(*lengths).clamp(min=_LEAST))
    return score


def recall(features: Tensor, memory: Tensor, weight: Tensor) -> Tensor:
    """s_m [N] of channel-normalised features [N, C, h, w] by words [K, C]; weights [N, 1, h, w] of places sum to 1."""
    maps = functional.conv2d(features, functional.normalize(memory, dim=1)[:, :, None, None])
    norm: Tensor = torch.linalg.vector_norm((maps * weight).sum((2, 3)), dim=1)
    return norm


def correlate_words(memory: Tensor) -> Tensor:
    """Mean square of the cosines of different words [K, C]."""
    words = functional.normalize(memory, dim=1)
    cosines, count = words @ words.T, len(words)
    return (cosines.square().sum() - cosines.diagonal().square().sum()) / (count * (count - 1))


class MemoryNetwork(ScoringNetwork):
    """Scores of the frames of bursts for tasks.

    Args:
        facts: 0: it takes pixels alone.
        tasks: S.
        settings: sizes and ways.
    """

    def __init__(self, facts: int, tasks: int, settings: MemorySettings) -> None:
        super().__init__(facts)
        self._settings = settings
        self.encoder = Lite(settings.width)
        channels = self.encoder.channels[-1]
        self.tasks = nn.Parameter(torch.randn(tasks, 2, channels) * 0.1)
        self.memory = nn.Parameter(torch.randn(settings.words, channels))
        self.share = nn.Sequential(
            nn.Linear(2 * channels, channels), nn.ReLU(), nn.Linear(channels, channels // 2), nn.ReLU(), nn.Linear(channels // 2, 1)
        )  # fmt: skip
        self.scale = nn.Parameter(torch.tensor(_SCALES).repeat(tasks, 1))
        self.offset = nn.Parameter(torch.zeros(tasks, 2))

    def judge(self, inputs: Mapping[str, Tensor], mask: Tensor, heads: Tensor) -> Tensor:  # noqa: ARG002  # frames do not see each other
        """Scores, as `ScoringNetwork.judge`; of one trained with the truth, by the memory alone unless `inputs` has the truth."""
        return self._judge(inputs, heads).scores

    def learn(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Scores, and the losses of the words, of α and of the memory alone."""
        parts = self._judge(batch.inputs, batch.heads)
        added = self._settings.decorrelation * correlate_words(self.memory)
        if parts.by_reference is None or parts.share is None:
            return parts.scores, added
        terms = batch.worth, batch.known, batch.trust
        added = added + self._settings.alone * worth_loss(parts.by_memory, *terms)
        errors = [
            (one - batch.worth).abs().clamp(max=_FURTHEST).detach() for one in (parts.by_memory, parts.by_reference)
        ]
        wanted = torch.softmax(torch.stack(errors), 0)[0]
        weight = batch.known * batch.trust[..., None]
        gate = ((parts.share - wanted).square() * weight).sum() / weight.sum().clamp(min=_LEAST)
        return parts.scores, added + self._settings.gate * gate

    def _judge(self, inputs: Mapping[str, Tensor], heads: Tensor) -> _Parts:
        pixels, valid = inputs["pixels"], inputs["valid"]
        bursts, frames = pixels.shape[:2]
        features = self._encode(fold(pixels), heads)
        weight = shrink(fold(valid)[:, None], features[:, 0])
        share_of = weight / weight.sum((2, 3), keepdim=True).clamp(min=_LEAST)
        pooled = (features * share_of[:, None]).sum((3, 4))
        known = recall(features.flatten(0, 1), self.memory, share_of.repeat_interleave(len(heads), 0))
        known = unfold(known, features.shape[:2])
        # [B·T, H, ...] to [B, H, T, ...]
        pooled, known = (unfold(each, (bursts, frames)).transpose(1, 2) for each in (pooled, known))
        by_memory = self._place(known, heads, 0)
        reference = self._find_reference(inputs, pooled, heads)
        if reference is None:
            return _Parts(by_memory, by_memory, None, None)
        of_reference, there = reference
        apart = (1 - compare_averages(pooled, of_reference)).clamp(min=0)
        by_reference = self._place(-(apart + _LEAST_APART).sqrt(), heads, 1)
        share = torch.sigmoid(self.share(torch.cat([pooled, of_reference], -1))[..., 0]) * there
        return _Parts(share * by_reference + (1 - share) * by_memory, by_memory, by_reference, share)

    def _encode(self, pixels: Tensor, heads: Tensor) -> Tensor:
        """Channel-normalised features [N, H, C, h, w] of [N, 4, h, w], for tasks."""
        features = self.encoder.enter(pixels)
        for number in range(len(self.encoder.channels)):
            features = self.encoder.stage(number, features)
        scale, shift = self.tasks[heads].unbind(1)
        conditioned = features[:, None] * (1 + scale[..., None, None]) + shift[..., None, None]
        return functional.normalize(conditioned, dim=2)

    def _place(self, scores: Tensor, heads: Tensor, way: int) -> Tensor:
        """Scores [B, H, T] of a way as worth."""
        return scores * self.scale[heads, way, None] + self.offset[heads, way, None]

    def _find_reference(
        self, inputs: Mapping[str, Tensor], pooled: Tensor, heads: Tensor
    ) -> tuple[Tensor, Tensor | float] | None:
        """Averages [B, H, T, C] of the reference, and where there is one; None where there is none at all."""
        if self._settings.reference == "frame":
            own = (pooled * inputs["reference"][:, None, :, None]).sum(2, keepdim=True)
            return own.expand_as(pooled), 1.0
        if self._settings.reference == "none" or "truth" not in inputs:
            return None
        truth = inputs["truth"]
        there = truth.isfinite().all(-1).all(-1).all(-1)
        own = self._encode(truth.nan_to_num(), heads).mean((3, 4))
        return own[:, :, None].expand_as(pooled), there[:, None, None].to(truth.dtype)
