"""Scores of fused images against their papers' formulas, patch by patch and pixel by pixel."""

import math

import cv2
import numpy as np
import pytest

from restorers.imaging.hdr_encoding import tone_map
from restorers.imaging.stack_quality import EdgesOfStack, StructureOfStack


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


def judge_by_pixels(sources, image):
    """Q^AB/F as equations 1 to 9 of the paper state it, one pixel after another."""

    def find_gradient(values, row, column):
        patch = values[row - 1 : row + 2, column - 1 : column + 2]
        across = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
        return (patch * across).sum(), (patch * across.T).sum()

    kept = total = 0.0
    for row in range(1, image.shape[0] - 1):
        for column in range(1, image.shape[1] - 1):
            x, y = find_gradient(image, row, column)
            for source in sources:
                own_x, own_y = find_gradient(source, row, column)
                ratio = min(math.hypot(x, y), math.hypot(own_x, own_y)) / max(
                    math.hypot(x, y), math.hypot(own_x, own_y)
                )
                # Lines that are parallel or not: the angle between them has no sign.
                cosine = abs(x * own_x + y * own_y) / (math.hypot(x, y) * math.hypot(own_x, own_y))
                parallel = 1 - math.acos(min(1.0, cosine)) / (math.pi / 2)
                strength = 0.9994 / (1 + math.exp(-15 * (ratio - 0.5)))
                orientation = 0.9879 / (1 + math.exp(-22 * (parallel - 0.8)))
                kept += strength * orientation * math.hypot(own_x, own_y)
                total += math.hypot(own_x, own_y)
    return kept / total


def test_edges_kept_are_the_papers_formula():
    sources, fused = make_stack(seed=1)
    expected = judge_by_pixels(sources, fused)
    assert 0.1 < expected < 0.99
    assert EdgesOfStack(sources).measure(fused) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("quality", [StructureOfStack, EdgesOfStack])
def test_what_a_source_alone_shows_is_missed(quality):
    """A stack of one picture is kept best by the picture itself, and worse the more it is blurred."""
    scene = make_stack(side=48)[0][1]
    judge = quality(np.stack([scene, cv2.GaussianBlur(scene, (0, 0), 3)]))
    scores = [judge.measure(each) for each in (scene, cv2.GaussianBlur(scene, (0, 0), 1), np.full_like(scene, 128))]
    assert scores[0] > scores[1] > scores[2]
    alone = quality(np.stack([scene, scene])).measure(scene)
    assert alone == pytest.approx(1.0, abs=0.03)


@pytest.mark.parametrize("quality", [StructureOfStack, EdgesOfStack])
def test_too_small_an_image_is_refused(quality):
    with pytest.raises(ValueError, match="at least 11 px"):
        quality(np.zeros((2, 10, 30)))


def test_tone_map_is_the_identity_without_bright_light_and_reaches_white():
    light = np.random.default_rng(0).uniform(0, 1, (4, 5, 3))
    np.testing.assert_allclose(tone_map(light, white=1.0), light, atol=1e-12)
    grey = np.array([0.5, 2.0, 8.0])[:, None] * np.ones(3)
    expected = np.array([0.5, 2.0, 8.0]) * (1 + np.array([0.5, 2.0, 8.0]) / 64) / (1 + np.array([0.5, 2.0, 8.0]))
    np.testing.assert_allclose(tone_map(grey, white=8.0)[:, 0], expected)
    assert tone_map(grey, white=8.0)[2, 0] == pytest.approx(1.0)
