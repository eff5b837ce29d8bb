"""Focus stacking in Laplacian pyramids (Ogden et al. 1985; Burt & Kolczynski, ICCV 1993)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatImage
from restorers.imaging.color import linearise
from restorers.imaging.planes import MERGED_DOMAINS, align_completely
from restorers.motion.align import align_burst

_INFO = RestorerInfo(
    task="focus",
    version="2",
    input_domains=MERGED_DOMAINS,
    output_domain=Domain.LINEAR_RGB,
    summary="Laplacian pyramids of the aligned frames, each coefficient weighted by a power of its local energy",
    paper="Burt & Kolczynski, Enhanced image capture through fusion, 1993",
)

_LEAST_ENERGY = np.float32(1e-8)
"""Far below that of noise: frames without detail count alike."""

Pyramid = tuple[list[FloatImage], list[FloatImage]]
"""Laplacian pyramid, finest first, float32 [h, w, 3] each, and the energy of each level, float32 [h, w]."""


@dataclass(frozen=True, eq=False)
class PreparedBurst:
    """Pyramids by frame index."""

    pyramids: dict[int, Pyramid]
    reference_index: int


@dataclass(frozen=True)
class FocusStack:
    """Focus stacking (a `SubsetRestorer`): everything sharp that was sharp in any frame, in linear camera RGB.

    At every level of a Laplacian pyramid and every position, the frames count by a power of the energy of their detail, of all colours,
    within a window. The sharpest decides where frames differ; where they are alike they are averaged, as in the paper, which takes noise
    away that picking the largest would pick. Energies of finer levels are handed on to the coarser ones: what is in focus shows most in
    the finest detail, and blur moves coarse structure before it removes it. Mosaics are demosaicked first. Frames are aligned by a
    similarity, which follows the change of magnification with focus; where a frame does not reach, the reference stands in, and
    frames that cannot be aligned are left out. The output is not clipped.

    The prepared state takes 5.3 floats per pixel of every frame: 5.3 times the size of a burst of mosaics, 1.8 times that of RGB.
    `restore` holds that of two frames.

    Attributes:
        levels: number of levels of the pyramid besides the coarsest; fewer if the image is small.
        window: standard deviation of the Gaussian that averages energies, in pixels of the level.
        consistency: how much the energy of the next finer level counts.
        power: power of the energy; 0 is the mean, more than 4 leaves the range of float32.
    """

    levels: int = 5
    window: float = 4.0
    consistency: float = 8.0
    power: float = 4.0

    @property
    def info(self) -> RestorerInfo:
        """Facts for callers."""
        return _INFO

    def restore(self, burst: Burst) -> FloatImage:
        """Stack all frames, float32 [H, W, 3]."""
        return self._stack(pyramid for _, pyramid in self._decompose_frames(burst))

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Align every frame and build its pyramid."""
        return PreparedBurst(dict(self._decompose_frames(burst)), burst.reference_index)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Stack the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        return self._stack(prepared.pyramids[index] for index in wanted if index in prepared.pyramids)

    def _stack(self, pyramids: Iterable[Pyramid]) -> FloatImage:
        """Average pyramids by their energies, and put the image together."""
        totals: list[FloatImage] = []
        sums: list[FloatImage] = []
        for layers, energies in pyramids:
            for level, (layer, energy) in enumerate(zip(layers, energies, strict=True)):
                weight = (energy + _LEAST_ENERGY) ** np.float32(self.power)
                if level == len(totals):
                    totals.append(layer * weight[..., None])
                    sums.append(weight)
                else:
                    totals[level] += layer * weight[..., None]
                    sums[level] += weight
        image: FloatImage | None = None
        for total, weights in zip(reversed(totals), reversed(sums), strict=True):
            total /= weights[..., None]  # noqa: PLW2901  # in place: it is needed no more
            if image is not None:
                total += np.asarray(cv2.pyrUp(image, dstsize=(total.shape[1], total.shape[0])), np.float32)  # noqa: PLW2901
            image = total
        assert image is not None
        return image

    def _decompose_frames(self, burst: Burst) -> Iterator[tuple[int, Pyramid]]:
        check_accepts(_INFO, burst)
        burst = linearise(burst)
        for index, colours in align_completely(burst, align_burst(burst, "similarity")):
            yield index, self._decompose(colours)

    def _decompose(self, image: FloatImage) -> Pyramid:
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
