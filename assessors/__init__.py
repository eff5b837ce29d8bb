"""Assessors: what predicts from pixels which frames of a burst are worth keeping, and the protocol that compares them."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from assessors.errors import AssessorError

if TYPE_CHECKING:
    from assessors.assess import predict
    from assessors.base import Assessor, AssessorInfo
    from assessors.evaluation import Result, evaluate
    from assessors.inputs import BurstInputs, make_inputs
    from assessors.motion import EstimateMotion, to_burst
    from assessors.predictions import Entrant, read_predictions, write_predictions
    from assessors.provider import InputProvider
    from assessors.registry import create_assessor, list_assessors
    from assessors.targets import Targets, load_targets

# OpenCV, SciPy and torch come with what uses them.
_LATER = {
    "predict": "assessors.assess",
    **dict.fromkeys(("Assessor", "AssessorInfo"), "assessors.base"),
    **dict.fromkeys(("Result", "evaluate"), "assessors.evaluation"),
    **dict.fromkeys(("BurstInputs", "make_inputs"), "assessors.inputs"),
    **dict.fromkeys(("EstimateMotion", "to_burst"), "assessors.motion"),
    **dict.fromkeys(("Entrant", "read_predictions", "write_predictions"), "assessors.predictions"),
    "InputProvider": "assessors.provider",
    **dict.fromkeys(("create_assessor", "list_assessors"), "assessors.registry"),
    **dict.fromkeys(("Targets", "load_targets"), "assessors.targets"),
}
__all__ = [
    "Assessor",
    "AssessorError",
    "AssessorInfo",
    "BurstInputs",
    "Entrant",
    "EstimateMotion",
    "InputProvider",
    "Result",
    "Targets",
    "create_assessor",
    "evaluate",
    "list_assessors",
    "load_targets",
    "make_inputs",
    "predict",
    "read_predictions",
    "to_burst",
    "write_predictions",
]


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
