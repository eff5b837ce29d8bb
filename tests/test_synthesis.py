import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.camera.color import ColorProfile, mix_color_matrix, unprocess
from dataset_builder.camera.sensor import Sensor, mosaic
from dataset_builder.errors import PhotographTooSmallError
from dataset_builder.randomness import derive_seed, make_generator
from dataset_builder.synthesis.motion import (
    map_points,
    mean_displacement,
    pose_to_homography,
    relate_poses,
    sample_trajectory,
)
from dataset_builder.synthesis.parameters import BurstParameters, FrameParameters, sample_burst
from dataset_builder.synthesis.presets import HANDHELD, Preset
from dataset_builder.synthesis.render import render_burst
from restorers import CFA
from tests.photographs import make_photograph

PROFILE = ColorProfile((2.0, 1.0, 1.6), mix_color_matrix(np.ones(4)))
CALM = HANDHELD.model_copy(update={"num_frames": (3, 3)})
SENSOR = Sensor()


def make_frame(pose=(0.0, 0.0, 0.0), *, exposure=1.0, shot=0.0, read=0.0) -> FrameParameters:
    return FrameParameters(0.0, 0.01, 1.0, exposure, shot, read, np.array([pose], np.float64))


def make_parameters(*frames: FrameParameters, scale=2, cfa=CFA.RGGB, side=48, origin=(20, 24)) -> BurstParameters:
    return BurstParameters(side, side, scale, origin, 0, Sensor(cfa=cfa), PROFILE, frames)


def to_signal(codes):
    return (codes.astype(np.float64) - SENSOR.black_level) / (SENSOR.white_level - SENSOR.black_level)


@pytest.mark.parametrize("cfa", CFA)
@pytest.mark.parametrize("scale", [1, 2, 3, 4])
def test_truth_is_exact_by_construction(cfa, scale):
    latent = unprocess(make_photograph(300, 320, bits=16), PROFILE)
    burst = render_burst(latent, make_parameters(make_frame(), scale=scale, cfa=cfa, side=40), "00")
    truth = burst.ground_truth / 65535
    assert truth.shape == (40 * scale, 40 * scale, 3)
    average = truth.reshape(40, scale, 40, scale, 3).mean(axis=(1, 3)).astype(np.float32)
    step = 1 / (SENSOR.white_level - SENSOR.black_level)
    assert np.abs(to_signal(burst.frames[0]) - mosaic(average, cfa)).max() <= 0.5 * step + 1 / 65535


def test_frames_move_as_their_homography_says():
    # A scene that is known everywhere: a product of long waves, sampled without any interpolation of pixels.
    def scene(x, y):
        return 0.5 + 0.2 * np.sin(x / 9) * np.cos(y / 11) + 0.1 * np.sin((x + 2 * y) / 17)

    y, x = np.mgrid[:300, :300].astype(np.float64)
    latent = np.repeat(scene(x, y)[..., None], 3, axis=2).astype(np.float32)
    pose, scale, origin = (2.3, -1.7, 0.02), 2, (60, 64)
    parameters = make_parameters(make_frame(), make_frame(pose), scale=scale, side=64, origin=origin)
    moved = to_signal(render_burst(latent, parameters, "00").frames[1])
    rows, columns = np.mgrid[:64, :64]
    inverse = np.linalg.inv(pose_to_homography(pose, 64, 64))
    reference = map_points(inverse, np.stack([columns.ravel(), rows.ravel()], axis=1))
    centre = scale * reference + (scale - 1) / 2 + origin
    expected = scene(centre[:, 0], centre[:, 1]).reshape(64, 64)
    assert np.abs(moved - expected).max() < 2e-3


def test_noise_and_exposure_are_per_frame():
    latent = np.full((200, 200, 3), 0.3, np.float32)
    frames = [make_frame(), make_frame(exposure=2.0, shot=1e-2), make_frame(exposure=0.5, read=1e-3)]
    burst = render_burst(latent, make_parameters(*frames, side=80), "5eed")
    signals = [to_signal(codes) for codes in burst.frames]
    assert signals[0].std() < 1e-4
    assert signals[1].mean() == pytest.approx(0.6, rel=0.01)
    assert signals[1].var() == pytest.approx(1e-2 * 0.6, rel=0.1)
    assert signals[2].mean() == pytest.approx(0.15, rel=0.03)
    assert signals[2].var() == pytest.approx(1e-3, rel=0.1)


def test_blur_averages_light_along_the_trajectory():
    latent = np.zeros((200, 200, 3), np.float32)
    latent[:, 100:102] = 1
    poses = np.stack([np.linspace(-4, 4, 65), np.zeros(65), np.zeros(65)], axis=1)
    frame = FrameParameters(0.0, 0.01, 1.0, 1.0, 0.0, 0.0, poses)
    sharp, blurred = render_burst(latent, make_parameters(make_frame(), frame, side=64, origin=(36, 36)), "00").frames
    width = (to_signal(blurred)[32] > 0.02).sum()
    assert frame.blur_length == pytest.approx(8, rel=0.02)
    assert 7 <= width <= 11
    assert (to_signal(sharp)[32] > 0.02).sum() <= 3
    assert to_signal(blurred).sum() == pytest.approx(to_signal(sharp).sum(), rel=0.02)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), scale=st.integers(1, 3), cfa=st.sampled_from(list(CFA)))
def test_no_pixel_comes_from_outside_the_photograph(seed, scale, cfa):
    # The outermost pixels of the photograph are black; if any sample reached beyond them it would darken the frame.
    latent = np.full((260, 250, 3), 0.5, np.float32)
    parameters = sample_burst(CALM, derive_seed(seed), photograph_size=(260, 250), height=48, width=40, scale=scale)
    framed = latent.copy()
    framed[0], framed[-1], framed[:, 0], framed[:, -1] = 0, 0, 0, 0
    quiet = [FrameParameters(f.timestamp, f.exposure_time, f.gain, 1.0, 0.0, 0.0, f.poses) for f in parameters.frames]
    parameters = BurstParameters(48, 40, scale, parameters.origin, 0, Sensor(cfa=cfa), PROFILE, tuple(quiet))
    for codes in render_burst(framed, parameters, "00").frames:
        assert np.abs(to_signal(codes) - 0.5).max() < 1e-3


def test_motion_that_does_not_fit_is_refused():
    with pytest.raises(PhotographTooSmallError, match=r"need \d+ x \d+: take a larger photograph"):
        sample_burst(HANDHELD, "00", photograph_size=(100, 100), height=96, width=96, scale=2)


def test_displacement_is_recovered_independently():
    latent = unprocess(cv2.GaussianBlur(make_photograph(320, 320, seed=3), (0, 0), 2.5), PROFILE)
    frames = (make_frame(), make_frame((3.4, -2.2, 0.0)), make_frame((-1.3, 0.6, 0.01)))
    burst = render_burst(latent, make_parameters(*frames, side=96, origin=(60, 60)), "00")
    greys = [
        cv2.resize(to_signal(codes).astype(np.float32), (48, 48), interpolation=cv2.INTER_AREA)
        for codes in burst.frames
    ]
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 300, 1e-9)
    for grey, frame in zip(greys[1:], frames[1:], strict=True):
        _, warp = cv2.findTransformECC(
            greys[0], grey, np.eye(2, 3, dtype=np.float32), cv2.MOTION_EUCLIDEAN, criteria, None, 3
        )
        half = np.vstack([warp, [0, 0, 1]])
        to_full = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
        found = to_full @ half @ np.linalg.inv(to_full)
        corners = np.array([[20.0, 20.0], [76, 20], [20, 76], [76, 76]])
        expected = pose_to_homography(frame.mid_pose, 96, 96)
        assert np.abs(map_points(found, corners) - map_points(expected, corners)).max() < 0.1


def test_relative_poses_compose():
    rng = np.random.default_rng(1)
    poses = rng.normal(size=(5, 3)) * [5, 5, 0.05]
    relative = relate_poses(poses, poses[2])
    np.testing.assert_allclose(relative[2], 0, atol=1e-12)
    absolute = pose_to_homography(poses, 60, 80)
    np.testing.assert_allclose(pose_to_homography(relative, 60, 80), absolute @ np.linalg.inv(absolute[2]), atol=1e-9)
    assert mean_displacement(np.eye(3), 60, 80) == 0


def test_trajectory_has_the_requested_spread_and_is_smooth():
    times = np.linspace(0, 200, 20001)
    trajectory = sample_trajectory(make_generator("0a", "t"), sway=(3.0, 0.003), tremor=(0.5, 0.0005))
    poses = trajectory.pose(times)
    np.testing.assert_allclose(poses.std(axis=0), np.hypot([3, 3, 0.003], [0.5, 0.5, 0.0005]), rtol=0.05)
    speed = np.abs(np.diff(poses[:, 0])).max() / (times[1] - times[0])
    assert speed < 2 * np.pi * (2 * 3 + 12 * 0.5) * np.sqrt(2 * 16)


def test_parameters_depend_on_the_seed_alone():
    def draw(seed):
        return sample_burst(HANDHELD, seed, photograph_size=(400, 400), height=64, width=64, scale=2)

    first, again, other = draw("01"), draw("01"), draw("02")
    assert first.origin == again.origin
    assert first.sensor == again.sensor
    np.testing.assert_array_equal(first.frames[-1].poses, again.frames[-1].poses)
    assert first.frames[0].exposure_time != other.frames[0].exposure_time
    latent = unprocess(make_photograph(400, 400), first.profile)
    for a, b in zip(render_burst(latent, first, "01").frames, render_burst(latent, again, "01").frames, strict=True):
        np.testing.assert_array_equal(a, b)


def test_frames_of_a_burst_differ_as_the_preset_says():
    bursts = [
        sample_burst(HANDHELD, derive_seed(i), photograph_size=(600, 600), height=64, width=64, scale=2)
        for i in range(40)
    ]
    for burst in bursts:
        reference = burst.frames[burst.reference_index]
        assert reference.exposure_ratio == reference.gain == 1
        np.testing.assert_allclose(reference.mid_pose, 0, atol=1e-12)
        assert 8 <= len(burst.frames) <= 14
        assert all(len(frame.poses) % 2 == 1 for frame in burst.frames)
        ratio = [frame.shot_noise / frame.gain for frame in burst.frames]
        np.testing.assert_allclose(ratio, ratio[0])
        assert len({frame.shot_noise for frame in burst.frames}) == len(burst.frames)
        times = [frame.timestamp for frame in burst.frames]
        assert times == sorted(times)
    blur = [frame.blur_length for burst in bursts for frame in burst.frames]
    assert 0.3 < np.median(blur) < 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"shot_noise": (1e-2, 1e-3)}, "0 < low <= high"),
        ({"num_frames": (1, 3)}, "at least 2"),
        ({"tremor": 1}, "extra"),
    ],
)
def test_impossible_presets_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Preset.model_validate({**HANDHELD.model_dump(), **changes})
