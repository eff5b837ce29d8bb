"""Downstream tasks: algorithms that turn a burst, or one frame of it, into an image."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from restorers.base import BatchRestorer, LinearMerge, Restorer, RestorerInfo, SubsetRestorer, WeighingRestorer
from restorers.burst import CFA, Burst, Domain
from restorers.errors import RestorerError
from restorers.registry import create, create_known, list_scenarios

if TYPE_CHECKING:
    from restorers.conformance import check_restorer
    from restorers.fidelity import METRICS, MetricConvention, measure, psnr

__all__ = [
    "CFA",
    "METRICS",
    "BatchRestorer",
    "Burst",
    "Domain",
    "LinearMerge",
    "MetricConvention",
    "Restorer",
    "RestorerError",
    "RestorerInfo",
    "SubsetRestorer",
    "WeighingRestorer",
    "check_restorer",
    "create",
    "create_known",
    "list_scenarios",
    "measure",
    "psnr",
]
# Whoever names a scenario measures nothing yet.
_LATER = {
    **dict.fromkeys(("METRICS", "MetricConvention", "measure", "psnr"), "restorers.fidelity"),
    "check_restorer": "restorers.conformance",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(import_module(_LATER[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
