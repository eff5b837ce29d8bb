"""The truth of a burst in the form in which networks see its frames: an oracle, to learn from; photographs have none."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from assessors.inputs import BurstInputs, pack_frame, reduce_planes
from assessors.stabilisation import stabilise_signal
from restorers.burst import CFA
from restorers.imaging.mosaic import mosaic
from restorers.imaging.turning import find_turn


def pack_truth(truth: NDArray[np.float32], cfa: str, inputs: BurstInputs) -> NDArray[np.float32]:
    """Bring a truth into the form of the planes of a burst.

    Args:
        truth: float32 [3, H·scale, W·scale], linear, 1 at white in the reference.
        cfa: of the frames; empty for RGB.
        inputs: the burst.

    Returns:
        float32 [4, h, w], as `BurstInputs.planes` of a reference without noise; NaN where the truth is.
    """
    height, width = inputs.planes.shape[2:]
    if not np.isfinite(truth).all():
        return np.full((4, height, width), np.nan, np.float32)
    image = np.ascontiguousarray(np.moveaxis(truth, 0, -1))
    # Planes of a mosaic hold its sites, those of RGB means over 2 x 2 pixels; what was cut off the right and below has no plane's pixel.
    scale = max(1, round(image.shape[0] / (inputs.cell * height)))
    size = (image.shape[1] // scale, image.shape[0] // scale)
    image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
    if cfa:
        image = mosaic(np.ascontiguousarray(image[find_turn(CFA(cfa))]), CFA.RGGB)
    packed = reduce_planes(pack_frame(image), inputs.cell // 2)[:, :height, :width]
    reference = inputs.reference_index
    return stabilise_signal(
        np.ascontiguousarray(packed), float(inputs.shot_noise[reference]), float(inputs.read_noise[reference])
    )
