"""Intervals, selection, splits, bias, features: against SciPy, brute force and planted truth."""

import dataclasses
import itertools

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dataset_builder.audit.factors import discount_shifts, find_shift_errors
from dataset_builder.audit.features import draw_bursts, measure_frames
from dataset_builder.audit.pixels import measure_pixels
from dataset_builder.audit.statistics import (
    assess_randomness,
    balance_best,
    bound_selection,
    compare_distributions,
    compare_groups,
    compare_noise,
    correlate_estimators,
    correlate_metrics,
    correlate_scenarios,
    find_disagreements,
    find_outliers,
    list_below_noise,
    locate_best,
    measure_label_noise,
    measure_precision,
    measure_selection,
    order_scenarios,
    summarise_curves,
)
from dataset_builder.audit.statistics.ranks import find_best
from dataset_builder.audit.statistics.selection import ONE_MORE, WITHOUT_ONE
from dataset_builder.audit.tables import Labels, Tables, build_score_matrix, find_label_sets, read_tables
from manifests.intervals import SceneIntervals
from tests.audit_dataset import write_audit_dataset


def make_matrix(sets, *, scenes=None, reference=None, noise=np.nan, metric="psnr"):
    """A matrix of label sets; `sets` maps (scenario, estimator) to scores [bursts, frames], each moved by `noise`."""
    shape = next(iter(sets.values())).shape
    names = [f"b{place:03d}" for place in range(shape[0])]
    keys = [(name, index) for name in names for index in range(shape[1])]
    frames = pd.DataFrame(keys, columns=["burst_id", "frame_index"])
    labels = pd.concat(
        [
            frames.assign(
                scenario=scenario,
                estimator=estimator,
                metric=metric,
                unit="dB",
                score=scores.ravel(),
                std_error=0.0,
                noise_error=np.broadcast_to(noise, scores.shape).ravel(),
            )
            for (scenario, estimator), scores in sets.items()
        ]
    )
    bursts = pd.DataFrame({"burst_id": names, "scene_id": scenes or names, "reference_index": reference or 0})
    splits = pd.DataFrame(columns=["burst_id", "scene_id", "split"])
    matrix = build_score_matrix(
        Tables(bursts, frames, Labels((lambda: labels,), find_label_sets(labels)), splits, pd.DataFrame())
    )
    return matrix, SceneIntervals(matrix.scenes)


NO_FRAMES = pd.DataFrame({"burst_id": [], "frame_index": []})


class TestRanks:
    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.lists(st.sampled_from([np.nan, 0.0, 1.0, 2.0]), min_size=1, max_size=5), min_size=1, max_size=5))
    def test_the_best_is_the_first_of_the_highest(self, bursts):
        groups = np.repeat(np.arange(len(bursts)), [len(values) for values in bursts])
        found = find_best(np.concatenate(bursts), groups, len(bursts))
        start = 0
        for place, values in enumerate(bursts):
            known = [value for value in values if not np.isnan(value)]
            expected = start + values.index(max(known)) if len(set(known)) > 1 else -1
            assert found[place] == expected
            start += len(values)

    def test_pairs_with_different_gaps_are_ranked_over_what_both_know(self):
        random = np.random.default_rng(4)
        first, second, third = random.normal(size=(3, 6, 8))
        first[:, 0], second[2:4, 1:3], third[:, 7] = np.nan, np.nan, np.nan
        matrix, intervals = make_matrix({("a/a", "solo"): first, ("b/b", "solo"): second, ("c/c", "solo"): third})
        table = correlate_scenarios(matrix, intervals).set_index(["scenario", "other_scenario"])["spearman"]
        for (one, x), (other, y) in itertools.combinations({"a/a": first, "b/b": second, "c/c": third}.items(), 2):
            expected = [
                stats.spearmanr(x[burst][kept], y[burst][kept]).statistic
                for burst in range(6)
                if (kept := np.isfinite(x[burst]) & np.isfinite(y[burst])).sum() >= 3
            ]
            assert table[one, other] == pytest.approx(np.mean(expected))


class TestAgreement:
    def test_scenarios_that_agree_stand_together(self):
        random = np.random.default_rng(5)
        one, other = random.normal(size=(2, 20, 8))
        sets = {("a/a", "solo"): one, ("b/b", "solo"): other, ("c/c", "solo"): one + 0.1, ("d/d", "solo"): other - 1}
        matrix, intervals = make_matrix(sets)
        order = order_scenarios(correlate_scenarios(matrix, intervals), ["a/a", "b/b", "c/c", "d/d"])
        assert abs(order.index("a/a") - order.index("c/c")) == 1
        assert abs(order.index("b/b") - order.index("d/d")) == 1

    def test_quarrels_are_first_here_and_last_there(self):
        random = np.random.default_rng(6)
        one = random.normal(size=(3, 6))
        other = one + 0.01 * random.normal(size=(3, 6))
        one[1, 4], other[1, 4] = 9, -9
        matrix, _ = make_matrix({("a/a", "solo"): one, ("b/b", "solo"): other})
        found = find_disagreements(matrix)
        assert found.iloc[0][["burst_id", "frame_index", "scenario", "other_scenario"]].tolist() == [
            "b001",
            4,
            "a/a",
            "b/b",
        ]
        assert found.iloc[0][["rank", "other_rank"]].tolist() == [1.0, 0.0]

    def test_estimators_of_one_scenario_are_compared(self):
        scores = np.random.default_rng(7).normal(size=(5, 6))
        matrix, intervals = make_matrix(
            {("a/a", "solo"): scores, ("a/a", "shapley"): scores**3, ("b/b", "solo"): -scores}
        )
        table = correlate_estimators(matrix, intervals)
        assert table[["scenario", "estimator", "other_estimator", "spearman", "same_best"]].to_numpy().tolist() == [
            ["a/a", "shapley", "solo", 1.0, 1.0]
        ]

    def test_metrics_of_one_scenario_are_compared(self):
        scores = np.random.default_rng(7).normal(size=(5, 6))
        matrix, bootstrap = make_matrix({("a/a", "solo"): scores, ("a/a", "shapley"): scores, ("b/b", "solo"): -scores})
        assert correlate_metrics(matrix, bootstrap).empty
        sets = matrix.sets.assign(estimator="solo", metric=["psnr", "psnr_srgb", "psnr"])
        table = correlate_metrics(dataclasses.replace(matrix, sets=sets), bootstrap)
        names = ["scenario", "estimator", "metric", "other_metric", "spearman", "bursts"]
        assert table[names].to_numpy().tolist() == [["a/a", "solo", "psnr", "psnr_srgb", 1.0, 5]]

    def test_p_values_of_random_orders_are_not_small(self):
        """Under randomness, at most about 5 % of p-values lie below 0.05; a true order has a tiny one."""
        random = np.random.default_rng(8)
        values = []
        for _ in range(60):
            matrix, _ = make_matrix({("a/a", "solo"): random.normal(size=(20, 6))})
            evidence = {f"x{place}": random.normal(size=120) for place in range(3)}
            values.append(assess_randomness(matrix, evidence)["p_value"][0])
        assert np.mean(np.array(values) < 0.05) <= 0.12
        matrix, _ = make_matrix({("a/a", "solo"): random.normal(size=(20, 6))})
        assert assess_randomness(matrix, {"same": matrix.values[0] * 2})["p_value"][0] < 1e-9


class TestSelection:
    def test_gains_are_those_of_the_definition(self):
        loss = np.array([[np.nan, 0.5, -0.2, 0.1], [np.nan, 0.3, 0.2, 0.1]])
        matrix, intervals = make_matrix({("a/a", "leave_one_out"): loss, ("a/a", "add_one"): loss})
        table = measure_selection(matrix, intervals).set_index("choice")
        # The first burst gains 0.2 without frame 2, the second has no frame that harms.
        assert table.loc[WITHOUT_ONE, "best"] == pytest.approx((0.2 + 0) / 2)
        assert table.loc[WITHOUT_ONE, "random"] == pytest.approx(-np.nanmean(loss))
        assert table.loc[WITHOUT_ONE, "first"] == pytest.approx(-(0.1 + 0.1) / 2)
        assert table.loc[ONE_MORE, "best"] == pytest.approx((0.5 + 0.3) / 2)
        assert table.loc[ONE_MORE, "first"] == pytest.approx((0.5 + 0.3) / 2)

    def test_curves_are_means_of_differences_to_all_frames_for_each_preset(self):
        rows = []
        for burst, whole, one in (("a", 30.0, 31.0), ("b", 40.0, 38.0), ("c", 20.0, 25.0)):
            base = {"burst_id": burst, "scenario": "s/s", "metric": "psnr", "unit": "dB"}
            rows.append({**base, "guide": "all", "policy": "", "kept": 4, "fidelity": whole})
            rows.append({**base, "guide": "labels", "policy": "best_one", "kept": 1, "fidelity": one})
            rows.append({**base, "guide": "labels", "policy": "drop_harmful", "kept": 3, "fidelity": max(one, whole)})
        presets = pd.Series({"a": "night", "b": "night", "c": "kpn"})
        table = summarise_curves(pd.DataFrame(rows), presets).set_index(["preset", "guide", "policy"])
        assert table.loc[("night", "labels", "best_one"), "gain"] == pytest.approx(-0.5)
        assert table.loc[("night", "labels", "drop_harmful"), "gain"] == pytest.approx(0.5)
        assert table.loc[("night", "labels", "drop_harmful"), "bursts"] == 2
        assert table.loc[("kpn", "labels", "best_one"), "gain"] == pytest.approx(5)

    def test_gains_say_what_a_perfect_selector_gains_and_curves_stand_in_for_them(self):
        shared = {"metric": "psnr", "unit": "dB", "guide": "oracle", "policy": "drop_harmful"}
        curves = pd.DataFrame(
            [{**shared, "scenario": name, "preset": "kpn", "gain": 0.25, "bursts": 1} for name in ("s/s", "t/t")]
        )
        row = {**shared, "scenario": "t/t", "preset": "night", "gain": 0.125, "bursts": 4}
        others = ({}, {"policy": "best_half"}, {"guide": "first", "policy": "best_half"})
        table = bound_selection(pd.DataFrame([{**row, **other} for other in others]), curves)
        rows = table[["scenario", "preset", "gain", "bursts"]].to_numpy().tolist()
        assert rows == [["s/s", "kpn", 0.25, 1], ["t/t", "night", 0.125, 4]]


class TestSplits:
    def test_distance_is_that_of_kolmogorov_and_smirnov(self):
        random = np.random.default_rng(9)
        scores = random.normal(size=(40, 6))
        scores[20:] += 0.8
        matrix, _ = make_matrix({("a/a", "solo"): scores})
        splits = pd.DataFrame({"burst_id": matrix.burst_ids, "split": ["test"] * 20 + ["train"] * 20})
        row = compare_distributions(matrix, splits).iloc[0]
        expected = stats.ks_2samp(scores[:20].ravel(), scores[20:].ravel()).statistic
        assert row["ks"] == pytest.approx(expected, abs=0.02)
        assert row["p_value"] < 0.01
        assert row["scenes"] == 20

    def test_few_scenes_are_dealt_in_all_ways(self):
        """Against every deal by brute force."""
        random = np.random.default_rng(20)
        scores = random.normal(size=(7, 5)) + np.arange(7)[:, None] * 0.3
        matrix, _ = make_matrix({("a/a", "solo"): scores})
        splits = pd.DataFrame({"burst_id": matrix.burst_ids, "split": ["test"] * 3 + ["train"] * 4})
        row = compare_distributions(matrix, splits).iloc[0]
        distances = []
        for test in itertools.combinations(range(7), 3):
            inside = np.isin(np.arange(7), test)
            distances.append(stats.ks_2samp(scores[inside].ravel(), scores[~inside].ravel()).statistic)
        assert row["ks"] == pytest.approx(distances[0])
        assert row["p_value"] == pytest.approx(np.mean(np.array(distances) >= distances[0] - 1e-9))
        assert row["least_p_value"] == pytest.approx(1 / 35)

    def test_equal_splits_may_be_swapped(self):
        scores = np.repeat([[0.0], [0.0], [9.0], [9.0]], 4, axis=1) + np.random.default_rng(21).normal(size=(4, 4))
        matrix, _ = make_matrix({("a/a", "solo"): scores})
        splits = pd.DataFrame({"burst_id": matrix.burst_ids, "split": ["test"] * 2 + ["train"] * 2})
        row = compare_distributions(matrix, splits).iloc[0]
        assert row["p_value"] == row["least_p_value"] == pytest.approx(1 / 3)

    def test_of_many_scenes_small_p_values_are_found_to_be_small(self):
        random = np.random.default_rng(22)
        scores = random.normal(size=(60, 4))
        scores[:30] += 2
        matrix, _ = make_matrix({("a/a", "solo"): scores})
        splits = pd.DataFrame({"burst_id": matrix.burst_ids, "split": ["test"] * 30 + ["train"] * 30})
        # 100 tests would still leave this below 0.01.
        assert compare_distributions(matrix, splits)["p_value"][0] < 1e-4

    def test_index_is_that_of_its_formula(self):
        scores = np.arange(200.0).reshape(20, 10)
        matrix, _ = make_matrix({("a/a", "solo"): np.sort(scores.ravel()).reshape(20, 10)[::-1].copy()})
        names = list(matrix.burst_ids)
        splits = pd.DataFrame({"burst_id": names, "split": ["test" if place % 4 else "train" for place in range(20)]})
        values, test = matrix.values[0], np.repeat([place % 4 > 0 for place in range(20)], 10)
        edges = np.quantile(values, np.arange(0.1, 0.95, 0.1))
        shares = [
            np.bincount(np.searchsorted(edges, values[part]), minlength=10) / part.sum() for part in (test, ~test)
        ]
        p, q = (np.maximum(share, 1e-4) for share in shares)
        assert compare_distributions(matrix, splits)["psi"][0] == pytest.approx(((p - q) * np.log(p / q)).sum())

    def test_scenes_that_differ_by_nature_are_no_shift(self):
        """Each scene has its own level; dealing scenes to two splits by chance gives large distances and unremarkable p-values."""
        random = np.random.default_rng(10)
        values = []
        for _ in range(20):
            levels = np.repeat(random.normal(0, 5, 8), 5)
            matrix, _ = make_matrix(
                {("a/a", "solo"): levels[:, None] + random.normal(size=(40, 4))},
                scenes=[f"s{place // 5}" for place in range(40)],
            )
            deal = dict(enumerate(random.permutation(["test"] * 4 + ["train"] * 4)))
            splits = pd.DataFrame({"burst_id": matrix.burst_ids, "split": [deal[place // 5] for place in range(40)]})
            row = compare_distributions(matrix, splits).iloc[0]
            assert row["ks"] > 0.15
            values.append(row["p_value"])
        assert min(values) > 0.01
        assert 0.25 < np.mean(values) < 0.75

    def test_best_frames_are_counted_by_thirds(self):
        scores = np.tile([np.nan, 1.0, 2.0, 3.0, 4.0, 5.0, 9.0], (4, 1))
        scores[0] = scores[0][::-1]
        matrix, _ = make_matrix({("a/a", "solo"): scores})
        splits = pd.DataFrame({"burst_id": matrix.burst_ids, "split": "train"})
        table = balance_best(matrix, splits).set_index("part")["share"]
        assert table.to_dict() == {"first third": 0.25, "middle third": 0.0, "last third": 0.75}


class TestBias:
    def test_positions_add_up_and_favourites_show(self):
        scores = np.random.default_rng(11).normal(size=(50, 5))
        scores[:, 0] = np.nan
        scores[:40, 2] = 9
        table = locate_best(make_matrix({("a/a", "solo"): scores})[0]).set_index("frame_index")
        assert table["best_share"].sum() == pytest.approx(1)
        assert table["expected_share"].sum() == pytest.approx(1)
        assert 0 not in table.index
        assert table.loc[2, "best_share"] >= 0.8

    def test_groups_explain_what_lies_between_them(self):
        scores = np.random.default_rng(12).normal(size=(30, 4))
        scores[:15] += 3
        matrix, _ = make_matrix({("a/a", "solo"): scores})
        names = list(matrix.burst_ids)
        bursts = pd.DataFrame(
            {"burst_id": names, "source": ["x"] * 15 + ["y"] * 15, "preset": "p", "width": 8, "height": 8}
        )
        table = compare_groups(matrix, bursts)
        assert table["grouping"].unique().tolist() == ["source"]
        means = scores.mean(axis=1)
        f_statistic = stats.f_oneway(means[:15], means[15:]).statistic
        assert table["explained"][0] == pytest.approx(f_statistic / (f_statistic + 28))

    def test_precision_compares_spread_and_error(self):
        scores = np.random.default_rng(13).normal(size=(9, 6))
        matrix, _ = make_matrix({("a/a", "solo"): scores}, noise=0.2)
        matrix.std_errors[:] = 0.15
        row = measure_precision(matrix).iloc[0]
        spread = np.median(scores.std(axis=1, ddof=1))
        assert row["median_spread"] == pytest.approx(spread)
        assert row["signal"] == pytest.approx(spread / 0.15)
        assert row["median_noise"] == 0.2
        ordered = np.sort(scores, axis=1)
        lead = ordered[:, -1] - ordered[:, -2]
        assert row["clear_best"] == pytest.approx(np.mean(lead >= stats.norm.ppf(0.975) * 0.25 * np.sqrt(2)))

    def test_an_error_of_zero_is_no_certainty_while_noise_is_unknown(self):
        scores = np.random.default_rng(14).normal(size=(9, 6))
        exact, _ = make_matrix({("a/a", "add_one"): scores})
        assert np.isnan(measure_precision(exact)["clear_best"][0])
        assert measure_label_noise(exact, np.array(["night"] * 9, object)).empty
        # Parts of one burst differ by its noise as well: there is no other to count.
        parts, _ = make_matrix({("a/a", "add_one"): scores}, metric="mse_held_out")
        parts.std_errors[:] = 1e-3
        assert measure_precision(parts)["clear_best"][0] == 1

    def test_noise_of_labels_is_found_by_preset(self):
        """Planted: frames of `night` are worth 1 apart and their labels move by 0.5; those of `kpn` are all worth the same."""
        random = np.random.default_rng(15)
        worth = np.concatenate([random.normal(0, 1, (300, 8)), np.zeros((300, 8))])
        scores = worth + random.normal(0, 0.5, worth.shape)
        matrix, _ = make_matrix({("a/a", "add_one"): scores}, noise=0.5)
        presets = np.array(["night"] * 300 + ["kpn"] * 300, object)
        table = measure_label_noise(matrix, presets).set_index("preset")
        assert table["noise_error"].tolist() == pytest.approx([0.5, 0.5])
        assert table.loc["night", "reliability"] == pytest.approx(1 / 1.25, abs=0.02)
        assert table.loc["kpn", "reliability"] == pytest.approx(0, abs=0.06)
        # The variance of eight scores follows χ² of seven degrees: below twice that of the noise it is of this many bursts.
        for preset, variance in (("night", 1.25), ("kpn", 0.25)):
            expected = stats.chi2.cdf(7 * 2 * 0.25 / variance, 7)
            assert table.loc[preset, "below_noise"] == pytest.approx(expected, abs=0.05)
        found = list_below_noise(matrix, presets)
        assert len(found) == round(300 * table["below_noise"].sum())
        assert found["signal"].max() <= np.sqrt(2)
        # What is called clear is so: the frame is truly the better one of the two.
        ordered = np.argsort(scores[:300], axis=1)
        best, second = (np.take_along_axis(worth[:300], ordered[:, [place]], 1)[:, 0] for place in (-1, -2))
        lead = np.sort(scores[:300], axis=1)
        clear = lead[:, -1] - lead[:, -2] >= stats.norm.ppf(0.975) * 0.5 * np.sqrt(2)
        assert table.loc["night", "clear_best"] == pytest.approx(clear.mean())
        assert (best > second)[clear].mean() > 0.9

    def test_outliers_are_measured_in_quartile_ranges(self):
        names = {"scenario": "s/s", "estimator": "solo", "metric": "psnr", "unit": "dB", "burst_id": "a"}
        labels = pd.DataFrame({**names, "frame_index": range(101), "score": np.append(np.arange(100.0), 350.0)})
        low, high = np.quantile(labels["score"], [0.25, 0.75])
        row = find_outliers(labels, NO_FRAMES).iloc[0]
        assert row["frame_index"] == 100
        assert row["distance"] == pytest.approx((350 - high) / (high - low))

    @pytest.mark.parametrize(("extreme", "far"), [(12.0, False), (600.0, True)])
    def test_long_tails_are_no_outliers(self, extreme, far):
        # Most gains are next to nothing, those of one preset are not.
        scores = np.concatenate([np.linspace(-0.01, 0.01, 800), np.linspace(-10, 10, 200), [extreme]])
        names = {"scenario": "s/s", "estimator": "leave_one_out", "metric": "psnr", "unit": "dB", "burst_id": "a"}
        labels = pd.DataFrame({**names, "frame_index": range(1001), "score": scores})
        row = find_outliers(labels, NO_FRAMES).iloc[0]
        assert row["frame_index"] == 1000
        low, high = np.quantile(scores, [0.05, 0.95])
        assert row["distance"] == pytest.approx((extreme - np.quantile(scores, 0.75)) / (high - low) * 2.4387, rel=1e-4)
        assert (row["distance"] > 50) == far

    def test_frames_that_were_made_useless_are_no_outliers(self):
        names = {"scenario": "s/s", "estimator": "solo", "metric": "psnr", "unit": "dB", "burst_id": "a"}
        labels = pd.DataFrame({**names, "frame_index": range(101), "score": [*range(99), 200.0, 350.0]})
        for burst_id, extreme in (("a", 99), ("b", 100)):
            useless = pd.DataFrame({"burst_id": [burst_id], "frame_index": [100]})
            assert find_outliers(labels, useless).iloc[0]["frame_index"] == extreme


class Idle:
    """Workers who must have nothing to do."""

    device = "cpu"

    def run(self, units, _root):
        if list(units):
            pytest.fail("measured again")
        return iter(())


class TestFeatures:
    @pytest.mark.parametrize("sigma", [0.01, 0.05])
    @pytest.mark.parametrize("domain", ["raw_bayer", "linear_rgb"])
    def test_noise_of_a_flat_picture_is_measured(self, sigma, domain):
        shape = (128, 128) if domain == "raw_bayer" else (128, 128, 3)
        image = (0.4 + np.random.default_rng(14).normal(0, sigma, shape)).astype(np.float32)
        brightness, _, _, noise, signal = measure_pixels(image, domain)
        assert noise == pytest.approx(sigma, rel=0.05)
        assert signal == pytest.approx(0.4, abs=0.01)
        assert brightness == pytest.approx(0.4 ** (1 / 2.2), abs=0.01)

    def test_a_blurred_picture_is_less_sharp(self):

        sharp = np.random.default_rng(15).uniform(0, 1, (64, 64, 3)).astype(np.float32)
        assert measure_pixels(cv2.GaussianBlur(sharp, (0, 0), 2), "srgb")[2] < 0.1 * measure_pixels(sharp, "srgb")[2]

    def test_bursts_are_drawn_within_the_budget_whatever_their_order(self):
        bursts = pd.DataFrame({"burst_id": [f"b{i}" for i in range(20)], "num_frames": 2, "height": 10, "width": 5})
        drawn = draw_bursts(bursts, max_pixels=1000)
        assert len(drawn) == 10
        assert drawn == draw_bursts(bursts.sample(frac=1, random_state=1), max_pixels=1000)
        assert len(draw_bursts(bursts, max_pixels=1)) == 1

    @pytest.mark.slow
    def test_frames_are_measured_once(self, tmp_path):
        root = write_audit_dataset(tmp_path / "data")
        tables = read_tables(root)
        first = measure_frames(root, tables.bursts, tables.frames)
        again = measure_frames(root, tables.bursts, tables.frames, workers=Idle())
        pd.testing.assert_frame_equal(first.frames, again.frames)
        (root / "audit" / "features.parquet").write_bytes(b"damaged")
        with pytest.raises(pytest.fail.Exception):
            measure_frames(root, tables.bursts, tables.frames, workers=Idle())


def test_an_estimated_shift_within_its_error_is_no_motion():
    """A registered series of 1,000,000 px and less: what is estimated to half a pixel may be off by as much."""
    frames = pd.DataFrame(
        {
            "burst_id": ["a", "a", "a", "b"],
            "displacement": [0.7, 3.0, 0.7, 0.7],
            "estimated": [["displacement"], ["displacement", "sharpness"], None, ["displacement"]],
        }
    )
    bursts = pd.DataFrame(
        {"burst_id": ["a", "b"], "domain": ["srgb", "raw_bayer"], "height": [720, 3000], "width": [1080, 4000]}
    )
    assert find_shift_errors(frames, bursts)[[0, 1, 3]].tolist() == [0.5, 0.5, 2.0]
    assert discount_shifts(frames, bursts)["displacement"].tolist() == [0.0, 3.0, 0.7, 0.0]


def test_noise_that_was_drawn_is_not_judged_by_the_texture_of_its_scenes():
    frames = pd.DataFrame(
        {"burst_id": ["a", "b"], "shot_noise": 0.0, "read_noise": 1e-4, "noise": [0.03, 0.02], "signal": 0.2}
    )
    bursts = pd.DataFrame(
        {"burst_id": ["a", "b"], "source": ["drawn", "taken"], "ground_truth_kind": ["exact", "none"]}
    )
    table = compare_noise(frames, bursts).set_index("source")
    assert np.isnan(table.loc["drawn", "excess"])
    assert table.loc["taken", "excess"] == pytest.approx(2)
    assert table["stated_ratio"].tolist() == pytest.approx([1, 1])
