"""Photographs and drawn scenes to synthesise bursts from, as a recipe states them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, ValidationInfo, field_validator

from dataset_builder.settings import SourcePart, require_inside
from dataset_builder.synthesis.distributions import Constant, Distribution, Integers, LogUniform, within
from dataset_builder.synthesis.presets import Preset


class SynthesisSource(SourcePart):
    """What sources of synthetic bursts have in common.

    Attributes:
        preset: how the frames of a burst differ; one of the toolkit's, or of the recipe's `presets`.
        frame_height: px, even.
        frame_width: px, even.
        scale: ground-truth pixels per frame pixel; null takes the preset's.
        num_frames: frames of a burst; null draws as many as the preset says.
    """

    preset: str = "handheld"
    frame_height: int = Field(default=96, ge=32, le=4096, multiple_of=2)
    frame_width: int = Field(default=96, ge=32, le=4096, multiple_of=2)
    scale: int | None = Field(default=None, ge=1, le=8)
    num_frames: int | None = Field(default=None, ge=2, le=100)

    def adapt(self, preset: Preset) -> Preset:
        """The preset with what the source says in its place."""
        if self.num_frames is None:
            return preset
        return preset.model_copy(update={"num_frames": Integers(low=self.num_frames, high=self.num_frames)})


class PhotographSource(SynthesisSource):
    """Photographs to synthesise bursts from.

    Attributes:
        files: below root; all images there when empty.
        bursts_per_photograph: all of one scene.
        shorter_side: px that photographs are reduced towards before use; null keeps them as they are.
        max_clipped: photographs of which a larger share of the pixels is saturated are left out.
        max_blur: photographs with a larger blur effect (Crete et al. 2007; 0 sharp, 1 blurred) are left out.
        near_duplicates: whether to keep photographs that show what an earlier one shows.
    """

    kind: Literal["photographs"]
    files: tuple[str, ...] = ()
    bursts_per_photograph: int = Field(default=4, ge=1, le=100)
    shorter_side: int | None = Field(default=None, ge=32)
    max_clipped: float = Field(default=0.25, ge=0, le=1)
    max_blur: float = Field(default=0.6, ge=0, le=1)
    near_duplicates: Literal["leave_out", "keep"] = "leave_out"

    @field_validator("files")
    @classmethod
    def _check_files(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return require_inside(value)


class SceneSource(SynthesisSource):
    """Layered scenes, drawn from numbers alone; `root` matters only to photographs that their surfaces show.

    Attributes:
        count: how many scenes.
        first: number of the first one; scenes of other numbers are other scenes, in whatever source they turn up.
        seed: another seed draws other scenes.
        bursts_per_scene: all of one scene.
        scene_height: px of the truth, with room for the motion.
        scene_width: px of the truth.
        layers: depths at which things are, the background among them.
        near: m; depth of the nearest layer.
        far: m; depth of the background.
        cover: share of the scene that each layer but the background covers.
        translation: m; root mean square of the slow shift of the camera along each axis, which gives parallax.
        layer_speed: px per second by which each layer but the background moves on its own.
        aperture: px; blur radius of the farthest layer when the nearest is in focus, where the preset has no focus series.
        textures: photographs below root that surfaces show pieces of.
        photographed: share of the larger surfaces that do, where there are any.
    """

    kind: Literal["scenes"]
    root: str = Field(default=".", min_length=1)
    license: str = "CC0-1.0"
    count: int = Field(default=100, ge=1, le=100_000)
    first: int = Field(default=0, ge=0, le=10**9)
    seed: int = Field(default=0, ge=0, lt=2**63)
    bursts_per_scene: int = Field(default=4, ge=1, le=100)
    scene_height: int = Field(default=336, ge=64, le=8192)
    scene_width: int = Field(default=336, ge=64, le=8192)
    layers: int = Field(default=5, ge=2, le=16)
    near: float = Field(default=1.0, gt=0.01, le=1e5, allow_inf_nan=False)
    far: float = Field(default=20.0, gt=0.01, le=1e6, allow_inf_nan=False, validate_default=True)
    cover: float = Field(default=0.16, gt=0, le=0.9)
    translation: Annotated[Distribution, within(0, 1)] = LogUniform(low=3e-4, high=2e-3)
    layer_speed: Annotated[Distribution, within(0, 1e4)] = Constant(value=0)
    aperture: Annotated[Distribution, within(0, 32)] = Constant(value=0)
    textures: tuple[str, ...] = ()
    photographed: float = Field(default=0.3, ge=0, le=1)

    @field_validator("textures")
    @classmethod
    def _check_textures(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return require_inside(value)

    @field_validator("far")
    @classmethod
    def _check_depths(cls, value: float, others: ValidationInfo) -> float:
        near = others.data.get("near", 0)
        if value <= near:
            raise ValueError(f"expected more than near, {near:g} m, got {value:g}")
        return value
