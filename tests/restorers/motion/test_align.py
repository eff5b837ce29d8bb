"""Motion estimation on known motion: accuracy, failure, and independence of the other frames."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest
from scipy import ndimage

from restorers.burst import CFA, Burst, Domain
from restorers.errors import AlignmentError
from restorers.motion.align import align_burst, align_grey, enlarge_homography, find_translation, grey_image
from restorers.motion.tiles import TileMotion, align_tiles
from tests.synthetic import make_burst, photograph, rigid, texture


def motion_error(found: np.ndarray, true: np.ndarray, height: int, width: int) -> float:
    """Root mean square distance, in pixels, between where two homographies put the pixels of the reference."""
    x, y = np.meshgrid(np.linspace(0, width - 1, 9), np.linspace(0, height - 1, 9))
    points = np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    (a, b) = (matrix @ points for matrix in (found, true))
    return float(np.sqrt(np.mean(np.sum((a[:2] / a[2] - b[:2] / b[2]) ** 2, axis=0))))


def burst_error(sample) -> float:
    alignment = align_burst(sample.burst)
    assert alignment.aligned.all()
    height, width = sample.truth.shape
    errors = [
        motion_error(alignment.homographies[i], sample.homographies[i], height, width) for i in sample.burst.others
    ]
    return float(np.sqrt(np.mean(np.square(errors))))


def view(scene: np.ndarray, homography: np.ndarray, height: int, width: int, margin: int = 24) -> np.ndarray:
    """What a frame under `homography` sees of a smooth grey scene."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    points = np.linalg.inv(homography) @ np.stack([x.ravel(), y.ravel(), np.ones(x.size)])
    at = points[1::-1] / points[2] + margin
    return ndimage.map_coordinates(scene, at, order=3, mode="mirror").reshape(height, width).astype(np.float32)


@pytest.mark.parametrize("scene", ["astronaut", "coffee", "chelsea"])
def test_noisy_mosaics_are_aligned_to_a_tenth_of_a_pixel(scene):
    assert burst_error(make_burst(scene, height=192, width=192, num_frames=8)) < 0.1


def test_clean_mosaics_are_aligned_to_hundredths_of_a_pixel():
    assert burst_error(make_burst(height=192, width=160, num_frames=5, shot=0, read=0)) < 0.04


@pytest.mark.parametrize(("side", "limit"), [(64, 0.25), (96, 0.15)])
def test_small_frames(side, limit):
    scene = texture(2 * side + 80, 2 * side + 80, seed=side)
    assert burst_error(make_burst(scene, height=side, width=side, num_frames=6, corner=(40, 40))) < limit


@pytest.mark.parametrize("cfa", list(CFA))
def test_colour_filter_order_does_not_matter(cfa):
    assert burst_error(make_burst(height=128, width=160, num_frames=3, cfa=cfa)) < 0.1


def estimate_homography(reference, frame, domain, model="euclidean"):
    """Of two frames without facts: from the reference to the frame."""
    (first, factor), (second, _) = (grey_image(image, domain) for image in (reference, frame))
    return enlarge_homography(align_grey(first, second, model)[0], factor)


def test_large_shift_and_rotation():
    motions = np.array([[0, 0, 0], [41.3, -27.6, 0], [-33.0, 18.2, 2.0]])
    sample = make_burst(scene="coffee", height=192, width=256, num_frames=3, motions=motions)
    assert burst_error(sample) < 0.15


def test_frames_larger_than_the_working_size():
    scene = np.kron(texture(360, 360, seed=5), np.ones((2, 2, 1)))
    assert burst_error(make_burst(scene, height=700, width=690, num_frames=2, scale=1, lens=1.5)) < 0.1


def test_exposure_is_normalised_and_does_not_disturb():
    ratios = (1.0, 2.0, 0.5, 1.5)
    assert burst_error(make_burst(height=160, width=160, num_frames=4, brightness=0.4, exposure_ratio=ratios)) < 0.1


@pytest.mark.parametrize("domain", [Domain.LINEAR_RGB, Domain.SRGB])
def test_rgb_frames(domain):
    scene = texture(220, 240, seed=2).mean(-1)
    true = rigid(3.3, -5.7, 0.4, 160, 180)
    first, second = (np.clip(view(scene, matrix, 160, 180), 0, 1) for matrix in (np.eye(3), true))
    colour = np.array([1.0, 0.8, 0.5], np.float32)
    found = estimate_homography(first[..., None] * colour, second[..., None] * colour, domain)
    assert motion_error(found, true, 160, 180) < 0.05


def test_homography_model_follows_a_perspective():
    scene = texture(260, 280, seed=3).mean(-1)
    true = rigid(4.2, 2.6, 0.3, 192, 200) @ np.array([[1.01, 0.004, 0], [0, 0.995, 0], [6e-5, -4e-5, 1.0]])
    first, second = (np.clip(view(scene, matrix, 192, 200), 0, 1) for matrix in (np.eye(3), true))
    frames = [np.repeat(image[..., None], 3, -1) for image in (first, second)]
    found = estimate_homography(*frames, Domain.LINEAR_RGB, model="homography")
    rigid_only = estimate_homography(*frames, Domain.LINEAR_RGB)
    assert motion_error(found, true, 192, 200) < 0.05
    assert motion_error(rigid_only, true, 192, 200) > 0.3


def test_an_object_that_moves_otherwise_does_not_pull_the_camera_motion():
    still = make_burst("coffee", height=192, width=192, num_frames=2, motions=np.array([[0, 0, 0], [2.4, -1.7, 0.2]]))
    frames = still.burst.frames.copy()
    frames[1, 60:130, 60:130] = frames[1, 64:134, 50:120].copy()
    moved = Burst(frames, cfa=CFA.RGGB, shot_noise=still.burst.shot_noise, read_noise=still.burst.read_noise)
    found = align_burst(moved).homographies[1]
    assert motion_error(found, still.homographies[1], 192, 192) < 0.2


@pytest.mark.parametrize("side", [64, 128, 256])
def test_unrelated_frames_are_refused(side):
    names = ("astronaut", "coffee", "chelsea")
    frames = [make_burst(name, height=side, width=side, num_frames=1).burst.frames[0] for name in names]
    for first, second in ((0, 1), (1, 2), (2, 0)):
        with pytest.raises(AlignmentError, match="no motion aligns"):
            estimate_homography(frames[first], frames[second], Domain.RAW_BAYER)
    burst = Burst(np.stack(frames), cfa=CFA.RGGB, shot_noise=np.full(3, 1e-3), read_noise=np.full(3, 1e-5))
    alignment = align_burst(burst)
    assert alignment.aligned.tolist() == [True, False, False]
    assert np.array_equal(alignment.homographies[1:], np.tile(np.eye(3), (2, 1, 1)))


def test_noise_frames_are_refused():
    rng = np.random.default_rng(0)
    noise = rng.random((2, 96, 96), dtype=np.float32)
    with pytest.raises(AlignmentError):
        estimate_homography(*noise, Domain.RAW_BAYER)


def test_frames_without_structure_pass_only_if_noise_explains_their_difference():
    flat = make_burst(np.full((200, 200, 3), 0.3), height=96, width=96, num_frames=3)
    assert align_burst(flat.burst).aligned.all()
    with pytest.raises(AlignmentError):
        estimate_homography(*flat.burst.frames[:2], Domain.RAW_BAYER)
    black = np.zeros((96, 96), np.float32)
    with pytest.raises(AlignmentError):
        estimate_homography(black, black, Domain.RAW_BAYER)


def test_alignment_is_deterministic_and_pairwise():
    sample, equal = (make_burst(height=96, width=96, num_frames=6, reference_index=2) for _ in range(2))
    whole, again = align_burst(sample.burst), align_burst(equal.burst)
    assert np.array_equal(whole.homographies, again.homographies)
    part = align_burst(sample.burst.subset([0, 5]))
    assert np.array_equal(part.homographies, whole.homographies[[0, 2, 5]])
    assert np.array_equal(whole.homographies[2], np.eye(3))


def test_a_burst_is_aligned_once_whoever_asks():
    burst = make_burst(height=64, width=64, num_frames=3).burst
    first = align_burst(burst)
    assert align_burst(burst) is first
    assert align_burst(burst, "similarity") is not first
    for array in (first.homographies, first.correlation, first.aligned):
        with pytest.raises(ValueError, match="read-only"):
            array[0] = 0
    kept = weakref.ref(first)
    del burst, first
    gc.collect()
    assert kept() is None


def test_grey_of_a_mosaic_is_the_mean_of_its_cells():
    mosaic = np.arange(24, dtype=np.float32).reshape(4, 6) / 24
    grey, factor = grey_image(mosaic, Domain.RAW_BAYER, 2.0)
    assert factor == 2
    np.testing.assert_allclose(grey, mosaic.reshape(2, 2, 3, 2).mean((1, 3)) / 2, rtol=1e-6)


def test_enlarging_a_homography_keeps_pixel_centres_in_place():
    small = rigid(1.5, -0.5, 3.0, 20, 30)
    u, v = 7.0, 4.0
    full = enlarge_homography(small, 2) @ [2 * u + 0.5, 2 * v + 0.5, 1]
    expected = small @ [u, v, 1]
    np.testing.assert_allclose(full[:2], 2 * expected[:2] + 0.5)


def test_translation_is_found_under_shading_and_partial_overlap():
    scene = texture(200, 200, seed=4).mean(-1).astype(np.float32)
    first, second = scene[40:136, 40:136], scene[40 - 21 : 136 - 21, 40 + 17 : 136 + 17]
    assert find_translation(first, second) == (-17, 21)


def test_tiles_find_the_object_and_nothing_else():
    rng = np.random.default_rng(1)
    background, thing = (texture(200, 200, seed=seed).mean(-1) for seed in (6, 7))
    reference, frame = background[:160, :160].copy(), background[:160, :160].copy()
    reference[48:112, 48:112] = thing[60:124, 60:124]
    shift_x, shift_y = 5.4, -3.3
    y, x = np.mgrid[48:112, 48:112] + 12.0
    frame[48:112, 48:112] = ndimage.map_coordinates(thing, [y - shift_y, x - shift_x], order=3)
    noise = 0.02
    images = [(image + rng.normal(0, noise, image.shape)).astype(np.float32) for image in (reference, frame)]
    motion = align_tiles(*images, covered=np.ones((160, 160), bool), noise_variance=2 * noise**2)
    start = np.arange(motion.displacement.shape[0]) * motion.stride
    # Inside the object even after it has moved.
    inside = (start >= 56) & (start + motion.tile_size <= 100)
    outside = (start + motion.tile_size <= 48) | (start >= 112)
    found = motion.displacement[np.ix_(inside, inside)]
    assert found.shape[0] >= 4
    np.testing.assert_allclose(found, np.broadcast_to([shift_x, shift_y], found.shape), atol=0.3)
    assert not motion.displacement[outside].any()
    assert not motion.displacement[:, outside].any()


def test_tiles_of_pure_noise_stay_put():
    rng = np.random.default_rng(2)
    first, second = (0.2 + 0.05 * rng.standard_normal((2, 128, 128))).astype(np.float32)
    assert not align_tiles(first, second, covered=np.ones((128, 128), bool), noise_variance=2 * 0.05**2).moves()


def test_tiles_without_pixels_stay_put():
    scene = texture(140, 140, seed=8).mean(-1).astype(np.float32)
    covered = np.ones((128, 128), bool)
    covered[:, 64:] = False
    motion = align_tiles(scene[:128, :128], scene[3:131, 2:130], covered=covered, noise_variance=1e-8)
    reaches = np.arange(motion.displacement.shape[1]) * motion.stride + motion.tile_size > 64
    assert not motion.displacement[:, reaches].any()
    inner = motion.displacement[2:-2, 1:3]
    np.testing.assert_allclose(inner, np.broadcast_to([-2, -3], inner.shape), atol=0.2)


def test_displacement_is_interpolated_between_tile_centres():
    displacement = np.zeros((2, 3, 2), np.float32)
    displacement[:, 1, 0] = 4
    motion = TileMotion(displacement, 16, 8)
    at = motion.sample(np.array([0, 7.5, 11.5, 15.5, 40.0]), np.array([3.0]))
    np.testing.assert_allclose(at[0, :, 0], [0, 0, 2, 4, 0])


def test_photographs_are_linear():
    assert 0.1 < photograph("astronaut").mean() < 0.35
