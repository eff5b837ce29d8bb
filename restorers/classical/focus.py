"""Focus stacking by selection in Laplacian pyramids (Ogden et al. 1985; Burt & Kolczynski, ICCV 1993)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from restorers.align import align_burst
from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatImage
from restorers.classical.planes import MERGED_DOMAINS, align_colours
from restorers.color import linearise

_INFO = RestorerInfo(
    task="focus",
    version="1",
    input_domains=MERGED_DOMAINS,
    output_domain=Domain.LINEAR_RGB,
    summary="Laplacian pyramids of the aligned frames, each coefficient from the frame of largest local energy",
    paper="Burt & Kolczynski, Enhanced image capture through fusion, 1993",
)


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """Per frame index: Laplacian pyramid, finest first, float32 [h, w, 3] each, and the energy of each level, float32 [h, w]."""

    pyramids: dict[int, tuple[list[FloatImage], list[FloatImage]]]
    reference_index: int


@dataclass(frozen=True)
class FocusStack:
    """Focus stacking (a `SubsetRestorer`): everything sharp that was sharp in any frame, in linear camera RGB.

    At every level of a Laplacian pyramid and every position, the coefficients of all colours come from the frame whose detail has
    the largest energy within a window. Energies of finer levels are handed on to the coarser ones: what is in focus shows most in
    the finest detail, and blur moves coarse structure before it removes it. Mosaics are demosaicked first. Frames are aligned by a
    similarity, which follows the change of magnification with focus; where a frame does not reach, the reference stands in, and
    frames that cannot be aligned are left out. The output is not clipped.

    The prepared state takes 1.8 times the float32 size of RGB frames.

    Attributes:
        levels: of the pyramid besides the coarsest; fewer if the image is small.
        window: standard deviation of the Gaussian that averages energies, in pixels of the level.
        consistency: how much the energy of the next finer level counts.
    """

    levels: int = 5
    window: float = 4.0
    consistency: float = 8.0

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Stack all frames, float32 [H, W, 3]."""
        return self.fuse(self.prepare(burst), burst.others)

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Align every frame and build its pyramid."""
        check_accepts(_INFO, burst)
        burst = linearise(burst)
        alignment = align_burst(burst, "similarity")
        own = align_colours(burst, burst.reference_index, alignment)
        assert own is not None
        pyramids = {}
        for index in range(burst.num_frames):
            aligned = own if index == burst.reference_index else align_colours(burst, index, alignment, saturated=True)
            if aligned is not None:
                colours = own[0] if index == burst.reference_index else np.where(aligned[1], aligned[0], own[0])
                pyramids[index] = self._decompose(np.ascontiguousarray(np.moveaxis(colours, 0, -1)))
        return PreparedBurst(pyramids, burst.reference_index)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Stack the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        chosen = [prepared.pyramids[index] for index in wanted if index in prepared.pyramids]
        image: FloatImage | None = None
        for level in reversed(range(len(chosen[0][1]))):
            best, energy = chosen[0][0][level].copy(), chosen[0][1][level].copy()
            for pyramid, energies in chosen[1:]:
                better = energies[level] > energy
                best[better] = pyramid[level][better]
                np.maximum(energy, energies[level], out=energy)
            image = best if image is None else best + cv2.pyrUp(image, dstsize=(best.shape[1], best.shape[0]))
        assert image is not None
        return image

    def _decompose(self, image: FloatImage) -> tuple[list[FloatImage], list[FloatImage]]:
        pyramid: list[FloatImage] = []
        energies: list[FloatImage] = []
        inherited: FloatImage | None = None
        while len(pyramid) < self.levels and min(image.shape[:2]) >= 8:
            smaller = np.asarray(cv2.pyrDown(image), np.float32)
            detail = image - np.asarray(cv2.pyrUp(smaller, dstsize=(image.shape[1], image.shape[0])), np.float32)
            energy = np.asarray(cv2.GaussianBlur(np.square(detail.mean(-1)), (0, 0), self.window), np.float32)
            if inherited is not None:
                energy += np.float32(self.consistency) * inherited
            energies.append(energy)
            pyramid.append(detail)
            inherited, image = np.asarray(cv2.pyrDown(energy), np.float32), smaller
        coarsest = np.zeros(image.shape[:2], np.float32) if inherited is None else inherited
        return [*pyramid, image], [*energies, coarsest]
