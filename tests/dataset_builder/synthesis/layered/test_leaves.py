"""Leaves against brute force, and their sizes against the law that they follow."""

import math

import numpy as np
import pytest
from scipy.stats import kstest

from dataset_builder.synthesis.layered.leaves import (
    COVERS,
    Canvas,
    Leaf,
    Outline,
    Surfaces,
    draw_outlines,
    draw_radii,
    draw_stamps,
    mean_square,
    paint_leaves,
)

FINE = 16
OUTLINES = [
    Outline("ellipse", 11.0, 0.4, 1.0),
    Outline("ellipse", 14.0, 1.1, 0.4),
    Outline("superellipse", 13.0, 0.7, 0.8),
    Outline("polygon", 12.0, 0.0, 1.0, ((12.0, 0.0), (-3.0, 11.0), (-8.0, -8.5))),
    Outline("bar", 15.0, 0.3, 0.2),
    Outline("bar", 15.0, 0.25, 0.012),
]


def is_inside(outline, x, y):
    """By the definition of each shape."""
    cosine, sine = math.cos(outline.angle), math.sin(outline.angle)
    u, v = (x * cosine + y * sine) / outline.radius, (y * cosine - x * sine) / outline.radius
    match outline.kind:
        case "ellipse":
            return u**2 + (v / outline.aspect) ** 2 <= 1
        case "superellipse":
            return 2 * (u**4 + (v / outline.aspect) ** 4) <= 1
        case "bar":
            return (abs(u) <= 1) & (abs(v) <= outline.aspect)
    inside = np.ones(np.broadcast(x, y).shape, bool)
    for (x0, y0), (x1, y1) in zip(outline.corners, outline.corners[1:] + outline.corners[:1], strict=True):
        inside &= (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0
    return inside


def cover_by_counting(outline, x, y):
    """Share of 16 x 16 points of each pixel that lie inside."""
    steps = (np.arange(FINE) + 0.5) / FINE - 0.5
    fine_x, fine_y = (x[:, None] + steps).ravel(), (y.ravel()[:, None] + steps).ravel()[:, None]
    return is_inside(outline, fine_x, fine_y).reshape(y.size, FINE, x.size, FINE).mean(axis=(1, 3))


@pytest.mark.parametrize("outline", OUTLINES, ids=lambda outline: f"{outline.kind}-{outline.aspect}")
def test_edges_are_as_light_as_the_area_they_cover(outline):
    place = np.arange(-18, 19, dtype=np.float32)
    x, y = place - np.float32(0.3), (place + np.float32(0.2))[:, None]
    expected, found = cover_by_counting(outline, x, y), COVERS[outline.kind](x, y, outline)
    edges = (expected > 0) & (expected < 1)
    assert found.sum() == pytest.approx(expected.sum(), rel=0.02)
    # Corners are rounder than the distance to straight edges says.
    assert np.quantile(np.abs(found - expected)[edges], 0.9) < 0.1
    assert np.abs(found - expected)[edges].mean() < 0.04
    assert found.dtype == np.float32


def test_radii_follow_the_third_power():
    rng = np.random.default_rng(0)
    radii = draw_radii(rng, 20_000, 5.0, 80.0)

    def share_below(radius):
        return (5.0**-2 - radius**-2) / (5.0**-2 - 80.0**-2)

    assert kstest(radii, share_below).pvalue > 0.01
    assert mean_square(5.0, 80.0) == pytest.approx(np.square(radii).mean(), rel=0.05)


def test_stamps_are_leaves_in_eight_orientations():
    stamps = draw_stamps()
    for first in range(0, len(stamps), 8):
        turned = stamps[first : first + 8]
        assert len({stamp.tobytes() for stamp in turned}) == 8
        np.testing.assert_allclose([stamp.sum() for stamp in turned], turned[0].sum(), rtol=1e-5)
    assert all(stamp.shape[0] == stamp.shape[1] and stamp.shape[0] % 2 for stamp in stamps)
    # A stamp that were cut would end at its border.
    assert all(max(stamp[0].max(), stamp[-1].max(), stamp[:, 0].max(), stamp[:, -1].max()) == 0 for stamp in stamps)


def tint(*color):
    return np.array(color, np.float32)[:, None, None]


def paint(*leaves, shape=(40, 50), surfaces=None):
    canvas = Canvas(np.zeros((3, *shape), np.float32), np.ones(shape, np.float32))
    paint_leaves(canvas, leaves, surfaces or Surfaces())
    return canvas


def test_later_leaves_cover_earlier_ones():
    below = Leaf(20.0, 20.0, Outline("ellipse", 12.0, 0.0, 1.0), tint(0.5, 0.25, 1.0))
    above = Leaf(30.0, 22.0, Outline("ellipse", 9.0, 0.0, 1.0), tint(0.1, 0.8, 0.2))
    canvas, first, second = paint(below, above), paint(below), paint(above)
    alpha = 1 - second.gaps
    np.testing.assert_allclose(canvas.light, first.light * (1 - alpha) + second.light, atol=1e-6)
    np.testing.assert_allclose(canvas.gaps, first.gaps * second.gaps, atol=1e-6)
    np.testing.assert_allclose(canvas.light[:, 22, 30], above.color[:, 0, 0], atol=1e-6)
    np.testing.assert_allclose(canvas.light[:, 20, 12], below.color[:, 0, 0], atol=1e-6)
    assert canvas.light[:, 2, 2].tolist() == [0, 0, 0]


def test_leaves_over_the_border_are_cut_there():
    leaf = Leaf(0.0, 0.0, 3, tint(1.0, 1.0, 1.0))
    stamp = draw_stamps()[3]
    middle = len(stamp) // 2
    canvas = paint(leaf, leaf._replace(x=-500.0))
    np.testing.assert_allclose((1 - canvas.gaps)[: middle + 1, : middle + 1], stamp[middle:, middle:], atol=1e-6)


def test_surfaces_show_tiles_and_photographs():
    tile = np.tile(np.array([[0.5, -0.5]], np.float32), (512, 256))
    photograph = np.random.default_rng(0).uniform(0, 1, (3, 60, 60)).astype(np.float32)
    surfaces = Surfaces((tile,), (photograph,))
    leaf = Leaf(25.0, 20.0, Outline("superellipse", 18.0, 0.0, 1.0), tint(0.4, 0.4, 0.4), texture=0, contrast=0.6)
    light = paint(leaf, surfaces=surfaces).light
    assert sorted(set(np.round(light[0, 18:22, 20:30].ravel(), 5).tolist())) == pytest.approx([0.4 * 0.7, 0.4 * 1.3])
    shown = paint(leaf._replace(texture=1), surfaces=surfaces).light[:, 18:22, 20:30]
    pieces = np.lib.stride_tricks.sliding_window_view(photograph, (3, 4, 10))[0]
    assert np.abs(pieces - shown).max(axis=(-1, -2, -3)).min() < 1e-6


def test_outlines_stay_within_their_radius():
    rng = np.random.default_rng(1)
    for outline in draw_outlines(rng, np.full(60, 20.0)):
        place = np.arange(-30, 31, dtype=np.float32)
        cover = COVERS[outline.kind](place, place[:, None], outline)
        far = (
            np.hypot(place, place[:, None]) > (20 * math.hypot(1, outline.aspect) if outline.kind == "bar" else 20) + 1
        )
        assert cover[far].max() == 0
        assert cover.max() > 0
