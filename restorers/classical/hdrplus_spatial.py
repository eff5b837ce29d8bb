"""HDR+ with its spatial denoising (Hasinoff et al., SIGGRAPH Asia 2016, section 5; Monod et al., IPOL 2021, section 3.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import fft

from restorers.base import RestorerInfo
from restorers.burst import Burst, FloatImage
from restorers.classical.hdrplus import MergeSettings, PairwiseMerge
from restorers.classical.tile_grid import raised_cosine
from restorers.imaging.planes import MERGED_DOMAINS, join_frame, split_frame

_INFO = RestorerInfo(
    task="denoise",
    version="1",
    input_domains=MERGED_DOMAINS,
    output_domain=None,
    summary="HDR+ merge, then Wiener shrinkage of its tiles against the noise that is left",
    paper="Hasinoff et al., Burst photography for high dynamic range and low-light imaging on mobile cameras, 2016",
)


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """The merge; its contributions, float32 [T, H, W] or [T, H, W, 3]; and the share of each frame in each tile, [T, rows, P, columns]."""

    merge: PairwiseMerge
    contributions: FloatImage
    shares: FloatImage


@dataclass(frozen=True)
class SpatialHdrPlus(MergeSettings):
    """HDR+ merge with spatial denoising (a `SubsetRestorer`: what is shrunk is the mean, so it is no `LinearMerge`).

    The mean of the pairwise merges still has noise, as much as the reference where nothing could be merged. Per colour plane and tile, its
    Fourier coefficient X becomes X·|X|² / (|X|² + strength·f(ω)·σ²): σ² is the variance of the noise that the merge has left in the tile,
    and f grows with the frequency, from 0 at 0 to 1 at the Nyquist frequency of an axis, since the eye minds the loss of coarse detail
    most. Frames that cannot be aligned are left out.

    The prepared state takes once the burst's size, and two frames. The output is not clipped.

    Attributes beside those of `MergeSettings`:
        strength: 1 for the noise that there is; more takes more noise, and fine texture with it.
    """

    strength: float = 1.0

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Merge and denoise, float32 [H, W] or [H, W, 3]."""
        merge = PairwiseMerge(self, burst)
        merged, shares = np.flatnonzero(merge.alignment.aligned).tolist(), merge.empty_shares()
        return self._shrink(merge, merge.mean(merged, shares=shares), merged, shares)

    def frame_weights(self, burst: Burst) -> FloatImage:
        """Those of the merge, as of `HdrPlusMerge` (a `WeighingRestorer`)."""
        return PairwiseMerge(self, burst).weights()

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Merge every frame with the reference."""
        merge = PairwiseMerge(self, burst)
        shares = merge.empty_shares()
        return PreparedBurst(merge, merge.contributions(shares=shares), shares)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Average the reference and the frames `members`, and denoise."""
        merge = prepared.merge
        merged = [index for index in sorted({merge.burst.reference_index, *members}) if merge.alignment.aligned[index]]
        mean = np.zeros_like(merge.reference)
        for index in merged:
            mean += prepared.contributions[index]
        mean /= np.float32(len(merged))
        return self._shrink(merge, mean, merged, prepared.shares)

    def _shrink(self, merge: PairwiseMerge, image: FloatImage, merged: list[int], shares: FloatImage) -> FloatImage:
        grid, own, number = merge.grid, merge.burst.reference_index, len(merged)
        left = np.square(1 - shares[merged].sum(0) / number)
        noise = left * (merge.shot[own] * merge.signal + merge.read[own])
        for index in merged:
            noise += np.square(shares[index] / number) * (merge.shot[index] * merge.signal + merge.read[index])
        variance = (self.strength * grid.size**2 * np.maximum(noise, 1e-14)).astype(np.float32)
        rows, columns = fft.fftfreq(grid.size)[:, None], fft.rfftfreq(grid.size)[None]
        shape = 2 * np.hypot(rows, columns).astype(np.float32)
        windows = grid.windows(split_frame(image))
        tiles = np.empty(windows.shape, np.float32)
        for chunk in grid.chunks(windows.shape[1]):
            spectrum = fft.rfft2(windows[chunk])
            power = np.square(spectrum.real) + np.square(spectrum.imag)
            spectrum *= power / (power + shape * variance[chunk][..., None, None] + np.float32(1e-20))
            tiles[chunk] = fft.irfft2(spectrum, s=(grid.size, grid.size))
        tiles *= raised_cosine(grid.size)
        return join_frame(grid.overlap_add(tiles))
