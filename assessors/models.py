"""Trained assessors by their files."""

from __future__ import annotations

from pathlib import Path

from assessors.base import Assessor
from assessors.errors import InvalidAssessorError
from assessors.model_files import PIXEL_KINDS, read_model


def load_assessor(path: Path) -> Assessor:
    """Make an assessor of a file.

    Raises:
        InvalidAssessorError: as `read_model`, or if its kind is not known or its arrays do not fit it.
    """
    header, arrays = read_model(path)
    try:
        if header.kind == "boosting":
            from assessors.baselines.boosting import BoostedTrees

            return BoostedTrees.from_arrays(header, arrays)
        if header.kind == "set_network":
            from assessors.networks.set_network import SetAssessor

            return SetAssessor.from_arrays(header, arrays)
        if header.kind in PIXEL_KINDS:
            from assessors.networks.catalogue import NetworkAssessor

            return NetworkAssessor.from_arrays(header, arrays)
    except (KeyError, RuntimeError, ValueError, IndexError, TypeError) as error:
        raise InvalidAssessorError(f"{path}: its arrays do not fit its header ({error}); train it again") from error
    raise InvalidAssessorError(f"{path}: a model of kind {header.kind!r}, which this version does not know")
