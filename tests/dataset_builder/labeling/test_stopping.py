"""When sampling stops."""

import numpy as np
import pytest

from dataset_builder.labeling.stopping import (
    MOST_EVALUATIONS,
    Error,
    Evaluations,
    Ranks,
    Spread,
    Standing,
    find_resolution,
    parse_rule,
)
from restorers.fidelity import METRICS

SCORES = np.array([0.0, 1.0, 2.0, 5.0])


def stand(error=0.1, *, evaluations=100, earlier=None, scores=SCORES, resolution=0.0):
    return Standing(scores, np.full(len(scores), error), earlier, evaluations, resolution)


def test_the_error_may_be_a_share_of_the_spread_whatever_the_unit():
    spread = SCORES.std()
    for unit in (1e-6, 1.0, 1e3):
        assert Spread(0.25).is_met(stand(0.2499 * spread * unit, scores=SCORES * unit))
        assert not Spread(0.25).is_met(stand(0.2501 * spread * unit, scores=SCORES * unit))


def test_one_frame_that_is_uncertain_keeps_sampling_going():
    error = np.array([0.01, 0.01, 0.01, 3.0])
    assert not Spread(0.25).is_met(Standing(SCORES, error, None, 100))
    assert not Error(2.9).is_met(Standing(SCORES, error, None, 100))
    assert Error(3.0).is_met(Standing(SCORES, error, None, 100))


def test_frames_that_are_alike_are_not_told_apart_below_the_resolution():
    alike = SCORES * 1e-9
    assert not Spread(0.25).is_met(stand(0.004, scores=alike))
    assert Spread(0.25).is_met(stand(0.004, scores=alike, resolution=0.005))
    assert Spread(0.25).is_met(stand(0.0, scores=np.zeros(3)))


def test_every_metric_states_its_resolution():
    resolutions = {name: find_resolution(metric) for name, metric in METRICS.items()}
    assert all(resolution > 0 for resolution in resolutions.values())
    assert (resolutions["psnr"], resolutions["ssim"], resolutions["mse_held_out"]) == (0.005, 5e-5, 1e-8)


def test_ranks_have_settled_when_they_were_the_same_with_half_of_the_sample():
    assert not Ranks(0.1).is_met(stand(earlier=None))
    assert Ranks(1).is_met(stand(earlier=SCORES**3))
    swapped = SCORES[[1, 0, 2, 3]]  # Spearman 1 − 6·2 / (4·15) = 0.8
    assert Ranks(0.8 - 1e-9).is_met(stand(earlier=swapped))
    assert not Ranks(0.8 + 1e-9).is_met(stand(earlier=swapped))
    assert not Ranks(0.1).is_met(stand(earlier=np.zeros(4)))
    assert Ranks(1).is_met(stand(scores=np.ones(4), earlier=np.zeros(4)))


def test_criteria_combine():
    rule = Spread(0.25) & Ranks(0.9) | Evaluations(500)
    small, large = 0.01, 10.0
    assert rule.is_met(stand(small, earlier=SCORES))
    assert not rule.is_met(stand(large, earlier=SCORES))
    assert not rule.is_met(stand(small, earlier=-SCORES))
    assert rule.is_met(stand(large, evaluations=500))
    assert str(rule) == "spread(0.25)&ranks(0.9)|evaluations(500)"
    # Written without brackets, a disjunction in a conjunction is multiplied out.
    assert str(Spread(0.25) & (Ranks(0.9) | Error(1))) == "spread(0.25)&ranks(0.9)|spread(0.25)&error(1)"
    assert str((Ranks(0.9) | Error(1)) & Spread(0.25)) == "ranks(0.9)&spread(0.25)|error(1)&spread(0.25)"


@pytest.mark.parametrize(
    ("text", "canonical", "cap"),
    [
        ("spread(0.25)", f"spread(0.25)|evaluations({MOST_EVALUATIONS})", MOST_EVALUATIONS),
        ("ranks(0.9)&error(0.050)|evaluations(70)", "ranks(0.9)&error(0.05)|evaluations(70)", 70),
        ("evaluations(90)&spread(1)", f"evaluations(90)&spread(1)|evaluations({MOST_EVALUATIONS})", MOST_EVALUATIONS),
        ("evaluations(90)&evaluations(70)", "evaluations(90)&evaluations(70)", 90),
        ("evaluations(90)|evaluations(70)", "evaluations(90)|evaluations(70)", 70),
    ],
)
def test_rules_are_read_and_always_capped(text, canonical, cap):
    rule = parse_rule(text)
    assert str(rule) == canonical
    assert rule.cap == cap
    assert parse_rule(canonical) == rule


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "expected spread"),
        ("spread", "expected spread"),
        ("spread(0.25", "expected spread"),
        ("spread(0.25) & error(1)", "expected spread"),
        ("(spread(0.25)|error(1))&ranks(1)", "expected spread"),
        ("variance(1)", "expected spread"),
        ("spread(0)", "a share above 0"),
        ("spread(1.5)", "a share above 0"),
        ("error(0)", "a positive number"),
        ("ranks(2)", "a rank correlation"),
        ("evaluations(0)", "a whole number"),
        ("evaluations(1.5)", "a whole number"),
        ("error(-1)", "expected spread"),
        ("error(nan)", "expected spread"),
    ],
)
def test_rules_that_mean_nothing_are_refused(text, complaint):
    with pytest.raises(ValueError, match=complaint):
        parse_rule(text)
