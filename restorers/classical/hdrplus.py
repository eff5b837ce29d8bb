"""Robust merge of a raw burst in the Fourier domain (Hasinoff et al., SIGGRAPH Asia 2016; Monod et al., IPOL 2021)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, FloatArray, FloatImage
from restorers.classical.tile_grid import TileGrid, raised_cosine
from restorers.imaging.color import linearise
from restorers.imaging.noise import noise_levels
from restorers.imaging.planes import MERGED_DOMAINS, join_frame, measure_local_motion, resample_frame, split_frame
from restorers.motion.align import BurstAlignment, align_burst

_INFO = RestorerInfo(
    task="denoise",
    version="2",
    input_domains=MERGED_DOMAINS,
    output_domain=None,
    summary="tile alignment and pairwise Wiener merge per colour plane",
    paper="Hasinoff et al., Burst photography for high dynamic range and low-light imaging on mobile cameras, 2016",
)

Spectra = NDArray[np.complex64]
_EXCESS = (1.5, 3.0)
"""Energy of a tile's difference over that of noise up to which it counts as still, and from which it counts as moving."""


@dataclass(frozen=True)
class MergeSettings:
    """How a frame is merged with the reference; `HdrPlusMerge` says by which formula.

    Attributes:
        tile_size: side of the merged tiles in colour-plane pixels, even.
        tolerance: c, how many times the noise variance a coefficient may differ before it is trusted by half.
        moving_tolerance: c of tiles that differ by more than noise.
    """

    tile_size: int = 16
    tolerance: float = 8.0
    moving_tolerance: float = 3.0


@dataclass(frozen=True)
class HdrPlusMerge(MergeSettings):
    """HDR+ merge (a `LinearMerge`): each frame is merged with the reference alone, and the merges are averaged.

    Frames are aligned by a rigid camera motion and, where that is not enough, by the displacement of tiles. Per colour plane and
    tile, a Fourier coefficient of the frame, T, is shrunk towards the reference's, R: R + (1 − A)·(T − R) with A = d² / (d² + c·σ²),
    d = |T − R| and σ² the variance of d under the noise models of both. A tile
    that differs by more than noise gets a smaller c: what moves by itself differs moderately in many frames alike, and a constant c lets
    that through. Tiles overlap by half under a raised-cosine window. A frame that cannot be aligned contributes the reference. Without a
    noise model the noise is measured (`estimate_noise`). The output is not clipped. Whatever T, `restore` holds one set of spectra, 4.5
    times a frame's size, and about as many images and tiles again. Attributes are those of `MergeSettings`.
    """

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def contributions(self, burst: Burst) -> FloatImage:
        """The pairwise merge of each frame with the reference, float32 [T, H, W] or [T, H, W, 3]."""
        return PairwiseMerge(self, burst).contributions()

    def restore(self, burst: Burst) -> FloatImage:
        """Mean of the contributions, float32 [H, W] or [H, W, 3]."""
        return PairwiseMerge(self, burst).mean(range(burst.num_frames))

    def frame_weights(self, burst: Burst) -> FloatImage:
        """Mean of 1 − A over planes and frequencies about each pixel of a plane, float32 [T, h, w] (a `WeighingRestorer`)."""
        return PairwiseMerge(self, burst).weights()


class PairwiseMerge:
    """One burst being merged: what its frames share.

    Args:
        settings: settings of the merge.
        burst: to be merged; display frames are decoded first.
    """

    def __init__(self, settings: MergeSettings, burst: Burst) -> None:
        check_accepts(_INFO, burst)
        burst = linearise(burst)
        self.settings, self.burst = settings, burst
        self.reference = burst.reference / np.float32(burst.exposure_ratio[burst.reference_index])
        self.planes = split_frame(self.reference)
        self.shot, self.read = noise_levels(burst)
        self.alignment: BurstAlignment = align_burst(burst)
        self.grid = TileGrid(settings.tile_size, *self.planes.shape[1:])
        self.signal = np.maximum(self.grid.windows(self.planes).mean((-2, -1)), 0)

    def contributions(self, *, shares: FloatImage | None = None) -> FloatImage:
        """The merge of each frame with the reference, float32 [T, H, W] or [T, H, W, 3]; `shares` as in `add_frame`."""
        images = np.empty(self.burst.frames.shape, np.float32)
        for index in range(self.burst.num_frames):
            spectra = self.empty_spectra()
            self.add_frame(spectra, index, shares=shares)
            images[index] = self.reference + self.image(spectra)
        return images

    def mean(self, frames: Sequence[int], *, shares: FloatImage | None = None) -> FloatImage:
        """Mean of the contributions of some frames; `shares` as in `add_frame`."""
        spectra = self.empty_spectra()
        for index in frames:
            self.add_frame(spectra, index, shares=shares)
        return np.asarray(self.reference + self.image(spectra) / np.float32(len(frames)))

    def weights(self) -> FloatImage:
        """How far each frame is trusted: the mean of 1 − A about each pixel of a plane, float32 [T, h, w].

        1 for the reference, 0 for a frame that cannot be aligned.
        """
        shares = self.empty_shares()
        for index in range(self.burst.num_frames):
            self.add_frame(self.empty_spectra(), index, shares=shares)
        window = raised_cosine(self.grid.size)
        tiles = (share.mean(1)[:, None, :, None, None] * window for share in shares)
        weights = np.concatenate([self.grid.overlap_add(each) for each in tiles]).clip(0, 1)
        weights[self.burst.reference_index] = 1
        return weights

    def empty_spectra(self) -> Spectra:
        """Zeros of the shape that `add_frame` takes."""
        rows, columns = self.grid.shape
        return np.zeros((rows, len(self.planes), columns, self.grid.size, self.grid.size // 2 + 1), np.complex64)

    def empty_shares(self) -> FloatImage:
        """Zeros for the shares of all frames, float32 [T, rows, P, columns]."""
        rows, columns = self.grid.shape
        return np.zeros((self.burst.num_frames, rows, len(self.planes), columns), np.float32)

    def add_frame(self, spectra: Spectra, index: int, *, shares: FloatImage | None = None) -> None:
        """Add (1 − A)·(T − R) of a frame to spectra [rows, P, columns, size, size/2 + 1], in place.

        Args:
            spectra: to be added to.
            index: of the frame.
            shares: those of `empty_shares`; of this frame, they become the mean of 1 − A in each tile; left alone if it adds nothing.
        """
        reference_index = self.burst.reference_index
        if index == reference_index or not self.alignment.aligned[index]:
            return
        windows = self.grid.windows(self._difference(index))
        shot = self.shot[index] + self.shot[reference_index]
        read = self.read[index] + self.read[reference_index]
        # The transform of a tile adds up size² pixels. A signal of 0 without read noise is shrunk instead of dividing 0 by 0.
        variance = np.maximum(self.grid.size**2 * (shot * self.signal + read), 1e-12)
        noise = (self._tolerances(windows, variance) * variance).astype(np.float32)[..., None, None]
        for rows in self.grid.chunks(len(self.planes)):
            difference = fft.rfft2(windows[rows])
            weight = np.square(difference.real)
            weight += np.square(difference.imag)
            weight += noise[rows]
            np.divide(noise[rows], weight, out=weight)
            if shares is not None:
                shares[index, rows] = weight.mean((-2, -1))
            difference *= weight
            spectra[rows] += difference

    def _tolerances(self, windows: FloatImage, variance: FloatArray) -> FloatArray:
        """c of each tile [rows, 1, columns]: lower the more its difference exceeds noise in all planes together."""
        energy = np.concatenate(
            [np.einsum("rpcij,rpcij->rc", windows[rows], windows[rows]) for rows in self.grid.chunks(len(self.planes))]
        )
        excess = energy / variance.sum(1)
        still, moving = self.settings.tolerance, self.settings.moving_tolerance
        return np.asarray(np.interp(excess, _EXCESS, (still, moving))[:, None], np.float64)

    def image(self, spectra: Spectra) -> FloatImage:
        """Turn spectra of differences into a mosaic [H, W] or RGB [H, W, 3]."""
        size = self.grid.size
        tiles = fft.irfft2(spectra, s=(size, size))
        tiles *= raised_cosine(size)
        return join_frame(self.grid.overlap_add(tiles))

    def _difference(self, index: int) -> FloatImage:
        """Frame minus reference on the reference's grid, in planes; 0 where the frame has nothing to tell."""
        homography = self.alignment.homographies[index]
        local = measure_local_motion(self.burst, index, homography, (self.shot, self.read))
        warped, usable = resample_frame(self.burst, index, homography, local)
        warped -= self.planes
        warped *= usable
        return warped
