"""Multi-frame super-resolution and denoising by kernel regression (Wronski et al., SIGGRAPH 2019)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from restorers.align import BurstAlignment, align_burst
from restorers.base import RestorerInfo, check_accepts
from restorers.burst import CFA, Burst, Domain, FloatArray, FloatImage
from restorers.classical.aperture import correct_aperture
from restorers.classical.planes import measure_local_motion
from restorers.classical.steering import Kernels, measure_robustness, resize_to, steer_kernels
from restorers.classical.warping import CLIPPED
from restorers.noise import noise_levels
from restorers.tile_motion import TileMotion

_CHUNK = 1 << 16
"""Output pixels worked on at a time, so that they stay in the processor's cache."""
_BACKGROUND = np.float32(1e-4)
"""Weight of the reference under a wide round kernel: it decides where the narrow kernels see no sample of a colour."""
_SIGNAL_TO_NOISE = (6.0, 30.0)
_NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1))


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """Weighted sums of the samples of each frame, by frame index: float32 [2, 3, sH, sW], of values and of weights."""

    sums: dict[int, FloatImage]
    reference_index: int


@dataclass(frozen=True)
class Handheld:
    """Kernel regression on raw samples (a `SubsetRestorer`): linear camera RGB at `scale` times the resolution of the mosaics.

    Each output pixel is the weighted mean of the raw samples of its colour that the frames have in the 3 x 3 pixels about it. Weights
    are a Gaussian of the distance, shaped by the structure tensor of the reference (long along edges, small in texture, wide in flat
    regions), times the robustness of the frame there: how well its local colour agrees with the reference, given the noise. Frames are
    aligned by a rigid motion and, where that is not enough, by the displacement of tiles. Frames that cannot be aligned are left out;
    saturated samples of frames exposed longer than the reference do not count, and every frame counts by its inverse noise variance.
    At scales above 1 the pixel aperture of the frames is corrected last (`correct_aperture`), the part of the paper's sharpening that
    follows from the camera. The output is not clipped.

    The prepared state takes 6·scale² floats per pixel of every frame; `restore` holds such sums of two frames, `fuse` of one more.

    Attributes:
        scale: output pixels per frame pixel, along each side.
        detail: standard deviation of the kernel in texture, in frame pixels (k_detail), at a signal-to-noise ratio of 30 and above.
        noisy_detail: the same at a ratio of 6 and below; linear between.
        denoise: how many times wider it is in flat regions (k_denoise).
        stretch: how many times longer along an edge (k_stretch).
        shrink: how many times narrower across it (k_shrink).
        blur: of `correct_aperture`: what lens and kernel blur, in frame pixels.
        regularisation: of `correct_aperture`.
    """

    scale: float = 2
    detail: float = 0.2
    noisy_detail: float = 0.28
    denoise: float = 4.0
    stretch: float = 2.0
    shrink: float = 1.3
    blur: float = 0.35
    regularisation: float = 0.15

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return RestorerInfo(
            task="denoise" if self.scale == 1 else "sr",
            version="1",
            input_domains=frozenset({Domain.RAW_BAYER}),
            output_domain=Domain.LINEAR_RGB,
            scale=self.scale,
            summary="kernel regression on the raw samples of all frames, steered by structure and robust to motion",
            paper="Wronski et al., Handheld multi-frame super-resolution, 2019",
        )

    def restore(self, burst: Burst) -> FloatImage:
        """Merge all frames, float32 [scale·H, scale·W, 3]."""
        total: FloatImage | None = None
        for _, sums in self._accumulate(burst):
            total = sums if total is None else np.add(total, sums, out=total)
        assert total is not None
        return self._finish(total)

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Sum up the samples of every frame."""
        return PreparedBurst(dict(self._accumulate(burst)), burst.reference_index)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Merge the reference and the frames `members`."""
        total: FloatImage | None = None
        for index in sorted({prepared.reference_index, *members}):
            if index in prepared.sums:
                sums = prepared.sums[index]
                total = sums.copy() if total is None else np.add(total, sums, out=total)
        assert total is not None
        return self._finish(total)

    def _finish(self, total: FloatImage) -> FloatImage:
        """Divide values by weights, put the colours last, and sharpen what is finer than the frames."""
        image = np.ascontiguousarray(np.moveaxis(total[0] / np.maximum(total[1], np.float32(1e-20)), 0, -1))
        if self.scale == 1:
            return image
        return correct_aperture(image, self.scale, blur=self.blur, regularisation=self.regularisation)

    def _accumulate(self, burst: Burst) -> Iterator[tuple[int, FloatImage]]:
        check_accepts(self.info, burst)
        assert burst.cfa is not None
        alignment, noise = align_burst(burst), noise_levels(burst)
        signal = max(float(burst.reference.mean() / burst.exposure_ratio[burst.reference_index]), 0.0)
        variance = np.maximum(noise[0] * signal + noise[1], 1e-8)
        ratio = signal / math.sqrt(variance[burst.reference_index])
        detail = float(np.interp(ratio, _SIGNAL_TO_NOISE, (self.noisy_detail, self.detail)))
        kernels = steer_kernels(
            burst, noise, detail=detail, denoise=self.denoise, stretch=self.stretch, shrink=self.shrink
        )
        for index in np.flatnonzero(alignment.aligned).tolist():
            trust = np.float32(variance[burst.reference_index] / variance[index])
            sums = self._sum_samples(burst, index, alignment, kernels, noise)
            sums *= trust
            yield index, sums

    def _sum_samples(
        self,
        burst: Burst,
        index: int,
        alignment: BurstAlignment,
        kernels: Kernels,
        noise: tuple[FloatArray, FloatArray],
    ) -> FloatImage:
        own, homography = index == burst.reference_index, alignment.homographies[index]
        local = None if own else measure_local_motion(burst, index, homography, noise)
        robustness = None if own else measure_robustness(burst, index, homography, local, noise)
        height, width = burst.frames.shape[1:]
        shape = (round(height * self.scale), round(width * self.scale))
        sums = np.zeros((2, 3, *shape), np.float32)
        rows = max(1, _CHUNK // shape[1])
        for start in range(0, shape[0], rows):
            chunk = slice(start, min(start + rows, shape[0]))
            x, y = self._positions(chunk, shape[1], homography, local)
            precision = resize_to(kernels.precision, shape, chunk)
            weight = None if robustness is None else resize_to(robustness[None], shape, chunk)[0].ravel()
            samples = _Samples(burst, index, x, y)
            part = samples.sum(precision.reshape(3, -1), weight, background=own)
            sums[:, :, chunk] = part.reshape(2, 3, -1, shape[1])
        return sums

    def _positions(
        self, rows: slice, width: int, homography: FloatArray, local: TileMotion | None
    ) -> tuple[FloatImage, FloatImage]:
        """Where the output pixels of some rows lie in the frame, flat: x and y in frame pixels."""
        centre = (self.scale - 1) / 2
        x = ((np.arange(width) - centre) / self.scale).astype(np.float64)
        y = ((np.arange(rows.start, rows.stop) - centre) / self.scale).astype(np.float64)
        grid_x, grid_y = np.meshgrid(x, y)
        if local is not None:
            # The grey image in which tiles were measured has half the size.
            displacement = 2 * local.sample((x - 0.5) / 2, (y - 0.5) / 2)
            grid_x, grid_y = grid_x + displacement[..., 0], grid_y + displacement[..., 1]
        at = homography @ np.stack([grid_x.ravel(), grid_y.ravel(), np.ones(grid_x.size)])
        return (at[0] / at[2]).astype(np.float32), (at[1] / at[2]).astype(np.float32)


class _Samples:
    """The raw samples of one frame about some positions (x, y), float32 [n] each, in frame pixels."""

    def __init__(self, burst: Burst, index: int, x: FloatImage, y: FloatImage) -> None:
        assert burst.cfa is not None
        self.frame = burst.frames[index]
        self.ratio = float(burst.exposure_ratio[index])
        self.colours = _colour_table(burst.cfa)
        self.column, self.row = np.rint(x).astype(np.int32), np.rint(y).astype(np.int32)
        self.offset_x, self.offset_y = self.column - x, self.row - y

    def sum(self, precision: FloatImage, weight: FloatImage | None, *, background: bool) -> FloatImage:
        """Weighted sums [2, 3, n] of values and weights by colour.

        Args:
            precision: float32 [3, n]; elements xx, xy, yy of the inverse covariance of the kernel.
            weight: float32 [n] of each position; None for 1.
            background: add the wide kernel that makes no colour lack samples.
        """
        height, width = self.frame.shape
        number = len(self.row)
        values, weights = np.zeros(3 * number, np.float32), np.zeros(3 * number, np.float32)
        place = np.arange(number)
        xx, xy, yy = -0.5 * precision[0], -precision[1], -0.5 * precision[2]
        for dy, dx in _NEIGHBOURS:
            row, column = self.row + dy, self.column + dx
            ex, ey = self.offset_x + dx, self.offset_y + dy
            kernel = np.exp(ex * (xx * ex + xy * ey) + yy * ey * ey)
            if weight is not None:
                kernel *= weight
            if background:
                kernel += _BACKGROUND * np.exp(-0.5 * (ex * ex + ey * ey))
            inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
            kernel *= inside
            value = self.frame[np.clip(row, 0, height - 1), np.clip(column, 0, width - 1)]
            if self.ratio > 1:
                kernel *= value < CLIPPED
            at = self.colours[row & 1, column & 1] * number + place
            weights[at] += kernel
            values[at] += kernel * value
        values *= np.float32(1 / self.ratio)
        return np.stack([values, weights]).reshape(2, 3, number)


def _colour_table(cfa: CFA) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Channel of pixels by the parity of row and column."""
    return np.array(cfa.channels).reshape(2, 2)
