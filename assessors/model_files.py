"""Trained assessors in files: safetensors for the numbers, JSON for what they mean. Nothing in them is code."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assessors.base import AssessorInfo
from assessors.errors import InvalidAssessorError
from assessors.features import FEATURES_VERSION
from assessors.inputs import INPUTS_VERSION

MODEL_VERSION = 1
"""Of the form of these files."""
PIXEL_KINDS = ("buiqa", "memory", "multitask")
"""Kinds of models that see pixels."""
_KEY = "buiqa_assessor"
_LARGEST = 64_000_000
"""Bytes of a file; those made here are far smaller."""


@dataclass(frozen=True)
class ModelHeader:
    """What a file says of its model.

    Attributes:
        kind: `boosting`, `set_network` or one of `PIXEL_KINDS`.
        name: how the model calls itself.
        heads: scenario and estimator of each of its outputs.
        metric: fidelity metric of the labels that it was trained on.
        features: names of the features that it takes, in order.
        signed: whether its scores below 0 mean that a frame harms.
        settings: numbers that its kind needs.
        training: how it was trained, for people.
        preferred: estimator whose scores are given where a scenario has several heads; None for the first.
        inputs_version: version of the inputs that its features were measured in.
        features_version: version of the features.
        model_version: version of the form of the file.
    """

    kind: str
    name: str
    heads: tuple[tuple[str, str], ...]
    metric: str
    features: tuple[str, ...]
    signed: bool
    settings: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    preferred: str | None = None
    inputs_version: str = INPUTS_VERSION
    features_version: str = FEATURES_VERSION
    model_version: int = MODEL_VERSION


def save_model(path: Path, header: ModelHeader, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a model; equal input gives equal bytes.

    Raises:
        OSError: if it cannot be written.
    """
    from safetensors.numpy import save

    from manifests.confined.writing import write_file

    text = json.dumps(dataclasses.asdict(header), sort_keys=True)
    data = save({name: np.ascontiguousarray(array) for name, array in arrays.items()}, metadata={_KEY: text})
    write_file(path.parent, path.name, bytes(data))


def read_model(path: Path) -> tuple[ModelHeader, dict[str, NDArray[Any]]]:
    """Read a file that `save_model` wrote.

    Raises:
        InvalidAssessorError: if it is something else, damaged, or of another version.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        if path.stat().st_size > _LARGEST:
            raise InvalidAssessorError(f"{path}: no model of an assessor: more than {_LARGEST:,} bytes")
        data = path.read_bytes()
        arrays = load(data)
        length = int.from_bytes(data[:8], "little")
        facts = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
        header = parse_header(facts)
    except OSError as error:
        raise InvalidAssessorError(f"{path}: cannot be read ({error.strerror})") from error
    except (SafetensorError, ValueError, KeyError, TypeError) as error:
        raise InvalidAssessorError(f"{path}: no model of an assessor, or damaged ({error}); train it again") from error
    versions = (MODEL_VERSION, INPUTS_VERSION, FEATURES_VERSION)
    found = (header.model_version, header.inputs_version, header.features_version)
    if found != versions:
        raise InvalidAssessorError(
            f"{path}: expected versions {versions} of file, inputs and features, got {found}; train it again with this version"
        )
    return header, arrays


def parse_header(facts: Mapping[str, Any]) -> ModelHeader:
    """What JSON made of a header.

    Raises:
        KeyError: if a part is missing.
        TypeError: if a part is of another kind, or unknown.
    """
    return ModelHeader(**{**facts, "heads": tuple(map(tuple, facts["heads"])), "features": tuple(facts["features"])})


def describe_model(header: ModelHeader, summary: str) -> AssessorInfo:
    """Facts of a trained model."""
    scenarios = tuple(dict.fromkeys(scenario for scenario, _ in header.heads))
    return AssessorInfo(header.name, summary, scenarios=scenarios, signed=header.signed)


def find_head(header: ModelHeader, scenario: str) -> int:
    """The head of a scenario by the preferred estimator, else its first.

    Raises:
        KeyError: if there is none.
    """
    places = [place for place, (name, _) in enumerate(header.heads) if name == scenario]
    if not places:
        raise KeyError(scenario)
    return next((place for place in places if header.heads[place][1] == header.preferred), places[0])
