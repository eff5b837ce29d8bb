"""Small bursts with exact truth, made without the builder: a second opinion on it as well as test data.

A scene is a continuous function: cubic-spline interpolation of a linear photograph that a Gaussian lens has blurred by `lens` frame
pixels (0.75 makes half contrast at a quarter of the sampling rate, a good camera), mirrored at its edges. Frame pixel p is the mean
of the scene over `scale` x `scale` points at frame positions p + (k − (scale − 1) / 2) / scale, seen through the frame's rigid motion
about the frame's centre. The truth at `scale` is the blurred photograph itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy import ndimage

from restorers.burst import CFA, Burst, Domain


@lru_cache
def photograph(name: str) -> np.ndarray:
    """Linear RGB, float64 [H, W, 3], of a photograph bundled with scikit-image."""
    from skimage import data

    srgb = getattr(data, name)()[..., :3] / 255.0
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


@dataclass(frozen=True, eq=False)
class Sample:
    """A burst and what is true of it: `clean` mosaics [T, H, W], `high_resolution` [sH, sW, 3], `homographies` [T, 3, 3]."""

    burst: Burst
    clean: np.ndarray
    high_resolution: np.ndarray
    homographies: np.ndarray
    scale: int

    @property
    def truth(self) -> np.ndarray:
        """Noise-free mosaic of the reference."""
        return self.clean[self.burst.reference_index]


def texture(height: int, width: int, *, seed: int = 0) -> np.ndarray:
    """Linear RGB of random blobs on several scales, float64 [H, W, 3], about 0.3 on average."""
    rng = np.random.Generator(np.random.Philox(seed))
    grey = sum(
        size * ndimage.gaussian_filter(rng.standard_normal((height, width)), size, mode="mirror") for size in (2, 4, 8)
    )
    tint = 0.05 * np.stack(
        [8 * ndimage.gaussian_filter(rng.standard_normal((height, width)), 8, mode="mirror") for _ in range(3)], -1
    )
    return np.clip(0.3 + 0.2 * grey[..., None] / grey.std() * 0.7 + tint, 0.02, 1.2)


def rigid(shift_x: float, shift_y: float, degrees: float, height: int, width: int) -> np.ndarray:
    """Rotate about the centre of the frame, then shift."""
    angle, centre = np.deg2rad(degrees), np.array([(width - 1) / 2, (height - 1) / 2])
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = np.eye(3)
    matrix[:2, :2] = rotation
    matrix[:2, 2] = centre - rotation @ centre + (shift_x, shift_y)
    return matrix


def make_burst(
    scene: np.ndarray | str = "astronaut",
    *,
    height: int = 128,
    width: int = 128,
    num_frames: int = 14,
    max_shift: float = 8.0,
    max_degrees: float = 0.5,
    shot: float = 4e-3,
    read: float = 4e-5,
    brightness: float = 0.6,
    scale: int = 2,
    lens: float = 0.75,
    corner: tuple[int, int] = (0, 0),
    cfa: CFA = CFA.RGGB,
    reference_index: int = 0,
    exposure_ratio: tuple[float, ...] | None = None,
    motions: np.ndarray | None = None,
    noise_known: bool = True,
    seed: int = 0,
) -> Sample:
    """Photograph `scene` from `corner` (x, y) on with a shaking hand; `motions` [T, 3] (x, y, degrees) replaces the random ones."""
    rng = np.random.Generator(np.random.Philox(seed))
    linear = brightness * (photograph(scene) if isinstance(scene, str) else scene)
    if lens:
        linear = ndimage.gaussian_filter(linear, (lens * scale, lens * scale, 0), mode="mirror")
    if motions is None:
        limits = np.array([max_shift, max_shift, max_degrees])
        motions = rng.uniform(-limits, limits, (num_frames, 3))
    motions = np.array(motions, float)
    motions[reference_index] = 0
    ratios = np.ones(num_frames) if exposure_ratio is None else np.array(exposure_ratio)
    homographies = np.stack([rigid(*motion, height, width) for motion in motions])
    splines = [ndimage.spline_filter(linear[..., channel], order=3, mode="mirror") for channel in range(3)]
    clean = np.stack(
        [
            _expose(splines, matrix, height=height, width=width, scale=scale, corner=corner, cfa=cfa)
            for matrix in homographies
        ]
    )
    clean *= ratios[:, None, None]
    noise = rng.standard_normal(clean.shape) * np.sqrt(shot * clean + read)
    frames = np.clip(clean + noise, -1, 1).astype(np.float32)
    known = np.full(num_frames, shot), np.full(num_frames, read)
    burst = Burst(
        frames,
        reference_index,
        Domain.RAW_BAYER,
        cfa,
        shot_noise=known[0] if noise_known else None,
        read_noise=known[1] if noise_known else None,
        exposure_ratio=ratios,
    )
    x, y = corner
    rows, columns = (np.arange(scale * side) + start for side, start in ((height, y), (width, x)))
    grid = np.meshgrid(rows, columns, indexing="ij")
    truth = np.stack([ndimage.map_coordinates(s, grid, order=3, mode="mirror", prefilter=False) for s in splines], -1)
    return Sample(burst, clean, truth.astype(np.float32), homographies, scale)


def _expose(splines, matrix, *, height, width, scale, corner, cfa):
    inverse = np.linalg.inv(matrix)
    steps = (np.arange(scale) - (scale - 1) / 2) / scale
    mosaic = np.empty((height, width))
    for index, channel in enumerate(cfa.channels):
        dy, dx = divmod(index, 2)
        y = (np.arange(dy, height, 2)[:, None] + steps).ravel()
        x = (np.arange(dx, width, 2)[:, None] + steps).ravel()
        frame_x, frame_y = np.meshgrid(x, y)
        points = inverse @ np.stack([frame_x.ravel(), frame_y.ravel(), np.ones(frame_x.size)])
        # Reference pixel to photograph pixel: frame pixel p covers the photograph's pixels s·p .. s·p + s − 1.
        at_x, at_y = (scale * points[:2] + (scale - 1) / 2) + np.array(corner)[:, None]
        values = ndimage.map_coordinates(splines[channel], [at_y, at_x], order=3, mode="mirror", prefilter=False)
        mosaic[dy::2, dx::2] = values.reshape(height // 2, scale, width // 2, scale).mean((1, 3))
    return np.maximum(mosaic, 0)
