"""Shapley values of exact games by the estimators of the package `shapiq`, in a Python of its own: it needs 3.12 and is no dependency.

`benchmarks.estimators` runs this file by the Python that it is told (`--shapiq PYTHON`), in which `pip install shapiq lightgbm` was run;
nothing but NumPy and shapiq is imported. Version 1.4.1 has neither OddSHAP nor ShaplEIG.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from shapiq import approximator

ESTIMATORS: Mapping[str, Callable[..., Any]] = {
    "permutations": approximator.PermutationSamplingSV,
    "stratified": approximator.StratifiedSamplingSV,
    "Owen": partial(approximator.OwenSamplingSV, n_anchor_points=5),
    "KernelSHAP, paired": partial(approximator.KernelSHAP, pairing_trick=True),
    "unbiased KernelSHAP, paired": partial(approximator.UnbiasedKernelSHAP, pairing_trick=True),
    "SVARM": approximator.SVARM,
    "ProxySPEX": partial(approximator.ProxySPEX, index="SV", max_order=1),
}


def estimate(make: Callable[..., Any], values: np.ndarray, budget: int, seed: int) -> list[float]:
    """Shapley values of one game, whose value of a subset stands at its number: bit i for player i."""
    count = len(values).bit_length() - 1
    places = 1 << np.arange(count)
    found = make(n=count, random_state=seed).approximate(
        budget, lambda coalitions: values[np.atleast_2d(coalitions).astype(np.int64) @ places] - values[0]
    )
    return [float(found[(player,)]) for player in range(count)]


def main(path: str, budgets: list[int], repeats: int) -> None:
    with np.load(path) as held:
        games = {name: held[name].astype(np.float64) for name in held.files}
    for name, make in ESTIMATORS.items():
        table = {
            game: [[estimate(make, values, budget, seed) for seed in range(repeats)] for budget in budgets]
            for game, values in games.items()
        }
        print(json.dumps({"name": f"shapiq {name}", "games": table}), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], json.loads(sys.argv[2]), int(sys.argv[3]))
