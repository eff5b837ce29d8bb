"""Counts and summaries of a data set as pandas frames, from its manifests alone; the card and the audit share them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pandas as pd
import pyarrow as pa

from manifests.batches import iterate_table
from manifests.images.appearance import find_nearest_pair
from manifests.schema import LABELS, RELIABILITY, SPLIT_NAMES, TABLES
from manifests.store import list_label_files, read_or_empty, read_table, table_path

_LABEL_GROUP = ["scenario", "estimator", "metric", "unit"]


def count_contents(root: Path) -> pd.DataFrame:
    """What there is, one row for each source, preset and domain, sorted.

    Returns:
        Columns `source`, `preset`, `domain`, `scenes`, `bursts`, `frames`, `min_frames`, `max_frames`, `min_height`,
        `max_height`, `min_width`, `max_width`, `with_truth` (bursts that have a ground truth).

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    columns = [
        "source",
        "preset",
        "domain",
        "scene_id",
        "burst_id",
        "num_frames",
        "height",
        "width",
        "ground_truth_kind",
    ]
    bursts = _read(root, "bursts", columns)
    bursts["with_truth"] = bursts["ground_truth_kind"] != "none"
    return (
        bursts.groupby(["source", "preset", "domain"], sort=True)
        .agg(
            scenes=("scene_id", "nunique"),
            bursts=("burst_id", "size"),
            frames=("num_frames", "sum"),
            min_frames=("num_frames", "min"),
            max_frames=("num_frames", "max"),
            min_height=("height", "min"),
            max_height=("height", "max"),
            min_width=("width", "min"),
            max_width=("width", "max"),
            with_truth=("with_truth", "sum"),
        )
        .reset_index()
    )


def count_scenes(root: Path) -> int:
    """Number of scenes; sources and presets may share one, so it is no sum over them.

    Raises:
        ManifestError: if the table is missing or damaged.
    """
    return int(_read(root, "bursts", ["scene_id"])["scene_id"].nunique())


def count_licenses(root: Path) -> pd.DataFrame:
    """Licences: columns `source`, `license`, `scenes`, `bursts`, `frames`, sorted.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    return (
        _read(root, "bursts", ["source", "license", "scene_id", "burst_id", "num_frames"])
        .groupby(["source", "license"], sort=True)
        .agg(scenes=("scene_id", "nunique"), bursts=("burst_id", "size"), frames=("num_frames", "sum"))
        .reset_index()
    )


def summarise_labels(root: Path) -> pd.DataFrame:
    """Labels, one row for each scenario, estimator and metric, sorted.

    Returns:
        Columns `scenario`, `estimator`, `metric`, `unit`, `bursts` (with at least one score), `scores` (not null), and of the
        scores `mean`, `std` (n − 1), `min`, `max`, `negative_share` (fraction below 0), and `std_error` (mean of the standard
        errors of the scores).

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    parts = [part for path in list_label_files(root) if len(part := _summarise_label_file(root, path))]
    if not parts:
        return _summarise_rows(LABELS.schema.empty_table().to_pandas())
    return pd.concat(parts, ignore_index=True).sort_values(_LABEL_GROUP, ignore_index=True)


def summarise_splits(root: Path) -> pd.DataFrame:
    """Proof table of the splits, one row for each split that has bursts, in the order train, val, test.

    Returns:
        Columns `split`, `scenes`, `bursts`, `frames`, `labels` (scores that are not null).

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    labels: pd.Series[int] = pd.Series(dtype="int64")
    for path in list_label_files(root):
        counts = [
            rows.groupby("burst_id", observed=True)["score"].count()
            for rows in _iterate(root, path, ["burst_id", "score"])
        ]
        if counts:
            labels = labels.add(pd.concat([each.set_axis(each.index.astype(object)) for each in counts]), fill_value=0)
    rows = _read(root, "splits").merge(_read(root, "bursts", ["burst_id", "num_frames"]), on="burst_id", how="left")
    rows["labels"] = rows["burst_id"].map(labels).fillna(0)
    table = rows.groupby("split").agg(
        scenes=("scene_id", "nunique"),
        bursts=("burst_id", "size"),
        frames=("num_frames", "sum"),
        labels=("labels", "sum"),
    )
    known = [name for name in SPLIT_NAMES if name in table.index]
    order = [*known, *sorted(set(table.index) - set(known))]
    return table.astype("int64").reindex(order).rename_axis("split").reset_index()


def count_shared_scenes(root: Path) -> int:
    """Number of scenes that lie in more than one split; 0 is the proof that nothing leaks.

    Raises:
        ManifestError: if the table is missing or damaged.
    """
    return int((_read(root, "splits").groupby("scene_id")["split"].nunique() > 1).sum())


def find_nearest_bursts(root: Path) -> tuple[str, str, int] | None:
    """The two bursts of different splits whose reference frames look most alike, and in how many of 64 bits their hashes differ.

    Returns:
        None if there are not two splits with pictures that have a hash.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    rows = _read(root, "bursts", ["burst_id", "perceptual_hash"]).merge(_read(root, "splits"), on="burst_id")
    hashes = [text if isinstance(text, str) else None for text in rows["perceptual_hash"]]
    pair = find_nearest_pair(hashes, rows["split"].tolist())
    return None if pair is None else (rows["burst_id"][pair.first], rows["burst_id"][pair.second], pair.distance)


def summarise_reliability(root: Path) -> pd.DataFrame:
    """How far labels tell frames of a burst apart, one row for each scenario, estimator, metric and preset, sorted.

    Returns:
        Columns `scenario`, `estimator`, `metric`, `preset`, `spread` (root mean square, over bursts, of the standard deviation of the
        scores within a burst), `error` (root mean square of the standard errors), `noise` (that of the noise errors; NaN where none was
        measured), and `reliability`: (spread² − error² − noise²) / spread², the share of the spread that is neither error of estimation
        nor noise; NaN without spread, and where nothing was sampled and no noise measured.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    keys = ["scenario", "estimator", "metric", "preset"]
    parts = []
    presets = _read(root, "bursts", ["burst_id", "preset"]).set_index("burst_id")["preset"]
    for path in list_label_files(root):
        columns = ["burst_id", *keys[:3], "score", "std_error", "noise_error"]
        pieces = [_measure_reliability(rows, keys, presets) for rows in _iterate(root, path, columns)]
        if pieces:
            parts.append(pieces[0][0] if len(pieces) == 1 else _average(pieces))
    if not parts:
        return pd.DataFrame(columns=[*keys, "spread", "error", "noise", "reliability"])
    table = pd.concat(parts).sort_index()
    measured = (table["error"] > 0) | table["noise"].notna()
    signal = table["spread"] - table["error"].fillna(0) - table["noise"].fillna(0)
    table["reliability"] = (signal / table["spread"]).where((table["spread"] > 0) & measured)
    table[["spread", "error", "noise"]] **= 0.5
    found: pd.DataFrame = table.reset_index()[[*keys, "spread", "error", "noise", "reliability"]]
    return found


def read_repetition(root: Path) -> pd.DataFrame:
    """What `buiqa reliability` found, one row for each scenario, estimator, metric and preset: the table `reliability`; no rows without it.

    Raises:
        ManifestError: if the table is damaged.
    """
    frame: pd.DataFrame = read_or_empty(root, table_path(RELIABILITY.name), RELIABILITY).to_pandas()
    return frame


def count_failures(root: Path) -> pd.DataFrame:
    """Failures: columns `stage`, `scenario`, `error_type`, `failures`, `example` (the first message), sorted.

    Raises:
        ManifestError: if the table is damaged.
    """
    return (
        _read(root, "failures")
        .groupby(["stage", "scenario", "error_type"], sort=True)
        .agg(failures=("message", "size"), example=("message", "first"))
        .reset_index()
    )


def _read(root: Path, name: str, columns: Sequence[str] | None = None) -> pd.DataFrame:
    # A data set without failures may lack the table.
    path, kind = table_path(name), TABLES[name]
    table = read_or_empty(root, path, kind) if name == "failures" else read_table(root, path, kind, columns=columns)
    frame: pd.DataFrame = table.to_pandas()
    return frame


def _iterate(root: Path, path: str, columns: Sequence[str]) -> Iterator[pd.DataFrame]:
    """Rows of a label file piece by piece, those of a burst together."""
    text = [name for name in columns if pa.types.is_string(LABELS.schema.field(name).type)]
    for table in iterate_table(root, path, LABELS, columns=columns, coded=text):
        yield table.to_pandas()


def _measure_reliability(
    rows: pd.DataFrame, keys: list[str], presets: pd.Series[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Mean variances of a piece of a label file, and what each is the mean of so many of."""
    rows = rows[rows["score"].notna()].astype(dict.fromkeys(["burst_id", *keys[:3]], object))
    rows["preset"] = rows["burst_id"].map(presets)
    rows["error"], rows["noise"] = rows["std_error"] ** 2, rows["noise_error"] ** 2
    variances = rows.groupby([*keys, "burst_id"])["score"].var(ddof=1).groupby(keys)
    groups = rows.groupby(keys)[["error", "noise"]]
    return groups.mean().assign(spread=variances.mean()), groups.count().assign(spread=variances.count())


def _average(pieces: Sequence[tuple[pd.DataFrame, pd.DataFrame]]) -> pd.DataFrame:
    """Means of means by their counts; NaN where there is nothing."""
    names = list(pieces[0][0].index.names)
    sums, counts = (
        pd.concat(tables).groupby(names).sum()
        for tables in zip(*((mean * count, count) for mean, count in pieces), strict=True)
    )
    found: pd.DataFrame = sums / counts.where(counts > 0)
    return found


def _summarise_label_file(root: Path, path: str) -> pd.DataFrame:
    columns = ["burst_id", "scenario", "estimator", "metric", "unit", "score", "std_error"]
    pieces = [_summarise_rows(rows) for rows in _iterate(root, path, columns)]
    if len(pieces) < 2:
        return pieces[0] if pieces else _summarise_rows(LABELS.schema.empty_table().to_pandas())
    return _join_summaries(pd.concat(pieces))


def _join_summaries(pieces: pd.DataFrame) -> pd.DataFrame:
    """One summary of several, each of other bursts (Chan, Golub and LeVeque 1983 for the standard deviation)."""
    weighted = ["mean", "negative_share", "std_error"]
    rows = pieces.assign(**{name: pieces[name] * pieces["scores"] for name in weighted})
    groups = rows.groupby(_LABEL_GROUP, sort=True)
    table = groups.agg(
        bursts=("bursts", "sum"),
        scores=("scores", "sum"),
        mean=("mean", "sum"),
        std=("std", "first"),
        min=("min", "min"),
        max=("max", "max"),
        negative_share=("negative_share", "sum"),
        std_error=("std_error", "sum"),
    )
    for name in weighted:
        table[name] /= table["scores"]
    own = pieces.join(table["mean"].rename("whole"), on=_LABEL_GROUP)
    own["squares"] = own["std"].fillna(0) ** 2 * (own["scores"] - 1) + own["scores"] * (own["mean"] - own["whole"]) ** 2
    table["std"] = (own.groupby(_LABEL_GROUP, sort=True)["squares"].sum() / (table["scores"] - 1)) ** 0.5
    return table.reset_index()


def _summarise_rows(rows: pd.DataFrame) -> pd.DataFrame:
    scored = rows[rows["score"].notna()]
    scored = scored.astype(dict.fromkeys(("burst_id", *_LABEL_GROUP), object))
    return (
        scored.assign(negative=scored["score"] < 0)
        .groupby(_LABEL_GROUP, sort=True)
        .agg(
            bursts=("burst_id", "nunique"),
            scores=("score", "size"),
            mean=("score", "mean"),
            std=("score", "std"),
            min=("score", "min"),
            max=("score", "max"),
            negative_share=("negative", "mean"),
            std_error=("std_error", "mean"),
        )
        .reset_index()
    )
