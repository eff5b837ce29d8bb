"""What every source of real bursts states and can do; `kinds/` has one for each layout on disk."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from dataset_builder.ingest.reader import Finding
from dataset_builder.judgements.annotations import Annotations
from dataset_builder.settings import Part, SourcePart
from dataset_builder.settings.roots import Layout
from dataset_builder.work.local import Workers

Estimate = Literal["noise", "exposure", "sharpness", "motion", "occlusion"]
ESTIMATES: tuple[Estimate, ...] = ("noise", "exposure", "sharpness", "motion", "occlusion")
ReferenceRule = Literal["first", "sharpest", "medoid"]


class CropChoice(Part):
    """Windows of large frames that become bursts of their own, beside the whole one.

    Attributes:
        rule: `grid` spreads them evenly, `textured` takes those with most fine structure in the reference, `given` those at `corners`.
        count: how many, for `grid` and `textured`.
        height: height of a crop, pixels, even.
        width: width of a crop, pixels, even.
        corners: x and y of the top-left pixel of each, even, for `given`.
        whole: whether the whole burst is taken in, too; else crops stand for it.
    """

    rule: Literal["grid", "textured", "given"] = "grid"
    count: int = Field(default=4, ge=1, le=1024)
    height: int = Field(default=256, ge=32, le=8192, multiple_of=2)
    width: int = Field(default=256, ge=32, le=8192, multiple_of=2)
    corners: tuple[tuple[int, int], ...] = ()
    whole: bool = True

    @model_validator(mode="after")
    def _check_corners(self) -> CropChoice:
        if (self.rule == "given") != bool(self.corners):
            raise ValueError("corners: expected some for the rule given, and none for other rules")
        for corner in self.corners:
            if min(corner) < 0 or corner[0] % 2 or corner[1] % 2:
                raise ValueError(f"corners: expected even numbers >= 0, got {list(corner)}")
        return self

    @property
    def total(self) -> int:
        """Number of crops."""
        return len(self.corners) or self.count


class CaptureSource(SourcePart, ABC):
    """A source of real bursts; the first paragraph of a kind's docstring is the help of its command.

    Attributes:
        reference_index: the reference frame; null leaves it to the source, which may name one, else to `reference_rule`.
        reference_rule: the first frame, the sharpest, or the medoid: the one to which the others moved least.
        crops: windows to cut out as bursts of their own; null for none.
        estimate: what to estimate from the pixels where the files do not say it.
        strip_metadata: whether to leave out of stored files what is neither pixels nor what they mean: places, serial numbers, names.
        command: what follows `buiqa ingest` to add one of this kind.
        judged_as: scenario that people's judgements of its frames become; empty for kinds without.
    """

    command: ClassVar[str]
    judged_as: ClassVar[str] = ""

    kind: str
    reference_index: int | None = Field(default=None, ge=0)
    reference_rule: ReferenceRule = "first"
    crops: CropChoice | None = None
    estimate: tuple[Estimate, ...] = ()
    strip_metadata: bool = False

    @model_validator(mode="after")
    def _check_whole(self) -> Self:
        if self.judged_as and self.crops is not None and not self.crops.whole:
            raise ValueError("crops.whole: expected true, for people judged whole frames")
        return self

    @property
    def layout(self) -> Layout:
        """What the root must hold, as patterns; empty where anything goes."""
        return ()

    def survey(self, root: Path, dataset: Path, workers: Workers) -> Self:  # noqa: ARG002  # most kinds go by names and headers
        """The same source, which knows what must be decoded to find its bursts; workers do that.

        Args:
            root: its folder.
            dataset: where results of work may wait.
            workers: who decodes; what is found does not depend on it.

        Raises:
            SourceError: as `find_bursts`.
        """
        return self

    @abstractmethod
    def find_bursts(self, root: Path) -> Iterator[Finding]:
        """Its bursts below `root`, in a fixed order; those that cannot be used say why.

        Raises:
            SourceError: if the root does not have the layout of the kind.
        """

    def read_annotations(self, root: Path) -> Annotations | None:  # noqa: ARG002  # most kinds have none to look for
        """What people said of the frames; None where nobody was asked.

        Raises:
            SourceError: if it cannot be read.
        """
        return None
