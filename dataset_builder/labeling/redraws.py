"""A synthetic burst of a data set with other noise: the same scene, motion and exposure, rendered again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

from dataset_builder.errors import SourceError
from dataset_builder.labeling.units import LoadedBurst
from dataset_builder.records.loading import assemble_burst
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.unit import Desk
from restorers import Burst


@dataclass(frozen=True, eq=False)
class RedrawnBurst(LoadedBurst):
    """As `LoadedBurst`, with the truth and the masks of the data set, which noise does not touch.

    Attributes:
        maker: what rendered the burst.
        redraw: which of the other draws of the noise, from 1; the noise follows from the burst's seed and this number.
    """

    maker: SynthesisUnit
    redraw: int

    @cached_property
    def burst(self) -> Burst:
        """What restorers see.

        Raises:
            SourceError: if the burst was rendered otherwise than it would be now.
        """
        if self.rows.burst["burst_key"] != self.maker.key:
            raise SourceError(f"burst {self.maker.burst_id}: would now be rendered otherwise; build it again first")
        _, rendered = replace(self.maker, redraw=self.redraw).render(Desk())
        return assemble_burst(self.rows.burst, self.rows.frames, rendered.frames)
