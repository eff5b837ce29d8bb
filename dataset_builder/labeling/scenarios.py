"""Scenarios of a recipe with the facts of their restorers, and what each is asked to compute."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import Field, field_validator, model_validator

from dataset_builder.errors import RecipeError
from dataset_builder.labeling.estimators import choose_estimators, find_estimator
from dataset_builder.labeling.suitability import NARROW, WIDE, WITHOUT_TRUTH, choose_metrics
from dataset_builder.settings import Name, Part, require_one_of
from manifests.errors import ManifestError, SchemaError
from manifests.store import labels_path, read_footer
from restorers import LinearMerge, Restorer, RestorerInfo, create, create_known
from restorers.errors import UntrustedScenarioError
from restorers.fidelity import METRICS
from restorers.perceptual import load_weights
from restorers.registry import fingerprint_scenario, is_installed, require_own_name

DEFAULT = "default"
"""Stands for the metrics that suit a burst, where metrics are named."""
_TARGET = r"^[A-Za-z0-9_][A-Za-z0-9_.@:/?&=%,+~()\[\]-]*$"


class ScenarioChoice(Part):
    """A scenario to label.

    Attributes:
        name: the name that `buiqa scenarios` lists, `module:attr`, or a model file such as `onnx:FILE?domain=srgb`.
        estimators: default: leave_one_out and add_one; solo for single-frame restorers.
        metrics: fidelity metrics; `default` stands for those that suit the burst (`suitability.choose_metrics`).
        insist: whether to label without truth where that is known to mislead.
        stands_for: name of a restorer that the user may put in its place by `--restorer NAME=SCENARIO`; null for none.
        restorer: what restores, where the scenario has a name of its own, `task/restorer`; null where its name says it.
    """

    name: str = Field(pattern=_TARGET, max_length=240)
    estimators: tuple[str, ...] = ()
    metrics: tuple[str, ...] = Field(default=(DEFAULT,), min_length=1)
    insist: bool = False
    stands_for: Name | None = None
    restorer: str | None = Field(default=None, pattern=_TARGET, max_length=240)

    @property
    def target(self) -> str:
        """What its restorer is created from."""
        return self.restorer or self.name

    def say(self, target: str) -> dict[str, str]:
        """The key that names its restorer, with another one."""
        return {"name" if self.restorer is None else "restorer": target}

    @model_validator(mode="after")
    def _check_own_name(self) -> ScenarioChoice:
        if self.restorer is not None:
            require_own_name(self.name)
        return self

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
    """Old choices and new ones; a scenario in both is asked for all that either asks for.

    Raises:
        RecipeError: if a name stands for one restorer in one, and for another in the other.
    """
    merged = {choice.name: choice for choice in old}
    for choice in new:
        if choice.name in merged and merged[choice.name].target != choice.target:
            raise RecipeError(
                f"scenario {choice.name!r}: is {merged[choice.name].target} in the data set, not {choice.target}; take another name, or "
                "remove its labels by `buiqa unlabel`"
            )
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
        insist: the same as in `ScenarioChoice`.
        restorer: the same as in `ScenarioChoice`.
    """

    name: str
    definitions: tuple[Definition, ...]
    fingerprint: str
    info: RestorerInfo
    linear: bool = False
    chosen: frozenset[str] | None = None
    insist: bool = False
    restorer: str | None = None

    @property
    def target(self) -> str:
        """What its restorer is created from."""
        return self.restorer or self.name

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
            **({} if self.restorer is None else {"restorer": self.restorer}),
            **({} if info.device == "cpu" else {"device": info.device}),
        }


def resolve_scenarios(choices: Sequence[ScenarioChoice], *, device: str = "cpu") -> list[ResolvedScenario]:
    """Build the restorer of each scenario that the user named once, to learn its facts and to fail before any work is done.

    Args:
        choices: choices of a recipe or a command line.
        device: where networks compute, as `restorers.create` takes it.

    Raises:
        RestorerError: if a scenario is unknown or its restorer unusable.
        RecipeError: if an estimator does not suit a restorer or a metric, or a name of the user's own is taken.
        MissingWeightsError: if a metric needs weights that are not there.
    """
    for choice in choices:
        if choice.restorer is not None and is_installed(choice.name):
            raise RecipeError(
                f"scenario {choice.name!r}: is built in or installed and means another restorer; choose another name"
            )
    return [_resolve(choice, create(choice.target, device=device)) for choice in choices]


def choose_recorded(
    choices: Sequence[ScenarioChoice], named: Collection[str]
) -> tuple[list[ScenarioChoice], list[str]]:
    """Of the scenarios that a data set names, those that may run: built in, installed, or named by the user, too.

    Args:
        choices: choices of the recipe in a data set.
        named: restorers that the user named; one that the data set does not have is chosen as well.

    Returns:
        The choices, and why others may not run, one line each.
    """
    trusted, remarks = [], []
    for choice in choices:
        if choice.target in named or is_installed(choice.target):
            trusted.append(choice)
        else:
            remarks.append(
                f"left out: {choice.name} is made by code or a file; name it, too: --scenario {choice.target}"
            )
    there = {choice.target for choice in choices}
    return [*trusted, *(ScenarioChoice(name=name) for name in named if name not in there)], remarks


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
            resolved.append(_resolve(choice, create_known(choice.target, named=named, device=device)))
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
    fingerprint = fingerprint_scenario(choice.target, restorer)
    linear = isinstance(restorer, LinearMerge)
    chosen = frozenset(choice.metrics) - {DEFAULT} if DEFAULT in choice.metrics else None
    facts = (definitions, fingerprint, restorer.info, linear, chosen, choice.insist, choice.restorer)
    return ResolvedScenario(choice.name, *facts)


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


def read_target(root: Path, scenario: str) -> str:
    """What the restorer of labelled bursts was created from, as their label file says; the scenario's name where it says nothing.

    It stands in data: only `create_known` may have it.
    """
    try:
        target = read_scenario_facts(root, labels_path(scenario)).get("restorer")
    except ManifestError:
        return scenario
    return target if isinstance(target, str) else scenario
