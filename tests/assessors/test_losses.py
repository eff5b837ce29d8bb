"""Losses against plain computation; what is masked has no influence."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import special, stats

from assessors.losses import listwise_loss, ranking_loss, worth_loss

LOSSES = (worth_loss, listwise_loss, ranking_loss)


def make_terms(seed: int = 0) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(seed)
    scores, worth = (torch.randn(3, 2, 5, generator=generator) for _ in range(2))
    mask = torch.rand(3, 2, 5, generator=generator) > 0.3
    mask[0, 0] = False
    return scores, worth, mask, torch.rand(3, 2, generator=generator)


def each(mask: torch.Tensor):
    return [(b, s) for b in range(3) for s in range(2) if mask[b, s].any()]


def test_worth_is_regressed() -> None:
    scores, worth, mask, trust = make_terms()
    total = weight = 0.0
    for b, s in each(mask):
        distance = (scores[b, s] - worth[b, s])[mask[b, s]].abs().double().numpy()
        total += float(trust[b, s]) * special.huber(1.0, distance).sum()
        weight += float(trust[b, s]) * len(distance)
    assert float(worth_loss(scores, worth, mask, trust)) == pytest.approx(total / weight, rel=1e-5)


def test_distributions_over_frames_are_compared() -> None:
    scores, worth, mask, trust = make_terms()
    total = weight = 0.0
    for b, s in each(mask):
        target, predicted = (special.softmax(one[b, s][mask[b, s]].double().numpy() / 0.5) for one in (worth, scores))
        total += float(trust[b, s]) * stats.entropy(target, predicted)
        weight += float(trust[b, s])
    assert float(listwise_loss(scores, worth, mask, trust)) == pytest.approx(total / weight, rel=1e-5)


def test_pairs_beyond_the_gap_are_ranked() -> None:
    scores, worth, mask, trust = make_terms()
    total = weight = 0.0
    for b, s in each(mask):
        for i in range(5):
            for j in range(5):
                if mask[b, s, i] and mask[b, s, j] and worth[b, s, i] - worth[b, s, j] > 0.25:
                    total += float(trust[b, s]) * max(0.0, 0.25 - float(scores[b, s, i] - scores[b, s, j]))
                    weight += float(trust[b, s])
    assert float(ranking_loss(scores, worth, mask, trust)) == pytest.approx(total / weight, rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
def test_what_is_masked_has_no_influence(loss) -> None:
    scores, worth, mask, trust = make_terms()
    scores.requires_grad_()
    before = loss(scores, worth, mask, trust)
    before.backward()
    assert not scores.grad[~mask].any()
    assert scores.grad[mask].any()
    other = torch.where(mask, worth, torch.full_like(worth, 1e6))
    assert torch.equal(loss(scores, other, mask, trust), before)
    assert float(loss(scores.detach(), worth, torch.zeros_like(mask), trust)) == 0


@pytest.mark.parametrize("loss", LOSSES)
def test_perfect_scores_cost_nothing(loss) -> None:
    _, worth, mask, trust = make_terms()
    assert float(loss(worth, worth, mask, trust)) == pytest.approx(0, abs=1e-6)
    assert not np.isnan(float(loss(worth, worth, mask, torch.zeros_like(trust))))
