"""Units of work that take in real bursts, whatever kind of files they come in."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.frame import LensShading
from dataset_builder.errors import ChangedSourceError, DuplicateFrameError, FrameSizeError, SourceError
from dataset_builder.ingest.crops import CROPS_VERSION, Window, find_textured, spread_grid
from dataset_builder.ingest.doubts import find_doubt
from dataset_builder.ingest.files import require_frames
from dataset_builder.ingest.leveling import cut_shading, match_levels
from dataset_builder.ingest.measures import (
    MEASURES_VERSION,
    FrameView,
    choose_reference,
    describe_odd,
    hash_frame,
    measure_noise,
    relate_views,
    view_frame,
)
from dataset_builder.ingest.reader import BurstReader, Truth
from dataset_builder.ingest.source import CropChoice, Estimate, ReferenceRule
from dataset_builder.ingest.storing import (
    STORE_VERSION,
    BackgroundWriter,
    StoredFrame,
    relate_captures,
    store_frame,
    strip_frame,
)
from dataset_builder.records.rows import Origin, make_burst_row, make_frame_row
from dataset_builder.work.staging import open_stage
from dataset_builder.work.unit import Desk, hash_facts
from manifests.images.appearance import hash_reference
from manifests.images.pixels import apply_orientation, read_pixels, write_png
from manifests.schema.words import DOUBTFUL

_ESTIMATED_COLUMNS: Mapping[str, Estimate] = {
    "shot_noise": "noise",
    "read_noise": "noise",
    "exposure_ratio": "exposure",
    "sharpness": "sharpness",
    "homography": "motion",
    "displacement": "motion",
    "occlusion": "occlusion",
}


@dataclass(frozen=True)
class CropPlan:
    """The crop that a unit is about: number `index` of those that a choice gives."""

    choice: CropChoice
    index: int


@dataclass(frozen=True)
class CaptureUnit:
    """One real burst to take in, or one crop of it.

    Attributes:
        burst_id: identifier of the burst.
        origin: origin of its files.
        where: folder or file of its files, for messages.
        reader: reader of its frames.
        reference_index: that the recipe gives; None leaves it to the reader, else to the rule.
        reference_rule: how the reference is chosen.
        crop: to cut out; None for whole frames.
        estimates: what to estimate where the files do not say it.
        strip_metadata: whether stored files are to tell nothing but their pixels.
    """

    burst_id: str
    origin: Origin
    where: Path
    reader: BurstReader
    reference_index: int | None
    reference_rule: ReferenceRule
    crop: CropPlan | None
    estimates: tuple[Estimate, ...]
    strip_metadata: bool = False

    @cached_property
    def key(self) -> str:
        """SHA-256 of everything declared that the stored burst depends on."""
        crop = self.crop
        measured = self.estimates or (self.reference_rule != "first" and self.reference_index is None)
        return hash_facts(
            {
                "stage": "ingest",
                "version": STORE_VERSION,
                "frames": self.origin.sha256,
                "reader": _describe_reader(self.reader),
                "reference": [self.reference_index, self.reference_rule],
                "crop": None
                if crop is None
                else [CROPS_VERSION, crop.choice.model_dump(mode="json", exclude={"whole"}), crop.index],
                "estimates": [MEASURES_VERSION if measured else None, *self.estimates],
                "folder": self.folder,
                "strip_metadata": self.strip_metadata,
            }
        )

    @property
    def stands_alone(self) -> bool:
        """Whether it is the burst itself, or the first of the crops that stand for it."""
        return self.crop is None or (not self.crop.choice.whole and self.crop.index == 0)

    @property
    def subject(self) -> str:
        """The burst."""
        return self.burst_id

    @property
    def part(self) -> str:
        """Where its result waits for the manifest."""
        return f"bursts/{self.burst_id}"

    @property
    def folder(self) -> str:
        """Where its files go, relative to the data set."""
        return f"frames/{self.origin.source}/{self.burst_id}"

    def run(self, root: Path, desk: Desk) -> Mapping[str, Any]:  # noqa: ARG002  # as every unit
        """Check and store the frames one after the other on a stage, return their rows."""
        stage, root = open_stage(root)
        by_rule = (
            self.reference_index is None and self.reader.reference_index is None and self.reference_rule != "first"
        )
        reader = self.reader.resolve(look=bool(self.crop or self.estimates or by_rule))
        require_frames(self.where, len(reader.names))
        given = reader.reference_index if self.reference_index is None else self.reference_index
        if given is not None and given >= len(reader.names):
            raise SourceError(
                f"{self.where}: reference_index {given}, but there are {len(reader.names)} frames; choose a smaller one"
            )
        window = None if self.crop is None else self._find_window(reader, given or 0)
        # Where the reference is known beforehand, it need not be read again to see what it looks like.
        sure = given if given is not None else 0 if self.reference_rule == "first" else None
        with BackgroundWriter() as writer:
            stored, views, appearance = self._store_frames(root, reader, window, sure, writer)
        reference = sure if sure is not None else choose_reference(views, self.reference_rule)
        self._require_different(root, stored)
        self._require_unchanged(stored)
        found = reader.read_truth()
        doubt = "" if found is None else find_doubt(reader.read(reference), found)
        truth = self._store_truth(root, found, stored[reference], window, doubt)
        frames = self._describe_frames(stored, views, reference)
        burst = make_burst_row(
            self.burst_id,
            burst_key=self.key,
            preset="ingested",
            crop=None if window is None else list(window),
            num_frames=len(stored),
            reference_index=reference,
            reference_rule="given" if given is not None else self.reference_rule,
            **stored[reference].describe_sensor(),
            **_describe_shading(reader.read_shading(reference), window, stored[reference]),
            **truth,
        )
        if sure is None:
            appearance = hash_reference(root, burst, frames)
        notes = [
            *reader.remarks,
            *([f"ground truth is doubtful: {doubt}"] if doubt else []),
            *describe_odd(views, reader.names),
        ]
        remarks = [f"{self.where}: {note}" for note in notes if self.stands_alone]
        burst = {**burst, "perceptual_hash": appearance}
        return {"burst": burst, "frames": frames, "stage": stage, "remarks": remarks}

    def _store_frames(
        self, root: Path, reader: BurstReader, window: Window | None, reference: int | None, writer: BackgroundWriter
    ) -> tuple[list[StoredFrame], list[FrameView], str | None]:
        """Decode, check and store frame after frame; what the measures need of each, and what the reference looks like if it is known."""
        with_views = bool(self.estimates) or reference is None
        stored: list[StoredFrame] = []
        views: list[FrameView] = []
        appearance: str | None = None
        for index, decoded in enumerate(reader.iterate()):
            found = strip_frame(decoded) if self.strip_metadata else decoded
            frame, name = match_levels(found, stored[0].sensor) if stored else found, reader.names[index]
            stored.append(
                store_frame(frame, root, self.folder, index, origin_name=name, window=window, write=writer.write)
            )
            self._require_equal(stored)
            cut = frame if window is None else stored[-1].cut(frame, window)
            if index == reference:
                appearance = hash_frame(cut)
            if with_views:
                # The whole frame shows more flat parts than a crop, whose noise is the same.
                views.append(view_frame(cut, measure_noise(frame) if "noise" in self.estimates else None))
        return stored, views, appearance

    def _find_window(self, reader: BurstReader, reference: int) -> Window:
        assert self.crop is not None
        choice, index = self.crop.choice, self.crop.index
        if choice.rule == "given":
            return Window(*choice.corners[index], choice.width, choice.height)
        frame = reader.read(reference)
        shape, size = frame.shape, (choice.height, choice.width)
        if choice.rule == "grid":
            return spread_grid(shape, size, choice.count)[index]
        found = find_textured(view_frame(frame).grey, shape, size, choice.count)
        if index >= len(found):
            raise FrameSizeError(
                f"{self.where}: room for {len(found)} crops of {choice.width} x {choice.height} px, but {choice.count} were asked for; "
                "choose fewer or smaller ones"
            )
        return found[index]

    def _require_equal(self, stored: Sequence[StoredFrame]) -> None:
        first, last = stored[0], stored[-1]
        if last.form != first.form:
            raise FrameSizeError(
                f"{self.where}: {last.origin_name} is {last.words}, but {first.origin_name} is {first.words}; "
                "frames of a burst must agree"
            )

    def _require_different(self, root: Path, stored: Sequence[StoredFrame]) -> None:
        known: dict[str, StoredFrame] = {}
        for frame in stored:
            for digest in (frame.sha256, frame.sample):
                other = known.setdefault(digest, frame) if digest else frame
                if other is not frame and (digest == frame.sha256 or self._look_alike(root, frame, other)):
                    raise DuplicateFrameError(
                        f"{self.where}: {frame.origin_name} holds the same pixels as {other.origin_name}; remove one"
                    )

    def _look_alike(self, root: Path, *frames: StoredFrame) -> bool:
        """Whether two stored frames have equal pixels, whatever else their files say."""
        first, second = (
            apply_orientation(read_pixels(root, f"{self.folder}/{frame.name}"), frame.orientation) for frame in frames
        )
        return bool(np.array_equal(first, second))

    def _require_unchanged(self, stored: Sequence[StoredFrame]) -> None:
        """The key, which says that these pixels are known, is that of the files as they were when they were listed."""
        copied = {frame.origin_name: frame.sha256 for frame in stored if frame.copied}
        if not self.reader.has_digest(self.origin.sha256, copied):
            raise ChangedSourceError(
                f"{self.where}: files were replaced while they were read; run the same command again"
            )

    def _store_truth(
        self, root: Path, truth: Truth | None, reference: StoredFrame, window: Window | None, doubt: str
    ) -> dict[str, Any]:
        if truth is None:
            return {"scale": 1}
        expected = (reference.full_height * truth.scale, reference.full_width * truth.scale)
        if truth.pixels.shape[:2] != expected:
            raise FrameSizeError(
                f"{self.where}: the ground truth has {truth.pixels.shape[1]} x {truth.pixels.shape[0]} px, expected "
                f"{expected[1]} x {expected[0]}: {truth.scale} for each pixel of a frame"
            )
        large = None if window is None else Window(*(truth.scale * side for side in window))
        row = {
            "scale": truth.scale,
            "ground_truth_kind": truth.kind,
            "ground_truth_method": "; ".join(filter(None, [truth.method, doubt and DOUBTFUL + doubt])) or None,
            "ground_truth_white": truth.white,
        }
        images: dict[str, Any] = {"ground_truth": truth.pixels}
        if truth.mask is not None:
            images["ground_truth_mask"] = np.where(truth.mask, np.uint8(255), np.uint8(0))
        for name, image in images.items():
            row[f"{name}_path"], row[f"{name}_sha256"] = self._write(
                root, name, image if large is None else large.cut(image)
            )
        return row

    def _write(self, root: Path, name: str, image: NDArray[np.uint8] | NDArray[np.uint16]) -> tuple[str, str]:
        path = f"{self.folder}/{name}.png"
        return path, hashlib.sha256(write_png(root, path, image)).hexdigest()

    def _describe_frames(
        self, stored: Sequence[StoredFrame], views: Sequence[FrameView], reference: int
    ) -> list[dict[str, Any]]:
        captures = relate_captures(stored, reference)
        size = {"height": stored[0].height, "width": stored[0].width}
        guesses = (
            relate_views(views, reference, **size, estimates=self.estimates) if self.estimates else [{}] * len(stored)
        )
        rows = []
        for index, (frame, capture, guess) in enumerate(zip(stored, captures, guesses, strict=True)):
            known = {**frame.describe(), **capture}
            new = {name: value for name, value in guess.items() if known.get(name) is None}
            estimated = [name for name in _ESTIMATED_COLUMNS if name in new] or None
            path, is_reference = f"{self.folder}/{frame.name}", index == reference
            rows.append(
                make_frame_row(
                    self.burst_id,
                    index,
                    path,
                    frame.sha256,
                    is_reference=is_reference,
                    **{**known, **new, "estimated": estimated},
                )
            )
        return rows


def _describe_shading(shading: LensShading | None, window: Window | None, reference: StoredFrame) -> dict[str, Any]:
    if shading is None:
        return {}
    if window is not None:
        shading = cut_shading(shading, window, (reference.full_height, reference.full_width))
    return {"lens_shading": list(shading.gains), "lens_shading_size": [shading.height, shading.width]}


def _describe_reader(reader: BurstReader) -> list[Any]:
    """Kind of a reader and the settings that it adds to the content of its files."""
    return [type(reader).__name__, reader.settings, reader.reference_index]
