"""Demosaicking of a single frame (Malvar, He & Cutler, ICASSP 2004)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatImage
from restorers.imaging.mosaic import demosaic

_INFO = RestorerInfo(
    task="demosaic",
    version="1",
    input_domains=frozenset({Domain.RAW_BAYER}),
    output_domain=Domain.LINEAR_RGB,
    max_frames=1,
    summary="gradient-corrected linear interpolation",
    paper="Malvar, He & Cutler, High-quality linear interpolation for demosaicing of Bayer-patterned color images, 2004",
)


@dataclass(frozen=True)
class LinearDemosaicking:
    """Gradient-corrected linear demosaicking: the yardstick of the other restorers of this task. The output is not clipped."""

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Demosaic the only frame, float32 [H, W, 3]."""
        check_accepts(_INFO, burst)
        assert burst.cfa is not None
        image = demosaic(burst.reference, burst.cfa)
        image /= np.float32(burst.exposure_ratio[burst.reference_index])
        return image
