"""Frames of layered scenes: against the same pictures as flat photographs, against geometry, and against their own truth."""

import dataclasses

import cv2
import numpy as np
import pytest

from dataset_builder.camera.cameras import mix_profile
from dataset_builder.camera.color import UINT16_MAX
from dataset_builder.labeling.truth import find_support, project_truth_to_frame
from dataset_builder.randomness import derive_seed
from dataset_builder.synthesis.builtin import PRESETS
from dataset_builder.synthesis.distributions import Constant
from dataset_builder.synthesis.draw import sample_burst
from dataset_builder.synthesis.layered.drawing import SceneFacts, draw_scene
from dataset_builder.synthesis.layered.layers import Layer, LayeredScene
from dataset_builder.synthesis.layered.parallax import Layering, draw_inverse_depths
from dataset_builder.synthesis.obstacles import MovingObject
from dataset_builder.synthesis.render import render_burst
from restorers import CFA, Domain, create
from restorers.imaging.mosaic import mosaic
from tests.rendering import make_frame, make_parameters, silence, to_codes, to_signal

PROFILE = mix_profile(np.ones(4), (2.0, 1.0, 1.6))
HALF = Constant(value=0.5)


@pytest.fixture(scope="module")
def scene():
    return draw_scene(SceneFacts(240, 240, 4, 0.2, 0.0), "5ce9e")


def still(count):
    return Constant(value=count)


def sample(preset, seed, scene, *, side=40, scale=2, **layered):
    facts = {"translation": still(0.001), "layer_speed": still(0.0), "aperture": still(0.0), **layered}
    layering = Layering(draw_inverse_depths("d5", len(scene.layers), 1.0, 20.0), **facts)
    geometry = {"photograph_size": scene.shape, "height": side, "width": side, "scale": scale}
    return layering, sample_burst(preset, derive_seed(seed), **geometry, layering=layering)


@pytest.mark.parametrize("cfa", CFA)
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_a_frame_without_motion_blur_and_noise_is_its_truth(scene, cfa, scale):
    parameters = make_parameters(make_frame(), photograph=scene.picture, scale=scale, cfa=cfa, side=40, profile=PROFILE)
    burst = render_burst(scene, parameters, "00")
    average = burst.ground_truth.astype(np.float64).reshape(40, scale, 40, scale, 3).mean(axis=(1, 3)) / UINT16_MAX
    sensor = parameters.sensor
    codes = mosaic(average, cfa) * (sensor.white_level - sensor.black_level) + sensor.black_level
    np.testing.assert_array_equal(burst.frames[0], np.rint(codes).clip(0, sensor.white_level))
    assert burst.masks == (None,)


def test_layers_that_move_together_are_a_photograph(scene):
    """Poses, blur of motion, skew, lens and noise: all as of the flat picture, but for the rounding of a code at soft edges."""
    poses = np.array([(1.3, -0.7, 0.01), (1.8, -0.5, 0.012), (2.2, -0.2, 0.015)])
    frames = (make_frame(), make_frame(poses, skew=(0.003, -0.002), shot_noise=1e-3))
    parameters = make_parameters(*frames, photograph=scene.picture, profile=PROFILE, lens_blur=0.4, origin=(60, 64))
    layered, flat = (render_burst(shown, parameters, "00") for shown in (scene, scene.picture))
    difference = np.abs(np.subtract(layered.frames, flat.frames, dtype=np.int64))
    assert difference.max() <= 1
    assert (difference > 0).mean() < 0.05
    assert np.abs(layered.ground_truth.astype(int) - flat.ground_truth).max() <= 3


def test_layers_move_by_their_shifts_and_hide_what_is_behind(scene):
    """A frame is the flat picture of the scene with its layers moved by hand."""
    shifts = np.array([[(6, -4), (3, 2), (-1, 5), (0, 0)]])
    frames = (make_frame(), make_frame(layer_shifts=shifts))
    parameters = make_parameters(*frames, photograph=scene.picture, origin=(60, 64))
    parameters = dataclasses.replace(parameters, window=(40, 40, 200, 200))
    rendered = render_burst(scene, parameters, "00")
    moved = [
        Layer(np.roll(layer.colors, (y, x), (0, 1)), np.roll(layer.cover, (y, x), (0, 1)))
        for layer, (x, y) in zip(scene.layers, shifts[0], strict=True)
    ]
    flat = dataclasses.replace(parameters, frames=(make_frame(),))
    expected = render_burst(LayeredScene(tuple(moved)).picture, flat, "00").frames[0]
    assert np.abs(rendered.frames[1].astype(int) - expected).max() <= 1
    assert np.abs(rendered.frames[0].astype(int) - expected).max() > 100


def make_edge(near_color, far_color, *, column=100, side=200):
    """A near layer that covers what lies right of a column."""
    colors = [to_codes(np.full((side, side, 3), value)) for value in (near_color, far_color)]
    cover = np.zeros((side, side), np.uint16)
    cover[:, column:] = UINT16_MAX
    return LayeredScene((Layer(colors[0], cover), Layer(colors[1], np.full((side, side), UINT16_MAX, np.uint16))))


@pytest.mark.parametrize(("near", "far"), [(0.8, 0.1), (0.1, 0.8)])
def test_defocus_spreads_the_near_layer_over_what_is_behind(near, far):
    radius, scale = 4.0, 2
    scene = make_edge(near, far)
    blurred = make_frame(layer_blurs=(radius, 0.0))
    parameters = make_parameters(make_frame(), blurred, photograph=scene.picture, side=48, origin=(52, 40), scale=scale)
    profile = to_signal(render_burst(scene, parameters, "00").frames[1])[24]
    # The share of a disc to the left of a line; the edge lies at truth pixel 100, which is frame pixel (100 − 52) / 2 − 1/2.
    distance = np.clip((np.arange(48) - 23.5) / radius, -1, 1)
    share = 0.5 + (distance * np.sqrt(1 - distance**2) + np.arcsin(distance)) / np.pi
    np.testing.assert_allclose(profile, far + (near - far) * share, atol=0.01)


def test_a_sharp_near_layer_keeps_its_edge_before_a_blurred_background():
    rng = np.random.default_rng(0)
    edge = make_edge(0.5, 0.5)
    noisy = Layer(to_codes(rng.uniform(0, 1, (200, 200, 3))), edge.layers[1].cover)
    scene = LayeredScene((edge.layers[0], noisy))
    frames = (make_frame(), make_frame(layer_blurs=(0.0, 5.0)))
    parameters = make_parameters(*frames, photograph=scene.picture, side=48, origin=(52, 40))
    sharp, blurred = (to_signal(codes) for codes in render_burst(scene, parameters, "00").frames)
    np.testing.assert_array_equal(sharp[:, 24:], blurred[:, 24:])
    assert blurred[:, :24].std() < 0.3 * sharp[:, :24].std()


@pytest.mark.parametrize("nearer", [0, 1])
def test_a_moving_object_passes_behind_nearer_layers(nearer):
    scene = make_edge(0.6, 0.2)
    thing = MovingObject(14.0, np.zeros(3), np.zeros(3), (0, 0), 0.25, nearer)
    # Its middle lies on the edge: one half is before the background, the other at the place of the near layer.
    frames = (make_frame(), make_frame(object_positions=np.array([[48, 48]])))
    parameters = make_parameters(*frames, photograph=scene.picture, side=48, origin=(52, 40), moving_object=thing)
    rendered = render_burst(scene, parameters, "00")
    row = to_signal(rendered.frames[1])[24]
    assert row[20] == pytest.approx(0.05, abs=1e-3)
    assert row[27] == pytest.approx(0.6 if nearer else 0.05, abs=1e-3)
    mask = rendered.masks[1]
    assert mask[24, 20] == 255
    assert mask[24, 27] == (0 if nearer else 255)
    assert rendered.masks[0] is None


def test_parallax_is_inverse_to_depth(scene):
    layering, burst = sample(PRESETS["handheld"], 3, scene)
    inverse = np.array(layering.inverse_depths) - layering.inverse_depths[-1]
    middles = np.array([frame.layer_shifts[len(frame.poses) // 2] for frame in burst.frames])
    assert (middles[burst.reference_index] == 0).all()
    assert (middles[:, -1] == 0).all()
    assert np.abs(middles[:, 0]).max() > 4
    np.testing.assert_allclose(middles[:, 1], middles[:, 0] * inverse[1] / inverse[0], atol=1.01)
    # A hand that shifts by 1 mm: f · t · (1/Z − 1/Z') px, at 2 truth px each.
    pooled = [
        frame.layer_shifts[0, 0]
        for seed in range(40)
        for frame in sample(PRESETS["handheld"], seed, scene)[1].frames[1:]
    ]
    expected = 2 * 2900 * 0.001 * inverse[0]
    assert expected * 0.7 < np.square(pooled).mean() ** 0.5 < expected * 2**0.5 * 1.1


def test_layers_move_on_their_own(scene):
    preset = PRESETS["dbsr"].model_copy(update={"num_frames": still(4), "jitter": still(0)})
    _, burst = sample(preset, 1, scene, side=32, translation=still(0.0), layer_speed=still(30.0))
    for frame in burst.frames:
        lengths = np.hypot(*frame.layer_shifts[len(frame.poses) // 2].T) / 2
        np.testing.assert_allclose(lengths[:-1], 30 * frame.timestamp, atol=0.4)
        assert lengths[-1] == 0


def test_a_thin_lens_blurs_by_the_distance_from_what_is_in_focus(scene):
    layering, burst = sample(PRESETS["focus"], 2, scene)
    for index, frame in enumerate(burst.frames):
        assert frame.focus == pytest.approx(index / (len(burst.frames) - 1))
        expected = burst.focus_series * np.abs(layering.depths - frame.focus)
        np.testing.assert_allclose(frame.layer_blurs, expected, atol=1 / 16)
    _, burst = sample(PRESETS["dbsr"].model_copy(update={"jitter": still(0)}), 2, scene, side=32, aperture=still(4.0))
    (radii,) = {frame.layer_blurs for frame in burst.frames}
    assert min(radii) == 0
    assert max(radii) <= 4


@pytest.mark.parametrize("name", ["handheld", "action"])
def test_clear_pixels_show_the_truth_where_the_homography_puts_it(scene, name, monkeypatch):
    """What estimators that restore frames on their own grids compare with, exactly so where nothing that moved at all counts as still."""
    monkeypatch.setattr("dataset_builder.synthesis.layered.view.STILL", 0)
    update = {
        "num_frames": still(4),
        "exposure_time": still(1e-4),
        "defocus": still(0),
        "outliers": still(0),
        "cameras": ("Sony ILCE-7R",),
    }
    _, burst = sample(PRESETS[name].model_copy(update=update), 5, scene, side=48, translation=still(0.0015))
    burst = silence(burst)
    rendered = render_burst(scene, burst, "00")
    truth = (rendered.ground_truth / UINT16_MAX).astype(np.float32)
    clear = np.array([np.ones(burst.shape, bool) if mask is None else mask == 0 for mask in rendered.masks])
    compared = 0
    for index in range(1, 4):
        homography, geometry = burst.homography(index), {"scale": 2, "shape": burst.shape}
        info, cfa = create("denoise/mean").info, burst.sensor.cfa
        expected = project_truth_to_frame(truth, info, homography, domain=Domain.RAW_BAYER, cfa=cfa, **geometry)
        hidden = (~clear[burst.reference_index]).astype(np.float32)
        inside = find_support(truth.shape[:2], homography, **geometry) & clear[index]
        inside &= cv2.warpAffine(hidden, homography[:2], burst.shape[::-1]) == 0
        difference = np.abs(to_signal(rendered.frames[index], burst.sensor) - expected)
        compared += inside.sum()
        # A code of the sensor is 6e-5; less than 1/510 of a pixel may show something else without a mark in the mask.
        assert np.quantile(difference[inside], 0.99) < 1 / 510
        assert difference[inside].mean() < 0.01 * difference[~clear[index]].mean()
    assert compared > 500


def test_bright_sources_are_beyond_the_white_of_brackets(scene):
    lamps = scene.picture.max(axis=-1) > 0.95 * UINT16_MAX
    assert lamps.any()
    _, burst = sample(PRESETS["bracket"], 2, scene)
    rendered = render_burst(scene, burst, "00")
    assert burst.truth_white > 2
    assert (rendered.ground_truth * (burst.truth_white / UINT16_MAX)).max() > 0.5 * burst.truth_white


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_every_preset_renders_scenes(name):
    scene = draw_scene(SceneFacts(360, 360, 3, 0.2, 0.0), "e7")
    preset = PRESETS[name].model_copy(update={"num_frames": Constant(value=3)})
    _, burst = sample(preset, 4, scene, side=32, scale=preset.scale)
    first, again = (render_burst(scene, burst, "01") for _ in range(2))
    np.testing.assert_array_equal(first.frames, again.frames)
    assert first.ground_truth.shape == (32 * preset.scale, 32 * preset.scale, 3)
    assert all(np.ptp(frame) > 0 for frame in first.frames)
