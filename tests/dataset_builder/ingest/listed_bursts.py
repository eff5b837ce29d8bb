"""A kind of source as somebody might add it: bursts are lines of a list, `NAME FILE FILE …`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from dataset_builder.ingest.files import FileFrames
from dataset_builder.ingest.reader import Finding, FoundBurst
from dataset_builder.ingest.source import CaptureSource
from dataset_builder.judgements.annotations import AnnotatedBurst, Annotations
from dataset_builder.judgements.preferences import FrameScores


class ListedSource(CaptureSource):
    """Bursts that a list names.

    Attributes:
        list_name: List below ROOT.
    """

    command = "listed"
    judged_as = "subjective/listed"

    kind: Literal["listed"]
    list_name: str = "bursts.txt"

    def find_bursts(self, root: Path) -> Iterator[Finding]:
        """A burst for each line."""
        for line in (root / self.list_name).read_text(encoding="utf-8").splitlines():
            name, *files = line.split()
            yield FoundBurst(name, FileFrames(root, tuple(files)))

    def read_annotations(self, root: Path) -> Annotations:
        """The later a frame stands in its line, the better."""
        bursts = []
        for finding in self.find_bursts(root):
            assert isinstance(finding, FoundBurst)
            length = len(finding.reader.names)
            scores = FrameScores(np.arange(length, dtype=float), np.ones(length), np.ones(length, int))
            bursts.append(AnnotatedBurst(finding.path, finding.reader.names, scores))
        return Annotations(
            scenario=self.judged_as,
            estimator="place",
            metric="place",
            unit="points",
            summary="Place in the list",
            paper="",
            settings={},
            statistics={},
            fingerprint="0" * 64,
            bursts=tuple(bursts),
            rejected=(),
        )
