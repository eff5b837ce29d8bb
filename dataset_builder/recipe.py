"""The recipe: everything needed to rebuild a data set, read from TOML and checked key by key."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import Field, ValidationError, model_validator

from dataset_builder.audit.rules import AuditChoice
from dataset_builder.errors import RecipeError
from dataset_builder.ingest.kinds.catalogue import KINDS
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.labeling.scenarios import ScenarioChoice
from dataset_builder.settings import Name, Part
from dataset_builder.settings.limits import MOST_BYTES, require_shallow, require_shallow_keys
from dataset_builder.settings.toml_text import render_toml
from dataset_builder.synthesis.builtin import PRESETS, UserPreset, find_preset
from dataset_builder.synthesis.distributions import DISTRIBUTIONS
from dataset_builder.synthesis.noise_profiles import resolve_noise
from dataset_builder.synthesis.source import PhotographSource, SceneSource, SynthesisSource
from manifests.confined.plain import read_plain
from manifests.plain_text import show
from manifests.splits import SplitFractions, SplitMethod, SplitPlan

if TYPE_CHECKING:
    Source = PhotographSource | SceneSource | CaptureSource
else:
    Source = Annotated[
        Union[(PhotographSource, SceneSource, *KINDS)], Field(discriminator="kind")
    ]  # only at run time are all known
MOST_REDRAWS = 1000
_KINDS = (PhotographSource.name_kind(), SceneSource.name_kind(), *(kind.name_kind() for kind in KINDS))
_TAGS = frozenset((*_KINDS, *DISTRIBUTIONS))


class SplitChoice(Part):
    """How scenes are split; see `manifests.splits.SplitPlan`.

    Attributes:
        train: share of the scenes.
        val: share of the scenes.
        test: share of the scenes.
        salt: another salt draws another split.
        method: how scenes are chosen.
        folds: number of folds of cross-validation; 0 for none.
        source: the one that `leave_one_source_out` tests on.
        lists: the names, for `official`, of scenes or bursts by split.
    """

    train: float = Field(default=0.8, ge=0, le=1)
    val: float = Field(default=0.0, ge=0, le=1)
    test: float = Field(default=0.2, ge=0, le=1)
    salt: str = "buiqa"
    method: SplitMethod = "auto"
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


class Recipe(Part):
    """A whole data set.

    Attributes:
        name: name of the data set.
        seed: seed of all that is drawn.
        noise_profiles: file that presets may take the noise of cameras from.
        presets: the user's own, by name.
        sources: where bursts come from.
        scenarios: what they are labelled for.
        noise_redraws: how often the noise of synthetic bursts is drawn anew to measure how far it moves their labels; each redraw costs
            as much as labelling. 0 leaves that unknown.
        splits: how scenes are split.
        audit: how the audit judges.
    """

    name: Name = "unnamed"
    seed: int = Field(default=0, ge=0, lt=2**63)
    noise_profiles: str = ""
    presets: dict[Name, UserPreset] = Field(default_factory=dict)
    sources: tuple[Source, ...] = ()
    scenarios: tuple[ScenarioChoice, ...] = ()
    noise_redraws: int = Field(default=0, ge=0, le=MOST_REDRAWS)
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
            if isinstance(source, SynthesisSource):
                try:
                    find_preset(source.preset, self.presets)
                except ValueError as error:
                    raise ValueError(f"sources[{number}].preset: {error}") from None
        return self


def read_recipe(path: Path, *, noise_profiles: Path | None = None) -> Recipe:
    """Read and check a recipe; presets that take the noise of a camera get its numbers.

    Args:
        path: the recipe.
        noise_profiles: darktable's `noiseprofiles.json`, in place of the one that the recipe names relative to itself.

    Raises:
        RecipeError: naming the file, the key and what is allowed.
    """
    try:
        text = read_plain(path, most=MOST_BYTES).decode("utf-8")
        require_shallow_keys(text, str(path))
        data = tomllib.loads(text)
    except RecursionError as error:
        raise RecipeError(f"{path}: is nested too deeply; write tables of tables") from error
    except OSError as error:
        raise RecipeError(f"{path}: cannot be read ({error.strerror}); name an existing recipe") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from error
    recipe = parse_recipe(data, str(path))
    named = path.resolve().parent / recipe.noise_profiles if recipe.noise_profiles else None
    presets = {name: resolve_noise(preset, noise_profiles or named) for name, preset in recipe.presets.items()}
    return recipe.model_copy(update={"presets": presets})


def render_recipe(recipe: Recipe) -> str:
    """A recipe as TOML that says the same, with every setting spelt out.

    Raises:
        RecipeError: if TOML, which has no null, cannot say it.
    """
    data = recipe.model_dump(mode="json")
    data["presets"] = {name: _say_by_base(preset) for name, preset in data["presets"].items()}
    text = render_toml(data)
    try:
        same = parse_recipe(tomllib.loads(text), "recipe") == recipe
    except RecipeError:
        same = False
    if not same:
        raise RecipeError(f"{recipe.name}: holds what a recipe cannot say; change it where it was made")
    return text


def _say_by_base(preset: dict[str, Any]) -> dict[str, Any]:
    """A preset of which some settings are null, which only presets of the toolkit can say, by one of them that has the same nulls."""
    nulls = {key for key, value in preset.items() if value is None}
    for name, base in PRESETS.items():
        if {key for key, value in base.model_dump().items() if value is None} == nulls:
            return {"base": name, **preset}
    return preset


def parse_source(*, name: str | None, root: str, **values: Any) -> Source:
    """Check a source given on the command line; its name defaults to that of its folder.

    Raises:
        RecipeError: naming the option that is wrong.
    """
    name = name or name_after(Path(root), default="source")
    return parse_recipe({"sources": [{"name": name, "root": root, **values}]}, "command line").sources[0]


def name_after(folder: Path, *, default: str) -> str:
    """A name for what a folder holds, of at most 32 characters of [a-z0-9_-]; `default` if nothing of the folder's name is left.

    Examples:
        >>> name_after(Path("/data/My Photos"), default="source")
        'my-photos'
    """
    return re.sub(r"[^a-z0-9_]+", "-", folder.resolve().name.lower()).strip("-_")[:32].rstrip("-_") or default


def parse_scenario(**values: Any) -> ScenarioChoice:
    """Check a scenario given on the command line.

    Raises:
        RecipeError: naming the option that is wrong.

    Examples:
        >>> parse_scenario(name="denoise/mean", metrics=["psnr"]).metrics
        ('psnr',)
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

    Examples:
        >>> parse_recipe({"name": "mine", "seed": 7}, "example").seed
        7
    """
    require_shallow(data, where)
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        lines = [line for problem in error.errors() for line in _describe(problem)]
        raise RecipeError("\n".join(f"{where}: {line}" for line in lines)) from None


def _describe(problem: Any) -> list[str]:
    """What is wrong, a line for each key that is."""
    keys = [part for part in problem["loc"] if part not in _TAGS or part == problem["loc"][-1]]
    key = _join_keys(keys)
    context = problem.get("ctx", {})
    if problem["type"] == "unknown_keys":
        # The last part of the place may be the tag by which a table of the list was chosen.
        table = [part for part in problem["loc"] if part not in _TAGS]
        return [
            f"{_join_keys([*table, name])}: unknown key; {_hint(name, context['allowed'])}allowed are {', '.join(context['allowed'])}"
            for name in context["unknown"]
        ]
    if problem["type"] == "missing":
        return [f"{key}: is required"]
    if problem["type"] in ("union_tag_not_found", "union_tag_invalid"):
        place = f"{key}.{context['discriminator'].strip(chr(39))}"
        *first, last = DISTRIBUTIONS if key.startswith("presets") else _KINDS
        expected = f"expected {', '.join(first)} or {last}"
        return [
            f"{place}: {expected}, got {context['tag']!r}" if "tag" in context else f"{place}: is required; {expected}"
        ]
    message = problem["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
    text = (
        message
        if problem["type"] == "value_error"
        else f"expected {message}, got {show(problem['input'], quoted=True)}"
    )
    return [f"{key}: {text}" if key else text]


def _join_keys(keys: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in keys).lstrip(".")


def _hint(name: str, allowed: Sequence[str]) -> str:
    close = get_close_matches(name, allowed, n=1)
    return f"did you mean {close[0]}? " if close else ""
