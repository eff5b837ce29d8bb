"""Task-driven prompt network and task-aware quality network, after the BuIQA framework (arXiv 2511.07958, AAAI 2026).

Part by part, what is the paper's and what is ours:

- **Prompt network.** Theirs: a convolution with ReLU, two residual blocks, alignment to the reference frame, and the difference of the
  features as the prompt, three channels for each frame. Ours: the pixels are aligned before the features are made (the paper does not say
  how features are aligned); channels of features; their differences are scaled and shifted by an embedding of the task before two
  convolutions make the prompt.
- **Heterogeneous distillation.** Theirs: that the downstream model teaches the prompt network; what it hands on is not stated. Ours: how
  far it trusts each frame where (`restorers.WeighingRestorer`: the Wiener weights of HDR+, the robustness of other merges), as a map that
  a 1 × 1 convolution must find in the prompt, by binary cross-entropy; alone for the first `foundation` steps of a training, then beside
  the loss of quality. Restorers that expose no weights, and people, teach nothing.
- **Task-aware quality network.** Theirs: a frozen Swin backbone, adapters that take the prompt, attention over four scales with softmax
  weights, a perceptron as head. Ours: where adapters sit (after each stage, a bottleneck on features and prompt) and that they begin as
  nothing; what is pooled of a scale (`parts.pool_places`); facts of the camera beside it; attention over the set of frames before the
  head; an embedding for each task; the backbones `lite` and `efficientnet_lite0` beside Swin.
- **Loss.** Theirs: α·KL + β·margin ranking with group ranks, α = 1, β = 10; margin and groups are not stated. Ours: `assessors.losses`,
  with a regression of the signed worth besides, for ranks alone cannot say which frames harm.

The published numbers are of other labels and weights; nothing here reproduces them.
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
from assessors.networks.backbones import BackboneName, build_backbone
from assessors.networks.parts import ScoringNetwork, SetHead, conv, fold, pool_places, shrink, unfold
from assessors.networks.settings import FactsName, require_divisor
from assessors.pixel_lessons import Wants
from assessors.teachers import TEACHER_CELL

_PROMPT = 3
"""Channels of a prompt, as in the paper."""
_LEAST_NOISE = 1e-3
"""Of a frame, in units of the reference's; frames that are not there have none."""


@dataclass(frozen=True)
class BuiqaSettings:
    """Sizes and parts of the network; each of the last four can be left out or put in to see what it is worth.

    Attributes:
        backbone: `lite`, trained from scratch; `efficientnet_lite0` or `swin_t`, frozen, whose weights must be there.
        width: channels of the first stage of `lite`.
        prompt_width: channels of the prompt network.
        token: numbers that stand for a frame.
        attention_heads: of each attention over frames; they divide `token`.
        facts: numbers about each frame beside its pixels: `none`, `camera` (what camera and alignment know) or `measured` (all features).
        alignment: see frames on the grid of the reference.
        prompt: give prompts to the adapters.
        distillation: weight of what restorers teach; 0 for none.
        set_blocks: of attention over frames; 0 for none.
    """

    backbone: BackboneName = "lite"
    width: Annotated[int, Field(ge=4, le=256)] = 12
    prompt_width: Annotated[int, Field(ge=1, le=256)] = 8
    token: Annotated[int, Field(ge=4, le=1024)] = 48
    attention_heads: Annotated[int, Field(ge=1, le=64)] = 4
    facts: FactsName = "camera"
    alignment: bool = True
    prompt: bool = True
    distillation: Annotated[float, Field(ge=0)] = 0.0
    set_blocks: Annotated[int, Field(ge=0, le=16)] = 2

    def __post_init__(self) -> None:
        """Refuse what attention cannot share out.

        Raises:
            ValueError: if the heads do not divide the token.
        """
        require_divisor(self.attention_heads, self.token)

    @property
    def wants(self) -> Wants:
        """What the network takes, and learns from."""
        return Wants(self.facts, alignment=self.alignment, teachers=self.prompt and self.distillation > 0)


class _Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first, self.second = conv(width, width), conv(width, width)

    def forward(self, features: Tensor) -> Tensor:
        added: Tensor = features + self.second(functional.relu(self.first(features)))
        return added


class PromptNetwork(nn.Module):
    """Prompts [B, H, T, 3, h, w] of bursts for tasks, and what they say of how far each frame can be trusted.

    Args:
        width: channels of features.
        tasks: S.
    """

    def __init__(self, width: int, tasks: int) -> None:
        super().__init__()
        self.features = nn.Sequential(conv(5, width), nn.ReLU(), _Residual(width), _Residual(width))
        self.tasks = nn.Parameter(torch.randn(tasks, 2, width) * 0.1)
        self.prompt = nn.Sequential(conv(width, width), nn.SiLU(), conv(width, _PROMPT, 1))
        self.trust = conv(_PROMPT, 1, 1)

    def forward(self, pixels: Tensor, valid: Tensor, noise: Tensor, reference: Tensor, heads: Tensor) -> Tensor:
        """Arguments as in `PixelLessons`."""
        bursts, frames, _, height, width = pixels.shape
        strength = noise.clamp(min=_LEAST_NOISE).log()[..., None, None, None].expand(-1, -1, 1, height, width)
        features = unfold(self.features(fold(torch.cat([pixels, strength], 2))), (bursts, frames))
        of_reference = (features * reference[..., None, None, None]).sum(1, keepdim=True)
        difference = (features - of_reference) * valid[:, :, None]
        scale, shift = self.tasks[heads].unbind(1)
        conditioned = difference[:, None] * (1 + scale[:, None, :, None, None]) + shift[:, None, :, None, None]
        return unfold(self.prompt(conditioned.flatten(0, 2)), (bursts, len(heads), frames))

    def tell_trust(self, prompts: Tensor) -> Tensor:
        """Logits of trust on the grid of teachers, [B, H, T, ⌈h/4⌉, ⌈w/4⌉]."""
        logits = self.trust(prompts.flatten(0, 2))
        pooled = functional.avg_pool2d(logits, TEACHER_CELL, ceil_mode=True)
        return unfold(pooled[:, 0], prompts.shape[:3])


class _Adapter(nn.Module):
    """Adds to features of a stage what a bottleneck makes of them and of the prompt at the same place; at first nothing."""

    def __init__(self, channels: int, prompt: int) -> None:
        super().__init__()
        hidden = max(channels // 2, 4)
        self.down, self.up = conv(channels + prompt, hidden, 1), conv(hidden, channels, 1)
        nn.init.zeros_(self.up.weight)

    def forward(self, features: Tensor, prompt: Tensor | None) -> Tensor:
        seen = features if prompt is None else torch.cat([features, shrink(prompt, features)], 1)
        added: Tensor = features + self.up(functional.silu(self.down(seen)))
        return added


class BuiqaNetwork(ScoringNetwork):
    """Scores of the frames of bursts for tasks.

    Args:
        facts: F, numbers about each frame.
        tasks: S.
        settings: sizes and parts.
    """

    def __init__(self, facts: int, tasks: int, settings: BuiqaSettings) -> None:
        super().__init__(facts)
        self._weight = settings.distillation
        self.prompts = PromptNetwork(settings.prompt_width, tasks) if settings.prompt else None
        self.backbone = build_backbone(settings.backbone, settings.width)
        own, token = _PROMPT if settings.prompt else 0, settings.token
        self.adapters = nn.ModuleList([_Adapter(channels, own) for channels in self.backbone.channels])
        self.scales = nn.ModuleList([nn.Linear(2 * channels, token) for channels in self.backbone.channels])
        self.weigh = nn.Linear(token, 1)
        self.beside = nn.Linear(facts + 2 * own, token) if facts + own else None
        self.head = SetHead(token, settings.set_blocks, settings.attention_heads, tasks)

    def judge(self, inputs: Mapping[str, Tensor], mask: Tensor, heads: Tensor) -> Tensor:
        """Scores, as `ScoringNetwork.judge`."""
        return self._judge(inputs, mask, heads, self._prompt(inputs, heads))

    def learn(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Scores, and the cross-entropy of the trust that the prompts tell and that of the teachers."""
        prompts = self._prompt(batch.inputs, batch.heads)
        scores = self._judge(batch.inputs, batch.mask, batch.heads, prompts)
        if self.prompts is None or not self._weight:
            return scores, torch.zeros(())
        taught = batch.inputs["taught"]
        there = functional.avg_pool2d(batch.inputs["valid"], TEACHER_CELL, ceil_mode=True)
        others = batch.mask & ~batch.inputs["reference"].bool()
        weight = (there * others[..., None, None])[:, None] * taught.isfinite()
        loss = functional.binary_cross_entropy_with_logits(
            self.prompts.tell_trust(prompts), taught.nan_to_num(), reduction="none"
        )
        return scores, self._weight * (loss * weight).sum() / weight.sum().clamp(min=1e-6)

    def _prompt(self, inputs: Mapping[str, Tensor], heads: Tensor) -> Tensor:
        """Prompts [B, H, T, 3, h, w], or [B, 1, T, 0, h, w] without a prompt network."""
        if self.prompts is None:
            return inputs["pixels"][:, None, :, :0]
        names = ("pixels", "valid", "noise", "reference")
        made: Tensor = self.prompts(*(inputs[name] for name in names), heads)
        return made

    def _judge(self, inputs: Mapping[str, Tensor], mask: Tensor, heads: Tensor, prompts: Tensor) -> Tensor:
        bursts, own, frames = prompts.shape[:3]
        valid = inputs["valid"][:, None, :, None].expand(-1, own, -1, -1, -1, -1).flatten(0, 2)
        flat = prompts.flatten(0, 2) if self.prompts is not None else None
        entered = unfold(self.backbone.enter(fold(inputs["pixels"])), (bursts, frames))
        features = entered[:, None].expand(-1, own, -1, -1, -1, -1).flatten(0, 2)
        scales = []
        for number, (adapter, scale) in enumerate(zip(self.adapters, self.scales, strict=True)):
            features = adapter(self.backbone.stage(number, features), flat)
            scales.append(scale(pool_places(features, shrink(valid, features))))
        every = torch.stack(scales, 1)
        mixed = (every * torch.softmax(self.weigh(torch.tanh(every)), 1)).sum(1)
        if self.beside is not None:
            facts = self._norm_facts(inputs["facts"], inputs.get("keep"))[:, None].expand(-1, own, -1, -1).flatten(0, 2)
            mixed = mixed + self.beside(facts if flat is None else torch.cat([facts, pool_places(flat, valid)], 1))
        scores: Tensor = self.head(unfold(mixed, (bursts, own, frames)), mask, heads)
        return scores
