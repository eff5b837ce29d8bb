"""Splits: a scene is never cut, new data move nothing, and the fractions are kept."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from manifests.errors import InvalidFractionsError
from manifests.schema import SPLIT_NAMES, SPLITS
from manifests.splits import SplitFractions, SplitPlan, assign_split, plan_splits
from manifests.store import read_table, write_table

scene_ids = st.text(max_size=40)
salts = st.text(max_size=10)


@st.composite
def split_fractions(draw: st.DrawFn) -> SplitFractions:
    weights = draw(st.tuples(*[st.integers(0, 100)] * 3))
    assume(sum(weights))
    train, val, test = (weight / sum(weights) for weight in weights)
    return SplitFractions(train=train, val=val, test=test)


def make_bursts(scenes: list[str]) -> pa.Table:
    others = {"source": "s", "preset": None, "origin_path": "p.png", "official_split": None}
    rows = [{"burst_id": f"b{index:04d}", "scene_id": scene, **others} for index, scene in enumerate(scenes)]
    names = ("burst_id", "scene_id", *others)
    return pa.Table.from_pylist(rows, schema=pa.schema([(name, pa.string()) for name in names]))


def split_scenes(scenes: list[str], fractions: SplitFractions, salt: str) -> pa.Table:
    return plan_splits(make_bursts(scenes), SplitPlan(fractions=fractions, salt=salt))


@given(st.lists(scene_ids, max_size=30), split_fractions(), salts)
def test_no_scene_is_cut_and_no_burst_forgotten(scenes: list[str], fractions: SplitFractions, salt: str) -> None:
    table = split_scenes(scenes, fractions, salt)
    assert table.schema.equals(SPLITS.schema)
    assert table.column("scene_id").to_pylist() == scenes
    assert set(table.column("split").to_pylist()) <= set(SPLIT_NAMES)
    assert len(set(zip(scenes, table.column("split").to_pylist(), strict=True))) == len(set(scenes))


@given(st.lists(scene_ids, max_size=20), st.lists(scene_ids, max_size=20), split_fractions(), salts)
def test_new_data_move_nothing(old: list[str], new: list[str], fractions: SplitFractions, salt: str) -> None:
    before = split_scenes(old, fractions, salt)
    after = split_scenes([*new, *old], fractions, salt)
    assert after.column("split").to_pylist()[len(new) :] == before.column("split").to_pylist()


@given(scene_ids, salts, st.floats(0, 1), st.floats(0, 1), st.floats(0, 1))
def test_trading_train_against_val_moves_no_test_scene(
    scene: str, salt: str, test: float, share: float, other_share: float
) -> None:
    splits = set()
    for val_share in (share, other_share):
        val = (1 - test) * val_share
        splits.add(assign_split(scene, SplitFractions(train=1 - test - val, val=val, test=test), salt=salt) == "test")
    assert len(splits) == 1


@given(scene_ids, salts, split_fractions())
def test_the_definition(scene: str, salt: str, fractions: SplitFractions) -> None:
    place = int(hashlib.sha256(f"{salt}:{scene}".encode()).hexdigest()[:16], 16) / 2**64
    assume(min(abs(place - fractions.test), abs(place - fractions.test - fractions.val)) > 1e-12)
    expected = "test" if place < fractions.test else "val" if place < fractions.test + fractions.val else "train"
    assert assign_split(scene, fractions, salt=salt) == expected


def test_known_places() -> None:
    # sha256(b"v1:astronaut") and so on, first 8 bytes as fractions of 1.
    scenes = {name: int(hashlib.sha256(f"v1:{name}".encode()).hexdigest()[:16], 16) / 2**64 for name in ("a", "b", "c")}
    for scene, place in scenes.items():
        above = SplitFractions(train=1 - place - 1e-6, val=0, test=place + 1e-6)
        below = SplitFractions(train=1 - place + 1e-6, val=0, test=place - 1e-6)
        assert assign_split(scene, above, salt="v1") == "test"
        assert assign_split(scene, below, salt="v1") == "train"


@pytest.mark.parametrize("fractions", [SplitFractions(), SplitFractions(train=0.6, val=0.15, test=0.25)])
def test_fractions_are_approached(fractions: SplitFractions) -> None:
    count = 20_000
    splits = [assign_split(f"scene-{index}", fractions, salt="s") for index in range(count)]
    for name in SPLIT_NAMES:
        share = getattr(fractions, name)
        # Five standard deviations of a binomial share: one false alarm in millions.
        assert abs(splits.count(name) / count - share) <= 5 * math.sqrt(share * (1 - share) / count)


def test_salts_draw_independent_splits() -> None:
    half = SplitFractions(train=0.5, val=0, test=0.5)
    scenes = [f"scene-{index}" for index in range(4000)]
    equal = sum(assign_split(scene, half, salt="1") == assign_split(scene, half, salt="2") for scene in scenes)
    assert abs(equal / len(scenes) - 0.5) < 5 * math.sqrt(0.25 / len(scenes))


@given(scene_ids)
def test_a_split_may_take_all(scene: str) -> None:
    for name in SPLIT_NAMES:
        fractions = SplitFractions(**{**dict.fromkeys(SPLIT_NAMES, 0.0), name: 1.0})
        assert assign_split(scene, fractions, salt="") == name


@pytest.mark.parametrize(
    "shares", [(0.5, 0.1, 0.2), (1.2, 0.0, -0.2), (float("nan"), 0.0, 1.0), (0.0, 0.0, 0.0), (float("inf"), 0.0, 0.0)]
)
def test_impossible_fractions_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(InvalidFractionsError, match=r"splits: expected fractions .* got train = "):
        SplitFractions(*shares)


def test_the_rows_can_be_written(tmp_path: Path) -> None:
    rows = split_scenes(["x", "y", "x"], SplitFractions(), "s")
    write_table(tmp_path, "splits.parquet", SPLITS, rows)
    assert read_table(tmp_path, "splits.parquet", SPLITS).equals(rows)
