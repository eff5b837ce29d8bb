"""What changed between two builds of a data set."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from manifests.schema import LABELS
from manifests.store import list_label_files, read_dataset_table, read_description, read_table

_LABEL_KEYS = ["scenario", "estimator", "metric", "burst_id", "frame_index"]


@dataclass(frozen=True)
class LabelChange:
    """How the labels of one scenario, estimator and metric differ.

    Attributes:
        scenario: its name.
        estimator: its name.
        metric: its name.
        added: scores that only the second has.
        removed: scores that only the first has.
        equal: scores that are the same.
        changed: scores that differ.
        mean_change: mean of |second − first| over the changed, in the unit of the score.
        max_change: largest of them.
    """

    scenario: str
    estimator: str
    metric: str
    added: int
    removed: int
    equal: int
    changed: int
    mean_change: float
    max_change: float


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
    bursts = [read_dataset_table(root, "bursts").to_pandas().set_index("burst_id") for root in (first, second)]
    common = bursts[0].index.intersection(bursts[1].index)
    descriptions = [read_description(root) for root in (first, second)]
    return DatasetDifference(
        added=tuple(bursts[1].index.difference(common)),
        removed=tuple(bursts[0].index.difference(common)),
        changed=_compare_rows(first, second, bursts, common),
        moved=_compare_splits(first, second, common),
        labels=tuple(_compare_labels(first, second)),
        parameters=_compare_values(*(_flatten(description.get("recipe", {})) for description in descriptions)),
        versions=_compare_values(*(description.get("software", {}) for description in descriptions)),
    )


def _compare_rows(
    first: Path, second: Path, bursts: list[pd.DataFrame], common: pd.Index[str]
) -> dict[str, tuple[str, ...]]:
    found: dict[str, set[str]] = {}
    _note_differences(found, *(table.loc[common] for table in bursts))
    frames = [read_dataset_table(root, "frames").to_pandas() for root in (first, second)]
    frames = [table[table["burst_id"].isin(common)].set_index(["burst_id", "frame_index"]) for table in frames]
    both = frames[0].index.intersection(frames[1].index)
    _note_differences(found, *(table.loc[both] for table in frames))
    return {name: tuple(sorted(columns)) for name, columns in sorted(found.items())}


def _note_differences(found: dict[str, set[str]], one: pd.DataFrame, other: pd.DataFrame) -> None:
    for column in one.columns:
        # Lists come as arrays, which compare element by element; as text they compare as a whole.
        left, right = ([None if v is None else str(v) for v in table[column].tolist()] for table in (one, other))
        for index, before, after in zip(one.index, left, right, strict=True):
            if before != after:
                found.setdefault(index[0] if isinstance(index, tuple) else index, set()).add(column)


def _compare_splits(first: Path, second: Path, common: pd.Index[str]) -> dict[str, tuple[str, str]]:
    one, other = (
        dict(read_dataset_table(root, "splits").to_pandas().set_index("burst_id")["split"]) for root in (first, second)
    )
    pairs = {name: (one.get(name, ""), other.get(name, "")) for name in common}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _compare_labels(first: Path, second: Path) -> Iterator[LabelChange]:
    one, other = (_read_scores(root) for root in (first, second))
    joined = one.merge(other, on=_LABEL_KEYS, how="outer", suffixes=("", "_other"))
    for keys, group in joined.groupby(_LABEL_KEYS[:3], sort=True):
        scenario, estimator, metric = map(str, keys)
        before, after = group["score"], group["score_other"]
        change = (after - before).abs()
        differs = change > 0
        sizes = change[differs]
        found = LabelChange(
            scenario,
            estimator,
            metric,
            added=int((before.isna() & after.notna()).sum()),
            removed=int((before.notna() & after.isna()).sum()),
            equal=int((change == 0).sum()),
            changed=int(differs.sum()),
            mean_change=float(sizes.mean()) if len(sizes) else 0.0,
            max_change=float(sizes.max()) if len(sizes) else 0.0,
        )
        if found.added or found.removed or found.changed:
            yield found


def _read_scores(root: Path) -> pd.DataFrame:
    tables = [read_table(path, LABELS, columns=[*_LABEL_KEYS, "score"]) for path in list_label_files(root)]
    empty = pa.schema([LABELS.schema.field(name) for name in (*_LABEL_KEYS, "score")]).empty_table()
    frame: pd.DataFrame = (pa.concat_tables(tables) if tables else empty).to_pandas()
    return frame


def _compare_values(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    keys = sorted({*one, *other})
    return {key: (one.get(key), other.get(key)) for key in keys if one.get(key) != other.get(key)}


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
