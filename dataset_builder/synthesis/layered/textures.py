"""What surfaces of a scene look like close up: tiles that leaves cut their pattern from."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from dataset_builder.randomness import draw_normal

SIDE = 256
"""px of a tile, which goes on in all directions."""
LETTERS = 5
"""Place of the tile of written lines among `draw_tiles`."""
_DEEPEST = -2.2
_FINE = 4

Tile = NDArray[np.float32]


def draw_tiles(rng: np.random.Generator) -> tuple[Tile, ...]:
    """Patterns of one scene, float32 [2·SIDE, 2·SIDE], periodic, nowhere below −2.2.

    Two fractal ones, whose power falls with the square of frequency, of deviation 1; a grating, stripes and a weave; and written lines,
    where ink is −1 and paper 0.
    """
    fractal = _draw_fractal(rng)
    waves = [_draw_wave(rng) for _ in range(4)]
    grating, stripes = np.float32(1.4) * waves[0], (4 * waves[1]).clip(-1, 1)
    drawn = (fractal, fractal.T, grating, stripes, 2 * waves[2] * waves[3])
    return (*(np.tile(pattern, (2, 2)) for pattern in drawn), _write_letters())


@lru_cache(maxsize=1)
def _tabulate_amplitudes() -> NDArray[np.float64]:
    """Inverse frequencies of half a spectrum; nothing of frequency 0."""
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE))
    frequency[0, 0] = np.inf
    return np.asarray(1 / frequency)


def _draw_fractal(rng: np.random.Generator) -> Tile:
    amplitude = _tabulate_amplitudes()
    real, imaginary = draw_normal(rng, (2, *amplitude.shape))
    spectrum = (real + 1j * imaginary) * amplitude
    field = np.fft.irfft2(spectrum, (SIDE, SIDE))
    return np.asarray((field / field.std()).clip(_DEEPEST, -_DEEPEST), np.float32)


def _draw_wave(rng: np.random.Generator) -> Tile:
    """A sine of deviation 0.7 with a whole number of periods of 4 to 30 px in the tile."""
    angle, frequency = rng.uniform(0, np.pi), SIDE / np.exp(rng.uniform(np.log(4), np.log(30)))
    place = 2 * np.pi * np.arange(SIDE) / SIDE
    across = np.rint(frequency * np.cos(angle)) * place + rng.uniform(0, 2 * np.pi)
    down = np.rint(frequency * np.sin(angle)) * place
    # sin(a + b), by far fewer sines.
    sines, cosines = (function([across, down]).astype(np.float32) for function in (np.sin, np.cos))
    return np.asarray(np.outer(cosines[1], sines[0]) + np.outer(sines[1], cosines[0]))


@lru_cache(maxsize=1)
def _write_letters() -> Tile:
    """Lines of signs in several sizes, drawn four times as fine and averaged; the same in every scene, as print is."""
    rng = np.random.Generator(np.random.Philox(0))
    page, top = np.zeros((_FINE * SIDE, _FINE * SIDE), bool), 0
    while top < len(page):
        height = int(rng.integers(5, 14)) * _FINE
        left = int(rng.integers(0, 3 * height))
        while left < len(page):
            word = int(rng.integers(2, 9))
            for _ in range(word):
                _write_sign(page[top : top + height, left : left + 2 * height // 3], rng)
                left += 5 * height // 6
            left += height // 2
        top += 3 * height // 2
    ink = page.reshape(SIDE, _FINE, SIDE, _FINE).mean(axis=(1, 3))
    return np.tile(-ink.astype(np.float32), (2, 2))


def _write_sign(page: NDArray[np.bool_], rng: np.random.Generator) -> None:
    """Some of the strokes of a display of seven."""
    height, width = page.shape
    stroke, middle = max(2, height // 7), height // 2
    strokes = (
        np.s_[:stroke],
        np.s_[middle : middle + stroke],
        np.s_[-stroke:],
        np.s_[:middle, :stroke],
        np.s_[middle:, :stroke],
        np.s_[:middle, -stroke:],
        np.s_[middle:, -stroke:],
    )
    for number in rng.permutation(len(strokes))[: rng.integers(3, 6)]:
        if height and width:
            page[strokes[number]] = True
