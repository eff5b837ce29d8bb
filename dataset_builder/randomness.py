"""Random numbers that depend on what is made, never on when, where, or in which order."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from functools import cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray


def derive_seed(*parts: str | int) -> str:
    """SHA-256 (hex) of an unambiguous encoding of the parts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def draw_names(names: Iterable[str], count: int) -> set[str]:
    """Of some names at most so many, as if by chance: a name that comes or goes displaces one other at most."""
    return set(sorted(names, key=lambda name: derive_seed("draw", name))[:count])


def make_generator(seed: str, stage: str) -> np.random.Generator:
    """Generator (Philox) for one stage of the work that `seed` (hex) stands for."""
    key = hashlib.sha256(f"{seed}:{stage}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(key[:16], np.uint64)))


def draw_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Standard normal numbers: each the mean of one of 65536 equally probable slices of that distribution.

    Other than `Generator.standard_normal`, this depends neither on NumPy's release nor on the platform's logarithm, and is ten times as
    fast. Variance 1 − 2e-6, kurtosis 3 − 2e-4, largest number 4.39, where a Gaussian has one in 90,000 beyond.

    Args:
        rng: every four numbers take a word from it, which must be of 64 bits as those of Philox and PCG64 are.
        shape: shape of the result.
    """
    count = math.prod(shape)
    words = np.asarray(rng.bit_generator.random_raw(-(-count // 4)), "<u8")
    numbers: NDArray[np.float32] = _tabulate_normal().take(words.view("<u2")[:count]).reshape(shape)
    return numbers


@cache
def _tabulate_normal() -> NDArray[np.float32]:
    distribution, slices = NormalDist(), 2**16
    edges = np.array([distribution.inv_cdf(number / slices) for number in range(1, slices // 2 + 1)])
    density = np.exp(-np.square(edges) / 2) / np.sqrt(2 * np.pi)
    # The mean over a slice is the difference of the density at its ends over its probability.
    lower = -slices * np.diff(density, prepend=0.0)
    return np.concatenate([lower, -lower[::-1]]).astype(np.float32)
