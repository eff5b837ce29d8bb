"""Bursts rendered while one trains: the same as a build would make, and the same for any number of workers."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from torch.utils.data import DataLoader

from dataset_builder import BurstMixture, RenderedBursts
from dataset_builder.errors import PhotographTooSmallError
from dataset_builder.synthesis.distributions import Constant
from dataset_builder.synthesis.presets import Preset
from restorers import Domain
from tests.photographs import write_photographs

QUIET = Preset(jitter=Constant(value=0), brightness=Constant(value=0.5))


@pytest.fixture(scope="module")
def mixture(tmp_path_factory):
    folder = write_photographs(tmp_path_factory.mktemp("photographs"), 3)
    return BurstMixture(
        tuple(sorted(folder.iterdir())), {"handheld": 1.0, "jpeg": 1.0}, height=32, width=36, lengths=(2, 4), seed=3
    )


def assert_equal(first, second):
    assert (first.index, first.preset, first.photograph) == (second.index, second.preset, second.photograph)
    np.testing.assert_array_equal(first.burst.frames, second.burst.frames)
    np.testing.assert_array_equal(first.truth, second.truth)


def test_stream_does_not_depend_on_the_number_of_workers(mixture):
    bursts = RenderedBursts(mixture, stop=7)
    alone = list(bursts)
    assert [each.index for each in alone] == list(range(7))
    for workers in (1, 2):
        loaded = list(DataLoader(bursts, batch_size=None, num_workers=workers, multiprocessing_context="fork"))
        assert len(loaded) == 7
        for first, second in zip(alone, loaded, strict=True):
            assert_equal(first, second)


def test_stream_goes_on_from_any_burst(mixture):
    whole = list(RenderedBursts(mixture, stop=5))
    assert_equal(next(iter(RenderedBursts(mixture, start=4))), whole[4])
    assert not np.array_equal(whole[0].truth, whole[1].truth)
    other = next(iter(RenderedBursts(replace(mixture, seed=4))))
    assert not np.array_equal(other.truth, whole[0].truth)


def test_noise_is_drawn_anew(mixture):
    first, again = (next(iter(RenderedBursts(replace(mixture, redraw=number)))) for number in (0, 1))
    np.testing.assert_array_equal(first.truth, again.truth)
    assert first.burst.num_frames == again.burst.num_frames
    difference = np.abs(first.burst.frames - again.burst.frames)
    assert 0 < difference.mean() < 0.1


def test_bursts_are_of_the_mixture(mixture):
    bursts = list(RenderedBursts(mixture, stop=12))
    assert {each.preset for each in bursts} == {"handheld", "jpeg"}
    assert {each.burst.num_frames for each in bursts} == {2, 3, 4}
    assert len({each.photograph for each in bursts}) == 3
    for each in bursts:
        mosaics = each.preset == "handheld"
        assert each.burst.domain is (Domain.RAW_BAYER if mosaics else Domain.SRGB)
        assert each.burst.frames.shape[1:3] == (32, 36)
        assert each.truth.shape == (64, 72, 3)
        assert (each.burst.shot_noise is not None) == mosaics


def test_a_still_burst_shows_its_truth(mixture):
    still = replace(mixture, presets={"quiet": 1.0}, own_presets={"quiet": QUIET}, scale=2)
    for each in itertools.islice(RenderedBursts(still), 4):
        burst = each.burst
        pixels = each.truth.reshape(32, 2, 36, 2, 3).mean((1, 3))
        expected = np.empty((32, 36))
        for (row, column), channel in zip(np.ndindex(2, 2), burst.cfa.channels, strict=True):
            expected[row::2, column::2] = pixels[row::2, column::2, channel]
        # Half a code of the sensor, and half a code of the truth.
        tolerance = 0.51 / (burst.white_level - burst.black_level) + 1 / 65535
        np.testing.assert_allclose(burst.reference, expected, atol=tolerance)


def test_photographs_are_turned(mixture):
    still = replace(mixture, photographs=mixture.photographs[:1], presets={"quiet": 1.0}, own_presets={"quiet": QUIET})
    wide, tall = 0, 0
    for each in itertools.islice(RenderedBursts(replace(still, height=64, width=84)), 3):
        # 160 x 192 px: 84 x 2 columns fit along the longer side alone.
        wide += each.truth.shape == (128, 168, 3)
    for each in itertools.islice(RenderedBursts(replace(still, height=84, width=64)), 3):
        tall += each.truth.shape == (168, 128, 3)
    assert (wide, tall) == (3, 3)


def test_mixtures_that_cannot_be(mixture):
    with pytest.raises(ValueError, match="expected one at least"):
        replace(mixture, photographs=())
    with pytest.raises(ValueError, match="positive weights"):
        replace(mixture, presets={"handheld": 0.0})
    with pytest.raises(ValueError, match="handhold"):
        replace(mixture, presets={"handhold": 1.0})
    with pytest.raises(PhotographTooSmallError, match="take a larger photograph"):
        next(iter(RenderedBursts(replace(mixture, height=400, width=400))))
