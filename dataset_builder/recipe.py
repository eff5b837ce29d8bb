"""The recipe: everything needed to rebuild a data set, read from TOML and checked key by key."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel, BeforeValidator, Field, ValidationError, field_validator, model_validator

from dataset_builder.audit.rules import RULES
from dataset_builder.capture_sources import CAPTURE_KINDS, AnyCaptureSource
from dataset_builder.errors import RecipeError
from dataset_builder.labeling.estimators import find_estimator
from dataset_builder.settings import Name, Part, SourcePart, require_inside, require_one_of
from dataset_builder.synthesis.builtin import PRESETS
from dataset_builder.synthesis.distributions import DISTRIBUTIONS, freeze_lists
from dataset_builder.synthesis.presets import Preset
from manifests.split_plan import SplitMethod, SplitPlan
from manifests.splits import SplitFractions
from restorers.fidelity import METRICS


class PhotographSource(SourcePart):
    """Photographs to synthesise bursts from.

    Attributes:
        files: below root; all images there when empty.
        preset: how the frames of a burst differ; one of the toolkit's, or of the recipe's `presets`.
        bursts_per_photograph: all of one scene.
        frame_height: px, even.
        frame_width: px, even.
        scale: ground-truth pixels per frame pixel; null takes the preset's.
        shorter_side: px that photographs are reduced towards before use; null keeps them as they are.
        max_clipped: photographs of which a larger share of the pixels is saturated are left out.
        max_blur: photographs with a larger blur effect (Crete et al. 2007; 0 sharp, 1 blurred) are left out.
        near_duplicates: whether to keep photographs that show what an earlier one shows.
    """

    kind: Literal["photographs"]
    files: tuple[str, ...] = ()
    preset: str = "handheld"
    bursts_per_photograph: int = Field(default=4, ge=1, le=100)
    frame_height: int = Field(default=96, ge=32, le=4096, multiple_of=2)
    frame_width: int = Field(default=96, ge=32, le=4096, multiple_of=2)
    scale: int | None = Field(default=None, ge=1, le=8)
    shorter_side: int | None = Field(default=None, ge=32)
    max_clipped: float = Field(default=0.25, ge=0, le=1)
    max_blur: float = Field(default=0.6, ge=0, le=1)
    near_duplicates: Literal["leave_out", "keep"] = "leave_out"

    @field_validator("files")
    @classmethod
    def _check_files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return require_inside(value)


Source = Annotated[PhotographSource | AnyCaptureSource, Field(discriminator="kind")]


class ScenarioChoice(Part):
    """A scenario to label.

    Attributes:
        name: as `buiqa scenarios` lists it, `module:attr`, or a model file such as `onnx:FILE?domain=srgb`.
        estimators: default: leave_one_out and add_one; solo for single-frame restorers.
        metrics: fidelity metrics.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.@:/?&=%,+~()\[\]-]*$", max_length=240)
    estimators: tuple[str, ...] = ()
    metrics: tuple[str, ...] = Field(default=("psnr",), min_length=1)

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
            require_one_of(name, METRICS)
        return tuple(dict.fromkeys(value))


class SplitChoice(Part):
    """How scenes are split; see `manifests.split_plan.SplitPlan`.

    Attributes:
        train: share of the scenes.
        val: share of the scenes.
        test: share of the scenes.
        salt: another salt draws another split.
        method: how scenes are chosen.
        folds: of cross-validation; 0 for none.
        source: the one that `leave_one_source_out` tests on.
        lists: for `official`, names of scenes or bursts by split.
    """

    train: float = Field(default=0.8, ge=0, le=1)
    val: float = Field(default=0.0, ge=0, le=1)
    test: float = Field(default=0.2, ge=0, le=1)
    salt: str = "buiqa"
    method: SplitMethod = "hash"
    folds: int = Field(default=0, ge=0, le=1000)
    source: str = ""
    lists: dict[Literal["train", "val", "test"], tuple[str, ...]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check_sum(self) -> SplitChoice:
        if abs(self.train + self.val + self.test - 1) > 1e-9:
            raise ValueError(f"train + val + test: expected 1, got {self.train + self.val + self.test:g}")
        if self.folds == 1:
            raise ValueError("folds: expected 0 or at least 2, got 1")
        if (self.method == "leave_one_source_out") != bool(self.source):
            raise ValueError("source: is needed by the method leave_one_source_out, and by no other")
        if (self.method == "official") != bool(self.lists):
            raise ValueError("lists: are needed by the method official, and by no other")
        return self

    def to_plan(self) -> SplitPlan:
        """The same for `plan_splits`."""
        return SplitPlan(
            method=self.method,
            fractions=SplitFractions(self.train, self.val, self.test),
            salt=self.salt,
            folds=self.folds,
            source=self.source,
            lists={name: members for name, members in self.lists.items()},  # noqa: C416  # widens the type of the keys
        )


class RuleChoice(Part):
    """Other thresholds for a rule of the audit; False switches a severity off.

    Attributes:
        note: value from which it is worth a note.
        warning: value from which it is a warning.
        severe: value from which it is severe.
    """

    note: float | Literal[False] | None = None
    warning: float | Literal[False] | None = None
    severe: float | Literal[False] | None = None


class AuditChoice(Part):
    """How the audit judges.

    Attributes:
        rules: changed thresholds by the name of the rule.
    """

    rules: dict[str, RuleChoice] = Field(default_factory=dict)

    @field_validator("rules")
    @classmethod
    def _check_rules(cls, value: dict[str, RuleChoice]) -> dict[str, RuleChoice]:
        for name in value:
            require_one_of(name, RULES)
        return value


def _build_on_base(value: Any) -> Any:
    """A preset that names a `base` takes from it what it does not say itself."""
    if not isinstance(value, dict) or "base" not in value:
        return freeze_lists(value)
    base = PRESETS[require_one_of(value["base"], PRESETS)]
    return freeze_lists({**base.model_dump(), **{key: item for key, item in value.items() if key != "base"}})


UserPreset = Annotated[Preset, BeforeValidator(_build_on_base)]


class Recipe(Part):
    """A whole data set; `presets` are the user's own, by name."""

    name: Name = "unnamed"
    seed: int = Field(default=0, ge=0, lt=2**63)
    presets: dict[Name, UserPreset] = Field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    scenarios: tuple[ScenarioChoice, ...] = ()
    splits: SplitChoice = SplitChoice()
    audit: AuditChoice = AuditChoice()

    @model_validator(mode="after")
    def _check_names(self) -> Recipe:
        for key, names in (
            ("sources", [s.name for s in self.sources]),
            ("scenarios", [s.name for s in self.scenarios]),
        ):
            repeated = sorted({name for name in names if names.count(name) > 1})
            if repeated:
                raise ValueError(f"{key}: the name {repeated[0]!r} is used twice; names must differ")
        return self

    @model_validator(mode="after")
    def _check_presets(self) -> Recipe:
        if taken := sorted(self.presets.keys() & PRESETS.keys()):
            raise ValueError(f"presets.{taken[0]}: the toolkit has a preset of that name; choose another and say base")
        for number, source in enumerate(self.sources):
            if isinstance(source, PhotographSource):
                try:
                    find_preset(source.preset, self.presets)
                except ValueError as error:
                    raise ValueError(f"sources[{number}].preset: {error}") from None
        return self


def find_preset(name: str, own: Mapping[str, Preset]) -> Preset:
    """The toolkit's or the recipe's preset of a name.

    Raises:
        ValueError: if there is none.
    """
    known = {**PRESETS, **own}
    return known[require_one_of(name, known)]


def read_recipe(path: Path) -> Recipe:
    """Read and check a recipe.

    Raises:
        RecipeError: naming the file, the key and what is allowed.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); name an existing recipe") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from error
    return parse_recipe(data, str(path))


def parse_source(*, name: str | None, root: str, **values: Any) -> Source:
    """Check a source given on the command line; its name defaults to that of its folder.

    Raises:
        RecipeError: naming the option that is wrong.
    """
    name = name or name_after(Path(root), default="source")
    return parse_recipe({"sources": [{"name": name, "root": root, **values}]}, "command line").sources[0]


def name_after(folder: Path, *, default: str) -> str:
    """A name for what a folder holds, of at most 32 characters of [a-z0-9_-]; `default` if nothing of the folder's name is left."""
    return re.sub(r"[^a-z0-9_]+", "-", folder.resolve().name.lower()).strip("-_")[:32].rstrip("-_") or default


def parse_scenario(**values: Any) -> ScenarioChoice:
    """Check a scenario given on the command line.

    Raises:
        RecipeError: naming the option that is wrong.
    """
    return parse_recipe({"scenarios": [values]}, "command line").scenarios[0]


def parse_splits(*, val: float, test: float, **values: Any) -> SplitChoice:
    """Check a split given on the command line; what val and test leave trains.

    Raises:
        RecipeError: naming the option that is wrong.
    """
    shares = {"val": val, "test": test, "train": round(1 - val - test, 12)}
    return parse_recipe({"splits": {**shares, **values}}, "command line").splits


def parse_recipe(data: dict[str, Any], where: str) -> Recipe:
    """Check plain data.

    Raises:
        RecipeError: one line per problem, naming the key and what is allowed.
    """
    try:
        # As JSON, since strict checking of Python objects would refuse TOML's lists for tuples.
        return Recipe.model_validate_json(json.dumps(data, default=str))
    except ValidationError as error:
        raise RecipeError("\n".join(f"{where}: {_describe(problem)}" for problem in error.errors())) from None


def _describe(problem: Any) -> str:
    keys = [part for part in problem["loc"] if part not in _TAGS or part == problem["loc"][-1]]
    key = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in keys).lstrip(".")
    if problem["type"] == "extra_forbidden":
        allowed = sorted(_find_model(problem["loc"][:-1]).model_fields)
        close = get_close_matches(str(keys[-1]), allowed, n=1)
        return (
            f"{key}: unknown key; "
            + (f"did you mean {close[0]}? " if close else "")
            + f"allowed are {', '.join(allowed)}"
        )
    if problem["type"] == "missing":
        return f"{key}: is required"
    if problem["type"] == "union_tag_not_found":
        return f"{key}.{_discriminator(problem)}: is required; expected {_expected_tags(key)}"
    if problem["type"] == "union_tag_invalid":
        return f"{key}.{_discriminator(problem)}: expected {_expected_tags(key)}, got {problem['ctx']['tag']!r}"
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    shown = "" if problem["type"] == "value_error" else f", got {problem['input']!r}"
    text = f"{message if problem['type'] == 'value_error' else 'expected ' + message}{shown}"
    return f"{key}: {text}" if key else text


_KINDS: dict[str, type[BaseModel]] = {"photographs": PhotographSource, **CAPTURE_KINDS}
_TAGS: dict[str, type[BaseModel]] = {**_KINDS, **DISTRIBUTIONS}


def _discriminator(problem: Any) -> str:
    return str(problem["ctx"]["discriminator"]).strip("'")


def _expected_tags(key: str) -> str:
    *first, last = DISTRIBUTIONS if key.startswith("presets") else _KINDS
    return f"{', '.join(first)} or {last}"


def _find_model(loc: tuple[int | str, ...]) -> type[BaseModel]:
    """The model that a location in the recipe belongs to; union members are told apart by their kind, which pydantic puts into it."""
    model: type[BaseModel] = Recipe
    for part in loc:
        if part in _TAGS:
            model = _TAGS[str(part)]
            continue
        if part not in model.model_fields:  # a place in a list or the name of a preset
            continue
        inner = _models_in(model.model_fields[str(part)].annotation)
        model = inner[0] if inner else model
    return model


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if get_origin(annotation) in (Union, UnionType, Annotated, tuple, dict):
        return [model for argument in get_args(annotation) for model in _models_in(argument)]
    return [annotation] if isinstance(annotation, type) and issubclass(annotation, BaseModel) else []
