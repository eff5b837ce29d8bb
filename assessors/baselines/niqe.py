"""NIQE: how far the statistics of a picture lie from those of pristine photographs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from assessors.base import AssessorInfo
from assessors.baselines.natural_scenes import halve_bicubic, measure_niqe_block, normalise_locally, to_luma
from assessors.errors import MissingPackageError
from assessors.inputs import BurstInputs

SIDE = 96
"""Of the blocks, as published; halved for pictures of fewer than two blocks along a side."""
_LEAST_SIDE = 24
WORST = 100.0
"""Distance of a picture that shows nothing: far above that of any photograph."""


@dataclass(frozen=True)
class Niqe:
    """NIQE of each frame by itself, in its own exposure, as a developed picture.

    Raises:
        MissingPackageError: if the pristine parameters are not there: they come with the package basicsr.
    """

    info = AssessorInfo(
        "niqe",
        "NIQE, natural image quality, of each frame by itself",
        paper="Mittal et al., Making a Completely Blind Image Quality Analyzer, IEEE SPL 2013",
    )

    def __post_init__(self) -> None:
        load_pristine()

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:  # noqa: ARG002
        """Minus the distance."""
        return np.array([-measure_niqe(to_luma(picture)) for picture in inputs.display()])


def measure_niqe(grey: NDArray[np.float64]) -> float:
    """NIQE of a grey picture [H, W], 0..255; lower is better.

    Blocks are of 96 x 96 pixels where two of them fit along both sides, else of 48 or 24, whose statistics are noisier; the published model
    is of blocks of 96, so values at other sizes compare pictures of one size only. `WORST` where no block shows anything.

    Raises:
        MissingPackageError: as `Niqe`.
    """
    mean, covariance = load_pristine()
    side = SIDE
    while side > _LEAST_SIDE and min(grey.shape) < 2 * side:
        side //= 2
    rows, columns = (length // side for length in grey.shape)
    if not rows or not columns:
        return WORST
    image = grey[: rows * side, : columns * side]
    features = []
    for scale in (1, 2):
        coefficients, _ = normalise_locally(image if scale == 1 else halve_bicubic(image))
        small = side // scale
        blocks = coefficients.reshape(rows, small, columns, small).swapaxes(1, 2).reshape(-1, small, small)
        features.append(measure_niqe_block(blocks))
    table = np.concatenate(features, axis=1)
    # As published: the mean over all that is known, the covariance over blocks of which all is.
    whole = table[~np.isnan(table).any(1)]
    if not len(whole):
        return WORST
    spread = np.cov(whole, rowvar=False) if len(whole) > 1 else np.zeros_like(covariance)
    difference = mean - np.nanmean(table, axis=0)
    return float(np.sqrt(difference @ np.linalg.pinv((covariance + spread) / 2) @ difference))


@cache
def load_pristine() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean [36] and covariance [36, 36] of the features of pristine photographs, as published with the measure.

    Raises:
        MissingPackageError: if the package basicsr, which ships them, is not installed; it is not imported.
    """
    spec = find_spec("basicsr")
    if spec is None or spec.origin is None:
        raise MissingPackageError(
            "niqe: its parameters come with the package 'basicsr': pip install 'buiqa-toolkit[basicsr]'"
        )
    with np.load(Path(spec.origin).parent / "metrics" / "niqe_pris_params.npz", allow_pickle=False) as parameters:
        return parameters["mu_pris_param"].ravel(), parameters["cov_pris_param"]
