"""What the pixels of the frames take from an image of higher resolution, and giving some of it back."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy import fft

from restorers.burst import FloatArray, FloatImage

_PADDING = 16
_BAND = 64
"""Rows or columns transformed at a time."""


def correct_aperture(image: FloatImage, scale: float, *, blur: float, regularisation: float) -> None:
    """Undo, in place, the mean over a frame pixel, beyond that over an output pixel, by a Wiener filter.

    The transfer function H of square pixels is a sinc along each axis. Scenes have power that falls with the square of the frequency f,
    noise is white: their ratio is `regularisation`·(f / f_N)² with f_N the Nyquist frequency of the frames, and the filter is
    H / (H² + ratio), 1 at f = 0. It works in little more than one channel.

    Args:
        image: float32 [H, W, 3], merged on a grid that is finer than that of the frames.
        scale: output pixels per frame pixel.
        blur: standard deviation of what blurs besides, in frame pixels.
        regularisation: regularisation of noise to scene at the Nyquist frequency of the frames.
    """
    mode: Literal["reflect", "edge"] = "reflect" if min(image.shape[:2]) > _PADDING else "edge"
    rows, columns = (np.pad(np.arange(side), _PADDING, mode=mode) for side in image.shape[:2])
    height, width = len(rows), len(columns)
    spectrum = np.empty((height, width // 2 + 1), np.complex64)
    frequency_y, frequency_x = fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None]
    for channel in range(3):
        plane = image[..., channel]
        for start in range(0, height, _BAND):
            spectrum[start : start + _BAND] = fft.rfft(plane[np.ix_(rows[start : start + _BAND], columns)])
        for start in range(0, spectrum.shape[1], _BAND):
            some = np.s_[:, start : start + _BAND]
            block = fft.fft(spectrum[some], axis=0)
            block *= _gain(frequency_y, frequency_x[some], scale, blur, regularisation)
            spectrum[some] = fft.ifft(block, axis=0)
        for start in range(0, len(plane), _BAND):
            stop = min(start + _BAND, len(plane))
            corrected = fft.irfft(spectrum[start + _PADDING : stop + _PADDING], width)
            plane[start:stop] = corrected[:, _PADDING:-_PADDING]


def _gain(
    frequency_y: FloatArray, frequency_x: FloatArray, scale: float, blur: float, regularisation: float
) -> FloatImage:
    """The filter at frequencies [h, 1] and [1, w], in cycles per output pixel: float32 [h, w]."""
    vertical, horizontal = (
        np.exp(-2 * np.pi**2 * blur**2 * (scale * each) ** 2) * np.sinc(scale * each) / np.sinc(each)
        for each in (frequency_y, frequency_x)
    )
    transfer = vertical * horizontal
    ratio = regularisation * 4 * scale**2 * (frequency_x**2 + frequency_y**2)
    return np.asarray(transfer / (transfer**2 + ratio), np.float32)
