"""What a restorer makes of subsets of a burst, by the cheapest way that it offers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from restorers import Burst, LinearMerge, Restorer, SubsetRestorer
from restorers.base import check_image
from restorers.errors import RestorationError


@dataclass(eq=False)
class Restorations:
    """Of one burst; whatever is prepared for them is prepared once, however many metrics look at them."""

    restorer: Restorer
    burst: Burst

    @cached_property
    def contributions(self) -> NDArray[np.float32]:
        """As `load_contributions`, of a linear merge."""
        assert isinstance(self.restorer, LinearMerge)
        return load_contributions(self.restorer, self.burst)

    @cached_property
    def restore(self) -> Callable[[frozenset[int]], NDArray[np.float32]]:
        """A function from the frames S to the image R(S)."""
        restorer, burst = self.restorer, self.burst
        if isinstance(restorer, LinearMerge):
            contributions = self.contributions
            return lambda members: contributions[sorted(members | {burst.reference_index})].mean(axis=0)
        if isinstance(restorer, SubsetRestorer):
            prepared = restorer.prepare(burst)
            return lambda members: restorer.fuse(prepared, sorted(members))
        return lambda members: restorer.restore(burst.subset(sorted(members)))


def load_contributions(restorer: LinearMerge, burst: Burst) -> NDArray[np.float32]:
    """The checked contributions of all frames, float32 [T, ...].

    Raises:
        RestorationError: if their number, shape or values are wrong.
    """
    contributions = restorer.contributions(burst)
    if len(contributions) != burst.num_frames:
        raise RestorationError(f"contributions: expected {burst.num_frames} images, got {len(contributions)}")
    for image in contributions:
        check_image(restorer.info, burst, image)
    return contributions
