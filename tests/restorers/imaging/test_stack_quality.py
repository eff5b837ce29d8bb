"""The score of fused images against the formula of its paper, patch by patch."""

import math

import cv2
import numpy as np
import pytest

from restorers.imaging.hdr_encoding import tone_map
from restorers.imaging.stack_quality import StructureOfStack


def make_stack(side=26, seed=0):
    """Three exposures of one texture, cut at black and white, and their mean."""
    rng = np.random.default_rng(seed)
    scene = cv2.GaussianBlur(rng.uniform(-1, 2, (side, side)), (0, 0), 1.5)
    scene = 255 * (scene - scene.min()) / np.ptp(scene)
    sources = np.stack([np.clip(gain * scene, 4, 251) + rng.normal(0, 1, scene.shape) for gain in (0.4, 1.0, 2.5)])
    return sources, sources.mean(0)


def judge_by_patches(sources, image):
    """One scale of MEF-SSIM as equations 1 to 13 of the paper state it, one patch after another."""
    window = np.outer(*2 * (np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2)),))
    window /= window.sum()
    values = []
    for row in range(sources.shape[1] - 10):
        for column in range(sources.shape[2] - 10):
            patches = sources[:, row : row + 11, column : column + 11]
            patches = patches - patches.mean((1, 2), keepdims=True)
            contrasts = np.linalg.norm(patches, axis=(1, 2))
            agreement = np.linalg.norm(patches.sum(0)) / contrasts.sum()
            power = min(math.tan(math.pi / 2 * agreement), 10)
            weights = (contrasts / 11) ** power
            structure = np.einsum("k,kij->ij", weights / weights.sum() / contrasts, patches)
            desired = contrasts.max() * structure / np.linalg.norm(structure)
            fused = image[row : row + 11, column : column + 11]
            means = [(window * each).sum() for each in (desired, fused)]
            spread = [(window * (each - mean) ** 2).sum() for each, mean in zip((desired, fused), means, strict=True)]
            shared = (window * (desired - means[0]) * (fused - means[1])).sum()
            stability = (0.03 * 255) ** 2
            values.append((2 * shared + stability) / (sum(spread) + stability))
    return np.mean(values)


def test_mef_ssim_is_the_papers_formula():
    sources, fused = make_stack()
    halved = [cv2.resize(each, (13, 13), interpolation=cv2.INTER_AREA) for each in (*sources, fused)]
    scales = [judge_by_patches(sources, fused), judge_by_patches(np.stack(halved[:3]), halved[3])]
    weights = np.array([0.0448, 0.2856]) / (0.0448 + 0.2856)
    expected = np.prod(np.array(scales) ** weights)
    assert 0.3 < expected < 0.99
    assert StructureOfStack(sources).measure(fused) == pytest.approx(expected, abs=1e-4)


def test_what_a_source_alone_shows_is_missed():
    """A stack of one picture is kept best by the picture itself, and worse the more it is blurred."""
    scene = make_stack(side=48)[0][1]
    judge = StructureOfStack(np.stack([scene, cv2.GaussianBlur(scene, (0, 0), 3)]))
    scores = [judge.measure(each) for each in (scene, cv2.GaussianBlur(scene, (0, 0), 1), np.full_like(scene, 128))]
    assert scores[0] > scores[1] > scores[2]
    alone = StructureOfStack(np.stack([scene, scene])).measure(scene)
    assert alone == pytest.approx(1.0, abs=0.03)


def test_too_small_an_image_is_refused():
    with pytest.raises(ValueError, match="at least 11 px"):
        StructureOfStack(np.zeros((2, 10, 30)))


def test_tone_map_is_the_identity_without_bright_light_and_reaches_white():
    light = np.random.default_rng(0).uniform(0, 1, (4, 5, 3))
    np.testing.assert_allclose(tone_map(light, white=1.0), light, atol=1e-12)
    grey = np.array([0.5, 2.0, 8.0])[:, None] * np.ones(3)
    expected = np.array([0.5, 2.0, 8.0]) * (1 + np.array([0.5, 2.0, 8.0]) / 64) / (1 + np.array([0.5, 2.0, 8.0]))
    np.testing.assert_allclose(tone_map(grey, white=8.0)[:, 0], expected)
    assert tone_map(grey, white=8.0)[2, 0] == pytest.approx(1.0)
