"""Splits that no scene straddles and that new data never moves: each scene's split depends on its own name alone."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass

import pyarrow as pa

from manifests.errors import InvalidFractionsError
from manifests.schema import SPLITS

_HASH_RANGE = 2**64


@dataclass(frozen=True)
class SplitFractions:
    """Expected share of the scenes in each split; they sum to 1.

    Raises:
        InvalidFractionsError: if they do not, or one lies outside [0, 1].
    """

    train: float = 0.8
    val: float = 0.0
    test: float = 0.2

    def __post_init__(self) -> None:
        shares = {"train": self.train, "val": self.val, "test": self.test}
        text = ", ".join(f"{name} = {share}" for name, share in shares.items())
        if not all(0 <= share <= 1 for share in shares.values()):
            raise InvalidFractionsError(f"splits: expected fractions between 0 and 1, got {text}")
        if not math.isclose(sum(shares.values()), 1, abs_tol=1e-9):
            raise InvalidFractionsError(f"splits: expected fractions that sum to 1, got {text}")


def assign_split(scene_id: str, fractions: SplitFractions, *, salt: str) -> str:
    """Split of a scene: `train`, `val` or `test`.

    The scene's place u in [0, 1) is the first 8 bytes of SHA-256 of `salt:scene_id`. From 0 upwards come test, val and train, so
    that other data never move a scene, and trading train against val never moves a test scene.

    Args:
        scene_id: what was photographed.
        fractions: expected share of each split.
        salt: another salt draws another, independent split.
    """
    digest = hashlib.sha256(f"{salt}:{scene_id}".encode()).digest()
    # Compared as an integer: dividing by 2^64 could round up to 1, which lies in no split.
    place = int.from_bytes(digest[:8], "big")
    if place < fractions.test * _HASH_RANGE:
        return "test"
    if place < (fractions.test + fractions.val) * _HASH_RANGE:
        return "val"
    return "train"


def build_split_rows(bursts: pa.Table, fractions: SplitFractions, *, salt: str) -> pa.Table:
    """Split of every burst.

    Args:
        bursts: a table with `burst_id` and `scene_id`.
        fractions: expected share of the scenes in each split.
        salt: as for `assign_split`.

    Returns:
        The table `splits`, in the order of `bursts`.
    """
    scenes = bursts.column("scene_id").combine_chunks().dictionary_encode()
    splits = pa.array(
        [assign_split(scene, fractions, salt=salt) for scene in scenes.dictionary.to_pylist()], pa.string()
    )
    return pa.Table.from_arrays(
        [
            bursts.column("burst_id"),
            bursts.column("scene_id"),
            splits.take(scenes.indices),
            pa.nulls(bursts.num_rows, pa.int32()),
        ],
        schema=SPLITS.schema,
    )
