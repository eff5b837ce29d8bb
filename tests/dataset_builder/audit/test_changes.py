"""What changed between two builds, and why."""

import json
import shutil

import pytest
from click.testing import CliRunner

from dataset_builder.audit.audit import audit_dataset
from dataset_builder.audit.changes import compare_builds
from dataset_builder.audit.stage import write_audit
from dataset_builder.cli.main import main
from manifests.description import read_description, write_description
from manifests.errors import MissingManifestError
from manifests.schema import FRAMES
from manifests.store import labels_path
from tests.audit_dataset import SCENARIOS, change_labels, change_rows, write_audit_dataset

NEW = "f" * 64
SCENARIO, OTHER = SCENARIOS


@pytest.fixture(scope="module")
def before(tmp_path_factory):
    return write_audit_dataset(tmp_path_factory.mktemp("against") / "before")


@pytest.fixture
def after(before, tmp_path):
    return shutil.copytree(before, tmp_path / "after")


def shift(**changes):
    """Move the scores of the first burst by 0.5 and change columns of its rows."""

    def change(rows, _):
        for row in rows:
            if row["burst_id"] == "alpha-00-0" and row["score"] is not None:
                row.update(score=row["score"] + 0.5, **changes)

    return change


def count_causes(after, before):
    table = compare_builds(after, before).labels.set_index(["scenario", "estimator"])
    return table.loc[(SCENARIO, "add_one")]


def test_equal_builds_differ_in_nothing(before, after):
    changes = compare_builds(after, before)
    assert changes.labels["changed"].sum() == 0
    assert changes.labels["common"].tolist() == [280] * 4
    assert changes.labels["spearman"].tolist() == pytest.approx([1.0] * 4)
    assert changes.totals.loc[0, ["before", "after", "added", "removed", "changed"]].tolist() == [40, 40, 0, 0, 0]
    assert changes.unexplained == ()


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"restorer_fingerprint": NEW}, "restorer"),
        ({"restorer_fingerprint": NEW, "label_key": NEW}, "restorer"),
        ({"label_key": NEW}, "definition"),
        ({}, "unexplained"),
    ],
)
def test_the_cause_is_what_changed_first(before, after, changes, cause):
    change_labels(after, SCENARIO, shift(**changes))
    row = count_causes(after, before)
    assert (row["changed"], row[cause]) == (7, 7)
    assert row["median_change"] == pytest.approx(0.5)
    assert row["max_change"] == pytest.approx(0.5)


def test_other_pixels_are_other_data(before, after):
    def repaint(rows):
        next(row for row in rows if row["burst_id"] == "alpha-00-0")["sha256"] = "0" * 64

    change_rows(after, FRAMES, repaint)
    change_labels(after, SCENARIO, shift(restorer_fingerprint=NEW))
    assert count_causes(after, before)["data"] == 7


def test_another_metric_or_library_explains_a_change(before, after):
    change_labels(after, SCENARIO, shift())
    description = read_description(after)
    write_description(after, {**description, "software": {**description["software"], "numpy": "3"}})
    assert count_causes(after, before)["software"] == 7
    metrics = {"psnr": {**description["metrics"]["psnr"], "border": 4}}
    write_description(after, {**description, "metrics": metrics})
    assert count_causes(after, before)["convention"] == 7


def test_labels_come_and_go(before, after):
    (after / labels_path(OTHER)).unlink()
    change_labels(after, SCENARIO, lambda rows, _: rows.__delitem__(slice(0, 16)))
    table = compare_builds(after, before).labels.set_index(["scenario", "estimator"])
    assert table.loc[(OTHER, "add_one"), ["before", "after", "removed", "common"]].tolist() == [280, 0, 280, 0]
    assert table["removed"].sum() == 560 + 14
    assert compare_builds(before, after).labels["added"].sum() == 560 + 14


def test_an_unexplained_change_is_a_severe_finding(before, after):
    change_labels(after, SCENARIO, shift())
    found = [each for each in audit_dataset(after, against=before).findings if each.rule == "unexplained_change"]
    assert [(each.severity, each.value) for each in found] == [("severe", 14)]
    assert "alpha-00-0" in found[0].evidence


def test_all_unexplained_changes_are_counted(before, after):
    def move_all(rows, _):
        for row in rows:
            if row["score"] is not None:
                row["score"] += 0.5

    change_labels(after, SCENARIO, move_all)
    found = [each for each in audit_dataset(after, against=before).findings if each.rule == "unexplained_change"]
    assert [each.value for each in found] == [560]


@pytest.mark.slow
def test_the_report_has_a_section_only_with_another_build(before, after):
    change_labels(after, SCENARIO, shift(label_key=NEW))
    write_audit(after)
    assert 'id="changes"' not in (after / "audit" / "index.html").read_text(encoding="utf-8")
    write_audit(after, against=before)
    text = (after / "audit" / "index.html").read_text(encoding="utf-8")
    assert 'id="changes"' in text
    assert "14 of 1,120 labels that" in text


@pytest.mark.slow
def test_the_command_tells_what_changed(before, after):
    change_labels(after, SCENARIO, shift(label_key=NEW))
    result = CliRunner().invoke(main, ["audit", str(after), "--against", str(before)])
    assert "14 of 1,120 common labels changed" in result.output
    content = json.loads(CliRunner().invoke(main, ["audit", str(after), "--against", str(before), "--json"]).stdout)
    assert sum(row["definition"] for row in content["changes"]["labels"]) == 14


def test_a_folder_that_is_no_data_set_is_refused(before, tmp_path):
    with pytest.raises(MissingManifestError, match="not a data set"):
        compare_builds(before, tmp_path)
