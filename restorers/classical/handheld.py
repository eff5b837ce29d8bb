"""Multi-frame super-resolution and denoising by kernel regression (Wronski et al., SIGGRAPH 2019)."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatArray, FloatImage
from restorers.classical.aperture import correct_aperture
from restorers.classical.raw_samples import MosaicFrame, sum_samples
from restorers.classical.steering import Kernels, measure_robustness, resize_to, steer_kernels
from restorers.imaging.noise import noise_levels
from restorers.imaging.planes import measure_local_motion
from restorers.motion.align import align_burst
from restorers.motion.tiles import TileMotion

_CHUNK = 1 << 16
"""Output pixels worked on at a time, so that they stay in the processor's cache."""
_SIGNAL_TO_NOISE = (6.0, 30.0)


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """Weighted sums of the samples of each frame, by frame index: float32 [2, 3, sH, sW], of values and of weights."""

    sums: dict[int, FloatImage]
    reference_index: int


@dataclass(frozen=True, eq=False)
class _View:
    """A frame and how it is to be sampled: `trust` is its weight on the grey grid, float32 [h, w]; None for the reference."""

    index: int
    frame: MosaicFrame
    homography: FloatArray
    local: TileMotion | None
    trust: FloatImage | None


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

    The prepared state takes 6·scale² times the burst's size. `restore` holds the trust in every frame alone, a quarter of it.

    Attributes:
        scale: output pixels per frame pixel, along each side.
        detail: standard deviation of the kernel in texture, in frame pixels (k_detail), at a signal-to-noise ratio of 30 and above.
        noisy_detail: the same at a ratio of 6 and below; linear between.
        denoise: how many times wider it is in flat regions (k_denoise).
        stretch: how many times longer along an edge (k_stretch).
        shrink: how many times narrower across it (k_shrink).
        tolerance: of the difference between frames (`measure_robustness`). The paper has 12, which lets more ghosts through than it
            gains. Denoising needs less: what differs by aliasing tells it nothing.
        blur: blur of `correct_aperture`: what lens and kernel blur, in frame pixels.
        regularisation: regularisation of `correct_aperture`.
    """

    scale: float = 2
    detail: float = 0.2
    noisy_detail: float = 0.28
    denoise: float = 5.0
    stretch: float = 2.0
    shrink: float = 1.3
    tolerance: float = 3.0
    blur: float = 0.35
    regularisation: float = 0.15

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return RestorerInfo(
            task="denoise" if self.scale == 1 else "sr",
            version="3",
            input_domains=frozenset({Domain.RAW_BAYER}),
            output_domain=Domain.LINEAR_RGB,
            scale=self.scale,
            summary="kernel regression on the raw samples of all frames, steered by structure and robust to motion",
            paper="Wronski et al., Handheld multi-frame super-resolution, 2019",
        )

    def restore(self, burst: Burst) -> FloatImage:
        """Merge all frames, float32 [scale·H, scale·W, 3]."""
        views, kernels = self._look(burst)
        shape = self._output_shape(burst)

        def sum_frames(rows: slice) -> Iterator[FloatImage]:
            precision = resize_to(kernels.precision, shape, rows)
            return (self._sum_view(view, precision, shape, rows) for view in views)

        return self._merge(sum_frames, shape)

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Sum up the samples of every frame."""
        views, kernels = self._look(burst)
        shape = self._output_shape(burst)
        sums = {view.index: np.empty((2, 3, *shape), np.float32) for view in views}
        for rows in _chunks(shape):
            precision = resize_to(kernels.precision, shape, rows)
            for view in views:
                sums[view.index][:, :, rows] = self._sum_view(view, precision, shape, rows)
        return PreparedBurst(sums, burst.reference_index)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Merge the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        chosen = [prepared.sums[index] for index in wanted if index in prepared.sums]
        height, width = chosen[0].shape[2:]
        return self._merge(lambda rows: (sums[:, :, rows] for sums in chosen), (height, width))

    def frame_weights(self, burst: Burst) -> FloatImage:
        """Robustness by the inverse noise variance, cut at 1, on the grid of the cells: float32 [T, H/2, W/2] (a `WeighingRestorer`)."""
        views, _ = self._look(burst)
        weights = np.zeros((burst.num_frames, *(side // 2 for side in burst.frames.shape[1:3])), np.float32)
        for view in views:
            weights[view.index] = 1 if view.trust is None else np.minimum(view.trust, 1)
        return weights

    def _output_shape(self, burst: Burst) -> tuple[int, int]:
        height, width = burst.frames.shape[1:3]
        return round(height * self.scale), round(width * self.scale)

    def _merge(self, sum_frames: Callable[[slice], Iterator[FloatImage]], shape: tuple[int, int]) -> FloatImage:
        """Add up the sums of the frames, rows by rows, divide values by weights, and sharpen what is finer than the frames."""
        image = np.empty((*shape, 3), np.float32)
        for rows in _chunks(shape):
            frames = sum_frames(rows)
            total = next(frames).copy()
            for sums in frames:
                total += sums
            values, weights = total
            np.divide(values, np.maximum(weights, np.float32(1e-20)), out=np.moveaxis(image[rows], -1, 0))
        if self.scale > 1:
            correct_aperture(image, self.scale, blur=self.blur, regularisation=self.regularisation)
        return image

    def _look(self, burst: Burst) -> tuple[list[_View], Kernels]:
        """How every frame that can be aligned is to be sampled."""
        check_accepts(self.info, burst)
        assert burst.cfa is not None
        alignment, noise = align_burst(burst), noise_levels(burst)
        reference = burst.reference_index
        signal = max(float(burst.reference.mean() / burst.exposure_ratio[reference]), 0.0)
        variance = np.maximum(noise[0] * signal + noise[1], 1e-8)
        ratio = signal / math.sqrt(variance[reference])
        detail = float(np.interp(ratio, _SIGNAL_TO_NOISE, (self.noisy_detail, self.detail)))
        kernels = steer_kernels(
            burst, noise, detail=detail, denoise=self.denoise, stretch=self.stretch, shrink=self.shrink
        )
        views = []
        for index in np.flatnonzero(alignment.aligned).tolist():
            own, homography = index == reference, alignment.homographies[index]
            local = None if own else measure_local_motion(burst, index, homography, noise)
            trust = None
            if not own:
                trust = measure_robustness(burst, index, homography, local, noise, tolerance=self.tolerance)
                trust *= np.float32(variance[reference] / variance[index])
            frame = MosaicFrame(burst.frames[index], burst.cfa, float(burst.exposure_ratio[index]), background=own)
            views.append(_View(index, frame, homography, local, trust))
        return views, kernels

    def _sum_view(self, view: _View, precision: FloatImage, shape: tuple[int, int], rows: slice) -> FloatImage:
        """Sums of values and weights that a frame adds to some output rows: float32 [2, 3, rows, shape[1]]."""
        x, y = self._positions(rows, shape[1], view)
        sums = sum_samples(view.frame, x, y, precision.reshape(3, -1)).reshape(2, 3, -1, shape[1])
        if view.trust is not None:
            sums *= resize_to(view.trust[None], shape, rows)
        return sums

    def _positions(self, rows: slice, width: int, view: _View) -> tuple[FloatImage, FloatImage]:
        """Where the output pixels of some rows lie in the frame, flat: x and y in frame pixels."""
        centre = (self.scale - 1) / 2
        x = ((np.arange(width) - centre) / self.scale).astype(np.float64)
        y = ((np.arange(rows.start, rows.stop) - centre) / self.scale).astype(np.float64)
        grid_x, grid_y = np.meshgrid(x, y)
        if view.local is not None:
            # The grey image in which tiles were measured has half the size.
            displacement = 2 * view.local.sample((x - 0.5) / 2, (y - 0.5) / 2)
            grid_x, grid_y = grid_x + displacement[..., 0], grid_y + displacement[..., 1]
        at = view.homography @ np.stack([grid_x.ravel(), grid_y.ravel(), np.ones(grid_x.size)])
        return (at[0] / at[2]).astype(np.float32), (at[1] / at[2]).astype(np.float32)


def _chunks(shape: tuple[int, int]) -> Iterator[slice]:
    """Output rows to be worked on together."""
    step = max(1, _CHUNK // shape[1])
    return (slice(start, min(start + step, shape[0])) for start in range(0, shape[0], step))
