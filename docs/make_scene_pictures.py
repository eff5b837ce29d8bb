"""Make the picture of layered scenes in docs/synthesis.md: `python docs/make_scene_pictures.py`.

Rows: parallax, a focus series, an object that moves behind layers, a bracket. Scenes are those of `kind = "scenes"` with photographs of
scikit-image on some of their surfaces.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from dataset_builder import SceneSource
from dataset_builder.camera.color import UINT16_MAX
from dataset_builder.camera.sensor import read_codes
from dataset_builder.randomness import derive_seed
from dataset_builder.synthesis.builtin import PRESETS
from dataset_builder.synthesis.distributions import Constant
from dataset_builder.synthesis.draw import sample_burst
from dataset_builder.synthesis.layered.plan import find_textures, make_subject
from dataset_builder.synthesis.parameters import BurstParameters
from dataset_builder.synthesis.presets import Preset
from dataset_builder.synthesis.render import RenderedBurst, render_burst
from manifests.images.pixels import write_png
from restorers.burst import FloatImage
from restorers.imaging.color import encode_srgb
from restorers.imaging.mosaic import demosaic

HERE = Path(__file__).parent
SIDE, ENLARGED, GAP, TITLE = 116, 2, 6, 20
TEXTURES = ("astronaut.png", "brick.png", "chelsea.png", "coffee.png", "grass.png", "gravel.png")
STEADY = {
    "cameras": ("Sony ILCE-7R",),
    "outliers": Constant(value=0),
    "defocus": Constant(value=0),
    "shot_noise": Constant(value=2e-4),
    "exposure_error": Constant(value=0),
    "exposure_trade": Constant(value=0),
}


def main() -> None:
    """Make all rows."""
    rows = [draw_parallax(), draw_focus(), draw_occlusion(), draw_bracket()]
    page = np.vstack([part for row in rows for part in (row, np.ones((GAP, row.shape[1], 3), np.float32))][:-1])
    write_png(HERE / "synthesis", "scenes.png", np.rint(page * 255).astype(np.uint8))


def render(preset: Preset, seed: int, **facts: Any) -> tuple[BurstParameters, RenderedBurst]:
    """A burst of SIDE × SIDE px of scene `seed`."""
    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"  # type: ignore[union-attr,arg-type]  # is installed
    settings = {"scene_height": 480, "scene_width": 480, "textures": TEXTURES, "photographed": 0.35, **facts}
    source = SceneSource.model_validate({"name": "picture", "kind": "scenes", **settings})
    subject = make_subject(source, seed, find_textures(source, folder))
    scene = subject.load()
    geometry = {"photograph_size": scene.shape, "height": SIDE, "width": SIDE, "scale": 2}
    parameters = sample_burst(preset, derive_seed("picture", seed), **geometry, layering=subject.layering)
    return parameters, render_burst(scene, parameters, "00")


def draw_parallax() -> FloatImage:
    """Two frames aligned to the background, and both in one: red of one, green and blue of the other."""
    preset = PRESETS["handheld"].model_copy(
        update={**STEADY, "num_frames": Constant(value=10), "exposure_time": Constant(value=1 / 200)}
    )
    parameters, burst = render(preset, 11, near=0.7, translation=0.003)
    last = len(burst.frames) - 1
    shown = [align(develop(parameters, burst, index), parameters, index) for index in (0, last // 2, last)]
    grey = [image.mean(axis=2) for image in shown]
    return label(
        [*shown, np.dstack([grey[0], grey[2], grey[2]])],
        ("reference", "aligned to the background", "the same, later", "first (red), last (cyan)"),
    )


def draw_focus() -> FloatImage:
    """Three frames of a series, and the truth."""
    preset = PRESETS["focus"].model_copy(
        update={**STEADY, "num_frames": Constant(value=7), "focus_series": Constant(value=7)}
    )
    parameters, burst = render(preset, 23)
    shown = [develop(parameters, burst, index) for index in (0, 3, 6)]
    return label([*shown, show_truth(parameters, burst)], ("focus near", "middle", "far", "truth"))


def draw_occlusion() -> FloatImage:
    """Frames through which an object moves behind some layers, its outline drawn, and the mask of one."""
    preset = PRESETS["action"].model_copy(
        update={
            **STEADY,
            "num_frames": Constant(value=10),
            "object_size": Constant(value=0.19),
            "object_speed": Constant(value=80),
            "sway": Constant(value=1e-4),
            "tremor": Constant(value=0),
        }
    )
    parameters, burst = render(preset, 53, translation=0, cover=0.2)
    shown = [outline(develop(parameters, burst, index), burst.masks[index]) for index in (0, 4, 8)]
    mask = burst.masks[4]
    assert mask is not None
    shown.append(np.repeat(mask[..., None] / np.float32(255), 3, axis=2))
    return label(shown, ("an object passes", "behind some layers", "later", "mask of the second"))


def outline(image: FloatImage, mask: np.ndarray | None) -> FloatImage:
    """An image with the outline of what a mask shows in yellow."""
    assert mask is not None
    inside = (mask > 127).astype(np.uint8)
    edge = cv2.dilate(inside, np.ones((3, 3), np.uint8)) != inside
    return np.where(edge[..., None], np.array([1, 0.9, 0], np.float32), image)


def draw_bracket() -> FloatImage:
    """The exposures of a bracket as each shows them, and the truth with its highlights compressed."""
    preset = PRESETS["bracket"].model_copy(
        update={
            **STEADY,
            "num_frames": Constant(value=3),
            "exposure_step": Constant(value=2),
            "brightness": Constant(value=0.5),
            "highlights": Constant(value=8),
        }
    )
    parameters, burst = render(preset, 44)
    shown = [develop(parameters, burst, index) for index in range(3)]
    return label([*shown, show_truth(parameters, burst, knee=0.6)], ("dark", "middle", "bright", "truth, compressed"))


def develop(parameters: BurstParameters, burst: RenderedBurst, index: int) -> FloatImage:
    """A frame as a picture; what saturates is white."""
    profile = parameters.profile
    camera = demosaic(read_codes(burst.frames[index], parameters.sensor).astype(np.float32), parameters.sensor.cfa)
    balanced = np.minimum(camera * np.array(profile.white_balance, np.float32), 1)
    return encode_srgb(balanced @ np.reshape(profile.color_matrix, (3, 3)).T.astype(np.float32)).clip(0, 1)


def show_truth(parameters: BurstParameters, burst: RenderedBurst, knee: float = 0.0) -> FloatImage:
    """The truth as a picture of the frames' size; what is bright reduced by 1 / (1 + knee · light)."""
    linear = cv2.resize(
        burst.ground_truth / UINT16_MAX * parameters.truth_white, (SIDE, SIDE), interpolation=cv2.INTER_AREA
    )
    linear = linear @ parameters.profile.to_srgb.T
    compressed = linear * ((1 + knee) / (1 + knee * np.maximum(linear.mean(axis=2, keepdims=True), 0)))
    return encode_srgb(compressed / (1 + 0.5 * knee)).clip(0, 1)


def align(image: FloatImage, parameters: BurstParameters, index: int) -> FloatImage:
    """An image on the reference's grid, by its homography."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    matrix = parameters.homography(index)[:2]
    return np.asarray(
        cv2.warpAffine(image, matrix, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def label(images: list[FloatImage], titles: tuple[str, ...]) -> FloatImage:
    """Images side by side, each with its title above."""
    columns = []
    for each, title in zip(images, titles, strict=True):
        size = (SIDE * ENLARGED, SIDE * ENLARGED)
        image = np.asarray(cv2.resize(each, size, interpolation=cv2.INTER_NEAREST), np.float32)
        head = np.full((TITLE, size[0], 3), 255, np.uint8)
        cv2.putText(head, title, (2, TITLE - 6), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (25, 25, 25), 1, cv2.LINE_AA)
        columns += [np.vstack([head / np.float32(255), image]), np.ones((size[0] + TITLE, GAP, 3), np.float32)]
    return np.hstack(columns[:-1])


if __name__ == "__main__":
    main()
