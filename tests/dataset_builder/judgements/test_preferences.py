import itertools
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from benchmarks.stand_ins.photo_triage import write_photo_triage
from dataset_builder.build import add_source
from dataset_builder.cli.main import main
from dataset_builder.errors import SourceError
from dataset_builder.ingest.kinds.photo_triage import (
    PairListError,
    read_pairs,
    read_series,
)
from dataset_builder.judgements.preferences import Judgements, PreferenceError, count_agreements, fit_preferences
from dataset_builder.recipe import parse_source
from manifests.store import read_dataset_table, read_labels
from manifests.verification.verify import verify
from tests.places import SHARED_DATA

LISTS = SHARED_DATA / "labels_photo_triage"
needs_lists = pytest.mark.skipif(not LISTS.is_dir(), reason="the real pair lists are not on this machine")


def judge(scores, votes=1.0):
    pairs = np.array(list(itertools.combinations(range(len(scores)), 2)))
    share = 1 / (1 + np.exp(scores[pairs[:, 1]] - scores[pairs[:, 0]]))
    return Judgements(pairs[:, 0], pairs[:, 1], share, np.full(len(pairs), votes))


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(-1.5, 1.5), min_size=2, max_size=7))
def test_scores_that_made_the_preferences_come_back(scores):
    scores = np.array(scores) - np.mean(scores)
    fitted = fit_preferences(judge(scores), len(scores))
    np.testing.assert_allclose(fitted.score, scores, atol=1e-4)
    assert (fitted.count == len(scores) - 1).all()


def test_scores_maximise_the_likelihood_and_errors_follow_from_its_curvature():
    rng = np.random.default_rng(0)
    first, second = np.array([0, 0, 1, 2, 3, 1]), np.array([1, 2, 2, 3, 0, 3])
    votes = rng.integers(3, 30, 6).astype(float)
    share = np.round(rng.uniform(0.15, 0.85, 6) * votes) / votes

    def loss(free):
        score = np.append(free, -free.sum())
        lead = score[first] - score[second]
        return float((votes * (share * np.log1p(np.exp(-lead)) + (1 - share) * np.log1p(np.exp(lead)))).sum())

    best = minimize(loss, np.zeros(3), tol=1e-12, method="BFGS")
    fitted = fit_preferences(Judgements(first, second, share, votes), 4)
    np.testing.assert_allclose(fitted.score[:3], best.x, atol=1e-4)
    steps = np.eye(3) * 1e-3
    hessian = [
        [
            (loss(best.x + a + b) - loss(best.x + a - b) - loss(best.x - a + b) + loss(best.x - a - b)) / 4e-6
            for b in steps
        ]
        for a in steps
    ]
    np.testing.assert_allclose(fitted.std_error[:3], np.sqrt(np.diag(np.linalg.inv(hessian))), rtol=1e-3)


def test_standard_errors_hold_over_repeated_judgements():
    scores = np.array([0.8, 0.1, -0.9])
    rng = np.random.default_rng(1)
    exact = judge(scores, votes=40.0)
    draws = []
    for _ in range(300):
        share = rng.binomial(40, exact.preference) / 40
        draws.append(fit_preferences(Judgements(exact.first, exact.second, share, exact.votes), 3))
    spread = np.std([draw.score for draw in draws], axis=0)
    np.testing.assert_allclose(spread, fit_preferences(exact, 3).std_error, rtol=0.12)


def test_more_votes_make_smaller_errors():
    few, many = (fit_preferences(judge(np.array([0.5, -0.5]), votes), 2) for votes in (1.0, 100.0))
    np.testing.assert_allclose(few.std_error, 10 * many.std_error)


def test_frames_that_nobody_judged_have_no_score():
    fitted = fit_preferences(Judgements(np.array([0]), np.array([2]), np.array([0.7]), np.ones(1)), 3)
    assert np.isnan(fitted.score).tolist() == [False, True, False]
    assert fitted.count.tolist() == [1, 0, 1]


def test_unanimous_judgements_stay_finite():
    fitted = fit_preferences(Judgements(np.array([0]), np.array([1]), np.array([1.0]), np.array([5.0])), 2)
    assert fitted.score[0] - fitted.score[1] == pytest.approx(np.log(99), rel=1e-4)


def test_groups_that_were_never_compared_are_refused():
    with pytest.raises(PreferenceError, match="2 groups that were never compared"):
        fit_preferences(Judgements(np.array([0, 2]), np.array([1, 3]), np.array([0.5, 0.5]), np.ones(2)), 4)


@pytest.mark.parametrize(
    ("first", "second", "share", "votes"),
    [(0, 0, 0.5, 1), (0, 9, 0.5, 1), (0, 1, 1.5, 1), (0, 1, np.nan, 1), (0, 1, 0.5, 0)],
)
def test_impossible_judgements_are_refused(first, second, share, votes):
    with pytest.raises(PreferenceError):
        fit_preferences(Judgements(*(np.array([value]) for value in (first, second, share, votes))), 3)


@needs_lists
@pytest.mark.parametrize(
    ("split", "pairs", "series", "photos"), [("train", 12075, 4560, 12019), ("val", 483, 195, 503)]
)
def test_the_real_lists_load(split, pairs, series, photos):
    found = read_pairs(LISTS / f"{split}_pairlist.txt", split)
    assert len(found) == series
    assert sum(len(one.photos) for one in found) == photos
    assert sum(len(one.judgements.first) for one in found) == pairs


@pytest.mark.slow
@needs_lists
def test_real_ranks_agree_with_preferences():
    agreed = decided = same = ranked = 0
    for series in read_pairs(LISTS / "train_pairlist.txt", "train"):
        scores = fit_preferences(series.judgements, len(series.photos)).score
        counts = count_agreements(series.judgements, scores)
        agreed, decided = agreed + counts[0], decided + counts[1]
        rank = np.zeros(len(scores), int)
        rank[series.judgements.first], rank[series.judgements.second] = series.rank[:, 0], series.rank[:, 1]
        ours = (-scores).argsort(kind="stable").argsort() + 1
        strict = np.abs(np.subtract.outer(scores, scores))[~np.eye(len(scores), dtype=bool)].min() > 0.005
        same, ranked = same + bool(strict and (ours == rank).all()), ranked + strict
    assert agreed / decided > 0.999
    assert same / ranked > 0.999


@needs_lists
def test_the_filter_keeps_about_the_size_of_the_benchmark():
    source = parse_source(name="triage", kind="photo_triage", root=str(LISTS))
    kept = list(read_series(source, LISTS))
    assert len(kept) == pytest.approx(4178, abs=20)
    assert sum(len(one.photos) for one in kept) == pytest.approx(11326, abs=60)


def build(tmp_path, **values):
    scores = write_photo_triage(tmp_path / "in", **values)
    source = parse_source(name="triage", kind="photo_triage", root=str(tmp_path / "in"), min_preference=0.5)
    return scores, source, add_source(tmp_path / "out", source)


@pytest.mark.slow
def test_series_become_bursts_with_labels(tmp_path):
    scores, source, reports = build(tmp_path)
    assert {report.stage: report.counts["created"] for report in reports} == {"bursts": 4, "labels": 4}
    assert verify(tmp_path / "out") == []
    bursts = read_dataset_table(tmp_path / "out", "bursts").to_pandas().set_index("burst_id")
    splits = read_dataset_table(tmp_path / "out", "splits").to_pandas().set_index("burst_id").split
    assert {path: splits[burst] for burst, path in bursts.origin_path.items()} == {
        "train_val_imgs/000001": "train",
        "train_val_imgs/000002": "train",
        "train_val_imgs/000004": "train",
        "train_val_imgs/000015": "val",
    }
    labels = read_labels(tmp_path / "out", ["subjective/photo_triage"]).to_pandas()
    assert labels[["estimator", "metric", "unit"]].drop_duplicates().values.tolist() == [
        ["bradley_terry", "preference", "logit"]
    ]
    assert labels.score.notna().all()
    for burst_id, group in labels.groupby("burst_id"):
        number = int(bursts.origin_path[burst_id][-6:])
        expected = scores[number] - scores[number].mean()
        np.testing.assert_allclose(group.score, expected, atol=0.02)
        assert group["rank"].tolist() == ((-expected).argsort().argsort() + 1).tolist()
    facts = json.loads((tmp_path / "out/dataset.json").read_text())["scenarios"]["subjective/photo_triage"]
    assert facts["statistics"]["agreement"] == 1
    assert facts["settings"]["votes_per_pair"] == 1

    again = add_source(tmp_path / "out", source)
    assert {report.stage: report.counts["reused"] for report in again} == {"bursts": 4, "labels": 4}


@pytest.mark.slow
def test_labels_of_changed_lists_are_rebuilt_and_those_of_lost_series_go(tmp_path):
    _, source, _ = build(tmp_path)
    path = tmp_path / "in/train_pairlist.txt"
    path.write_text("".join(line + "\n" for line in path.read_text().splitlines() if not line.startswith("2 ")))
    reports = add_source(tmp_path / "out", source)
    assert (reports[0].counts["removed"], reports[1].counts["rebuilt"]) == (1, 3)
    assert read_labels(tmp_path / "out").num_rows == 3 + 4 + 3
    assert verify(tmp_path / "out") == []


def test_a_series_without_an_image_costs_itself(tmp_path):
    write_photo_triage(tmp_path / "in")
    (tmp_path / "in/train_val_imgs/000004-02.JPG").unlink()
    source = parse_source(name="triage", kind="photo_triage", root=str(tmp_path / "in"), min_preference=0.5)
    reports = add_source(tmp_path / "out", source)
    assert [row["error_type"] for row in reports[0].failures] == ["MissingSourceError"]
    assert reports[1].counts["created"] == 3
    assert verify(tmp_path / "out") == []


def test_series_without_a_clear_preference_are_left_out(tmp_path):
    write_photo_triage(tmp_path / "in")
    sources = [
        parse_source(name="triage", kind="photo_triage", root=str(tmp_path / "in"), min_preference=share)
        for share in (0.5, 1.0)
    ]
    counts = [len(list(read_series(source, tmp_path / "in"))) for source in sources]
    assert counts == [4, 0]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1 1 2 0.5 1\n", "line 1: expected 6 columns, got 5"),
        ("1 1 2 0.5 1 2\n1 1 1 0.5 1 2\n", "line 2: expected numbers from 1, two different photos"),
        ("1 1 2 1.5 1 2\n", "a share of 0..1"),
        ("1 1 2 nan 1 2\n", "a share of 0..1"),
        ("1 -1 2 0.5 1 2\n", "expected numbers from 1"),
        ("1 ../../etc 2 0.5 1 2\n", "expected numbers"),
        ("9999999 1 2 0.5 1 2\n", "expected numbers from 1"),
        ("", "got none"),
        ("1 1 2 0.5 1 2\n\xff", "cannot be read as text"),
    ],
)
def test_hostile_lists_are_refused_by_line(tmp_path, text, message):
    (tmp_path / "list.txt").write_bytes(text.encode("latin1"))
    with pytest.raises(PairListError, match=message.replace(".", r"\.")):
        read_pairs(tmp_path / "list.txt", "train")


def test_lists_must_not_share_series_or_leave_the_root(tmp_path):
    write_photo_triage(tmp_path / "in", val=((1, 3),))
    source = parse_source(name="triage", kind="photo_triage", root=str(tmp_path / "in"))
    with pytest.raises(PairListError, match="series 1 stands in the list train too"):
        source.read_annotations(tmp_path / "in")
    with pytest.raises(SourceError, match=r"none\.txt: no such file"):
        source.model_copy(update={"train_pairs": "none.txt"}).read_annotations(tmp_path / "in")


@pytest.fixture
def folder_set(tmp_path):
    from manifests.images.pixels import write_png
    from tests.photographs import make_photograph

    for burst in ("one", "two"):
        for index in range(3):
            write_png(
                tmp_path,
                f"in/{burst}/{index}.png",
                make_photograph(40, 40, seed=index + len(burst) * 10 + (burst == "two") * 5),
            )
    add_source(tmp_path / "out", parse_source(name="mine", kind="folders", root=str(tmp_path / "in")))
    return tmp_path


def run(*arguments):
    from click.testing import CliRunner

    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def test_own_preferences_become_labels(folder_set):
    (folder_set / "pairs.csv").write_text(
        "burst,first,second,preference,votes\none,0.png,1.png,0.8,10\none,1.png,2.png,0.6,\ntwo,0,1,1,3\ntwo,0,1,0,1\n"
    )
    command = (
        "ingest",
        "annotations",
        folder_set / "out",
        "--scenario",
        "subjective/mine",
        "--pairs",
        folder_set / "pairs.csv",
    )
    result = run(*command)
    assert result.exit_code == 0, result.output
    assert verify(folder_set / "out") == []
    labels = read_labels(folder_set / "out", ["subjective/mine"]).to_pandas()
    assert labels.score.notna().tolist() == [True, True, True, True, True, False]
    assert labels.score.iloc[3] - labels.score.iloc[4] == pytest.approx(np.log(3), abs=1e-3)
    assert " reused" in run(*command).output


@pytest.mark.slow
def test_own_scores_become_labels_and_survive_further_sources(folder_set):
    (folder_set / "scores.csv").write_text("burst,frame,score\none,0.png,3\none,0.png,5\none,1.png,2\ntwo,2,7\n")
    result = run(
        "ingest",
        "annotations",
        folder_set / "out",
        "--scenario",
        "subjective/mine",
        "--scores",
        folder_set / "scores.csv",
    )
    assert result.exit_code == 0, result.output
    labels = read_labels(folder_set / "out", ["subjective/mine"]).to_pandas()
    assert labels.score.dropna().tolist() == [4, 2, 7]
    assert labels.std_error.dropna().tolist() == pytest.approx([1, np.sqrt(2), np.sqrt(2)])
    add_source(folder_set / "out", parse_source(name="mine", kind="folders", root=str(folder_set / "in")))
    assert read_labels(folder_set / "out", ["subjective/mine"]).num_rows == 6
    assert verify(folder_set / "out") == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("burst,first,second\n", "no column 'preference'"),
        ("burst,first,second,preference\none,0,1,much\n", "line 2: preference: expected a number, got 'much'"),
        ("burst,first,second,preference\nnobody,0,1,0.5\n", "no burst_id or origin_path"),
        ("burst,first,second,preference\none,0,../7.png,0.5\n", "frame '../7.png'"),
        ("burst,first,second,preference\none,0,1,7\n", "expected shares of 0..1"),
    ],
)
def test_wrong_csv_files_are_explained(folder_set, text, message):
    (folder_set / "pairs.csv").write_text(text)
    result = run(
        "ingest",
        "annotations",
        folder_set / "out",
        "--scenario",
        "subjective/mine",
        "--pairs",
        folder_set / "pairs.csv",
    )
    assert result.exit_code in (1, 3)
    assert message in " ".join(result.output.split())
