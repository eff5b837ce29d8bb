"""What changed between two builds: labels, how far they moved, and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from dataset_builder.audit.statistics.ranks import correlate_within, mean_or_nan
from dataset_builder.labeling.units import read_bursts
from manifests.schema import LABEL_SET, LABELS
from manifests.store import list_label_files, read_description, read_table

CAUSES = ("data", "restorer", "convention", "definition", "software", "unexplained")
"""Why a label changed, the first that applies: the burst's pixels or metadata; the restorer's fingerprint; the convention of
the metric; the definition of the estimator or anything else in the label's key; the version of a library; nothing that is declared."""

_KEY = ["burst_id", "frame_index", *LABEL_SET]
_COLUMNS = [*_KEY, "unit", "score", "label_key", "restorer_fingerprint"]
_TOLERANCE = 1e-9
_NUM_BINS = 41


@dataclass(frozen=True)
class Changes:
    """Two builds compared; "before" is the other one.

    Attributes:
        other: name of the other data set.
        labels: per label set: scenario, estimator, metric, unit, `before`, `after` (scores), `added`, `removed`, `common`,
        `changed`, `median_change`,
            `max_change` (of the size of changes, in the unit), `spearman` (of the order within bursts, over common scores), and
            one column per cause with
            the number of changed scores.
        histograms: per label set and bin of the change: scenario, estimator, metric, `left`, `right`, `count`; changed scores only.
        totals: bursts and frames: `name`, `before`, `after`, `added`, `removed`, `changed`.
        software: versions that differ: `name`, `before`, `after`.
        unexplained: names of labels without a cause, at most 100.
    """

    other: str
    labels: pd.DataFrame
    histograms: pd.DataFrame
    totals: pd.DataFrame
    software: pd.DataFrame
    unexplained: tuple[str, ...]


def compare_builds(root: Path, other: Path) -> Changes:
    """Compare the data set `root` with an earlier or alternative build.

    Raises:
        ManifestError: if one of them is no data set, or a table is damaged.
    """
    after, before = read_description(root), read_description(other)
    contents = [{name: rows.content for name, rows in read_bursts(each).items()} for each in (other, root)]
    software = _list_differences(before.get("software"), after.get("software"))
    metrics = set(_list_differences(before.get("metrics"), after.get("metrics"))["name"])
    joined = _join_labels(other, root)
    joined["cause"] = _find_causes(joined, contents, metrics=metrics, new_software=len(software) > 0)
    lost = joined[joined["cause"] == "unexplained"]
    names = [f"{row.burst_id}/{row.frame_index} {row.scenario} {row.estimator}" for row in lost.head(100).itertuples()]
    return Changes(
        other=str(before.get("name") or other.name),
        labels=_summarise(joined),
        histograms=_bin_changes(joined),
        totals=_count_totals(contents),
        software=software,
        unexplained=tuple(names),
    )


def _join_labels(before: Path, after: Path) -> pd.DataFrame:
    sides = []
    for root in (before, after):
        parts = [read_table(path, LABELS, columns=_COLUMNS) for path in list_label_files(root)]
        frames = [part.to_pandas() for part in parts] or [LABELS.schema.empty_table().select(_COLUMNS).to_pandas()]
        sides.append(pd.concat(frames, ignore_index=True))
    joined = sides[0].merge(sides[1], on=_KEY, how="outer", suffixes=("_before", "_after"))
    joined["unit"] = joined["unit_after"].fillna(joined["unit_before"])
    joined["change"] = joined["score_after"] - joined["score_before"]
    table: pd.DataFrame = joined.sort_values(_KEY, ignore_index=True)
    return table


def _find_causes(
    joined: pd.DataFrame, contents: list[dict[str, str]], *, metrics: set[str], new_software: bool
) -> pd.Series:
    moved = joined["change"].abs() > _TOLERANCE * joined["score_before"].abs().clip(lower=1)
    old, new = (joined["burst_id"].map(content) for content in contents)
    conditions = [
        ~moved,
        old != new,
        joined["restorer_fingerprint_before"] != joined["restorer_fingerprint_after"],
        joined["metric"].isin(metrics),
        joined["label_key_before"] != joined["label_key_after"],
        pd.Series(new_software, index=joined.index),
    ]
    choices = ["", *CAUSES[:-1]]
    found = np.select([each.to_numpy(bool) for each in conditions], choices, default=CAUSES[-1])
    return pd.Series(found, index=joined.index, dtype=object)


def _summarise(joined: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for key, mine in joined.groupby(LABEL_SET, sort=True):
        before, after = mine["score_before"].notna(), mine["score_after"].notna()
        moved = mine["cause"] != ""
        sizes = mine.loc[moved, "change"].abs()
        codes = pd.factorize(mine["burst_id"])[0].astype(np.int64)
        number = int(codes.max()) + 1
        spearman, _ = correlate_within(codes, mine["score_before"].to_numpy(), mine["score_after"].to_numpy(), number)
        counts = (
            int(before.sum()),
            int(after.sum()),
            int((after & ~before).sum()),
            int((before & ~after).sum()),
            int((before & after).sum()),
        )
        largest = float(sizes.max()) if len(sizes) else 0.0
        median = float(sizes.median()) if len(sizes) else 0.0
        causes = [int((mine["cause"] == cause).sum()) for cause in CAUSES]
        rows.append(
            (
                *key,
                str(mine["unit"].iloc[0]),
                *counts,
                int(moved.sum()),
                median,
                largest,
                mean_or_nan(spearman),
                *causes,
            )
        )
    numbers = ["before", "after", "added", "removed", "common", "changed", "median_change", "max_change", "spearman"]
    return pd.DataFrame(rows, columns=[*LABEL_SET, "unit", *numbers, *CAUSES])


def _bin_changes(joined: pd.DataFrame) -> pd.DataFrame:
    parts = []
    for key, mine in joined[joined["cause"] != ""].groupby(LABEL_SET, sort=True):
        reach = max(float(mine["change"].abs().quantile(0.995)), 1e-12)
        edges = np.linspace(-reach, reach, _NUM_BINS + 1)
        counts, _ = np.histogram(mine["change"].clip(-reach, reach), edges)
        scope = dict(zip(LABEL_SET, key, strict=True))
        parts.append(pd.DataFrame({**scope, "left": edges[:-1], "right": edges[1:], "count": counts}))
    columns = [*LABEL_SET, "left", "right", "count"]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=columns)


def _count_totals(contents: list[dict[str, str]]) -> pd.DataFrame:
    before, after = contents
    common = before.keys() & after.keys()
    changed = sum(before[name] != after[name] for name in common)
    row = ("bursts", len(before), len(after), len(after) - len(common), len(before) - len(common), changed)
    return pd.DataFrame([row], columns=["name", "before", "after", "added", "removed", "changed"])


def _list_differences(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> pd.DataFrame:
    old, new = before or {}, after or {}
    rows = [
        (name, str(old.get(name, "")), str(new.get(name, "")))
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]
    return pd.DataFrame(rows, columns=["name", "before", "after"])
