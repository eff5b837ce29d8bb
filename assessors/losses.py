"""What training minimises: signed worth, the order of the frames, and their distribution; all masked, weighted and within bursts."""

from __future__ import annotations

import torch
from torch.nn import functional


def worth_loss(scores: torch.Tensor, worth: torch.Tensor, mask: torch.Tensor, trust: torch.Tensor) -> torch.Tensor:
    """Huber's loss of predicted worth: zero has a meaning, so that harmful frames can be told.

    Args:
        scores: float32 [B, S, T].
        worth: float32 [B, S, T]; anything where the mask is False.
        mask: bool [B, S, T], where there is a label.
        trust: float32 [B, S], weight of each set of labels of a burst.

    Returns:
        Mean over labelled frames, weighted; 0 without any.
    """
    loss = functional.huber_loss(scores, torch.where(mask, worth, scores.detach()), reduction="none")
    weight = mask * trust[..., None]
    return (loss * weight).sum() / weight.sum().clamp(min=1e-6)


def listwise_loss(
    scores: torch.Tensor, worth: torch.Tensor, mask: torch.Tensor, trust: torch.Tensor, temperature: float = 0.5
) -> torch.Tensor:
    """Kullback-Leibler divergence between the softmax of worth and that of scores over the frames of each burst.

    ListNet, Cao et al., ICML 2007. Arguments as those of `worth_loss`; the smaller the temperature, the more the best frames count.
    """
    there = mask.any(-1)
    hidden = torch.finfo(scores.dtype).min / 2
    target = torch.softmax(torch.where(mask, worth / temperature, hidden), -1)
    predicted = torch.log_softmax(torch.where(mask, scores / temperature, hidden), -1)
    terms = torch.where(mask & (target > 0), target * (target.clamp(min=1e-12).log() - predicted), 0.0)
    weight = trust * there
    return (terms.sum(-1) * weight).sum() / weight.sum().clamp(min=1e-6)


def ranking_loss(
    scores: torch.Tensor, worth: torch.Tensor, mask: torch.Tensor, trust: torch.Tensor, gap: float = 0.25
) -> torch.Tensor:
    """Margin loss over pairs of frames whose worth differs by more than a gap, which is also the margin.

    Arguments as those of `worth_loss`. Frames closer than the gap form a group in which any order will do.
    """
    better = (worth[..., :, None] - worth[..., None, :] > gap) & mask[..., :, None] & mask[..., None, :]
    short = functional.relu(gap - (scores[..., :, None] - scores[..., None, :]))
    weight = better * trust[..., None, None]
    return (short * weight).sum() / weight.sum().clamp(min=1e-6)
