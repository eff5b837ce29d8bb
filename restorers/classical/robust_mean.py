"""The average of the aligned frames, each pixel weighted by how well its surroundings agree with the reference."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, FloatImage
from restorers.classical.mean import StreamedMean
from restorers.imaging.color import linearise
from restorers.imaging.noise import noise_levels
from restorers.imaging.planes import MERGED_DOMAINS, join_frame, resample_frame, split_frame
from restorers.motion.align import align_burst

_INFO = RestorerInfo(
    task="denoise",
    version="1",
    input_domains=MERGED_DOMAINS,
    output_domain=None,
    summary="average of the aligned frames with redescending robust weights against motion",
    paper="Hampel, The influence curve and its role in robust estimation, 1974",
)

_LEAST_VARIANCE = 1e-8


@dataclass(frozen=True)
class RobustMean(StreamedMean):
    """Robust mean about the reference (a `LinearMerge`): frame T contributes R + w·(T − R).

    w comes from z², the mean over all planes and a square window of (T − R)² over its expectation under the noise models of both: 1
    up to `trust`, falling linearly to 0 at `reject`, the outer part of Hampel's three-part weight. The least weight within the window
    counts, so that the rim of a moving thing is rejected with it. What interpolation does to fine structure is expected too: `detail`
    times the local standard deviation of the reference is added to the noise. A frame contributes the reference where it does not
    reach or is saturated. The output is not clipped. `restore` holds a few images at a time, whatever T.

    Attributes:
        window: side of the window, in pixels of a plane, odd.
        trust: z² up to which a pixel counts in full; 1 is what noise alone makes.
        reject: z² from which it does not count.
        detail: see above.
    """

    window: int = 5
    trust: float = 1.6
    reject: float = 2.4
    detail: float = 0.15

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def frame_weights(self, burst: Burst) -> FloatImage:
        """w of each pixel of a plane, float32 [T, h, w]; 0 for a frame that cannot be aligned (a `WeighingRestorer`)."""
        check_accepts(_INFO, burst)
        burst = linearise(burst)
        reference = split_frame(_expose_reference(burst))
        weights = np.zeros((burst.num_frames, *reference.shape[1:]), np.float32)
        for weight, part in zip(weights, self._list_parts(burst, reference), strict=True):
            if part is not None:
                weight[...] = part[1]
        weights[burst.reference_index] = 1
        return weights

    def _list_contributions(self, burst: Burst) -> Iterator[FloatImage]:
        check_accepts(_INFO, burst)
        burst = linearise(burst)
        image = _expose_reference(burst)
        reference = split_frame(image)
        for part in self._list_parts(burst, reference):
            if part is None:
                yield image
                continue
            planes, weight = part
            planes *= weight
            planes += reference
            yield join_frame(planes)

    def _list_parts(self, burst: Burst, reference: FloatImage) -> Iterator[tuple[FloatImage, FloatImage] | None]:
        """Of each frame its difference to the reference, in planes, and its weights; None of the reference and of what is not aligned."""
        alignment, (shot, read) = align_burst(burst), noise_levels(burst)
        signal = self._average(reference)
        structure = np.maximum(self._average(np.square(reference)) - np.square(signal), 0)
        noise = np.maximum(signal, 0) * np.float32(shot[burst.reference_index]) + np.float32(
            read[burst.reference_index]
        )
        allowed = self.detail**2 * np.maximum(structure - noise, 0)
        for index in range(burst.num_frames):
            if index == burst.reference_index or not alignment.aligned[index]:
                yield None
                continue
            planes, usable = resample_frame(
                burst, index, alignment.homographies[index], interpolation=cv2.INTER_LANCZOS4
            )
            planes -= reference
            planes *= usable
            expected = noise + np.maximum(signal, 0) * np.float32(shot[index]) + np.float32(read[index]) + allowed
            yield planes, self._weigh(planes, np.maximum(expected, _LEAST_VARIANCE))

    def _weigh(self, difference: FloatImage, expected: FloatImage) -> FloatImage:
        """Weights [H, W] of a difference of planes [P, H, W] of this expected square."""
        excess = self._average((np.square(difference) / expected).mean(0, keepdims=True))[0]
        weight = np.clip((self.reject - excess) / (self.reject - self.trust), 0, 1)
        return np.asarray(cv2.erode(weight, np.ones((self.window, self.window), np.uint8)), np.float32)

    def _average(self, planes: FloatImage) -> FloatImage:
        size = (self.window, self.window)
        return np.stack([cv2.blur(plane, size, borderType=cv2.BORDER_REFLECT_101) for plane in planes])


def _expose_reference(burst: Burst) -> FloatImage:
    """The reference in the exposure of ratio 1."""
    return np.asarray(burst.reference / np.float32(burst.exposure_ratio[burst.reference_index]), np.float32)
