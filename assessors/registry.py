"""Which assessors there are, and how a name or a file becomes one.

Built-in ones stand in one list; installed packages add theirs through the entry-point group `buiqa.assessors` (entry name = name, value =
`module:attr`); anything else importable is named directly as `module:attr`, and a trained model by its file.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from assessors.base import Assessor, AssessorInfo
from assessors.errors import AssessorError, InvalidAssessorError, UnknownAssessorError
from manifests.plain_text import suggest
from restorers.containment import describe_error, import_from
from restorers.plugins import find_entry_points

ENTRY_POINT_GROUP = "buiqa.assessors"
MODEL_SUFFIX = ".safetensors"
SHIPPED = "selector"
"""The trained model that comes with the package."""
BUILT_IN: Mapping[str, str] = MappingProxyType(
    {
        "alignment_difference": "assessors.baselines.simple:AlignmentDifference",
        "exposure": "assessors.baselines.simple:WellExposed",
        "index": "assessors.baselines.simple:CaptureOrder",
        "niqe": "assessors.baselines.niqe:Niqe",
        "noise": "assessors.baselines.simple:KnownNoise",
        "piqe": "assessors.baselines.piqe:Piqe",
        "random": "assessors.baselines.simple:RandomOrder",
        "selector": "assessors.shipped:load_selector",
        "sharpness": "assessors.baselines.simple:Sharpness",
    }
)


def list_assessors() -> Mapping[str, str]:
    """What each name stands for, as `module:attr`; installed packages take no name of a built-in one.

    Examples:
        >>> list_assessors()["sharpness"]
        'assessors.baselines.simple:Sharpness'
    """
    installed = {entry.name: entry.value for entry in find_entry_points(ENTRY_POINT_GROUP).found}
    return MappingProxyType({**installed, **BUILT_IN})


def create_assessor(name: str) -> Assessor:
    """Build an assessor that the user named: by name, as `module:attr`, or as the file of a trained model.

    Args:
        name: whoever gives it trusts what it names: code runs. Files of models run none. `@ESTIMATOR` behind a trained model asks for its
            scores by that estimator.

    Raises:
        UnknownAssessorError: if the name is not known or cannot be imported; close matches are named.
        InvalidAssessorError: if what it names is no assessor, or a damaged file.
        AssessorError: if it lacks a package.
    """
    model, _, estimator = name.rpartition("@") if "@" in name else (name, "", "")
    if model.endswith(MODEL_SUFFIX) or (model == SHIPPED and estimator):
        from assessors.models import load_assessor
        from assessors.shipped import PATH

        return load_assessor(PATH if model == SHIPPED else Path(model), estimator or None)
    there = list_assessors()
    target = there.get(name, name)
    if ":" not in target:
        hint = suggest(name, there, cutoff=0.5) or f"there are {', '.join(sorted(there))}."
        raise UnknownAssessorError(
            f"assessor {name!r} is unknown: {hint} A trained model is named by its file *{MODEL_SUFFIX}, your own as module:attr."
        )
    try:
        # A console script does not see the working directory, where people keep the module that they are trying out.
        with import_from([Path.cwd()]):
            module, _, attribute = target.partition(":")
            made: Any = getattr(importlib.import_module(module), attribute)
        assessor = made() if isinstance(made, type) or not hasattr(made, "score") else made
    except AssessorError:
        raise
    except (ImportError, AttributeError) as error:
        raise UnknownAssessorError(
            f"assessor {name!r}: {target} cannot be imported ({describe_error(error)})"
        ) from error
    except Exception as error:
        raise InvalidAssessorError(f"assessor {name!r}: {target} cannot be built ({describe_error(error)})") from error
    if not isinstance(getattr(assessor, "info", None), AssessorInfo) or not callable(getattr(assessor, "score", None)):
        raise InvalidAssessorError(
            f"assessor {name!r}: expected `info: AssessorInfo` and `score(inputs, scenario)`, got {type(assessor).__name__}"
        )
    found: Assessor = assessor
    return found
