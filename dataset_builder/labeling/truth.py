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
    clear: NDArray[np.bool_] | None = None,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """The sharp scene as frame i saw it at mid-exposure, as far as the truth of the reference shows it.

    A mosaic is sampled as the frame itself was rendered, so it is exact up to the truth's 16-bit rounding.

    Args:
        truth: float32 [H·scale, W·scale, 3], linear camera RGB, on the reference's grid.
        info: facts of the restorer.
        homography: [3, 3], reference to frame pixel, affine.
        domain: domain of the burst.
        scale: scale of the truth.
        cfa: colour filter array of the frames; needed for mosaic outputs.
        shape: rows and columns of the frame.
        clear: bool [2, H, W], False where the frame or the reference shows what moves on its own; None for everywhere True.

    Returns:
        float32 [H·info.scale, W·info.scale] or [.., 3], and a mask [H·info.scale, W·info.scale] of the pixels whose whole support lies
        inside the truth and which show the still scene in both.

    Raises:
        UnsupportedBurstError: if `explain_mismatch` names a reason.
    """
    factor = _require_factor(info, domain, scale)
    height, width = (round(side * info.scale) for side in shape)
    # Output pixel q covers frame pixels about (q − (s − 1) / 2) / s; a truth pixel likewise, and the box filter keeps its first index.
    to_frame = _shrink(1 / info.scale)
    to_truth = np.linalg.inv(_shrink(1 / scale))
    matrix = to_truth @ np.linalg.inv(homography) @ to_frame
    matrix[:2, 2] -= (factor - 1) / 2
    if info.output_for(domain) is Domain.RAW_BAYER:
        sites = locate_sites(locate_pixels(homography[None], scale, (0, 0)))
        (sums,) = sample_mosaics(prefilter(truth, scale), scale, [sites], shape, cfa=_require_cfa(cfa))
        sampled = (sums / scale**2).astype(np.float32)
    else:
        flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
        sampled = np.stack(
            [
                cv2.warpAffine(plane, matrix[:2], (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
                for plane in prefilter(truth, factor)
            ],
            axis=-1,
        )
        sampled = (sampled / factor**2).astype(np.float32)
        sampled = _encode(sampled, info.output_for(domain), cfa)
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    x, y = (matrix[axis, 0] * columns + matrix[axis, 1] * rows + matrix[axis, 2] for axis in (0, 1))
    reach = _INTERPOLATION_REACH + factor
    inside = (x >= reach) & (y >= reach) & (x < truth.shape[1] - reach) & (y < truth.shape[0] - reach)
    if clear is not None:
        covered = cv2.warpAffine((~clear[1]).astype(np.float32), homography[:2], shape[::-1], flags=cv2.INTER_LINEAR)
        visible = (clear[0] & (np.asarray(covered) == 0)).astype(np.uint8)
        inside &= cv2.resize(visible, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    return sampled, inside.astype(bool)


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
