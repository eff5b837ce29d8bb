"""The trained model that comes with the package."""

from __future__ import annotations

from pathlib import Path

from assessors.base import Assessor
from assessors.models import load_assessor

PATH = Path(__file__).parent / "parameters" / "selector.safetensors"
"""Its file; docs/leaderboard.md is its card."""


def load_selector() -> Assessor:
    """The model by the name of `selector`."""
    return load_assessor(PATH)
