"""The memory of distortion patterns against the paper's formulas, and its ways with and without a reference."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from assessors.batches import Drawing
from assessors.networks.catalogue import build_network
from assessors.networks.memory import MemorySettings, compare_averages, correlate_words, recall
from tests.assessors.pixel_data import make_lessons

RNG = np.random.default_rng(0)


def build(reference: str):
    settings = MemorySettings(width=4, words=6, reference=reference)
    return settings, build_network(settings, 0, 2)


def draw(settings: MemorySettings):
    return make_lessons(0, 2, settings.wants).draw(
        np.arange(2), np.arange(2), Drawing(window=12), np.random.default_rng(0)
    )


def test_score_by_the_reference() -> None:
    first, second = RNG.normal(size=(2, 7, 5))
    lengths = np.linalg.norm(first, axis=1), np.linalg.norm(second, axis=1)
    expected = (first * second).sum(1) / (lengths[0] * lengths[1])
    expected *= 1 - np.abs(lengths[0] - lengths[1]) / np.maximum(*lengths)
    np.testing.assert_allclose(compare_averages(torch.tensor(first), torch.tensor(second)), expected, rtol=1e-6)
    np.testing.assert_allclose(compare_averages(torch.tensor(first), torch.tensor(first)), 1, rtol=1e-6)


def test_score_by_the_memory() -> None:
    features, memory = RNG.normal(size=(3, 5, 4, 2)), RNG.normal(size=(6, 5))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    weight = RNG.random((3, 1, 4, 2))
    weight /= weight.sum((2, 3), keepdims=True)
    cosines = np.einsum("nchw,kc->nkhw", features, memory / np.linalg.norm(memory, axis=1, keepdims=True))
    expected = np.linalg.norm((cosines * weight).sum((2, 3)), axis=1)
    found = recall(*(torch.tensor(each) for each in (features, memory, weight)))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_words_are_kept_apart() -> None:
    memory = RNG.normal(size=(6, 5))
    cosines = np.corrcoef(np.concatenate([memory, -memory], 1))  # about a mean of 0 the correlation is the cosine
    expected = np.square(cosines[~np.eye(6, dtype=bool)]).mean()
    assert float(correlate_words(torch.tensor(memory))) == pytest.approx(expected)
    assert float(correlate_words(torch.eye(4))) == 0


def test_a_frame_that_is_the_reference_agrees_with_it() -> None:
    settings, network = build("frame")
    batch = draw(settings)
    with torch.no_grad():
        parts = network._judge(batch.inputs, batch.heads)
        own = batch.inputs["reference"].bool()[:, None].expand(-1, 2, -1)
        # Four times the root of what s_r lacks to 1, and of what keeps it from having no slope there.
        torch.testing.assert_close(parts.by_reference[own], torch.full((4,), -4 * 1e-3**0.5), rtol=1e-2, atol=0)
        assert float(parts.by_reference[~own & batch.mask[:, None]].max()) < -0.13
        mixed = parts.share * parts.by_reference + (1 - parts.share) * parts.by_memory
    torch.testing.assert_close(parts.scores, mixed)


def test_the_truth_is_a_reference_where_there_is_one() -> None:
    settings, network = build("truth")
    batch = draw(settings)
    assert batch.inputs["truth"].isnan().flatten(1).any(1).tolist() == [False, True]
    without = {name: value for name, value in batch.inputs.items() if name != "truth"}
    with torch.no_grad():
        led, alone = (network.judge(each, batch.mask, batch.heads) for each in (batch.inputs, without))
    assert not torch.allclose(led[0], alone[0])
    torch.testing.assert_close(led[1], alone[1])


def test_losses_are_added_as_stated() -> None:
    settings, network = build("frame")
    batch = draw(settings)
    _, added = network.learn(batch)
    with torch.no_grad():
        parts = network._judge(batch.inputs, batch.heads)
    weight = (batch.known * batch.trust[..., None]).double().numpy()
    huber = gate = 0.0
    for at in np.argwhere(weight > 0):
        y, s_m, s_r, alpha = (
            float(each[tuple(at)]) for each in (batch.worth, parts.by_memory, parts.by_reference, parts.share)
        )
        distance = abs(s_m - y)
        huber += distance**2 / 2 if distance < 1 else distance - 0.5
        gate += (alpha - np.exp(distance) / (np.exp(distance) + np.exp(abs(s_r - y)))) ** 2
    expected = 0.01 * float(correlate_words(network.memory.detach())) + (0.5 * huber + 0.1 * gate) / weight.sum()
    assert float(added.detach()) == pytest.approx(expected, rel=1e-4)
    _, alone = build("none")[1].learn(draw(build("none")[0]))
    assert float(alone.detach()) == pytest.approx(0.01 * float(correlate_words(build("none")[1].memory.detach())))
