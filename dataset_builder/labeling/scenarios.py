"""Scenarios of a recipe with the facts of their restorers, and what each is asked to compute."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from dataset_builder.errors import RecipeError
from dataset_builder.labeling.estimators import choose_estimators, find_estimator
from dataset_builder.labeling.suitability import NARROW, WIDE, WITHOUT_TRUTH, choose_metrics
from dataset_builder.settings import Name, Part, require_one_of
from manifests.errors import SchemaError
from manifests.store import read_footer
from restorers import LinearMerge, Restorer, RestorerInfo, create, create_known
from restorers.errors import UntrustedScenarioError
from restorers.fidelity import METRICS
from restorers.perceptual import load_weights
from restorers.registry import fingerprint_scenario

DEFAULT = "default"
"""Stands for the metrics that suit a burst, where metrics are named."""


class ScenarioChoice(Part):
    """A scenario to label.

    Attributes:
        name: as `buiqa scenarios` lists it, `module:attr`, or a model file such as `onnx:FILE?domain=srgb`.
        estimators: default: leave_one_out and add_one; solo for single-frame restorers.
        metrics: fidelity metrics; `default` stands for those that suit the burst (`suitability.choose_metrics`).
        insist: whether to label without truth where that is known to mislead.
        stands_for: name of a restorer that the user may put in its place by `--restorer NAME=SCENARIO`; null for none.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@:/?&=%,+~()\[\]-]*$", max_length=240)
    estimators: tuple[str, ...] = ()
    metrics: tuple[str, ...] = Field(default=(DEFAULT,), min_length=1)
    insist: bool = False
    stands_for: Name | None = None

    @field_validator("estimators")
    @classmethod
    def _check_estimators(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            find_estimator(name)
        return value

    @field_validator("metrics")
    @classmethod
    def _check_metrics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for name in value:
            require_one_of(name, (*METRICS, DEFAULT))
        return tuple(dict.fromkeys(value))


def merge_choices(old: Sequence[ScenarioChoice], new: Sequence[ScenarioChoice]) -> tuple[ScenarioChoice, ...]:
    """Old choices and new ones; a scenario in both is asked for all that either asks for."""
    merged = {choice.name: choice for choice in old}
    for choice in new:
        merged[choice.name] = _unite(merged[choice.name], choice) if choice.name in merged else choice
    return tuple(merged.values())


def list_renamed(choices: Sequence[ScenarioChoice]) -> list[str]:
    """A line for each estimator that is asked for by a name that it no longer has."""
    asked = dict.fromkeys(name for choice in choices for name in choice.estimators)
    names = {name: find_estimator(name).name for name in asked}
    return [f"the estimator {old} is called {new} now" for old, new in names.items() if new != old]


def _unite(one: ScenarioChoice, other: ScenarioChoice) -> ScenarioChoice:
    # No estimators means the default ones, which are more than those of the other.
    estimators = (*one.estimators, *other.estimators) if one.estimators and other.estimators else ()
    metrics = (*one.metrics, *other.metrics)
    return one.model_copy(
        update={
            "estimators": tuple(dict.fromkeys(estimators)),
            "metrics": tuple(dict.fromkeys(metrics)),
            "insist": one.insist or other.insist,
        }
    )


@dataclass(frozen=True, order=True)
class Definition:
    """What a score is: how worth follows from fidelities, and what fidelity is."""

    estimator: str
    metric: str


@dataclass(frozen=True)
class ResolvedScenario:
    """A scenario of the recipe with its restorer's facts.

    Attributes:
        name: its name.
        definitions: what to compute; with `chosen` metrics of all bursts, with others of those that they suit.
        fingerprint: fingerprint of the restorer.
        info: facts of the restorer.
        linear: whether that is a `LinearMerge`.
        chosen: metrics that were asked for by name; None for all of the definitions.
        insist: as in `ScenarioChoice`.
    """

    name: str
    definitions: tuple[Definition, ...]
    fingerprint: str
    info: RestorerInfo
    linear: bool = False
    chosen: frozenset[str] | None = None
    insist: bool = False

    def list_definitions(self, burst: Mapping[str, Any]) -> tuple[Definition, ...]:
        """What to compute for a burst, given its row."""
        if self.chosen is None:
            return self.definitions
        metrics = {*self.chosen, *choose_metrics(self.info.task, burst)}
        return tuple(definition for definition in self.definitions if definition.metric in metrics)

    def describe(self) -> dict[str, Any]:
        """Plain data for manifests."""
        info = self.info
        return {
            "name": self.name,
            "fingerprint": self.fingerprint,
            "task": info.task,
            "version": info.version,
            "summary": info.summary,
            "paper": info.paper,
            "output_domain": info.output_domain or "as the burst",
            "scale": info.scale,
            "missing_frames": info.missing_frames,
            "license": info.license,
            "weights_sha256": info.weights_sha256,
            "deterministic": info.deterministic,
            **({} if info.device == "cpu" else {"device": info.device}),
        }


def resolve_scenarios(choices: Sequence[ScenarioChoice], *, device: str = "cpu") -> list[ResolvedScenario]:
    """Build the restorer of each scenario that the user named once, to learn its facts and to fail before any work is done.

    Args:
        choices: choices of a recipe or a command line.
        device: where networks compute, as `restorers.create` takes it.

    Raises:
        RestorerError: if a scenario is unknown or its restorer unusable.
        RecipeError: if an estimator does not suit a restorer or a metric.
        MissingWeightsError: if a metric needs weights that are not there.
    """
    return [_resolve(choice, create(choice.name, device=device)) for choice in choices]


def resolve_recorded(
    choices: Sequence[ScenarioChoice], named: Collection[str], *, device: str = "cpu"
) -> tuple[list[ResolvedScenario], list[str]]:
    """As `resolve_scenarios`, for scenarios that a data set names: code and model files run if the user named them as well.

    Args:
        choices: choices of the recipe in a data set.
        named: what the user named.
        device: where networks compute.

    Returns:
        The scenarios that may run, and why others may not, one line each.
    """
    resolved, remarks = [], []
    for choice in choices:
        try:
            resolved.append(_resolve(choice, create_known(choice.name, named=named, device=device)))
        except UntrustedScenarioError as error:
            remarks.append(f"left out: {error}")
    return resolved, remarks


def _resolve(choice: ScenarioChoice, restorer: Restorer) -> ResolvedScenario:
    try:
        definitions = _define(choice, single_frame=restorer.info.single_frame)
    except ValueError as error:
        raise RecipeError(f"scenario {choice.name!r}: {error}") from None
    if any(METRICS[each.metric].kind == "lpips" for each in definitions):
        load_weights()  # fails before any work is done
    fingerprint = fingerprint_scenario(choice.name, restorer)
    linear = isinstance(restorer, LinearMerge)
    chosen = frozenset(choice.metrics) - {DEFAULT} if DEFAULT in choice.metrics else None
    return ResolvedScenario(choice.name, definitions, fingerprint, restorer.info, linear, chosen, choice.insist)


def _define(choice: ScenarioChoice, *, single_frame: bool) -> tuple[Definition, ...]:
    definitions = []
    usual = (*NARROW, *WIDE, *WITHOUT_TRUTH)
    named = [each for name in choice.metrics for each in (usual if name == DEFAULT else (name,))]
    for estimator in choose_estimators(choice.estimators, single_frame=single_frame):
        for metric in dict.fromkeys(named):
            if not METRICS[metric].needs_truth and find_estimator(estimator).family != "marginal":
                if metric not in choice.metrics:
                    continue
                raise ValueError(
                    f"estimator {estimator} by metric {metric}: without ground truth only estimators that compare subsets are defined; "
                    "use leave_one_out, add_one, shapley or marginal, or a metric with truth"
                )
            definitions.append(Definition(estimator, metric))
    return tuple(definitions)


def read_scenario_facts(root: Path, path: str) -> dict[str, Any]:
    """What the footer of a label file says of its scenario: name, fingerprint and the restorer's facts.

    Raises:
        ManifestError: if the file cannot be read, or says nothing of the kind.
    """
    try:
        facts = json.loads(read_footer(root, path).get("scenario", "{}"))
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise SchemaError(
            f"{root / path}: footer: expected a JSON object under scenario; restore the file, or build again"
        )
    return facts
