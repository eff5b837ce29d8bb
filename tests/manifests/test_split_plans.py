"""Every way to split keeps scenes whole; each keeps its own promise besides."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.cli.main import main
from dataset_builder.errors import RecipeError
from dataset_builder.recipe import SplitChoice, parse_recipe
from manifests.description import write_description
from manifests.errors import SelectionError, SplitListError
from manifests.splits import (
    FEW_SCENES,
    SplitFractions,
    SplitMethod,
    SplitPlan,
    assign_split,
    describe_rounding,
    plan_splits,
    reconcile_splits,
)
from manifests.store import read_dataset_table
from manifests.verification.verify import verify
from tests.tiny_dataset import make_description

FRACTIONS = SplitFractions(train=0.7, val=0.1, test=0.2)
NAMES = ["burst_id", "scene_id", "source", "preset", "origin_path"]
bursts_of = st.lists(st.tuples(st.integers(0, 15), st.sampled_from("xyz"), st.sampled_from("pq")), max_size=40)


def make_bursts(rows: list[tuple[int, str, str]]) -> pa.Table:
    columns = [
        {
            "burst_id": f"b{index:03d}",
            "scene_id": f"s{scene}",
            "source": source,
            "preset": preset,
            "origin_path": f"in/photo{scene}.png",
        }
        for index, (scene, source, preset) in enumerate(rows)
    ]
    return pa.Table.from_pylist(columns, schema=pa.schema([(name, pa.string()) for name in NAMES]))


def get_places(table: pa.Table) -> dict[str, tuple[str, int | None]]:
    """Split and fold of each scene, which must be one."""
    found: dict[str, set[tuple[str, int | None]]] = {}
    for row in table.to_pylist():
        found.setdefault(row["scene_id"], set()).add((row["split"], row["fold"]))
    assert all(len(places) == 1 for places in found.values())
    return {scene: places.pop() for scene, places in found.items()}


PLANS = [
    SplitPlan(fractions=FRACTIONS, salt="a"),
    SplitPlan(fractions=FRACTIONS, salt="a", folds=3),
    SplitPlan("stratified", FRACTIONS, "a", folds=4),
    SplitPlan("auto", FRACTIONS, "a", folds=4),
    SplitPlan("leave_one_source_out", FRACTIONS, "a", source="x"),
]


@given(bursts_of, st.sampled_from(PLANS))
def test_no_scene_is_cut_and_order_does_not_matter(rows: list[tuple[int, str, str]], plan: SplitPlan) -> None:
    bursts = make_bursts([*rows, (99, "x", "p")])
    table = plan_splits(bursts, plan)
    assert table.column("burst_id").equals(bursts.column("burst_id"))
    places = get_places(table)
    assert get_places(plan_splits(bursts.take(list(reversed(range(len(bursts))))), plan)) == places
    folds = {fold for _, fold in places.values()}
    assert folds <= set(range(plan.folds)) if plan.folds else folds == {None}


@given(bursts_of)
def test_the_default_is_the_split_by_hash(rows: list[tuple[int, str, str]]) -> None:
    table = plan_splits(make_bursts(rows), PLANS[0])
    for scene, split in zip(*(table.column(name).to_pylist() for name in ("scene_id", "split")), strict=True):
        assert split == assign_split(scene, FRACTIONS, salt="a")


@given(bursts_of, bursts_of, st.sampled_from(PLANS))
def test_new_data_move_nothing(
    old: list[tuple[int, str, str]], new: list[tuple[int, str, str]], plan: SplitPlan
) -> None:
    first = make_bursts([(99, "x", "p"), *old])
    before = plan_splits(first, plan)
    grown = make_bursts([(99, "x", "p"), *old, *((scene + 100, *rest) for scene, *rest in new)])
    after = get_places(plan_splits(grown, plan, previous=before))
    assert {scene: after[scene] for scene in get_places(before)} == get_places(before)


@given(st.integers(0, 120), st.sampled_from("abc"))
def test_few_scenes_get_their_shares_and_many_are_placed_by_name(number: int, salt: str) -> None:
    bursts = make_bursts([(scene, "xyz"[scene % 3], "p") for scene in range(number)])
    places = get_places(plan_splits(bursts, SplitPlan("auto", FRACTIONS, salt)))
    if number >= FEW_SCENES:
        assert all(split == assign_split(scene, FRACTIONS, salt=salt) for scene, (split, _) in places.items())
    counts = Counter(split for split, _ in places.values())
    for name in ("train", "val", "test") if number < FEW_SCENES else ():
        assert abs(counts[name] - getattr(FRACTIONS, name) * number) < 1


@settings(max_examples=30)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=12))
def test_scenes_that_come_one_after_the_other_get_their_shares_as_well(steps: list[int]) -> None:
    plan, table, number = SplitPlan("auto", FRACTIONS, "a"), None, 0
    for step in steps:
        number += step
        table = plan_splits(make_bursts([(scene, "x", "p") for scene in range(number)]), plan, previous=table)
    assert table is not None
    counts = Counter(split for split, _ in get_places(table).values())
    assert all(abs(counts[name] - getattr(FRACTIONS, name) * number) <= 1 for name in ("train", "val", "test"))


@pytest.mark.parametrize(
    ("number", "method", "line"),
    [
        (1, "auto", "splits: 1 scene makes train 1, test 0, where 80 %, 20 % were asked for"),
        (6, "auto", "splits: 6 scenes make train 5, test 1, where"),
        (10, "auto", ""),
        (200, "hash", ""),
        (6, "leave_one_source_out", ""),
    ],
)
def test_what_rounding_leaves_is_said(number: int, method: SplitMethod, line: str) -> None:
    bursts = make_bursts([(scene, "x", "p") for scene in range(number)])
    plan = SplitPlan(method, source="x" if method == "leave_one_source_out" else "")
    said = describe_rounding(plan_splits(bursts, plan), bursts, plan)
    assert said.startswith(line)
    assert bool(said) == bool(line)


def test_a_hash_that_misses_its_share_is_said() -> None:
    bursts = make_bursts([(scene, "x", "p") for scene in range(12)])
    said = set()
    for salt in "abcdefgh":
        plan = SplitPlan("hash", salt=salt)
        table = plan_splits(bursts, plan)
        test = Counter(split for split, _ in get_places(table).values())["test"]
        assert bool(describe_rounding(table, bursts, plan)) == (not 2 <= test <= 3)
        said.add(bool(describe_rounding(table, bursts, plan)))
    assert said == {True, False}


def test_splits_that_fell_apart_are_tested_on_first() -> None:
    plan = SplitPlan("auto", FRACTIONS, "a")
    tables = [
        plan_splits(make_bursts([(scene, "x", "p") for scene in scenes]), plan) for scenes in (range(6), range(3, 12))
    ]
    one, other = (get_places(table) for table in reconcile_splits(*tables))
    assert all(one[scene] == other[scene] for scene in one.keys() & other.keys())
    before = [get_places(table) for table in tables]
    order = ("train", "val", "test")
    for scene in one.keys() & other.keys():
        assert one[scene][0] == max(before[0][scene][0], before[1][scene][0], key=order.index)
    assert one.keys() == before[0].keys()


def test_strata_get_their_shares() -> None:
    rows = [(scene, "xyz"[scene % 3], "pq"[scene % 2]) for scene in range(300)]
    places = get_places(plan_splits(make_bursts(rows), SplitPlan("stratified", FRACTIONS, "a", folds=5)))
    for source in "xyz":
        for preset in "pq":
            stratum = [places[f"s{scene}"] for scene, *kind in rows if kind == [source, preset]]
            counts = Counter(split for split, _ in stratum)
            for name in ("train", "val", "test"):
                assert abs(counts[name] - getattr(FRACTIONS, name) * len(stratum)) <= 2
            assert all(abs(count - len(stratum) / 5) <= 2 for count in Counter(fold for _, fold in stratum).values())
    totals = Counter(split for split, _ in places.values())
    assert (totals["train"], totals["val"], totals["test"]) == (210, 30, 60)


def test_folds_are_independent_of_the_split() -> None:
    places = get_places(plan_splits(make_bursts([(scene, "x", "p") for scene in range(4000)]), PLANS[1]))
    for fold in range(3):
        inside = [split for split, other in places.values() if other == fold]
        assert abs(len(inside) / 4000 - 1 / 3) < 0.05
        assert abs(inside.count("test") / len(inside) - 0.2) < 0.06


def test_a_shared_scene_is_never_trained_on_when_its_source_is_left_out() -> None:
    bursts = make_bursts([(1, "x", "p"), (1, "y", "p"), (2, "y", "p"), (3, "y", "q")])
    plan = SplitPlan("leave_one_source_out", SplitFractions(train=1, val=0, test=0), source="x")
    assert get_places(plan_splits(bursts, plan)) == {"s1": ("test", None), "s2": ("train", None), "s3": ("train", None)}
    with pytest.raises(SelectionError, match="source 'w': expected one of x, y"):
        plan_splits(bursts, SplitPlan("leave_one_source_out", source="w"))


def test_official_lists_name_scenes_bursts_or_origins() -> None:
    bursts = make_bursts([(1, "x", "p"), (2, "x", "p"), (3, "x", "p"), (4, "x", "p"), (4, "x", "p")])
    lists = {"train": ["s1", "in/photo2.png"], "val": ["in/photo3"], "test": ["b004"]}
    splits = {
        scene: split
        for scene, (split, _) in get_places(plan_splits(bursts, SplitPlan("official", lists=lists))).items()
    }
    assert splits == {"s1": "train", "s2": "train", "s3": "val", "s4": "test"}


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        ({"train": ["s1", "s9"], "test": ["s2"]}, "'s9' is no scene_id, burst_id or origin_path"),
        ({"train": ["s1", "s2"], "test": ["b001"]}, "'b001' belongs to s2, which the list 'train' has"),
        ({"train": ["s1"]}, "1 scenes stand in none, the first is s2"),
        ({"dev": ["s1"]}, "list 'dev': expected one of train, val, test"),
    ],
)
def test_lists_that_do_not_fit(lists: dict[str, list[str]], message: str) -> None:
    with pytest.raises(SplitListError, match=message):
        plan_splits(make_bursts([(1, "x", "p"), (2, "x", "p")]), SplitPlan("official", lists=lists))


# ---------------------------------------------------------------------------------------------- recipe, command line


@pytest.mark.parametrize(
    ("splits", "message"),
    [
        ({"method": "random"}, "splits.method"),
        ({"method": "official"}, "lists: are needed"),
        ({"lists": {"train": ["a"]}}, "lists: are needed by the method official, and by no other"),
        ({"method": "leave_one_source_out"}, "source: is needed"),
        ({"folds": 1}, "folds: expected 0 or at least 2"),
    ],
)
def test_a_recipe_that_contradicts_itself(splits: dict[str, object], message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        parse_recipe({"splits": splits}, "recipe.toml")


@pytest.fixture
def built(tiny: Path) -> Path:
    """The tiny data set as one that a recipe made."""
    description = make_description()
    write_description(tiny, {**description, "recipe": {"name": "tiny"}})
    return tiny


def split(root: Path, *options: str) -> str:
    result = CliRunner().invoke(main, ["split", str(root), *options])
    assert result.exit_code == 0, result.output
    assert verify(root) == []
    return result.output


@pytest.mark.slow
def test_the_command(built: Path, tmp_path: Path) -> None:
    assert "fold 1:" in split(built, "--stratified", "--folds", "2", "--test", "0.5")
    assert "note: splits: 4 scenes make train 3, test 1" in split(built)
    assert split(built, "--leave-out", "phone").startswith("train: 4 bursts, val: 0 bursts, test: 1 burst\n")
    (tmp_path / "train.txt").write_text("# official\nscene-a\nscene-b\n\n")
    (tmp_path / "test.txt").write_text("tiny-3\nphone-scene\n")
    split(built, "--list", f"train={tmp_path}/train.txt", "--list", f"test={tmp_path}/test.txt")
    places = get_places(read_dataset_table(built, "splits"))
    assert {scene for scene, place in places.items() if place[0] == "test"} == {"scene-c", "phone-scene"}


@pytest.mark.slow
def test_a_stratified_split_survives_another_stage(built: Path) -> None:
    split(built, "--stratified", "--test", "0.5")
    before = read_dataset_table(built, "splits")
    assert CliRunner().invoke(main, ["audit", str(built)]).exit_code == 0
    assert read_dataset_table(built, "splits").equals(before)


@pytest.mark.parametrize(
    "options",
    [
        ["--list", "train"],
        ["--list", "train=/nowhere"],
        ["--stratified", "--leave-out", "x"],
        ["--by-name", "--stratified"],
    ],
)
def test_wrong_options(built: Path, options: list[str]) -> None:
    assert CliRunner().invoke(main, ["split", str(built), *options]).exit_code == 2


def test_a_choice_becomes_a_plan() -> None:
    choice = SplitChoice(method="leave_one_source_out", source="x", train=0.5, val=0.3, test=0.2, salt="s")
    assert choice.to_plan() == SplitPlan(
        "leave_one_source_out", SplitFractions(train=0.5, val=0.3, test=0.2), "s", source="x"
    )
