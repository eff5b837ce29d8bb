"""Sources of real bursts, as a recipe states them; one kind for each layout on disk."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

from pydantic import Field, field_validator, model_validator

from dataset_builder.settings import Part, SourcePart, require_inside

Estimate = Literal["noise", "exposure", "sharpness", "motion", "occlusion"]
ESTIMATES: tuple[Estimate, ...] = ("noise", "exposure", "sharpness", "motion", "occlusion")
ReferenceRule = Literal["first", "sharpest", "medoid"]


class CropChoice(Part):
    """Windows of large frames that become bursts of their own, beside the whole one.

    Attributes:
        rule: `grid` spreads them evenly, `textured` takes those with most fine structure in the reference, `given` those at `corners`.
        count: how many, for `grid` and `textured`.
        height: of a crop, pixels, even.
        width: of a crop, pixels, even.
        corners: x and y of the top-left pixel of each, even, for `given`.
    """

    rule: Literal["grid", "textured", "given"] = "grid"
    count: int = Field(default=4, ge=1, le=1024)
    height: int = Field(default=256, ge=32, le=8192, multiple_of=2)
    width: int = Field(default=256, ge=32, le=8192, multiple_of=2)
    corners: tuple[tuple[int, int], ...] = ()

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


class CaptureSource(SourcePart):
    """What every source of real bursts has.

    Attributes:
        reference_index: the reference frame; null leaves it to the source, which may name one, else to `reference_rule`.
        reference_rule: the first frame, the sharpest, or the medoid: the one to which the others moved least.
        crops: windows to cut out as bursts of their own; null for none.
        estimate: what to estimate from the pixels where the files do not say it.
    """

    kind: str
    reference_index: int | None = Field(default=None, ge=0)
    reference_rule: ReferenceRule = "first"
    crops: CropChoice | None = None
    estimate: tuple[Estimate, ...] = ()


class FolderSource(CaptureSource):
    """Bursts of one file per frame, a sub-folder each; or, with `group`, many in one folder.

    Attributes:
        folders: below root; all sub-folders there when empty, or root itself if it has none.
        group: how the files of a folder that holds many bursts belong together: `stem`, names that differ in their last number;
            `gap`, EXIF times; `pattern`, a regular expression. Null: a folder is a burst.
        gap_seconds: a longer pause begins a new burst.
        pattern: regular expression with a group `(?P<burst>…)` and perhaps `(?P<frame>…)`; files that do not match are passed over.
    """

    kind: Literal["folders"]
    folders: tuple[str, ...] = ()
    group: Literal["stem", "gap", "pattern"] | None = None
    gap_seconds: float = Field(default=2.0, gt=0)
    pattern: str | None = None

    @field_validator("folders")
    @classmethod
    def _check_folders(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return require_inside(value)

    @model_validator(mode="after")
    def _check_pattern(self) -> FolderSource:
        if (self.group == "pattern") != (self.pattern is not None):
            raise ValueError("pattern: expected one for the group pattern, and none for other groups")
        return self


class StackSource(CaptureSource):
    """Bursts of one file: TIFFs of several pages and videos.

    Attributes:
        files: below root; all of them there when empty.
        start: frame of a video to begin with, from 0.
        every: take one frame in so many.
        max_frames: frames of a burst at most.
    """

    kind: Literal["stacks"]
    files: tuple[str, ...] = ()
    start: int = Field(default=0, ge=0)
    every: int = Field(default=1, ge=1)
    max_frames: int = Field(default=30, ge=2, le=1000)

    @field_validator("files")
    @classmethod
    def _check_files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return require_inside(value)


class BurstSRSource(CaptureSource):
    """BurstSR (Bhat et al., CVPR 2021): Samsung bursts with a Canon photograph as truth."""

    kind: Literal["burstsr"]
    license: str = "BurstSR: research use, see the authors' page"
    split: Literal["train", "val", "test", "folders"] | None = "folders"


class SyntheticBurstSource(CaptureSource):
    """The validation set SyntheticBurst (Bhat et al., CVPR 2021)."""

    kind: Literal["synthetic_burst"]
    license: str = "SyntheticBurst: derived from Zurich RAW-to-RGB, research use"
    split: Literal["train", "val", "test", "folders"] | None = "val"


class HdrPlusSource(CaptureSource):
    """The HDR+ burst photography data set (Hasinoff et al., SIGGRAPH Asia 2016).

    Attributes:
        results: folder below root whose `merged.dng` and `reference_frame.txt` are used; null takes the first `results_*` there is.
    """

    kind: Literal["hdrplus"]
    license: str = "CC-BY-SA-4.0"
    results: str | None = None

    @field_validator("results")
    @classmethod
    def _check_results(cls, value: str | None) -> str | None:
        return None if value is None else require_inside((value,))[0]


class KernelSource(CaptureSource):
    """Test bursts of kernel- and basis-prediction networks (Mildenhall et al. 2018; Xia et al. 2020), one `.npz` each."""

    kind: Literal["kpn"]
    split: Literal["train", "val", "test", "folders"] | None = "test"


class PhotoTriageSource(CaptureSource):
    """Photo Triage (Chang et al., SIGGRAPH 2016): photo series with pairwise preferences.

    Attributes:
        train_pairs: list below root; its series go to the split train. Null for none.
        val_pairs: the same for val.
        images: folder below root with `%06d-%02d.JPG`.
        min_preference: series whose strongest pair is preferred by a smaller share are left out.
        votes_per_pair: judgements behind each pair, which the lists do not tell; standard errors shrink with its square root.
    """

    kind: Literal["photo_triage"]
    license: str = "Photo Triage: research use, see the authors' page"
    train_pairs: str | None = "train_pairlist.txt"
    val_pairs: str | None = "val_pairlist.txt"
    images: str = "train_val_imgs"
    min_preference: float = Field(default=0.6, ge=0.5, le=1)
    votes_per_pair: float = Field(default=1.0, gt=0)

    @field_validator("train_pairs", "val_pairs", "images")
    @classmethod
    def _check_paths(cls, value: str | None) -> str | None:
        return None if value is None else require_inside((value,))[0]


class SpaqSource(CaptureSource):
    """SPAQ (Fang et al., CVPR 2020): photographs with mean opinion scores, grouped by what they look like.

    Attributes:
        max_distance: bits in which the hashes of neighbours may differ, of 64.
        min_correlation: of their thumbnails.
        max_frames: of a pseudo-burst; larger groups are cut.
        frame_side: px of the longer side that photographs are brought to, so that a group is of one size.
        ratings_per_image: opinions behind each score, which the table does not tell; standard errors shrink with its square root.
    """

    kind: Literal["spaq"]
    license: str = "SPAQ: research use, see the authors' page"
    max_distance: int = Field(default=12, ge=0, le=32)
    min_correlation: float = Field(default=0.8, ge=0, le=1)
    max_frames: int = Field(default=8, ge=2, le=100)
    frame_side: int = Field(default=1024, ge=64, le=8192, multiple_of=2)
    ratings_per_image: float = Field(default=15.0, gt=0)


CAPTURE_KINDS: Mapping[str, type[CaptureSource]] = MappingProxyType(
    {
        "folders": FolderSource,
        "stacks": StackSource,
        "burstsr": BurstSRSource,
        "synthetic_burst": SyntheticBurstSource,
        "hdrplus": HdrPlusSource,
        "kpn": KernelSource,
        "photo_triage": PhotoTriageSource,
        "spaq": SpaqSource,
    }
)
AnyCaptureSource = (
    FolderSource
    | StackSource
    | BurstSRSource
    | SyntheticBurstSource
    | HdrPlusSource
    | KernelSource
    | PhotoTriageSource
    | SpaqSource
)
