"""What changed between two builds of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from manifests.description import read_description
from manifests.schema import LABEL_SET, LABELS
from manifests.store import list_label_files, read_dataset_table, read_table

TOLERANCE = 1e-9
"""Scores that differ by less, relative to the first or to 1, are the same."""
_KEYS = ["burst_id", "frame_index", *LABEL_SET]
_COLUMNS = [*_KEYS, "unit", "score", "label_key", "restorer_fingerprint"]


@dataclass(frozen=True)
class LabelChange:
    """How the labels of one scenario, estimator and metric differ.

    Attributes:
        scenario: its name.
        estimator: its name.
        metric: its name.
        unit: unit of the scores.
        before: scores in the first.
        after: scores in the second.
        added: scores that only the second has.
        removed: scores that only the first has.
        common: scores that both have.
        changed: scores of these, those that differ by more than `TOLERANCE`.
        median_change: median size of the changes, in the unit.
        max_change: largest of them.
    """

    scenario: str
    estimator: str
    metric: str
    unit: str
    before: int
    after: int
    added: int
    removed: int
    common: int
    changed: int
    median_change: float
    max_change: float


@dataclass(frozen=True)
class BurstChanges:
    """How the bursts differ.

    Attributes:
        before: bursts of the first.
        after: bursts of the second.
        added: those that only the second has.
        removed: those that only the first has.
        changed: burst -> columns of `bursts` or `frames` that differ.
    """

    before: int
    after: int
    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class DatasetDifference:
    """What the second data set has otherwise than the first.

    Attributes:
        added: bursts that only the second has.
        removed: bursts that only the first has.
        changed: burst -> columns of `bursts` or `frames` that differ.
        moved: burst -> its split in the first and in the second.
        labels: where labels differ, by scenario, estimator and metric.
        parameters: key of the recipe -> its values; None where there is none.
        versions: software -> its versions.
    """

    added: tuple[str, ...]
    removed: tuple[str, ...]
    changed: Mapping[str, tuple[str, ...]]
    moved: Mapping[str, tuple[str, str]]
    labels: tuple[LabelChange, ...]
    parameters: Mapping[str, tuple[Any, Any]]
    versions: Mapping[str, tuple[Any, Any]]

    def __bool__(self) -> bool:
        """Whether there is any difference."""
        return any(asdict(self).values())


def compare_datasets(first: Path, second: Path) -> DatasetDifference:
    """Compare two data sets by their manifests; files count by their SHA-256.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    bursts = compare_bursts(first, second)
    descriptions = [read_description(root) for root in (first, second)]
    labels = count_changes(join_labels(first, second))
    return DatasetDifference(
        added=bursts.added,
        removed=bursts.removed,
        changed=bursts.changed,
        moved=_compare_splits(first, second),
        labels=tuple(one for one in labels if one.added or one.removed or one.changed),
        parameters=compare_values(*(_flatten(description.get("recipe", {})) for description in descriptions)),
        versions=compare_values(*(description.get("software", {}) for description in descriptions)),
    )


def compare_bursts(first: Path, second: Path) -> BurstChanges:
    """Compare the rows of `bursts` and `frames`.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    bursts = [read_dataset_table(root, "bursts").to_pandas().set_index("burst_id") for root in (first, second)]
    common = bursts[0].index.intersection(bursts[1].index)
    found: dict[str, set[str]] = {}
    _note_differences(found, *(table.loc[common] for table in bursts))
    frames = [read_dataset_table(root, "frames").to_pandas() for root in (first, second)]
    frames = [table[table["burst_id"].isin(common)].set_index(["burst_id", "frame_index"]) for table in frames]
    both = frames[0].index.intersection(frames[1].index)
    _note_differences(found, *(table.loc[both] for table in frames))
    return BurstChanges(
        before=len(bursts[0]),
        after=len(bursts[1]),
        added=tuple(bursts[1].index.difference(common)),
        removed=tuple(bursts[0].index.difference(common)),
        changed={name: tuple(sorted(columns)) for name, columns in sorted(found.items())},
    )


def join_labels(first: Path, second: Path) -> pd.DataFrame:
    """Labels of both side by side, sorted.

    Returns:
        burst_id, frame_index, scenario, estimator, metric, unit; `score`, `label_key` and `restorer_fingerprint`, each with `_before` and
        `_after`; `change`, and whether it `moved`: by more than `TOLERANCE`.

    Raises:
        ManifestError: if a table is damaged.
    """
    sides = []
    for root in (first, second):
        parts = [read_table(root, path, LABELS, columns=_COLUMNS) for path in list_label_files(root)]
        frames = [part.to_pandas() for part in parts] or [LABELS.schema.empty_table().select(_COLUMNS).to_pandas()]
        sides.append(pd.concat(frames, ignore_index=True))
    joined = sides[0].merge(sides[1], on=_KEYS, how="outer", suffixes=("_before", "_after"))
    joined["unit"] = joined["unit_after"].fillna(joined["unit_before"])
    joined["change"] = joined["score_after"] - joined["score_before"]
    joined["moved"] = joined["change"].abs() > TOLERANCE * joined["score_before"].abs().clip(lower=1)
    table: pd.DataFrame = joined.sort_values(_KEYS, ignore_index=True)
    return table


def count_changes(joined: pd.DataFrame) -> list[LabelChange]:
    """What `join_labels` found, by scenario, estimator and metric, in their order."""
    return [_count_one(tuple(map(str, keys)), rows) for keys, rows in joined.groupby(LABEL_SET, sort=True)]


def _count_one(keys: tuple[str, ...], rows: pd.DataFrame) -> LabelChange:
    scenario, estimator, metric = keys
    before, after = rows["score_before"].notna(), rows["score_after"].notna()
    sizes = rows.loc[rows["moved"], "change"].abs()
    return LabelChange(
        scenario,
        estimator,
        metric,
        unit=str(rows["unit"].iloc[0]),
        before=int(before.sum()),
        after=int(after.sum()),
        added=int((after & ~before).sum()),
        removed=int((before & ~after).sum()),
        common=int((before & after).sum()),
        changed=len(sizes),
        median_change=float(sizes.median()) if len(sizes) else 0.0,
        max_change=float(sizes.max()) if len(sizes) else 0.0,
    )


def compare_values(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Values that differ by their key, None where there is none."""
    keys = sorted({*one, *other})
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


def _note_differences(found: dict[str, set[str]], one: pd.DataFrame, other: pd.DataFrame) -> None:
    for column in one.columns:
        # Lists come as arrays, which compare element by element; as text they compare as a whole.
        left, right = ([None if v is None else str(v) for v in table[column].tolist()] for table in (one, other))
        for index, before, after in zip(one.index, left, right, strict=True):
            if before != after:
                found.setdefault(index[0] if isinstance(index, tuple) else index, set()).add(column)


def _compare_splits(first: Path, second: Path) -> dict[str, tuple[str, str]]:
    one, other = (
        dict(read_dataset_table(root, "splits").to_pandas().set_index("burst_id")["split"]) for root in (first, second)
    )
    return {name: (one[name], other[name]) for name in one if name in other and one[name] != other[name]}


def _flatten(value: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings and lists by dotted keys; entries of a list by their name, where they have one."""
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list) and all(isinstance(entry, dict) and "name" in entry for entry in value):
        items = [(entry["name"], entry) for entry in value]
    else:
        return {prefix: value}
    return {
        key: leaf
        for name, entry in items
        for key, leaf in _flatten(entry, f"{prefix}.{name}" if prefix else name).items()
    }
