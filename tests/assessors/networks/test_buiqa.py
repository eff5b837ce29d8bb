"""The prompt network's parts: what restorers teach, and what is left where a part is left out."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from assessors.batches import Drawing
from assessors.networks.buiqa import BuiqaSettings, PromptNetwork
from assessors.networks.catalogue import build_network
from assessors.networks.parts import pool_places
from tests.assessors.pixel_data import make_lessons

SMALL = BuiqaSettings(width=4, prompt_width=4, token=8, attention_heads=2, set_blocks=1, distillation=1.0)


def draw(wants, *, seed: int = 0):
    lessons = make_lessons(seed, 3, wants)
    return lessons, lessons.draw(np.array([0, 1]), np.arange(2), Drawing(window=12), np.random.default_rng(0))


def test_prompts_of_the_reference_say_nothing_but_the_task() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = PromptNetwork(4, 2)
    _, batch = draw(SMALL.wants)
    names = ("pixels", "valid", "noise", "reference")
    prompts = network(*(batch.inputs[name] for name in names), batch.heads)
    assert prompts.shape == (2, 2, batch.mask.shape[1], 3, 12, 12)
    own = prompts[batch.inputs["reference"].bool()[:, None].expand(-1, 2, -1)]
    inner = own[..., 1:-1, 1:-1]
    assert float((inner - inner.mean((-1, -2), keepdim=True)).detach().abs().max()) < 1e-5
    others = prompts[(batch.mask & ~batch.inputs["reference"].bool())[:, None].expand(-1, 2, -1)]
    assert float(others.detach().std((-1, -2)).min()) > 1e-3


def test_trust_is_learnt_where_a_teacher_knows_and_the_frame_reaches() -> None:
    _, batch = draw(SMALL.wants)
    network = build_network(SMALL, len(make_lessons(0, 1, SMALL.wants).names), 2)
    _, added = network.learn(batch)
    inputs = batch.inputs
    prompts = network.prompts(*(inputs[name] for name in ("pixels", "valid", "noise", "reference")), batch.heads)
    told = network.prompts.tell_trust(prompts).detach().double().numpy()
    taught = inputs["taught"].numpy()
    assert np.isnan(taught[:, 1][batch.mask.numpy()]).all()
    total = weight = 0.0
    for b, t in np.argwhere(batch.mask.numpy() & ~inputs["reference"].bool().numpy()):
        share = inputs["valid"][b, t].numpy().reshape(3, 4, 3, 4).mean((1, 3))
        probability = 1 / (1 + np.exp(-told[b, 0, t]))
        entropy = -(taught[b, 0, t] * np.log(probability) + (1 - taught[b, 0, t]) * np.log(1 - probability))
        known = np.isfinite(taught[b, 0, t])
        total += (share * entropy)[known].sum()
        weight += share[known].sum()
    assert float(added.detach()) == pytest.approx(total / weight, rel=1e-4)


@pytest.mark.parametrize(
    "change",
    [
        {"distillation": 0.0},
        {"prompt": False},
        {"set_blocks": 0},
        {"facts": "none"},
        {"prompt": False, "facts": "none"},
    ],
)
def test_parts_can_be_left_out(change) -> None:
    settings = replace(SMALL, **change)
    lessons, batch = draw(settings.wants)
    network = build_network(settings, len(lessons.names), 2)
    scores, added = network.learn(batch)
    assert scores.shape == (2, 2, batch.mask.shape[1])
    assert torch.isfinite(scores).all()
    assert float(added.detach()) == 0 or ("distillation" not in change and "prompt" not in change)
    assert (network.prompts is None) == ("prompt" in change)
    assert settings.wants.teachers == (float(added.detach()) > 0)


def test_without_alignment_frames_are_seen_on_their_own_grids() -> None:
    lessons, batch = draw(replace(SMALL, alignment=False).wants)
    inputs = lessons.provider[0]
    whole = lessons.whole(0).inputs
    level = inputs.planes[inputs.reference_index].mean()
    np.testing.assert_allclose(whole["pixels"][0].numpy(), (inputs.planes - level) / 8, atol=1e-5)
    assert bool(whole["valid"].all())
    assert batch.inputs["pixels"].shape[-2:] == (12, 12)


def test_without_set_attention_a_frame_does_not_see_the_others() -> None:
    settings = replace(SMALL, set_blocks=0)
    lessons = make_lessons(3, 1, settings.wants)
    network = build_network(settings, len(lessons.names), 2).eval()
    batch = lessons.whole(0)
    inputs = batch.inputs
    reference = int(inputs["reference"][0].argmax())
    kept = [reference, (reference + 1) % batch.mask.shape[1]]
    with torch.inference_mode():
        every = network.judge(inputs, batch.mask, batch.heads)[..., kept]
        alone = network.judge({name: one[:, kept] for name, one in inputs.items()}, batch.mask[:, kept], batch.heads)
    torch.testing.assert_close(alone, every, rtol=1e-4, atol=1e-5)


def test_places_are_pooled_where_valid() -> None:
    generator = torch.Generator().manual_seed(0)
    features, valid = (
        torch.randn(2, 3, 5, 6, generator=generator),
        (torch.rand(2, 1, 5, 6, generator=generator) > 0.4).float(),
    )
    pooled = pool_places(features, valid).numpy()
    for n in range(2):
        inside = features[n][:, valid[n, 0].bool()].numpy()
        np.testing.assert_allclose(pooled[n, :3], inside.mean(1), atol=1e-5)
        np.testing.assert_allclose(pooled[n, 3:], np.log(np.square(inside).mean(1) + 1e-4), atol=1e-5)
    assert torch.isfinite(pool_places(features, torch.zeros_like(valid))).all()


def test_heads_that_do_not_divide_the_token() -> None:
    with pytest.raises(ValueError, match="expected a divisor of the width 10, got 4"):
        BuiqaSettings(token=10)
