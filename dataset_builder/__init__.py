"""Builds burst quality benchmarks: synthesis and ingest, labels, splits, card and audit, and the `buiqa` command."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from dataset_builder.errors import BuildError

if TYPE_CHECKING:
    from dataset_builder.audit.audit import audit_dataset
    from dataset_builder.build import add_annotations, add_labels, add_source, build_dataset
    from dataset_builder.recipe import parse_recipe, parse_scenario, parse_source, read_recipe
    from dataset_builder.synthesis.source import SceneSource
    from dataset_builder.synthesis.stream import BurstMixture, BurstWithTruth, RenderedBursts
    from dataset_builder.work.local import LocalWorkers

__all__ = [
    "BuildError",
    "BurstMixture",
    "BurstWithTruth",
    "LocalWorkers",
    "RenderedBursts",
    "SceneSource",
    "add_annotations",
    "add_labels",
    "add_source",
    "audit_dataset",
    "build_dataset",
    "parse_recipe",
    "parse_scenario",
    "parse_source",
    "read_recipe",
]
# `buiqa --help` imports this package and nothing of what it does.
_LATER = {
    **dict.fromkeys(("add_annotations", "add_labels", "add_source", "build_dataset"), "dataset_builder.build"),
    **dict.fromkeys(("parse_recipe", "parse_scenario", "parse_source", "read_recipe"), "dataset_builder.recipe"),
    **dict.fromkeys(("BurstMixture", "BurstWithTruth", "RenderedBursts"), "dataset_builder.synthesis.stream"),
    "SceneSource": "dataset_builder.synthesis.source",
    "LocalWorkers": "dataset_builder.work.local",
    "audit_dataset": "dataset_builder.audit.audit",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
