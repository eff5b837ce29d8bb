"""Drawn scenes look as photographs do, by the numbers that make natural images natural."""

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest

from dataset_builder.camera.color import UINT16_MAX, decode_srgb_codes
from dataset_builder.synthesis.layered.drawing import SceneFacts, draw_scene
from dataset_builder.synthesis.photographs import read_photograph

FACTS = SceneFacts(256, 256, 3, 0.16, 0.3)
SHARED = Path(__file__).parents[5] / "shared" / "data"
PHOTOGRAPHS = ("photos_libjxl", "series_hdr_merianos/Rovinia", "series_hdr_merianos/OldHouse")
AXES = np.array([[1, 1, 1], [1, 0, -1], [1, -2, 1]]) / np.sqrt([[3], [2], [6]])


def measure(codes):
    """Of linear sRGB codes [H, W, 3]: deviations of the logarithms of colours along grey, red to blue and green to magenta; kurtosis of
    the gradient of log luminance; slope of the logarithm of the power spectrum of encoded luminance over that of frequency."""
    light = np.maximum(codes / UINT16_MAX, 0.002)
    luminance = light @ [0.2126, 0.7152, 0.0722]
    gradient = np.diff(np.log(luminance), axis=1)
    side = min(*luminance.shape, 256)
    window = np.hanning(side)
    encoded = np.sqrt(luminance)[:side, :side]
    power = np.abs(np.fft.fft2((encoded - encoded.mean()) * np.outer(window, window))) ** 2
    frequency = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side))
    edges = np.geomspace(0.02, 0.3, 10)
    rings = [power[(frequency >= low) & (frequency < high)].mean() for low, high in itertools.pairwise(edges)]
    return {
        "colours": (np.log(light).reshape(-1, 3) @ AXES.T).std(axis=0),
        "kurtosis": float((gradient**4).mean() / (gradient**2).mean() ** 2),
        "slope": float(np.polyfit(np.log(edges[:-1] * edges[1:]) / 2, np.log(rings), 1)[0]),
    }


@pytest.fixture(scope="module")
def drawn():
    return [measure(draw_scene(FACTS, f"{seed:04x}").picture) for seed in range(5)]


@pytest.fixture(scope="module")
def photographed():
    from skimage import data

    shown = [decode_srgb_codes(load()[:256, :256]) for load in (data.astronaut, data.chelsea, data.coffee)]
    if SHARED.is_dir():
        paths = [path for name in PHOTOGRAPHS for path in sorted((SHARED / name).iterdir())]
        pictures = sorted(
            (path for path in paths if path.suffix in {".png", ".jpg"}), key=lambda path: path.stat().st_size
        )
        shown += [read_photograph(path, shorter_side=300) for path in pictures[:1]]
    return [measure(codes) for codes in shown]


def test_scenes_have_the_statistics_of_natural_images(drawn):
    """Within the bounds that docs/synthesis.md states."""
    for facts in drawn:
        assert 8 < facts["kurtosis"] < 80
        assert -3.3 < facts["slope"] < -1.8
        grey, red_blue, green = facts["colours"]
        assert 1.0 < grey < 3.5
        assert 0.2 < red_blue < 1.0
        assert 0.08 < green < 0.5
    assert np.mean([facts["slope"] for facts in drawn]) == pytest.approx(-2.6, abs=0.4)


def test_scenes_have_the_statistics_of_photographs(drawn, photographed):
    for name, slack in (("kurtosis", 3.0), ("slope", 0.2)):
        values = [facts[name] for facts in photographed]
        assert min(values) - slack < np.median([facts[name] for facts in drawn]) < max(values) + slack, name
    scenes, pictures = (np.median([facts["colours"] for facts in each], axis=0) for each in (drawn, photographed))
    assert np.all((scenes > pictures / 3) & (scenes < 3 * pictures))


def test_scenes_follow_from_their_seed_alone():
    first, again, other = (draw_scene(FACTS, seed) for seed in ("aa", "aa", "ab"))
    for layer, same in zip(first.layers, again.layers, strict=True):
        np.testing.assert_array_equal(layer.colors, same.colors)
        np.testing.assert_array_equal(layer.cover, same.cover)
    assert not np.array_equal(first.picture, other.picture)


def test_layers_cover_what_was_asked_for_and_the_background_all():
    covers = [
        [layer.cover.mean() / UINT16_MAX for layer in draw_scene(FACTS, f"{seed:02x}").layers] for seed in range(6)
    ]
    np.testing.assert_array_equal([cover[-1] for cover in covers], 1)
    assert np.mean([cover[:-1] for cover in covers]) == pytest.approx(0.16, rel=0.3)


def test_layers_behind_lie_in_shadow():
    """What lies under a cover of the layer before it is darker than what does not, in the mean of many places."""
    lit = []
    for seed in range(6):
        near, far = draw_scene(SceneFacts(200, 200, 2, 0.4, 0.0), f"{seed:02x}").layers
        soft = cv2.blur(near.cover / UINT16_MAX, (15, 15))
        lit.append(far.colors[soft > 0.7].mean() / far.colors[soft < 0.1].mean())
    assert np.mean(lit) < 0.85


def test_surfaces_show_the_photographs_that_are_given():
    stripes = np.zeros((200, 200, 3), np.uint16)
    stripes[:, ::2] = (UINT16_MAX, 0, 0)
    facts = SceneFacts(256, 256, 2, 0.3, 1.0)
    colors = draw_scene(facts, "aa", [stripes]).layers[-1].colors.astype(np.int64)
    # Red beside black, as nothing else in a scene is.
    red = (colors[:, :-1, 1] == 0) & (colors[:, :-1, 0] > 20 * (colors[:, 1:, 0] + 1))
    assert red.mean() > 0.02
    plain = draw_scene(facts, "aa").layers[-1].colors.astype(np.int64)
    assert ((plain[:, :-1, 1] == 0) & (plain[:, :-1, 0] > 20 * (plain[:, 1:, 0] + 1))).mean() == 0
