"""Octave convolutions, large kernels and the factors of distortion, each against plain computation."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional

from assessors.batches import Drawing
from assessors.networks.catalogue import build_network
from assessors.networks.multitask import LargeKernelBlock, MultitaskSettings
from assessors.networks.octave import OctaveConvolution
from tests.assessors.pixel_data import make_lessons

SMALL = MultitaskSettings(width=4, token=8, attention_heads=2)


def convolve(part, features):
    return functional.conv2d(features, part.weight, part.bias, padding=1)


def test_octaves_exchange_what_they_see() -> None:
    with torch.no_grad(), torch.random.fork_rng():
        torch.manual_seed(0)
        octave, last, first = (
            OctaveConvolution(3, 2, 4, 1),
            OctaveConvolution(3, 2, 4, 0),
            OctaveConvolution(3, 0, 4, 1),
        )
        high, low = torch.randn(1, 3, 6, 8), torch.randn(1, 2, 3, 4)
        found = octave(high, low)
        halved = high.reshape(1, 3, 3, 2, 4, 2).mean((3, 5))
        enlarged = convolve(octave.low_to_high, low).repeat_interleave(2, 2).repeat_interleave(2, 3)
        torch.testing.assert_close(found[0], convolve(octave.high_to_high, high) + enlarged)
        torch.testing.assert_close(found[1], convolve(octave.high_to_low, halved) + convolve(octave.low_to_low, low))
        assert last(high, low)[1] is None
        torch.testing.assert_close(first(high, None)[0], convolve(first.high_to_high, high))
        assert octave(torch.randn(1, 3, 5, 7), torch.randn(1, 2, 3, 4))[1].shape == (1, 1, 3, 4)


def test_the_large_kernel_sees_as_far_as_published() -> None:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        block = LargeKernelBlock(4)
    image = torch.randn(1, 4, 41, 41, requires_grad=True)
    block.attention(image)[0, 0, 20, 20].backward()
    rows, columns = np.nonzero(image.grad[0].abs().sum(0).numpy())
    # 5 × 5 and 7 × 7 of dilation 3: 23 × 23, nearest to the 21 × 21 that they are taken apart from.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (9, 31, 9, 31)


def test_factors_are_told_where_they_are_known() -> None:
    lessons = make_lessons(0, 3, SMALL.wants)
    network = build_network(SMALL, 0, 2)
    network.standardise_factors(torch.from_numpy(np.concatenate(lessons.factors)))
    every = np.concatenate(lessons.factors).astype(np.float64)
    known = np.delete(every, 3, axis=1)
    np.testing.assert_allclose(np.delete(network.factor_mean.numpy(), 3), known.mean(0), atol=1e-5)
    np.testing.assert_allclose(np.delete(network.factor_deviation.numpy(), 3), known.std(0), rtol=1e-4)
    batch = lessons.draw(np.array([0, 1]), np.arange(2), Drawing(window=12), np.random.default_rng(0))
    _, added = network.learn(batch)
    with torch.no_grad():
        _, told = network._judge(batch.inputs, batch.mask, batch.heads)
    wanted = (batch.inputs["factors"] - network.factor_mean) / network.factor_deviation
    errors = [
        (float(told[b, t, k]) - float(wanted[b, t, k].clamp(-4, 4))) ** 2
        for b, t in np.argwhere(batch.mask.numpy())
        for k in range(7)
        if k != 3
    ]
    assert float(added.detach()) == pytest.approx(0.3 * np.mean(errors), rel=1e-4)


def test_a_frame_by_itself_or_beside_the_reference() -> None:
    for difference, channels in ((True, 8), (False, 4)):
        settings = MultitaskSettings(width=4, token=8, attention_heads=2, difference=difference, distortion=0)
        network = build_network(settings, 0, 2)
        assert network.detail_enter.in_channels == channels
        lessons = make_lessons(0, 1, settings.wants)
        batch = lessons.draw(np.array([0]), np.arange(2), Drawing(window=12), np.random.default_rng(0))
        scores, added = network.learn(batch)
        assert torch.isfinite(scores).all()
        assert float(added.detach()) == 0
        assert "factors" not in batch.inputs
