"""Photographs to synthesise bursts from, as a recipe states them."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from dataset_builder.settings import SourcePart, require_inside


class PhotographSource(SourcePart):
    """Photographs to synthesise bursts from.

    Attributes:
        files: below root; all images there when empty.
        preset: how the frames of a burst differ; one of the toolkit's, or of the recipe's `presets`.
        bursts_per_photograph: all of one scene.
        frame_height: px, even.
        frame_width: px, even.
        scale: ground-truth pixels per frame pixel; null takes the preset's.
        shorter_side: px that photographs are reduced towards before use; null keeps them as they are.
        max_clipped: photographs of which a larger share of the pixels is saturated are left out.
        max_blur: photographs with a larger blur effect (Crete et al. 2007; 0 sharp, 1 blurred) are left out.
        near_duplicates: whether to keep photographs that show what an earlier one shows.
    """

    kind: Literal["photographs"]
    files: tuple[str, ...] = ()
    preset: str = "handheld"
    bursts_per_photograph: int = Field(default=4, ge=1, le=100)
    frame_height: int = Field(default=96, ge=32, le=4096, multiple_of=2)
    frame_width: int = Field(default=96, ge=32, le=4096, multiple_of=2)
    scale: int | None = Field(default=None, ge=1, le=8)
    shorter_side: int | None = Field(default=None, ge=32)
    max_clipped: float = Field(default=0.25, ge=0, le=1)
    max_blur: float = Field(default=0.6, ge=0, le=1)
    near_duplicates: Literal["leave_out", "keep"] = "leave_out"

    @field_validator("files")
    @classmethod
    def _check_files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return require_inside(value)
