"""Units of work that take in real bursts from folders of images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from dataset_builder.errors import SourceError
from dataset_builder.ingest.folders import INGEST_VERSION, relate_captures, require_frames, store_frames
from dataset_builder.origin import Origin, make_frame_row
from dataset_builder.work import hash_facts
from manifests.appearance import hash_reference


@dataclass(frozen=True)
class IngestUnit:
    """One real burst to copy from a folder of images."""

    burst_id: str
    origin: Origin
    folder_in: Path
    names: tuple[str, ...]
    reference_index: int

    @cached_property
    def key(self) -> str:
        """SHA-256 of everything declared that the stored burst depends on."""
        return hash_facts(
            {
                "stage": "ingest",
                "version": INGEST_VERSION,
                "frames": self.origin.sha256,
                "reference": self.reference_index,
                "folder": self.folder,
            }
        )

    @property
    def part(self) -> str:
        """Where its result waits for the manifest."""
        return f"bursts/{self.burst_id}"

    @property
    def folder(self) -> str:
        """Where its files go, relative to the data set."""
        return f"frames/{self.origin.source}/{self.burst_id}"

    def run(self, root: Path) -> Mapping[str, Any]:
        """Check and copy the frames, return their rows."""
        require_frames(self.folder_in, self.names)
        if self.reference_index >= len(self.names):
            raise SourceError(
                f"{self.folder_in}: reference_index {self.reference_index}, but there are {len(self.names)} frames; "
                "choose a smaller one"
            )
        stored = store_frames(self.folder_in, self.names, root / self.folder)
        captures = relate_captures(stored, self.reference_index)
        frames = [
            make_frame_row(
                self.burst_id,
                index,
                f"{self.folder}/{frame.name}",
                frame.sha256,
                is_reference=index == self.reference_index,
                orientation=frame.orientation,
                **capture,
            )
            for index, (frame, capture) in enumerate(zip(stored, captures, strict=True))
        ]
        burst = {
            "burst_id": self.burst_id,
            "burst_key": self.key,
            "seed": None,
            "preset": "ingested",
            "camera": None,
            "num_frames": len(stored),
            "reference_index": self.reference_index,
            "height": stored[0].height,
            "width": stored[0].width,
            "domain": "srgb",
            "cfa": None,
            "black_level": 0.0,
            "white_level": float(2 ** stored[0].bits - 1),
            "white_balance": None,
            "color_matrix": None,
            "scale": 1,
            "ground_truth_path": None,
            "ground_truth_sha256": None,
            "ground_truth_white": 1.0,
            "ground_truth_kind": "none",
        }
        return {"burst": {**burst, "perceptual_hash": hash_reference(root, burst, frames)}, "frames": frames}
