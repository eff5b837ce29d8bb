"""The ground truth on the grid and in the domain of a restorer's output."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.camera.sensor import mosaic
from dataset_builder.synthesis.render import prefilter, sample_mosaic
from restorers import CFA, Domain, RestorerInfo
from restorers.errors import UnsupportedBurstError

_INTERPOLATION_REACH = 4


def project_truth(
    truth: NDArray[np.float32], info: RestorerInfo, *, scale: int, cfa: CFA | None
) -> NDArray[np.float32]:
    """Bring the stored truth to the restorer's scale and domain.

    Args:
        truth: float32 [H·scale, W·scale, 3], linear camera RGB.
        info: of the restorer.
        scale: of the truth.
        cfa: of the frames; needed for mosaic outputs.

    Returns:
        float32 [H·info.scale, W·info.scale] or [.., 3]: averages over blocks, which is exactly what a frame pixel is.

    Raises:
        UnsupportedBurstError: if the truth is too coarse or the domain is another.
    """
    factor = _require_factor(info, scale)
    height, width = truth.shape[0] // factor, truth.shape[1] // factor
    reduced = np.asarray(
        truth if factor == 1 else cv2.resize(truth, (width, height), interpolation=cv2.INTER_AREA), np.float32
    )
    return mosaic(reduced, _require_cfa(cfa)) if info.output_domain is Domain.RAW_BAYER else reduced


def project_truth_to_frame(
    truth: NDArray[np.float32],
    info: RestorerInfo,
    homography: NDArray[np.float64],
    *,
    scale: int,
    cfa: CFA | None,
    shape: tuple[int, int],
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The sharp scene as frame i saw it at mid-exposure, as far as the truth of the reference shows it.

    It is sampled as the frame itself was rendered, so it is exact up to the truth's 16-bit rounding.

    Args:
        truth: float32 [H·scale, W·scale, 3], linear camera RGB, on the reference's grid.
        info: of the restorer; its output must be a mosaic at the frame's own scale.
        homography: [3, 3], reference to frame pixel, affine.
        scale: of the truth.
        cfa: of the frames.
        shape: rows and columns of the frame.

    Returns:
        float32 [H, W], and a mask of the pixels whose whole support lies inside the truth.

    Raises:
        UnsupportedBurstError: for outputs that are no mosaic or of another scale.
    """
    _require_factor(info, scale)
    if info.output_domain is not Domain.RAW_BAYER or info.scale != 1:
        raise UnsupportedBurstError(
            f"solo: expected a restorer with output raw_bayer at scale 1, got {info.output_domain} at scale {info.scale}; "
            "choose leave_one_out or add_one"
        )
    expected = sample_mosaic(prefilter(truth, scale), homography, shape, cfa=_require_cfa(cfa), scale=scale)
    rows, columns = np.mgrid[: shape[0], : shape[1]].astype(np.float64)
    inverse = np.linalg.inv(homography)
    x = scale * (inverse[0, 0] * columns + inverse[0, 1] * rows + inverse[0, 2])
    y = scale * (inverse[1, 0] * columns + inverse[1, 1] * rows + inverse[1, 2])
    reach = _INTERPOLATION_REACH + scale
    inside = (x >= reach) & (y >= reach) & (x < truth.shape[1] - reach) & (y < truth.shape[0] - reach)
    return expected, inside


def _require_factor(info: RestorerInfo, scale: int) -> int:
    if scale % info.scale:
        raise UnsupportedBurstError(
            f"the restorer's output has scale {info.scale}, but the truth has scale {scale}; build bursts with a multiple of {info.scale}"
        )
    return scale // info.scale


def _require_cfa(cfa: CFA | None) -> CFA:
    if cfa is None:
        raise UnsupportedBurstError("the restorer returns a mosaic, but the burst has none")
    return cfa
