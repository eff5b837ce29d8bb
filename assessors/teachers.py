"""What restorers know of each frame, for models to learn from: the maps of a `WeighingRestorer`, kept by content."""

from __future__ import annotations

import contextlib
import hashlib
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from assessors.provider import InputProvider
from manifests.confined.writing import write_file
from restorers import RestorerError, WeighingRestorer, create_known
from restorers.burst import Burst, Domain
from restorers.imaging.color import linearise
from restorers.imaging.turning import turn_to_rggb
from restorers.registry import fingerprint_scenario

TEACHER_CELL = 4
"""Pixels of a plane along each side of a pixel of a map."""
_VERSION = "1"
_LEVELS = 255

Trust = NDArray[np.float32]


class Teacher:
    """What the restorer of a scenario knows of the frames of bursts.

    Args:
        scenario: its name.
        restorer: it.
    """

    def __init__(self, scenario: str, restorer: WeighingRestorer) -> None:
        self._restorer = restorer
        self._fingerprint = fingerprint_scenario(scenario, restorer)

    def weigh(self, provider: InputProvider, position: int, shape: tuple[int, int]) -> Trust | None:
        """How far the restorer trusts each frame of a burst where, from the cache of the provider or computed and put there.

        Args:
            provider: has the burst.
            position: of the burst in it.
            shape: height and width of the planes of its inputs.

        Returns:
            float32 [T, ⌈h/4⌉, ⌈w/4⌉] in [0, 1], in whole steps of 1/255; None of a burst that the restorer does not take.
        """
        text = "|".join([_VERSION, provider.content_key(position), self._fingerprint])
        name = f"{hashlib.sha256(text.encode()).hexdigest()}.weights"
        rows, columns = (-(-side // TEACHER_CELL) for side in shape)
        data: bytes | None = None
        with contextlib.suppress(OSError):
            data = (provider.cache / name).read_bytes()
        if data is None or len(data) % (rows * columns):
            maps = self._compute(provider.load_burst(position), rows, columns)
            data = b"" if maps is None else maps.tobytes()
            with contextlib.suppress(OSError):  # a full disk costs time, not results
                write_file(Path(provider.cache), name, data)
        if not data:
            return None
        levels = np.frombuffer(data, np.uint8).reshape(-1, rows, columns)
        return levels.astype(np.float32) / np.float32(_LEVELS)

    def _compute(self, burst: Burst, rows: int, columns: int) -> NDArray[np.uint8] | None:
        try:
            burst = linearise(burst)
            if burst.domain is Domain.RAW_BAYER:
                burst = turn_to_rggb(burst)
            maps = self._restorer.frame_weights(burst)
        except RestorerError:
            return None
        small = [cv2.resize(one, (columns, rows), interpolation=cv2.INTER_AREA) for one in maps]
        return np.asarray(np.rint(np.stack(small).clip(0, 1) * _LEVELS), np.uint8)


def find_teacher(scenario: str) -> Teacher | None:
    """The restorer of a scenario that is built in or installed, if it says what it knows; None if not, or if people are the judges."""
    try:
        restorer = create_known(scenario)
    except RestorerError:
        return None
    return Teacher(scenario, restorer) if isinstance(restorer, WeighingRestorer) else None
