"""Models of fixed length on longer bursts: which frames they get, and what that makes of labels."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.labeling.game import FidelityGame, LabelingTask
from restorers import create
from restorers.adapters.taking import RULES, choose_frames, take_frames
from restorers.errors import InvalidRestorerError, UnsupportedBurstError
from restorers.fidelity import PSNR
from restorers.registry import fingerprint_scenario
from tests.synthetic import make_colour_burst


class Weighted(nn.Module):
    """Tells every one of five frames from the others."""

    def forward(self, burst: torch.Tensor) -> torch.Tensor:
        weights = torch.tensor([0.4, 0.3, 0.1, 0.15, 0.05])
        return (burst * weights.reshape(1, 5, 1, 1, 1)).sum(1)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    path = tmp_path_factory.mktemp("taking") / "five.pt"
    torch.jit.script(Weighted()).save(str(path))
    return f"torchscript:{path}?domain=linear_rgb&frames=5&position=centre"


@pytest.mark.parametrize(
    ("rule", "reference", "others", "number", "expected"),
    [
        ("nearest", 5, range(12), 5, (3, 4, 6, 7)),
        ("nearest", 5, [index for index in range(12) if index != 4], 5, (2, 3, 6, 7)),
        ("nearest", 0, range(12), 5, (1, 2, 3, 4)),
        ("nearest", 11, range(12), 5, (7, 8, 9, 10)),
        ("nearest", 1, range(12), 5, (0, 2, 3, 4)),
        ("nearest", 5, range(12), 4, (4, 6, 7)),
        ("first", 2, range(12), 5, (0, 1, 3, 4)),
        ("first", 2, [index for index in range(12) if index != 1], 5, (0, 3, 4, 5)),
        ("spread", 0, range(12), 5, (2, 5, 7, 10)),
        ("spread", 6, range(13), 4, (2, 7, 11)),
        ("spread", 0, [3], 5, (3,)),
        ("nearest", 0, range(3), 1, ()),
    ],
)
def test_which_frames_are_taken(rule, reference, others, number, expected):
    assert choose_frames(reference, list(others), number, rule) == expected


@given(st.sets(st.integers(0, 30)), st.integers(0, 30), st.integers(1, 14), st.sampled_from(RULES))
def test_as_many_as_there_are_and_no_frame_that_is_not(members, reference, number, rule):
    chosen = choose_frames(reference, sorted(members), number, rule)
    assert list(chosen) == sorted(set(chosen))
    assert set(chosen) <= members - {reference}
    assert len(chosen) == min(number - 1, len(members - {reference}))


@given(st.sets(st.integers(0, 20), min_size=2), st.integers(0, 20), st.integers(2, 9), st.sampled_from(RULES[:2]))
def test_without_a_frame_that_was_not_taken_the_same_are(members, reference, number, rule):
    chosen = choose_frames(reference, sorted(members), number, rule)
    for left_out in members - set(chosen):
        assert choose_frames(reference, sorted(members - {left_out}), number, rule) == chosen


@pytest.mark.parametrize("rule", RULES)
def test_the_model_sees_the_frames_that_are_taken(model, rule):
    burst = make_colour_burst(height=32, width=32, num_frames=8).burst.with_reference(3)
    restorer, plain = create(f"{model}&take={rule}"), create(model)
    assert (restorer.info.max_frames, restorer.info.missing_frames) == (None, "repeat_reference")
    assert f"4 others ({rule})" in restorer.info.network_input
    with pytest.raises(UnsupportedBurstError, match="expected 1 to 5, got 8"):
        plain.restore(burst)
    expected = plain.restore(burst.subset(choose_frames(3, burst.others, 5, rule)))
    np.testing.assert_array_equal(restorer.restore(burst), expected)
    prepared = restorer.prepare(burst)
    for size in range(8):
        for members in itertools.islice(itertools.combinations(burst.others, size), 6):
            some = burst.subset(members)
            np.testing.assert_array_equal(restorer.fuse(prepared, members), restorer.restore(some))
    together = restorer.restore_many([burst, burst.subset([0])])
    np.testing.assert_array_equal(together[0], expected)
    np.testing.assert_array_equal(together[1], plain.restore(burst.subset([0])))


def test_labels_are_of_the_choice_and_the_model_together(model):
    sample = make_colour_burst(height=48, width=48, num_frames=8)
    burst = sample.burst.with_reference(2)
    truth = np.ascontiguousarray(burst.reference)
    restorer, plain = create(f"{model}&take=nearest"), create(model)
    game = FidelityGame(restorer, LabelingTask(burst, truth, 1, None), PSNR)
    score = find_estimator("leave_one_out").function(game, np.random.default_rng()).score
    taken = {0, 1, 3, 4}
    assert set(choose_frames(2, burst.others, 5, "nearest")) == taken
    assert np.isnan(score[2])
    assert all((score[index] == 0) == (index not in taken) for index in burst.others)
    # Without frame 3 the next in line, 5, takes its place.
    direct = FidelityGame(plain, LabelingTask(burst.subset([0, 1, 4, 5]), truth, 1, None), PSNR)
    whole = FidelityGame(plain, LabelingTask(burst.subset(sorted(taken)), truth, 1, None), PSNR)
    values = [each.value(frozenset(each.others)) for each in (whole, direct)]
    assert score[3] == pytest.approx(values[0] - values[1])


def test_the_rule_is_part_of_the_fingerprint(model):
    names = [model, *(f"{model}&take={rule}" for rule in RULES)]
    assert len({fingerprint_scenario(name, create(name)) for name in names}) == 4


def test_what_cannot_be_taken_is_refused_with_the_way_out(model):
    path = model.partition("?")[0]
    for name, expected in {
        f"{model}&take=best": "take=best: expected nearest, first, spread",
        f"{path}?take=nearest&channels=3": "say frames=N",
        f"{model}&tak=first": "option 'tak' is unknown; there are .*, take",
    }.items():
        with pytest.raises(InvalidRestorerError, match=expected):
            create(name)
    with pytest.raises(InvalidRestorerError, match="frames=4: the model takes 5"):
        take_frames(create(model), "first", number=4)
    anything = create("denoise/mean")
    with pytest.raises(InvalidRestorerError, match="takes any number of frames; leave take out, or say frames=N"):
        take_frames(anything, "first")
    burst = make_colour_burst(height=32, width=32, num_frames=6).burst
    some = take_frames(anything, "first", number=3).restore(burst)
    np.testing.assert_array_equal(some, anything.restore(burst.subset([1, 2])))
