"""Downstream tasks: algorithms that turn a burst, or one frame of it, into an image."""

from restorers.base import BatchRestorer, LinearMerge, Restorer, RestorerInfo, SubsetRestorer
from restorers.burst import CFA, Burst, Domain
from restorers.errors import RestorerError
from restorers.registry import create, create_known, list_scenarios

__all__ = [
    "CFA",
    "BatchRestorer",
    "Burst",
    "Domain",
    "LinearMerge",
    "Restorer",
    "RestorerError",
    "RestorerInfo",
    "SubsetRestorer",
    "create",
    "create_known",
    "list_scenarios",
]
