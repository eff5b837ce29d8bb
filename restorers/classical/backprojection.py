"""Super-resolution by iterative back-projection (Irani & Peleg, CVGIP 1991) from raw mosaics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import CFA, Burst, Domain, FloatArray, FloatImage
from restorers.classical.mean import merge_onto
from restorers.classical.observation import BandSampling, Observation, sample_band
from restorers.imaging.mosaic import interpolate_colours
from restorers.imaging.noise import noise_levels
from restorers.imaging.warping import unsaturated, warp_covers
from restorers.motion.align import align_burst

_LEAST_VARIANCE = 1e-8
"""Below the rounding of any sensor; frames without noise would weigh infinitely."""


_BAND_ROWS, _LARGE_BAND_ROWS = 96, 40
"""Rows of the reference worked on at a time, up to twice the resolution and above: they bound the memory."""
_HALO = 16
"""Rows on both sides of a band that are worked on with it: what lies further off changes it by no more than rounding."""


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """What `fuse` starts from.

    Attributes:
        observations: observations of all frames that could be aligned, by frame index; they refer to the frames of the burst.
        aligned: float32 [H, W]; their mosaics, resampled onto the reference, by frame index.
        reference_index: index of the burst.
        cfa: colour filter array of the burst.
    """

    observations: dict[int, Observation]
    aligned: dict[int, FloatImage]
    reference_index: int
    cfa: CFA | None


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
    The prepared state takes 1.25 times the burst's size, whatever the scale: the aligned mosaics and masks. `restore` holds the masks
    alone. Both work in bands of rows, each in about 10 times the size of its rows in all frames, and in 13·scale² times that in one.

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
            version="2",
            input_domains=frozenset({Domain.RAW_BAYER}),
            output_domain=Domain.LINEAR_RGB,
            scale=self.scale,
            summary="iterative back-projection of the mosaics, started from their aligned average",
            paper="Irani & Peleg, Improving resolution by image registration, 1991",
        )

    def restore(self, burst: Burst) -> FloatImage:
        """Super-resolve, float32 [scale·H, scale·W, 3]."""
        observations = self._observe(burst)
        aligned = ((index, self._align(burst, index, each)) for index, each in observations.items())
        return self._super_resolve(observations, aligned, burst.cfa)

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Align every frame."""
        observations = self._observe(burst)
        aligned = {index: self._align(burst, index, each) for index, each in observations.items()}
        return PreparedBurst(observations, aligned, burst.reference_index, burst.cfa)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Super-resolve from the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        chosen = {index: prepared.observations[index] for index in wanted if index in prepared.observations}
        aligned = ((index, prepared.aligned[index]) for index in chosen)
        return self._super_resolve(chosen, aligned, prepared.cfa)

    def _observe(self, burst: Burst) -> dict[int, Observation]:
        check_accepts(self.info, burst)
        alignment = align_burst(burst)
        shot, read = noise_levels(burst)
        ratios = burst.exposure_ratio.astype(np.float32)
        signal = max(float(burst.reference.mean() / ratios[burst.reference_index]), 0.0)
        observations = {}
        for index in np.flatnonzero(alignment.aligned).tolist():
            frame, to_reference = burst.frames[index], np.linalg.inv(alignment.homographies[index])
            usable = warp_covers(to_reference, *frame.shape) & unsaturated(frame, np.eye(3))
            weight = 1 / max(shot[index] * signal + read[index], _LEAST_VARIANCE)
            observations[index] = Observation(frame, ratios[index], usable, to_reference, np.float32(weight))
        return observations

    @staticmethod
    def _align(burst: Burst, index: int, observation: Observation) -> FloatImage:
        reference = burst.reference / np.float32(burst.exposure_ratio[burst.reference_index])
        if index == burst.reference_index:
            return reference
        homography: FloatArray = np.linalg.inv(observation.to_reference).astype(np.float64)
        return merge_onto(reference, burst, index, homography)

    def _super_resolve(
        self, observations: Mapping[int, Observation], aligned: Iterable[tuple[int, FloatImage]], cfa: CFA | None
    ) -> FloatImage:
        assert cfa is not None
        total = sum(float(each.weight) for each in observations.values())
        mean: FloatImage | None = None
        for index, mosaic in aligned:
            part = mosaic * np.float32(observations[index].weight / total)
            mean = part if mean is None else np.add(mean, part, out=mean)
        assert mean is not None
        height, width = mean.shape
        colours = interpolate_colours(mean, cfa)
        del mean, part
        frames = list(observations.values())
        planes = [[plane for plane in range(4) if cfa.channels[plane] == channel] for channel in range(3)]
        image = np.empty((self.scale * height, self.scale * width, 3), np.float32)
        step = _BAND_ROWS if self.scale <= 2 else _LARGE_BAND_ROWS
        for start in range(0, height, step):
            band = slice(max(start - _HALO, 0), min(start + step + _HALO, height))
            estimate = self._refine(
                [partial(_enlarge, colour, band, self.scale) for colour in colours],
                [sample_band(frames, each, band, scale=self.scale) for each in planes],
            )
            inner = slice(self.scale * start, min(self.scale * (start + step), len(image)))
            first = inner.start - self.scale * band.start
            for channel, found in enumerate(estimate):
                image[inner, :, channel] = found[first : first + inner.stop - inner.start]
        return image

    def _refine(
        self, starts: Sequence[Callable[[], FloatImage]], samplings: Sequence[BandSampling]
    ) -> list[FloatImage]:
        """Improve high-resolution rows, [h, w] of each colour, step by step, to agree with what the frames say about it.

        The starts are asked for anew in each step: keeping them would take as much as the estimate.
        """
        estimate = [start() for start in starts]
        shape = estimate[0].shape
        damping = np.float32(1 / (self.scale * self.detail) ** 2)

        def project_back(sampling: BandSampling, residuals: FloatImage) -> FloatImage:
            return box((sampling.transposed @ residuals).reshape(shape), self.scale, adjoint=True)

        common, coarse = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
        colours = np.empty((3, *shape), np.float32)
        for channel, sampling in enumerate(samplings):
            back = project_back(sampling, sampling.roots())
            common += back
            colours[channel] = self._blur(back, self.colour_kernel)
            coarse += colours[channel]
        brightness = self._blur(common, self.kernel)
        brightness += damping
        coarse += damping
        colours += damping / 3
        for _ in range(self.iterations):
            # Corrections of all colours alike, less what the wider kernel, which serves each colour for itself, makes of them.
            common, less = np.zeros(shape, np.float32), np.zeros(shape, np.float32)
            for channel, sampling in enumerate(samplings):
                averaged = box(estimate[channel], self.scale, adjoint=False).ravel()
                back = project_back(sampling, sampling.values - sampling.matrix @ averaged)
                common += back
                back = self._blur(back, self.colour_kernel)
                less += back
                back /= colours[channel]
                estimate[channel] += back
            common = self._blur(common, self.kernel)
            common /= brightness
            less /= coarse
            common -= less
            pull = np.divide(damping, brightness, out=less)
            for channel, start in enumerate(starts):
                estimate[channel] += common
                missing = start()
                missing -= estimate[channel]
                missing *= pull
                estimate[channel] += missing
        return estimate

    def _blur(self, image: FloatImage, deviation: float) -> FloatImage:
        """Smooth [h, w] in place, by a Gaussian of this standard deviation in frame pixels; zeros beyond the edge."""
        sigma = deviation * self.scale
        return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma, image, borderType=cv2.BORDER_CONSTANT), np.float32)


def _enlarge(image: FloatImage, rows: slice, scale: int) -> FloatImage:
    """Some rows of [H, W] enlarged by cubic interpolation: float32 [scale·rows, scale·W]."""
    first, last = max(rows.start - 2, 0), min(rows.stop + 2, len(image))
    size = (image.shape[1] * scale, (last - first) * scale)
    enlarged = cv2.resize(image[first:last], size, interpolation=cv2.INTER_CUBIC)
    return np.array(enlarged[(rows.start - first) * scale : (rows.stop - first) * scale], np.float32)


def box(image: FloatImage, size: int, *, adjoint: bool) -> FloatImage:
    """Mean of pixels i .. i + size − 1 of [h, w] along both axes, zeros beyond the edge, or the adjoint of that."""
    anchor = (size - 1, size - 1) if adjoint else (0, 0)
    averaged = cv2.boxFilter(image, cv2.CV_32F, (size, size), anchor=anchor, borderType=cv2.BORDER_CONSTANT)
    return np.asarray(averaged, np.float32)
