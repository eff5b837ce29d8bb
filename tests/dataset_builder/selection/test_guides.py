"""Guides on a planted game whose gains are known, the baselines against brute force, and policies at their edges."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dataset_builder.selection import POLICIES, Guide, choose_frames, measure_guides, summarise_gains
from dataset_builder.selection.guides import measure_sharpness
from dataset_builder.selection.policies import PARTS, choose_sizes
from restorers import CFA, Burst, Domain

WORTH = {1: 2.0, 2: -1.0, 3: 0.5, 4: -0.25, 5: 1.0, 6: 0.125, 7: -3.0, 8: 0.75}


class PlantedGame:
    """v(S) = 30 + Σ worth of S, over frames 1..8 beside the reference 0; whether its subsets can be enumerated is planted too."""

    def __init__(self, worth, *, enumerable=True):
        self.worth, self.enumerable = worth, enumerable
        self.others = tuple(worth)

    def value(self, members):
        return 30 + sum(self.worth[frame] for frame in members)

    def expect(self, subsets):
        pass

    def enumerate_values(self):
        if not self.enumerable:
            return None
        subsets = [[f for bit, f in enumerate(self.others) if number >> bit & 1] for number in range(2**8)]
        return np.array([self.value(members) for members in subsets])


def measure(choice, judge=None, guides=()):
    rows = measure_guides(choice, judge or choice, guides, np.random.default_rng(0))
    return pd.DataFrame(rows).set_index(["guide", "policy"])


def guide(worth, name="labels", *, signed=True):
    return Guide(name, (None, *(worth[frame] for frame in range(1, 9))), signed)


def test_gains_of_a_planted_game():
    table = measure(PlantedGame(WORTH), guides=[guide(WORTH)])
    total = sum(WORTH.values())
    assert table.loc[("labels", "drop_harmful"), "gain"] == pytest.approx(1 + 0.25 + 3)
    assert table.loc[("labels", "drop_harmful"), "kept"] == 5
    for policy, kept in (("best_quarter", 2), ("best_half", 4), ("best_three_quarters", 6)):
        best = sum(sorted(WORTH.values(), reverse=True)[:kept])
        mean = np.mean([sum(WORTH[frame] for frame in subset) for subset in combinations(WORTH, kept)])
        row = table.loc[("labels", policy)]
        assert (row["gain"], row["kept"]) == (pytest.approx(best - total), kept)
        assert row["over_random"] == pytest.approx(best - mean)
        assert table.loc[("random", policy), "gain"] == pytest.approx(mean - total)
    # In an additive game the scores say all: no subset is better.
    for policy in POLICIES:
        assert table.loc[("oracle", policy), "gain"] == pytest.approx(table.loc[("labels", policy), "gain"])


def test_frames_chosen_on_one_noise_are_judged_on_the_other():
    rng = np.random.default_rng(1)
    noisy = [{frame: worth + rng.normal(0, 1) for frame, worth in WORTH.items()} for _ in range(2)]
    choice, judge = map(PlantedGame, noisy)
    table = measure(choice, judge, [guide(noisy[0])])
    kept = choose_frames(guide(noisy[0]).array, range(1, 9), "best_half")
    for noise, column in ((noisy[1], "gain"), (noisy[0], "same_noise")):
        expected = sum(noise[frame] for frame in kept) - sum(noise.values())
        assert table.loc[("labels", "best_half"), column] == pytest.approx(expected)
    # What helped to choose flatters the choice.
    assert (table.loc["oracle", "same_noise"] > table.loc["oracle", "gain"]).all()


@pytest.mark.parametrize("enumerable", [True, False])
def test_oracle_labels_and_chance_come_in_this_order(enumerable):
    games = [PlantedGame(WORTH, enumerable=enumerable) for _ in range(2)]
    rough = {frame: worth + 0.6 * (-1) ** frame for frame, worth in WORTH.items()}
    gain = measure(*games, [guide(rough), guide(rough, "pixels", signed=False)])["gain"]
    for policy in POLICIES:
        if enumerable:
            assert gain["oracle", policy] >= gain["labels", policy]
        if policy != "drop_harmful":
            assert gain["labels", policy] > gain["random", policy]
    assert ("pixels", "drop_harmful") not in gain.index  # its 0 means nothing
    assert ("oracle" in gain.index.get_level_values(0)) == enumerable


def test_random_subsets_stand_for_all_where_these_are_too_many():
    exact = measure(PlantedGame(WORTH))["gain"]
    rows = [
        measure_guides(game, game, (), np.random.default_rng(seed))
        for seed in range(200)
        for game in [PlantedGame(WORTH, enumerable=False)]
    ]
    sampled = pd.DataFrame([row for part in rows for row in part]).groupby(["guide", "policy"])["gain"].mean()
    for policy in ("best_quarter", "best_half", "best_three_quarters"):
        assert sampled["random", policy] == pytest.approx(exact["random", policy], abs=0.3)


@given(st.integers(1, 40))
def test_sizes_keep_at_least_one_frame_and_not_all(others):
    sizes = choose_sizes(others)
    assert tuple(sizes) == PARTS
    assert all(1 <= size <= max(1, others - 1) for size in sizes.values())
    assert list(sizes.values()) == sorted(sizes.values())


def test_frames_without_a_score_are_the_last_choice_and_never_harmful():
    scores = np.array([np.nan, -1.0, np.nan, 2.0, 0.0])
    assert choose_frames(scores, (1, 2, 3, 4), "drop_harmful") == {2, 3, 4}
    assert choose_frames(scores, (1, 2, 3, 4), "best_quarter") == {3}
    assert choose_frames(scores, (1, 2, 3, 4), "best_three_quarters") == {1, 3, 4}
    with pytest.raises(ValueError, match="expected one of drop_harmful"):
        choose_frames(scores, (1, 2, 3, 4), "best_third")


def test_blur_costs_sharpness_whatever_the_exposure():
    import cv2

    sharp = np.random.default_rng(2).uniform(0.2, 0.6, (32, 32)).astype(np.float32)
    frames = np.stack([sharp, cv2.GaussianBlur(sharp, (0, 0), 2), 0.5 * sharp])
    burst = Burst(frames, 0, domain=Domain.RAW_BAYER, cfa=CFA.GRBG, exposure_ratio=np.array([1.0, 1.0, 0.5]))
    first, blurred, darker = measure_sharpness(burst)
    assert blurred < 0.2 * first
    assert darker == pytest.approx(first, rel=1e-5)


def test_means_by_preset_with_intervals_over_scenes():
    same = {"scenario": "denoise/mean", "metric": "psnr", "unit": "dB", "guide": "oracle", "policy": "best_half"}
    same |= {"judged": "other noise", "kept": 0.5, "over_random": 1.0, "same_noise": 2.0}
    rows = [
        {
            **same,
            "burst_id": f"{preset}{number}",
            "scene_id": f"s{number // 2}",
            "preset": preset,
            "gain": gain + number,
        }
        for preset, gain in (("night", 10.0), ("action", 0.0))
        for number in range(4)
    ]
    table = summarise_gains(pd.DataFrame(rows)).set_index("preset")
    assert table["gain"].to_dict() == {"action": 1.5, "night": 11.5}
    assert table["scenes"].tolist() == [2, 2]
    assert table.loc["night", "bursts"] == 4
    # Two scenes with means 0.5 and 2.5: t with one degree of freedom.
    assert table.loc["action", "high"] == pytest.approx(1.5 + 12.7062 * 1.0, rel=1e-4)
    assert (table["over_random_low"] == 1).all()
