"""Models of several models, scores by one estimator or another, scores over windows, and what can be seen to be wrong."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from assessors import create_assessor
from assessors.assess import score_windows
from assessors.ensemble import join_models
from assessors.errors import InvalidAssessorError
from assessors.inputs import BurstInputs, make_inputs
from assessors.model_files import save_model
from assessors.symptoms import find_symptoms
from tests.models import TASK, fit_trees
from tests.synthetic import make_burst


@pytest.fixture(scope="module")
def inputs() -> BurstInputs:
    return make_inputs(make_burst(height=48, width=48, num_frames=4, max_shift=2).burst)


def test_an_ensemble_is_the_mean_of_its_members(inputs: BurstInputs, tmp_path: Path) -> None:
    first, second = fit_trees(0), fit_trees(1)
    both = join_models([first, second], "both")
    expected = (first.score(inputs, TASK) + second.score(inputs, TASK)) / 2
    np.testing.assert_allclose(both.score(inputs, TASK), expected)
    path = tmp_path / "both.safetensors"
    save_model(path, both.header, both.to_arrays())
    loaded = create_assessor(str(path))
    assert loaded.info == both.info
    assert (loaded.info.name, loaded.info.signed) == ("both", True)
    np.testing.assert_allclose(loaded.score(inputs, TASK), expected)
    by_other = create_assessor(f"{path}@half_sum").score(inputs, TASK)
    changed = [replace(one, header=replace(one.header, preferred="half_sum")) for one in (first, second)]
    np.testing.assert_allclose(by_other, np.mean([one.score(inputs, TASK) for one in changed], axis=0))
    assert not np.allclose(by_other, expected)
    with pytest.raises(InvalidAssessorError, match="learnt half_sum, leave_one_out, not solo"):
        create_assessor(f"{path}@solo")
    with pytest.raises(ValueError, match="same heads"):
        join_models([first, replace(second, header=replace(second.header, heads=(("a", "solo"),)))], "both")


def test_ensembles_that_do_not_fit(tmp_path: Path) -> None:
    both = join_models([fit_trees(0), fit_trees(1)], "both")
    arrays = both.to_arrays()
    within = replace(both.header, settings={"members": [{**both.header.settings["members"][0], "kind": "ensemble"}]})
    few = {name: array for name, array in arrays.items() if name.startswith("0:")}
    for name, header, own in (
        ("within", within, arrays),
        ("few", both.header, few),
        ("none", replace(both.header, settings={}), arrays),
    ):
        path = tmp_path / f"{name}.safetensors"
        save_model(path, header, own)
        with pytest.raises(InvalidAssessorError, match="do not fit its header"):
            create_assessor(str(path))


def test_windows_count_by_what_could_be_aligned_in_them(inputs: BurstInputs) -> None:
    sharpness = create_assessor("sharpness")
    other = replace(inputs, planes=2 * inputs.planes, found=np.array([True, False, False, False]))
    one, two = (sharpness.score(each, TASK) for each in (inputs, other))
    share = inputs.found.mean()
    expected = (share * one + 0.25 * two) / (share + 0.25)
    np.testing.assert_allclose(score_windows(sharpness, [inputs, other], TASK), expected)


def test_blurred_frames_show_less_detail_and_others_as_much() -> None:
    import cv2

    burst = make_burst(height=96, width=96, num_frames=5, max_shift=2).burst
    frames = burst.frames.copy()
    for row, column in np.ndindex(2, 2):
        frames[3, row::2, column::2] = cv2.GaussianBlur(frames[3, row::2, column::2], (0, 0), 2)
    symptoms = find_symptoms([make_inputs(replace(burst, frames=frames))])
    usual = np.delete(symptoms.detail, 3)
    assert symptoms.detail[3] < 0.8 * np.median(usual)
    assert symptoms.detail[3] < usual.min()
    assert symptoms.found.tolist() == [1.0] * 5
