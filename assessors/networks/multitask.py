"""Quality, detail and kinds of distortion together, after the multi-task feature enhancement network (arXiv 2411.07556).

Part by part, what is the paper's and what is ours:

- **High-frequency extraction network.** Theirs: plain and octave convolutions (Chen et al., ICCV 2019) whose low-frequency branch is
  discarded. Ours: one plain and three octave convolutions, a quarter of the channels low; the last has no low branch at all.
- **Quality estimation network.** Theirs: a Visual Attention Network (Guo et al. 2023): large-kernel attention by a depth-wise 5 × 5, a
  depth-wise 7 × 7 of dilation 3 and a 1 × 1 convolution. Ours: two stages of one block, normalisation within a frame.
- **Distortion-aware network.** Theirs: it separates types of distortion. Ours: it predicts what the synthesis did to the frame
  (`assessors.factors`): noise, shake, defocus, displacement, moving things, occlusion, exposure. Where nothing is known of a frame it
  learns nothing.
- **Fusion.** Theirs: by attention, in place of a sum or concatenation. Ours: the quality network's features ask, and features of all
  three answer (scaled dot products over the three).
- **Inputs.** Theirs: one image. Ours: a frame on the grid of the reference and, unless told not to, its difference to it; attention over
  the set of frames before the head, an embedding for each task, and facts of the camera if asked for.
- **Loss.** Weights and recipe of the paper are not reachable. Ours: `assessors.losses`, and the mean square error of the standardised
  factors.

The published numbers are of single images; nothing here reproduces them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from assessors.batches import Batch
from assessors.factors import FACTORS
from assessors.networks.octave import OctaveConvolution
from assessors.networks.parts import ScoringNetwork, SetHead, conv, fold, norm, pool_places, shrink, unfold
from assessors.networks.settings import FactsName, require_divisor
from assessors.pixel_lessons import Wants

_FURTHEST = 4.0
"""Deviations of a factor beyond which it says no more."""


@dataclass(frozen=True)
class MultitaskSettings:
    """Sizes and parts of the network.

    Attributes:
        width: channels of the first stages; each further one has twice as many.
        token: numbers that stand for a frame.
        attention_heads: of each attention over frames; they divide `token`.
        facts: numbers about each frame beside its pixels: `none`, `camera` or `measured`.
        difference: see the difference to the reference beside the frame.
        distortion: weight of the loss of the factors; 0 for none.
        set_blocks: of attention over frames; 0 for none.
    """

    width: Annotated[int, Field(ge=4, le=256, multiple_of=4)] = 12
    token: Annotated[int, Field(ge=4, le=1024)] = 48
    attention_heads: Annotated[int, Field(ge=1, le=64)] = 4
    facts: FactsName = "none"
    difference: bool = True
    distortion: Annotated[float, Field(ge=0)] = 0.3
    set_blocks: Annotated[int, Field(ge=0, le=16)] = 1

    def __post_init__(self) -> None:
        """Refuse what attention cannot share out.

        Raises:
            ValueError: if the heads do not divide the token.
        """
        require_divisor(self.attention_heads, self.token)

    @property
    def wants(self) -> Wants:
        """What the network takes, and learns from."""
        return Wants(self.facts, factors=self.distortion > 0)


class LargeKernelBlock(nn.Module):
    """Large-kernel attention and a perceptron, both added to what came in (Guo et al., Visual attention network, 2023)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.before_attention, self.before_perceptron = norm(channels), norm(channels)
        self.enter, self.leave = conv(channels, channels, 1), conv(channels, channels, 1)
        self.attention = nn.Sequential(
            conv(channels, channels, 5, groups=channels),
            nn.Conv2d(channels, channels, 7, padding=9, dilation=3, groups=channels),
            conv(channels, channels, 1),
        )
        self.perceptron = nn.Sequential(conv(channels, 2 * channels, 1), nn.GELU(), conv(2 * channels, channels, 1))

    def forward(self, features: Tensor) -> Tensor:
        """Features [N, C, h, w]."""
        entered = functional.gelu(self.enter(self.before_attention(features)))
        features = features + self.leave(entered * self.attention(entered))
        added: Tensor = features + self.perceptron(self.before_perceptron(features))
        return added


class _Fusion(nn.Module):
    """What one of several tokens asks of all of them: [N, K, width] to [N, width]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, tokens: Tensor) -> Tensor:
        asked = self.query(tokens[:, :1]) @ self.key(tokens).transpose(1, 2)
        weights = torch.softmax(asked / tokens.shape[-1] ** 0.5, -1)
        fused: Tensor = tokens[:, 0] + (weights @ self.value(tokens))[:, 0]
        return fused


class MultitaskNetwork(ScoringNetwork):
    """Scores of the frames of bursts for tasks.

    Args:
        facts: F, numbers about each frame.
        tasks: S.
        settings: sizes and parts.
    """

    def __init__(self, facts: int, tasks: int, settings: MultitaskSettings) -> None:
        super().__init__(facts)
        self._settings = settings
        inputs, width, token = 8 if settings.difference else 4, settings.width, settings.token
        low = width // 4
        self.detail_enter = conv(inputs, width)
        self.detail = nn.ModuleList(
            [
                OctaveConvolution(width, 0, width - low, low),
                OctaveConvolution(width - low, low, width - low, low),
                OctaveConvolution(width - low, low, width, 0),
            ]
        )
        self.quality = nn.ModuleList(
            [
                nn.Sequential(conv(inputs, width, stride=2), LargeKernelBlock(width)),
                nn.Sequential(conv(width, 2 * width, stride=2), LargeKernelBlock(2 * width)),
            ]
        )
        self.distortion = nn.Sequential(
            conv(inputs, width, stride=2), nn.SiLU(), conv(width, 2 * width, stride=2), nn.SiLU(), conv(2 * width, 2 * width), nn.SiLU()
        )  # fmt: skip
        self.project = nn.ModuleList([nn.Linear(2 * each, token) for each in (2 * width, width, 2 * width)])
        self.factors = nn.Linear(token, len(FACTORS))
        self.register_buffer("factor_mean", torch.zeros(len(FACTORS)))
        self.register_buffer("factor_deviation", torch.ones(len(FACTORS)))
        self.factor_mean: Tensor
        self.factor_deviation: Tensor
        self.fusion = _Fusion(token)
        self.beside = nn.Linear(facts, token) if facts else None
        self.head = SetHead(token, settings.set_blocks, settings.attention_heads, tasks)

    def standardise_factors(self, factors: Tensor) -> None:
        """Learn mean and deviation of the factors, float32 [N, 7], NaN where unknown."""
        known = factors.isfinite()
        count = known.sum(0).clamp(min=1)
        mean = factors.nan_to_num().sum(0) / count
        power = torch.where(known, factors - mean, 0.0).square().sum(0) / count
        self.factor_mean.copy_(mean)
        self.factor_deviation.copy_(power.sqrt().clamp(min=1e-3))

    def judge(self, inputs: Mapping[str, Tensor], mask: Tensor, heads: Tensor) -> Tensor:
        """Scores, as `ScoringNetwork.judge`."""
        return self._judge(inputs, mask, heads)[0]

    def learn(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Scores, and the mean square error of the standardised factors."""
        scores, told = self._judge(batch.inputs, batch.mask, batch.heads)
        if not self._settings.distortion:
            return scores, torch.zeros(())
        factors = (batch.inputs["factors"] - self.factor_mean) / self.factor_deviation
        known = factors.isfinite() & batch.mask[..., None]
        errors = torch.where(known, told - factors.nan_to_num().clamp(-_FURTHEST, _FURTHEST), 0.0).square()
        return scores, self._settings.distortion * errors.sum() / known.sum().clamp(min=1)

    def _judge(self, inputs: Mapping[str, Tensor], mask: Tensor, heads: Tensor) -> tuple[Tensor, Tensor]:
        """Scores [B, H, T], and standardised factors [B, T, 7]."""
        pixels = inputs["pixels"]
        shape = pixels.shape[:2]
        if self._settings.difference:
            of_reference = (pixels * inputs["reference"][..., None, None, None]).sum(1, keepdim=True)
            pixels = torch.cat([pixels, pixels - of_reference], 2)
        seen, valid = fold(pixels), fold(inputs["valid"])[:, None]
        high: Tensor = functional.silu(self.detail_enter(seen))
        low: Tensor | None = None
        for octave in self.detail:
            high, low = octave(high, low)
            high, low = functional.silu(high), None if low is None else functional.silu(low)
        quality = seen
        for stage in self.quality:
            quality = stage(quality)
        maps = (quality, high, self.distortion(seen))
        tokens = torch.stack(
            [project(pool_places(each, shrink(valid, each))) for project, each in zip(self.project, maps, strict=True)],
            1,
        )
        told: Tensor = self.factors(tokens[:, 2])
        fused = self.fusion(tokens)
        if self.beside is not None:
            fused = fused + self.beside(fold(self._norm_facts(inputs["facts"], inputs.get("keep"))))
        scores: Tensor = self.head(unfold(fused, shape)[:, None], mask, heads)
        return scores, unfold(told, shape)
