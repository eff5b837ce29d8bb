"""Super-resolution by back-projection: its model, its gain, and its subsets."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations

import cv2
import numpy as np
import pytest

from restorers.base import SubsetRestorer, check_image
from restorers.burst import CFA
from restorers.classical import backprojection
from restorers.classical.backprojection import BackProjection, box
from restorers.classical.mean import MeanMerge
from restorers.classical.observation import sample_band
from restorers.fidelity import psnr
from restorers.imaging.mosaic import demosaic
from restorers.registry import create
from tests.synthetic import make_burst, texture


def enlarge(mosaic: np.ndarray, cfa: CFA, scale: int) -> np.ndarray:
    return cv2.resize(demosaic(mosaic, cfa), None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC)


def qualities(sample, restorer) -> tuple[float, float, float]:
    """PSNR of the restorer, of the enlarged average and of the enlarged reference."""
    burst, scale = sample.burst, sample.scale
    restored = restorer.restore(burst)
    check_image(restorer.info, burst, restored)
    images = (
        restored,
        enlarge(MeanMerge().restore(burst), burst.cfa, scale),
        enlarge(burst.reference, burst.cfa, scale),
    )
    first, second, third = (psnr(image, sample.high_resolution, border=8 * scale) for image in images)
    return first, second, third


@pytest.mark.parametrize("scene", ["astronaut", "coffee", "chelsea"])
@pytest.mark.parametrize(("shot", "read"), [(1e-3, 1e-5), (4e-3, 4e-5)])
def test_gain_over_the_enlarged_average(scene, shot, read):
    sample = make_burst(scene, height=128, width=128, shot=shot, read=read, corner=(60, 20))
    restored, average, reference = qualities(sample, create("sr/backprojection@x2"))
    assert restored >= average + 0.5
    assert restored >= reference + 4


def test_gain_at_four_times_the_resolution():
    sample = make_burst("astronaut", height=64, width=64, scale=4, shot=2e-3, read=1e-5, lens=0.5)
    restored, average, reference = qualities(sample, BackProjection(scale=4))
    assert restored >= average + 0.5
    assert restored >= reference + 3


@pytest.mark.parametrize("side", [64, 96])
def test_small_textured_frames(side):
    scene = texture(2 * side + 80, 2 * side + 80, seed=side)
    restored, average, _ = qualities(make_burst(scene, height=side, width=side, corner=(40, 40)), BackProjection())
    assert restored >= average + 0.5


@pytest.mark.parametrize("cfa", list(CFA))
def test_every_colour_filter_order(cfa):
    sample = make_burst("coffee", height=96, width=96, shot=1e-3, read=1e-5, cfa=cfa, corner=(60, 60))
    restored, average, _ = qualities(sample, BackProjection())
    assert restored >= average + 0.5


def test_the_reference_alone_is_hardly_worse_than_its_enlargement():
    for shot, read in ((1e-3, 1e-5), (1e-2, 1e-4)):
        sample = make_burst("coffee", height=96, width=96, num_frames=1, shot=shot, read=read)
        restored, _, reference = qualities(sample, BackProjection())
        assert restored >= reference - 0.3


def samplings(prepared, index: int, rows: slice, scale: int):
    """Channel and sampling of each colour of one frame."""
    for channel in range(3):
        planes = [plane for plane in range(4) if prepared.cfa.channels[plane] == channel]
        yield channel, sample_band([prepared.observations[index]], planes, rows, scale=scale)


@pytest.mark.parametrize("scale", [2, 4])
@pytest.mark.parametrize("rows", [slice(0, 48), slice(10, 31)])
def test_model_predicts_the_frames_from_the_truth(scale, rows):
    # Checks geometry and colours at once: the sampling operators must turn the true image into the noise-free frames.
    sample = make_burst(height=48, width=64, num_frames=4, scale=scale, shot=0, read=0, max_degrees=0.3, cfa=CFA.GBRG)
    prepared = BackProjection(scale=scale).prepare(sample.burst)
    kernel = np.ones((scale, scale), np.float32) / scale**2
    for index in prepared.observations:
        counted = 0
        for channel, sampling in samplings(prepared, index, rows, scale):
            averaged = cv2.filter2D(sample.high_resolution[..., channel], -1, kernel, anchor=(0, 0))
            root, counts = sampling.roots(), sampling.matrix.sum(1) > 0
            np.testing.assert_allclose(sampling.matrix.sum(1)[counts], root[counts], rtol=1e-5)
            assert not sampling.values[~counts].any()
            predicted = sampling.matrix @ averaged[rows.start * scale : rows.stop * scale].ravel()
            error = (predicted - sampling.values)[counts] / root[counts]
            limit = 1e-6 if index == 0 else 0.01
            assert np.sqrt(np.mean(error**2)) < limit, index
            counted += int(counts.sum())
        # All but what the frame does not share with these rows of the reference.
        assert counted > 0.7 * (rows.stop - rows.start) * 64


def test_back_projection_is_the_adjoint_of_the_model():
    sample = make_burst(height=32, width=32, num_frames=2)
    prepared = BackProjection().prepare(sample.burst)
    rng = np.random.default_rng(0)
    image = rng.random((64, 64), dtype=np.float32)
    for index in prepared.observations:
        for _, sampling in samplings(prepared, index, slice(0, 32), 2):
            residuals = rng.random(sampling.values.shape, dtype=np.float32)
            forward = np.dot(sampling.matrix @ box(image, 2, adjoint=False).ravel(), residuals)
            back = box((sampling.transposed @ residuals).reshape(64, 64), 2, adjoint=True)
            assert forward == pytest.approx(float(np.vdot(back, image)), rel=1e-5)


@pytest.mark.parametrize("scale", [1, 2, 4])
def test_bands_leave_no_seams(scale, monkeypatch):
    burst = make_burst("coffee", height=96, width=48, num_frames=6, shot=4e-3).burst
    restorer = BackProjection(scale=scale)
    monkeypatch.setattr(backprojection, "_BAND_ROWS", 1000)
    monkeypatch.setattr(backprojection, "_LARGE_BAND_ROWS", 1000)
    whole = restorer.restore(burst)
    monkeypatch.setattr(backprojection, "_BAND_ROWS", 22)
    monkeypatch.setattr(backprojection, "_LARGE_BAND_ROWS", 22)
    np.testing.assert_allclose(restorer.restore(burst), whole, atol=2e-7)


def test_fusing_a_subset_equals_restoring_it():
    restorer = BackProjection(iterations=2)
    assert isinstance(restorer, SubsetRestorer)
    sample = make_burst(height=48, width=48, num_frames=5, reference_index=1)
    prepared = restorer.prepare(sample.burst)
    for size in range(5):
        for members in combinations(sample.burst.others, size):
            fused = restorer.fuse(prepared, members)
            assert np.array_equal(fused, restorer.restore(sample.burst.subset(members)))


def test_order_and_repetition_of_members_do_not_matter():
    restorer = BackProjection(iterations=2)
    prepared = restorer.prepare(make_burst(height=48, width=48, num_frames=4).burst)
    assert np.array_equal(restorer.fuse(prepared, [3, 1]), restorer.fuse(prepared, [1, 3, 3, 0]))


def test_unrelated_frames_are_left_out():
    sample = make_burst("astronaut", height=96, width=96, num_frames=3)
    frames = sample.burst.frames.copy()
    frames[2] = make_burst("coffee", height=96, width=96, num_frames=1).burst.frames[0]
    burst = replace(sample.burst, frames=frames)
    restorer = BackProjection()
    assert np.array_equal(restorer.restore(burst), restorer.restore(sample.burst.subset([1])))


def test_exposure_is_normalised_and_noisy_frames_count_less():
    ratios = (1.0, 2.0, 0.5, 1.0)
    sample = make_burst("coffee", height=96, width=96, num_frames=4, brightness=0.4, exposure_ratio=ratios)
    restored = BackProjection().restore(sample.burst)
    assert restored.mean() == pytest.approx(sample.high_resolution.mean(), rel=0.01)
    weights = [each.weight for each in BackProjection().prepare(sample.burst).observations.values()]
    assert weights[1] > weights[0] > weights[2]


def test_output_is_deterministic_and_the_burst_untouched():
    sample = make_burst(height=48, width=64, num_frames=3)
    before = sample.burst.frames.copy()
    assert np.array_equal(BackProjection().restore(sample.burst), BackProjection().restore(sample.burst))
    assert np.array_equal(sample.burst.frames, before)
