"""Trained assessors by their files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from assessors.base import Assessor
from assessors.ensemble import KIND, Ensemble
from assessors.errors import InvalidAssessorError
from assessors.model_files import PIXEL_KINDS, ModelHeader, parse_header, read_model


def load_assessor(path: Path, estimator: str | None = None) -> Assessor:
    """Make an assessor of a file.

    Args:
        path: of the file.
        estimator: whose scores it gives where it learnt several of a scenario; None leaves that to the file.

    Raises:
        InvalidAssessorError: as `read_model`, or if its kind or the estimator is not known or its arrays do not fit it.
    """
    header, arrays = read_model(path)
    if estimator is not None:
        known = sorted({name for _, name in header.heads})
        if estimator not in known:
            raise InvalidAssessorError(f"{path}: learnt {', '.join(known)}, not {estimator}; name one of these")
        header = replace(header, preferred=estimator)
    try:
        return _make(header, arrays)
    except (KeyError, RuntimeError, ValueError, IndexError, TypeError) as error:
        raise InvalidAssessorError(f"{path}: its arrays do not fit its header ({error}); train it again") from error
    except InvalidAssessorError as error:
        raise InvalidAssessorError(f"{path}: {error}") from error


def _make(header: ModelHeader, arrays: Mapping[str, NDArray[Any]]) -> Assessor:
    if header.kind == KIND:
        members = []
        for place, facts in enumerate(header.settings["members"]):
            member = replace(parse_header(facts), preferred=header.preferred)
            if member.kind == KIND or member.heads != header.heads:
                raise ValueError(f"member {place}")
            own = {name.removeprefix(f"{place}:"): one for name, one in arrays.items() if name.startswith(f"{place}:")}
            members.append(_make(member, own))
        return Ensemble(header, tuple(members))
    if header.kind == "boosting":
        from assessors.baselines.boosting import BoostedTrees

        return BoostedTrees.from_arrays(header, arrays)
    if header.kind == "set_network":
        from assessors.networks.set_network import SetAssessor

        return SetAssessor.from_arrays(header, arrays)
    if header.kind in PIXEL_KINDS:
        from assessors.networks.catalogue import NetworkAssessor

        return NetworkAssessor.from_arrays(header, arrays)
    raise InvalidAssessorError(f"a model of kind {header.kind!r}, which this version does not know")
