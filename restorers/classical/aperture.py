"""What the pixels of the frames take from an image of higher resolution, and giving some of it back."""

from __future__ import annotations

import numpy as np
from scipy import fft

from restorers.burst import FloatImage

_PADDING = 16


def correct_aperture(image: FloatImage, scale: float, *, blur: float, regularisation: float) -> FloatImage:
    """Undo the mean over a frame pixel, beyond that over an output pixel, by a Wiener filter.

    The transfer function H of square pixels is a sinc along each axis. Scenes have power that falls with the square of the frequency f,
    noise is white: their ratio is `regularisation`·(f / f_N)² with f_N the Nyquist frequency of the frames, and the filter is
    H / (H² + ratio), 1 at f = 0.

    Args:
        image: float32 [H, W, 3], merged on a grid that is finer than that of the frames.
        scale: output pixels per frame pixel.
        blur: standard deviation of what blurs besides, in frame pixels.
        regularisation: of noise to scene at the Nyquist frequency of the frames.

    Returns:
        float32 [H, W, 3].
    """
    edges = ((_PADDING, _PADDING), (_PADDING, _PADDING), (0, 0))
    padded = np.pad(image, edges, mode="reflect" if min(image.shape[:2]) > _PADDING else "edge")
    height, width = padded.shape[:2]
    frequency_y, frequency_x = fft.fftfreq(height)[:, None], fft.rfftfreq(width)[None]
    square = scale**2 * (frequency_x**2 + frequency_y**2)
    transfer = np.exp(-2 * np.pi**2 * blur**2 * square)
    for frequency in (frequency_x, frequency_y):
        transfer = transfer * np.sinc(scale * frequency) / np.sinc(frequency)
    gain = transfer / (transfer**2 + regularisation * 4 * square)
    gain[0, 0] = 1
    spectrum = fft.rfft2(padded, axes=(0, 1)) * gain.astype(np.float32)[..., None]
    corrected = fft.irfft2(spectrum, s=(height, width), axes=(0, 1))
    return np.ascontiguousarray(corrected[_PADDING:-_PADDING, _PADDING:-_PADDING], np.float32)
