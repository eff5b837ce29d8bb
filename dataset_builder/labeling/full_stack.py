"""`mef_ssim`: how much of what the frames of a series show, each as it was taken, is kept by what is restored from some of them.

What a restored image is compared with is always the full stack, so a frame is worth what only it shows: the lights of the shortest
exposure, the plane that is sharp in no other frame. Nothing is held out and no noise model is needed, so series of two frames have labels.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.labeling.game import MAX_ENUMERATED
from dataset_builder.labeling.restorations import Restorations
from dataset_builder.labeling.spaces import LUMA, to_space
from dataset_builder.labeling.stopping import find_resolution
from restorers import Burst, Restorer
from restorers.base import check_accepts, check_image
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import MetricConvention, crop_border
from restorers.imaging.color import linearise, to_display
from restorers.imaging.planes import align_completely
from restorers.imaging.stack_quality import SMALLEST_SIDE, StructureOfStack
from restorers.motion.align import align_burst


class StackGame:
    """Implements `estimators.Game`: v(S) says how much of the full stack the image that is restored from S keeps.

    Args:
        restorer: restorer of all subsets, of scale 1.
        burst: the series.
        metric: metric of kind `mef_ssim`.

    Raises:
        UnsupportedBurstError: if no frame can be aligned with the reference, or the frames are too small.
    """

    def __init__(self, restorer: Restorer, burst: Burst, metric: MetricConvention) -> None:
        check_accepts(restorer.info, burst)
        self._restorer, self._burst, self._metric = restorer, burst, metric
        self.num_frames, self.others = burst.num_frames, burst.others
        self.resolution = find_resolution(metric)
        self._known: dict[frozenset[int], float] = {}
        if min(burst.reference.shape[:2]) < SMALLEST_SIDE + 2 * metric.border:
            raise UnsupportedBurstError(
                f"{metric.name}: expected at least {SMALLEST_SIDE + 2 * metric.border} px on each side, got {burst.reference.shape[:2]}"
            )
        stack = np.stack([crop_border(luma, metric.border) for luma in see_stack(burst)])
        if len(stack) < 2:
            raise UnsupportedBurstError(f"{metric.name}: none of the other frames can be aligned to the reference")
        self._quality = StructureOfStack(stack)

    def value(self, members: frozenset[int]) -> float:
        """v(S)."""
        if members not in self._known:
            image = self._restore(members)
            check_image(self._restorer.info, self._burst, image)
            luma = to_space(image, self._metric.space, info=self._restorer.info, burst=self._burst)
            self._known[members] = self._quality.measure(crop_border(luma, self._metric.border))
        return self._known[members]

    def expect(self, subsets: Iterable[frozenset[int]]) -> None:
        """Nothing is done ahead."""

    def enumerate_values(self) -> NDArray[np.float64] | None:
        """v of all subsets by number; None where that would cost too much."""
        if len(self.others) >= MAX_ENUMERATED:
            return None
        subsets = (
            frozenset(frame for bit, frame in enumerate(self.others) if number >> bit & 1)
            for number in range(2 ** len(self.others))
        )
        return np.array([self.value(members) for members in subsets])

    def value_alone(self, index: int) -> float:
        """Not defined: a frame alone is part of the stack that it would be compared with."""
        raise UnsupportedBurstError(
            f"frame {index}: without ground truth only estimators that compare subsets are defined, such as leave_one_out"
        )

    value_as_reference = value_alone

    @cached_property
    def _restore(self) -> Any:
        return Restorations(self._restorer, self._burst).restore


def see_stack(burst: Burst) -> list[NDArray[np.float32]]:
    """Luma [H, W], 0..255, of every frame that can be aligned: at its own exposure, on the grid of the reference.

    Aligned by a similarity, which follows the change of magnification with focus; where a frame does not reach, the reference stands in.
    """
    linear = linearise(burst)
    stack = []
    for index, colours in align_completely(linear, align_burst(linear, "similarity")):
        shown = to_display(np.minimum(colours * np.float32(linear.exposure_ratio[index]), 1), linear)
        stack.append(np.asarray(255 * (shown @ LUMA), np.float32))
    return stack
