"""What trained assessors learn from: features of bursts beside the worth of their frames, made comparable between bursts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from assessors.features import measure_frames
from assessors.provider import InputProvider
from assessors.targets import Targets
from manifests.schema import is_marginal

Progress = Callable[[int, int], object]


@dataclass(frozen=True, eq=False)
class Examples:
    """B bursts with S sets of labels.

    Attributes:
        names: of the F features.
        features: float32 [T, F] of each burst.
        worth: float64 [S, T] of each burst: labels over the root mean square of the burst's own, so that a burst of large gains counts no
            more than one of small ones, and below 0 stays below 0; NaN without a label. Of estimators by which 0 means nothing, relative to
            the burst's mean.
        trust: float64 [S] of each burst, 0 to 1: the share of its labels' variance that is not their own uncertainty. Of a set in which no
            burst's labels stand out from their uncertainty, as where each pair of photographs was judged once, 1 for every labelled burst.
        scenes: int64 [B].
        heads: scenario and estimator of each set.
    """

    names: tuple[str, ...]
    features: tuple[NDArray[np.float32], ...]
    worth: tuple[NDArray[np.float64], ...]
    trust: tuple[NDArray[np.float64], ...]
    scenes: NDArray[np.int64]
    heads: tuple[tuple[str, str], ...]


def collect_examples(targets: Targets, provider: InputProvider, *, on_progress: Progress | None = None) -> Examples:
    """Measure the bursts that are judged.

    Args:
        targets: labels of the bursts.
        provider: the same bursts, at least.
        on_progress: called with the number of bursts done and of all.

    Raises:
        ManifestError: if pixels cannot be read.
    """
    positions = {name: place for place, name in enumerate(provider.burst_ids)}
    names: tuple[str, ...] = ()
    features, worth, trust = [], [], []
    for number, burst in enumerate(targets.bursts):
        names, table = measure_frames(provider[positions[targets.index.burst_ids[int(burst)].as_py()]])
        features.append(table)
        rows = targets.rows(int(burst))
        scaled = [
            scale_worth(values[rows].astype(np.float64), errors[rows].astype(np.float64), signed=is_marginal(estimator))
            for values, errors, estimator in zip(
                targets.labels.values, targets.labels.errors, targets.labels.estimators, strict=True
            )
        ]
        worth.append(np.stack([one for one, _ in scaled]))
        trust.append(np.array([share for _, share in scaled]))
        if on_progress is not None:
            on_progress(number + 1, len(targets.bursts))
    scenes = pc.rank(targets.index.scene_id, tiebreaker="dense").to_numpy().astype(np.int64)[targets.bursts]
    heads = tuple(zip(targets.labels.scenarios, targets.labels.estimators, strict=True))
    return Examples(names, tuple(features), tuple(worth), _trust_something(worth, trust), scenes, heads)


def _trust_something(
    worth: list[NDArray[np.float64]], trust: list[NDArray[np.float64]]
) -> tuple[NDArray[np.float64], ...]:
    """Trust all bursts alike under sets of labels of which none is trusted: weak evidence is evidence."""
    if not trust:
        return ()
    nothing = ~np.any(trust, axis=0)
    return tuple(np.where(nothing, np.isfinite(labels).any(1), own) for labels, own in zip(worth, trust, strict=True))


def scale_worth(
    values: NDArray[np.float64], errors: NDArray[np.float64], *, signed: bool
) -> tuple[NDArray[np.float64], float]:
    """Labels of a burst as worth, and how far they can be trusted, as `Examples` has them.

    Args:
        values: float64 [T], NaN without a label.
        errors: float64 [T], their own uncertainty.
        signed: whether 0 means something.
    """
    known = np.isfinite(values)
    if not known.any():
        return np.full(len(values), np.nan), 0.0
    centred = values if signed else values - values[known].mean()
    power, noise = float(np.mean(centred[known] ** 2)), float(np.mean(errors[known] ** 2))
    if power == 0:
        return np.where(known, 0.0, np.nan), 0.0
    return centred / np.sqrt(power), max(power - noise, 0.0) / power
