"""Labels of a scenario and split as a table, without opening anything else."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from manifests.confined.reading import has_file
from manifests.errors import SelectionError
from manifests.plain_text import suggest
from manifests.schema import LABELS, SPLITS
from manifests.store import labels_path, list_label_files, read_table, table_path

_COLUMNS = (
    "burst_id",
    "frame_index",
    "estimator",
    "metric",
    "score",
    "std_error",
    "noise_error",
    "unit",
    "rank",
    "score_norm",
)


def list_labelled(root: Path) -> list[str]:
    """Names of the scenarios that have labels, sorted.

    Raises:
        ManifestError: if a label file is damaged.
    """
    tables = [read_table(root, path, LABELS, columns=["scenario"]) for path in list_label_files(root)]
    return sorted({table.column("scenario")[0].as_py() for table in tables if table.num_rows})


def name_unlabelled(root: Path, scenario: str, known: Collection[str]) -> SelectionError:
    """The error of who asks for a scenario that has no labels; it offers what comes close, else all that have."""
    offer = suggest(scenario, known, cutoff=0.5) or f"there are {', '.join(known) or 'none'};"
    return SelectionError(
        f"{root}: no labels of scenario {scenario!r}: {offer} `buiqa label {root} --scenario {scenario}` would make them"
    )


def select_labels(
    root: Path | str,
    scenario: str,
    *,
    split: str | None = None,
    estimator: str | None = None,
    metric: str | None = None,
) -> pa.Table:
    """Rows of a scenario's labels, sorted as on disk; rows whose score is null are among them.

    Args:
        root: the data set.
        scenario: whose labels.
        split: `train`, `val` or `test`; None for all.
        estimator: by which estimator; None for all.
        metric: by which metric; None for all.

    Raises:
        SelectionError: if the scenario has no labels, or none of them is chosen.
        ManifestError: if a table is missing or damaged.
    """
    root, path = Path(root), labels_path(scenario)
    if not has_file(root, path):
        raise name_unlabelled(root, scenario, list_labelled(root))
    table = read_table(root, path, LABELS, columns=_COLUMNS)
    for column, value in (("estimator", estimator), ("metric", metric)):
        if value is not None:
            table = table.filter(pc.equal(table.column(column), value))
    if split is not None:
        splits = read_table(root, table_path("splits"), SPLITS, columns=["burst_id", "split"])
        members = splits.column("burst_id").filter(pc.equal(splits.column("split"), split)).combine_chunks()
        table = table.filter(pc.is_in(table.column("burst_id"), value_set=members))
    if not table.num_rows:
        chosen = ", ".join(f"{n}={v}" for n, v in (("split", split), ("estimator", estimator), ("metric", metric)) if v)
        raise SelectionError(f"{root}: scenario {scenario!r} has no labels with {chosen or 'anything at all'}")
    return table
