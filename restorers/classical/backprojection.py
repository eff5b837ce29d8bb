"""Super-resolution by iterative back-projection (Irani & Peleg, CVGIP 1991) from raw mosaics."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from restorers.align import align_burst
from restorers.base import RestorerInfo, check_accepts
from restorers.burst import CFA, Burst, Domain, FloatArray, FloatImage
from restorers.classical.mean import merge_onto
from restorers.classical.mosaic import PLANE_OFFSETS, interpolate_colours
from restorers.classical.warping import unsaturated, warp_covers
from restorers.noise import noise_levels

_LEAST_VARIANCE = 1e-8
"""Below the rounding of any sensor; frames without noise would weigh infinitely."""


@dataclass(frozen=True, eq=False)
class Observation:
    """What one frame says about the high-resolution image.

    Attributes:
        sampling: float32 [n, 3·sH·sW], sparse; takes the frame's n usable pixels from the three colours, averaged over s x s pixels
            and flattened. Rows add up to 1.
        values: float32 [n]; those pixels, in the exposure of the reference.
        aligned: float32 [H, W]; the mosaic resampled onto the reference.
        weight: inverse noise variance at the burst's mean signal.
    """

    sampling: sparse.csr_array
    values: FloatImage
    aligned: FloatImage
    weight: float


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """Observations of all frames that could be aligned, by frame index, and what `fuse` needs besides."""

    observations: dict[int, Observation]
    reference_index: int
    cfa: CFA


@dataclass(frozen=True)
class BackProjection:
    """Iterative back-projection (a `SubsetRestorer`): linear camera RGB at `scale` times the resolution, from raw mosaics.

    At scale 1 it demosaics: the colours that one mosaic lacks come from the others (Farsiu, Elad & Milanfar, IEEE TIP 2006).

    Model A: frame pixel p covers high-resolution pixels s·p .. s·p + s − 1 along each axis; its value is their mean, in the one colour
    of its filter. Frames see the image through a rigid motion. The estimate starts as the weighted mean of the aligned mosaics,
    demosaicked and enlarged by cubic interpolation. Each step projects the residuals y − A·x back, weighted by the inverse noise
    variance of their frame, as normalised averages (SIRT). The paper's freedom in the back-projection kernel is used against noise and
    for the mosaic: residuals of all colours correct the three channels alike (`kernel`), and their differences only after wider
    smoothing (`colour_kernel`), for colours change more slowly than brightness, and red and blue are seen too rarely alone. Where few
    or noisy frames speak, `detail` keeps the estimate near its start.

    Frames that cannot be aligned are left out. Without a noise model the noise is measured (`estimate_noise`). The output is not clipped.
    The prepared state takes 11 times the burst's float32 size (4 weights and 4 indices per pixel, its row pointer and value, and the
    aligned mosaic), whatever the scale; `fuse` works in 9 more images of the output's size.

    Attributes:
        scale: output pixels per frame pixel, along each side.
        iterations: number of steps.
        kernel: standard deviation of the Gaussian that smooths a correction, in frame pixels.
        colour_kernel: the same for what differs between the colours.
        detail: standard deviation, per frame pixel, of what the start is expected to lack.
    """

    scale: int = 2
    iterations: int = 4
    kernel: float = 0.7
    colour_kernel: float = 1.5
    detail: float = 0.025

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return RestorerInfo(
            task="demosaic" if self.scale == 1 else "sr",
            version="1",
            input_domains=frozenset({Domain.RAW_BAYER}),
            output_domain=Domain.LINEAR_RGB,
            scale=self.scale,
            summary="iterative back-projection of the mosaics, started from their aligned average",
            paper="Irani & Peleg, Improving resolution by image registration, 1991",
        )

    def restore(self, burst: Burst) -> FloatImage:
        """Super-resolve, float32 [scale·H, scale·W, 3]."""
        return self.fuse(self.prepare(burst), burst.others)

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Align every frame and build its sampling operator."""
        check_accepts(self.info, burst)
        assert burst.cfa is not None
        alignment = align_burst(burst)
        shot, read = noise_levels(burst)
        ratios = burst.exposure_ratio.astype(np.float32)
        reference = burst.reference / ratios[burst.reference_index]
        signal = max(float(reference.mean()), 0.0)
        observations = {}
        for index in np.flatnonzero(alignment.aligned).tolist():
            frame, homography = burst.frames[index], alignment.homographies[index]
            own = index == burst.reference_index
            aligned = reference if own else merge_onto(reference, burst, index, homography)
            sampling, values = self._sample(frame / ratios[index], burst.cfa, homography)
            weight = 1 / max(shot[index] * signal + read[index], _LEAST_VARIANCE)
            observations[index] = Observation(sampling, values, aligned, weight)
        return PreparedBurst(observations, burst.reference_index, burst.cfa)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Super-resolve from the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        chosen = [prepared.observations[index] for index in wanted if index in prepared.observations]
        start = self._enlarge(chosen, prepared.cfa)
        estimate = start.copy()
        ones = self._project_back(((each, np.ones_like(each.values)) for each in chosen), start.shape)
        damping = np.float32(1 / (self.scale * self.detail) ** 2)
        brightness, coarse, colours = self._smooth(ones)
        brightness += damping
        coarse += damping
        colours += damping / 3
        pull = damping / brightness
        for _ in range(self.iterations):
            averaged = _box(estimate.copy(), self.scale, adjoint=False).ravel()
            residuals = ((each, each.values - each.sampling @ averaged) for each in chosen)
            common, common_coarse, correction = self._smooth(self._project_back(residuals, start.shape))
            common /= brightness
            common_coarse /= coarse
            common -= common_coarse
            correction /= colours
            correction += common
            estimate += correction
            # What is left of `correction` serves as scratch space: these arrays are the largest there are.
            np.subtract(start, estimate, out=correction)
            correction *= pull
            estimate += correction
        return np.ascontiguousarray(np.moveaxis(estimate, 0, -1))

    def _enlarge(self, chosen: list[Observation], cfa: CFA) -> FloatImage:
        """Weighted mean of the aligned mosaics, demosaicked and enlarged: float32 [3, sH, sW]."""
        total = sum(each.weight for each in chosen)
        mosaic = np.zeros_like(chosen[0].aligned)
        for each in chosen:
            mosaic += each.aligned * np.float32(each.weight / total)
        size = (mosaic.shape[1] * self.scale, mosaic.shape[0] * self.scale)
        channels = interpolate_colours(mosaic, cfa)
        return np.stack([cv2.resize(channel, size, interpolation=cv2.INTER_CUBIC) for channel in channels])

    def _smooth(self, channels: FloatImage) -> tuple[FloatImage, FloatImage, FloatImage]:
        """The sum of the colours under both kernels, [sH, sW] each, and the colours under the wider one, [3, sH, sW], in place."""

        def blur(image: FloatImage, deviation: float) -> FloatImage:
            blurred = cv2.GaussianBlur(image, (0, 0), deviation * self.scale, borderType=cv2.BORDER_CONSTANT)
            return np.asarray(blurred, np.float32)

        total = channels.sum(0)
        for channel in channels:
            channel[...] = blur(channel, self.colour_kernel)
        return blur(total, self.kernel), blur(total, self.colour_kernel), channels

    def _sample(self, frame: FloatImage, cfa: CFA, homography: FloatArray) -> tuple[sparse.csr_array, FloatImage]:
        """Sampling operator and values of the usable pixels, plane by plane, which bounds the float64 coordinates in memory."""
        height, width = frame.shape
        to_reference: FloatArray = np.linalg.inv(homography).astype(np.float64)
        usable = warp_covers(to_reference, height, width) & unsaturated(frame, np.eye(3))
        parts = []
        for position, (dx, dy) in enumerate(PLANE_OFFSETS):
            v, u = np.nonzero(usable[dy::2, dx::2])
            x, y, w = to_reference @ np.stack([2.0 * u + dx, 2.0 * v + dy, np.ones(len(u))])
            # Averaged pixel i covers pixels i .. i + s − 1: reference pixel p is the averaged pixel s·p.
            parts.append(self._taps(self.scale * x / w, self.scale * y / w, cfa.channels[position], frame.shape))
        weights, indices = (np.concatenate([part[which] for part in parts]).ravel() for which in (0, 1))
        pointer = np.arange(0, len(indices) + 1, 4, dtype=indices.dtype)
        shape = (len(pointer) - 1, 3 * self.scale**2 * height * width)
        values = [frame[dy::2, dx::2][usable[dy::2, dx::2]] for dx, dy in PLANE_OFFSETS]
        return sparse.csr_array((weights, indices, pointer), shape=shape), np.concatenate(values)

    def _taps(
        self, column: FloatArray, row: FloatArray, channel: int, shape: tuple[int, ...]
    ) -> tuple[FloatImage, NDArray[np.integer[Any]]]:
        """Weights and flat indices, [n, 4] each, that interpolate one channel of the averaged image at (column, row)."""
        height, width = self.scale * shape[0], self.scale * shape[1]
        left, top = np.clip(np.floor(column), 0, width - 2), np.clip(np.floor(row), 0, height - 2)
        x, y = (column - left).astype(np.float32), (row - top).astype(np.float32)
        first = (channel * height + top) * width + left
        kind = np.int32 if 3 * height * width < 2**31 else np.int64
        indices = first.astype(kind)[:, None] + np.array([0, 1, width, width + 1], kind)
        return np.stack([(1 - x) * (1 - y), x * (1 - y), (1 - x) * y, x * y], 1), indices

    def _project_back(self, residuals: Iterable[tuple[Observation, FloatImage]], shape: tuple[int, ...]) -> FloatImage:
        """Adjoint of the model, weighted by frame: float32 [3, sH, sW]."""
        total = np.zeros(shape, np.float32)
        flat = total.reshape(-1)
        for each, values in residuals:
            flat += each.sampling.T @ (values * np.float32(each.weight))
        return _box(total, self.scale, adjoint=True)


def _box(channels: FloatImage, size: int, *, adjoint: bool) -> FloatImage:
    """Mean of pixels i .. i + size − 1 of [3, H, W] along both axes, zeros beyond the edge, or the adjoint of that; in place."""
    anchor = (size - 1, size - 1) if adjoint else (0, 0)
    for channel in channels:
        channel[...] = cv2.boxFilter(channel, cv2.CV_32F, (size, size), anchor=anchor, borderType=cv2.BORDER_CONSTANT)
    return channels
