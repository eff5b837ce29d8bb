"""Speed and memory of the restorers on one core, and HDR+ against a plain FFT merge: `python -m benchmarks.restorers`.

Every figure is the best of a few runs in a fresh process with one thread; peak memory is what the process grew by beyond the burst.
"""

from __future__ import annotations

import os
import resource
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from restorers.align import align_burst
from restorers.burst import CFA, Burst, FloatImage
from restorers.classical.hdrplus import HdrPlusMerge
from restorers.classical.mosaic import join_planes, resample_planes, split_planes
from restorers.classical.tile_grid import TileGrid, raised_cosine
from restorers.fidelity import psnr
from restorers.noise import noise_levels
from restorers.registry import BUILT_IN, create

SIDE, NUM_FRAMES = 1024, 14
SHOT, READ = 4e-3, 4e-5
PLAIN = "plain FFT merge"
_PATIENCE = 5.0
"""Seconds above which a run is not repeated."""
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def make_burst(side: int = SIDE, num_frames: int = NUM_FRAMES) -> tuple[Burst, FloatImage]:
    """A handheld burst of a photograph, and the noise-free mosaic of its reference."""
    from skimage import data

    rng = np.random.default_rng(0)
    photograph = np.float32(0.6) * (data.astronaut().astype(np.float32) / 255) ** 2.2
    scene = cv2.GaussianBlur(cv2.resize(photograph, (side, side), interpolation=cv2.INTER_CUBIC), (0, 0), 1)
    mosaics = np.empty((num_frames, side, side), np.float32)
    for index in range(num_frames):
        x, y, degrees = rng.uniform((-8, -8, -0.3), (8, 8, 0.3)) * (index > 0)
        matrix = cv2.getRotationMatrix2D(((side - 1) / 2, (side - 1) / 2), degrees, 1)
        matrix[:, 2] += x, y
        frame = cv2.warpAffine(scene, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        for position, channel in enumerate(CFA.RGGB.channels):
            dy, dx = divmod(position, 2)
            mosaics[index, dy::2, dx::2] = frame[dy::2, dx::2, channel]
    clean = np.clip(mosaics[0], 0, 1)
    mosaics += rng.standard_normal(mosaics.shape, np.float32) * np.sqrt(SHOT * np.maximum(mosaics, 0) + READ)
    return _noted(np.clip(mosaics, -1, 1)), clean


def _noted(frames: FloatImage) -> Burst:
    shot, read = np.full(len(frames), SHOT), np.full(len(frames), READ)
    return Burst(frames, cfa=CFA.RGGB, shot_noise=shot, read_noise=read)


def merge_plainly(burst: Burst, *, size: int = 16, tolerance: float = 8.0) -> FloatImage:
    """HDR+ merge as its formula reads, by `numpy.fft` on all tiles of both frames. No tile motion, no exposure differences."""
    assert burst.cfa is not None
    alignment, (shot, read) = align_burst(burst), noise_levels(burst)
    reference = split_planes(burst.reference)
    grid = TileGrid(size, *reference.shape[1:])
    tiles = np.ascontiguousarray(grid.windows(reference))
    spectrum = np.fft.rfft2(tiles)
    signal = np.maximum(tiles.mean((-2, -1)), 0)
    total = spectrum.copy()
    for index in burst.others:
        if not alignment.aligned[index]:
            total += spectrum
            continue
        planes, inside = resample_planes(burst.frames[index], burst.cfa, alignment.homographies[index])
        frame = np.fft.rfft2(np.ascontiguousarray(grid.windows(np.where(inside, planes, reference))))
        both = [burst.reference_index, index]
        variance = size**2 * (shot[both].sum() * signal + read[both].sum())[..., None, None]
        distance = np.abs(spectrum - frame) ** 2
        energy = np.square(grid.windows(np.where(inside, planes - reference, 0))).sum((1, -2, -1))
        still = np.interp(energy / variance.sum(1)[..., 0, 0], (1.5, 3), (1, 3 / 8))[:, None, :, None, None]
        attenuation = distance / (distance + tolerance * still * variance)
        total += frame + attenuation * (spectrum - frame)
    merged = np.fft.irfft2(total / burst.num_frames, s=(size, size)) * raised_cosine(size)
    return join_planes(grid.overlap_add(merged.astype(np.float32)))


def write_burst(folder: Path) -> None:
    """Save the burst and its truth for `measure`."""
    burst, clean = make_burst()
    np.save(folder / "frames.npy", burst.frames)
    np.save(folder / "clean.npy", clean)


def measure(name: str, folder: Path) -> tuple[float, float, float | None]:
    """Seconds, peak growth in bytes per burst byte, and gain in dB over the reference (mosaics only); runs in its own process."""
    cv2.setNumThreads(1)
    # Read, not made here: the memory that making it takes would hide what restoring it takes.
    burst, clean = _noted(np.load(folder / "frames.npy")), np.load(folder / "clean.npy")
    restore, burst = _restorer(name, burst)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    image, best = None, float("inf")
    for _ in range(3):
        start = time.perf_counter()
        image = restore(burst)
        best = min(best, time.perf_counter() - start)
        if best > _PATIENCE:
            break
    growth = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert image is not None
    gain = None
    if image.shape == clean.shape:
        gain = psnr(image, clean, border=8) - psnr(burst.reference, clean, border=8)
    return best, growth / burst.frames.nbytes, gain


def _restorer(name: str, burst: Burst) -> tuple[Callable[[Burst], FloatImage], Burst]:
    if name == PLAIN:
        return merge_plainly, burst
    restorer = create(name)
    return restorer.restore, burst.single(0) if restorer.info.single_frame else burst


def _run_alone(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def agree() -> float:
    """Largest difference between both HDR+ merges on a smaller burst."""
    burst, _ = make_burst(256, 6)
    return float(np.abs(HdrPlusMerge().restore(burst) - merge_plainly(burst)).max())


def main() -> int:
    """Print the table."""
    os.environ.update(ONE_THREAD)
    # Networks are left out: on one core they take minutes for a frame of this size.
    restorers = {spec.scenario: create(spec.scenario) for spec in BUILT_IN if ".learned." not in spec.target}
    names = [*restorers, PLAIN]
    print(f"{SIDE} x {SIDE} mosaic, {NUM_FRAMES} frames (single-frame restorers: 1), one thread")
    print(f"{'restorer':24}{'s':>8}{'MP-frames/s':>14}{'peak / burst':>14}{'gain dB':>10}")
    seconds = {}
    with TemporaryDirectory() as folder:
        _run_alone(write_burst, Path(folder))
        for name in names:
            seconds[name], growth, gain = _run_alone(measure, name, Path(folder))
            single = name in restorers and restorers[name].info.single_frame
            work = SIDE * SIDE * (1 if single else NUM_FRAMES) / 1e6
            shown = "" if gain is None else f"{gain:.1f}"
            print(f"{name:24}{seconds[name]:8.2f}{work / seconds[name]:14.1f}{growth:14.2f}{shown:>10}", flush=True)
    ratio = seconds[PLAIN] / seconds["denoise/hdrplus"]
    print(f"time of the plain FFT merge / time of denoise/hdrplus: {ratio:.2f}")
    print(f"largest difference between their outputs on 256 x 256 x 6: {agree():.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
