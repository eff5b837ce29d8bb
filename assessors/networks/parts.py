"""What the networks share: what a training asks of them, attention over frames, what is left of features once places are pooled."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from assessors.batches import Batch

_LEAST = 1e-4
_GROUPS = 4


class ScoringNetwork(nn.Module):
    """A network that scores the frames of bursts for tasks.

    Args:
        facts: numbers about each frame that it takes.
    """

    def __init__(self, facts: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(facts))
        self.register_buffer("deviation", torch.ones(facts))
        self.mean: Tensor
        self.deviation: Tensor

    @abstractmethod
    def judge(self, inputs: Mapping[str, Tensor], mask: Tensor, heads: Tensor) -> Tensor:
        """Scores, float32 [B, H, T]; of frames that are not there they mean nothing. Arguments as in `Batch`."""

    def learn(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Scores as `judge` gives them, and what the network adds to the loss by itself."""
        return self.judge(batch.inputs, batch.mask, batch.heads), torch.zeros(())

    def standardise(self, facts: Tensor) -> None:
        """Learn mean and deviation of the numbers about frames, float32 [N, F]."""
        self.mean.copy_(facts.mean(0))
        self.deviation.copy_(facts.std(0, correction=0).clamp(min=1e-3))

    def _norm_facts(self, facts: Tensor, keep: Tensor | None) -> Tensor:
        normed = ((facts - self.mean) / self.deviation).clamp(-6, 6)
        return normed if keep is None else normed * keep


class SetBlock(nn.Module):
    """Attention over frames and a perceptron for each, both added to what came in (Lee et al., ICML 2019)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.before_attention, self.before_perceptron = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.perceptron = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width))

    def forward(self, frames: Tensor, absent: Tensor) -> Tensor:
        """Frames [N, T, width], and bool [N, T] of those that are not there."""
        normed = self.before_attention(frames)
        seen, _ = self.attention(normed, normed, normed, key_padding_mask=absent, need_weights=False)
        frames = frames + seen
        added: Tensor = frames + self.perceptron(self.before_perceptron(frames))
        return added


class SetHead(nn.Module):
    """Attention over the frames of a burst, and a score for each by the embedding of the task.

    Args:
        width: of what stands for a frame.
        blocks: of attention; without any, frames do not see each other.
        attention_heads: of each.
        tasks: S.
    """

    def __init__(self, width: int, blocks: int, attention_heads: int, tasks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList([SetBlock(width, attention_heads) for _ in range(blocks)])
        self.tasks = nn.Parameter(torch.randn(tasks, width) * 0.5)
        self.last = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU(), nn.Linear(width, 1))

    def forward(self, tokens: Tensor, mask: Tensor, heads: Tensor) -> Tensor:
        """Tokens [B, H, T, width], or [B, 1, T, width] for all tasks alike, to scores [B, H, T]."""
        bursts, own, frames, width = tokens.shape
        absent = ~mask[:, None].expand(bursts, own, frames).reshape(-1, frames)
        seen = tokens.reshape(-1, frames, width)
        for block in self.blocks:
            seen = block(seen, absent)
        conditioned = seen.reshape(tokens.shape) + self.tasks[heads][:, None]
        scores: Tensor = self.last(conditioned)[..., 0]
        return scores


def conv(inputs: int, outputs: int, size: int = 3, *, stride: int = 1, groups: int = 1) -> nn.Conv2d:
    """A convolution that keeps the sides, but for the stride."""
    return nn.Conv2d(inputs, outputs, size, stride, size // 2, groups=groups)


def norm(channels: int) -> nn.GroupNorm:
    """Normalisation within a frame: bursts of a step are few, and a frame's score must not depend on other bursts."""
    return nn.GroupNorm(_GROUPS if channels % _GROUPS == 0 else 1, channels)


def pool_places(features: Tensor, valid: Tensor) -> Tensor:
    """Mean of each channel over the valid places, and logarithm of its mean square: [N, C, h, w] and [N, 1, h, w] to [N, 2C].

    How strong a frame's details are, or its difference to the reference, is a matter of energies, which differ by orders of magnitude.
    """
    share = valid / valid.sum((2, 3), keepdim=True).clamp(min=1)
    mean = (features * share).sum((2, 3))
    power = (features.square() * share).sum((2, 3))
    return torch.cat([mean, (power + _LEAST).log()], 1)


def shrink(maps: Tensor, like: Tensor) -> Tensor:
    """Means of maps [N, C, H, W] on the smaller grid of other ones."""
    if maps.shape[2:] == like.shape[2:]:
        return maps
    return functional.adaptive_avg_pool2d(maps, (like.shape[2], like.shape[3]))


def fold(values: Tensor) -> Tensor:
    """Bursts and frames [B, T, ...] as one axis."""
    return values.reshape(-1, *values.shape[2:])


def unfold(values: Tensor, shape: Sequence[int]) -> Tensor:
    """The first axis as several: [N, ...] to [*shape, ...]."""
    return values.reshape(*shape, *values.shape[1:])
