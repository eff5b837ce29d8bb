"""What the restorers gain on bursts of the presets: `python -m benchmarks.quality [PHOTOGRAPHS]`.

PHOTOGRAPHS is a folder of large photographs; without it, those of scikit-image serve. Every figure is in dB, mean and least over bursts.
What is held to a bar has it beside, with the statistic that must reach it: of photographs, for those of scikit-image have half a megapixel
and so much detail per pixel that interpolation, not noise, decides.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import cv2
import numpy as np

from dataset_builder.bursts import plan_source
from dataset_builder.recipe import parse_recipe
from dataset_builder.records.loading import load_burst, load_homographies, load_truth
from dataset_builder.work.local import ONE_WORKER
from dataset_builder.work.staging import locate_stage
from dataset_builder.work.unit import Desk
from manifests.images.pixels import read_pixels
from restorers import Burst, create
from restorers.burst import FloatImage
from restorers.fidelity import psnr
from restorers.imaging.mosaic import demosaic

BORDER = 8
SIDE, SMALL_SIDE = 128, 96
"""Of the frames: photographs of scikit-image have no room for more."""
SMALL = ("astronaut.png", "hubble_deep_field.jpg", "motorcycle_left.png", "retina.jpg")
Gains = dict[str, list[float]]
MERGES = ("denoise/mean", "denoise/robust_mean", "denoise/hdrplus", "denoise/hdrplus@spatial", "denoise/handheld")
STILL = "still"
PRESETS = {
    STILL: {
        "num_frames": 14,
        "jitter": {"distribution": "uniform", "low": -6.0, "high": 6.0},
        "jitter_roll": {"distribution": "uniform", "low": -0.008, "high": 0.008},
        "lens_blur": 0.6,
        "brightness": 0.6,
        "shot_noise": 1e-2,
        "read_noise": 1e-4,
    }
}
"""Fourteen frames of equal noise of a still scene, held by hand: the ideal average gains 11.5 dB."""
BARS: Mapping[tuple[str, str], tuple[str, float]] = {
    **{
        (STILL, f"{name} over the reference"): ("mean", bar)
        for name, bar in (
            ("denoise/mean", 9.0),
            ("denoise/robust_mean", 9.0),
            ("denoise/hdrplus", 7.0),
            ("denoise/hdrplus@spatial", 7.0),
            ("denoise/handheld", 5.0),
            ("demosaic/burst", 5.0),
            ("hdr/radiance", 5.0),
            ("deblur/fourier", 5.0),
            ("denoise/nlm", 5.0),
            ("denoise/wavelet", 5.0),
            ("denoise/tv", 5.0),
        )
    },
    **{
        (preset, label): ("mean", bar)
        for preset in ("burst_sr", "dbsr")
        for label, bar in (
            ("sr/handheld@x2 over its own average, enlarged", 1.0),
            ("sr/backprojection@x2 over the plain average, enlarged", 0.5),
            ("sr/backprojection@x4 over the plain average, enlarged", 0.5),
        )
    },
    **{
        ("action", f"denoise/{name} where things move"): ("least", -0.5)
        for name in ("robust_mean", "hdrplus", "hdrplus@spatial", "handheld")
    },
    ("night", "deblur/fourier over the sharpest frame"): ("least", 0.0),
    ("bracket", "hdr/radiance: share of those left at the clipping level"): ("most", 0.0),
    ("focus", "focus/stack over a lens without depth limit, textured"): ("least", -1.0),
}
"""By preset and figure: which statistic must be at least, or, of `most`, at most how much."""


def enlarge(image: FloatImage, scale: int) -> FloatImage:
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC), np.float32)


def colours(frame: FloatImage, burst: Burst) -> FloatImage:
    assert burst.cfa is not None
    return demosaic(frame, burst.cfa)


def reduce(truth: FloatImage, factor: int) -> FloatImage:
    size = (truth.shape[1] // factor, truth.shape[0] // factor)
    return np.asarray(cv2.resize(truth, size, interpolation=cv2.INTER_AREA), np.float32)


def mosaic(image: FloatImage, burst: Burst) -> FloatImage:
    assert burst.cfa is not None
    result = np.empty(image.shape[:2], np.float32)
    for position, channel in enumerate(burst.cfa.channels):
        dy, dx = divmod(position, 2)
        result[dy::2, dx::2] = image[dy::2, dx::2, channel]
    return result


def quality(image: FloatImage, truth: FloatImage, burst: Burst, where: Any = None) -> float:
    """PSNR of a mosaic or RGB at the scale of the frames, over the pixels `where`."""
    expected = truth if image.ndim == 3 else mosaic(truth, burst)
    if where is None:
        return psnr(image, expected, border=BORDER)
    return psnr(image[where].reshape(-1, 1), expected[where].reshape(-1, 1))


def bursts(
    preset: str, folder: Path, files: Sequence[str], root: Path, *, side: int
) -> Iterator[tuple[Mapping[str, Any], Burst, FloatImage]]:
    """Render a burst of each photograph: its rows, the burst, and its truth."""
    source = {
        "kind": "photographs",
        "name": preset.replace("_", "-"),
        "root": str(folder),
        "files": list(files),
        "preset": preset,
    }
    geometry = {"bursts_per_photograph": 1, "frame_height": side, "frame_width": side, "shorter_side": 1200}
    settings = {"seed": 5, "presets": PRESETS, "sources": [{**source, **geometry}]}
    recipe = parse_recipe(settings, "benchmark")
    plan = plan_source(recipe.sources[0], folder, root, seed=recipe.seed, presets=recipe.presets, workers=ONE_WORKER)
    desk = Desk()
    for unit in plan.units:
        rows = unit.run(root, desk)
        stage = locate_stage(root, rows["stage"])
        yield rows, load_burst(stage, rows["burst"], rows["frames"]), load_truth(stage, rows["burst"])


def measure_static(burst: Burst, truth: FloatImage, gains: Gains) -> None:
    """Fourteen frames: gain over the reference alone."""
    for name in (
        *MERGES,
        "demosaic/burst",
        "hdr/radiance",
        "deblur/fourier",
        "denoise/nlm",
        "denoise/wavelet",
        "denoise/tv",
    ):
        restorer = create(name)
        image = restorer.restore(burst.single(burst.reference_index) if restorer.info.single_frame else burst)
        alone = burst.reference if image.ndim == 2 else colours(burst.reference, burst)
        gains[f"{name} over the reference"].append(quality(image, truth, burst) - quality(alone, truth, burst))


def measure_enlargement(burst: Burst, truth: FloatImage, gains: Gains) -> None:
    """Twice and four times the resolution, over cubic enlargement of the denoised average."""
    averages = {
        "its own average": create("denoise/handheld").restore(burst),
        "the plain average": colours(create("denoise/mean").restore(burst), burst),
    }
    for name, scale in (
        ("sr/handheld@x2", 2),
        ("sr/handheld@x4", 4),
        ("sr/backprojection@x2", 2),
        ("sr/backprojection@x4", 4),
    ):
        image, expected = create(name).restore(burst), reduce(truth, 4 // scale)
        for label, average in averages.items():
            if "handheld" in name or label == "the plain average":
                other = enlarge(average, scale)
                gain = psnr(image, expected, border=BORDER * scale) - psnr(other, expected, border=BORDER * scale)
                gains[f"{name} over {label}, enlarged"].append(gain)


def measure_motion(rows: Mapping[str, Any], root: Path, burst: Burst, truth: FloatImage, gains: Gains) -> None:
    """In the region that the object crosses: what is lost against the reference alone."""
    size = (burst.frames.shape[2], burst.frames.shape[1])
    region = np.zeros(size[::-1], bool)
    homographies = load_homographies(rows["frames"])
    assert homographies is not None
    for frame, matrix in zip(rows["frames"], homographies, strict=True):
        if frame["mask_path"] and frame["outlier"] != "blocked":
            mask = read_pixels(locate_stage(root, rows["stage"]), frame["mask_path"])
            region |= cv2.warpPerspective(mask, matrix, size, flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP) > 0
    region[:BORDER], region[-BORDER:], region[:, :BORDER], region[:, -BORDER:] = False, False, False, False
    if region.sum() < 64:
        return
    for name in MERGES:
        restorer = create(name)
        image = restorer.restore(burst)
        alone = burst.reference if image.ndim == 2 else restorer.restore(burst.subset([]))
        gains[f"{name} where things move"].append(
            quality(image, truth, burst, region) - quality(alone, truth, burst, region)
        )


def measure_deblurring(rows: Mapping[str, Any], burst: Burst, truth: FloatImage, gains: Gains) -> None:
    """Over the best single frame, aligned by its true motion."""
    homographies = load_homographies(rows["frames"])
    assert homographies is not None
    singles = []
    for frame, ratio, matrix in zip(burst.frames, burst.exposure_ratio, homographies, strict=True):
        flags = cv2.INTER_LANCZOS4 | cv2.WARP_INVERSE_MAP
        aligned = cv2.warpPerspective(
            colours(frame, burst) / np.float32(ratio), matrix, burst.frames.shape[:0:-1], flags=flags
        )
        singles.append(psnr(aligned, truth, border=2 * BORDER))
    sharpest = int(np.argmin([frame["blur_length"] for frame in rows["frames"]]))
    restored = psnr(create("deblur/fourier").restore(burst), truth, border=2 * BORDER)
    gains["deblur/fourier over the sharpest frame"].append(restored - singles[sharpest])
    gains["deblur/fourier over the best frame"].append(restored - max(singles))


def measure_radiance(burst: Burst, truth: FloatImage, gains: Gains) -> None:
    """Where the reference is clipped and some frame is not: relative error; and the gain elsewhere."""
    image, expected = create("hdr/radiance").restore(burst), mosaic(truth, burst)
    inner = np.s_[BORDER:-BORDER, BORDER:-BORDER]
    seen, true, own = image[inner], expected[inner], burst.reference[inner]
    hidden = (own >= 0.98) & (true * burst.exposure_ratio.min() < 0.85)
    if hidden.sum() > 30:
        gains["hdr/radiance: median relative error where the reference clips"].append(
            float(np.median(seen[hidden] / true[hidden] - 1))
        )
        gains["hdr/radiance: share of those left at the clipping level"].append(
            float((np.abs(seen[hidden] - 1) < 1e-6).mean())
        )
    clear = own < 0.98
    gains["hdr/radiance over the reference where it does not clip"].append(
        psnr(seen[clear][:, None], true[clear][:, None]) - psnr(own[clear][:, None], true[clear][:, None])
    )


def measure_focus(burst: Burst, truth: FloatImage, gains: Gains) -> None:
    """In textured regions, against the truth with the reference's noise, demosaicked: a lens without depth limit."""
    assert burst.shot_noise is not None
    assert burst.read_noise is not None
    signal = mosaic(truth, burst)
    index = burst.reference_index
    deviation = np.sqrt(burst.shot_noise[index] * np.maximum(signal, 0) + burst.read_noise[index])
    everywhere = colours(
        (signal + deviation * np.random.default_rng(0).standard_normal(signal.shape)).astype(np.float32), burst
    )
    grey = truth.mean(-1)
    structure = cv2.blur(np.square(grey - cv2.blur(grey, (7, 7))), (9, 9))
    textured = structure > np.median(structure)
    textured[:BORDER], textured[-BORDER:], textured[:, :BORDER], textured[:, -BORDER:] = False, False, False, False
    stacked = create("focus/stack").restore(burst)
    gains["focus/stack over a lens without depth limit, textured"].append(
        quality(stacked, truth, burst, textured) - quality(everywhere, truth, burst, textured)
    )
    best = max(quality(colours(frame, burst), truth, burst, textured) for frame in burst.frames)
    gains["focus/stack over the best frame, textured"].append(quality(stacked, truth, burst, textured) - best)


def measure(preset: str, rows: Mapping[str, Any], burst: Burst, truth: FloatImage, gains: Gains, *, root: Path) -> None:
    """What a burst of this preset is to show."""
    level = reduce(truth, rows["burst"]["scale"])
    if preset in {"burst_sr", "dbsr"}:
        measure_enlargement(burst, truth, gains)
    if preset in {STILL, "dbsr", "handheld"}:
        measure_static(burst, level, gains)
    elif preset == "action":
        measure_motion(rows, root, burst, level, gains)
    elif preset == "night":
        measure_deblurring(rows, burst, level, gains)
    elif preset == "bracket":
        measure_radiance(burst, level, gains)
    elif preset == "focus":
        measure_focus(burst, level, gains)


def find_small_photographs() -> Path:
    """The folder of the photographs that come with scikit-image."""
    from skimage import data

    return Path(data.__file__).parent


def main(arguments: list[str]) -> int:
    """Print the table."""
    if arguments:
        folder = Path(arguments[0]).resolve()
        files, side = [path.name for path in sorted(folder.iterdir()) if path.suffix in {".jpg", ".png"}], SIDE
    else:
        folder, files, side = find_small_photographs(), list(SMALL), SMALL_SIDE
    missed = 0
    for preset in (STILL, "burst_sr", "dbsr", "handheld", "action", "night", "bracket", "focus"):
        gains: Gains = defaultdict(list)
        with TemporaryDirectory() as name:
            for rows, burst, truth in bursts(preset, folder, files, Path(name), side=side):
                measure(preset, rows, burst, truth, gains, root=Path(name))
        print(preset)
        for label, values in gains.items():
            verdict, met = judge(preset, label, values) if arguments else ("", True)
            missed += not met
            figures = f"{np.mean(values):8.2f}  least {np.min(values):7.2f}  of {len(values):2}"
            print(f"  {label:64}{figures}{verdict}", flush=True)
    if arguments:
        print(f"{missed} bars missed" if missed else "every bar reached")
    return 0


def judge(preset: str, label: str, values: list[float]) -> tuple[str, bool]:
    """What to print of the bar of a figure, and whether it is reached."""
    if (preset, label) not in BARS:
        return "", True
    statistic, bar = BARS[preset, label]
    found = {"mean": np.mean, "least": np.min, "most": np.max}[statistic](values)
    met = bool(found <= bar if statistic == "most" else found >= bar)
    return f"  bar: {statistic} {bar:g}" + ("" if met else ", MISSED"), met


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
