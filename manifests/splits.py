"""Splits that no scene straddles and that new data never moves: each scene's split depends on its own name alone."""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Literal

import pyarrow as pa

from manifests.errors import InvalidFractionsError, SelectionError, SplitListError
from manifests.schema import SPLIT_NAMES, SPLITS

SPLIT_COLUMNS = ["burst_id", "scene_id", "source", "preset", "origin_path", "official_split"]
"""Columns of `bursts` that splits may depend on."""
_HASH_RANGE = 2**64


@dataclass(frozen=True)
class SplitFractions:
    """Expected share of the scenes in each split; they sum to 1.

    Raises:
        InvalidFractionsError: if they do not, or one lies outside [0, 1].
    """

    train: float = 0.8
    val: float = 0.0
    test: float = 0.2

    def __post_init__(self) -> None:
        shares = {"train": self.train, "val": self.val, "test": self.test}
        text = ", ".join(f"{name} = {share}" for name, share in shares.items())
        if not all(0 <= share <= 1 for share in shares.values()):
            raise InvalidFractionsError(f"splits: expected fractions between 0 and 1, got {text}")
        if not math.isclose(sum(shares.values()), 1, abs_tol=1e-9):
            raise InvalidFractionsError(f"splits: expected fractions that sum to 1, got {text}")


def assign_split(scene_id: str, fractions: SplitFractions, *, salt: str) -> str:
    """Split of a scene: `train`, `val` or `test`.

    The scene's place u in [0, 1) is the first 8 bytes of SHA-256 of `salt:scene_id`. From 0 upwards come test, val and train, so
    that other data never move a scene, and trading train against val never moves a test scene.

    Args:
        scene_id: what was photographed.
        fractions: expected share of each split.
        salt: another salt draws another, independent split.
    """
    digest = hashlib.sha256(f"{salt}:{scene_id}".encode()).digest()
    # Compared as an integer: dividing by 2^64 could round up to 1, which lies in no split.
    place = int.from_bytes(digest[:8], "big")
    if place < fractions.test * _HASH_RANGE:
        return "test"
    if place < (fractions.test + fractions.val) * _HASH_RANGE:
        return "val"
    return "train"


SplitMethod = Literal["auto", "hash", "stratified", "official", "leave_one_source_out"]
FEW_SCENES = 50
"""Of fewer scenes a split by hash misses its share by chance: a fifth of 50 scenes by 6 points of 100, one standard deviation."""
_LEAST_SCENES = 2
"""Of a split: one scene says little of a method."""


@dataclass(frozen=True)
class SplitPlan:
    """How to split.

    Attributes:
        method: `hash` draws each scene by its own name; `stratified` gives every source and preset its share of each split; `auto` is
            `stratified` for fewer than `FEW_SCENES` scenes, else `hash`, and counts the scenes that have their split already;
            `official` follows lists; `leave_one_source_out` tests on one source and trains on the others.
        fractions: expected share of the scenes in each split. `official` ignores it; `leave_one_source_out` uses the share of val.
        salt: another salt draws another, independent split.
        folds: number of folds of cross-validation, or 0; where the method is `stratified`, folds are balanced in the same way.
        source: what `leave_one_source_out` leaves out.
        lists: the names, for `official`, in each split: scene ids, burst ids, or origin paths with or without their suffix.
    """

    method: SplitMethod = "hash"
    fractions: SplitFractions = field(default_factory=SplitFractions)
    salt: str = ""
    folds: int = 0
    source: str = ""
    lists: Mapping[str, Sequence[str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Scenes:
    """Scenes of a table of bursts, sorted by name: sources and presets, all names, and the origin's own split, of each."""

    strata: dict[str, str]
    sources: dict[str, set[str]]
    names: dict[str, set[str]]
    official: dict[str, str]


def plan_splits(bursts: pa.Table, plan: SplitPlan, *, previous: pa.Table | None = None) -> pa.Table:
    """Split and fold of every burst.

    `hash` is stable under growth by itself: a scene's place depends on its name alone. `stratified` and `auto` need `previous` for that:
    scenes that it names stay, and new ones are dealt out, under `stratified` among themselves, under `auto` to what is furthest behind.
    Under all three, scenes to which their origin gives a split of its own keep that; where origins disagree, test comes before val, and
    val before train, so that nothing leaks.

    Args:
        bursts: a table with `burst_id`, `scene_id`, `source`, `preset`, `origin_path` and, where known, `official_split`.
        plan: how.
        previous: the table `splits` of the same data set before it grew, made by the same plan.

    Returns:
        The table `splits`, in the order of `bursts`.

    Raises:
        SplitListError: if the lists name what is not there, name a scene twice, or leave one out.
        SelectionError: if there is no such source.
    """
    scenes = _collect_scenes(bursts, named=plan.method == "official")
    dealt = plan.method in ("stratified", "auto")
    held = {} if previous is None or not dealt else _list_scenes(previous)
    if dealt:
        splits = _stratify(scenes, plan, held)
    elif plan.method == "official":
        splits = _follow_lists(scenes, plan.lists)
    elif plan.method == "leave_one_source_out":
        splits = _leave_out(scenes, plan)
    else:
        drawn = {scene: assign_split(scene, plan.fractions, salt=plan.salt) for scene in scenes.strata}
        splits = drawn | scenes.official
    folds = _fold(scenes, plan, held) if plan.folds else {}
    names = bursts.column("scene_id").to_pylist()
    columns = {
        "burst_id": bursts.column("burst_id"),
        "scene_id": bursts.column("scene_id"),
        "split": pa.array([splits[scene] for scene in names], pa.string()),
        "fold": pa.array([folds.get(scene) for scene in names], pa.int32()),
    }
    return pa.Table.from_arrays([columns[name] for name in SPLITS.schema.names], schema=SPLITS.schema)


def _list_scenes(splits: pa.Table) -> dict[str, dict[str, Any]]:
    scenes = splits.group_by("scene_id", use_threads=False).aggregate([("split", "last"), ("fold", "last")])
    return {row["scene_id"]: {"split": row["split_last"], "fold": row["fold_last"]} for row in scenes.to_pylist()}


def _collect_scenes(bursts: pa.Table, *, named: bool) -> _Scenes:
    """Scenes of a table of bursts; all names of each only where they are wanted."""
    sources: dict[str, set[str]] = {}
    strata: dict[str, set[str]] = {}
    names: dict[str, set[str]] = {}
    official: dict[str, str] = {}
    columns = [
        bursts.column(name).to_pylist() if name in bursts.column_names else [None] * bursts.num_rows
        for name in SPLIT_COLUMNS
    ]
    for burst_id, scene, source, preset, path, split in zip(*columns, strict=True):
        sources.setdefault(scene, set()).add(source)
        strata.setdefault(scene, set()).add(f"{source}/{preset}")
        if named:
            stem = str(PurePosixPath(path).with_suffix("")) if PurePosixPath(path).name else path
            names.setdefault(scene, {scene}).update({burst_id, path, stem})
        if split is not None:
            official[scene] = max(split, official.get(scene, split), key=SPLIT_NAMES.index)
    return _Scenes({scene: " ".join(sorted(strata[scene])) for scene in sorted(strata)}, sources, names, official)


def _stratify(scenes: _Scenes, plan: SplitPlan, held: Mapping[str, Mapping[str, Any]]) -> dict[str, str]:
    shares = {name: getattr(plan.fractions, name) for name in SPLIT_NAMES}
    given = {scene: row["split"] for scene, row in held.items()} | scenes.official
    if plan.method == "stratified":
        return _deal(scenes, shares, plan.salt, given)
    if len(scenes.strata) >= FEW_SCENES:
        drawn = {scene: assign_split(scene, plan.fractions, salt=plan.salt) for scene in scenes.strata}
        return {scene: given.get(scene, split) for scene, split in drawn.items()}
    own = scenes.strata.keys() - scenes.official.keys()
    counts = Counter(row["split"] for scene, row in held.items() if scene in own)
    return _deal(scenes, shares, plan.salt, given, counts=counts)


def _deal(
    scenes: _Scenes,
    shares: Mapping[str, float],
    salt: str,
    held: Mapping[str, str],
    *,
    counts: Mapping[str, int] | None = None,
) -> dict[str, str]:
    """Deal scenes out stratum by stratum, each to the group that is furthest behind its share, from `counts` on.

    Any run of scenes in dealing order then has its shares within about one scene, and so have every stratum and the whole.
    """
    dealt = {scene: held[scene] for scene in scenes.strata if held.get(scene) in shares}
    waiting = [scene for scene in scenes.strata if scene not in dealt]
    waiting.sort(key=lambda scene: (scenes.strata[scene], hashlib.sha256(f"{salt}:{scene}".encode()).digest()))
    there = {name: 0 if counts is None else counts.get(name, 0) for name in shares}
    for number, scene in enumerate(waiting, start=1 + sum(there.values())):
        group = max(shares, key=lambda name: shares[name] * number - there[name])
        there[group] += 1
        dealt[scene] = group
    return dealt


def reconcile_splits(one: pa.Table, other: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Tables `splits` of two data sets in which a scene has one split: test before val, and val before train, so that nothing leaks."""
    found: dict[str, str] = {}
    for row in [*one.to_pylist(), *other.to_pylist()]:
        found[row["scene_id"]] = max(row["split"], found.get(row["scene_id"], row["split"]), key=SPLIT_NAMES.index)
    return _place(one, found), _place(other, found)


def _place(table: pa.Table, splits: Mapping[str, str]) -> pa.Table:
    column = pa.array([splits[scene] for scene in table.column("scene_id").to_pylist()], pa.string())
    return table.set_column(table.schema.get_field_index("split"), "split", column)


def describe_rounding(splits: pa.Table, bursts: pa.Table, plan: SplitPlan) -> str:
    """What few scenes made of the shares that were asked for, in a line; empty if each split has its share and a scene to spare.

    Scenes to which their origin gives a split do not count, nor do plans that have no shares.

    Args:
        splits: the table `splits`.
        bursts: the table `bursts`.
        plan: how the scenes were split.
    """
    if plan.method not in ("auto", "hash", "stratified"):
        return ""
    official = _collect_scenes(bursts, named=False).official
    places = {scene: row["split"] for scene, row in _list_scenes(splits).items() if scene not in official}
    counts, total = Counter(places.values()), len(places)
    shares = {name: share for name in SPLIT_NAMES if (share := getattr(plan.fractions, name)) > 0}
    off = (abs(counts[name] - share * total) >= 1 and total < FEW_SCENES for name, share in shares.items())
    if not total or (min(counts[name] for name in shares) >= _LEAST_SCENES and not any(off)):
        return ""
    got = ", ".join(f"{name} {counts[name]}" for name in shares)
    asked = ", ".join(f"{100 * share:g} %" for share in shares.values())
    scenes = "1 scene makes" if total == 1 else f"{total} scenes make"
    return (
        f"splits: {scenes} {got}, where {asked} were asked for; results on so few scenes say little: add "
        "scenes, or use `buiqa split --folds N`"
    )


def _fold(scenes: _Scenes, plan: SplitPlan, held: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    salt = f"{plan.salt}:fold"
    if plan.method == "stratified" or (plan.method == "auto" and len(scenes.strata) < FEW_SCENES):
        shares = {str(fold): 1 / plan.folds for fold in range(plan.folds)}
        kept = {scene: str(row["fold"]) for scene, row in held.items()}
        return {scene: int(fold) for scene, fold in _deal(scenes, shares, salt, kept).items()}
    places = {scene: hashlib.sha256(f"{salt}:{scene}".encode()).digest()[:8] for scene in scenes.strata}
    drawn = {scene: int.from_bytes(place, "big") * plan.folds >> 64 for scene, place in places.items()}
    if plan.method == "auto":
        drawn |= {scene: row["fold"] for scene, row in held.items() if scene in drawn and row["fold"] is not None}
    return drawn


def _follow_lists(scenes: _Scenes, lists: Mapping[str, Sequence[str]]) -> dict[str, str]:
    owners: dict[str, set[str]] = {}
    for scene, names in scenes.names.items():
        for name in names:
            owners.setdefault(name, set()).add(scene)
    splits: dict[str, str] = {}
    for split, members in lists.items():
        if split not in SPLIT_NAMES:
            raise SplitListError(f"list {split!r}: expected one of {', '.join(SPLIT_NAMES)}")
        for name in members:
            found = owners.get(name, set())
            if not found:
                raise SplitListError(
                    f"list {split!r}: {name!r} is no scene_id, burst_id or origin_path of this data set; remove it"
                )
            for scene in found:
                if splits.setdefault(scene, split) != split:
                    raise SplitListError(
                        f"list {split!r}: {name!r} belongs to {scene}, which the list {splits[scene]!r} has; keep one"
                    )
    missing = sorted(scenes.strata.keys() - splits.keys())
    if missing:
        raise SplitListError(f"lists: {len(missing)} scenes stand in none, the first is {missing[0]}; add them")
    return splits


def _leave_out(scenes: _Scenes, plan: SplitPlan) -> dict[str, str]:
    there = sorted(set().union(*scenes.sources.values()))
    if plan.source not in there:
        raise SelectionError(f"source {plan.source!r}: expected one of {', '.join(there) or 'none'}")
    share = plan.fractions.val / (plan.fractions.val + plan.fractions.train or 1)
    rest = SplitFractions(train=1 - share, val=share, test=0.0)
    # A scene that the source shares with another is tested on: it must not be trained on.
    return {
        scene: "test" if plan.source in sources else assign_split(scene, rest, salt=plan.salt)
        for scene, sources in scenes.sources.items()
    }
