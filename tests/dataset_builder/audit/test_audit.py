"""The audit: statistics against SciPy and brute force, and a report that shows hostile data as text."""

import base64
import json
import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dataset_builder.audit.audit import audit_dataset
from dataset_builder.audit.burst_view import view_bursts
from dataset_builder.audit.collect import STATISTICS, build_tidy_table
from dataset_builder.audit.report.answers import answer_all
from dataset_builder.audit.report.charts import draw_interval, draw_stack
from dataset_builder.audit.report.gallery import choose_extremes
from dataset_builder.audit.shown import choose_bursts, choose_frames
from dataset_builder.audit.stage import write_audit
from dataset_builder.audit.statistics import (
    choose_label_sets,
    compare_spread,
    correlate_factors,
    correlate_scenarios,
    correlate_within,
    count_overlap,
    explain_ranks,
    histogram_scores,
    summarise_scores,
)
from dataset_builder.audit.tables import Labels, Tables, build_score_matrix, find_label_sets, read_tables
from dataset_builder.audit.wording import format_number, format_score, format_score_interval, percent, shorten_middle
from manifests.errors import MissingManifestError, SchemaError, SelectionError
from manifests.intervals import SceneIntervals
from manifests.schema import BURSTS, FORMAT_VERSION, FRAMES, LABELS, SPLITS
from manifests.store import labels_path, read_dataset_table, read_table, table_path, write_table
from tests.tiny_dataset import INGESTED, LENGTHS, make_burst_row, make_frame_row, write_tiny_dataset


def make_labels(scores, *, scenario="denoise/mean", estimator="leave_one_out", unit="dB", metric="psnr"):
    """Labels of bursts `a`, `b`, ...; one list of scores per burst."""
    return (
        pd.DataFrame(
            [
                (burst, index, scenario, estimator, metric, unit, score, 0.0)
                for burst, values in zip("abcdefgh", scores, strict=False)
                for index, score in enumerate(values)
            ],
            columns=["burst_id", "frame_index", "scenario", "estimator", "metric", "unit", "score", "std_error"],
        )
        .astype({"frame_index": "int64", "score": "float64"})
        .assign(noise_error=np.nan)
    )


def make_tables(labels, *, reference_index=0, **factors):
    """Manifests for such labels; each factor is one value per label row."""
    keys = labels[["burst_id", "frame_index"]].reset_index(drop=True)
    unknown = dict.fromkeys(("shot_noise", "blur_length", "displacement", "exposure_ratio"), np.nan)
    frames = keys.assign(**{**unknown, **factors}).drop_duplicates(["burst_id", "frame_index"])
    names = labels["burst_id"].unique()
    bursts = pd.DataFrame({"burst_id": names, "reference_index": reference_index, "scene_id": names}).astype(
        {"burst_id": object}
    )
    splits = pd.DataFrame(columns=["burst_id", "scene_id", "split"])
    return Tables(
        bursts=bursts,
        frames=frames,
        labels=Labels((lambda: labels,), find_label_sets(labels)),
        splits=splits,
        failures=pd.DataFrame(),
    )


def make_matrix(labels, **factors):
    """Scores of the chosen label sets beside their frames, and intervals over scenes."""
    tables = make_tables(labels, **factors)
    matrix = build_score_matrix(tables, choose_label_sets(tables.labels.sets))
    return matrix, SceneIntervals(matrix.scenes)


def rewrite(root, kind, **changes):
    """Overwrite columns of `bursts` or `frames` with one value."""
    rows = read_dataset_table(root, kind.name).to_pylist()
    write_table(root, table_path(kind.name), kind, [{**row, **changes} for row in rows])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    root = write_tiny_dataset(tmp_path_factory.mktemp("audit") / "tiny")
    write_audit(root)
    return root


@pytest.fixture
def fresh(tmp_path):
    return write_tiny_dataset(tmp_path / "tiny")


class TestStatistics:
    values = st.one_of(st.integers(-3, 3).map(float), st.floats(-1, 1, width=16), st.just(float("nan")))

    @settings(deadline=None, max_examples=60)
    @given(st.lists(st.tuples(st.sampled_from("abc"), values, values), max_size=40))
    def test_rank_correlation_within_groups_is_that_of_scipy(self, rows):
        table = pd.DataFrame(rows, columns=["group", "x", "y"]).astype({"group": object, "x": float, "y": float})
        groups = np.array(["abc".index(group) for group in table["group"]], np.int64)
        spearman, size = correlate_within(groups, table["x"].to_numpy(), table["y"].to_numpy(), 3)
        kept = table.dropna()
        for place, group in enumerate("abc"):
            part = kept[kept["group"] == group]
            assert size[place] == len(part)
            if len(part) < 3 or part["x"].nunique() == 1 or part["y"].nunique() == 1:
                assert np.isnan(spearman[place])
            else:
                expected = stats.spearmanr(part["x"], part["y"]).statistic
                assert spearman[place] == pytest.approx(expected, abs=1e-12)

    def test_scenarios_agree_by_the_mean_over_bursts(self):
        rng = np.random.default_rng(1)
        first, second = (np.round(rng.normal(size=(4, 7)), 1) for _ in range(2))
        first[:, 0] = np.nan  # the reference
        second[3] = 1.0  # all equal: no order to agree on
        labels = pd.concat([make_labels(first), make_labels(second, scenario="sr/other@x2", estimator="solo")])
        table = correlate_scenarios(*make_matrix(labels))
        expected = np.mean([stats.spearmanr(first[burst, 1:], second[burst, 1:]).statistic for burst in range(3)])
        assert table[["scenario", "other_scenario"]].to_numpy().tolist() == [["denoise/mean", "sr/other@x2"]]
        assert table["spearman"][0] == pytest.approx(expected)
        assert table["bursts"][0] == 3

    def test_summary_is_that_of_numpy(self):
        scores = np.array([[0.5, -0.1, 0.5, np.nan], [-2.0, 0.0, 3.0, 0.25]])
        row = summarise_scores(make_labels(scores)).iloc[0]
        known = scores[~np.isnan(scores)]
        assert (row["scores"], row["missing"]) == (7, 1)
        assert row["negative_share"] == pytest.approx(2 / 7)
        assert row["tied_share"] == pytest.approx(2 / 7)
        assert row["std"] == pytest.approx(known.std(ddof=1))
        for name, quantile in (("q05", 0.05), ("q25", 0.25), ("q50", 0.5), ("q95", 0.95)):
            assert row[name] == pytest.approx(np.quantile(known, quantile))

    def test_equal_scores_of_two_label_sets_are_no_tie(self):
        labels = pd.concat([make_labels([[1.0, 2.0]]), make_labels([[1.0, 2.0]], estimator="solo")])
        assert (summarise_scores(labels)["tied_share"] == 0).all()

    def test_spread_is_a_one_way_analysis_of_variance(self):
        rng = np.random.default_rng(2)
        groups = [rng.normal(30 + offset, 1, size) for offset, size in ((0, 4), (3, 6), (-2, 9))]
        row = compare_spread(make_labels([group.tolist() for group in groups])).iloc[0]
        pooled, means = np.concatenate(groups), [group.mean() for group in groups]
        within = sum(((group - group.mean()) ** 2).sum() for group in groups)
        total = ((pooled - pooled.mean()) ** 2).sum()
        assert row["within_share"] == pytest.approx(within / total)
        assert row["within_std"] == pytest.approx(np.sqrt(within / (19 - 3)))
        assert row["between_std"] == pytest.approx(np.std(means, ddof=1))
        # The same quantities make the F statistic that SciPy gives.
        f_statistic = ((total - within) / 2) / row["within_std"] ** 2
        assert f_statistic == pytest.approx(stats.f_oneway(*groups).statistic)

    def test_spread_of_constant_scores_is_unknown(self):
        row = compare_spread(make_labels([[1.0, 1.0], [1.0, 1.0]])).iloc[0]
        assert np.isnan(row["within_share"])
        assert row["within_std"] == 0

    def test_histograms_count_every_score_on_a_common_axis(self):
        rng = np.random.default_rng(3)
        wide = rng.normal(size=(4, 200))
        wide[0, 0] = 60.0  # an outlier must not squeeze the axis
        labels = pd.concat([make_labels(wide), make_labels(wide / 10, scenario="sr/other")])
        table = histogram_scores(build_score_matrix(make_tables(labels)))
        edges = [rows["left"].tolist() for _, rows in table.groupby("scenario")]
        assert edges[0] == edges[1]
        assert 0.0 in edges[0]
        assert table["right"].max() < 10
        assert table.groupby("scenario")["count"].sum().tolist() == [800, 800]
        own = table[table["scenario"] == "denoise/mean"]
        assert own.loc[own["right"] <= 0, "count"].sum() == (wide < 0).sum()

    @pytest.mark.parametrize("scores", [[0.0, 0.0], [5.0, 5.0], [37.1, 38.9], [-0.2, -0.1]])
    def test_histogram_of_few_scores_has_increasing_edges(self, scores):
        table = histogram_scores(build_score_matrix(make_tables(make_labels([scores]))))
        assert (table["right"] > table["left"]).all()
        assert table["count"].sum() == 2

    def test_leave_one_out_stands_for_a_scenario_if_it_has_scores(self):
        nothing = make_labels([[np.nan, np.nan]], scenario="b/b")
        labels = pd.concat(
            [
                make_labels([[1.0]], estimator="solo"),
                make_labels([[1.0]], estimator="leave_one_out"),
                nothing,
                make_labels([[1.0]], scenario="b/b", estimator="marginal(4)"),
                make_labels([[1.0]], scenario="b/b", estimator="solo"),
            ]
        )
        chosen = choose_label_sets(make_tables(labels).labels.sets)
        assert chosen[["scenario", "estimator"]].to_numpy().tolist() == [
            ["b/b", "marginal(4)"],
            ["denoise/mean", "leave_one_out"],
        ]

    def test_a_planted_factor_is_found_and_a_constant_one_is_not(self):
        rng = np.random.default_rng(4)
        noise = rng.uniform(0.001, 0.01, (5, 8))
        labels = make_labels(-np.log(noise))
        matrix = make_matrix(labels, reference_index=4, shot_noise=noise.ravel(), displacement=1.0)
        table = correlate_factors(*matrix).set_index("factor")
        assert table.loc["shot_noise", "spearman"] == pytest.approx(-1)
        assert table.loc["displacement", "bursts"] == 0
        assert np.isnan(table.loc["displacement", "spearman"])
        position = [stats.spearmanr(-noise[burst], range(8)).statistic for burst in range(5)]
        distance = [stats.spearmanr(-noise[burst], abs(np.arange(8) - 4)).statistic for burst in range(5)]
        assert table.loc["frame_index", "spearman"] == pytest.approx(np.mean(position))
        assert table.loc["reference_distance", "spearman"] == pytest.approx(np.mean(distance))

    def test_explained_ranks_are_all_none_or_as_planted(self):
        rng = np.random.default_rng(5)
        noise, random = rng.uniform(0.3, 1, size=(2, 8, 40))
        labels = pd.concat([make_labels(noise**3), make_labels(random, scenario="random/score")])
        matrix, _ = make_matrix(labels, shot_noise=np.tile(noise.ravel(), 2))
        table = explain_ranks(matrix).set_index("scenario")
        assert table.loc["denoise/mean", "explained"] == pytest.approx(1)
        assert abs(table.loc["random/score", "explained"]) < 0.05

    def test_planted_overlap_is_counted(self):
        bursts = pd.DataFrame(
            {"burst_id": list("abcd"), "scene_id": ["x", "x", "y", "z"], "origin_sha256": ["1", "1", "2", "2"]}
        )
        splits = bursts[["burst_id", "scene_id"]].assign(split=["train", "test", "train", "val"])
        frames = pd.DataFrame({"burst_id": list("aabcd"), "sha256": ["f", "g", "h", "h", "g"]})
        table = count_overlap(bursts, frames, splits).set_index(["split", "other_split"])
        assert table.loc[("test", "train")].tolist() == [1, 1, 1]
        assert table.loc[("train", "val")].tolist() == [0, 1, 1]
        assert table.loc[("test", "val")].tolist() == [0, 0, 0]

    def test_nothing_gives_empty_tables(self):
        labels = make_labels([])
        matrix, intervals = make_matrix(labels)
        for table in (
            summarise_scores(labels),
            histogram_scores(build_score_matrix(make_tables(labels))),
            compare_spread(labels),
            choose_label_sets(make_tables(labels).labels.sets),
            correlate_scenarios(matrix, intervals),
            correlate_factors(matrix, intervals),
            explain_ranks(matrix),
        ):
            assert table.empty


class TestTidyTable:
    def test_holds_every_number_once(self, tiny):
        table = pq.read_table(tiny / "audit" / "statistics.parquet")
        assert table.schema.names == STATISTICS.schema.names
        assert table.schema.metadata[b"format_version"] == str(FORMAT_VERSION).encode()
        rows = table.to_pandas()
        assert not rows.duplicated(list(STATISTICS.sort_by)).any()
        frames = rows[(rows["topic"] == "contents") & (rows["name"] == "frames")].set_index("source")["value"]
        assert frames.to_dict() == {"tiny": sum(LENGTHS.values()), "phone": 3}
        expected = summarise_scores(pd.concat(read_tables(tiny).labels)).set_index(["scenario", "estimator"])["mean"]
        means = rows[(rows["topic"] == "scores") & (rows["name"] == "mean")].set_index(["scenario", "estimator"])
        assert means["value"].to_dict() == expected.to_dict()

    def test_unknown_values_are_null(self, tiny):
        rows = build_tidy_table(audit_dataset(tiny).statistics).to_pandas()
        constant = (rows["topic"] == "factors") & (rows["factor"] == "shot_noise") & (rows["name"] == "spearman")
        assert constant.sum() == 2
        assert rows.loc[constant, "value"].isna().all()


class TestBurstView:
    def test_best_and_worst_are_marked_with_ties(self, fresh):
        path = fresh / labels_path("denoise/nlm")
        rows = read_table(path.parent, path.name, LABELS).to_pylist()
        scores = {"tiny-2": [1.0, 3.0, 3.0, 2.0], "tiny-3": [1.0] * 4}
        write_table(
            path.parent,
            path.name,
            LABELS,
            [
                {**row, "score": scores[row["burst_id"]][row["frame_index"]]}
                for row in rows
                if row["burst_id"] in scores
            ],
        )
        tables = read_tables(fresh)
        views = view_bursts(tables, ["tiny-3", "tiny-2"], choose_label_sets(tables.labels.sets))
        marks = {view.burst["burst_id"]: view.scores[-1].marks for view in views}
        assert marks["tiny-2"] == ("worst", "best", "best", "")
        assert marks["tiny-3"] == ("", "", "", "")

    def test_unknown_burst_is_answered_with_close_matches(self, tiny):
        tables = read_tables(tiny)
        with pytest.raises(SelectionError, match=r"'tinny-2'.*did you mean .*tiny-2"):
            view_bursts(tables, ["tinny-2"], choose_label_sets(tables.labels.sets))

    def test_noise_is_stated_at_mid_grey(self, tiny):
        tables = read_tables(tiny)
        view = view_bursts(tables, ["tiny-0"], choose_label_sets(tables.labels.sets))[0]
        noise = next(factor for factor in view.factors if factor.name == "noise")
        assert noise.values[0] == pytest.approx(100 * np.sqrt(1e-3 * 0.18 + 1e-5))

    @pytest.mark.parametrize(
        ("value", "signed", "text"),
        [
            (0.123, True, "+0.12"),
            (-1234.5, True, "−1,234.50"),
            (-0.001, True, "0.00"),
            (3.0, False, "3.00"),
            (None, True, "–"),
        ],
    )
    def test_numbers_read_well(self, value, signed, text):
        assert format_number(value, 2, signed=signed) == text

    @pytest.mark.parametrize(
        ("value", "unit", "text"),
        [
            (1.6e-5, "signal²", "+16.0 ppm"),
            (-2.345e-8, "signal²", "−0.0235 ppm"),
            (0.0012346, "signal²", "+1,235 ppm"),
            (0.0, "signal²", "0 ppm"),
            (0.000123456, "1", "+0.000123"),
            (0.98, "1", "+0.980"),
            (12.3456, "dB", "+12.35 dB"),
            (0.001, "dB", "+0.00100 dB"),
            (None, "dB", "–"),
        ],
    )
    def test_scores_have_three_digits_and_a_unit_that_people_read(self, value, unit, text):
        assert format_score(value, unit, signed=True) == text

    def test_intervals_name_their_unit_once(self):
        assert format_score_interval(-1e-6, 2e-5, "signal²") == "−1.00 to +20.0 ppm"
        assert format_score_interval(np.nan, 1.0, "dB") == ""

    @pytest.mark.parametrize(("most", "text"), [(11, "burst_00123"), (9, "burs…0123"), (8, "burs…123"), (1, "…")])
    def test_long_names_lose_their_middle(self, most, text):
        assert shorten_middle("burst_00123", most) == text

    @pytest.mark.parametrize(
        ("share", "text"),
        [(0.0, "0 %"), (0.004, "< 1 %"), (0.426, "43 %"), (0.999, "> 99 %"), (1.0, "100 %"), (np.nan, "–")],
    )
    def test_shares_never_round_to_certainty(self, share, text):
        assert percent(share).replace("\u00a0", " ") == text


class TestGallery:
    @given(st.integers(1, 300), st.integers(0, 299), st.integers(2, 30))
    def test_frames_are_spread_bounded_and_hold_the_reference(self, num_frames, reference, limit):
        reference %= num_frames
        shown = choose_frames(num_frames, reference, limit=limit)
        assert reference in shown
        assert list(shown) == sorted(set(shown))
        assert shown[0] >= 0
        assert shown[-1] < num_frames
        assert len(shown) == num_frames if num_frames <= limit else limit - 1 <= len(shown) <= limit

    @settings(deadline=None, max_examples=40)
    @given(
        st.lists(st.tuples(st.sampled_from("AB"), st.sampled_from("pq"), st.sampled_from("xyz")), max_size=30),
        st.integers(0, 12),
    )
    def test_bursts_are_spread_over_sources_then_scenes(self, kinds, limit):
        names = [f"burst-{index}" for index in range(len(kinds))]
        bursts = pd.DataFrame(kinds, columns=["source", "preset", "scene_id"]).assign(burst_id=names).astype(object)
        chosen = choose_bursts(bursts, limit=limit)
        assert len(chosen) == len(set(chosen)) == min(limit, len(bursts))
        assert chosen == choose_bursts(bursts.sample(frac=1, random_state=1), limit=limit)
        picked = bursts[bursts["burst_id"].isin(chosen)]
        available = bursts.groupby(["source", "preset"])
        for (_, _), rows in available:
            mine = picked[picked["burst_id"].isin(rows["burst_id"])]
            assert mine["scene_id"].nunique() == min(len(mine), rows["scene_id"].nunique())
        counts = picked.groupby(["source", "preset"]).size().reindex(available.size().index, fill_value=0)
        short = counts < available.size()
        if short.any():
            assert counts.max() <= counts[short].min() + 1


class TestCharts:
    def test_text_is_escaped(self):
        assert "<b>" not in draw_stack([("within", 0.5, "<b>")], label="<b>")
        assert "<script>" not in draw_interval(0.1, 0.0, 0.2, label='"><script>')

    def test_intervals_stay_on_their_axis(self):
        assert "left:75.0%" in draw_interval(0.5, np.nan, np.nan, label="x")
        assert '<i style="left:0.0%;width:100.0%">' in draw_interval(0.0, -3.0, 3.0, label="x")
        assert draw_interval(np.nan, 0.0, 0.0, label="x") == ""

    def test_extremes_are_one_per_burst_and_side(self):
        labels = make_labels([[1.0, 5.0, 4.0], [2.0, 3.0, 9.0], [0.0, 0.5, 0.25]])
        (sheet,) = choose_extremes(make_matrix(labels)[0])
        assert [(frame.burst_id, frame.frame_index) for frame in sheet.best] == [("b", 2), ("a", 1), ("c", 1)]
        assert [(frame.burst_id, frame.frame_index) for frame in sheet.worst] == [("c", 0), ("a", 0), ("b", 0)]


class Page(HTMLParser):
    """Tags with their attributes, the text, and the data given to the page's script."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.words = [], []
        self.feed(text)
        self.text = " ".join(" ".join(self.words).split())
        self.data = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])
        self.bursts = [{"id": name, **burst} for name, burst in self.data["bursts"].items()]

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.words.append(data)

    def find(self, tag):
        return [attributes for name, attributes in self.tags if name == tag]


def read_page(root):
    return Page((root / "audit" / "index.html").read_text(encoding="utf-8"))


class TestReport:
    def test_equal_data_sets_give_equal_bytes(self, tiny, fresh):
        write_audit(fresh)
        for name in ("index.html", "statistics.parquet", "findings.json", "features.parquet"):
            assert (fresh / "audit" / name).read_bytes() == (tiny / "audit" / name).read_bytes()

    def test_asks_nothing_of_the_network(self, tiny):
        page = read_page(tiny)
        for tag, attributes in page.tags:
            for name in ("src", "href", "srcset", "action"):
                value = attributes.get(name)
                assert value is None or value.startswith(("data:", "#")), (tag, name, value)
        text = (tiny / "audit" / "index.html").read_text(encoding="utf-8")
        # The libraries name namespaces and their home page, and ask for neither.
        own = re.sub(
            r"<script>\s*// https://d3js.org.*?</script>|<script>\s*// @observablehq/plot.*?</script>",
            "",
            text,
            flags=re.DOTALL,
        )
        assert len(own) < len(text) - 400_000
        assert not re.search(r"https?:|url\(|@import", own)

    def test_shows_every_burst_frame_and_score(self, tiny):
        page = read_page(tiny)
        assert [burst["id"] for burst in page.bursts] == [INGESTED, *LENGTHS]
        assert [len(burst["frames"]) for burst in page.bursts] == [3, *LENGTHS.values()]
        pictures = [picture for burst in page.bursts for picture in burst["pictures"]]
        assert len(pictures) == 3 + sum(LENGTHS.values())
        assert all(picture.startswith("data:image/webp") for picture in pictures)
        scores = {row["detail"]: row["values"] for row in page.bursts[3]["scores"]}
        labels = pd.concat(read_tables(tiny).labels)
        mine = labels[(labels["burst_id"] == "tiny-2") & (labels["estimator"] == "add_one")].sort_values("frame_index")
        assert scores["add_one, dB"] == [None, *mine["score"].tolist()[1:]]

    def test_every_answer_stands_at_the_top_and_leads_to_its_section(self, tiny):
        page = read_page(tiny)
        answers = answer_all(audit_dataset(tiny)).values()
        targets = {attributes["href"][1:] for attributes in page.find("a")}
        assert {answer.anchor for answer in answers} <= targets
        assert targets <= {attributes["id"] for _, attributes in page.tags if "id" in attributes}
        for answer in answers:
            assert " ".join(answer.sentence.split()) in page.text

    def test_charts_have_a_text_that_says_the_same(self, tiny):
        charts = [attributes for attributes in read_page(tiny).find("div") if "data-chart" in attributes]
        assert {attributes["data-chart"] for attributes in charts} >= {"histogram", "position", "scatter"}
        assert all(attributes["role"] == "img" and attributes["aria-label"] for attributes in charts)
        histograms = [attributes for attributes in charts if attributes["data-chart"] == "histogram"]
        assert all("median" in attributes["aria-label"] for attributes in histograms)

    def test_scores_in_the_page_are_those_of_the_manifest(self, tiny):
        frames = read_page(tiny).data["frames"]
        labels = pd.concat(read_tables(tiny).labels)
        values = np.frombuffer(base64.b64decode(frames["scores"]), "<f4").reshape(len(frames["sets"]), -1)
        index = np.frombuffer(base64.b64decode(frames["frame"]), "<u2")
        bursts = np.repeat(frames["bursts"], frames["lengths"])
        for row, names in zip(values, frames["sets"], strict=True):
            mine = labels[(labels["scenario"] == names["scenario"]) & (labels["estimator"] == names["estimator"])]
            expected = mine.dropna(subset="score").set_index(["burst_id", "frame_index"])["score"]
            cells = zip(bursts, index, row.tolist(), strict=True)
            found = {(burst, place): value for burst, place, value in cells if np.isfinite(value)}
            assert len(found) == len(expected)
            for (burst, place), value in expected.items():
                assert found[burst, place] == pytest.approx(value, rel=1e-6)

    @pytest.mark.slow
    def test_hostile_names_are_shown_as_text(self, fresh):
        name = '</script><script>alert("1")</script><img src=x onerror=alert(2)>'
        clean = len(read_page_after_audit(fresh).find("script"))
        rewrite(fresh, BURSTS, camera=name, license=name)
        page = read_page_after_audit(fresh)
        assert len(page.find("script")) == clean
        assert all("onerror" not in attributes for _, attributes in page.tags)
        assert name in page.text

    def test_without_labels_or_splits(self, fresh):
        shutil.rmtree(fresh / "manifests" / "labels")
        (fresh / table_path("splits")).unlink()
        (fresh / table_path("failures")).unlink()
        page = read_page_after_audit(fresh)
        assert "No frame has a score" in page.text
        assert "has not been split" in page.text
        assert "Every unit of work succeeded" in page.text
        assert all(burst["scores"] == [] for burst in page.bursts)

    def test_without_bursts(self, fresh):
        shutil.rmtree(fresh / "manifests" / "labels")
        for kind in (BURSTS, FRAMES, SPLITS):
            write_table(fresh, table_path(kind.name), kind, [])
        page = read_page_after_audit(fresh)
        assert "The data set has no bursts." in page.text
        assert page.bursts == []

    def test_with_ingested_bursts_only(self, fresh):
        shutil.rmtree(fresh / "manifests" / "labels")
        for kind in (BURSTS, FRAMES, SPLITS):
            rows = [row for row in read_dataset_table(fresh, kind.name).to_pylist() if row["burst_id"] == INGESTED]
            write_table(fresh, table_path(kind.name), kind, rows)
        page = read_page_after_audit(fresh)
        assert "None has a ground truth" in page.text
        assert page.bursts[0]["factors"] == []

    def test_with_one_scenario_and_without_a_finite_score(self, fresh):
        (fresh / labels_path("denoise/nlm")).unlink()
        assert "Fewer than two scenarios" in read_page_after_audit(fresh).text
        path = fresh / labels_path("denoise/mean")
        rows = read_table(path.parent, path.name, LABELS).to_pylist()
        write_table(path.parent, path.name, LABELS, [{**row, "score": None} for row in rows])
        assert "No frame has a score" in read_page_after_audit(fresh).text

    @pytest.mark.parametrize("worthless", [float("nan"), float("inf"), -1e308])
    def test_a_score_that_is_no_number_is_named(self, fresh, worthless):
        path = fresh / labels_path("denoise/mean")
        rows = read_table(path.parent, path.name, LABELS).to_pylist()
        rows[1]["score"] = worthless
        write_table(path.parent, path.name, LABELS, rows)
        page = read_page_after_audit(fresh)
        assert "burst_id=tiny-0, estimator=add_one, metric=psnr, frame_index=1: score: expected a finite" in page.text
        values = pq.read_table(fresh / "audit" / "statistics.parquet")["value"].to_numpy()
        assert not np.isinf(values).any()

    def test_a_shared_scene_is_not_hidden(self, fresh):
        rows = read_dataset_table(fresh, "splits").to_pylist()
        assert rows[1]["scene_id"] == rows[2]["scene_id"]
        rows[1]["split"], rows[2]["split"] = "train", "test"
        write_table(fresh, table_path("splits"), SPLITS, rows)
        assert "1 scene, 0 photographs and 0 frames lie in more than one split" in read_page_after_audit(fresh).text

    @pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"")])
    def test_an_unreadable_frame_leaves_a_gap(self, fresh, damage):
        damage(fresh / make_frame_row("tiny-2", 1)["path"])
        page = read_page_after_audit(fresh)
        assert page.words.count("unreadable") == 1
        assert [burst["pictures"].count(None) for burst in page.bursts if burst["id"] == "tiny-2"] == [1]

    def test_a_path_out_of_the_data_set_is_not_followed(self, fresh):
        secret = fresh.parent / "secret.png"
        shutil.copy(fresh / make_frame_row("tiny-2", 1)["path"], secret)
        rows = read_dataset_table(fresh, "frames").to_pylist()
        write_table(fresh, table_path("frames"), FRAMES, [{**row, "path": "../secret.png"} for row in rows])
        with pytest.raises(SchemaError, match="path: expected a relative POSIX path"):
            write_audit(fresh)
        assert not (fresh / "audit").exists()

    def test_a_folder_that_is_no_data_set_is_refused(self, tmp_path):
        with pytest.raises(MissingManifestError, match="not a data set"):
            write_audit(tmp_path)
        assert not (tmp_path / "audit").exists()

    @pytest.mark.slow
    def test_a_hundred_long_bursts_stay_small(self, fresh):
        """Long bursts and many of them: what is shown is bounded, so the file is."""
        rows = [make_burst_row(f"long-{index:03d}", num_frames=60, reference_index=31) for index in range(100)]
        write_table(fresh, table_path("bursts"), BURSTS, rows)
        frames = [
            make_frame_row(row["burst_id"], index, path="frames/tiny/tiny-0/00.png", is_reference=index == 31)
            for row in rows
            for index in range(60)
        ]
        write_table(fresh, table_path("frames"), FRAMES, frames)
        shutil.rmtree(fresh / "manifests" / "labels")
        (fresh / table_path("splits")).unlink()
        page = read_page_after_audit(fresh)
        assert len(page.bursts) == 24
        assert all(31 in burst["frames"] and len(burst["frames"]) <= 20 for burst in page.bursts)
        assert (fresh / "audit" / "index.html").stat().st_size < 3 * 2**20


def read_page_after_audit(root: Path) -> Page:
    write_audit(root)
    return read_page(root)
