"""What models may learn from beside labels: restorers' trust, the synthesis's factors, the truth."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from assessors import load_targets, make_inputs
from assessors.factors import FACTORS, load_factors
from assessors.pixel_lessons import Wants, collect_lessons
from assessors.provider import InputProvider
from assessors.stabilisation import stabilise_signal
from assessors.teachers import find_teacher
from assessors.truth import pack_truth
from restorers import CFA, Burst, Domain, create
from restorers.imaging.mosaic import split_planes
from tests.synthetic import make_burst


class OneBurst:
    """As an `InputProvider` that has one burst and a cache."""

    def __init__(self, burst: Burst, cache: Path) -> None:
        self.burst, self.cache, self.asked = burst, cache, 0

    def content_key(self, position: int) -> str:
        return "key"

    def load_burst(self, position: int) -> Burst:
        self.asked += 1
        return self.burst


def test_trust_is_that_of_the_restorer_made_once(tmp_path: Path) -> None:
    burst = make_burst(height=48, width=56, num_frames=3, max_shift=2).burst
    provider, teacher = OneBurst(burst, tmp_path), find_teacher("denoise/robust_mean")
    trust = teacher.weigh(provider, 0, (24, 28))
    expected = [
        cv2.resize(one, (7, 6), interpolation=cv2.INTER_AREA)
        for one in create("denoise/robust_mean").frame_weights(burst)
    ]
    np.testing.assert_allclose(trust, expected, atol=0.5 / 255 + 1e-6)
    np.testing.assert_array_equal(teacher.weigh(provider, 0, (24, 28)), trust)
    assert provider.asked == 1
    # Another restorer's, and a damaged file, are made anew.
    find_teacher("denoise/hdrplus").weigh(provider, 0, (24, 28))
    assert provider.asked == 2
    for path in tmp_path.iterdir():
        path.write_bytes(b"1")
    np.testing.assert_array_equal(teacher.weigh(provider, 0, (24, 28)), trust)
    assert provider.asked == 3


def test_mosaics_are_flipped_as_networks_see_them(tmp_path: Path) -> None:
    burst = make_burst(height=48, width=48, num_frames=2, max_shift=2).burst
    assert burst.cfa is CFA.RGGB
    flipped = replace(burst, frames=np.ascontiguousarray(burst.frames[:, :, ::-1]), cfa=CFA.GRBG)
    teacher = find_teacher("denoise/robust_mean")
    (tmp_path / "other").mkdir()
    first = teacher.weigh(OneBurst(burst, tmp_path), 0, (24, 24))
    np.testing.assert_array_equal(teacher.weigh(OneBurst(flipped, tmp_path / "other"), 0, (24, 24)), first)


def test_who_teaches_nothing(tmp_path: Path) -> None:
    for scenario in ("denoise/mean", "subjective/photo_triage", "denoise/none_such", "os:system"):
        assert find_teacher(scenario) is None
    # What takes mosaics alone says nothing of pictures, and that is kept, too.
    frames = np.full((2, 24, 24, 3), 0.5, np.float32)
    provider = OneBurst(Burst(frames, 0, Domain.SRGB), tmp_path)
    teacher = find_teacher("denoise/handheld")
    assert teacher.weigh(provider, 0, (12, 12)) is None
    assert teacher.weigh(provider, 0, (12, 12)) is None
    assert provider.asked == 1


def test_factors_of_a_data_set(tiny_original: Path) -> None:
    targets = load_targets(tiny_original, None)
    factors = load_factors(targets)
    frames = pd.read_parquet(tiny_original / "manifests/frames.parquet")
    assert factors.shape == (len(frames), len(FACTORS))
    for name, column in zip(FACTORS, factors.T, strict=True):
        if name == "noise":
            expected = np.log(
                np.sqrt(frames.shot_noise / frames.exposure_ratio * 0.2 + frames.read_noise / frames.exposure_ratio**2)
            )
        elif name == "exposure":
            expected = np.log(frames.exposure_ratio)
        elif name == "occlusion":
            expected = frames.occlusion
        elif name == "object_shift":
            expected = np.log1p(frames.object_shift.fillna(0)).where(frames.displacement.notna())
        else:
            expected = np.log1p(frames[{"shake": "blur_length"}.get(name, name)])
        np.testing.assert_allclose(column, expected.astype(float), rtol=1e-5, err_msg=name)
    assert np.isfinite(factors).any()


@pytest.mark.parametrize(("scale", "cfa"), [(2, "RGGB"), (1, "RGGB"), (2, "GRBG"), (2, "")])
def test_the_truth_lies_where_the_planes_do(scale: int, cfa: str) -> None:
    sample = make_burst(height=32, width=48, num_frames=2, max_shift=1, scale=scale)
    burst, truth = sample.burst, np.moveaxis(sample.high_resolution, -1, 0).astype(np.float32)
    reduced = cv2.resize(sample.high_resolution, (48, 32), interpolation=cv2.INTER_AREA).astype(np.float32)
    if not cfa:
        burst = replace(burst, frames=np.stack([reduced] * 2), domain=Domain.LINEAR_RGB, cfa=None)
    elif cfa == "GRBG":
        burst = replace(burst, frames=np.ascontiguousarray(burst.frames[:, :, ::-1]), cfa=CFA.GRBG)
        truth = np.ascontiguousarray(truth[..., ::-1])
    inputs = make_inputs(burst)
    packed = pack_truth(truth, cfa, inputs)
    assert packed.shape == inputs.planes.shape[1:]
    channels = (0, 1, 1, 2)
    if cfa:
        linear = np.stack([split_planes(reduced[..., channel])[place] for place, channel in enumerate(channels)])
    else:
        linear = reduced.reshape(16, 2, 24, 2, 3).mean((1, 3)).transpose(2, 0, 1)[list(channels)]
    reference = inputs.reference_index
    levels = float(inputs.shot_noise[reference]), float(inputs.read_noise[reference])
    np.testing.assert_allclose(packed, stabilise_signal(linear, *levels), atol=1e-3)
    # What is left between it and the reference is noise of unit strength.
    if cfa:
        assert (packed - inputs.planes[reference]).std() == pytest.approx(1, abs=0.25)
    assert np.isnan(pack_truth(truth * np.nan, cfa, inputs)).all()


def test_lessons_of_a_data_set(tiny_original: Path, tmp_path: Path) -> None:
    targets = load_targets(tiny_original, "train", scenarios=["denoise/mean"], estimator=["leave_one_out", "add_one"])
    provider = InputProvider(tiny_original, "all", cache=tmp_path)
    lessons = collect_lessons(targets, provider, Wants(teachers=True, factors=True, truth=True))
    assert lessons.heads == (("denoise/mean", "leave_one_out"), ("denoise/mean", "add_one"))
    assert [len(one) for one in lessons.factors] == [3, 2, 3, 4]
    assert set(lessons.taught) == {(None, None)}
    assert lessons.names == tuple(sorted(lessons.names, key=lessons.examples.names.index))
    for place, position in enumerate(lessons.places):
        assert provider[position].num_frames == len(lessons.facts_of(place))
        burst_id = targets.index.burst_ids[int(targets.bursts[place])].as_py()
        assert provider.burst_ids[position] == burst_id
        truth = provider.load_truth(position)
        assert np.isnan(truth).all() == (burst_id == "phone-0")
    assert lessons.digest() == collect_lessons(targets, provider, lessons.wants).digest()
    assert lessons.digest() != collect_lessons(targets, provider, Wants()).digest()
