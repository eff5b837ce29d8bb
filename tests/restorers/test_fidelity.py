"""PSNR against scikit-image, and what its definition promises."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import ndimage

from restorers.fidelity import METRICS, PSNR, PSNR_CAP, crop_border, measure, psnr, psnr_from_mse
from restorers.structure import ms_ssim, ssim


def make_pair(*shape: int, noise: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1, shape).astype(np.float32)
    return truth + noise * rng.standard_normal(shape, np.float32), truth


@pytest.mark.parametrize("shape", [(24, 31), (24, 31, 3)])
@pytest.mark.parametrize("border", [0, 3, 8])
@pytest.mark.parametrize("data_range", [1.0, 255.0, 0.5])
def test_psnr_equals_scikit_image(shape, border, data_range):
    from skimage.metrics import peak_signal_noise_ratio

    image, truth = make_pair(*shape)
    inner = np.s_[border : shape[0] - border, border : shape[1] - border]
    expected = peak_signal_noise_ratio(
        truth[inner].astype(np.float64), image[inner].astype(np.float64), data_range=data_range
    )
    assert psnr(image, truth, data_range=data_range, border=border) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize(("mse", "expected"), [(1.0, 0.0), (0.1, 10.0), (1e-4, 40.0), (4.0, -20 * math.log10(2))])
def test_known_answers(mse, expected):
    assert psnr_from_mse(mse) == pytest.approx(expected)
    assert psnr(np.full((4, 4), math.sqrt(mse)), np.zeros((4, 4))) == pytest.approx(expected)


def test_all_channels_are_one_error():
    truth = np.zeros((4, 4, 3))
    image = truth.copy()
    image[..., 0] = 0.3
    assert psnr(image, truth) == pytest.approx(-10 * math.log10(0.03))


def test_the_cap():
    assert PSNR_CAP == 100.0
    assert psnr(np.ones((4, 4)), np.ones((4, 4))) == 100.0
    assert psnr_from_mse(0.0) == psnr_from_mse(1e-11) == psnr_from_mse(1e-300) == 100.0
    assert psnr_from_mse(-1e-18) == 100.0  # what rounding may leave of a perfect merge
    assert psnr_from_mse(1e-9) == pytest.approx(90.0)


def test_float32_input_is_measured_in_float64():
    truth = np.full((64, 64), 0.5, np.float32)
    image = truth + np.float32(1e-4)
    assert psnr(image, truth) == pytest.approx(80.0, abs=0.02)
    difference = float(image[0, 0]) - 0.5
    assert psnr(image, truth) == pytest.approx(-20 * math.log10(difference), abs=1e-9)


@pytest.mark.parametrize(
    ("first", "second"), [((4, 4), (4, 5)), ((4, 4), (4, 4, 1)), ((4, 4, 3), (4, 4)), ((1, 4), (4, 4))]
)
def test_shapes_are_never_broadcast(first, second):
    with pytest.raises(ValueError, match="image and truth: expected equal shapes, got"):
        psnr(np.zeros(first), np.zeros(second))


@pytest.mark.parametrize("border", [2, 3, 100])
def test_a_border_that_leaves_nothing_is_refused(border):
    with pytest.raises(ValueError, match=f"border: {border} leaves nothing"):
        psnr(np.zeros((4, 12)), np.zeros((4, 12)), border=border)


def test_a_negative_border_is_refused():
    with pytest.raises(ValueError, match="border: expected 0 or more, got -1"):
        crop_border(np.zeros((4, 4)), -1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("which", [0, 1])
def test_what_is_not_finite_is_refused(value, which):
    pair = make_pair(8, 8)
    pair[which][3, 3] = value
    with pytest.raises(ValueError, match="expected finite values"):
        psnr(*pair)


@pytest.mark.parametrize("data_range", [0.0, -1.0, np.nan, np.inf])
def test_the_range_is_positive(data_range):
    with pytest.raises(ValueError, match="data_range: expected a positive number"):
        psnr(*make_pair(8, 8), data_range=data_range)


@pytest.mark.parametrize("mse", [np.nan, np.inf])
def test_an_error_that_is_not_finite_has_no_psnr(mse):
    with pytest.raises(ValueError, match="mse: expected finite numbers"):
        psnr_from_mse(mse)


def test_the_border_is_not_looked_at():
    image, truth = make_pair(16, 16)
    expected = psnr(image, truth, border=4)
    image[:4], image[-4:], image[:, :4], image[:, -4:] = 1e6, -1e6, np.inf, np.nan
    assert psnr(image, truth, border=4) == expected


def test_the_convention_says_what_the_number_means():
    assert METRICS["psnr"] == PSNR
    assert all(METRICS[name].name == name for name in METRICS)
    facts = PSNR.describe()
    assert facts["definition"] == "10·log10(data_range² / MSE), MSE over all pixels and channels"
    assert facts["cap"] == PSNR_CAP
    assert facts["unit"] == "dB"
    assert facts["data_range"] == 1.0
    assert facts["border"] == 8


images = hnp.arrays(np.float32, (6, 7), elements=st.floats(0, 1, width=32))


@given(first=images, second=images)
def test_psnr_is_symmetric_and_capped(first, second):
    value = psnr(first, second)
    assert value == psnr(second, first)
    assert 0 <= value <= PSNR_CAP


@given(image=images, truth=images, seed=st.integers(0, 99))
def test_psnr_does_not_depend_on_the_order_of_pixels(image, truth, seed):
    order = np.random.default_rng(seed).permutation(image.size)
    shuffled = [array.ravel()[order].reshape(array.shape) for array in (image, truth)]
    assert psnr(*shuffled) == pytest.approx(psnr(image, truth), abs=1e-9)
    assert psnr(image[::-1, ::-1], truth[::-1, ::-1]) == pytest.approx(psnr(image, truth), abs=1e-9)


@given(image=images, truth=images, factor=st.floats(1e-3, 1e3))
def test_psnr_scales_with_its_range(image, truth, factor):
    scaled = [array.astype(np.float64) * factor for array in (image, truth)]
    assert psnr(*scaled, data_range=factor) == pytest.approx(psnr(image, truth), abs=1e-6)


@given(mse=st.lists(st.floats(1e-10, 10), min_size=2, max_size=2).map(sorted), data_range=st.floats(1e-2, 1e2))
def test_a_larger_error_never_scores_better(mse, data_range):
    low, high = (psnr_from_mse(value, data_range=data_range) for value in mse)
    assert low >= high


@pytest.mark.parametrize("shape", [(11, 11), (40, 23), (64, 64, 3)])
@pytest.mark.parametrize("data_range", [1.0, 255.0])
def test_ssim_agrees_with_scikit_image(shape, data_range):
    from skimage.metrics import structural_similarity

    rng = np.random.default_rng(3)
    truth = rng.uniform(0, data_range, shape)
    image = truth + rng.normal(0, 0.1 * data_range, shape)
    expected = structural_similarity(
        truth, image, data_range=data_range, gaussian_weights=True, sigma=1.5, use_sample_covariance=False,
        channel_axis=-1 if len(shape) == 3 else None,
    )  # fmt: skip
    assert ssim(image, truth, data_range=data_range) == pytest.approx(expected, abs=1e-9)


def test_ms_ssim_follows_its_definition():
    """Against terms written out: contrast and structure at the finer scales, full SSIM at the coarsest."""
    rng = np.random.default_rng(4)
    truth = ndimage.gaussian_filter(rng.uniform(size=(190, 200)), 2)
    image = truth + rng.normal(0, 0.02, truth.shape)
    found, product = ms_ssim(image, truth), 1.0
    for level, weight in enumerate((0.0448, 0.2856, 0.3001, 0.2363, 0.1333)):
        pairs = (image, truth, image**2, truth**2, image * truth)
        x, y, xx, yy, xy = (ndimage.gaussian_filter(each, 1.5, radius=5)[5:-5, 5:-5] for each in pairs)
        structure = (2 * (xy - x * y) + 9e-4) / (xx - x**2 + yy - y**2 + 9e-4)
        luminance = (2 * x * y + 1e-4) / (x**2 + y**2 + 1e-4)
        product *= (structure * (luminance if level == 4 else 1)).mean() ** weight
        even = np.s_[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2]
        image, truth = (
            cv2.resize(each[even], None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA) for each in (image, truth)
        )
    assert found == pytest.approx(product, abs=1e-9)
    assert 0.1 < product < 0.99


def test_structure_metrics_know_their_limits():
    image, truth = make_pair(24, 30)
    assert ssim(truth, truth) == pytest.approx(1)
    assert ms_ssim(truth, truth) == pytest.approx(1)
    assert ms_ssim(image[:15, :15], truth[:15, :15]) == pytest.approx(ssim(image[:15, :15], truth[:15, :15]))
    assert ms_ssim(1 - truth, truth) >= 0
    with pytest.raises(ValueError, match="at least 11 px"):
        ssim(image[:10], truth[:10])


@pytest.mark.parametrize("name", [name for name in METRICS if name != "lpips" and not METRICS[name].compares_stack])
def test_more_is_better_under_every_metric(name):
    image, truth = make_pair(40, 40)
    worse = truth + 3 * (image - truth)
    values = [measure(METRICS[name], each, truth, border=4) for each in (truth, image, worse)]
    assert values == sorted(values, reverse=True)
    assert values[0] == METRICS[name].cap
    assert values[2] < values[1] < values[0]
    with pytest.raises(ValueError, match="finite"):
        measure(METRICS[name], np.full_like(truth, np.nan), truth)
