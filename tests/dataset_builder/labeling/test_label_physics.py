"""Labels rank frames as physics says: other things equal, more noise, blur or cover lower a frame's score."""

import dataclasses

import numpy as np
import pytest
from scipy.stats import spearmanr

from dataset_builder.camera.color import UINT16_MAX, decode_srgb_codes
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from dataset_builder.synthesis.builtin import HANDHELD
from dataset_builder.synthesis.distributions import Constant
from dataset_builder.synthesis.draw import sample_burst
from dataset_builder.synthesis.obstacles import Occluder
from dataset_builder.synthesis.render import render_burst
from restorers import Burst, create
from restorers.fidelity import PSNR
from tests.rendering import to_signal

SIDE = 128
LEVELS = np.arange(9)


@pytest.fixture(scope="module")
def photograph():
    from skimage import data

    return decode_srgb_codes(data.astronaut())


def calm_burst(seed):
    """A handheld burst whose frames differ in motion alone."""
    still = {name: Constant(value=0) for name in ("exposure_trade", "exposure_error", "row_noise", "defocus")}
    preset = HANDHELD.model_copy(
        update={
            **still,
            "num_frames": Constant(value=len(LEVELS) + 1),
            "shot_noise": Constant(value=3e-3),
            "bits": Constant(value=14),
            "brightness": Constant(value=0.9),
            "tremor": Constant(value=5e-5),
        }
    )
    burst = sample_burst(preset, f"{seed:04x}", photograph_size=(512, 512), height=SIDE, width=SIDE, scale=2)
    frames = tuple(dataclasses.replace(frame, poses=frame.mid_pose[None], skew=(0.0, 0.0)) for frame in burst.frames)
    return dataclasses.replace(burst, frames=frames)


def add_noise(frame, level):
    gain = 2.0 ** (level / 2)
    return dataclasses.replace(frame, shot_noise=frame.shot_noise * gain, read_noise=frame.read_noise * gain**2)


def add_blur(frame, level):
    # About its own mid-pose, in a direction of its own.
    steps = np.linspace(-0.5, 0.5, 33)[:, None] * level * 1.5
    angle = 2.4 * level
    path = steps * np.array([[np.cos(angle), np.sin(angle), 0.0]])
    return dataclasses.replace(frame, poses=frame.mid_pose + path)


def add_defocus(frame, level):
    return dataclasses.replace(frame, defocus=level / 2)


def add_cover(frame, level):
    edge = SIDE * (0.5 - 0.11 * level)
    return dataclasses.replace(frame, occluder=Occluder(2.4 * level, edge, 12.0, (0.05, 0.02, 0.02)))


FACTORS = {"noise": add_noise, "blur": add_blur, "defocus": add_defocus, "cover": add_cover}


@pytest.mark.parametrize("estimator", ["add_one", "leave_one_out"])
@pytest.mark.parametrize("factor", FACTORS)
def test_scores_fall_with_the_factor(photograph, factor, estimator):
    correlations = []
    for seed in range(3):
        burst = calm_burst(seed)
        order = np.random.default_rng(seed).permutation(LEVELS)
        worse = [FACTORS[factor](frame, level) for frame, level in zip(burst.frames[1:], order, strict=True)]
        burst = dataclasses.replace(burst, frames=(burst.frames[0], *worse))
        rendered = render_burst(photograph, burst, f"{seed:04x}")
        known = Burst(
            np.stack([to_signal(codes, burst.sensor) for codes in rendered.frames]).astype(np.float32),
            cfa=burst.sensor.cfa,
            shot_noise=np.array([frame.shot_noise for frame in burst.frames]),
            read_noise=np.array([frame.read_noise for frame in burst.frames]),
        )
        task = LabelingTask(known, (rendered.ground_truth / UINT16_MAX).astype(np.float32), burst.scale, None)
        game = FidelityGame(create("denoise/hdrplus"), task, PSNR)
        score = find_estimator(estimator).function(game, np.random.default_rng(0)).score[1:]
        correlations.append(spearmanr(score, order).statistic)
    assert np.mean(correlations) < -0.8, correlations
