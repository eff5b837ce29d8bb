"""The ground truth on the grid and in the domain of a restorer's output."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.synthesis.fields import locate_pixels, locate_sites, prefilter, sample_mosaics
from restorers import CFA, Domain, RestorerInfo
from restorers.errors import UnsupportedBurstError
from restorers.imaging.color import encode_srgb
from restorers.imaging.mosaic import mosaic

_INTERPOLATION_REACH = 4


def project_truth(
    truth: NDArray[np.float32], info: RestorerInfo, *, domain: Domain, scale: int, cfa: CFA | None
) -> NDArray[np.float32]:
    """Bring the stored truth to the restorer's scale and domain.

    Args:
        truth: float32 [H·scale, W·scale, 3], linear light: camera RGB, or sRGB primaries for sRGB outputs.
        info: facts of the restorer.
        domain: domain of the burst.
        scale: scale of the truth.
        cfa: colour filter array of the frames; needed for mosaic outputs.

    Returns:
        float32 [H·info.scale, W·info.scale] or [.., 3]: averages over blocks, which is exactly what a frame pixel is.

    Raises:
        UnsupportedBurstError: if `explain_mismatch` names a reason.
    """
    factor = _require_factor(info, domain, scale)
    height, width = truth.shape[0] // factor, truth.shape[1] // factor
    reduced = np.asarray(
        truth if factor == 1 else cv2.resize(truth, (width, height), interpolation=cv2.INTER_AREA), np.float32
    )
    return _encode(reduced, info.output_for(domain), cfa)


def project_truth_to_frame(
    truth: NDArray[np.float32],
    info: RestorerInfo,
    homography: NDArray[np.float64],
    *,
    domain: Domain,
    scale: int,
    cfa: CFA | None,
    shape: tuple[int, int],
) -> NDArray[np.float32]:
    """The sharp scene as frame i saw it at mid-exposure, as far as the truth of the reference shows it (`find_support`).

    A mosaic is sampled as the frame itself was rendered, so it is exact up to the truth's 16-bit rounding.

    Args:
        truth: float32 [H·scale, W·scale, 3], linear camera RGB, on the reference's grid.
        info: facts of the restorer.
        homography: [3, 3], reference to frame pixel, affine.
        domain: domain of the burst.
        scale: scale of the truth.
        cfa: colour filter array of the frames; needed for mosaic outputs.
        shape: rows and columns of the frame.

    Returns:
        float32 [H·info.scale, W·info.scale] or [.., 3].

    Raises:
        UnsupportedBurstError: if `explain_mismatch` names a reason.
    """
    factor = _require_factor(info, domain, scale)
    height, width = (round(side * info.scale) for side in shape)
    matrix = _lead_to_truth(homography, scale, info.scale)
    if info.output_for(domain) is Domain.RAW_BAYER:
        sites = locate_sites(locate_pixels(homography[None], scale, (0, 0)))
        (sums,) = sample_mosaics(prefilter(truth, scale), scale, [sites], shape, cfa=_require_cfa(cfa))
        return np.asarray(sums / scale**2, np.float32)
    flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
    sampled = np.stack(
        [
            cv2.warpAffine(plane, matrix[:2], (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
            for plane in prefilter(truth, factor)
        ],
        axis=-1,
    )
    return _encode((sampled / factor**2).astype(np.float32), info.output_for(domain), cfa)


def find_support(
    truth_shape: tuple[int, int],
    homography: NDArray[np.float64],
    *,
    scale: int,
    shape: tuple[int, int],
    output_scale: float = 1.0,
) -> NDArray[np.bool_]:
    """Pixels on the grid of a frame for which all that `project_truth_to_frame` samples lies inside the truth.

    Args:
        truth_shape: rows and columns of the truth.
        homography: [3, 3], reference to frame pixel, affine.
        scale: truth pixels per frame pixel.
        shape: rows and columns of the frame.
        output_scale: output pixels per frame pixel. What holds at 1 holds at larger scales, whose pixels reach less far.

    Returns:
        bool [H·output_scale, W·output_scale].
    """
    height, width = (round(side * output_scale) for side in shape)
    matrix = _lead_to_truth(homography, scale, output_scale)
    rows, columns = np.ogrid[:height, :width]
    x, y = (matrix[axis, 0] * columns + matrix[axis, 1] * rows + matrix[axis, 2] for axis in (0, 1))
    reach = _INTERPOLATION_REACH + round(scale / output_scale)
    inside: NDArray[np.bool_] = (
        (x >= reach) & (y >= reach) & (x < truth_shape[1] - reach) & (y < truth_shape[0] - reach)
    )
    return inside


def _lead_to_truth(homography: NDArray[np.float64], scale: int, output_scale: float) -> NDArray[np.float64]:
    """Output pixel on the grid of a frame to the first truth pixel of the box that it is averaged over."""
    # Output pixel q covers frame pixels about (q − (s − 1) / 2) / s; a truth pixel likewise, and the box filter keeps its first index.
    matrix: NDArray[np.float64] = (
        np.linalg.inv(_shrink(1 / scale)) @ np.linalg.inv(homography) @ _shrink(1 / output_scale)
    )
    matrix[:2, 2] -= (round(scale / output_scale) - 1) / 2
    return matrix


def _encode(linear: NDArray[np.float32], domain: Domain, cfa: CFA | None) -> NDArray[np.float32]:
    if domain is Domain.SRGB:
        return encode_srgb(linear)
    return mosaic(linear, _require_cfa(cfa)) if domain is Domain.RAW_BAYER else linear


def explain_mismatch(info: RestorerInfo, domain: Domain, scale: int) -> str | None:
    """Why the output for a burst of this domain has no counterpart in a truth of this scale; None if it has."""
    output = info.output_for(domain)
    if output is Domain.SRGB and domain is not Domain.SRGB:
        return "the restorer returns a display image, the truth is linear camera RGB"
    if output is Domain.RAW_BAYER and info.scale != 1:
        return "the restorer returns a mosaic of another scale than the frames"
    if scale % info.scale:
        return f"the restorer's output has scale {info.scale:g}, but the truth has scale {scale}; build bursts with a multiple of it"
    return None


def _require_factor(info: RestorerInfo, domain: Domain, scale: int) -> int:
    reason = explain_mismatch(info, domain, scale)
    if reason is not None:
        raise UnsupportedBurstError(reason)
    return round(scale / info.scale)


def _shrink(factor: float) -> NDArray[np.float64]:
    """Pixel of an image to pixel of one that is larger by 1 / factor, both with centres at integers."""
    centre = (factor - 1) / 2
    return np.array([[factor, 0, centre], [0, factor, centre], [0, 0, 1.0]])


def _require_cfa(cfa: CFA | None) -> CFA:
    if cfa is None:
        raise UnsupportedBurstError("the restorer returns a mosaic, but the burst has none")
    return cfa
