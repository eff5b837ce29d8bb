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
_FINE = 4
_LINES = 14

Tile = NDArray[np.float32]


def draw_tiles(rng: np.random.Generator) -> tuple[Tile, ...]:
    """Patterns of one scene, float32 [2·SIDE, 2·SIDE], periodic.

    Two fractal ones, whose power falls with the square of frequency; a grating, stripes and a weave, of mean 0 and deviation of about 1;
    and written lines, where ink is −1 and paper 0.
    """
    fractal = _draw_fractal(rng)
    waves = [_draw_wave(rng) for _ in range(3)]
    crossed = waves[2] * _draw_wave(rng)
    patterns = (fractal.real, fractal.imag, waves[0] * np.sqrt(2), (4 * waves[1]).clip(-1, 1), 2 * crossed)
    return (*(np.tile(pattern, (2, 2)).astype(np.float32) for pattern in patterns), _write_letters())


def _draw_fractal(rng: np.random.Generator) -> NDArray[np.complex128]:
    """Two independent fields, one real, one imaginary."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE))
    amplitude = 1 / np.maximum(frequency, 1 / SIDE)
    amplitude[0, 0] = 0
    spectrum = (draw_normal(rng, (SIDE, SIDE)) + 1j * draw_normal(rng, (SIDE, SIDE))) * amplitude
    return np.asarray(np.fft.ifft2(spectrum) * SIDE / np.sqrt(np.square(amplitude).mean()))


def _draw_wave(rng: np.random.Generator) -> NDArray[np.float64]:
    """A sine with a whole number of periods of 4 to 30 px in the tile."""
    angle, frequency = rng.uniform(0, np.pi), SIDE / np.exp(rng.uniform(np.log(4), np.log(30)))
    across, down = np.rint(frequency * np.cos(angle)), np.rint(frequency * np.sin(angle))
    place = 2 * np.pi * np.arange(SIDE) / SIDE
    return np.asarray(np.sin(across * place + down * place[:, None] + rng.uniform(0, 2 * np.pi)))


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
