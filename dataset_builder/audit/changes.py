"""What changed between two builds: labels, how far they moved, and why."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd

from dataset_builder.audit.statistics.ranks import correlate_within, mean_or_nan
from dataset_builder.labeling.units import read_bursts
from manifests.description import read_description
from manifests.operations.compare import LabelChange, compare_bursts, compare_values, count_changes, join_labels
from manifests.schema import LABEL_SET

CAUSES = ("data", "restorer", "convention", "definition", "software", "unexplained")
"""Why a label changed, the first that applies: the burst's pixels or metadata; the restorer's fingerprint; the convention of
the metric; the definition of the estimator or anything else in the label's key; the version of a library; nothing that is declared."""

_NUM_BINS = 41


@dataclass(frozen=True)
class Changes:
    """Two builds compared; "before" is the other one.

    Attributes:
        other: name of the other data set.
        labels: per label set what `LabelChange` says, `spearman` (of the order within bursts, over common scores), and one column per cause
            with the number of changed scores.
        histograms: per label set and bin of the change: scenario, estimator, metric, `left`, `right`, `count`; changed scores only.
        totals: bursts: `name`, `before`, `after`, `added`, `removed`, `changed`.
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
    software = compare_values(before.get("software") or {}, after.get("software") or {})
    metrics = compare_values(before.get("metrics") or {}, after.get("metrics") or {})
    joined = join_labels(other, root)
    joined["cause"] = _find_causes(joined, contents, metrics=set(metrics), new_software=bool(software))
    lost = joined[joined["cause"] == "unexplained"]
    names = [f"{row.burst_id}/{row.frame_index} {row.scenario} {row.estimator}" for row in lost.head(100).itertuples()]
    bursts = compare_bursts(other, root)
    total = ("bursts", bursts.before, bursts.after, *map(len, (bursts.added, bursts.removed, bursts.changed)))
    versions = [(name, str(old or ""), str(new or "")) for name, (old, new) in software.items()]
    return Changes(
        other=str(before.get("name") or other.name),
        labels=_summarise(joined),
        histograms=_bin_changes(joined),
        totals=pd.DataFrame([total], columns=["name", "before", "after", "added", "removed", "changed"]),
        software=pd.DataFrame(versions, columns=["name", "before", "after"]),
        unexplained=tuple(names),
    )


def _find_causes(
    joined: pd.DataFrame, contents: list[dict[str, str]], *, metrics: set[str], new_software: bool
) -> pd.Series:
    old, new = (joined["burst_id"].map(content) for content in contents)
    conditions = [
        ~joined["moved"],
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
    counts = pd.DataFrame(map(asdict, count_changes(joined)), columns=[field.name for field in fields(LabelChange)])
    rows = []
    for _, mine in joined.groupby(LABEL_SET, sort=True):
        codes = pd.factorize(mine["burst_id"])[0].astype(np.int64)
        number = int(codes.max()) + 1
        spearman, _ = correlate_within(codes, mine["score_before"].to_numpy(), mine["score_after"].to_numpy(), number)
        rows.append((mean_or_nan(spearman), *(int((mine["cause"] == cause).sum()) for cause in CAUSES)))
    return counts.join(pd.DataFrame(rows, columns=["spearman", *CAUSES]))


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
