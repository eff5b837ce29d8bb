"""Which scenes a source has, and which bursts become of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dataset_builder.decoding.source_files import require_plain, resolve_inside
from dataset_builder.errors import MissingSourceError, SceneTooSmallError, SourceError
from dataset_builder.randomness import derive_seed
from dataset_builder.records.rows import Origin, make_id
from dataset_builder.synthesis.fields import INTERPOLATION_MARGIN
from dataset_builder.synthesis.layered.drawing import SCENE_VERSION, SceneFacts, draw_scene
from dataset_builder.synthesis.layered.layers import LayeredScene
from dataset_builder.synthesis.layered.parallax import LAYERING_VERSION, Layering, draw_inverse_depths
from dataset_builder.synthesis.photographs import read_hashed_photograph
from dataset_builder.synthesis.presets import Preset
from dataset_builder.synthesis.source import SceneSource
from dataset_builder.synthesis.unit import SynthesisUnit
from dataset_builder.work.unit import Failure, hash_facts
from manifests.confined.plain import hash_plain
from manifests.errors import UnsafePathError

_TEXTURE_SIDE = 512
_TEXTURES_HELD = 4
_USUAL_MOTION = 2.0
"""Root mean squares by which a layer of a burst usually moves to one side."""


Texture = tuple[Path, str]
"""A photograph and its SHA-256."""


@dataclass(frozen=True)
class SceneSubject:
    """A scene to draw.

    Attributes:
        facts: its size and layers.
        seed: hex.
        textures: photographs that its surfaces show.
        layering: how a camera sees its layers; None where only the scene itself matters.
    """

    facts: SceneFacts
    seed: str
    textures: tuple[Texture, ...] = ()
    layering: Layering | None = field(default=None, compare=False)

    @property
    def sha256(self) -> str:
        """Of all that its pixels follow from."""
        digests = [digest for _, digest in self.textures]
        return hash_facts(["scene", SCENE_VERSION, asdict(self.facts), self.seed, digests])

    def describe(self) -> Mapping[str, Any]:
        """What bursts of the scene depend on beside its pixels."""
        assert self.layering is not None
        return {"layering": [LAYERING_VERSION, self.layering.describe()]}

    def load(self) -> LayeredScene:
        """Draw it."""
        return draw_scene(self.facts, self.seed, [_read_texture(*texture) for texture in self.textures])


@lru_cache(maxsize=_TEXTURES_HELD)
def _read_texture(path: Path, sha256: str) -> NDArray[np.uint16]:
    return read_hashed_photograph(path, shorter_side=_TEXTURE_SIDE, sha256=sha256)


def plan_scenes(
    source: SceneSource, root: Path, *, preset: Preset, recipe_seed: int
) -> Iterator[tuple[str, list[SynthesisUnit] | Failure]]:
    """Name the bursts to make of each scene.

    Args:
        source: from the recipe.
        root: its folder, which matters to textures only.
        preset: that the source names.
        recipe_seed: seed of the whole recipe.

    Returns:
        Names of scenes and their bursts, or of what is missing and why.
    """
    try:
        require_room(source, preset)
        textures = find_textures(source, root)
    except (SourceError, UnsafePathError, OSError) as error:
        yield source.name, Failure.from_exception(error)
        return
    for number in range(source.first, source.first + source.count):
        subject = make_subject(source, number, textures)
        name, sha256 = f"scene-{number:05d}", subject.sha256
        origin = Origin(source.name, name, sha256, source.license, split=source.find_split(name))
        ids = [
            make_id(name, derive_seed(source.name, sha256), f"-{index:02d}") for index in range(source.bursts_per_scene)
        ]
        yield (
            name,
            [
                SynthesisUnit(burst_id, origin, subject, source, preset, derive_seed(recipe_seed, sha256, burst_id))
                for burst_id in ids
            ],
        )


def find_textures(source: SceneSource, root: Path) -> tuple[Texture, ...]:
    """The photographs that surfaces of a source's scenes show.

    Raises:
        MissingSourceError: if one is not there.
        SourceError: if one cannot be used.
    """
    found = []
    for path in source.textures:
        located = resolve_inside(root, path)
        if not located.is_file():
            raise MissingSourceError(f"source {source.name!r}: textures: no file {located}; correct the path or root")
        require_plain(located)
        found.append((located, hash_plain(located)))
    return tuple(found)


def make_subject(source: SceneSource, number: int, textures: tuple[Texture, ...] = ()) -> SceneSubject:
    """Scene of a number, with photographs from `find_textures`."""
    seed = derive_seed("layered scene", source.seed, number)
    facts = SceneFacts(
        source.scene_height, source.scene_width, source.layers, source.cover, source.photographed if textures else 0.0
    )
    inverse_depths = draw_inverse_depths(seed, source.layers, source.near, source.far)
    layering = Layering(inverse_depths, source.translation, source.layer_speed, source.aperture)
    return SceneSubject(facts, seed, textures, layering)


def require_room(source: SceneSource, preset: Preset) -> None:
    """Check that scenes are large enough for frames whose layers move as they usually do.

    Raises:
        SceneTooSmallError: if they are not. A burst that moves farther than usual may still find no room.
    """
    scale = source.scale or preset.scale
    near, far = preset.focal_length.support[1] * np.array([1 / source.near, 1 / source.far])
    parallax = _USUAL_MOTION * source.translation.support[1] * (near - far)
    seconds = preset.num_frames.support[1] * preset.frame_interval.support[1]
    shift = parallax + source.layer_speed.support[1] * seconds
    height, width = (
        scale * side + 2 * int(np.ceil(INTERPOLATION_MARGIN + scale * shift))
        for side in (source.frame_height, source.frame_width)
    )
    if height > source.scene_height or width > source.scene_width:
        frames = f"{source.frame_width} x {source.frame_height} px at scale {scale}"
        raise SceneTooSmallError(
            f"source {source.name!r}: expected scenes of at least {width} x {height} px, for frames of {frames} whose layers from "
            f"{source.near:g} to {source.far:g} m shift by up to {shift:.0f} px, found {source.scene_width} x {source.scene_height}: "
            "enlarge scene_width and scene_height, move near farther away, or lessen translation or layer_speed"
        )
