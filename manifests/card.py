"""DATASET.md of a data set, from its manifests alone: equal manifests give an equal card."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd
import pyarrow as pa

from manifests import statistics
from manifests.schema import FORMAT_VERSION, TABLES, TableSchema
from manifests.store import hash_file, read_description, write_text

CARD_NAME = "DATASET.md"
_FACTS = ("task", "summary", "paper", "output_domain", "scale", "missing_frames", "license", "fingerprint")


def write_card(root: Path) -> Path:
    """Write DATASET.md into a data set, atomically, and return its path.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    path = root / CARD_NAME
    write_text(path, render_card(root))
    return path


def render_card(root: Path) -> str:
    """The card as Markdown.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    description = read_description(root)
    contents, labels = statistics.count_contents(root), statistics.summarise_labels(root)
    recipe_path = root / "recipe.toml"
    # Markdown, not HTML: what needs escaping is escaped by `_cell`.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.PackageLoader("manifests", ""), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    environment.filters.update(cell=_cell, line=_line)
    return environment.get_template("card.md.j2").render(
        table=render_table,
        name=description.get("name") or "Burst quality data set",
        total={
            "scenes": statistics.count_scenes(root),
            "bursts": contents["bursts"].sum(),
            "frames": contents["frames"].sum(),
            "scores": labels["scores"].sum(),
            "scenarios": labels["scenario"].nunique(),
        },
        contents=list(_list_contents(contents)),
        labels=list(_list_labels(labels)),
        estimators=sorted(_mapping(description, "estimators").items()),
        metrics=[(name, sorted(facts.items())) for name, facts in sorted(_mapping(description, "metrics").items())],
        scenarios=[
            (name, *(facts.get(fact, "") for fact in _FACTS))
            for name, facts in sorted(_mapping(description, "scenarios").items())
        ],
        splits=statistics.summarise_splits(root).itertuples(index=False, name=None),
        shared_scenes=statistics.count_shared_scenes(root),
        failures=list(statistics.count_failures(root).itertuples(index=False, name=None)),
        licenses=statistics.count_licenses(root).itertuples(index=False, name=None),
        limits=list(_list_limits(contents, labels)),
        recipe_sha256=hash_file(recipe_path) if recipe_path.is_file() else "",
        software=sorted(_mapping(description, "software").items()),
        recipe=json.dumps(recipe, indent=2, sort_keys=True) if (recipe := _mapping(description, "recipe")) else "",
        format_version=FORMAT_VERSION,
        columns=[(kind.name, list(_list_columns(kind))) for kind in TABLES.values()],
    )


def render_table(header: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """A Markdown table; each value is put on one line and cannot end its cell or open a tag."""
    names = list(header)
    lines = [names, ["---"] * len(names), *([_cell(value) for value in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _list_contents(contents: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for row in contents.to_dict("records"):
        spans = (_span(row["min_" + side], row["max_" + side]) for side in ("frames", "width", "height"))
        counts = (row[name] for name in ("source", "preset", "domain", "scenes", "bursts", "frames"))
        yield (*counts, *spans, row["with_truth"])


def _list_labels(labels: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for row in labels.to_dict("records"):
        names = (row[name] for name in ("scenario", "estimator", "metric", "unit", "bursts", "scores"))
        numbers = (_number(row[name]) for name in ("mean", "std", "min", "max"))
        yield (*names, *numbers, f"{100 * row['negative_share']:.1f} %", _number(row["std_error"]))


def _list_limits(contents: pd.DataFrame, labels: pd.DataFrame) -> Iterator[str]:
    """What a reader must know before trusting the numbers, as far as the manifests tell."""
    without = int((contents["bursts"] - contents["with_truth"]).sum())
    if without:
        yield f"Bursts without ground truth, hence without the labels that need one: {without}."
    if (contents["preset"] != "ingested").any():
        yield "Synthetic bursts are as realistic as the models of camera, motion and noise that made them."
    if len(labels):
        yield "A label belongs to its restorer, settings and metric; the fingerprint names them. Another restorer ranks frames differently."
        yield "Scores lie in the unit of the metric and depend on content and noise; compare frames within a burst, or use `score_norm`."
    else:
        yield "There are no labels yet."
    unsure = labels[labels["std_error"] > 0]
    if len(unsure):
        yield f"Scores of {', '.join(sorted(set(unsure['estimator'])))} are sampled; `std_error` says how precisely."
    yield "Nothing here claims to reproduce published numbers: published papers do not state all that a label depends on."
    yield "Splits follow scenes; near-duplicates among differently named scenes would not be noticed by the splits themselves."


def _list_columns(kind: TableSchema) -> Iterator[tuple[str, ...]]:
    for field in kind.schema:
        name = f"**`{field.name}`**" if field.name in kind.sort_by else f"`{field.name}`"
        yield name, _name_type(field.type), "yes" if field.nullable else "no", field.metadata[b"doc"].decode()


def _name_type(kind: pa.DataType) -> str:
    if pa.types.is_fixed_size_list(kind):
        return f"{kind.value_type}[{kind.list_size}]"
    return f"{kind.value_type}[]" if pa.types.is_list(kind) else str(kind)


def _mapping(description: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = description.get(name)
    return value if isinstance(value, dict) else {}


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.4f}"


def _line(value: Any) -> str:
    return " ".join(str(value).split())


def _cell(value: Any) -> str:
    return _line(value).replace("|", "\\|").replace("<", "\\<")
