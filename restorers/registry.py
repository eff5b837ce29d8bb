"""Which scenarios there are, and how a name becomes a restorer.

Built-in restorers stand in one list; installed packages add theirs through the entry-point group `buiqa.restorers` (entry name =
scenario, value = `module:attr`); anything else importable is named directly as `module:attr`.

A name that the user gave, on the command line or in a recipe, goes to `create`. One that was read from a data set goes to `create_known`,
which runs what is built in or installed and nothing else.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import re
import sys
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any

from restorers.base import Restorer, RestorerInfo, fingerprint
from restorers.containment import contain_exits, describe_error, import_from
from restorers.device import choose_device
from restorers.errors import (
    DuplicateScenarioError,
    InvalidRestorerError,
    RestorerError,
    UnknownScenarioError,
    UntrustedScenarioError,
)
from restorers.plugins import find_entry_points

ENTRY_POINT_GROUP = "buiqa.restorers"
MODEL_KINDS = ("basicsr", "burst", "onnx", "pt2", "spandrel", "torchscript")
"""Words before the colon that name a model file (`restorers.adapters.files`) and not a module."""
_WORD = r"[a-z0-9_]+(-[a-z0-9_]+)*"
_SCENARIO = re.compile(rf"{_WORD}/{_WORD}(@[a-z0-9_.-]+)?")
_LONGEST_NAME = 120


@dataclass(frozen=True)
class ScenarioSpec:
    """How to build the restorer of one scenario: the attribute to import and the arguments to call it with."""

    scenario: str
    target: str
    arguments: Mapping[str, Any] = field(default_factory=dict)


BUILT_IN: tuple[ScenarioSpec, ...] = (
    ScenarioSpec("deblur/burst_network", "restorers.learned.trained:load_trained", {"name": "deblur_burst_network"}),
    ScenarioSpec("deblur/fourier", "restorers.classical.fourier:FourierAccumulation"),
    ScenarioSpec("demosaic/burst", "restorers.classical.backprojection:BackProjection", {"scale": 1}),
    ScenarioSpec(
        "demosaic/burst_network", "restorers.learned.trained:load_trained", {"name": "demosaic_burst_network"}
    ),
    ScenarioSpec("demosaic/gharbi", "restorers.learned.demosaicnet:GharbiDemosaicking"),
    ScenarioSpec("demosaic/malvar", "restorers.classical.demosaicking:LinearDemosaicking"),
    ScenarioSpec("denoise/handheld", "restorers.classical.handheld:Handheld", {"scale": 1, "tolerance": 1.3}),
    ScenarioSpec("denoise/hdrplus", "restorers.classical.hdrplus:HdrPlusMerge"),
    ScenarioSpec("denoise/hdrplus@spatial", "restorers.classical.hdrplus_spatial:SpatialHdrPlus"),
    ScenarioSpec("denoise/kpn", "restorers.learned.trained:load_trained", {"name": "denoise_kpn"}),
    ScenarioSpec("denoise/mean", "restorers.classical.mean:MeanMerge"),
    ScenarioSpec("denoise/nlm", "restorers.classical.nlm:NonLocalMeans"),
    ScenarioSpec("denoise/recurrent", "restorers.learned.trained:load_trained", {"name": "denoise_recurrent"}),
    ScenarioSpec("denoise/robust_mean", "restorers.classical.robust_mean:RobustMean"),
    ScenarioSpec("denoise/tv", "restorers.classical.total_variation:TotalVariation"),
    ScenarioSpec("denoise/wavelet", "restorers.classical.wavelet:WaveletShrinkage"),
    ScenarioSpec("focus/stack", "restorers.classical.focus:FocusStack"),
    ScenarioSpec("hdr/fusion", "restorers.classical.fusion:ExposureFusion"),
    ScenarioSpec("hdr/radiance", "restorers.classical.radiance:RadianceMerge"),
    ScenarioSpec("sr/backprojection@x2", "restorers.classical.backprojection:BackProjection", {"scale": 2}),
    ScenarioSpec("sr/backprojection@x4", "restorers.classical.backprojection:BackProjection", {"scale": 4}),
    ScenarioSpec("sr/dbsr@x2", "restorers.learned.trained:load_trained", {"name": "sr_dbsr_x2"}),
    ScenarioSpec("sr/dbsr@x4", "restorers.learned.trained:load_trained", {"name": "sr_dbsr_x4"}),
    ScenarioSpec("sr/handheld@x1.5", "restorers.classical.handheld:Handheld", {"scale": 1.5}),
    ScenarioSpec("sr/handheld@x2", "restorers.classical.handheld:Handheld", {"scale": 2}),
    ScenarioSpec("sr/handheld@x4", "restorers.classical.handheld:Handheld", {"scale": 4}),
    ScenarioSpec("sr/realesr-animevideov3@x2", "restorers.learned.realesrgan:make_animevideo", {"scale": 2}),
    ScenarioSpec("sr/realesr-animevideov3@x4", "restorers.learned.realesrgan:make_animevideo", {"scale": 4}),
    ScenarioSpec("sr/realesrgan@x4", "restorers.learned.realesrgan:make_x4plus"),
)


def build_registry(specs: Iterable[ScenarioSpec]) -> Mapping[str, ScenarioSpec]:
    """Index specs by scenario.

    Raises:
        DuplicateScenarioError: if two specs claim one name.
        InvalidRestorerError: if a name is not of the form `task/restorer` or `task/restorer@setting`.
    """
    registry: dict[str, ScenarioSpec] = {}
    for spec in specs:
        if not _SCENARIO.fullmatch(spec.scenario):
            raise InvalidRestorerError(
                f"scenario {spec.scenario!r} of {spec.target}: expected task/restorer or task/restorer@setting "
                "in small letters, digits, _ and single -; rename it, or uninstall its package"
            )
        if (other := registry.get(spec.scenario)) is not None:
            raise DuplicateScenarioError(
                f"scenario {spec.scenario!r} is claimed by {other.target} and by {spec.target}: rename one, or uninstall its package"
            )
        registry[spec.scenario] = spec
    return MappingProxyType(registry)


@dataclass(frozen=True)
class Scenarios:
    """What there is on this machine.

    Attributes:
        usable: scenarios by name: the built-in ones, then those of installed packages, each by name.
        contested: why a name that several packages claim means none of them.
        problems: what is wrong with installed packages, one line each.
    """

    usable: Mapping[str, ScenarioSpec]
    contested: Mapping[str, str]
    problems: Sequence[str]


def read_scenarios() -> Scenarios:
    """Read which scenarios there are; a package that claims a malformed name or one that is taken costs this name only."""
    usable, contested = dict(build_registry(BUILT_IN)), {}
    entries = find_entry_points(ENTRY_POINT_GROUP)
    problems = list(entries.problems)
    claims: defaultdict[str, dict[str, ScenarioSpec]] = defaultdict(dict)
    for entry in entries.found:
        claims[entry.name][entry.value] = ScenarioSpec(entry.name, entry.value)
    for name, specs in claims.items():
        try:
            built_in = [usable[name]] if name in usable else []
            usable |= build_registry([*built_in, *specs.values()])
        except RestorerError as error:
            problems.append(str(error))
            if name not in usable and isinstance(error, DuplicateScenarioError):
                contested[name] = str(error)
    return Scenarios(MappingProxyType(usable), MappingProxyType(contested), problems)


def list_scenarios() -> Mapping[str, ScenarioSpec]:
    """All named scenarios that can be created: the built-in ones, then those of installed packages, each by name.

    Examples:
        >>> "denoise/hdrplus" in list_scenarios()
        True
    """
    return read_scenarios().usable


def create(scenario: str, *, device: str = "cpu") -> Restorer:
    """Build the restorer of a scenario that the user gave: by name, as `module:attr`, or as a model file such as `onnx:FILE`.

    Args:
        scenario: its name. Whoever gives it trusts what it names: code runs, and model files are loaded.
        device: `auto`, `cpu` or `cuda`. A restorer whose class or function takes a parameter `device` gets what `choose_device` makes of
            it, and its `info.device` says so; all others compute on the CPU.

    Raises:
        UnknownScenarioError: if the name is not known or cannot be imported; close matches are named.
        DuplicateScenarioError: if several installed packages claim the name.
        InvalidRestorerError: if what it names is not a restorer.
        UnavailableDeviceError: if it could compute on the device, which is not there.

    Examples:
        >>> create("sr/handheld@x2").info.scale
        2
    """
    if scenario.partition(":")[0] in MODEL_KINDS and ":" in scenario:
        from restorers.adapters.files import load_model

        return load_model(scenario, device=device)
    if ":" in scenario:
        # A console script does not see the working directory, where people keep the module that they are trying out.
        with import_from([Path.cwd()]):
            return _build(ScenarioSpec(scenario, scenario), device)
    return _build(_find(scenario), device)


def create_known(scenario: str, *, named: Collection[str] = (), device: str = "cpu") -> Restorer:
    """Build the restorer of a scenario whose name was read from data: one that is built in or installed.

    Args:
        scenario: the name that stands in a data set; nothing that it names is imported or opened.
        named: what the user named himself, in the same command, and may therefore be anything.
        device: the same as for `create`.

    Raises:
        UntrustedScenarioError: if it is none of them.
        InvalidRestorerError: as `create`.
        UnavailableDeviceError: as `create`.
    """
    if scenario in named:
        return create(scenario, device=device)
    if not _SCENARIO.fullmatch(scenario) or len(scenario) > _LONGEST_NAME:
        raise UntrustedScenarioError(
            f"scenario {scenario[:_LONGEST_NAME]!r} is neither built in nor installed; code and model files that a data set names run only "
            "if you name them, too: buiqa audit and buiqa reliability take --scenario"
        )
    try:
        spec = _find(scenario)
    except (UnknownScenarioError, DuplicateScenarioError) as error:
        raise UntrustedScenarioError(str(error)) from None
    return _build(spec, device)


def _find(scenario: str) -> ScenarioSpec:
    scenarios = read_scenarios()
    if scenario in scenarios.contested:
        raise DuplicateScenarioError(scenarios.contested[scenario])
    if scenario not in scenarios.usable:
        close = get_close_matches(scenario, scenarios.usable, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else f"there are {', '.join(scenarios.usable)}"
        raise UnknownScenarioError(f"scenario {scenario!r} is unknown: {hint} Your own restorer is named module:attr.")
    return scenarios.usable[scenario]


def require_own_name(name: str) -> None:
    """Check that a name can be given to a restorer that has none.

    Raises:
        ValueError: if it is not of the form of a scenario's name.
    """
    if not _SCENARIO.fullmatch(name) or len(name) > _LONGEST_NAME:
        raise ValueError(
            f"{name[:_LONGEST_NAME]!r}: expected a name such as denoise/mynet or denoise/mynet@setting, in small letters, digits, _ and "
            "single -"
        )


def is_built_in(scenario: str) -> bool:
    """Whether a scenario comes with this toolkit, whose tests know its restorer."""
    return any(spec.scenario == scenario for spec in BUILT_IN)


def is_installed(scenario: str) -> bool:
    """Whether a scenario is built in or of an installed package: one that runs also where only data name it."""
    return _SCENARIO.fullmatch(scenario) is not None and scenario in read_scenarios().usable


def fingerprint_scenario(scenario: str, restorer: Restorer) -> str:
    """SHA-256 (hex) of a restorer; for code named as `module:attr` it covers the source file, so that an edit is noticed."""
    if ":" not in scenario or scenario.partition(":")[0] in MODEL_KINDS:
        return fingerprint(scenario, restorer)
    source = inspect.getsourcefile(sys.modules[scenario.partition(":")[0]])
    digest = hashlib.sha256(Path(source).read_bytes()).hexdigest() if source else None
    return fingerprint(scenario, restorer, source_sha256=digest)


def _build(spec: ScenarioSpec, device: str) -> Restorer:
    with contain_exits(spec.target):
        return _build_contained(spec, device)


def _build_contained(spec: ScenarioSpec, device: str) -> Restorer:
    target = _import_attribute(spec)
    is_instance = isinstance(getattr(target, "info", None), RestorerInfo) and not isinstance(target, type)
    chosen = None if is_instance or not _takes_device(target) else choose_device(device)
    try:
        arguments = spec.arguments if chosen is None else {**spec.arguments, "device": chosen}
        restorer = target if is_instance else target(**arguments)
        is_restorer = isinstance(getattr(restorer, "info", None), RestorerInfo)
    except RestorerError:
        raise
    except TypeError as error:
        raise InvalidRestorerError(f"{spec.target}: cannot be built without further arguments ({error})") from error
    except Exception as error:
        raise InvalidRestorerError(f"{spec.target}: cannot be built ({describe_error(error)})") from error
    if not is_restorer or not callable(getattr(restorer, "restore", None)):
        raise InvalidRestorerError(
            f"{spec.target}: expected a restorer with `info: RestorerInfo` and `restore(burst)`, got {type(restorer).__name__}"
        )
    if chosen is not None and restorer.info.device != chosen:
        raise InvalidRestorerError(
            f"{spec.target}: got device={chosen!r}, but its info.device says {restorer.info.device!r}; let it say where it computes"
        )
    return restorer  # type: ignore[no-any-return]  # structurally checked above


def _takes_device(target: Any) -> bool:
    try:
        return "device" in inspect.signature(target).parameters
    except (TypeError, ValueError):  # not callable, or without a signature
        return False


def _import_attribute(spec: ScenarioSpec) -> Any:
    module, _, attribute = spec.target.partition(":")
    if not all(part.isidentifier() for name in (module, attribute) for part in name.split(".")):
        raise UnknownScenarioError(
            f"scenario {spec.scenario!r}: expected module:attr, such as mymodule:MyRestorer, got {spec.target!r}"
        )
    value = _import_module(spec, module)
    for name in attribute.split("."):
        try:
            value = getattr(value, name)
        except AttributeError as error:
            public = [candidate for candidate in dir(value) if not candidate.startswith("_")]
            close = get_close_matches(name, public, n=3, cutoff=0.4)
            raise UnknownScenarioError(
                f"scenario {spec.scenario!r}: {module} has no {name!r}"
                + (f"; it has {', '.join(close)}" if close else "")
            ) from error
        except Exception as error:
            raise InvalidRestorerError(f"{spec.target}: reading {name!r} failed ({describe_error(error)})") from error
    return value


def _import_module(spec: ScenarioSpec, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is not None and not f"{module}.".startswith(f"{error.name}."):
            raise UnknownScenarioError(
                f"scenario {spec.scenario!r}: {module} needs the package {error.name!r}: install it"
            ) from error
        here = f"in {Path.cwd()} or " if spec.scenario == spec.target else ""
        raise UnknownScenarioError(
            f"scenario {spec.scenario!r}: no module {module!r} {here}among the installed packages"
        ) from error
    except RestorerError:
        raise
    except Exception as error:
        raise InvalidRestorerError(f"{spec.target}: importing it failed ({describe_error(error)})") from error
