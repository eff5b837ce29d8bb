"""Bursts rendered while a network trains on them: without end, and without a data set on disk."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch.utils.data import IterableDataset, get_worker_info

from dataset_builder.camera.color import UINT16_MAX
from dataset_builder.errors import PhotographTooSmallError
from dataset_builder.randomness import derive_seed, make_generator
from dataset_builder.synthesis.builtin import find_preset
from dataset_builder.synthesis.distributions import Integers
from dataset_builder.synthesis.draw import sample_burst
from dataset_builder.synthesis.layered.layers import LayeredScene
from dataset_builder.synthesis.layered.parallax import Layering
from dataset_builder.synthesis.layered.plan import SceneSubject, Texture, find_textures, make_subject
from dataset_builder.synthesis.parameters import BurstParameters
from dataset_builder.synthesis.photographs import read_photograph
from dataset_builder.synthesis.presets import Preset
from dataset_builder.synthesis.render import RenderedBurst, render_burst
from dataset_builder.synthesis.source import SceneSource
from manifests.images.pixels import to_linear
from restorers import Burst, Domain

_ATTEMPTS = 50
"""Places tried for a burst before its photographs count as too small for it."""
_DECODED = 64
"""Photographs that stay in memory, about 10 MB each at 1200 x 1600 px."""

_DRAWN = 8
"""Scenes that stay in memory."""


@dataclass(frozen=True)
class BurstMixture:
    """What bursts are rendered from.

    Attributes:
        photographs: files; one is drawn for each burst, and shown in one of its eight orientations.
        scenes: layered scenes, as a source of a recipe states them; one of its `count` is drawn for each burst. Its preset, frames and
            bursts per scene do not matter here.
        scene_share: of the bursts that show scenes, where there are photographs, too.
        presets: presets by name, of the toolkit or of `own_presets`, with the weight of each.
        height: rows of a frame, even.
        width: columns, even.
        lengths: fewest and most frames of a burst; None leaves them to the presets.
        scale: ground-truth pixels per frame pixel; None leaves it to the presets.
        shorter_side: px that photographs are reduced towards; None keeps their size.
        own_presets: presets that are not the toolkit's.
        seed: everything random follows from it and from the index of a burst.
        redraw: 0 for the bursts themselves; another number gives the same bursts with other noise.

    Raises:
        ValueError: if there is nothing to show or no preset, a preset is unknown, or a weight is not positive.
    """

    photographs: tuple[Path, ...]
    presets: Mapping[str, float]
    height: int = 96
    width: int = 96
    lengths: tuple[int, int] | None = None
    scale: int | None = None
    shorter_side: int | None = 1000
    own_presets: Mapping[str, Preset] | None = None
    seed: int = 0
    redraw: int = 0
    scenes: SceneSource | None = None
    scene_share: float = 0.5

    def __post_init__(self) -> None:
        if not (self.photographs or self.scenes) or not self.presets:
            raise ValueError("photographs or scenes, presets: expected one at least")
        if not 0 <= self.scene_share <= 1:
            raise ValueError(f"scene_share: expected 0..1, got {self.scene_share:g}")
        if min(self.presets.values()) <= 0:
            raise ValueError(f"presets: expected positive weights, got {dict(self.presets)}")
        for name in self.presets:
            self.find_preset(name)

    def find_preset(self, name: str) -> Preset:
        """The preset of a name with the lengths of the mixture."""
        preset = find_preset(name, self.own_presets or {})
        if self.lengths is None:
            return preset
        low, high = self.lengths
        return preset.model_copy(update={"num_frames": Integers(low=low, high=high)})


@dataclass(frozen=True, eq=False)
class BurstWithTruth:
    """A rendered burst.

    Attributes:
        burst: the burst as a data set would give it to restorers.
        truth: float32 [H·scale, W·scale, 3]; linear light of the sharp reference, 1 its white.
        scale: truth pixels per frame pixel.
        preset: name of its preset.
        photograph: the file; None of a scene.
        index: place in the stream.
    """

    burst: Burst
    truth: NDArray[np.float32]
    scale: int
    preset: str
    photograph: Path | None
    index: int


class RenderedBursts(IterableDataset[BurstWithTruth]):
    """An endless stream of rendered bursts, for `DataLoader(bursts, batch_size=None, num_workers=…)`.

    Burst i depends on the mixture and on i alone. Worker w of n makes the bursts w, w + n, w + 2n, …, which the DataLoader puts back in
    order: the stream is the same for any number of workers. Bursts differ in length, so batches are lists: take as many as you need.

    Args:
        mixture: what to render.
        start: index of the first burst; go on from there after an interruption.
        stop: index after the last one; None for no end.
    """

    def __init__(self, mixture: BurstMixture, *, start: int = 0, stop: int | None = None) -> None:
        self._mixture, self._start, self._stop = mixture, start, stop

    def __iter__(self) -> Iterator[BurstWithTruth]:
        """Bursts of this worker."""
        worker = get_worker_info()
        first, step = (worker.id, worker.num_workers) if worker is not None else (0, 1)
        for index in itertools.count(self._start + first, step):
            if self._stop is not None and index >= self._stop:
                return
            yield render_one(self._mixture, index)


def render_one(mixture: BurstMixture, index: int) -> BurstWithTruth:
    """Burst `index` of a mixture.

    Raises:
        PhotographTooSmallError: if many draws of photograph or scene and motion do not fit together.
        SourceError: if a photograph cannot be read.
    """
    names = sorted(mixture.presets)
    weights = np.array([mixture.presets[name] for name in names], np.float64)
    for attempt in range(_ATTEMPTS):
        seed = derive_seed("stream", mixture.seed, index, attempt)
        rng = make_generator(seed, "mixture")
        # The preset stays when a photograph is too small, or rough motion would become rare.
        if attempt == 0:
            name = names[int(np.searchsorted(np.cumsum(weights) / weights.sum(), rng.uniform(), side="right"))]
            preset = mixture.find_preset(name)
        path, photograph, layering = _choose(mixture, rng)
        try:
            parameters = sample_burst(
                preset,
                seed,
                photograph_size=(photograph.shape[0], photograph.shape[1]),
                height=mixture.height,
                width=mixture.width,
                scale=mixture.scale or preset.scale,
                layering=layering,
            )
        except PhotographTooSmallError as error:
            reason = error
            continue
        noise = derive_seed(seed, "redraw", mixture.redraw) if mixture.redraw else seed
        return _as_burst(render_burst(photograph, parameters, noise), parameters, name, path, index)
    raise reason


def _choose(
    mixture: BurstMixture, rng: np.random.Generator
) -> tuple[Path | None, NDArray[np.uint16] | LayeredScene, Layering | None]:
    """A photograph as a burst shows it, with its file; or a scene and its layers."""
    source = mixture.scenes
    if source is not None and (not mixture.photographs or rng.uniform() < mixture.scene_share):
        subject = make_subject(source, source.first + int(rng.integers(source.count)), _find_textures(source))
        return None, _draw(subject), subject.layering
    path = mixture.photographs[int(rng.integers(len(mixture.photographs)))]
    return path, _turn(_read(path, mixture.shorter_side), int(rng.integers(8))), None


def _as_burst(
    rendered: RenderedBurst, parameters: BurstParameters, preset: str, path: Path | None, index: int
) -> BurstWithTruth:
    """What `records.loading` would read of it."""
    sensor, frames = parameters.sensor, parameters.frames
    black, white = (0.0, 255.0) if parameters.is_srgb else (float(sensor.black_level), float(sensor.white_level))
    facts: dict[str, Any] = {
        "frames": np.stack([to_linear(codes, black_level=black, white_level=white) for codes in rendered.frames]),
        "black_level": black,
        "white_level": white,
        "reference_index": parameters.reference_index,
        "exposure_ratio": np.array([frame.exposure_ratio for frame in frames]),
        "timestamps": np.array([frame.timestamp for frame in frames]),
    }
    if parameters.is_srgb:
        burst = Burst(**facts, domain=Domain.SRGB)
    else:
        burst = Burst(
            **facts,
            cfa=sensor.cfa,
            shot_noise=np.array([frame.shot_noise for frame in frames]),
            read_noise=np.array([frame.read_noise for frame in frames]),
            white_balance=np.array(parameters.profile.white_balance),
            color_matrix=np.reshape(parameters.profile.color_matrix, (3, 3)),
        )
    truth = rendered.ground_truth.astype(np.float32) * np.float32(parameters.truth_white / UINT16_MAX)
    return BurstWithTruth(burst, truth, parameters.scale, preset, path, index)


def _turn(photograph: NDArray[np.uint16], orientation: int) -> NDArray[np.uint16]:
    """One of the eight orientations of an image, 0 its own; a view."""
    turned = np.rot90(photograph, orientation % 4)
    return turned[:, ::-1] if orientation >= 4 else turned


@lru_cache(maxsize=_DECODED)
def _read(path: Path, shorter_side: int | None) -> NDArray[np.uint16]:
    photograph = read_photograph(path, shorter_side=shorter_side)
    photograph.flags.writeable = False
    return photograph


@lru_cache(maxsize=_DRAWN)
def _draw(subject: SceneSubject) -> LayeredScene:
    return subject.load()


@lru_cache(maxsize=4)
def _find_textures(source: SceneSource) -> tuple[Texture, ...]:
    return find_textures(source, source.resolve_root(Path.cwd()))
