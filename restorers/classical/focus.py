"""Focus stacking by selection in Laplacian pyramids (Ogden et al. 1985; Burt & Kolczynski, ICCV 1993)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from restorers.align import align_burst
from restorers.base import RestorerInfo, check_accepts
from restorers.burst import Burst, Domain, FloatImage
from restorers.classical.planes import MERGED_DOMAINS, align_completely
from restorers.color import linearise

_INFO = RestorerInfo(
    task="focus",
    version="1",
    input_domains=MERGED_DOMAINS,
    output_domain=Domain.LINEAR_RGB,
    summary="Laplacian pyramids of the aligned frames, each coefficient from the frame of largest local energy",
    paper="Burt & Kolczynski, Enhanced image capture through fusion, 1993",
)


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

    At every level of a Laplacian pyramid and every position, the coefficients of all colours come from the frame whose detail has
    the largest energy within a window. Energies of finer levels are handed on to the coarser ones: what is in focus shows most in
    the finest detail, and blur moves coarse structure before it removes it. Mosaics are demosaicked first. Frames are aligned by a
    similarity, which follows the change of magnification with focus; where a frame does not reach, the reference stands in, and
    frames that cannot be aligned are left out. The output is not clipped.

    The prepared state takes 5.3 floats per pixel of every frame: 5.3 times the size of a burst of mosaics, 1.8 times that of RGB.
    `restore` holds that of two frames.

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
        return _stack(pyramid for _, pyramid in self._decompose_frames(burst))

    def prepare(self, burst: Burst) -> PreparedBurst:
        """Align every frame and build its pyramid."""
        return PreparedBurst(dict(self._decompose_frames(burst)), burst.reference_index)

    def fuse(self, prepared: PreparedBurst, members: Sequence[int]) -> FloatImage:
        """Stack the reference and the frames `members`."""
        wanted = sorted({prepared.reference_index, *members})
        return _stack(prepared.pyramids[index] for index in wanted if index in prepared.pyramids)

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


def _stack(pyramids: Iterable[Pyramid]) -> FloatImage:
    """Take each coefficient from the pyramid of largest energy, the first of equals, and put the image together."""
    best: list[FloatImage] = []
    energy: list[FloatImage] = []
    for layers, energies in pyramids:
        if not best:
            best, energy = ([each.copy() for each in images] for images in (layers, energies))
            continue
        for level, (layer, own) in enumerate(zip(layers, energies, strict=True)):
            np.copyto(best[level], layer, where=(own > energy[level])[..., None])
            np.maximum(energy[level], own, out=energy[level])
    image = best.pop()
    while best:
        detail = best.pop()
        detail += np.asarray(cv2.pyrUp(image, dstsize=(detail.shape[1], detail.shape[0])), np.float32)
        image = detail
    return image
