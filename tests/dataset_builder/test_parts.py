"""Builds in parts, merged, are one build: the same bytes, however many parts; and what is not the parts of one build is refused."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from dataset_builder.audit import stage
from dataset_builder.build import add_labels, build_dataset
from dataset_builder.cli.main import main
from dataset_builder.errors import OutputError
from dataset_builder.recipe import parse_scenario, read_recipe
from dataset_builder.redo import redo_reports
from dataset_builder.work.dealing import BuildPart
from manifests import table_writer
from manifests.description import PART, read_description
from manifests.errors import ManifestError, MergeConflictError
from manifests.operations import streams
from manifests.operations.parts import merge_parts
from manifests.seal import seal_dataset
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.workshop import Here, fingerprint, write_workshop

WRITE_AUDIT, RESTORE_BURSTS = stage.write_audit, stage.restore_bursts


def build(folder: Path, out: Path, part: str | None = None) -> Path:
    path = folder / "recipe.toml"
    build_dataset(path, read_recipe(path), out, part=part and BuildPart.parse(part), workers=Here())
    return out


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    return result.exit_code, result.output


@pytest.fixture(scope="module", autouse=True)
def _small_pieces():
    """Tables of a few rows have many row groups and are read in many pieces."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(table_writer, "ROWS_PER_GROUP", 20)
        patch.setattr(streams, "_FEWEST_ROWS", 5)
        patch.setattr(streams, "_ROWS_AT_ONCE", 5)
        # The page costs more than all else; a slow test has it.
        patch.setattr(stage, "write_audit", lambda _root, **_choices: SimpleNamespace(remarks=()))
        patch.setattr(stage, "restore_bursts", lambda _root, **_choices: [])
        yield


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return write_workshop(tmp_path_factory.mktemp("parts"))


@pytest.fixture(scope="module")
def whole(workshop):
    return build(workshop, workshop / "whole")


@pytest.fixture(scope="module")
def halves(workshop):
    return [build(workshop, workshop / f"half-{number}", f"{number}/2") for number in (1, 2)]


@pytest.fixture
def copies(halves, tmp_path):
    return [Path(shutil.copytree(half, tmp_path / half.name)) for half in halves]


def test_the_whole_has_what_is_to_be_dealt_out(whole):
    bursts = read_dataset_table(whole, "bursts").to_pandas()
    assert bursts["source"].value_counts().to_dict() == {"photos": 4, "phone": 1}
    failures = read_dataset_table(whole, "failures").to_pandas()
    assert sorted(failures["source"][failures["stage"] == "bursts"]) == ["gone", "phone", "photos"]
    assert bursts["scene_id"].nunique() == 5


@pytest.mark.parametrize("total", [2, pytest.param(1, marks=pytest.mark.slow), pytest.param(9, marks=pytest.mark.slow)])
def test_parts_merged_are_one_build(workshop, whole, halves, tmp_path, total):
    """Nine parts are more than there are scenes, so some are empty."""
    parts = halves if total == 2 else [build(workshop, tmp_path / f"{n}", f"{n}/{total}") for n in range(1, total + 1)]
    sizes = [len(read_dataset_table(part, "bursts")) for part in parts]
    assert sum(sizes) == 5
    assert (min(sizes) == 0) == (total == 9)
    assert [verify(part) for part in parts] == [[]] * total
    merge_parts(parts[::-1], tmp_path / "merged", finish=redo_reports)
    assert fingerprint(tmp_path / "merged") == fingerprint(whole)
    # What was merged goes on as the whole that it is.
    assert read_description(tmp_path / "merged").get(PART) is None


@pytest.mark.slow
def test_the_report_is_that_of_one_build(workshop, tmp_path, monkeypatch):
    monkeypatch.setattr(stage, "write_audit", WRITE_AUDIT)
    monkeypatch.setattr(stage, "restore_bursts", RESTORE_BURSTS)
    whole = build(workshop, tmp_path / "whole")
    parts = [build(workshop, tmp_path / f"{number}", f"{number}/3") for number in (1, 2, 3)]
    merge_parts(parts, tmp_path / "merged", finish=redo_reports)
    assert fingerprint(tmp_path / "merged") == fingerprint(whole)
    assert (whole / "audit/index.html").exists()


def test_a_part_goes_on_where_it_was_left(workshop, copies):
    before = fingerprint(copies[0])
    shutil.rmtree(next((copies[0] / "frames").glob("*/*")))
    build(workshop, copies[0], "1/2")
    assert fingerprint(copies[0]) == before
    assert not (copies[0] / "manifests/splits.parquet").exists()
    assert not (copies[0] / "audit").exists()


def test_parts_that_were_labelled_further_merge(copies, tmp_path):
    for part in copies:
        add_labels(part, [parse_scenario(name="denoise/hdrplus", metrics=("psnr",))], workers=Here())
        assert read_description(part)[PART]["total"] == 2
    merge_parts(copies, tmp_path / "merged", finish=redo_reports)
    assert verify(tmp_path / "merged") == []
    assert read_description(tmp_path / "merged")["totals"]["scenarios"] == 3


@pytest.mark.parametrize(
    ("text", "message"),
    [("0/2", "K from 1 to N"), ("3/2", "K from 1 to N"), ("1", "such as 2/8, got '1'"), ("1/513", "N up to 512")],
)
def test_a_part_out_of_range(workshop, tmp_path, text, message):
    code, output = run("build", workshop / "recipe.toml", "--out", tmp_path / "out", "--part", text)
    assert code == 2
    assert message in " ".join(output.split())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("part", [None, "2/2", "1/3"])
def test_a_folder_of_another_part(workshop, halves, part):
    before = fingerprint(halves[0])
    with pytest.raises(OutputError, match=r"holds part 1 of 2, not .*name another folder"):
        build(workshop, halves[0], part)
    assert fingerprint(halves[0]) == before


def test_a_whole_data_set_does_not_become_a_part(workshop, whole):
    with pytest.raises(OutputError, match="holds a whole data set, not part 1 of 2"):
        build(workshop, whole, "1/2")


def reseal(root: Path, **changes: object) -> None:
    seal_dataset(root, {**read_description(root), **changes})


def change_facts(root: Path, **changes: object) -> None:
    reseal(root, **{PART: {**read_description(root)[PART], **changes}})


def replace_recipe(root: Path) -> None:
    (root / "recipe.toml").write_text("seed = 6")
    reseal(root)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda part: change_facts(part, total=3), r"half-2: is one of 3 parts, .*half-1 one of 2"),
        (lambda part: change_facts(part, plan_sha256="0"), r"half-2: was built from other sources than .*half-1"),
        (lambda part: change_facts(part, code_sha256="0"), "other versions of the software"),
        (lambda part: reseal(part, software={"numpy": "1"}), "other versions of the software"),
        (lambda part: reseal(part, recipe={"seed": 6}), r"half-2: was built from another recipe than .*half-1"),
        (replace_recipe, "another file of the recipe"),
        (lambda part: reseal(part, part={"number": 2}), "part: expected number, total, plan_sha256, code_sha256"),
        (lambda part: (part / "manifests/bursts.parquet").write_bytes(b"x"), "is not as it was sealed"),
        (lambda part: next(part.glob("frames/*/*/00.png")).write_bytes(b"x"), "SHA-256 differs"),
        (lambda part: (part / "dataset.json").unlink(), "not a data set"),
    ],
)
def test_what_are_not_the_parts_of_one_build(copies, tmp_path, change, message):
    change(copies[1])
    with pytest.raises(ManifestError, match=message) as caught:
        merge_parts(copies, tmp_path / "merged", finish=redo_reports)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.glob("*merged*"))


@pytest.mark.parametrize(
    ("chosen", "message"),
    [((1,), "part 1 of 2: is not among the folders"), ((0, 1, 0), "are both part 1; name each part once")],
)
def test_parts_that_are_missing_or_doubled(halves, tmp_path, chosen, message):
    code, output = run("merge", *(halves[index] for index in chosen), "--out", tmp_path / "merged")
    assert (code, message in output, len(output.strip().splitlines())) == (1, True, 1)


def test_a_burst_that_two_parts_have(copies, tmp_path):
    """A folder that says that it is the other part."""
    other = Path(shutil.copytree(copies[0], tmp_path / "other"))
    change_facts(other, number=2)
    with pytest.raises(MergeConflictError, match=r"burst_id=[\w-]+: is in .*half-1 and in .*other"):
        merge_parts([copies[0], other], tmp_path / "merged", finish=redo_reports)
    assert not list(tmp_path.glob("*merged*"))


def test_whole_data_sets_and_parts_do_not_mix(whole, halves, tmp_path):
    code, output = run("merge", whole, halves[1], "--out", tmp_path / "merged")
    assert (code, "whole: is a whole data set, not a part of a build" in output) == (1, True)
    code, output = run("merge", whole, whole, whole, "--out", tmp_path / "merged")
    assert (code, "expected two data sets, or the parts of a build, got 3" in output) == (2, True)


def test_every_scene_falls_to_one_part():
    scenes = [f"scene-{number:016x}" for number in range(2000)]
    for total in (1, 2, 7, 512):
        parts = [BuildPart(number, total) for number in range(1, total + 1)]
        owners = [[part.number for part in parts if part.holds(scene)] for scene in scenes[: 40_000 // total]]
        assert all(len(found) == 1 for found in owners)
    thirds = [sum(BuildPart(number, 3).holds(scene) for scene in scenes) for number in (1, 2, 3)]
    assert max(abs(third - 2000 / 3) for third in thirds) < 4 * (2000 * 2 / 9) ** 0.5
