"""New data sets from old ones: two merged, or the part that a query chooses. Whole bursts only, so that ranks stay true."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from manifests.confined.members import name_plain
from manifests.confined.reading import has_file, hash_file, read_files
from manifests.confined.writing import write_new_file
from manifests.description import DESCRIPTION, PACKED_FORM, drop_seal, read_description, write_description
from manifests.documents.card import write_card
from manifests.documents.croissant import write_croissant
from manifests.errors import MergeConflictError, SchemaError
from manifests.images.listing import StoredFile, list_image_files, require_digest, use_plain_paths
from manifests.listing import choose_rows
from manifests.matching import read_burst_tables, read_label_file, read_splits
from manifests.operations.output import require_new_folder, write_new_folder
from manifests.queries import name_unlabelled
from manifests.schema import BURSTS, FAILURES, FRAMES, LABELS, SPLIT_NAMES, SPLITS
from manifests.seal import seal_dataset
from manifests.splits import reconcile_splits
from manifests.store import (
    list_label_files,
    read_footer,
    read_or_empty,
    table_path,
    write_table,
)

_FOLLOWS_NAMES = ("auto", "hash", "stratified")
"""Methods of splitting that hold for any part of a data set."""
Finish = Callable[[Path], object]
"""What else is done to a new data set before it gets its place."""


@dataclass(frozen=True, eq=False)
class _Contents:
    """The tables of a data set; label files by their path, with the metadata of their footers."""

    root: Path
    description: Mapping[str, Any]
    bursts: pa.Table
    frames: pa.Table
    splits: pa.Table
    failures: pa.Table
    labels: Mapping[str, pa.Table]
    footers: Mapping[str, Mapping[str, str]]


def leave_alone(root: Path) -> None:
    """As `Finish`."""


def merge_datasets(first: Path, second: Path, out: Path, *, finish: Finish = leave_alone) -> None:
    """Write a data set that holds the bursts and labels of two.

    What both hold must be equal: a burst by its key and the digests of its frames, labels by their keys, the restorer of a scenario
    by its fingerprint, and the split of a scene. Where few scenes were dealt out by the default, those that fell apart are tested on
    before they are trained on.

    Args:
        first: its name, seed and way of splitting go on.
        second: the other.
        out: new folder.
        finish: what else is done to the data set before it gets its place.

    Raises:
        MergeConflictError: if the two contradict each other; names where, and the way out.
        ManifestError: if `out` holds something, or a table or file is damaged.
    """
    one, other = _read_contents(first), _read_contents(second)
    require_new_folder(out)
    bursts = _unite(one.bursts, other.bursts, BURSTS.sort_by, ("burst_key", "scene_id"), "burst")
    images = use_plain_paths(one.frames), use_plain_paths(other.frames)
    frames = _unite(images[0], images[1], FRAMES.sort_by, ("sha256", "path"), "frame")
    paths = frames.column("path")
    if pc.count_distinct(paths).as_py() < len(paths):
        raise MergeConflictError(f"{first} and {second}: frames of different bursts have one path; rename a source")
    labels, footers = dict(one.labels), {**other.footers, **one.footers}
    for name, table in other.labels.items():
        labels[name] = _unite_labels(PurePosixPath(name).name, labels[name], table) if name in labels else table
    choices = [_mapping(_mapping(contents.description, "recipe"), "splits") for contents in (one, other)]
    dealt = one.splits, other.splits
    if all(choice.get("method") == "auto" for choice in choices):
        dealt = reconcile_splits(*dealt)
    splits = _unite(*dealt, SPLITS.sort_by, ("split",), "split of")
    _require_whole_scenes(splits)
    keep = choices[0] == choices[1] and choices[0].get("method", "hash") in _FOLLOWS_NAMES
    description = {
        **_merge_descriptions(one.description, other.description),
        "recipe": {
            **_merge_recipes(_mapping(one.description, "recipe"), _mapping(other.description, "recipe")),
            "splits": choices[0] if keep else _freeze_splits(choices[0], splits),
        },
        "provenance": {"merged": [_name_origin(one), _name_origin(other)]},
    }
    failures = pa.concat_tables([one.failures, other.failures]).group_by(FAILURES.schema.names).aggregate([])
    merged = _Contents(
        out, description, bursts, frames, splits, failures.select(FAILURES.schema.names), labels, footers
    )
    _write_contents(merged, [one, other], finish)


def subset_dataset(
    root: Path,
    out: Path,
    query: str,
    *,
    scenarios: Sequence[str] | None = None,
    finish: Finish = leave_alone,
) -> int:
    """Write a data set of the bursts that a query chooses.

    Args:
        root: the data set.
        out: new folder.
        query: a condition on the columns of `bursts`, and `split` and `fold`, as `manifests.queries.choose_rows` takes it.
        scenarios: whose labels to keep; None for all.
        finish: what else is done to the data set before it gets its place.

    Returns:
        Number of bursts.

    Raises:
        SelectionError: if the query cannot be read or chooses nothing, or a scenario has no labels.
        ManifestError: if `out` holds something, or a table or file is damaged.
    """
    contents = _read_contents(root)
    require_new_folder(out)
    rows = contents.bursts.to_pandas().merge(contents.splits.to_pandas()[["burst_id", "split", "fold"]], on="burst_id")
    chosen = choose_rows(rows, query)
    names = pa.array(chosen["burst_id"].tolist(), pa.string())
    labels = {name: _keep(table, names) for name, table in contents.labels.items()}
    if scenarios is not None:
        there = {table.column("scenario")[0].as_py(): name for name, table in contents.labels.items() if len(table)}
        if unknown := sorted(set(scenarios) - there.keys()):
            raise name_unlabelled(root, unknown[0], sorted(there))
        labels = {there[scenario]: labels[there[scenario]] for scenario in scenarios}
    labels = {name: table for name, table in labels.items() if table.num_rows}
    splits = _keep(contents.splits, names)
    recipe = _mapping(contents.description, "recipe")
    choice = _mapping(recipe, "splits")
    keep = choice.get("method", "hash") in _FOLLOWS_NAMES
    part = _Contents(
        out,
        {
            **contents.description,
            "recipe": {**recipe, "splits": choice if keep else _freeze_splits(choice, splits)},
            "provenance": {"subset": _name_origin(contents), "query": query},
        },
        _keep(contents.bursts, names),
        _keep(contents.frames, names),
        splits,
        _keep(contents.failures, names),
        labels,
        contents.footers,
    )
    _write_contents(part, [contents], finish)
    return len(names)


def _read_contents(root: Path) -> _Contents:
    description = read_description(root)
    if description.get("form") == PACKED_FORM:
        raise SchemaError(f"{root}: is a pack, which lacks the files; name the data set that it was made from")
    paths = list_label_files(root)
    tables = read_burst_tables(root)
    return _Contents(
        root,
        drop_seal(description),
        bursts=tables.bursts,
        frames=tables.frames,
        splits=read_splits(root, tables),
        failures=read_or_empty(root, table_path("failures"), FAILURES),
        labels={path: read_label_file(root, path, tables) for path in paths},
        footers={path: read_facts(root, path) for path in paths},
    )


def read_facts(root: Path, path: str) -> dict[str, str]:
    """What the footer of a table says beside its form, to be written into another footer."""
    return {key: value for key, value in read_footer(root, path).items() if key not in {"format_version", "pandas"}}


def _write_contents(contents: _Contents, origins: Iterable[_Contents], finish: Finish) -> None:
    """Write a data set; its `root` is where it will be once it is whole."""
    with write_new_folder(contents.root) as folder:
        for origin in origins:
            _copy_images(origin, replace(contents, root=folder))
        for kind in (FRAMES, SPLITS, FAILURES, BURSTS):
            write_table(folder, table_path(kind.name), kind, use_plain_paths(getattr(contents, kind.name)))
        for path, table in contents.labels.items():
            write_table(folder, path, LABELS, table, metadata=contents.footers.get(path))
        description = {**contents.description, "totals": _count_rows(contents)}
        write_description(folder, description)
        write_croissant(folder)
        write_card(folder)
        seal_dataset(folder, description)
        finish(folder)


def _count_rows(contents: _Contents) -> dict[str, int]:
    return {
        **{name: getattr(contents, name).num_rows for name in ("bursts", "frames", "failures")},
        "labels": sum(len(table) - table.column("score").null_count for table in contents.labels.values()),
        "scenarios": len(contents.labels),
    }


def _copy_images(origin: _Contents, contents: _Contents) -> None:
    """Copy the files of the bursts that both have, checking each against its SHA-256; what is there already stays."""
    names = contents.bursts.column("burst_id").combine_chunks()
    files = list_image_files(_keep(origin.bursts, names), _keep(origin.frames, names))
    copy_images(
        origin.root, [file for file in files if not has_file(contents.root, name_plain(file.path))], contents.root
    )


def copy_images(root: Path, files: Sequence[StoredFile], out: Path) -> None:
    """Copy images to where they are as single files below another folder, which has none of them yet, each checked against its SHA-256.

    Raises:
        ImageFileError: if one is missing or not what its table names.
        OSError: if one cannot be written.
    """
    for (path, digest), data in zip(files, read_files(root, [path for path, _ in files]), strict=True):
        require_digest(data, digest, root / path)
        write_new_file(out, name_plain(path), data)


def _keep(table: pa.Table, burst_ids: pa.Array) -> pa.Table:
    return table.filter(pc.is_in(table.column("burst_id"), value_set=burst_ids))


def _unite(one: pa.Table, other: pa.Table, keys: Sequence[str], facts: Sequence[str], what: str) -> pa.Table:
    """Rows of both; rows with one key must agree in some facts, and are taken from the first.

    Bursts that both have must have as many rows in both: half the labels of a burst would not make ranks.
    """
    columns = list(dict.fromkeys(["burst_id", *keys, *facts]))
    joined = (
        one.select(columns)
        .to_pandas()
        .merge(other.select(columns).to_pandas(), on=list(keys), how="inner", suffixes=("", "_other"))
    )
    for fact in facts:
        left, right = joined[fact], joined[f"{fact}_other"]
        differs = joined[(left != right) & ~(left.isna() & right.isna())]
        if len(differs):
            row = differs.iloc[0]
            key = ", ".join(f"{name}={row[name]}" for name in keys)
            raise MergeConflictError(
                f"{what} {key}: {fact} is {row[fact]!r} in the one and {row[f'{fact}_other']!r} in the other; "
                "build or split both alike, or subset one first"
            )
    known = joined[list(keys)].assign(known=True)
    rest = other.select(list(keys)).to_pandas().merge(known, on=list(keys), how="left")["known"].isna().to_numpy()
    return pa.concat_tables([one, other.filter(pa.array(rest))])


def _unite_labels(name: str, one: pa.Table, other: pa.Table) -> pa.Table:
    fingerprints = [set(pc.unique(table.column("restorer_fingerprint")).to_pylist()) for table in (one, other)]
    if fingerprints[0] != fingerprints[1] and all(fingerprints):
        raise MergeConflictError(f"labels in {name}: are of different restorers (fingerprints differ); label one anew")
    return _unite(one, other, LABELS.sort_by, ("label_key", "score"), f"label in {name}")


def _require_whole_scenes(splits: pa.Table) -> None:
    places = splits.to_pandas().groupby("scene_id")["split"].nunique()
    if (places > 1).any():
        raise MergeConflictError(
            f"scene_id={places.index[places > 1][0]}: is in different splits; split both data sets alike with `buiqa split`"
        )


def _merge_descriptions(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Facts of both; where they differ, those of the first."""
    merged = dict(other) | dict(one)
    for name in ("metrics", "estimators", "scenarios"):
        merged[name] = {**_mapping(other, name), **_mapping(one, name)}
    return merged


def _merge_recipes(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    """Sources and scenarios of both. Of two by one name the first stays; the digest in `provenance` names the whole recipes."""
    merged = dict(other) | dict(one)
    for key in ("sources", "scenarios"):
        entries = [*one.get(key, []), *other.get(key, [])]
        if entries:
            merged[key] = list({entry["name"]: entry for entry in reversed(entries)}.values())[::-1]
    return merged


def _freeze_splits(choice: Mapping[str, Any], splits: pa.Table) -> dict[str, Any]:
    """The splits that are there as official lists, for no rule gives them."""
    rows = splits.select(["scene_id", "split"]).group_by(["split", "scene_id"]).aggregate([]).to_pylist()
    lists = {name: sorted(row["scene_id"] for row in rows if row["split"] == name) for name in SPLIT_NAMES}
    kept = {name: choice[name] for name in ("salt", "folds") if name in choice}
    return {**kept, "method": "official", "lists": {name: scenes for name, scenes in lists.items() if scenes}}


def _name_origin(contents: _Contents) -> dict[str, str]:
    return {
        "name": str(contents.description.get("name") or contents.root.name),
        "dataset_sha256": hash_file(contents.root, DESCRIPTION),
    }


def _mapping(description: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = description.get(name)
    return value if isinstance(value, dict) else {}
