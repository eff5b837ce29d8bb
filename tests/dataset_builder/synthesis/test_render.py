import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.camera.cameras import mix_profile
from dataset_builder.camera.color import UINT16_MAX, decode_srgb_codes, encode_srgb, process
from dataset_builder.camera.geometry import map_points, mean_displacement
from dataset_builder.camera.sensor import Sensor
from dataset_builder.errors import PhotographTooSmallError
from dataset_builder.randomness import derive_seed, make_generator
from dataset_builder.synthesis import render
from dataset_builder.synthesis.builtin import HANDHELD, PRESETS
from dataset_builder.synthesis.distributions import Constant
from dataset_builder.synthesis.draw import sample_burst
from dataset_builder.synthesis.motion import pose_to_homography, relate_poses, sample_trajectory, skew_to_homography
from dataset_builder.synthesis.presets import Preset
from dataset_builder.synthesis.render import render_burst
from restorers import CFA
from restorers.imaging.mosaic import mosaic
from tests.photographs import make_photograph
from tests.rendering import make_frame, make_grey, make_parameters, silence, to_codes, to_signal

PROFILE = mix_profile(np.ones(4), (2.0, 1.0, 1.6))
RAW_PRESETS = sorted(name for name, preset in PRESETS.items() if preset.domain == "raw_bayer")


def sample(name, seed, *, size=(700, 720), side=64, **changes):
    preset = PRESETS[name].model_copy(update=changes)
    return sample_burst(preset, derive_seed(seed), photograph_size=size, height=side, width=side, scale=preset.scale)


def without_obstacles(name):
    """A preset of which every pixel shows the scene."""
    kinds = {"object_probability": 0.0, "outlier_kinds": ("misaligned",)}
    return PRESETS[name].model_copy(update=kinds)


@pytest.mark.parametrize("cfa", CFA)
@pytest.mark.parametrize("scale", [1, 2, 3, 4, 5, 8])
def test_truth_is_exact_by_construction(cfa, scale):
    photograph = decode_srgb_codes(make_photograph(360, 360, bits=16))
    parameters = make_parameters(make_frame(), photograph=photograph, scale=scale, cfa=cfa, side=40, profile=PROFILE)
    burst = render_burst(photograph, parameters, "00")
    truth = burst.ground_truth
    assert truth.shape == (40 * scale, 40 * scale, 3)
    average = truth.astype(np.float64).reshape(40, scale, 40, scale, 3).mean(axis=(1, 3)) / UINT16_MAX
    sensor = parameters.sensor
    codes = mosaic(average, cfa) * (sensor.white_level - sensor.black_level) + sensor.black_level
    np.testing.assert_array_equal(burst.frames[0], np.rint(codes).clip(0, sensor.white_level))


def test_truth_shows_the_photograph():
    photograph = decode_srgb_codes(make_photograph(200, 210))
    parameters = make_parameters(make_frame(), photograph=photograph, origin=(31, 17), profile=PROFILE)
    truth = render_burst(photograph, parameters, "00").ground_truth / UINT16_MAX
    expected = photograph[17 : 17 + 96, 31 : 31 + 96] / UINT16_MAX
    inside = (expected @ np.linalg.inv(PROFILE.to_srgb).T >= 0).all(axis=-1)
    assert inside.mean() > 0.5
    assert np.abs(process(truth, PROFILE) - encode_srgb(expected))[inside].max() < 1e-3


@pytest.mark.parametrize("skew", [(0.0, 0.0), (0.004, -0.003)])
@pytest.mark.parametrize("reference_skew", [(0.0, 0.0), (-0.002, 0.005)])
def test_frames_move_as_their_homography_says(skew, reference_skew):
    # A scene that is known everywhere: a product of long waves, sampled without any interpolation of pixels.
    def scene(x, y):
        return 0.5 + 0.2 * np.sin(x / 9) * np.cos(y / 11) + 0.1 * np.sin((x + 2 * y) / 17)

    y, x = np.mgrid[:300, :300].astype(np.float64)
    photograph = to_codes(np.repeat(scene(x, y)[..., None], 3, axis=2))
    pose, scale, origin = (2.3, -1.7, 0.02), 2, (60, 64)
    frames = make_frame(skew=reference_skew), make_frame(pose, skew=skew)
    parameters = make_parameters(*frames, photograph=photograph, scale=scale, side=64, origin=origin)
    moved = to_signal(render_burst(photograph, parameters, "00").frames[1])
    # By definition of a rolling shutter: undo the skew, then the pose, then skew as the reference is.
    rows, columns = np.mgrid[:64, :64].astype(np.float64)
    late = rows - 31.5
    instant = np.stack([(columns - skew[0] * late).ravel(), (rows - skew[1] * late).ravel()], axis=1)
    unposed = map_points(np.linalg.inv(pose_to_homography(pose, 64, 64)), instant)
    late = (unposed[:, 1] - 31.5) / (1 - reference_skew[1])
    centre = scale * (unposed + np.multiply.outer(late, reference_skew)) + (scale - 1) / 2 + origin
    expected = scene(centre[:, 0], centre[:, 1]).reshape(64, 64)
    assert np.abs(moved - expected).max() < 2e-3


@pytest.mark.parametrize("name", RAW_PRESETS)
def test_noise_has_the_moments_that_the_tables_state(name):
    photograph, ratios, tested = make_grey(700, 720, 0.35), [], 0
    for seed in range(6):
        preset = without_obstacles(name)
        burst = sample_burst(preset, derive_seed(seed), photograph_size=(700, 720), height=64, width=64, scale=2)
        sensor = burst.sensor
        for index, (frame, codes) in enumerate(
            zip(burst.frames, render_burst(photograph, burst, derive_seed(seed)).frames, strict=True)
        ):
            colour = np.linalg.inv(burst.profile.to_srgb) @ np.full(3, photograph[0, 0, 0] / UINT16_MAX)
            colour *= burst.brightness * (1 + (burst.highlights - 1) * (photograph[0, 0, 0] / UINT16_MAX) ** 2)
            clean = mosaic(np.broadcast_to(colour * frame.exposure_ratio, (64, 64, 3)), sensor.cfa)
            step = 1 / (sensor.white_level - sensor.black_level)
            deviation = np.sqrt(frame.shot_noise * clean + frame.read_noise + frame.row_noise**2 + step**2 / 12)
            black = sensor.black_level * step
            if (clean - 5 * deviation).min() > -black and (clean + 5 * deviation).max() < 1:
                error = (to_signal(codes, sensor) - clean) / deviation
                rows = error.mean(axis=1)
                assert abs(error.mean()) < 6 * (rows.std() / 8 + 1 / 64), (seed, index)
                ratios.append(error.var() + error.mean() ** 2)
                tested += 1
    assert tested > 5
    assert np.mean(ratios) == pytest.approx(1, abs=0.03)
    if PRESETS[name].row_noise.support[1] == 0:
        assert np.ptp(ratios) < 12 * np.sqrt(2) / 64


def test_noise_and_exposure_are_per_frame():
    photograph = make_grey(200, 200, 0.3)
    frames = [
        make_frame(),
        make_frame(exposure_ratio=2.0, shot_noise=1e-2),
        make_frame(exposure_ratio=0.5, read_noise=1e-3),
        make_frame(row_noise=0.02),
    ]
    parameters = make_parameters(*frames, photograph=photograph, side=80)
    signals = [to_signal(codes) for codes in render_burst(photograph, parameters, "5eed").frames]
    assert signals[0].std() < 1e-4
    assert signals[1].mean() == pytest.approx(0.6, rel=0.01)
    assert signals[1].var() == pytest.approx(1e-2 * 0.6, rel=0.1)
    assert signals[2].mean() == pytest.approx(0.15, rel=0.03)
    assert signals[2].var() == pytest.approx(1e-3, rel=0.1)
    assert np.ptp(signals[3], axis=1).max() < 1e-4
    assert signals[3].mean(axis=1).std() == pytest.approx(0.02, rel=0.3)


def spread(signal):
    """Centroid (x, y) and covariance of light, over a black background."""
    y, x = np.mgrid[: signal.shape[0], : signal.shape[1]]
    places = np.stack([x.ravel(), y.ravel()])
    weights = signal.ravel() / signal.sum()
    centre = places @ weights
    return centre, (places - centre[:, None]) * weights @ (places - centre[:, None]).T


def make_star(side=400, sigma=4.0, at=(200, 200)):
    y, x = np.mgrid[:side, :side]
    return to_codes(
        np.repeat(0.9 * np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 2 / sigma**2)[..., None], 3, axis=2)
    )


@pytest.mark.parametrize("name", ["handheld", "night"])
@pytest.mark.parametrize("seed", range(3))
def test_blur_and_displacement_follow_the_stored_trajectory(name, seed):
    """The image of a star: its centroid moves by the mean pose, its covariance grows by that of the poses."""
    burst = silence(sample(name, seed, size=(900, 900), side=96, lens_blur=HANDHELD.lens_blur))
    frames = tuple(dataclasses.replace(frame, defocus=0.0, skew=(0.0, 0.0)) for frame in burst.frames)
    parameters = make_parameters(*frames, photograph=make_star(), side=96, origin=(104, 104))
    rendered = [to_signal(codes) for codes in render_burst(make_star(), parameters, "00").frames]
    sharp = dataclasses.replace(parameters, frames=(make_frame(),))
    centre, size = spread(to_signal(render_burst(make_star(), sharp, "00").frames[0]))
    for frame, signal in zip(frames, rendered, strict=True):
        star = np.stack([map_points(pose_to_homography(pose, 96, 96), centre[None])[0] for pose in frame.poses])
        found, grown = spread(signal)
        assert np.abs(found - star.mean(axis=0)).max() < 0.1
        path = np.cov(star.T, bias=True) if len(star) > 1 else np.zeros((2, 2))
        np.testing.assert_allclose(grown - size, path, atol=0.05 + 0.03 * np.trace(path))
    lengths = [frame.blur_length for frame in frames]
    assert max(lengths) > (1.5 if name == "night" else 0.5)


@pytest.mark.parametrize("radius", [0.125, 0.25, 0.5, 1.0, 2.5])
def test_defocus_is_a_disc_of_the_stored_radius(radius):
    frames = make_frame(), make_frame(defocus=radius)
    parameters = make_parameters(*frames, photograph=make_star(), side=96, origin=(104, 104))
    sharp, soft = (spread(to_signal(codes))[1] for codes in render_burst(make_star(), parameters, "00").frames)
    # The disc moves light by whole truth pixels: points of a disc, rounded to those, unless it lies within one.
    points = radius * parameters.scale * np.linspace(-1, 1, 4001)
    chord = np.sqrt(np.maximum((radius * parameters.scale) ** 2 - points**2, 0))
    moved = points if radius * parameters.scale <= 0.5 else np.rint(points)
    expected = (moved**2 * chord).sum() / chord.sum() / parameters.scale**2
    assert expected == pytest.approx(radius**2 / 4, abs=0.05)
    np.testing.assert_allclose(soft - sharp, np.eye(2) * expected, atol=0.01 * expected + min(2e-3, expected / 5))


def test_displacement_is_recovered_independently():
    photograph = decode_srgb_codes(cv2.GaussianBlur(make_photograph(320, 320, seed=3), (0, 0), 2.5))
    frames = (make_frame(), make_frame((3.4, -2.2, 0.0)), make_frame((-1.3, 0.6, 0.01)))
    burst = render_burst(photograph, make_parameters(*frames, photograph=photograph, side=96, origin=(60, 60)), "00")
    greys = [
        cv2.resize(to_signal(codes).astype(np.float32), (48, 48), interpolation=cv2.INTER_AREA)
        for codes in burst.frames
    ]
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 300, 1e-9)
    for grey, frame in zip(greys[1:], frames[1:], strict=True):
        start = np.eye(2, 3, dtype=np.float32)
        _, warp = cv2.findTransformECC(greys[0], grey, start, cv2.MOTION_EUCLIDEAN, criteria, None, 3)
        half = np.vstack([warp, [0, 0, 1]])
        to_full = np.array([[2, 0, 0.5], [0, 2, 0.5], [0, 0, 1]])
        found = to_full @ half @ np.linalg.inv(to_full)
        corners = np.array([[20.0, 20.0], [76, 20], [20, 76], [76, 76]])
        expected = pose_to_homography(frame.mid_pose, 96, 96)
        assert np.abs(map_points(found, corners) - map_points(expected, corners)).max() < 0.1


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    scale=st.integers(1, 4),
    name=st.sampled_from(RAW_PRESETS),
    height=st.integers(16, 30).map(lambda half: 2 * half),
)
def test_no_pixel_comes_from_outside_the_photograph(seed, scale, name, height):
    # The outermost pixels of the photograph are black; if any sample reached beyond them it would darken the frame.
    preset, size = without_obstacles(name), (420, 400)
    geometry = {"photograph_size": size, "height": height, "width": 40, "scale": scale}
    try:
        burst = sample_burst(preset, derive_seed(seed), **geometry)
    except PhotographTooSmallError:
        return
    burst = dataclasses.replace(burst, profile=make_parameters(photograph=make_grey(9, 9, 0)).profile, brightness=0.5)
    burst = dataclasses.replace(silence(burst), highlights=1.0)
    photograph = make_grey(*size, 1)
    photograph[0], photograph[-1], photograph[:, 0], photograph[:, -1] = 0, 0, 0, 0
    for codes in render_burst(photograph, burst, "00").frames:
        assert np.abs(to_signal(codes, burst.sensor) - 0.5).max() < 2e-3


def test_motion_that_does_not_fit_is_refused():
    with pytest.raises(PhotographTooSmallError, match=r"need \d+ x \d+: take a larger photograph"):
        sample("handheld", 0, size=(100, 100), side=96)
    still = {name: Preset().jitter for name in ("sway", "tremor")}
    with pytest.raises(PhotographTooSmallError, match="moving object needs"):
        sample("action", 0, size=(145, 1000), side=64, object_size=Constant(value=0.5), **still)


@pytest.mark.parametrize("seed", range(8))
def test_masks_show_what_moves(seed):
    burst = silence(sample("action", seed, size=(500, 520), side=64))
    photograph = decode_srgb_codes(make_photograph(500, 520, seed=seed, bits=16))
    with_object = render_burst(photograph, burst, "00")
    still = tuple(dataclasses.replace(frame, object_positions=None, occluder=None) for frame in burst.frames)
    without = render_burst(photograph, dataclasses.replace(burst, moving_object=None, frames=still), "00")
    thing, scale = burst.moving_object, burst.scale
    rows = zip(burst.frames, with_object.frames, without.frames, with_object.masks, strict=True)
    for index, (frame, shown, hidden, mask) in enumerate(rows):
        clear = np.ones((64, 64), bool) if mask is None else mask == 0
        assert (
            np.abs(shown[clear].astype(int) - hidden[clear].astype(int)).max(initial=0)
            <= 0.006 * burst.sensor.white_level
        )
        if frame.occluder is not None:
            assert mask.mean() / 255 > 0.2
            continue
        middle = map_points(burst.homography(index), frame.object_positions.mean(axis=0)[None] / scale)[0]
        reach = thing.reach / scale + 4 + np.ptp(frame.object_positions) / scale
        if (middle > reach).all() and (middle < 63 - reach).all():
            assert mask.mean() / 255 == pytest.approx(thing.alpha.sum() / scale**2 / 64**2, rel=0.03)
        elif (middle < -reach).any() or (middle > 63 + reach).any():
            assert mask is None
    truth, reference = with_object.ground_truth, burst.frames[0].object_positions
    y, x = np.mgrid[:128, :128]
    middle = reference[len(reference) // 2]
    far = np.hypot(x - middle[0], y - middle[1]) > thing.reach + 1
    np.testing.assert_array_equal(truth[far], without.ground_truth[far])
    core = np.hypot(x - middle[0], y - middle[1]) < thing.radius / 4
    if core.any():
        assert (truth[core] != without.ground_truth[core]).any()


def test_truth_with_a_moving_object_is_exact_too():
    burst = silence(sample("action", 3, size=(500, 520), side=64))
    reference = dataclasses.replace(
        burst.frames[0],
        poses=np.zeros((1, 3)),
        object_positions=burst.frames[0].object_positions[:1] * 0 + 60,
        occluder=None,
    )
    burst = dataclasses.replace(burst, frames=(reference,))
    photograph = decode_srgb_codes(make_photograph(500, 520, bits=16))
    rendered = render_burst(photograph, burst, "00")
    average = rendered.ground_truth.astype(np.float64).reshape(64, 2, 64, 2, 3).mean(axis=(1, 3)) / UINT16_MAX
    sensor = burst.sensor
    codes = mosaic(average, sensor.cfa) * (sensor.white_level - sensor.black_level) + sensor.black_level
    assert np.abs(rendered.frames[0] - codes).max() <= 0.5 + 1e-9
    assert rendered.masks[0].max() == 255


def test_a_focus_series_sees_each_depth_sharply_once():
    burst = silence(sample("focus", 1, size=(400, 400), side=64))
    texture = np.random.default_rng(0).uniform(0.2, 0.8, (400, 400))
    photograph = to_codes(np.repeat(texture[..., None], 3, axis=2))
    frames = tuple(dataclasses.replace(frame, poses=np.zeros((1, 3)), skew=(0.0, 0.0)) for frame in burst.frames)
    burst = dataclasses.replace(burst, frames=frames, profile=make_parameters(photograph=photograph).profile)
    rendered = render_burst(photograph, burst, "00")
    y, x = np.mgrid[:64, :64] / 64
    depth = burst.depth.at(x, y)
    sharp = mosaic(
        rendered.ground_truth.astype(float).reshape(64, 2, 64, 2, 3).mean(axis=(1, 3)) / UINT16_MAX, burst.sensor.cfa
    )
    errors = np.stack([np.abs(to_signal(codes, burst.sensor) - sharp) for codes in rendered.frames])
    for frame, error in zip(frames, errors, strict=True):
        radius = burst.focus_series * np.abs(depth - frame.focus)
        assert error[radius > 1.5].mean() > 5 * error[radius < 0.1].mean()
    distance = np.stack([np.abs(depth - frame.focus) for frame in frames])
    softness = np.stack([cv2.blur(error, (9, 9)) for error in errors])
    agree = distance.argmin(axis=0) == softness.argmin(axis=0)
    assert agree.mean() > 0.7
    assert [frame.defocus for frame in frames] == pytest.approx(
        (burst.focus_series * distance).mean(axis=(1, 2)), rel=0.1
    )


@pytest.mark.parametrize("seed", range(4))
def test_a_bracket_measures_its_radiance(seed):
    burst = sample("bracket", seed, size=(400, 400))
    photograph = decode_srgb_codes(make_photograph(400, 400, seed=seed))
    still = tuple(
        dataclasses.replace(frame, poses=np.zeros((1, 3)), skew=(0.0, 0.0), shot_noise=0.0, read_noise=0.0)
        for frame in burst.frames
    )
    burst = dataclasses.replace(burst, frames=still)
    rendered = render_burst(photograph, burst, "00")
    assert burst.truth_white == burst.brightness * burst.highlights > 1
    truth = rendered.ground_truth.astype(np.float64).reshape(64, 2, 64, 2, 3).mean(axis=(1, 3)) / UINT16_MAX
    radiance = mosaic(truth * burst.truth_white, burst.sensor.cfa)
    assert radiance.max() > 1
    step = 1 / (burst.sensor.white_level - burst.sensor.black_level)
    for frame, codes in zip(still, rendered.frames, strict=True):
        expected = np.minimum(radiance * frame.exposure_ratio, 1)
        np.testing.assert_allclose(to_signal(codes, burst.sensor), expected, atol=0.51 * step)
    saturated = [np.mean(codes == burst.sensor.white_level) for codes in rendered.frames]
    assert saturated == sorted(saturated)
    assert saturated[-1] > saturated[0]
    times = [frame.exposure_time / frame.exposure_ratio for frame in still]
    np.testing.assert_allclose(times, times[0], rtol=1e-6)


def test_jpegs_differ_by_their_processing():
    photograph = decode_srgb_codes(cv2.GaussianBlur(make_photograph(400, 400, seed=2), (0, 0), 2))
    burst = silence(sample("jpeg", 2, size=(400, 400)))
    plain = dataclasses.replace(burst.frames[0], poses=np.zeros((1, 3)), defocus=0.0, skew=(0.0, 0.0))
    processing = plain.processing.__class__
    frames = tuple(
        dataclasses.replace(plain, processing=chosen)
        for chosen in (processing(jpeg_quality=97), processing(jpeg_quality=20), processing((0.3, -0.3), 0.0, 97))
    )
    rendered = render_burst(photograph, dataclasses.replace(burst, frames=frames), "00")
    truth = encode_srgb(rendered.ground_truth.astype(float).reshape(64, 2, 64, 2, 3).mean(axis=(1, 3)) / UINT16_MAX)
    assert all(frame.dtype == np.uint8 and frame.shape == (64, 64, 3) for frame in rendered.frames)
    errors = [np.sqrt(np.square(frame / 255 - truth).mean()) for frame in rendered.frames]
    assert errors[0] < 0.02
    assert errors[1] > 1.2 * errors[0]
    shift = rendered.frames[2].mean(axis=(0, 1)) - rendered.frames[0].mean(axis=(0, 1))
    assert shift[0] > 5 > -5 > shift[2]


def test_relative_poses_compose():
    rng = np.random.default_rng(1)
    poses = rng.normal(size=(5, 3)) * [5, 5, 0.05]
    relative = relate_poses(poses, poses[2])
    np.testing.assert_allclose(relative[2], 0, atol=1e-12)
    absolute = pose_to_homography(poses, 60, 80)
    np.testing.assert_allclose(pose_to_homography(relative, 60, 80), absolute @ np.linalg.inv(absolute[2]), atol=1e-9)
    assert mean_displacement(np.eye(3), 60, 80) == 0


def test_skew_moves_rows_by_their_delay():
    matrix = skew_to_homography((0.01, 0.0), 101)
    np.testing.assert_allclose(
        map_points(matrix, np.array([[5.0, 50.0], [5.0, 100.0], [5.0, 0.0]]))[:, 0], [5, 5.5, 4.5]
    )


def test_trajectory_has_the_requested_spread_and_is_smooth():
    times = np.linspace(0, 200, 20001)
    trajectory = sample_trajectory(make_generator("0a", "t"), sway=(3.0, 0.003), tremor=(0.5, 0.0005))
    poses = trajectory.pose(times)
    np.testing.assert_allclose(poses.std(axis=0), np.hypot([3, 3, 0.003], [0.5, 0.5, 0.0005]), rtol=0.05)
    speed = np.diff(poses, axis=0) / (times[1] - times[0])
    assert np.abs(speed[:, 0]).max() < 2 * np.pi * (2 * 3 + 12 * 0.5) * np.sqrt(2 * 16)
    error = np.abs(speed - trajectory.velocity(times[:-1] + 0.005)).max(axis=0)
    assert (error < 0.04 * np.abs(speed).max(axis=0)).all()


@pytest.mark.parametrize("name", PRESETS)
def test_parameters_depend_on_the_seed_alone(name):
    first, again, other = sample(name, 1), sample(name, 1), sample(name, 2)
    assert first.origin == again.origin
    assert first.sensor == again.sensor
    np.testing.assert_array_equal(first.frames[-1].poses, again.frames[-1].poses)
    assert first.frames[-1].poses.tolist() != other.frames[-1].poses.tolist()
    photograph = decode_srgb_codes(make_photograph(700, 720))
    rendered = [render_burst(photograph, burst, "01") for burst in (first, again)]
    for a, b in zip(*(burst.frames for burst in rendered), strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", PRESETS)
def test_last_bits_of_arithmetic_do_not_reach_the_pixels(name, monkeypatch):
    """Without SIMD, and with an error of 1e-14 in every sample, all files stay the same; parameters have 24 bits."""
    burst, photograph = sample(name, 5), decode_srgb_codes(make_photograph(700, 720, bits=16))
    for frame in burst.frames:
        values = [
            frame.shot_noise,
            frame.read_noise,
            frame.gain,
            frame.exposure_time,
            *frame.poses.ravel(),
            *frame.skew,
        ]
        np.testing.assert_array_equal(values, np.array(values, np.float32))
    expected = render_burst(photograph, burst, "01")
    inner = render.add_noise
    monkeypatch.setattr(render, "add_noise", lambda light, **options: inner(light * (1 + 1e-14), **options))
    cv2.setUseOptimized(False)
    try:
        found = render_burst(photograph, burst, "01")
    finally:
        cv2.setUseOptimized(True)
    np.testing.assert_array_equal(found.ground_truth, expected.ground_truth)
    for a, b in zip(found.frames, expected.frames, strict=True):
        np.testing.assert_array_equal(a, b)


def test_frames_of_a_burst_differ_as_the_preset_says():
    bursts = [sample("handheld", seed) for seed in range(40)]
    for burst in bursts:
        reference = burst.frames[burst.reference_index]
        assert reference.exposure_ratio == reference.gain == 1
        np.testing.assert_allclose(reference.mid_pose, 0, atol=1e-12)
        np.testing.assert_array_equal(burst.homography(burst.reference_index), np.eye(3))
        assert 8 <= len(burst.frames) <= 14
        assert all(len(frame.poses) % 2 == 1 for frame in burst.frames)
        ratio = [frame.shot_noise / frame.gain for frame in burst.frames]
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-6)
        assert len({frame.shot_noise for frame in burst.frames}) == len(burst.frames)
        times = [frame.timestamp for frame in burst.frames]
        assert times == sorted(times)
    blur = [frame.blur_length for burst in bursts for frame in burst.frames]
    assert 0.3 < np.median(blur) < 3
    assert {burst.sensor.bits for burst in bursts} == {10, 12, 14}
    assert {burst.sensor.cfa for burst in bursts} == set(CFA)


def test_field_presets_draw_from_the_ranges_of_their_papers():
    dbsr = [sample("dbsr", seed) for seed in range(60)]
    shifts = np.concatenate([[frame.mid_pose for frame in burst.frames[1:]] for burst in dbsr])
    assert {len(burst.frames) for burst in dbsr} == {14}
    np.testing.assert_allclose(4 * np.abs(shifts[:, :2]).max(axis=0), 24, rtol=0.02)
    np.testing.assert_allclose(np.abs(shifts[:, 2]).max(), np.deg2rad(1), rtol=0.02)
    shot, read = (np.array([getattr(burst.frames[0], name) for burst in dbsr]) for name in ("shot_noise", "read_noise"))
    assert 1e-4 <= shot.min() < 2e-4
    assert 8e-3 < shot.max() <= 1.2e-2
    assert np.std(np.log(read) - 2.18 * np.log(shot) - 1.20) == pytest.approx(0.26, rel=0.3)
    kpn = [sample("kpn", seed) for seed in range(120)]
    spoilt = [sum(frame.outlier is not None for frame in burst.frames) for burst in kpn]
    assert np.mean(spoilt) == pytest.approx(1.5 * 7 / 8, rel=0.3)
    assert {burst.frames[0].outlier for burst in kpn} == {None}
    calm = [frame.mid_pose[:2] for burst in kpn for frame in burst.frames if frame.outlier is None]
    wild = [frame.mid_pose[:2] for burst in kpn for frame in burst.frames if frame.outlier is not None]
    assert np.abs(calm).max() <= 2
    assert 14 < np.abs(wild).max() <= 18


def test_a_real_camera_brings_its_own_sensor():
    burst = sample("handheld", 0, cameras=("Nikon D5000",))
    assert (burst.camera, burst.sensor) == ("Nikon D5000", Sensor(CFA.GBRG, 12, 0, 3840))
