"""v(S) by every route against restoring each subset anew, and the truth on the grids of the frames."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from itertools import chain, combinations

import numpy as np
import pytest

from dataset_builder.camera.cameras import mix_profile
from dataset_builder.camera.color import decode_srgb_codes
from dataset_builder.camera.sensor import Sensor
from dataset_builder.labeling.estimators import add_one, leave_one_out, solo
from dataset_builder.labeling.game import FidelityGame, LabelingTask, compute_gram, is_enumerable
from dataset_builder.labeling.rectangle import find_inner_rectangle
from dataset_builder.labeling.regions import find_regions
from dataset_builder.labeling.truth import find_support, project_truth, project_truth_to_frame
from dataset_builder.synthesis.motion import pose_to_homography
from dataset_builder.synthesis.render import render_burst
from manifests.images.pixels import UINT16_MAX
from restorers import CFA, Burst, Domain, LinearMerge, RestorerInfo, SubsetRestorer, create
from restorers.errors import RestorationError, UnsupportedBurstError
from restorers.fidelity import METRICS, PSNR, psnr
from restorers.imaging.mosaic import mosaic
from tests.photographs import make_photograph
from tests.rendering import make_frame, make_parameters

PROFILE = mix_profile(np.ones(4), (2.0, 1.0, 1.6))
SENSOR = Sensor()
RAW = Domain.RAW_BAYER
RAW_INFO = RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)
POSES = ((0.0, 0.0, 0.0), (2.3, -1.7, 0.004), (-3.1, 0.6, -0.003), (0.5, 4.2, 0.002), (-1.25, -2.5, 0.0))


def make_task(*, shot=4e-3, read=4e-5, scale=2, cfa=CFA.GRBG, side=64, poses=POSES, reference=0, known=True):
    """A rendered burst as the builder would load it; frame `reference` has the pose (0, 0, 0)."""
    frames = tuple(make_frame(pose, shot_noise=shot, read_noise=read) for pose in np.roll(poses, reference, 0))
    photograph = decode_srgb_codes(make_photograph(320, 340, bits=16))
    parameters = make_parameters(
        *frames,
        photograph=photograph,
        side=side,
        scale=scale,
        origin=(90, 80),
        reference_index=reference,
        cfa=cfa,
        profile=PROFILE,
        brightness=0.8,
    )
    rendered = render_burst(photograph, parameters, "5eed")
    codes = np.stack(rendered.frames).astype(np.float32)
    noise = {"shot_noise": np.full(len(frames), shot), "read_noise": np.full(len(frames), read)} if known else {}
    burst = Burst(
        (codes - SENSOR.black_level) / np.float32(SENSOR.white_level - SENSOR.black_level), reference, cfa=cfa, **noise
    )
    homographies = np.stack([pose_to_homography(frame.mid_pose, side, side) for frame in frames])
    return LabelingTask(burst, rendered.ground_truth.astype(np.float32) / UINT16_MAX, scale, homographies)


def see_from(truth, homography, *, info=RAW_INFO, scale=2, cfa=CFA.GRBG, shape=(64, 64)):
    """The truth on the grid of a frame, and where it can be relied on."""
    seen = project_truth_to_frame(truth, info, homography, domain=RAW, scale=scale, cfa=cfa, shape=shape)
    return seen, find_support(truth.shape[:2], homography, scale=scale, shape=shape, output_scale=info.scale)


def subsets(game):
    return [frozenset(s) for s in chain.from_iterable(combinations(game.others, n) for n in range(game.num_frames))]


@dataclass
class Plain:
    """Hides all that a restorer can do beyond `restore`, and counts its calls."""

    inner: object
    calls: list = field(default_factory=list)

    @property
    def info(self):
        return self.inner.info

    def restore(self, burst):
        self.calls.append(burst.num_frames)
        return self.inner.restore(burst)


@dataclass
class Averager:
    """A merge without alignment in float64: the Gram path has nothing to hide behind."""

    info: RestorerInfo = RAW_INFO
    offset: float = 0.0

    def contributions(self, burst):
        return burst.frames + np.float32(self.offset)

    def restore(self, burst):
        return self.contributions(burst).astype(np.float64).mean(axis=0)


@dataclass
class Fixed:
    """Returns what it is told, for any burst."""

    image: np.ndarray
    info: RestorerInfo = RAW_INFO

    def restore(self, _burst):
        return self.image


@pytest.mark.parametrize("reference", [0, 2])
def test_the_gram_matrix_gives_every_subset_to_a_millionth_of_a_decibel(reference):
    task = make_task(reference=reference)
    quick, slow = FidelityGame(Averager(), task, PSNR), FidelityGame(Plain(Averager()), task, PSNR)
    for members in subsets(quick):
        assert quick.value(members) == pytest.approx(slow.value(members), abs=1e-6)
    assert len(slow.restorer.calls) == 2 ** (len(POSES) - 1)


@pytest.mark.parametrize("scenario", ["denoise/mean", "denoise/hdrplus"])
@pytest.mark.parametrize(("noise", "reference"), [((4e-3, 4e-5), 0), ((1e-2, 1e-4), 3)])
def test_linear_merges_are_labelled_as_if_every_subset_were_restored(scenario, noise, reference):
    task = make_task(shot=noise[0], read=noise[1], reference=reference)
    restorer = create(scenario)
    assert isinstance(restorer, LinearMerge)
    quick, slow = FidelityGame(restorer, task, PSNR), FidelityGame(Plain(restorer), task, PSNR)
    for members in subsets(quick):
        assert quick.value(members) == pytest.approx(slow.value(members), abs=1e-6)


def test_subset_restorers_fuse_what_restoring_anew_would_give():
    task = make_task(side=48)
    restorer = create("sr/backprojection@x2")
    assert isinstance(restorer, SubsetRestorer)
    quick, slow = FidelityGame(restorer, task, PSNR), FidelityGame(Plain(restorer), task, PSNR)
    for members in subsets(quick)[::3]:
        assert quick.value(members) == pytest.approx(slow.value(members), abs=1e-6)


def test_preparing_happens_once_and_every_value_is_computed_once():
    prepared, fused = [], []

    class Counting:
        info = RAW_INFO

        def restore(self, _burst):
            raise AssertionError("fuse is cheaper")

        def prepare(self, burst):
            prepared.append(burst.num_frames)
            return burst

        def fuse(self, burst, members):
            fused.append(tuple(members))
            return burst.frames[[burst.reference_index, *members]].mean(axis=0)

    game = FidelityGame(Counting(), make_task(), PSNR)
    for estimator in (leave_one_out, add_one, leave_one_out):
        estimator(game)
    assert prepared == [len(POSES)]
    assert sorted(fused) == sorted({tuple(sorted(m)) for m in subsets(game) if len(m) in (0, 1, 3, 4)})


def test_scores_follow_the_definitions():
    task = make_task(reference=1)
    game = FidelityGame(Averager(), task, PSNR)
    truth = project_truth(task.truth, RAW_INFO, domain=RAW, scale=task.scale, cfa=task.burst.cfa)

    def value(*members):
        return psnr(Averager().restore(task.burst.subset(members)), truth, border=4)

    everyone = {0, 2, 3, 4}
    lost, added = leave_one_out(game).score, add_one(game).score
    for index in everyone:
        assert lost[index] == pytest.approx(value(*everyone) - value(*(everyone - {index})), abs=1e-6)
        assert added[index] == pytest.approx(value(index) - value(), abs=1e-6)
    assert np.isnan(lost[1])
    assert np.isnan(added[1])


def test_gram_matrix_by_hand():
    truth = np.zeros((4, 4), np.float32)
    images = np.stack([np.full((4, 4), level, np.float32) for level in (1, -1, 0.5)])
    images[:, 0] = images[:, :, 3] = 99  # the border does not count
    np.testing.assert_allclose(compute_gram(images, truth, 1), [[1, -1, 0.5], [-1, 1, -0.5], [0.5, -0.5, 0.25]])


def test_a_merge_that_is_exact_gets_the_cap():
    task = make_task()
    truth = project_truth(task.truth, RAW_INFO, domain=RAW, scale=2, cfa=task.burst.cfa)

    class Exact(Averager):
        def contributions(self, burst):
            return np.repeat(truth[None], burst.num_frames, 0)

    game = FidelityGame(Exact(), task, PSNR)
    assert [game.value(members) for members in subsets(game)] == [100.0] * 16


@pytest.mark.parametrize(
    ("truth_scale", "output_scale", "border"), [(2, 1, 4), (2, 2, 8), (4, 2, 4), (3, 1, 3), (1, 1, 8)]
)
def test_the_border_counts_in_pixels_of_the_truth(truth_scale, output_scale, border):
    info = RestorerInfo("sr", "1", frozenset({Domain.RAW_BAYER}), Domain.LINEAR_RGB, scale=output_scale)
    game = FidelityGame(Fixed(np.zeros(1), info), make_task(scale=truth_scale, side=32), PSNR)
    assert game.border == border


@pytest.mark.parametrize("shape", [(64, 64, 3), (64, 63), (32, 32)])
def test_images_of_another_shape_are_refused(shape):
    game = FidelityGame(Fixed(np.zeros(shape, np.float32)), make_task(), PSNR)
    with pytest.raises(RestorationError, match=r"expected shape \[64, 64\]"):
        game.value(frozenset())
    with pytest.raises(RestorationError, match=r"expected shape \[64, 64\]"):
        game.value_alone(1)


def test_images_that_are_not_finite_are_refused():
    image = np.zeros((64, 64), np.float32)
    image[0, 0] = np.nan  # even where the metric does not look
    game = FidelityGame(Fixed(image), make_task(), PSNR)
    for ask in (lambda: game.value(frozenset({1})), lambda: game.value_alone(1)):
        with pytest.raises(RestorationError, match="expected finite values"):
            ask()
    with pytest.raises(RestorationError, match="expected finite values"):
        FidelityGame(Averager(offset=np.nan), make_task(), PSNR).value(frozenset())


def test_contributions_of_the_wrong_number_are_refused():
    class Short(Averager):
        def contributions(self, burst):
            return burst.frames[1:]

    with pytest.raises(RestorationError, match="contributions: expected 5 images, got 4"):
        FidelityGame(Short(), make_task(), PSNR).value(frozenset())


def test_single_frame_restorers_have_no_marginal_value():
    with pytest.raises(UnsupportedBurstError, match="frames: expected 1 to 1, got 5"):
        FidelityGame(create("denoise/nlm"), make_task(), PSNR).value(frozenset())


@pytest.mark.parametrize("cfa", list(CFA))
@pytest.mark.parametrize("scale", [1, 2, 3])
def test_without_noise_each_frame_is_its_own_truth(cfa, scale):
    # What is left are the roundings of the frame to 14 bits and of the truth to 16.
    task = make_task(shot=0, read=0, scale=scale, cfa=cfa, known=False)
    step = 1 / (SENSOR.white_level - SENSOR.black_level)
    for index, frame in enumerate(task.burst.frames):
        truth, inside = see_from(task.truth, task.homographies[index], scale=scale, cfa=cfa)
        assert inside.mean() > 0.5
        assert np.abs(frame - truth)[inside].max() <= 0.5 * step + 4 / UINT16_MAX
        assert np.abs(frame - truth)[inside].mean() <= 0.3 * step


def test_the_truth_on_the_reference_grid_is_the_projected_truth():
    task = make_task()
    truth, inside = see_from(task.truth, np.eye(3))
    expected = project_truth(task.truth, RAW_INFO, domain=RAW, scale=2, cfa=task.burst.cfa)
    np.testing.assert_allclose(truth[inside], expected[inside], atol=1e-6)


def test_the_mask_leaves_out_what_the_truth_does_not_show():
    task = make_task(shot=0, read=0)
    shifted = pose_to_homography((20.0, 0.0, 0.0), 64, 64)
    # The right third of the truth is replaced by nonsense: pixels that need it must not count, the others must not change.
    spoilt = task.truth.copy()
    spoilt[:, -3:] = 50.0
    whole, inside = see_from(task.truth, shifted)
    other, _ = see_from(spoilt, shifted)
    assert not inside[:, :20].any()
    assert inside[10:-10, 24:].all()
    np.testing.assert_allclose(other[inside], whole[inside], atol=1e-4)


def test_solo_sees_the_noise_of_each_frame():
    quiet, loud = make_task(shot=1e-4, read=1e-6), make_task(shot=1e-2, read=1e-3)
    frames = loud.burst.frames.copy()
    frames[2] = quiet.burst.frames[2]
    task = LabelingTask(Burst(frames, cfa=CFA.GRBG), loud.truth, 2, loud.homographies)

    scores = solo(FidelityGame(Averager(), task, PSNR)).score
    assert scores.argmax() == 2
    shapes = {"shape": (64, 64), "truth_shape": (128, 128)}
    regions = find_regions(task.homographies, **shapes, scale=2, reference_index=0, border=4)
    for index, (shot, read) in enumerate([(1e-2, 1e-3), (1e-2, 1e-3), (1e-4, 1e-6), (1e-2, 1e-3), (1e-2, 1e-3)]):
        truth, _ = see_from(task.truth, task.homographies[index])
        inner = regions[index].pixels
        error = (task.burst.frames[index] - truth)[inner].astype(np.float64)
        assert scores[index] == pytest.approx(-10 * np.log10(np.mean(error**2)), abs=1e-5)
        mse = float(np.mean(shot * np.maximum(truth[inner], 0) + read))
        assert scores[index] == pytest.approx(-10 * np.log10(mse), abs=0.3)


def test_solo_needs_the_motion_and_enough_of_the_scene():
    task = make_task()
    unknown = LabelingTask(task.burst, task.truth, 2, None)
    with pytest.raises(UnsupportedBurstError, match="frame 1: the motion is unknown"):
        FidelityGame(Averager(), unknown, PSNR).value_alone(1)
    away = task.homographies.copy()
    away[1] = pose_to_homography((60.0, 0.0, 0.0), 64, 64)
    game = FidelityGame(Averager(), LabelingTask(task.burst, task.truth, 2, away), PSNR)
    with pytest.raises(
        UnsupportedBurstError, match="frame 1: shows too little of what the others show; half of it and 128 px"
    ):
        game.value_alone(1)
    assert np.isfinite(game.value_alone(2))


@pytest.mark.parametrize("truth_scale", [2, 4])
def test_the_truth_on_a_frames_grid_in_colour_and_at_other_scales(truth_scale):
    task = make_task(shot=0, read=0, scale=truth_scale)
    for index in (1, 3):
        expected, inside = see_from(task.truth, task.homographies[index], scale=truth_scale)
        for scale in (1, 2):
            info = RestorerInfo("sr", "1", frozenset({RAW}), Domain.LINEAR_RGB, scale=scale)
            truth, covered = see_from(task.truth, task.homographies[index], info=info, scale=truth_scale)
            assert truth.shape == (64 * scale, 64 * scale, 3)
            averaged = truth.reshape(64, scale, 64, scale, 3).mean((1, 3))
            usable = inside & covered.reshape(64, scale, 64, scale).all((1, 3))
            assert usable.mean() > 0.5
            # Lanczos at twice the resolution keeps a little more of the finest structure.
            limit = 1e-3 if scale == 1 else 0.02
            assert np.sqrt(np.square(mosaic(averaged, CFA.GRBG) - expected)[usable].mean()) < limit


def test_solo_of_restorers_that_return_colour():
    task = make_task(side=48)
    scores = solo(FidelityGame(create("demosaic/malvar"), task, PSNR)).score
    assert np.isfinite(scores).all()
    assert scores.min() > 15


def test_display_images_have_no_truth():
    with pytest.raises(UnsupportedBurstError, match="returns a display image"):
        FidelityGame(create("hdr/fusion"), make_task(side=32), PSNR).value(frozenset())


def test_a_truth_that_is_too_coarse_is_refused():
    with pytest.raises(
        UnsupportedBurstError, match="output has scale 2, but the truth has scale 3; build bursts with a multiple of it"
    ):
        FidelityGame(create("sr/backprojection@x2"), make_task(scale=3, side=32), PSNR).value(frozenset())


def test_the_truth_is_averaged_over_blocks():
    rng = np.random.default_rng(0)
    truth = rng.uniform(0, 1, (24, 36, 3)).astype(np.float32)
    info = RestorerInfo("sr", "1", frozenset({Domain.RAW_BAYER}), Domain.LINEAR_RGB, scale=2)
    expected = truth.reshape(8, 3, 12, 3, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(project_truth(truth, info, domain=RAW, scale=6, cfa=None), expected, atol=1e-6)
    np.testing.assert_array_equal(project_truth(truth, info, domain=RAW, scale=2, cfa=None), truth)
    with pytest.raises(UnsupportedBurstError, match="returns a mosaic, but the burst has none"):
        project_truth(truth, RAW_INFO, domain=RAW, scale=2, cfa=None)


@pytest.mark.parametrize("seed", range(5))
def test_a_rectangle_is_found_around_what_moves(seed):
    rng = np.random.default_rng(seed)
    inside = np.zeros((40, 52), bool)
    inside[3:38, 2:50] = True
    top, left = rng.integers(8, 24, 2)
    inside[top : top + rng.integers(2, 10), left : left + rng.integers(2, 14)] = False
    rows, columns = find_inner_rectangle(inside)
    assert inside[rows, columns].all()
    # By brute force over all corners, through a table of sums.
    table = np.pad(np.cumsum(np.cumsum(~inside, 0), 1), ((1, 0), (1, 0)))
    best = 0
    for top, bottom in combinations(range(41), 2):
        false = table[bottom] - table[top]
        widths = [j - i for i, j in combinations(range(53), 2) if false[j] == false[i]]
        best = max(best, (bottom - top) * max(widths, default=0))
    assert (rows.stop - rows.start) * (columns.stop - columns.start) == best


def test_what_moves_does_not_count_on_the_grids_of_the_frames():
    task = make_task(shot=0.0, read=0.0)
    spoilt = task.burst.frames.copy()
    spoilt[1, 20:30, 24:34] = 0.9
    clear = np.ones(spoilt.shape, bool)
    clear[1, 20:30, 24:34] = False
    burst = dataclasses.replace(task.burst, frames=spoilt)
    games = [
        FidelityGame(First(), dataclasses.replace(task, burst=each, clear=known), PSNR)
        for each, known in ((task.burst, None), (burst, None), (burst, clear))
    ]
    whole, counted, left_out = (game.value_alone(1) for game in games)
    assert counted < whole - 20
    assert left_out == pytest.approx(whole, abs=3)


class First:
    """Returns its reference."""

    info = RAW_INFO

    def restore(self, burst):
        return np.array(burst.reference)


@pytest.mark.parametrize("metric", ["psnr", "psnr_srgb", "psnr_raw", "ssim"])
@pytest.mark.parametrize("scenario", ["denoise/mean", "demosaic/burst"])
def test_what_can_be_enumerated_is_known_before(scenario, metric):
    restorer = create(scenario)
    for poses in (POSES[:4], POSES * 2):
        task = make_task(side=48, poses=poses[:9])
        game = FidelityGame(restorer, task, METRICS[metric])
        linear = isinstance(restorer, LinearMerge)
        known = is_enumerable(game.metric, restorer.info, RAW, game.num_frames, linear=linear)
        assert known == (game.enumerate_values() is not None)
