"""What surfaces of a scene look like close up: tiles that leaves cut their pattern from."""

from __future__ import annotations

import string
from functools import lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray

from dataset_builder.randomness import draw_normal

SIDE = 256
"""px of a tile, which goes on in all directions."""
LETTERS = 5
"""Place of the tile of written lines among `draw_tiles`."""
_DEEPEST = -2.2
_FINE = 4
_LINES = 14

Tile = NDArray[np.float32]


def draw_tiles(rng: np.random.Generator) -> tuple[Tile, ...]:
    """Patterns of one scene, float32 [2·SIDE, 2·SIDE], periodic, nowhere below −2.2.

    Two fractal ones, whose power falls with the square of frequency, of deviation 1; a grating, stripes and a weave; and written lines,
    where ink is −1 and paper 0.
    """
    fractal = np.tile(_draw_fractal(rng), (2, 2))
    waves = [_draw_wave(rng) for _ in range(4)]
    grating, stripes, weave = 1.4 * waves[0], (4 * waves[1]).clip(-1, 1), 2 * waves[2] * waves[3]
    return fractal, fractal.T, grating, stripes, weave, _write_letters()


def _draw_fractal(rng: np.random.Generator) -> Tile:
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
    frequency[0, 0] = np.inf
    spectrum = (draw_normal(rng, frequency.shape) + 1j * draw_normal(rng, frequency.shape)) / frequency
    field = np.fft.irfft2(spectrum, (SIDE, SIDE))
    return np.asarray((field / field.std()).clip(_DEEPEST, -_DEEPEST), np.float32)


def _draw_wave(rng: np.random.Generator) -> Tile:
    """A sine of deviation 0.7 with a whole number of periods of 4 to 30 px in the tile."""
    angle, frequency = rng.uniform(0, np.pi), SIDE / np.exp(rng.uniform(np.log(4), np.log(30)))
    place = 2 * np.pi * np.arange(2 * SIDE) / SIDE
    across = np.rint(frequency * np.cos(angle)) * place + rng.uniform(0, 2 * np.pi)
    down = np.rint(frequency * np.sin(angle)) * place
    # sin(a + b), by far fewer sines.
    wave = np.outer(np.cos(down), np.sin(across)) + np.outer(np.sin(down), np.cos(across))
    return np.asarray(wave, np.float32)


@lru_cache(maxsize=1)
def _write_letters() -> Tile:
    """Lines of random letters in several sizes, drawn four times as fine and averaged; the same in every scene, as print is."""
    rng = np.random.Generator(np.random.Philox(0))
    page = np.zeros((_FINE * SIDE, _FINE * SIDE), np.uint8)
    for line in range(_LINES):
        letters = "".join(rng.choice(list(string.ascii_letters + "    "), 90))
        baseline = (-20, round((line + 0.8) * page.shape[0] / _LINES))
        cv2.putText(page, letters, baseline, cv2.FONT_HERSHEY_SIMPLEX, float(rng.uniform(0.9, 1.9)), 255, 6)
    ink = cv2.resize(page, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return np.tile(ink.astype(np.float32) / np.float32(-255), (2, 2))
