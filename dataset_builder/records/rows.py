"""Where a burst comes from, what it is called, and how its rows begin."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from manifests.schema import BURSTS, FRAMES


@dataclass(frozen=True)
class Origin:
    """Where a burst comes from; what may change without changing its pixels stands here.

    Attributes:
        source: name of the source.
        path: path of the photograph or folder below the source's root.
        sha256: SHA-256 of its content.
        license: licence of its content.
        scene: SHA-256 that stands for what was photographed, where several origins show it; empty if this one is alone.
        split: that the source's own layout or lists give it; None if they give none.
    """

    source: str
    path: str
    sha256: str
    license: str
    scene: str = ""
    split: str | None = None

    @property
    def scene_id(self) -> str:
        """Equal content is one scene, in whatever source it turns up."""
        return f"scene-{(self.scene or self.sha256)[:16]}"

    def describe(self) -> dict[str, str | None]:
        """The columns of `bursts` that it fills."""
        return {
            "source": self.source,
            "scene_id": self.scene_id,
            "origin_path": self.path,
            "origin_sha256": self.sha256,
            "license": self.license,
            "official_split": self.split,
        }


def make_id(name: str, digest: str, suffix: str) -> str:
    """A readable identifier of at most 32 characters of [a-z0-9_-]."""
    slug = re.sub(r"[^a-z0-9_]+", "-", name.lower()).strip("-")[:18].strip("-") or "burst"
    return f"{slug}-{digest[:8]}{suffix}"


def make_burst_row(burst_id: str, **known: Any) -> dict[str, Any]:
    """A row of `bursts` in which everything that is not known is null; what `Origin.describe` gives is filled in later."""
    row = dict.fromkeys(BURSTS.schema.names)
    return {**row, "burst_id": burst_id, "ground_truth_white": 1.0, "ground_truth_kind": "none", **known}


def make_frame_row(burst_id: str, index: int, path: str, sha256: str, **known: Any) -> dict[str, Any]:
    """A row of `frames` in which everything that is not known is null."""
    row = dict.fromkeys(FRAMES.schema.names)
    return {
        **row,
        "burst_id": burst_id,
        "frame_index": index,
        "path": path,
        "sha256": sha256,
        "orientation": 1,
        **known,
    }
