"""Speed and memory of the restorers on one core, and HDR+ against a plain FFT merge: `python -m benchmarks.restorers [SCENARIO...]`.

Every figure is the best of a few runs in a fresh process with one thread. Memory is in units of the burst's float32 size, and is the peak
of what the process holds beyond the burst, the result and the documented state: once while it restores, and once while it prepares and
fuses all frames, or gives its contributions.
"""

from __future__ import annotations

import ctypes
import os
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from restorers.base import LinearMerge, SubsetRestorer
from restorers.burst import CFA, Burst, FloatImage
from restorers.classical.hdrplus import HdrPlusMerge
from restorers.classical.tile_grid import TileGrid, raised_cosine
from restorers.fidelity import psnr
from restorers.imaging.mosaic import join_planes, resample_planes, split_planes
from restorers.imaging.noise import noise_levels
from restorers.motion.align import align_burst
from restorers.registry import BUILT_IN, create

SIDE, NUM_FRAMES = 1024, 14
SHOT, READ = 4e-3, 4e-5
PLAIN = "plain FFT merge"
LARGEST_BEYOND_STATE = 3.0
"""How much a restorer may hold beyond its state, in units of the burst."""
STATE = {
    "deblur/burst_network": 12.5,
    "deblur/fourier": 3.73,
    "demosaic/burst": 1.25,
    "demosaic/burst_network": 12.5,
    "denoise/handheld": 6.0,
    "denoise/hdrplus": 1.0,
    "denoise/hdrplus@spatial": 1.15,
    "denoise/kpn": 7.0,
    "denoise/mean": 1.0,
    "denoise/recurrent": 7.0,
    "denoise/robust_mean": 1.0,
    "focus/stack": 5.34,
    "hdr/fusion": 2.5,
    "hdr/radiance": 1.32,
    "sr/backprojection@x2": 1.25,
    "sr/backprojection@x4": 1.25,
    "sr/dbsr@x2": 32.0,
    "sr/dbsr@x4": 109.0,
    "sr/handheld@x1.5": 13.5,
    "sr/handheld@x2": 24.0,
    "sr/handheld@x4": 96.0,
}
"""What `prepare` or `contributions` returns of mosaics of this size, in units of the burst, as the docstrings say."""
STATE_OF_RESTORE = {"hdr/fusion"}
"""Restorers that hold it when they restore a whole burst too."""
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


@dataclass(frozen=True)
class Measurement:
    """Of one restorer.

    Attributes:
        seconds: that one `restore` takes.
        restoring: peak memory beyond burst and result, in units of the burst.
        subsets: peak memory of `prepare` and `fuse`, or of `contributions`, beyond burst and result; None for single-frame restorers.
        gain: dB over the reference, of restorers that return mosaics.
    """

    seconds: float
    restoring: float
    subsets: float | None
    gain: float | None


def measure(name: str, folder: Path) -> Measurement:
    """Measure one restorer; runs in its own process."""
    cv2.setNumThreads(1)
    frames, clean = np.load(folder / "frames.npy", mmap_mode="r"), np.load(folder / "clean.npy")
    restorer = None if name == PLAIN else create(name)
    restore = merge_plainly if restorer is None else restorer.restore
    single = restorer is not None and restorer.info.single_frame
    # A small burst first: what is imported and cached once is no part of the memory that a burst takes.
    small, _ = make_burst(64, 1 if single else 3)
    restore(small)
    burst = _noted(np.array(frames[:1] if single else frames))
    del frames
    start = time.perf_counter()
    image, peak = _track_peak(restore, burst)
    best = time.perf_counter() - start
    for _ in range(2):
        if best < _PATIENCE:
            start = time.perf_counter()
            restore(burst)
            best = min(best, time.perf_counter() - start)
    result = image.nbytes
    gain = None
    if image.shape == clean.shape:
        gain = psnr(image, clean, border=8) - psnr(burst.reference, clean, border=8)
    del image
    subsets = None
    if isinstance(restorer, SubsetRestorer):
        _, subsets = _track_peak(lambda burst: restorer.fuse(restorer.prepare(burst), burst.others), burst)
        subsets -= result
    elif isinstance(restorer, LinearMerge):
        _, subsets = _track_peak(restorer.contributions, burst)
    size = burst.frames.nbytes
    return Measurement(best, (peak - result) / size, None if subsets is None else subsets / size, gain)


def _track_peak(function: Callable[[Burst], Any], burst: Burst) -> tuple[Any, int]:
    """What a function returns, and the bytes by which the memory of this process grew at its peak."""
    # What the allocator has kept of earlier runs would hide what this one takes.
    ctypes.CDLL("libc.so.6").malloc_trim(0)
    before = _read_status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # resets the high-water mark
    returned = function(burst)
    return returned, _read_status("VmHWM") - before


def _read_status(field: str) -> int:
    """A field of the status of this process, in bytes."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def _run_alone(function: Callable[..., Any], *arguments: Any) -> Any:
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


def agree() -> float:
    """Largest difference between both HDR+ merges on a smaller burst."""
    burst, _ = make_burst(256, 6)
    return float(np.abs(HdrPlusMerge().restore(burst) - merge_plainly(burst)).max())


def main(arguments: list[str]) -> int:
    """Print the table."""
    os.environ.update(ONE_THREAD)
    # Networks are left out: on one core they take minutes for a frame of this size.
    built_in = [spec.scenario for spec in BUILT_IN if ".learned." not in spec.target]
    names = [name for name in [*built_in, PLAIN] if not arguments or name in arguments]
    print(f"{SIDE} x {SIDE} mosaic, {NUM_FRAMES} frames (single-frame restorers: 1), one thread")
    print("memory in units of the burst, beyond it and the result; state: what subsets are fused from")
    heads = ("s", "MP-frames/s", "restore", "subsets", "state", "beyond it", "bar", "gain dB")
    print(f"{'restorer':24}" + "".join(f"{head:>12}" for head in heads))
    found = {}
    with TemporaryDirectory() as folder:
        _run_alone(write_burst, Path(folder))
        for name in names:
            found[name] = each = _run_alone(measure, name, Path(folder))
            single = name != PLAIN and create(name).info.single_frame
            speed = SIDE * SIDE * (1 if single else NUM_FRAMES) / 1e6 / each.seconds
            state = STATE.get(name, 0.0)
            restoring = each.restoring - (state if name in STATE_OF_RESTORE else 0.0)
            beyond = max(restoring, 0.0 if each.subsets is None else each.subsets - state)
            memory = (each.restoring, each.subsets, state, beyond, LARGEST_BEYOND_STATE)
            cells = ("" if number is None else f"{number:.2f}" for number in (each.seconds, speed, *memory, each.gain))
            verdict = "" if name == PLAIN or beyond <= LARGEST_BEYOND_STATE else "  above the bar"
            print(f"{name:24}" + "".join(f"{cell:>12}" for cell in cells) + verdict, flush=True)
    if PLAIN in found and "denoise/hdrplus" in found:
        ratio = found[PLAIN].seconds / found["denoise/hdrplus"].seconds
        print(f"time of the plain FFT merge / time of denoise/hdrplus: {ratio:.2f}")
        print(f"largest difference between their outputs on 256 x 256 x 6: {agree():.1e}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
