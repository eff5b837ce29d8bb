"""Random numbers that depend on what is made, never on when, where, or in which order."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def derive_seed(*parts: str | int) -> str:
    """SHA-256 (hex) of an unambiguous encoding of the parts."""
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def make_generator(seed: str, stage: str) -> np.random.Generator:
    """Generator (Philox) for one stage of the work that `seed` (hex) stands for."""
    key = hashlib.sha256(f"{seed}:{stage}".encode()).digest()
    return np.random.Generator(np.random.Philox(key=np.frombuffer(key[:16], np.uint64)))
