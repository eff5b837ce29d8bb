"""SPAQ (Fang et al., CVPR 2020): phone photographs with opinion scores, as pseudo-bursts of photographs that look alike.

The set names no groups. Photographs are neighbours where their perceptual hashes differ in few bits, their thumbnails correlate (see
`manifests.images.appearance`), and they are of one size once their longer side is brought to `frame_side`. What hangs together by
neighbours is one scene, so that no split can part look-alikes; a scene is cut, in natural order, into pseudo-bursts of at most
`max_frames`.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, Self

import cv2
import numpy as np
from pydantic import Field, PrivateAttr

from dataset_builder.decoding.extras import MissingReaderError
from dataset_builder.decoding.frame import Frame, SensorFacts
from dataset_builder.decoding.images import read_image
from dataset_builder.decoding.natural_order import natural_key
from dataset_builder.decoding.pictures import Pixels, explain
from dataset_builder.decoding.source_files import require_file, resolve_inside
from dataset_builder.errors import MissingSourceError, UnreadableImageError
from dataset_builder.ingest.files import hash_files
from dataset_builder.ingest.looks import Look, Photograph, fit_size, group_look_alikes, look_at
from dataset_builder.ingest.reader import Finding, FoundBurst, ReaderDefaults, RejectedBurst, Remark
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.judgements.annotations import AnnotatedBurst, Annotations
from dataset_builder.judgements.preferences import FrameScores
from dataset_builder.settings.roots import Layout
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.pieces import do_pieces
from dataset_builder.work.unit import Failure, hash_facts
from manifests.confined.plain import hash_plain
from manifests.errors import UnsafePathError
from restorers import Domain

SCENARIO = "subjective/spaq"
IMAGES, SCORES = "TestImage", "Annotations/MOS and Image attribute scores.xlsx"
OPINION_DEVIATION = 15.0
"""Points; standard deviation of the opinions on one photograph, which the table does not tell: an assumption."""
_MAX_TABLE_BYTES = 200_000_000
_MAX_ROWS = 1_000_000
_AT_ONCE = 8
"""Photographs that a worker looks at in one unit."""


@dataclass(frozen=True)
class SpaqFrames(ReaderDefaults):
    """Photographs of one pseudo-burst, brought to one size.

    Attributes:
        folder: folder of the photographs.
        names: names of their files.
        side: px of the longer side.
    """

    folder: Path
    names: tuple[str, ...]
    side: int
    reference_index: int | None = None

    @property
    def settings(self) -> list[int]:
        """What the frames depend on beside the files."""
        return [self.side]

    def digest(self) -> str:
        """SHA-256 over the files in order."""
        return hash_files([self.folder / name for name in self.names])

    def read(self, index: int) -> Frame:
        """Decode one photograph and average it down."""
        image = read_image(self.folder / self.names[index])
        height, width = fit_size(image.pixels.shape[0], image.pixels.shape[1], self.side)
        pixels: Pixels = cv2.resize(image.pixels, (width, height), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
        sensor = SensorFacts(Domain.SRGB, white_level=float(np.iinfo(image.pixels.dtype).max))
        return Frame(pixels, image.facts, sensor)

    def iterate(self) -> Iterator[Frame]:
        """Decode photograph after photograph."""
        return map(self.read, range(len(self.names)))


@dataclass(frozen=True)
class _Survey:
    """Which photographs look alike, which cannot be read, and how many there should be."""

    groups: tuple[tuple[str, ...], ...]
    rejected: tuple[RejectedBurst, ...]
    scored: int
    missing: int


class SpaqSource(CaptureSource):
    """SPAQ: photographs with opinion scores, as pseudo-bursts with labels.

    ROOT holds TestImage and Annotations (Fang et al., CVPR 2020). Photographs that look alike are a pseudo-burst; their scores become the
    scenario subjective/spaq.

    Attributes:
        max_distance: Bits in which the hashes of neighbours may differ, of 64.
        min_correlation: Least correlation of the thumbnails of neighbours.
        max_frames: Frames of a pseudo-burst at most; larger groups are cut.
        frame_side: Longer side in px that photographs are brought to, so that a group is of one size.
        ratings_per_image: Opinions behind each score, which the table does not tell; standard errors shrink with its square root.
    """

    command = "spaq"
    judged_as = SCENARIO

    kind: Literal["spaq"]
    license: str = "SPAQ: research use, see the authors' page"
    max_distance: int = Field(default=12, ge=0, le=32)
    min_correlation: float = Field(default=0.8, ge=0, le=1)
    max_frames: int = Field(default=8, ge=2, le=100)
    frame_side: int = Field(default=1024, ge=64, le=8192, multiple_of=2)
    ratings_per_image: float = Field(default=15.0, gt=0)

    _found: _Survey | None = PrivateAttr(default=None)

    @property
    def layout(self) -> Layout:
        """Photographs and their scores."""
        return [[f"{IMAGES}/*.*"], [SCORES]]

    def survey(self, root: Path, dataset: Path, workers: Workers) -> Self:
        """As every kind: workers look at all photographs that have a score."""
        folder = resolve_inside(root, IMAGES)
        if not folder.is_dir():
            raise MissingSourceError(f"source {self.name!r}: no folder {folder}; get the photographs, or correct root")
        names = sorted(read_scores(root), key=natural_key)
        there = {path.name for path in folder.iterdir()}
        rejected: dict[str, RejectedBurst] = {}
        pieces = {}
        for name in names:
            try:
                pieces[name] = Photograph(str(resolve_inside(root, f"{IMAGES}/{name}")), self.frame_side)
            except (UnsafePathError, OSError) as error:
                rejected[name] = RejectedBurst(f"{IMAGES}/{name}", error)
        looks = []
        outcomes = do_pieces(look_at, [*pieces.values()], dataset, workers, cost=_AT_ONCE)
        for name, outcome in zip(pieces, outcomes, strict=True):
            if isinstance(outcome, Failure):
                rejected[name] = RejectedBurst(f"{IMAGES}/{name}", outcome)
            else:
                looks.append(Look.parse(name, outcome))
        surveyed = self.model_copy()
        surveyed._found = _Survey(  # noqa: SLF001  # of its own copy
            groups=tuple(
                map(
                    tuple,
                    group_look_alikes(looks, max_distance=self.max_distance, min_correlation=self.min_correlation),
                )
            ),
            rejected=tuple(rejected[name] for name in sorted(rejected, key=natural_key)),
            scored=len(names),
            missing=len(set(names) - there),
        )
        return surveyed

    def find_bursts(self, root: Path) -> Iterator[Finding]:
        """Pseudo-bursts of photographs that have a score; photographs that resemble no other belong to none."""
        if self._found is None:
            with TemporaryDirectory() as scratch:
                surveyed = self.survey(root, Path(scratch), ONE_WORKER)
            yield from surveyed.find_bursts(root)
            return
        folder = resolve_inside(root, IMAGES)
        found = self._found
        if found.missing:
            yield Remark(
                f"source {self.name!r}: expected {found.scored:,} photographs of the table in {folder}, "
                f"found {found.scored - found.missing:,}; get the others"
            )
        yield from found.rejected
        for members in found.groups:
            first = members[0]
            for start in range(0, len(members) - 1, self.max_frames):
                names = members[start : start + self.max_frames]
                if len(names) > 1:
                    reader = SpaqFrames(folder, tuple(names), self.frame_side)
                    yield FoundBurst(f"{IMAGES}/{Path(names[0]).stem}", reader, scene=first)

    def read_annotations(self, root: Path) -> Annotations:
        """Opinion scores of the photographs, by pseudo-burst.

        Raises:
            SourceError: if the table cannot be read.
        """
        scores = read_scores(root)
        error = OPINION_DEVIATION / self.ratings_per_image**0.5
        bursts = []
        for finding in self.find_bursts(root):
            if isinstance(finding, FoundBurst):
                names = finding.reader.names
                count = np.full(len(names), round(self.ratings_per_image))
                values = np.array([scores[name] for name in names])
                bursts.append(
                    AnnotatedBurst(finding.path, names, FrameScores(values, np.full(len(names), error), count))
                )
        settings = {
            "version": "1",
            "table": hash_plain(root / SCORES),
            "grouping": "perceptual hash and thumbnail correlation, connected components, cut in natural order",
            "max_distance": self.max_distance,
            "min_correlation": self.min_correlation,
            "max_frames": self.max_frames,
            "frame_side": self.frame_side,
            "ratings_per_image": self.ratings_per_image,
            "opinion_deviation": OPINION_DEVIATION,
        }
        return Annotations(
            scenario=SCENARIO,
            estimator="mean_opinion",
            metric="mos",
            unit="points",
            summary="Mean opinion score of each photograph, 0 to 100, over pseudo-bursts of look-alikes",
            paper="Fang et al., CVPR 2020",
            settings=settings,
            statistics={
                "photographs_scored": len(scores),
                "photographs_grouped": sum(len(one.names) for one in bursts),
            },
            fingerprint=hash_facts([SCENARIO, settings]),
            bursts=tuple(bursts),
        )


def read_scores(root: Path) -> dict[str, float]:
    """Mean opinion score, 0 to 100, by file name.

    Raises:
        SourceError: if there is no such table, or it makes no sense.
    """
    return dict(_read_table(resolve_inside(root, SCORES)))


@lru_cache(maxsize=4)
def _read_table(path: Path) -> tuple[tuple[str, float], ...]:
    require_file(path)
    try:
        import openpyxl
    except ImportError as error:
        raise MissingReaderError(str(path), "openpyxl", "preferences") from error
    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(member.file_size for member in archive.infolist())
        if size > _MAX_TABLE_BYTES:
            raise ValueError(f"unpacks to {size:,} bytes, more than {_MAX_TABLE_BYTES:,}")  # noqa: TRY301  # reported below
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        rows = book.worksheets[0].iter_rows(values_only=True, max_row=_MAX_ROWS)
        header = [str(cell).strip() for cell in next(rows)]
        name, score = header.index("Image name"), header.index("MOS")
        found = [(str(row[name]), float(row[score])) for row in rows if row[name] is not None]
    except Exception as error:  # a workbook may be damaged in any way
        raise UnreadableImageError(
            f"{path}: expected a sheet with columns 'Image name' and 'MOS' ({explain(error)}); copy it again"
        ) from error
    for image, value in found:
        if not 0 <= value <= 100 or Path(image).name != image:
            raise UnreadableImageError(f"{path}: expected file names and scores of 0..100, got {image!r}: {value}")
    return tuple(found)
