"""Trained models for tests, of next to nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from assessors.baselines.boosting import BoostedTrees, fit_boosting
from assessors.boosting import BoostingSettings
from assessors.examples import Examples
from assessors.features import measure_frames
from assessors.inputs import make_inputs
from assessors.model_files import save_model
from tests.synthetic import make_burst

TASK = "denoise/mean"


def fit_trees(seed: int) -> BoostedTrees:
    """Boosting on random features, of one task by two estimators."""
    names = measure_frames(make_inputs(make_burst(height=32, width=32, num_frames=3, max_shift=1).burst))[0]
    rng = np.random.default_rng(seed)
    features = tuple(rng.standard_normal((6, len(names))).astype(np.float32) for _ in range(12))
    worth = tuple(rng.standard_normal((2, 6)) for _ in range(12))
    heads = ((TASK, "leave_one_out"), (TASK, "half_sum"))
    examples = Examples(names, features, worth, tuple(np.ones((12, 2))), np.arange(12), heads)
    return fit_boosting(examples, BoostingSettings(trees=4, least=2), name=f"trees{seed}", metric="psnr")


def save_trees(path: Path) -> Path:
    """The file of such a model."""
    model = fit_trees(0)
    save_model(path, model.header, model.to_arrays())
    return path
