"""Where the sources of a recipe lie: named roots, other layouts, half a data set, wrong counts."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from benchmarks.stand_ins.burstsr import write_crop
from benchmarks.stand_ins.hdrplus import write_hdrplus
from benchmarks.stand_ins.photo_triage import write_photo_triage
from benchmarks.stand_ins.spaq import write_spaq
from dataset_builder.build import build_dataset
from dataset_builder.cli.main import main
from dataset_builder.errors import MissingSourceError, RecipeError, UnsetRootError
from dataset_builder.plans import list_root_names, plan_sources, replace_restorers
from dataset_builder.recipe import parse_recipe, parse_source, read_recipe
from dataset_builder.settings.roots import find_root, read_named, require_layout, split_root
from manifests.store import read_dataset_table
from tests.dataset_builder.test_altered import Here
from tests.places import ROOT

FOLDERS = {"kind": "folders", "name": "a", "root": "$mine"}
TWO = """
[[sources]]
kind = "folders"
name = "good"
root = "$good"

[[sources]]
kind = "burstsr"
name = "bad"
root = "$bad"
"""


def write_bursts(root, count=2, seed=0):
    rng = np.random.default_rng(seed)
    for burst in range(count):
        for frame in range(2):
            path = root / f"b{burst}/{frame}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(path), rng.integers(0, 256, (32, 40, 3), dtype=np.uint8))
    return root


def plan(*sources, roots=(), dataset=Path("none"), **options):
    recipe = parse_recipe({"sources": list(sources)}, "recipe")
    return plan_sources(recipe, dataset, dataset, Here(), roots=dict(roots), **options)


def touch(root, *names):
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"")
    return root


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        ("$zurich", ("zurich", "")),
        ("$zurich/test/canon", ("zurich", "test/canon")),
        ("photos", None),
        ("package:skimage/data", None),
    ],
)
def test_named_roots_begin_with_a_dollar(root, expected):
    assert split_root(root) == expected


@pytest.mark.parametrize("root", ["$", "$Big", "$a/", "$a/../b", "$a b", "$a\\b"])
def test_what_only_begins_like_a_named_root_is_refused(root):
    with pytest.raises(RecipeError, match=r"sources\[0\]\.root: expected \$NAME"):
        parse_recipe({"sources": [{**FOLDERS, "root": root}]}, "recipe")


def test_named_roots_come_from_the_command_line_before_the_environment(monkeypatch):
    monkeypatch.setenv("BUIQA_ROOT_PHOTO_TRIAGE", "/environment/triage")
    monkeypatch.setenv("BUIQA_ROOT_SPAQ", "/environment/spaq")
    monkeypatch.setenv("BUIQA_ROOT_OTHER", "/not/asked/for")
    known = ["photo_triage", "spaq", "hdrplus"]
    found = read_named("--root", ["spaq=/given=here"], known, "BUIQA_ROOT_")
    assert found == {"photo_triage": "/environment/triage", "spaq": "/given=here"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["spaq"], "expected NAME=VALUE"),
        (["spaq="], "expected NAME=VALUE"),
        (["spaq=a", "spaq=b"], "each name once"),
        (["spack=a"], "--root spack: the recipe has spaq, hdrplus"),
    ],
)
def test_what_is_no_named_root(given, message):
    with pytest.raises(RecipeError, match=message):
        read_named("--root", given, ["spaq", "hdrplus"], "BUIQA_ROOT_")


def test_a_named_root_that_is_not_set_says_how_to_set_it(tmp_path):
    with pytest.raises(
        UnsetRootError, match=r"source 'a': root \$mine is not set; say --root mine=DIR, or set BUIQA_ROOT_MINE"
    ):
        find_root("a", "$mine", tmp_path, {})
    with pytest.raises(MissingSourceError, match=f"source 'a': root: no folder {tmp_path}/gone"):
        find_root("a", "$mine", tmp_path, {"mine": tmp_path / "gone"})


def test_a_folder_below_a_named_root_is_looked_for_nearby(tmp_path):
    touch(tmp_path, "Zurich-RAW/test/canon/0.jpg", "Zurich-RAW/train/canon/0.jpg")
    with pytest.raises(MissingSourceError) as caught:
        find_root("zurich", "$zurich/test/canon", tmp_path, {"zurich": tmp_path})
    assert str(caught.value) == (
        f"source 'zurich': root: expected test/canon in {tmp_path}, found Zurich-RAW/; {tmp_path}/Zurich-RAW has that: name it"
    )
    inner = tmp_path / "Zurich-RAW/test/canon"
    assert find_root("zurich", "$zurich/test/canon", tmp_path, {"zurich": tmp_path / "Zurich-RAW"}) == inner


CROP = "0001_0000/samsung_00/im_raw.png"


@pytest.mark.parametrize(
    ("files", "root", "found", "advice"),
    [
        ((f"BurstSR/val/{CROP}",), ".", "BurstSR/", "{top}/BurstSR has that: name it"),  # an extra top folder
        ((f"val/val/{CROP}",), ".", "val/", "{top}/val has that: name it"),  # unzipped twice
        ((f"val/{CROP}",), "val", "0001_0000/", "{top} has that: name it"),  # a folder too deep
        (("val.zip", "README"), ".", "README, val.zip", "unpack val.zip"),
        (("a", "b", "c", "d", "e"), ".", "a, b, c and 2 more", "correct root, or get the files"),
        (("train/0001_0000/canon/im_raw.png",), ".", "train/", "correct root, or get the files"),  # half a crop
        ((".hidden",), ".", "nothing", "correct root, or get the files"),
    ],
)
def test_other_layouts_are_named_with_what_was_expected_and_found(tmp_path, files, root, found, advice):
    top = touch(tmp_path / "top", *files)
    source = parse_source(name="burstsr", kind="burstsr", root=str(top / root))
    with pytest.raises(MissingSourceError) as caught:
        require_layout("source 'burstsr'", top / root, source.layout)
    assert str(caught.value) == (
        "source 'burstsr': root: expected train/*/samsung_* or val/*/samsung_* or test/*/samsung_* in "
        f"{top / root}, found {found}; {advice.format(top=top)}"
    )


def test_every_kind_with_a_layout_takes_its_own(tmp_path):
    write_crop(tmp_path / "burstsr/val/0001_0000", frames=2, side=12)
    write_hdrplus(tmp_path / "hdrplus", frames=2)
    write_photo_triage(tmp_path / "photo_triage")
    write_spaq(tmp_path / "spaq")
    for kind in ("burstsr", "hdrplus", "photo_triage", "spaq"):
        source = parse_source(name=kind, kind=kind, root=str(tmp_path / kind))
        assert source.layout
        require_layout(kind, tmp_path / kind, source.layout)
        (tmp_path / "wrapped" / kind).mkdir(parents=True)
        (tmp_path / kind).rename(tmp_path / "wrapped" / kind / "inner")
        with pytest.raises(MissingSourceError, match=f"wrapped/{kind}/inner has that: name it"):
            require_layout(kind, tmp_path / "wrapped" / kind, source.layout)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A data set of a source that is there and of one that has another layout."""
    folder = tmp_path_factory.mktemp("roots")
    write_bursts(folder / "good")
    touch(folder / "bad", "BurstSR/readme.txt")
    (folder / "two.toml").write_text(TWO)
    roots = {"good": folder / "good", "bad": folder / "bad"}
    reports = build_dataset(
        folder / "two.toml", read_recipe(folder / "two.toml"), folder / "set", roots=roots, workers=Here()
    )
    return folder, reports


def test_a_source_that_misses_costs_itself(built):
    folder, reports = built
    assert (reports[0].counts["created"], reports[0].counts["failed"]) == (2, 1)
    (row,) = read_dataset_table(folder / "set", "failures").to_pylist()
    assert (row["source"], row["error_type"], row["burst_id"]) == ("bad", "MissingSourceError", "")
    assert row["message"].startswith("source 'bad': root: expected train/*/samsung_*")


def test_what_is_built_does_not_depend_on_where_roots_lie(built):
    folder, _ = built
    (folder / "elsewhere").mkdir(exist_ok=True)
    moved = folder / "elsewhere/moved"
    (folder / "good").rename(moved)
    try:
        reports = build_dataset(
            folder / "two.toml", read_recipe(folder / "two.toml"), folder / "set", roots={"good": moved}, workers=Here()
        )
    finally:
        moved.rename(folder / "good")
    assert (reports[0].counts["reused"], reports[0].counts["created"], reports[0].counts["failed"]) == (2, 0, 0)
    assert reports[0].remarks == [
        "skipped: source 'bad': root $bad is not set; say --root bad=DIR, or set BUIQA_ROOT_BAD"
    ]
    assert str(folder) not in (folder / "set/dataset.json").read_text()


def test_a_source_whose_root_is_not_set_keeps_what_it_has(built, tmp_path):
    folder, _ = built
    write_crop(tmp_path / "burstsr/val/0001_0000", frames=2)
    roots = {"bad": tmp_path / "burstsr"}
    recipe = read_recipe(folder / "two.toml")
    reports = build_dataset(folder / "two.toml", recipe, folder / "set", roots=roots, workers=Here())
    assert (reports[0].counts["created"], reports[0].counts["removed"]) == (1, 0)
    assert read_dataset_table(folder / "set", "bursts").num_rows == 3


def test_nothing_is_built_where_no_source_can_be_used_or_strictness_forbids_it(tmp_path):
    write_bursts(tmp_path / "good")
    (tmp_path / "two.toml").write_text(TWO)
    arguments = ["build", str(tmp_path / "two.toml"), "--out", str(tmp_path / "set")]
    answer = CliRunner().invoke(main, arguments)
    assert answer.exit_code == 1
    for name in ("good", "bad"):
        assert f"skipped: source '{name}': root ${name} is not set; say --root {name}=DIR" in answer.output
    answer = CliRunner().invoke(main, [*arguments, "--root", f"good={tmp_path / 'good'}", "--strict"])
    assert answer.exit_code == 1
    assert "root $bad is not set" in answer.output
    assert "root $good" not in answer.output
    assert not (tmp_path / "set/manifests").exists()


def test_roots_of_the_command_line_and_of_the_environment_reach_the_build(tmp_path, monkeypatch):
    write_bursts(tmp_path / "good")
    (tmp_path / "two.toml").write_text(TWO)
    arguments = ["build", str(tmp_path / "two.toml"), "--out", str(tmp_path / "set"), "--dry-run"]
    monkeypatch.chdir(tmp_path)
    for options, variables in ((["--root", "good=good"], {}), ([], {"BUIQA_ROOT_GOOD": str(tmp_path / "good")})):
        answer = CliRunner().invoke(main, [*arguments, *options], env=variables)
        assert answer.exit_code == 0, answer.output
        assert "skipped: source 'bad'" in answer.output
        assert " 2 " in answer.output


def test_wrong_counts_are_said_in_one_line(tmp_path):
    write_bursts(tmp_path / "mine", 3)
    source = {**FOLDERS, "expected": {"bursts": 4, "frames": 8}}
    planned = plan(source, roots={"mine": tmp_path / "mine"})
    line = "source 'a': expected 4 bursts of 8 frames, found 3 of 6; get the others, or correct root"
    assert planned.remarks == [line]
    with pytest.raises(MissingSourceError, match="expected 4 bursts of 8 frames, found 3 of 6"):
        plan(source, roots={"mine": tmp_path / "mine"}, strict=True)
    right = {**FOLDERS, "expected": {"bursts": 3, "frames": 6}}
    assert plan(right, roots={"mine": tmp_path / "mine"}, strict=True).remarks == []
    (tmp_path / "mine/b1/1.png").unlink()
    (remark,) = plan(right, roots={"mine": tmp_path / "mine"}).remarks
    assert remark.endswith("found 2 of 4; what cannot be used is among the failures; get the others, or correct root")


def test_half_of_the_images_of_judged_sets_is_said_in_one_line(tmp_path):
    write_photo_triage(tmp_path / "triage")
    write_spaq(tmp_path / "spaq")
    for path in [*sorted((tmp_path / "triage/train_val_imgs").iterdir())[::2], tmp_path / "spaq/TestImage/00004.jpg"]:
        path.unlink()
    sources = [
        {"kind": "photo_triage", "name": "triage", "root": "$triage", "min_preference": 0.5},
        {"kind": "spaq", "name": "spaq", "root": "$spaq", "frame_side": 128},
    ]
    roots = {name: tmp_path / name for name in ("triage", "spaq")}
    plans = plan(*sources, roots=roots, dataset=tmp_path / "set").plans
    assert plans["triage"].remarks == [
        f"source 'triage': expected 12 images of the lists in {tmp_path}/triage/train_val_imgs, found 6; get the others"
    ]
    assert plans["spaq"].remarks == [
        f"source 'spaq': expected 6 photographs of the table in {tmp_path}/spaq/TestImage, found 5; get the others"
    ]
    assert len(plans["spaq"].units) == 2


def test_hdrplus_without_results_says_so(tmp_path):
    write_hdrplus(tmp_path / "hdrplus", frames=2)
    (tmp_path / "hdrplus/results_20171023").rename(tmp_path / "results")
    planned = plan({"kind": "hdrplus", "name": "h", "root": "$h"}, roots={"h": tmp_path / "hdrplus"})
    assert "expected a folder results_*" in planned.plans["h"].remarks[0]


def test_a_limit_draws_by_name_and_keeps_its_draw_as_the_source_grows(tmp_path):
    def draw(count, limit):
        root = tmp_path / str(count)
        write_bursts(root, count)
        return {unit.origin.path for unit in plan({**FOLDERS, "limit": limit}, roots={"mine": root}).plans["a"].units}

    few, more = draw(12, 5), draw(13, 5)
    assert len(few) == len(more) == 5
    assert len(few - more) <= 1
    assert few != {f"b{number}" for number in range(5)}
    assert len(draw(14, 20)) == 14


def test_a_crop_may_stand_for_the_whole_burst(tmp_path):
    write_bursts(tmp_path / "mine", 1)
    crops = {"rule": "grid", "count": 2, "height": 32, "width": 32}
    for whole, suffixes in ((True, ["", "-c00", "-c01"]), (False, ["-c00", "-c01"])):
        source = {**FOLDERS, "crops": {**crops, "whole": whole}, "expected": {"bursts": 1, "frames": 2}}
        planned = plan(source, roots={"mine": tmp_path / "mine"}, strict=True)
        units = planned.plans["a"].units
        assert [unit.burst_id.partition("-c")[1] + unit.burst_id.partition("-c")[2] for unit in units] == suffixes
        keys = {unit.crop.index: unit.key for unit in units if unit.crop}
        assert len(set(keys.values())) == 2
        if whole:
            known = keys
    assert keys == known  # what a crop shows does not depend on what else is taken in
    judged = {"kind": "spaq", "name": "s", "root": ".", "crops": {"whole": False}}
    with pytest.raises(RecipeError, match="people judged whole frames"):
        parse_recipe({"sources": [judged]}, "recipe")


def test_splits_by_scene_pass_over_the_lists_of_a_source(tmp_path):
    write_photo_triage(tmp_path / "triage")
    write_crop(tmp_path / "burstsr/val/0001_0000", frames=2, side=12)
    sources = [
        {"kind": "photo_triage", "name": "triage", "root": "$triage"},
        {"kind": "burstsr", "name": "burstsr", "root": "$burstsr", "parts": ["val"]},
    ]
    roots = {name: tmp_path / name for name in ("triage", "burstsr")}
    for split, expected in ((None, {"train", "val"}), ("scenes", {None})):
        chosen = [source if split is None else {**source, "split": split} for source in sources]
        plans = plan(*chosen, roots=roots).plans
        assert {unit.origin.split for each in plans.values() for unit in each.units} == expected


def test_burstsr_takes_the_parts_that_it_is_told(tmp_path):
    for part in ("train", "val"):
        write_crop(tmp_path / f"in/{part}/0001_0000", frames=2, side=12)
    source = {"kind": "burstsr", "name": "b", "root": "$b"}
    for parts, count in ((["val"], 1), (["train", "val"], 2), ([], 2)):
        planned = plan({**source, "parts": parts}, roots={"b": tmp_path / "in"})
        assert len(planned.plans["b"].units) == count
    with pytest.raises(MissingSourceError, match=r"expected test/\*/samsung_\* in .*, found train/, val/"):
        plan({**source, "parts": ["test"]}, roots={"b": tmp_path / "in"})


SCENARIOS = {
    "scenarios": [
        {"name": "denoise/kpn", "stands_for": "bpn", "estimators": ["leave_one_out"]},
        {"name": "denoise/hdrplus"},
        {"name": "sr/dbsr@x2", "stands_for": "dbsr"},
    ]
}


def test_restorers_that_are_named_take_the_place_of_those_that_stand_for_them():
    recipe = parse_recipe(SCENARIOS, "recipe")
    chosen, remarks = replace_restorers(recipe, {"bpn": "burst:/weights/bpn.hdf5"})
    first, second, third = chosen.scenarios
    assert (first.name, first.estimators, first.stands_for) == ("burst:/weights/bpn.hdf5", ("leave_one_out",), None)
    assert (second.name, third.name) == ("denoise/hdrplus", "sr/dbsr@x2")
    assert remarks == ["stand in for restorers that --restorer NAME=burst:FILE may name: sr/dbsr@x2 for dbsr"]
    with pytest.raises(RecipeError, match="'denoise/hdrplus' is named twice"):
        replace_restorers(recipe, {"bpn": "denoise/hdrplus"})
    with pytest.raises(RecipeError, match=r"scenarios\[0\]\.name"):
        replace_restorers(recipe, {"bpn": "burst:/my weights"})
    assert replace_restorers(parse_recipe({}, "recipe"), {}) == (parse_recipe({}, "recipe"), [])


def test_a_restorer_of_the_command_line_is_built(tmp_path):
    (tmp_path / "r.toml").write_text(
        TWO + '[[scenarios]]\nname = "denoise/mean"\nstands_for = "mine"\n', encoding="utf-8"
    )
    write_bursts(tmp_path / "good")
    arguments = [
        "build",
        str(tmp_path / "r.toml"),
        "--out",
        str(tmp_path / "set"),
        "--root",
        f"good={tmp_path / 'good'}",
    ]
    answer = CliRunner().invoke(main, [*arguments, "--dry-run", "--restorer", "mine=no/such"])
    assert answer.exit_code == 1
    assert "scenario 'no/such' is unknown" in answer.output
    answer = CliRunner().invoke(main, [*arguments, "--dry-run"], env={"BUIQA_RESTORER_MINE": "burst:/none.pth"})
    assert answer.exit_code == 1
    assert "/none.pth" in answer.output
    answer = CliRunner().invoke(main, [*arguments, "--restorer", "other=denoise/mean"])
    assert "--restorer other: the recipe has mine" in answer.output


def test_the_recipe_of_the_published_composition_names_its_roots_and_restorers():
    recipe = read_recipe(ROOT / "recipes/buiqa.toml")
    assert list_root_names(recipe) == ["burstsr", "zurich", "hdrplus", "photo_triage", "spaq"]
    assert len(recipe.scenarios) == 8
    assert {choice.stands_for for choice in recipe.scenarios} == {
        None,
        "inn",
        "dbd",
        "bpn",
        "ebsr",
        "bsrt",
        "dbsr",
        "bip",
    }
    assert {source.split for source in recipe.sources} == {"scenes", None}  # HDR+ and SPAQ have no lists of their own
