"""Small bursts with exact truth, made without the builder: a second opinion on it as well as test data.

A scene is a continuous function: cubic-spline interpolation of a linear photograph that a Gaussian lens has blurred by `lens` frame
pixels (0.75 makes half contrast at a quarter of the sampling rate, a good camera), mirrored at its edges. Frame pixel p is the mean
of the scene over `scale` x `scale` points at frame positions p + (k − (scale − 1) / 2) / scale, seen through the frame's rigid motion
about the frame's centre; an `aperture` below 1 keeps the middle of those points only. The truth at `scale` is the blurred
photograph itself.
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
    aperture: float = 1.0,
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
            _expose(splines, matrix, height=height, width=width, scale=scale, corner=corner, cfa=cfa, aperture=aperture)
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


def _expose(splines, matrix, *, height, width, scale, corner, cfa, aperture):
    inverse = np.linalg.inv(matrix)
    count = round(scale * aperture)
    steps = (np.arange(count) - (count - 1) / 2) / scale
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
        mosaic[dy::2, dx::2] = values.reshape(height // 2, count, width // 2, count).mean((1, 3))
    return np.maximum(mosaic, 0)


def make_colour_burst(
    scene="astronaut", *, domain: Domain = Domain.LINEAR_RGB, read: float = 4e-4, **settings
) -> Sample:
    """A burst of RGB frames with white noise of variance `read`: three mosaic bursts of one scene give its colours."""
    sample = make_burst(scene, shot=0, read=0, **settings)
    plain = [
        make_burst(scene, shot=0, read=0, cfa=cfa, **settings).clean for cfa in (CFA.RGGB, CFA.BGGR, CFA.GRBG, CFA.GBRG)
    ]
    # Every pixel is red, green or blue in one of the four filter orders.
    clean = np.empty((*sample.clean.shape, 3))
    for mosaics, cfa in zip(plain, (CFA.RGGB, CFA.BGGR, CFA.GRBG, CFA.GBRG), strict=True):
        for position, channel in enumerate(cfa.channels):
            dy, dx = divmod(position, 2)
            clean[:, dy::2, dx::2, channel] = mosaics[:, dy::2, dx::2]
    noise = np.random.default_rng(1).normal(0, np.sqrt(read), clean.shape)
    frames = np.clip(clean + noise, 0 if domain is Domain.SRGB else -1, 1)
    if domain is Domain.SRGB:
        frames = np.where(frames <= 0.0031308, 12.92 * frames, 1.055 * np.maximum(frames, 1e-9) ** (1 / 2.4) - 0.055)
    levels = np.zeros(len(frames)), np.full(len(frames), read)
    burst = Burst(
        frames.astype(np.float32),
        domain=domain,
        shot_noise=None if domain is Domain.SRGB else levels[0],
        read_noise=None if domain is Domain.SRGB else levels[1],
    )
    return Sample(burst, clean, sample.high_resolution, sample.homographies, sample.scale)


def make_shaken_burst(
    scene="astronaut", *, num_frames: int = 8, blur: float = 6.0, num_poses: int = 9, seed: int = 0, **settings
) -> Sample:
    """Every frame is the mean over a straight path of random direction; its length varies between a fifth of `blur` and all of it."""
    rng = np.random.default_rng(seed)
    middle = rng.uniform(-4, 4, (num_frames, 2)) * (np.arange(num_frames) > 0)[:, None]
    angle, length = rng.uniform(0, np.pi, num_frames), blur * rng.uniform(0.2, 1, num_frames)
    along = np.stack([np.cos(angle), np.sin(angle)], -1) * length[:, None]
    steps = (np.arange(num_poses) + 0.5) / num_poses - 0.5
    shifts = middle[:, None] + along[:, None] * steps[:, None]
    motions = np.concatenate([shifts, np.zeros((num_frames, num_poses, 1))], -1).reshape(-1, 3)
    return _photograph_means(scene, motions, num_frames, seed=seed, **settings)


def _photograph_means(
    scene, motions, num_frames, *, seed, shot: float = 4e-3, read: float = 4e-5, **settings
) -> Sample:
    """Frames that are means of consecutive exposures, with noise added after."""
    at = len(motions) // num_frames // 2
    sharp = make_burst(scene, num_frames=len(motions), motions=motions, reference_index=at, shot=0, read=0, **settings)
    clean = sharp.clean.reshape(num_frames, -1, *sharp.clean.shape[1:]).mean(1)
    noise = np.random.default_rng(seed + 1).standard_normal(clean.shape) * np.sqrt(shot * clean + read)
    burst = Burst(
        np.clip(clean + noise, -1, 1).astype(np.float32),
        cfa=sharp.burst.cfa,
        shot_noise=np.full(num_frames, shot),
        read_noise=np.full(num_frames, read),
    )
    homographies = sharp.homographies.reshape(num_frames, -1, 3, 3)[:, at]
    return Sample(burst, clean, sharp.high_resolution, homographies, sharp.scale)


def make_focus_series(
    scene="astronaut",
    *,
    num_frames: int = 4,
    defocus: float = 3.0,
    width: int = 128,
    seed: int = 0,
    max_shift: float = 2.0,
    corner=(0, 0),
    **settings,
) -> Sample:
    """Frame t is sharp in the t-th of `num_frames` upright strips; elsewhere it is blurred by `defocus` frame pixels per strip of distance.

    `clean[t]` is what an all-in-focus lens would have seen in frame t.
    """
    linear = photograph(scene) if isinstance(scene, str) else scene
    rng = np.random.default_rng(seed)
    scale = settings.get("scale", 2)
    strip = np.clip((np.arange(linear.shape[1]) - corner[0]) * num_frames // (scale * width), 0, num_frames - 1)
    frames, sharp = [], None
    for index in range(num_frames):
        shift = rng.uniform(-max_shift, max_shift, 2) * (index > 0)
        motions = np.array([[0, 0, 0], [*shift, 0]])
        blurred = np.empty_like(linear)
        for distance in range(num_frames):
            deviation = defocus * scale * distance
            image = ndimage.gaussian_filter(linear, (deviation, deviation, 0), mode="mirror") if distance else linear
            columns = np.abs(strip - index) == distance
            blurred[:, columns] = image[:, columns]
        shared = {
            "width": width,
            "num_frames": 2,
            "motions": motions,
            "seed": seed + index,
            "corner": corner,
            **settings,
        }
        frames.append(make_burst(blurred, **shared).burst)
        sharp = sharp or make_burst(linear, **shared)
    levels = [np.full(num_frames, level[0]) for level in (frames[0].shot_noise, frames[0].read_noise)]
    pixels = np.stack([frames[0].frames[0], *(each.frames[1] for each in frames[1:])])
    burst = Burst(pixels, cfa=frames[0].cfa, shot_noise=levels[0], read_noise=levels[1])
    return Sample(burst, sharp.burst.frames, sharp.high_resolution, sharp.homographies, scale)
