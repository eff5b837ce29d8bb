"""Planted faults are each found; a sound data set has none; thresholds are those of the recipe."""

import json
import shutil

import pandas as pd
import pytest
from click.testing import CliRunner

from dataset_builder.audit.audit import audit_dataset
from dataset_builder.audit.finding import count_severities, group_findings
from dataset_builder.audit.gains import write_gains
from dataset_builder.audit.rules import RULES, SEVERITIES, override_rules
from dataset_builder.audit.stage import write_audit
from dataset_builder.cli.main import main
from dataset_builder.errors import RecipeError
from dataset_builder.recipe import parse_recipe
from manifests.description import read_description, write_description
from manifests.schema import BURSTS, FAILURES, FRAMES, SPLITS
from manifests.store import labels_path, read_dataset_table, table_path
from tests.audit_dataset import alter_labels, change_labels, change_rows, copy_pictures, write_audit_dataset
from tests.places import ROOT

SCENARIO = "denoise/mean"


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    return write_audit_dataset(tmp_path_factory.mktemp("audit") / "clean")


@pytest.fixture
def root(clean, tmp_path):
    return shutil.copytree(clean, tmp_path / "spoilt")


def find(root, rule):
    return [finding for finding in audit_dataset(root).findings if finding.rule == rule]


def list_severe(root):
    return {finding.rule for finding in audit_dataset(root).findings if finding.severity == "severe"}


def by_frame(rows):
    return [row for row in rows if row["score"] is not None]


def test_a_sound_data_set_has_no_finding(clean):
    assert audit_dataset(clean).findings == []


def set_noise(root, error):
    def change(rows, _):
        for row in by_frame(rows):
            row["noise_error"] = error

    change_labels(root, SCENARIO, change)


def test_labels_below_their_noise(root):
    """Scores of the data set spread by about 0.25 within bursts: noise of 0.3 explains all of that, and noise of 0.01 nothing."""
    set_noise(root, 0.3)
    noisy = {finding.rule: finding for finding in audit_dataset(root).findings if finding.subject.startswith(SCENARIO)}
    assert noisy["below_noise"].severity == "warning"
    assert noisy["below_noise"].value == 1
    assert len(noisy["below_noise"].bursts) == 5
    assert noisy["label_noise"].severity in {"warning", "severe"}
    assert noisy["unstable_order"].value < 0.3
    assert noisy["unstable_order"].subject.endswith(", test")  # the preset
    set_noise(root, 0.01)
    assert audit_dataset(root).findings == []


def test_a_preset_on_which_selecting_is_pointless(root):
    rows = [
        {"scenario": SCENARIO, "preset": preset, "metric": "psnr", "unit": "dB", "guide": "oracle", "policy": policy}
        | {"judged": "other noise", "gain": gain, "low": gain, "high": gain, "over_random": 0.0, "same_noise": 1.0}
        | {"over_random_low": 0.0, "over_random_high": 0.0, "kept": 0.5, "bursts": 9, "scenes": 3}
        for preset, gain in (("dull", 0.04), ("lively", 0.4))
        for policy in ("best_half", "drop_harmful")
    ]
    write_gains(root, pd.DataFrame(rows))
    (finding,) = find(root, "pointless_selection")
    assert (finding.severity, finding.subject, finding.section) == ("warning", f"{SCENARIO}, dull", "selection")


def test_splits_of_so_few_scenes_that_no_shift_can_be_seen(root):
    """Three scenes against one: of four deals none has a p-value below a quarter."""

    def shrink(rows):
        kept = [row for row in rows if row["scene_id"] in {"alpha-00", "alpha-01", "alpha-02", "alpha-05"}]
        rows[:] = kept

    change_rows(root, SPLITS, shrink)
    (finding,) = find(root, "blind_split_shift")
    assert (finding.severity, finding.subject) == ("note", "test and train")
    assert "0.2500" in finding.evidence
    assert find(root, "split_shift") == []


def test_a_scene_in_two_splits(root):
    def spoil(rows):
        rows[0]["split"] = "test" if rows[0]["split"] == "train" else "train"

    change_rows(root, SPLITS, spoil)
    (finding,) = find(root, "shared_scene")
    assert (finding.severity, finding.value, finding.section) == ("severe", 1, "splits")
    assert "1 scene lies in both" in finding.evidence


def test_a_scene_renamed_in_the_splits_alone_is_still_shared(root):
    def spoil(rows):
        rows[0].update(split="test" if rows[0]["split"] == "train" else "train", scene_id="another")

    change_rows(root, SPLITS, spoil)
    assert find(root, "shared_scene")[0].value == 1


def test_a_duplicated_image_across_splits(root):
    copy_pictures(root, "alpha-00-0", "beta-07-1")
    (finding,) = find(root, "near_duplicate")
    assert finding.severity == "severe"
    assert {"alpha-00-0", "beta-07-1"} <= set(finding.bursts)


def test_the_very_same_file_across_splits(root):
    frames = read_dataset_table(root, "frames").to_pylist()
    digest = next(row["sha256"] for row in frames if row["burst_id"] == "alpha-00-0" and row["frame_index"] == 3)

    def spoil(rows):
        next(row for row in rows if row["burst_id"] == "beta-07-1" and row["frame_index"] == 4)["sha256"] = digest

    change_rows(root, FRAMES, spoil)
    assert [(finding.severity, finding.value) for finding in find(root, "shared_frame")] == [("severe", 1)]


def test_a_photograph_under_two_scenes(root):
    def spoil(rows):
        digests = {row["burst_id"]: row["origin_sha256"] for row in rows}
        for row in rows:
            if row["burst_id"].startswith("beta-07"):
                row["origin_sha256"] = digests["alpha-00-0"]

    change_rows(root, BURSTS, spoil)
    assert list_severe(root) == {"shared_origin"}


@pytest.mark.slow
def test_a_scenario_with_constant_scores(root):
    change_labels(root, SCENARIO, lambda rows, _: [row.update(score=0.25) for row in by_frame(rows)])
    found = find(root, "constant_scores")
    assert {(finding.severity, finding.subject) for finding in found} == {
        ("severe", f"{SCENARIO} leave_one_out"),
        ("severe", f"{SCENARIO} add_one"),
    }
    assert not find(root, "tied_scores")


@pytest.mark.parametrize("within", [True, False])
def test_labels_shuffled_at_random(root, within):
    def spoil(rows, random):
        groups: dict[tuple, list] = {}
        for row in by_frame(rows):
            groups.setdefault((row["estimator"], row["burst_id"] if within else ""), []).append(row)
        for mine in groups.values():
            for row, score in zip(mine, random.permutation([row["score"] for row in mine]).tolist(), strict=True):
                row["score"] = score

    change_labels(root, SCENARIO, spoil)
    found = find(root, "random_order")
    assert {finding.subject for finding in found} == {f"{SCENARIO} leave_one_out", f"{SCENARIO} add_one"}
    assert {finding.severity for finding in found} == {"severe"}


def test_a_restorer_that_always_prefers_frame_1(root):
    change_labels(
        root,
        SCENARIO,
        lambda rows, _: [row.update(score=row["score"] + 5) for row in by_frame(rows) if row["frame_index"] == 1],
    )
    found = find(root, "favoured_position")
    assert [(finding.severity, finding.subject) for finding in found] == [("severe", f"{SCENARIO} leave_one_out")]
    assert "Frame 1 is the best of 100" in found[0].evidence


@pytest.mark.slow
def test_a_source_with_doubled_noise(tmp_path):
    root = write_audit_dataset(tmp_path / "noisy", noise_of={"beta": 2.0}, stated_noise_of={"beta": 2.0})
    found = find(root, "noise_of_source")
    assert "beta" in {finding.subject for finding in found}
    assert "2.0 times" in next(finding.evidence for finding in found if finding.subject == "beta")
    assert not find(root, "noise_not_as_stated")


@pytest.mark.slow
def test_a_source_with_doubled_noise_that_the_manifest_hides(tmp_path):
    root = write_audit_dataset(tmp_path / "noisy", noise_of={"beta": 2.0})
    assert "severe" in {finding.severity for finding in find(root, "noise_not_as_stated")}
    assert not find(root, "noise_of_source")


@pytest.mark.slow
def test_noise_that_was_estimated_is_no_evidence_against_the_pixels(tmp_path):
    """What the toolkit measured in the pixels of a frame is what it would measure there again, or a fault of its own."""
    root = write_audit_dataset(tmp_path / "noisy", noise_of={"beta": 2.0})

    def estimate(rows):
        for row in rows:
            if row["burst_id"].startswith("beta"):
                row["estimated"] = ["shot_noise", "read_noise"]

    change_rows(root, FRAMES, estimate)
    assert not find(root, "noise_not_as_stated")


def test_a_scenario_that_labels_eight_of_ten_bursts(root):
    bursts = read_dataset_table(root, "bursts").column("burst_id").to_pylist()
    left = set(bursts[::5])

    def spoil(rows, _):
        rows[:] = [row for row in rows if row["burst_id"] not in left]

    change_labels(root, SCENARIO, spoil)
    (finding,) = find(root, "coverage")
    assert (finding.severity, finding.subject, finding.value) == ("warning", SCENARIO, pytest.approx(0.8))
    assert set(finding.bursts) <= left
    assert f"labels {len(bursts) - len(left)} of {len(bursts)} bursts" in finding.evidence


def test_a_scenario_owes_no_labels_to_sources_of_another_kind(root):
    def spoil(rows, _):
        rows[:] = [row for row in rows if row["burst_id"].startswith("alpha")]

    change_labels(root, SCENARIO, spoil)
    assert not find(root, "coverage")


def mix(rows, _):
    rows[3]["restorer_fingerprint"] = "0" * 64


def swap_keys(rows, _):
    rows[3]["label_key"] = "0" * 64


def swap_ranks(rows, _):
    first, second = by_frame(rows)[:2]
    first["rank"], second["rank"] = second["rank"], first["rank"]


def change_norm(rows, _):
    by_frame(rows)[2]["score_norm"] = 0.123


def change_score(rows, _):
    """As who wants a frame to be the best, and leaves the rest as it was."""
    next(row for row in by_frame(rows) if row["rank"] > 1)["score"] = 9.0


def change_number(rows, _):
    by_frame(rows)[4]["num_evaluations"] = 3


@pytest.mark.parametrize(
    ("column", "change"),
    [
        ("restorer_fingerprint", mix),
        ("label_key", swap_keys),
        ("rank", swap_ranks),
        ("score_norm", change_norm),
        ("rank", change_score),
        ("num_evaluations", change_number),
    ],
)
def test_columns_that_were_edited_by_hand_are_named(root, column, change):
    alter_labels(root, SCENARIO, change)
    found = find(root, "altered_labels")
    assert {finding.severity for finding in found} == {"severe"}
    assert {finding.subject for finding in found} == {labels_path(SCENARIO)}
    assert any(
        f"{column}: expected " in finding.evidence and "burst_id=alpha-00-0" in finding.evidence for finding in found
    )


@pytest.mark.slow
def test_findings_of_one_rule_stand_together(root):
    for scenario in ("denoise/mean", "sr/other@x2"):
        alter_labels(root, scenario, change_norm)
    severe = [group for group in group_findings(audit_dataset(root).findings) if group.severity == "severe"]
    assert [(group.rule, len(group.findings)) for group in severe] == [("altered_labels", 2)]
    printed = CliRunner().invoke(main, ["audit", str(root)]).output
    assert printed.count("severe altered_labels, 2 of them") == 1
    assert printed.count("restore the file, or run") == 1


def list_files(root):
    return {path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()}


@pytest.mark.slow
def test_a_data_set_that_is_only_read(root, tmp_path):
    """With --out the report lies elsewhere, and says what it would say in the data set; with --json nothing is written."""
    before = list_files(root)
    answer = CliRunner().invoke(main, ["audit", str(root), "--out", str(tmp_path / "elsewhere")])
    assert answer.exit_code == 0, answer.output
    assert str(tmp_path / "elsewhere" / "index.html") in answer.output
    printed = CliRunner().invoke(main, ["audit", str(root), "--json"])
    assert json.loads(printed.stdout)["findings"] == []
    assert list_files(root) == before
    names = {"index.html", "findings.json", "statistics.parquet", "features.parquet"}
    assert {path.name for path in (tmp_path / "elsewhere").iterdir()} == names
    write_audit(root)
    for name in names:
        assert (tmp_path / "elsewhere" / name).read_bytes() == (root / "audit" / name).read_bytes(), name


@pytest.mark.slow
def test_five_per_cent_without_a_score(root):
    def spoil(rows, random):
        scored = by_frame(rows)
        for place in random.choice(len(scored), len(scored) // 20, replace=False):
            scored[place]["score"] = None

    change_labels(root, SCENARIO, spoil)
    found = find(root, "missing_scores")
    assert {finding.severity for finding in found} == {"severe"}
    assert sum(finding.value for finding in found) / len(found) == pytest.approx(0.05, abs=0.005)


def test_one_outlier_of_60_db(root):
    def spoil(rows, _):
        next(row for row in by_frame(rows) if row["estimator"] == "add_one")["score"] = 60.0

    change_labels(root, SCENARIO, spoil)
    (finding,) = find(root, "outlier")
    assert (finding.severity, finding.subject) == ("severe", f"{SCENARIO} add_one")
    assert "60.00 dB" in finding.evidence
    assert len(finding.bursts) == 1


def test_scores_that_follow_one_factor_alone(root):
    frames = read_dataset_table(root, "frames").to_pandas().set_index(["burst_id", "frame_index"])["read_noise"]
    # `read_noise` is not among the factors, so the noise is stated by `shot_noise` too.
    change_rows(root, FRAMES, lambda rows: [row.update(shot_noise=row["read_noise"]) for row in rows])

    def spoil(rows, _):
        for row in by_frame(rows):
            row["score"] = -float(frames.loc[(row["burst_id"], row["frame_index"])])

    change_labels(root, SCENARIO, spoil)
    assert [finding.severity for finding in find(root, "trivial_predictor")] == ["severe"]


def test_a_damaged_label_file_is_named_and_the_rest_is_audited(root):
    (root / labels_path(SCENARIO)).write_bytes(b"PAR1 nothing")
    audit = write_audit(root)
    assert [finding.rule for finding in audit.findings if finding.severity == "severe"] == ["broken_manifest"]
    assert "denoise--mean" in audit.findings[0].evidence
    assert "denoise--mean" in (root / "audit" / "index.html").read_text(encoding="utf-8")


def test_missing_frames_are_named(root):
    (root / "frames" / "alpha" / "alpha-00-0" / "02.png").unlink()
    assert [finding.bursts for finding in find(root, "unreadable_frames")] == [("alpha-00-0",)]


def test_failures_and_unknown_licences(root):
    failure = {
        "stage": "labels",
        "source": "alpha",
        "burst_id": "x",
        "scenario": "s",
        "estimator": None,
        "metric": None,
        "frame_index": None,
        "error_type": "E",
        "message": "m",
    }
    change_rows(root, FAILURES, lambda rows: rows.extend({**failure, "attempts": 1} for _ in range(40)))
    change_rows(root, BURSTS, lambda rows: [row.update(license="unknown") for row in rows])
    assert [finding.severity for finding in find(root, "failed_units")] == ["severe"]
    assert [finding.severity for finding in find(root, "unknown_licence")] == ["note", "note"]


def test_scores_that_are_missing_are_no_failed_units(root):
    failure = {
        "stage": "labels",
        "source": "alpha",
        "burst_id": "x",
        "scenario": "s",
        "metric": "psnr",
        "frame_index": None,
        "error_type": "E",
        "message": "m",
        "attempts": 1,
    }
    change_rows(
        root, FAILURES, lambda rows: rows.extend({**failure, "estimator": name} for name in ("solo", "add_one"))
    )
    assert find(root, "failed_units") == []
    change_rows(root, FAILURES, lambda rows: rows.append({**failure, "estimator": None, "metric": None}))
    (found,) = find(root, "failed_units")
    assert found.evidence.startswith("1 unit of ")


class TestRules:
    def test_every_rule_is_documented_and_ordered(self):
        for rule in RULES.values():
            thresholds = [value for value in (rule.note, rule.warning, rule.severe) if value is not None]
            assert thresholds, rule.name
            assert thresholds == sorted(thresholds, reverse=not rule.above), rule.name
            assert rule.remedy.endswith(".")

    def test_the_documentation_lists_every_rule_as_it_is(self):
        lines = (ROOT / "docs" / "audit.md").read_text(encoding="utf-8").splitlines()
        found = [line for line in lines if line.startswith("| `") and line.count("|") == 6]
        expected = []
        for rule in RULES.values():
            values = ("" if value is None else f"{value:g}" for value in (rule.note, rule.warning, rule.severe))
            measures = rule.measures + ("" if rule.above else "; low is bad")
            expected.append(f"| `{rule.name}` | {measures} | {' | '.join(values)} |")
        assert found == expected

    @pytest.mark.slow
    def test_the_recipe_overrides_thresholds(self, root):
        def spoil(rows, _):
            next(row for row in by_frame(rows) if row["estimator"] == "add_one")["score"] = 60.0

        change_labels(root, SCENARIO, spoil)
        rules = {"outlier": {"severe": False, "warning": 1.0, "note": None}}
        parsed = parse_recipe({"audit": {"rules": rules}}, "recipe").model_dump(mode="json")
        write_description(root, {**read_description(root), "recipe": parsed})
        assert "severe" not in {finding.severity for finding in find(root, "outlier")}
        assert json.loads((write_audit(root) and root / "audit" / "findings.json").read_text())["rules"]["outlier"] == {
            "severe": None,
            "warning": 1.0,
            "note": None,
        }

    def test_unknown_rules_are_refused(self):
        with pytest.raises(RecipeError, match=r"expected one of .*near_duplicate.*got 'typo'"):
            parse_recipe({"audit": {"rules": {"typo": {"severe": 1.0}}}}, "recipe")

    def test_without_changes_the_table_stands(self):
        assert override_rules({}) == dict(RULES)

    def test_thresholds_are_reached_from_the_bad_side(self):
        assert RULES["outlier"].judge(50) == ("severe", 50)
        assert RULES["outlier"].judge(49.9) == ("warning", 20)
        assert RULES["unstable_order"].judge(0.3) == ("severe", 0.3)
        assert RULES["unstable_order"].judge(0.7) is None


class TestCommand:
    @pytest.mark.slow
    def test_strict_fails_on_severe_findings_only(self, clean, root):
        run = CliRunner().invoke
        assert run(main, ["audit", str(shutil.copytree(clean, root.parent / "fine")), "--strict"]).exit_code == 0
        change_labels(root, SCENARIO, lambda rows, _: [row.update(score=0.25) for row in by_frame(rows)])
        assert run(main, ["audit", str(root)]).exit_code == 0
        result = run(main, ["audit", str(root), "--strict"])
        assert result.exit_code == 4
        assert "constant_scores" in result.output

    @pytest.mark.slow
    def test_auditing_repairs_nothing(self, root):
        def spoil(rows):
            rows[0]["split"] = "test" if rows[0]["split"] == "train" else "train"

        change_rows(root, SPLITS, spoil)
        before = (root / table_path("splits")).read_bytes()
        assert CliRunner().invoke(main, ["audit", str(root), "--strict"]).exit_code == 4
        assert (root / table_path("splits")).read_bytes() == before

    @pytest.mark.slow
    def test_json_holds_findings_and_statistics(self, clean):
        result = CliRunner().invoke(main, ["audit", str(clean), "--json"])
        content = json.loads(result.stdout)
        assert content["counts"] == dict.fromkeys(SEVERITIES, 0)
        assert {row["scenario"] for row in content["statistics"]["scores"]} == {"denoise/mean", "sr/other@x2"}
        assert content["changes"] is None

    @pytest.mark.slow
    def test_the_summary_has_bars(self, clean):
        output = CliRunner().invoke(main, ["audit", str(clean)]).output
        assert "█" in output
        assert "0 severe" in output


def test_findings_are_counted_by_severity(clean):
    assert count_severities(audit_dataset(clean).findings) == {"severe": 0, "warning": 0, "note": 0}
