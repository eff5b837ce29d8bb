"""Gradient boosting on measured features: what can be learnt from numbers of one frame at a time."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from assessors.base import AssessorInfo
from assessors.boosting import BoostingSettings, Forest, grow_forest
from assessors.examples import Examples
from assessors.features import measure_frames
from assessors.inputs import BurstInputs
from assessors.model_files import ModelHeader, describe_model, find_head
from manifests.schema import is_marginal

_FURTHEST = 3.0
"""Root mean squares beyond which a label counts no more: outliers of one burst must not lead."""


@dataclass(frozen=True, eq=False)
class BoostedTrees:
    """A forest for each set of labels.

    Attributes:
        header: what the model is.
        forests: the forests in the order of its heads.
        means: what a frame is worth about which nothing is known, for each.
    """

    header: ModelHeader
    forests: tuple[Forest, ...]
    means: tuple[float, ...]

    @property
    def info(self) -> AssessorInfo:
        """Facts for callers."""
        return describe_model(self.header, "gradient boosting on measured features")

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:
        """Predicted worth, in units of the burst's root mean square.

        Raises:
            KeyError: if it was not trained for the scenario.
        """
        place = find_head(self.header, scenario)
        _, table = measure_frames(inputs)
        return self.means[place] + self.forests[place].predict(table)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """As `from_arrays` takes them."""
        arrays: dict[str, NDArray[Any]] = {"means": np.array(self.means)}
        for place, forest in enumerate(self.forests):
            for field in dataclasses.fields(forest):
                arrays[f"{place}.{field.name}"] = getattr(forest, field.name)
        return arrays

    @classmethod
    def from_arrays(cls, header: ModelHeader, arrays: Mapping[str, NDArray[Any]]) -> BoostedTrees:
        """The model of a file.

        Raises:
            KeyError: if an array is missing.
            ValueError: if one has another form.
        """
        forests = []
        for place in range(len(header.heads)):
            features, thresholds, values = (arrays[f"{place}.{name}"] for name in ("features", "thresholds", "values"))
            if not (
                features.shape == thresholds.shape == (len(values), values.shape[1] - 1)
                and np.issubdtype(features.dtype, np.integer)
                and (not features.size or 0 <= features.min() <= features.max() < len(header.features))
            ):
                raise ValueError(f"trees of head {place}")
            forests.append(Forest(features, thresholds, values))
        means = arrays["means"].tolist()
        if len(means) != len(forests):
            raise ValueError("one mean for each head")
        return cls(header, tuple(forests), tuple(means))


def fit_boosting(examples: Examples, settings: BoostingSettings, *, name: str, metric: str) -> BoostedTrees:
    """Fit trees to examples; equal examples give an equal model."""
    table = np.concatenate(examples.features)
    forests, means = [], []
    for place in range(len(examples.heads)):
        worth = np.concatenate([one[place] for one in examples.worth])
        weight = np.concatenate(
            [np.full(one.shape[1], share[place]) for one, share in zip(examples.worth, examples.trust, strict=True)]
        )
        known = np.isfinite(worth) & (weight > 0)
        clipped = np.clip(worth[known], -_FURTHEST, _FURTHEST)
        mean = float(np.average(clipped, weights=weight[known])) if known.any() else 0.0
        forests.append(grow_forest(table[known], clipped - mean, weight[known], settings))
        means.append(mean)
    header = ModelHeader(
        "boosting",
        name,
        examples.heads,
        metric,
        examples.names,
        signed=is_marginal(examples.heads[0][1]),
        settings=dataclasses.asdict(settings),
    )
    return BoostedTrees(header, tuple(forests), tuple(means))
