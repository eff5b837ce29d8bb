"""Photographs for tests, generated."""

from __future__ import annotations

from pathlib import Path

from benchmarks.stand_ins.photographs import make_photograph
from manifests.images.pixels import write_png

__all__ = ["make_photograph", "write_photographs"]


def write_photographs(folder: Path, count: int, **shape: int) -> Path:
    for seed in range(count):
        write_png(folder, f"photo_{seed}.png", make_photograph(seed=seed, **shape))
    return folder
