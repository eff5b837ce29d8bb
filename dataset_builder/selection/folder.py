"""The burst in a folder of photographs or RAW files: every file is looked at once, by workers, and let go.

What stays of a frame is small: its facts, a grey view of at most a megapixel on disk, and a thumbnail.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.exif import CaptureFacts
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.errors import FrameSizeError, MissingSourceError, SourceError
from dataset_builder.ingest.files import FileFrames, require_frames
from dataset_builder.ingest.listing import Preference, choose_versions, name_some, read_folder
from dataset_builder.ingest.measures import FrameView, choose_reference, relate_views, view_frame
from dataset_builder.ingest.order import order_frames
from dataset_builder.ingest.source import ReferenceRule
from dataset_builder.records.thumbnails import shrink, shrink_and_develop
from dataset_builder.work.local import Workers
from dataset_builder.work.pieces import do_pieces
from dataset_builder.work.unit import Failure
from restorers import CFA, Domain

THUMBNAIL_SIDE = 256
"""Of the pictures for the contact sheet, pixels."""
MOST_FRAMES = 512
"""Of a burst; more is a collection."""


@dataclass(frozen=True)
class SeenFrame:
    """A frame that was looked at.

    Attributes:
        name: of its file.
        facts: of its capture.
        seconds: since the first frame; None where unknown.
        shape: rows and columns.
        bits: per sample.
        sensor: what its numbers mean.
        sharpness: that of its `FrameView`.
        measures: against the reference, as `relate_views` gives them: `homography` where there is one, `displacement`, `exposure_ratio`
            and `occlusion`.
        thumbnail: uint8 [h, w, 3], sRGB, the longer side at most `THUMBNAIL_SIDE`.
    """

    name: str
    facts: CaptureFacts
    seconds: float | None
    shape: tuple[int, int]
    bits: int
    sensor: SensorFacts
    sharpness: float
    measures: Mapping[str, Any]
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True)
class SeenBurst:
    """The burst of a folder.

    Attributes:
        folder: where its files are.
        frames: the frames in the order of capture.
        reference_index: the frame that stays whatever is chosen, on whose grid a burst is merged.
        grey: float32 [h, w], the reference in small, linear.
        remarks: what was left out or taken on trust.
    """

    folder: Path
    frames: tuple[SeenFrame, ...]
    reference_index: int
    grey: NDArray[np.float32]
    remarks: tuple[str, ...]

    @property
    def exposure_ratios(self) -> tuple[float | None, ...]:
        """Relative to the reference: by the metadata if all frames have them, else as measured; None where neither tells."""
        exposures = [frame.facts.exposure for frame in self.frames]
        known = [one for one in exposures if one is not None]
        if len(known) == len(exposures):
            return tuple(one / known[self.reference_index] for one in known)
        return tuple(frame.measures.get("exposure_ratio") for frame in self.frames)


@dataclass(frozen=True)
class _File:
    """A file to look at: a piece of work."""

    folder: str
    name: str
    place: int

    @property
    def cost(self) -> int:
        """Any file is worth a unit of its own."""
        return 1


def look_at_folder(
    folder: Path,
    scratch: Path,
    workers: Workers,
    *,
    reference: int | ReferenceRule = "medoid",
    prefer: Preference | None = None,
) -> SeenBurst:
    """Look at every photograph of a folder, as one burst.

    A file that cannot be read is left out with a remark.

    Args:
        folder: of the photographs; what lies in folders below is passed over.
        scratch: where views wait; whoever calls removes it.
        workers: who decodes; what is found does not depend on it.
        reference: the frame by its place in the order of capture, or how it is chosen.
        prefer: what `choose_versions` takes.

    Raises:
        SourceError: if there is no folder, fewer than two files can be read, or they are no burst: of several sizes or kinds.
    """
    names, remarks = _list_names(folder, prefer)
    files = [_File(os.fspath(folder.absolute()), name, place) for place, name in enumerate(names)]
    outcomes = do_pieces(look_at_file, files, scratch, workers, cost=1)
    failed = [outcome for outcome in outcomes if isinstance(outcome, Failure)]
    remarks += [f"left out {outcome.message}" for outcome in failed]
    seen = [(file, outcome) for file, outcome in zip(files, outcomes, strict=True) if not isinstance(outcome, Failure)]
    if len(seen) < 2 and failed:
        raise SourceError(f"{folder}: {len(seen)} of {len(names)} files can be read, as {failed[0].message}")
    found = order_frames([file.name for file, _ in seen], [outcome["facts"]["captured_at"] for _, outcome in seen])
    ordered = [seen[place] for place in found.order]
    _require_equal(folder, ordered)
    if isinstance(reference, int) and reference >= len(ordered):
        raise SourceError(f"{folder}: reference {reference}, but there are {len(ordered)} frames; choose a smaller one")
    views = [_read_view(scratch, file, outcome) for file, outcome in ordered]
    chosen = reference if isinstance(reference, int) else choose_reference(views, reference)
    height, width = ordered[0][1]["shape"]
    measures = relate_views(
        views, chosen, height=height, width=width, estimates=("exposure", "sharpness", "motion", "occlusion")
    )
    frames = tuple(
        _make_frame(scratch, file, outcome, seconds, measure)
        for (file, outcome), seconds, measure in zip(ordered, found.seconds, measures, strict=True)
    )
    return SeenBurst(folder, frames, chosen, np.array(views[chosen].grey), (*remarks, *found.remarks))


def look_at_file(root: Path, file: _File) -> dict[str, Any]:
    """Decode a file, in a worker; its view and thumbnail go to files of `root`, its facts come back.

    Raises:
        SourceError: if it cannot be read.
    """
    frame = FileFrames(Path(file.folder), (file.name,)).resolve(look=True).read(0)
    view = view_frame(frame)
    np.save(root / f"view-{file.place}.npy", view.grey)
    np.save(root / f"thumbnail-{file.place}.npy", _draw_thumbnail(frame))
    return {
        "facts": asdict(frame.facts),
        "sensor": asdict(frame.sensor),
        "shape": frame.shape,
        "bits": frame.bits,
        "factor": view.factor,
        "sharpness": view.sharpness,
        "grain": view.grain,
    }


def read_sensor(facts: Mapping[str, Any]) -> SensorFacts:
    """Undo `asdict` and JSON."""
    lists = {name: None if facts[name] is None else tuple(facts[name]) for name in ("white_balance", "color_matrix")}
    cfa = None if facts["cfa"] is None else CFA(facts["cfa"])
    return SensorFacts(**{**facts, **lists, "domain": Domain(facts["domain"]), "cfa": cfa})


def _list_names(folder: Path, prefer: Preference | None) -> tuple[list[str], list[str]]:
    """Names of the photographs, and remarks on what is passed over."""
    if not folder.is_dir():
        raise MissingSourceError(f"{folder}: no such folder; name the folder of a burst's photographs")
    content = read_folder(folder)
    names, left_out = choose_versions(content.frames, prefer)
    if not names:
        below = f"; name one of its folders ({name_some(content.folders)})" if content.folders else ""
        raise MissingSourceError(f"{folder}: expected a burst's photographs or RAW files, found none{below}")
    require_frames(folder, len(names))
    if len(names) > MOST_FRAMES:
        raise SourceError(f"{folder}: {len(names)} photographs are no burst; name a folder of at most {MOST_FRAMES}")
    remarks = [left_out] if left_out else []
    remarks += [f"left out {error}" for _, error in content.refused]
    if content.videos:
        remarks.append(f"passed over {len(content.videos)} videos ({name_some(content.videos)})")
    return names, remarks


def _require_equal(folder: Path, seen: Sequence[tuple[_File, Mapping[str, Any]]]) -> None:
    (first, expected), *others = seen
    for file, found in others:
        if _describe_form(found) != _describe_form(expected):
            raise FrameSizeError(
                f"{folder}: {file.name} is {_describe_form(found)}, but {first.name} is {_describe_form(expected)}; "
                "frames of a burst must agree: move the others away"
            )


def _describe_form(found: Mapping[str, Any]) -> str:
    height, width = found["shape"]
    cfa = found["sensor"]["cfa"]
    return f"{width} x {height} px of {found['bits']} bit, {found['sensor']['domain']}{f' {cfa}' if cfa else ''}"


def _read_view(root: Path, file: _File, found: Mapping[str, Any]) -> FrameView:
    # Mapped, so that a hundred of them need no memory of their own.
    grey = np.load(root / f"view-{file.place}.npy", mmap_mode="r")
    return FrameView(grey, float(found["factor"]), float(found["sharpness"]), None, float(found["grain"]))


def _make_frame(
    root: Path, file: _File, found: Mapping[str, Any], seconds: float | None, measures: Mapping[str, Any]
) -> SeenFrame:
    height, width = found["shape"]
    return SeenFrame(
        name=file.name,
        facts=CaptureFacts(**found["facts"]),
        seconds=seconds,
        shape=(int(height), int(width)),
        bits=int(found["bits"]),
        sensor=read_sensor(found["sensor"]),
        sharpness=float(found["sharpness"]),
        measures=measures,
        thumbnail=np.load(root / f"thumbnail-{file.place}.npy"),
    )


def _draw_thumbnail(frame: Frame) -> NDArray[np.uint8]:
    sensor = frame.sensor
    # Developed pictures are averaged as they are; 16 megapixels of float32 would take 200 MB.
    pixels = shrink(frame.pixels, THUMBNAIL_SIDE) if sensor.domain is Domain.SRGB else frame.pixels
    signal = pixels.astype(np.float32) - np.float32(sensor.black_level)
    signal /= np.float32(sensor.white_level - sensor.black_level)
    return shrink_and_develop(signal, asdict(sensor), THUMBNAIL_SIDE)
