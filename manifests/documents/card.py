"""DATASET.md of a data set, from its manifests alone: equal manifests give an equal card."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from manifests.confined.reading import has_file, hash_file
from manifests.confined.writing import write_text
from manifests.description import read_description
from manifests.documents import statistics
from manifests.documents.croissant import cite
from manifests.documents.markdown import escape_cell, quote_code, render_columns, render_table
from manifests.schema import FORMAT_VERSION, TABLES

CARD_NAME = "DATASET.md"
_SPLIT_RULES = {
    "auto": "A scene lies in one split as a whole. Of fewer than 50 scenes every source and preset has its share of each split, of more "
    "each is chosen by a hash of its `scene_id` alone. Scenes stay where they are when data is added.",
    "hash": "A scene lies in one split as a whole, chosen by a hash of its `scene_id` alone, so that adding data moves nothing.",
    "stratified": "A scene lies in one split as a whole; every source and preset has its share of each split. Scenes stay where they "
    "are when data is added.",
    "official": "A scene lies in one split as a whole, as the lists in the recipe say.",
    "leave_one_source_out": "All scenes of one source, named in the recipe, are for testing; the others are not.",
}
_FACTS = ("task", "summary", "paper", "output_domain", "scale", "missing_frames", "license", "fingerprint")


def write_card(root: Path) -> None:
    """Write DATASET.md into a data set, atomically.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    write_text(root, CARD_NAME, render_card(root))


_VERSION = re.compile(r"[0-9][0-9a-z.+]{0,40}")
"""What may stand in a command that people copy (PEP 440)."""


def render_card(root: Path) -> str:
    """The card as Markdown.

    Raises:
        ManifestError: if a table is missing or damaged.
    """
    description = read_description(root)
    recipe = _mapping(description, "recipe")
    version = str(_mapping(description, "software").get("buiqa-toolkit", ""))
    contents, labels = statistics.count_contents(root), statistics.summarise_labels(root)
    # Markdown, not HTML: what needs escaping is escaped by `_cell`.
    environment = jinja2.Environment(  # noqa: S701
        loader=jinja2.PackageLoader("manifests", "documents"),
        undefined=jinja2.StrictUndefined,
        keep_trailing_newline=True,
    )
    environment.filters.update(cell=escape_cell, code=quote_code)
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
        compared_twice=_mapping(description, "metrics").keys() >= {"psnr", "psnr_srgb"},
        metrics=[(name, sorted(facts.items())) for name, facts in sorted(_mapping(description, "metrics").items())],
        scenarios=[
            (name, *(facts.get(fact, "") for fact in _FACTS))
            for name, facts in sorted(_mapping(description, "scenarios").items())
        ],
        splits=statistics.summarise_splits(root).itertuples(index=False, name=None),
        split_rule=_SPLIT_RULES.get(str(_mapping(recipe, "splits").get("method", "hash")), _SPLIT_RULES["hash"]),
        nearest=statistics.find_nearest_bursts(root),
        sources=[(row.get("name", ""), row.get("kind", ""), _list_settings(row)) for row in recipe.get("sources", [])],
        reliability=list(_list_reliability(statistics.summarise_reliability(root))),
        repetition=list(_list_repetition(statistics.read_repetition(root))),
        citation=cite(description),
        version=version if _VERSION.fullmatch(version) else "",
        provenance=json.dumps(provenance, indent=2, sort_keys=True)
        if (provenance := _mapping(description, "provenance"))
        else "",
        shared_scenes=statistics.count_shared_scenes(root),
        failures=list(statistics.count_failures(root).itertuples(index=False, name=None)),
        licenses=statistics.count_licenses(root).itertuples(index=False, name=None),
        limits=[*_list_limits(contents, labels), *_list_personal(_mapping(description, "personal"))],
        recipe_sha256=hash_file(root, "recipe.toml") if has_file(root, "recipe.toml") else "",
        software=sorted(_mapping(description, "software").items()),
        recipe=json.dumps(recipe, indent=2, sort_keys=True) if recipe else "",
        format_version=FORMAT_VERSION,
        columns=[(kind.name, render_columns(kind)) for kind in TABLES.values()],
    )


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


def _list_reliability(reliability: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for row in reliability.to_dict("records"):
        names = (row[name] for name in ("scenario", "estimator", "metric", "preset"))
        noise = "not measured" if pd.isna(row["noise"]) else _number(row["noise"])
        yield (*names, _number(row["spread"]), _number(row["error"]), noise, _number(row["reliability"]))


def _list_repetition(repetition: pd.DataFrame) -> Iterator[tuple[Any, ...]]:
    for row in repetition.to_dict("records"):
        names = (row[name] or "" for name in ("scenario", "estimator", "metric", "preset", "bursts"))
        figures = ("spearman", "icc", "stable_best", "length_spearman", "median_score", "noise_error")
        yield (*names, *(_number(row[name]) for name in figures))


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
    yield (
        "Near-duplicates across splits are looked for among reference frames; two crops of one photograph that goes by two names "
        "would not be noticed."
    )


def _list_personal(personal: Mapping[str, Any]) -> Iterator[str]:
    """What the metadata of frames tell of people and places."""
    told = [f"{name}: {count}" for name, count in sorted(personal.items()) if isinstance(count, int)]
    if told:
        yield (
            f"Files of frames tell more than their pixels ({', '.join(told)}; location is GPS). `buiqa ingest --strip-metadata` leaves it "
            "out of a data set, and `buiqa export` out of what it writes, unless told to keep it."
        )


def _list_settings(source: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in sorted(source.items()) if _is_setting(key, value))


def _is_setting(key: str, value: Any) -> bool:
    return key not in {"name", "kind", "license"} and isinstance(value, str | int | float) and value != ""


def _mapping(description: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = description.get(name)
    return value if isinstance(value, dict) else {}


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low} to {high}"


def _number(value: float) -> str:
    return "–" if pd.isna(value) else f"{value:.4f}"
