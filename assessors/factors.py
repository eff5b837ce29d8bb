"""What the synthesis did to each frame: an oracle from which a network may learn to tell what ails a frame, and which it never sees."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from assessors.targets import Targets
from manifests.schema import FRAMES
from manifests.store import read_table, table_path

FACTORS = ("noise", "shake", "defocus", "displacement", "object_shift", "occlusion", "exposure")
"""Names of the factors of `load_factors`, in order."""
_COLUMNS = (
    "exposure_ratio",
    "shot_noise",
    "read_noise",
    "blur_length",
    "defocus",
    "displacement",
    "object_shift",
    "occlusion",
)
_GREY = 0.2
"""Signal at which noise is told, 1 at white."""


def load_factors(targets: Targets) -> NDArray[np.float64]:
    """What is known of the frames of a data set, those of real bursts next to nothing.

    Returns:
        float64 [F, 7] for the frames of the index, NaN where unknown: logarithm of the standard deviation of noise in a grey of 0.2 in the
        exposure of the reference; logarithms of 1 + px of the path of the shake, of the circle of confusion, of the displacement and of
        what moves by itself; the covered share; logarithm of the exposure relative to the reference.

    Raises:
        ManifestError: if the table cannot be read.
    """
    table = read_table(targets.root, table_path("frames"), FRAMES, columns=list(_COLUMNS))
    column = {name: table.column(name).cast("double").to_numpy().astype(np.float64) for name in _COLUMNS}
    ratio = column["exposure_ratio"]
    variance = column["shot_noise"] * _GREY / ratio + column["read_noise"] / ratio**2
    # Still scenes have no object: nothing moves by itself.
    shift = np.where(np.isfinite(column["displacement"]), np.nan_to_num(column["object_shift"]), np.nan)
    lengths = (column["blur_length"], column["defocus"], column["displacement"], shift)
    return np.stack(
        [
            np.log(np.maximum(variance, 1e-12)) / 2,
            *(np.log1p(one) for one in lengths),
            column["occlusion"],
            np.log(ratio),
        ],
        axis=1,
    )
