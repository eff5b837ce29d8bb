"""Bursts that somebody asks for, by name or by a query, and what labels say of them."""

from __future__ import annotations

from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path

import pandas as pd

from manifests.errors import SelectionError
from manifests.plain_text import show
from manifests.queries import select_labels
from manifests.schema import BURSTS, SPLITS
from manifests.store import read_dataset_table, read_or_empty, read_table, table_path

_FEW = 3


def find_burst(root: Path, name: str) -> str:
    """The burst that a name, or the beginning of one, means.

    Raises:
        SelectionError: if it means none, or several; the message names some.
        ManifestError: if the table of bursts is missing or damaged.
    """
    known: list[str] = read_table(root, table_path("bursts"), BURSTS, columns=["burst_id"]).column(0).to_pylist()
    if name in known:
        return name
    meant = [each for each in known if each.startswith(name)] if name else []
    if len(meant) > 1:
        listed = ", ".join(meant[:_FEW]) + (", …" if len(meant) > _FEW else "")
        raise SelectionError(f"burst {show(name)}: {len(meant)} bursts begin so; write more of {listed}")
    if not meant:
        raise name_unknown_burst(name, known)
    return meant[0]


def name_unknown_burst(burst_id: str, known: Collection[str]) -> SelectionError:
    """The error of who asks for a burst that is not there; it offers what comes close."""
    close = get_close_matches(burst_id, known, n=_FEW, cutoff=0.4) or sorted(known)[:_FEW]
    offer = f"did you mean {', '.join(close)}?" if close else "the data set has no bursts"
    return SelectionError(f"burst {burst_id!r}: not among the {len(known)} bursts of the data set; {offer}")


def select_bursts(root: Path, query: str | None = None) -> pd.DataFrame:
    """Rows of `bursts` that a query chooses, each with its `split` and `fold`; null where no split was made.

    Args:
        root: the data set.
        query: a query that `choose_rows` takes; None for all.

    Raises:
        SelectionError: if the query cannot be read, or chooses nothing.
        ManifestError: if a table is missing or damaged.
    """
    splits = read_or_empty(root, table_path("splits"), SPLITS).to_pandas()
    rows = read_dataset_table(root, "bursts").to_pandas()
    rows = rows.merge(splits[["burst_id", "split", "fold"]], on="burst_id", how="left")
    return rows if query is None else choose_rows(rows, query)


def choose_rows(bursts: pd.DataFrame, query: str) -> pd.DataFrame:
    """The rows for which a condition on the columns is true, as `pandas.DataFrame.eval` reads it: `source == 'phone' and num_frames >= 8`.

    It may call what pandas lets it call: take no query from strangers.

    Raises:
        SelectionError: if the query cannot be read, or chooses nothing.
    """
    try:
        wanted = bursts.eval(query)
    except Exception as error:  # pandas raises whatever the query brings about
        raise SelectionError(
            f"query {query!r}: {error}; expected a condition on {', '.join(bursts.columns)}"
        ) from error
    if not isinstance(wanted, pd.Series) or wanted.dtype != bool:
        raise SelectionError(f"query {query!r}: expected a condition, which is true or false of each burst")
    if not wanted.any():
        raise SelectionError(f"query {query!r}: chooses none of {len(bursts)} bursts")
    return bursts[wanted]


def tell_best_frames(
    root: Path, scenario: str, *, estimator: str | None = None, metric: str | None = None
) -> pd.DataFrame:
    """What the labels of a scenario say of each burst, one row for each burst, estimator and metric.

    Returns:
        Columns `burst_id`, `estimator`, `metric`, `best` and `worst` (index of the frame of the highest and the lowest score),
        `highest` and `lowest` (these scores), `spread` (their difference) and `unit`; bursts without a score are left out.

    Raises:
        SelectionError, ManifestError: as `select_labels`.
    """
    rows = select_labels(root, scenario, estimator=estimator, metric=metric).to_pandas()
    rows = rows[rows["score"].notna()].set_index("frame_index")
    groups = rows.groupby(["burst_id", "estimator", "metric"], sort=True)
    scores = groups["score"]
    return pd.DataFrame(
        {
            "best": scores.idxmax(),
            "worst": scores.idxmin(),
            "highest": scores.max(),
            "lowest": scores.min(),
            "spread": scores.max() - scores.min(),
            "unit": groups["unit"].first(),
        }
    ).reset_index()
