"""Numbers that the published networks gave, at their inputs, seams and outputs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FIXTURES = Path(__file__).parent / "fixtures"
FLOAT64, FLOAT32 = 1e-6, 2e-5
"""Largest difference, relative to the largest magnitude of a seam or 1; seams are stored as float32."""


class Fixture:
    """One network's inputs, and a check of what an implementation makes of them."""

    def __init__(self, name: str):
        self._arrays = np.load(FIXTURES / f"{name}.npz", allow_pickle=False)
        self._facts = json.loads(str(self._arrays["meta"]))["arrays"]

    @property
    def seams(self) -> list[str]:
        """Names of all arrays that can be checked."""
        return [name for name in self._facts if f"mid/{name}" in self._arrays or f"out64/{name}" in self._arrays]

    def read(self, name: str, dtype: torch.dtype = torch.float64) -> Tensor:
        """An input."""
        return torch.from_numpy(self._arrays[f"in/{name}"]).to(dtype)

    def check(self, name: str, value: Tensor, *, tolerance: float = FLOAT64) -> None:
        """Fail unless a seam or output has the published shape and values."""
        facts = self._facts[name]
        assert list(value.shape) == facts["shape"], f"{name}: shape"
        if f"out64/{name}" in self._arrays:
            expected, step = self._arrays[f"out64/{name}"], facts["step64"]
        else:
            expected, step = self._arrays[f"mid/{name}"], facts["step"]
        sampled = value.detach().double().numpy().ravel()[::step]
        error = np.abs(sampled - expected).max() / max(1.0, facts["absmax"])
        assert error <= tolerance, f"{name}: differs by {error:.1e}, expected at most {tolerance:.0e}"
