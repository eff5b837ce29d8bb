"""`mse_held_out`: frames that are kept out of the restoration stand in for the truth.

The noise of a held-out frame y is independent of what is restored from the others, so the expected squared error against it is that against
the scene which y shows plus a constant, which cancels in differences between subsets (DESIGN.md, section 5; the argument of Lehtinen et
al., "Noise2Noise", ICML 2018). Here the restored image is brought onto the grid of y, not y onto that of the reference: resampling loses
detail, and where it is the target that loses it, whatever blurs the restored image scores too well.

The way from one mosaic to another leads over interpolated colours, which errs where the scene is finest by about as much as a restored
image does. That error depends on the scene more than on what was restored, so it is computed once, for the colours that all frames
together tell (`Handheld`, whose colours are seen and not interpolated), and added to the held-out frame: a control variate.

Where a held-out frame shows something else than the reference, such as what moved, it is left out.

A held-out frame's own blur counts as the truth, so the sharpest frames are held out, each in turn (cross-fitting). How sharp a frame is
follows without knowing its noise: fine structure of the frame is regressed on that of what is restored from all others, whose noise is
independent. The slope is 1 for a frame as sharp as those together, less for a blurred one.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.game import MAX_LINEAR, enumerate_mse
from dataset_builder.labeling.restorations import Restorations, load_contributions
from dataset_builder.labeling.spaces import to_space
from dataset_builder.labeling.without_truth import mean_square
from restorers import Burst, Domain, LinearMerge, Restorer
from restorers.base import check_accepts, check_image
from restorers.burst import FloatImage
from restorers.classical.handheld import Handheld
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import MetricConvention
from restorers.imaging.mosaic import join_planes, mosaic, resample_planes, split_planes
from restorers.imaging.planes import resample_colours
from restorers.motion.align import align_burst

MAX_HELD_OUT = 4
MIN_OVERLAP = 0.5
"""Frames that show less than this share of the reference are not held out."""
MOVING = 4.0
"""Standard deviations by which the mean over a window must differ to count as something that moved."""
MIN_STILL = 0.25
"""Share of what is shown that must be left without that; else the frame is taken as it is."""
_WINDOW = 5
"""Side of those windows, in pixels of a plane."""
_DARK = 0.02
FINE_STRUCTURE = 1.5
"""What a Gaussian of this many pixels of a colour's plane takes away tells how sharp a frame is."""


class HeldOutFrames:
    """Implements `without_truth.Comparison` with one part for each of the `MAX_HELD_OUT` sharpest frames.

    Args:
        restorer: restorer of all subsets.
        burst: mosaics, or frames in colour.
        metric: metric of kind `held_out`.
        colours: gives what `see_colours` sees of the burst, to whoever compares several restorers on it.

    Raises:
        UnsupportedBurstError: if fewer than 3 frames can be aligned with the reference.
    """

    def __init__(
        self,
        restorer: Restorer,
        burst: Burst,
        metric: MetricConvention,
        colours: Callable[[], FloatImage] | None = None,
    ) -> None:
        check_accepts(restorer.info, burst)
        self._colours = colours or cache(lambda: see_colours(burst))
        self.restorer, self.burst, self.metric = restorer, burst, metric
        alignment = align_burst(burst)
        self._to_reference = np.linalg.inv(alignment.homographies)
        shown = {index: self._find_shown(index) for index in burst.others if alignment.aligned[index]}
        found = [index for index, mask in shown.items() if mask.mean() >= MIN_OVERLAP]
        if len(found) < 3:
            raise UnsupportedBurstError(
                f"{metric.name}: {len(found)} of {burst.num_frames - 1} frames can be aligned to the reference, needed are 3"
            )
        self._known: dict[frozenset[int], NDArray[np.float64]] = {}
        if len(found) > MAX_HELD_OUT:
            slopes = np.array([self._measure_sharpness(index, shown[index]) for index in found])
            found = [found[place] for place in sorted(np.argsort(-slopes, kind="stable")[:MAX_HELD_OUT])]
        self._targets = found
        self._expected = [self._expose(index) + self._find_interpolation_error(index) for index in self._targets]
        self._shown = [self._leave_out_moving(part, shown[index]) for part, index in enumerate(self._targets)]
        self.num_parts = len(self._targets)

    def list_others(self, part: int) -> tuple[int, ...]:
        """All but the reference and the held-out frame."""
        return tuple(index for index in self.burst.others if index != self._targets[part])

    def compare(self, members: frozenset[int]) -> NDArray[np.float64]:
        """−MSE on the grid of each held-out frame that is not among the members, else NaN."""
        if members not in self._known:
            image = self._restore(members)
            parts = [
                self._part(image, part) if target not in members else None for part, target in enumerate(self._targets)
            ]
            self._known[members] = np.array([np.nan if part is None else -np.mean(np.square(part)) for part in parts])
        return self._known[members]

    def enumerate_values(self, part: int) -> NDArray[np.float64] | None:
        """From Gram matrices, for linear merges into the frames' own domain and scale."""
        others = self.list_others(part)
        if self._contributions is None or len(others) >= MAX_LINEAR:
            return None
        order = [self.burst.reference_index, *others]
        return -enumerate_mse(mean_square(np.stack([self._part(self._contributions[index], part) for index in order])))

    @cached_property
    def _contributions(self) -> NDArray[np.float32] | None:
        info = self.restorer.info
        plain = info.scale == 1 and info.output_for(self.burst.domain) is self.burst.domain
        return (
            load_contributions(self.restorer, self.burst) if isinstance(self.restorer, LinearMerge) and plain else None
        )

    @cached_property
    def _restore(self) -> Any:
        return Restorations(self.restorer, self.burst).restore

    def _part(self, image: NDArray[Any], part: int) -> NDArray[np.float64]:
        """Difference between an image on the grid of the reference and a held-out frame, where both are known."""
        target = self._targets[part]
        difference: NDArray[np.float64] = self._bring_to(image, target).astype(np.float64) - self._expected[part]
        return difference[self._shown[part]]

    def _leave_out_moving(self, part: int, shown: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """What of a held-out frame shows the scene of the reference.

        Where something moved, or hides either, the two differ over an area by more than noise and interpolation make them. How much that
        is follows from their differences themselves, which are those of a still scene almost everywhere (median absolute deviation).
        """
        alone = self._bring_to(self._restore(frozenset()), self._targets[part])
        difference = _smooth(alone - self._expected[part], self.burst)
        # Shot noise grows with the signal; what is added stands for noise without it.
        spread = difference / np.sqrt(np.maximum(_smooth(self._expose(self._targets[part]), self.burst), 0) + _DARK)
        centred = np.abs(spread - np.median(spread[shown]))
        moved = (centred > MOVING * 1.4826 * np.median(centred[shown])).astype(np.uint8)
        still: NDArray[np.bool_] = shown & (cv2.dilate(moved, np.ones((2 * _WINDOW - 1,) * 2, np.uint8)) == 0)
        return still if still.sum() >= MIN_STILL * shown.sum() else shown

    def _measure_sharpness(self, index: int, shown: NDArray[np.bool_]) -> float:
        """Slope of a frame's fine structure over that of what is restored from all others."""
        image = self._restore(frozenset(self.burst.others) - {index})
        merged, own = (
            self._extract_fine_structure(each, shown) for each in (self._bring_to(image, index), self._expose(index))
        )
        energy = float(merged @ merged)
        return float(merged @ own) / energy if energy > 0 else 0.0

    def _extract_fine_structure(self, image: NDArray[Any], shown: NDArray[np.bool_]) -> NDArray[np.float64]:
        single = np.asarray(image, np.float32)
        if self.burst.cfa is None:
            planes = [(single, shown)]
        else:
            planes = [(single[row::2, column::2], shown[row::2, column::2]) for row, column in np.ndindex(2, 2)]
        fine = [
            (plane - cv2.GaussianBlur(np.ascontiguousarray(plane), (0, 0), FINE_STRUCTURE))[mask].ravel()
            for plane, mask in planes
        ]
        return np.concatenate(fine).astype(np.float64)

    def _expose(self, index: int) -> NDArray[np.float64]:
        """A frame in the exposure of the reference; display values stay as they are."""
        linear = self.burst.domain is not Domain.SRGB
        exposed: NDArray[np.float64] = self.burst.frames[index] / (self.burst.exposure_ratio[index] if linear else 1.0)
        return exposed

    def _bring_to(self, image: NDArray[Any], index: int) -> NDArray[np.float32]:
        """A restored image in the frames' own domain, scale and mosaic, on the grid of a frame."""
        check_image(self.restorer.info, self.burst, image)
        space = to_space(image, self.metric.space, info=self.restorer.info, burst=self.burst)
        seen = np.asarray(space, np.float32)
        return self._resample_colours(seen, index) if self.burst.cfa is None else self._resample_mosaic(seen, index)

    def _resample_mosaic(self, image: FloatImage, index: int) -> FloatImage:
        assert self.burst.cfa is not None
        homography = self._to_reference[index]
        return join_planes(resample_planes(image, self.burst.cfa, homography, interpolation=cv2.INTER_LANCZOS4)[0])

    def _resample_colours(self, image: FloatImage, index: int) -> FloatImage:
        planes = resample_colours(image, self._to_reference[index], interpolation=cv2.INTER_LANCZOS4)[0]
        return np.asarray(np.moveaxis(planes, 0, -1), np.float32)

    def _find_interpolation_error(self, index: int) -> FloatImage | float:
        """What `_bring_to` makes of the mosaic of the scene, less the mosaic that the frame would show of it."""
        if self.burst.cfa is None:
            return 0.0
        colours = self._colours()
        shown = mosaic(self._resample_colours(colours, index), self.burst.cfa)
        return self._resample_mosaic(mosaic(colours, self.burst.cfa), index) - shown

    def _find_shown(self, index: int) -> NDArray[np.bool_]:
        """Pixels of a frame that the reference shows too, clear of borders and saturation."""
        height, width = self.burst.reference.shape[:2]
        inner = np.zeros((height, width), np.float32)
        border = self.metric.border
        inner[border : height - border, border : width - border] = 1
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        shown = cv2.warpPerspective(inner, self._to_reference[index], (width, height), flags=flags) > 1 - 1e-4
        unsaturated = (self.burst.frames[index] < 1).reshape(height, width, -1).all(axis=-1)
        mask: NDArray[np.bool_] = shown & (inner > 0) & unsaturated
        return mask


def _smooth(image: NDArray[np.float64], burst: Burst) -> NDArray[np.float64]:
    """Mean over windows: of each plane of a mosaic, or of the mean of the channels."""
    if burst.cfa is None:
        return np.asarray(cv2.blur(image.mean(axis=-1), (2 * _WINDOW - 1,) * 2))
    planes = split_planes(image.astype(np.float32))
    return join_planes(np.stack([cv2.blur(plane, (_WINDOW, _WINDOW)) for plane in planes])).astype(np.float64)


def see_colours(burst: Burst) -> FloatImage:
    """Camera RGB [H, W, 3] of the scene of a burst of mosaics.

    Kernels are smoother and more stretched along edges than those for looking at: here noise costs more than the finest detail.
    """
    return Handheld(scale=1, detail=0.3, noisy_detail=0.4, denoise=12, stretch=4, shrink=2).restore(burst)
