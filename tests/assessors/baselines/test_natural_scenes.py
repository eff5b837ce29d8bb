"""Natural-scene measures against published implementations, their formulas computed plainly, and distributions of known shape."""

from __future__ import annotations

import importlib.util
import math
import types
from pathlib import Path

import cv2
import numpy as np
import pytest
from scipy import stats

from assessors.baselines.natural_scenes import (
    fit_asymmetric_gaussian,
    fit_gaussian,
    halve_bicubic,
    measure_brisque,
    normalise_locally,
    to_luma,
)
from assessors.baselines.niqe import WORST, load_pristine, measure_niqe
from assessors.baselines.piqe import measure_piqe


@pytest.fixture(scope="module")
def grey() -> np.ndarray:
    from skimage import data

    return np.rint(cv2.cvtColor(data.astronaut()[:300, :400], cv2.COLOR_RGB2GRAY).astype(np.float64))


@pytest.fixture(scope="module")
def published() -> types.SimpleNamespace:
    """The functions of BasicSR's metric, without the package around them, whose import fails with newer versions of its companions."""
    folder = Path(importlib.util.find_spec("basicsr").origin).parent
    names: dict = {"cv2": cv2, "math": math, "np": np}
    from scipy.ndimage import convolve
    from scipy.special import gamma

    resizing: dict = {}
    code = (folder / "utils" / "matlab_functions.py").read_text()
    exec(compile(code, "matlab_functions.py", "exec"), resizing)
    names |= {"convolve": convolve, "gamma": gamma, "imresize": resizing["imresize"]}
    lines = (folder / "metrics" / "niqe.py").read_text().split("@METRIC_REGISTRY")[0].splitlines()
    kept = "\n".join(line for line in lines if not line.startswith(("import ", "from ")))
    exec(compile(kept, "niqe.py", "exec"), names)
    return types.SimpleNamespace(**names)


@pytest.mark.parametrize("noise", [0, 12])
def test_niqe_is_that_of_basicsr(grey: np.ndarray, published: types.SimpleNamespace, noise: int) -> None:
    picture = np.clip(np.rint(grey + noise * np.random.default_rng(0).standard_normal(grey.shape)), 0, 255)
    mean, covariance = load_pristine()
    window = np.outer(cv2.getGaussianKernel(7, 7 / 6), cv2.getGaussianKernel(7, 7 / 6))
    expected = published.niqe(picture, mean, covariance, window)
    assert measure_niqe(picture) == pytest.approx(expected, rel=1e-3)


def test_niqe_of_small_pictures_goes_up_with_noise_and_blur(grey: np.ndarray) -> None:
    small = grey[100:196, 120:216]
    noise = 25 * np.random.default_rng(0).standard_normal(small.shape)
    assert measure_niqe(small) < min(measure_niqe(small + noise), measure_niqe(cv2.GaussianBlur(small, (0, 0), 3)))
    assert measure_niqe(np.full((96, 96), 7.0)) == measure_niqe(np.zeros((20, 20))) == WORST


def test_halving_is_that_of_matlab(grey: np.ndarray, published: types.SimpleNamespace) -> None:
    expected = published.imresize(grey[:64, :80].astype(np.float32) / 255, scale=0.5, antialiasing=True) * 255
    np.testing.assert_allclose(halve_bicubic(grey[:64, :80]), expected, atol=2e-3)


@pytest.mark.parametrize(("shape", "left", "right"), [(0.7, 1.0, 1.0), (2.0, 0.5, 1.5), (4.0, 2.0, 1.0)])
def test_shapes_are_found_again(shape: float, left: float, right: float) -> None:
    rng = np.random.default_rng(0)
    magnitude = np.abs(stats.gennorm.rvs(shape, size=200_000, random_state=rng)) / math.sqrt(
        math.gamma(3 / shape) / math.gamma(1 / shape)
    )
    below = rng.random(len(magnitude)) < left / (left + right)
    found = fit_asymmetric_gaussian(np.where(below, -left * magnitude, right * magnitude))
    np.testing.assert_allclose(found, [shape, left, right], rtol=0.03)
    symmetric, variance = fit_gaussian(np.where(rng.random(len(magnitude)) < 0.5, -magnitude, magnitude))
    assert symmetric == pytest.approx(shape, rel=0.03)
    assert variance == pytest.approx(1, rel=0.03)


def test_brisque_measures_what_its_table_lists(grey: np.ndarray, published: types.SimpleNamespace) -> None:
    features = measure_brisque(grey)
    assert features.shape == (36,)
    coefficients, _ = normalise_locally(grey)
    assert features[1] == pytest.approx(coefficients.var() + coefficients.mean() ** 2)
    for place, shift in enumerate([(0, 1), (1, 0), (1, 1), (1, -1)]):
        products = coefficients * np.roll(coefficients, shift, axis=(0, 1))
        shape, left, right = published.estimate_aggd_param(products)
        own = features[2 + 4 * place : 6 + 4 * place]
        scale = math.sqrt(math.gamma(3 / shape) / math.gamma(1 / shape))
        np.testing.assert_allclose(
            [own[0], own[2], own[3]], [shape, (left * scale) ** 2, (right * scale) ** 2], rtol=2e-3
        )
    assert not np.allclose(features[:18], features[18:], rtol=0.01)


def test_piqe_counts_blocks_as_its_paper_does(grey: np.ndarray) -> None:
    picture = grey[:70, :90] + 8 * np.random.default_rng(1).standard_normal((70, 90))
    picture[20:40, 20:60] = cv2.resize(picture[20:40:8, 20:60:8], (40, 20), interpolation=cv2.INTER_NEAREST)
    coefficients, _ = normalise_locally(picture)
    total, active = 0.0, 0
    for top in range(0, 64, 16):
        for left in range(0, 80, 16):
            block = coefficients[top : top + 16, left : left + 16]
            variance = block.var(ddof=1)
            if variance <= 0.1:
                continue
            active += 1
            edges = [block[0], block[-1], block[:, 0], block[:, -1]]
            if any(edge[start : start + 6].std(ddof=1) < 0.1 for edge in edges for start in range(11)):
                total += 1 - variance
            ratio = block[:, 7:9].std(ddof=1) / np.delete(block, [7, 8], axis=1).std(ddof=1)
            deviation = math.sqrt(variance)
            if deviation > 2 * abs(deviation - ratio) / max(deviation, ratio):
                total += variance
    assert active > 10
    assert measure_piqe(picture) == pytest.approx(100 * (total + 1) / (active + 1))
    assert measure_piqe(np.zeros((40, 40))) == 100


def test_luma_is_that_of_the_standard() -> None:
    colours = np.array([[[0, 0, 0], [1, 1, 1]], [[1, 0, 0], [0, 1, 0]]], np.float32)
    assert to_luma(colours).tolist() == [[16, 235], [81, 145]]
