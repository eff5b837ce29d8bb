"""Non-local means of single mosaics, and total variation against an independent implementation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from restorers.burst import CFA
from restorers.classical.total_variation import minimise_total_variation
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import psnr
from restorers.registry import create
from tests.synthetic import make_burst, texture


def gain(sample, burst=None) -> float:
    burst = burst or sample.burst
    restored = create("denoise/nlm").restore(burst)
    return psnr(restored, sample.truth, border=8) - psnr(burst.reference, sample.truth, border=8)


@pytest.mark.parametrize("scene", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize(("shot", "read"), [(4e-3, 4e-5), (1e-2, 1e-4)])
def test_gain_at_moderate_noise(scene, shot, read):
    assert gain(make_burst(scene, height=160, width=192, num_frames=1, shot=shot, read=read)) >= 3


@pytest.mark.parametrize("cfa", list(CFA))
def test_every_colour_filter_order(cfa):
    assert gain(make_burst("coffee", height=96, width=96, num_frames=1, cfa=cfa)) >= 3


def test_gain_on_a_small_textured_frame():
    assert gain(make_burst(texture(200, 200), height=64, width=64, num_frames=1, shot=1e-2, read=1e-4)) >= 3


def test_unknown_noise_and_noise_without_shot():
    assert gain(make_burst("coffee", height=96, width=128, num_frames=1, noise_known=False)) >= 3
    assert gain(make_burst("coffee", height=96, width=128, num_frames=1, shot=0, read=6e-4)) >= 3


def test_brightness_is_kept_in_the_dark():
    flat = make_burst(
        np.full((300, 300, 3), 0.01), height=96, width=96, num_frames=1, shot=1e-2, read=1e-4, brightness=1
    )
    restored = create("denoise/nlm").restore(flat.burst)
    # Clipping of the output would brighten it: the noise is as large as the signal.
    assert restored.mean() == pytest.approx(0.01, rel=0.1)


def test_noise_free_frame_comes_back():
    sample = make_burst(height=64, width=64, num_frames=1, shot=0, read=0)
    assert np.array_equal(create("denoise/nlm").restore(sample.burst), sample.burst.reference)


def test_exposure_is_normalised():
    sample = make_burst("coffee", height=64, width=64, num_frames=1, brightness=0.4)
    brighter = replace(sample.burst, exposure_ratio=np.array([2.0]))
    restored = create("denoise/nlm").restore(brighter)
    assert restored.mean() == pytest.approx(sample.burst.reference.mean() / 2, rel=0.02)


def test_one_frame_only():
    with pytest.raises(UnsupportedBurstError, match="frames"):
        create("denoise/nlm").restore(make_burst(height=64, width=64, num_frames=2).burst)


@pytest.mark.parametrize("weight", [0.02, 0.3])
@pytest.mark.parametrize("shape", [(5, 2), (33, 48)])
def test_total_variation_agrees_with_scikit_image(weight, shape):
    from skimage.restoration import denoise_tv_chambolle

    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    expected = denoise_tv_chambolle(image, weight=weight, max_num_iter=100)
    # As planes of a frame come: a view with gaps.
    frame = np.zeros((2 * shape[0], 2 * shape[1]), np.float32)
    frame[1::2, ::2] = image
    minimise_total_variation(frame[1::2, ::2], weight=weight, iterations=100)
    np.testing.assert_allclose(frame[1::2, ::2], expected, atol=2e-6)
    assert not frame[::2].any()
