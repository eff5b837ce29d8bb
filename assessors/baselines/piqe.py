"""PIQE: how distorted the active blocks of a picture are; nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from assessors.base import AssessorInfo
from assessors.baselines.natural_scenes import normalise_locally, to_luma
from assessors.inputs import BurstInputs

_SIDE, _SEGMENT = 16, 6
"""Pixels of a block's side, and of the segments of its edges."""
_ACTIVE, _IMPAIRED = 0.1, 0.1
"""Variance above which a block is active, and deviation below which a segment is impaired."""


@dataclass(frozen=True)
class Piqe:
    """PIQE of each frame by itself, in its own exposure, as a developed picture."""

    info = AssessorInfo(
        "piqe",
        "PIQE, distortion of active blocks, of each frame by itself",
        paper="Venkatanath et al., Blind Image Quality Evaluation Using Perception Based Features, NCC 2015",
    )

    def score(self, inputs: BurstInputs, scenario: str) -> NDArray[np.float64]:  # noqa: ARG002
        """Minus the measure."""
        return np.array([-measure_piqe(to_luma(picture)) for picture in inputs.display()])


def measure_piqe(grey: NDArray[np.float64]) -> float:
    """PIQE of a grey picture [H, W], 0..255: 0 for the best, 100 for the worst. What no whole block covers is left out."""
    rows, columns = (length // _SIDE for length in grey.shape)
    coefficients, _ = normalise_locally(grey)
    parted = coefficients[: rows * _SIDE, : columns * _SIDE].reshape(rows, _SIDE, columns, _SIDE)
    blocks = parted.swapaxes(1, 2).reshape(-1, _SIDE, _SIDE)
    # Variances and deviations are those of samples, as MATLAB's are.
    variance = blocks.var(axis=(1, 2), ddof=1)
    active = variance > _ACTIVE
    impaired, noisy = _has_impaired_edge(blocks), _is_noisy(blocks, np.sqrt(variance))
    distortion = np.where(impaired, 1 - variance, 0) + np.where(noisy, variance, 0)
    return float(100 * (distortion[active].sum() + 1) / (active.sum() + 1))


def _has_impaired_edge(blocks: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a segment of one of the four edges of a block is flat: bool [N]."""
    edges = np.stack([blocks[:, 0], blocks[:, -1], blocks[:, :, 0], blocks[:, :, -1]], axis=1)
    deviations = sliding_window_view(edges, _SEGMENT, axis=2).std(-1, ddof=1)
    return np.asarray((deviations < _IMPAIRED).any((1, 2)))


def _is_noisy(blocks: NDArray[np.float64], deviation: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether a block's deviation is more than twice its relative distance to that of its two middle columns over the others: bool [N]."""
    middle = _SIDE // 2
    inner = blocks[:, :, middle - 1 : middle + 1].reshape(len(blocks), -1).std(-1, ddof=1)
    outer = np.delete(blocks, [middle - 1, middle], axis=2).reshape(len(blocks), -1).std(-1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.nan_to_num(inner / outer, posinf=0)
        distance = np.nan_to_num(np.abs(deviation - ratio) / np.maximum(deviation, ratio))
    return np.asarray(deviation > 2 * distance)
