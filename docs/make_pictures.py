"""Make the pictures of docs/restorers.md from real bursts: `python docs/make_pictures.py DATA`.

DATA holds the folders `burst_phone_night` (twenty JPEG frames of a phone), `raw_bracket_hdrmerge` (three DNG exposures) and
`series_focus_pcb` (JPEG focus series).
"""

from __future__ import annotations

import sys
from pathlib import Path

import cv2
import numpy as np

from manifests.images.pixels import read_pixels, write_png
from restorers import CFA, Burst, Domain, create
from restorers.burst import FloatImage
from restorers.imaging.color import encode_srgb, linearise, to_display
from restorers.imaging.mosaic import demosaic
from restorers.motion.align import align_burst

HERE = Path(__file__).parent
GAP = 6
EXPOSURES = {"sample1.dng": 1 / 160, "sample2.dng": 1 / 640, "sample3.dng": 1 / 40}


def main(data: Path) -> None:
    """Make all three."""
    draw_night(data / "burst_phone_night")
    draw_bracket(data / "raw_bracket_hdrmerge")
    draw_focus(data / "series_focus_pcb" / "pcb")


def draw_night(folder: Path) -> None:
    """One frame, the average and HDR+ of fourteen; the first frame went another way through the phone and is left out."""
    window = np.s_[1300:1748, 1530:1978]
    frames = [read_pixels(folder, f"IMG_20160402_210944_BURST{number}.jpg")[window] for number in range(2, 16)]
    burst = Burst(np.stack(frames).astype(np.float32) / 255, domain=Domain.SRGB)
    print("night: aligned", int(align_burst(linearise(burst)).aligned.sum()), "of", burst.num_frames)
    images = [
        burst.reference,
        *(encode_srgb(create(name).restore(burst)) for name in ("denoise/mean", "denoise/hdrplus")),
    ]
    for name, image in zip(("one frame", "denoise/mean", "denoise/hdrplus"), images, strict=True):
        print(f"night: {name}: noise {measure_noise(image):.4f}")
    save("night.png", images)


def draw_bracket(folder: Path) -> None:
    """The middle exposure, and the radiance of all three, both compressed alike, and the exposure fusion."""
    burst = read_bracket(folder)
    print(
        "bracket: aligned",
        align_burst(burst).aligned.tolist(),
        "clipped",
        [f"{(f >= 0.98).mean():.3f}" for f in burst.frames],
    )
    radiance = create("hdr/radiance").restore(burst)
    assert burst.cfa is not None
    print(
        f"bracket: brightest {radiance.max():.2f}; noise in the dark {measure_noise(burst.reference):.5f} -> {measure_noise(radiance):.5f}"
    )
    images = [show_compressed(demosaic(image, burst.cfa), burst) for image in (burst.reference, radiance)]
    images.append(create("hdr/fusion").restore(burst))
    save("bracket.png", [reduce(image, 8) for image in images])


def draw_focus(folder: Path) -> None:
    """The first frame, the stack, and the result of the tool that the series comes from."""
    paths = sorted(folder.glob("*.[jJ][pP]*[gG]"))
    series = [path for path in paths if "expected" not in path.name]
    burst = Burst(
        np.stack([read_pixels(path.parent, path.name) for path in series]).astype(np.float32) / 255,
        len(series) // 2,
        Domain.SRGB,
    )
    print("focus: aligned", int(align_burst(linearise(burst), "similarity").aligned.sum()), "of", burst.num_frames)
    stacked = encode_srgb(create("focus/stack").restore(burst))
    sharpness = [
        float(np.square(cv2.Laplacian(frame.mean(-1), cv2.CV_32F)).mean()) for frame in (*burst.frames, stacked)
    ]
    print(
        "focus: mean squared Laplacian of frames",
        [f"{1e4 * value:.2f}" for value in sharpness[:-1]],
        f"stack {1e4 * sharpness[-1]:.2f}",
    )
    save("focus.png", [reduce(image, 4) for image in (burst.frames[0], burst.frames[-1], stacked)])


def read_bracket(folder: Path) -> Burst:
    """Three exposures as one burst of mosaics; the middle one is the reference."""
    import rawpy  # an extra

    frames, known = [], {}
    for name in EXPOSURES:
        with rawpy.imread(str(folder / name)) as raw:
            black, white = float(raw.black_level_per_channel[0]), float(raw.white_level)
            pattern = "".join(raw.color_desc.decode()[index] for index in raw.raw_pattern.ravel())
            codes = raw.raw_image_visible.astype(np.float32)
            gains = np.array(raw.camera_whitebalance[:3]) / raw.camera_whitebalance[1]
            to_camera = np.array(raw.rgb_xyz_matrix[:3])
        height, width = (side // 2 * 2 for side in codes.shape)
        frames.append(np.minimum((codes[:height, :width] - black) / (white - black), 1).astype(np.float32))
        known = {"cfa": CFA(pattern), "white_balance": gains, "color_matrix": find_color_matrix(to_camera)}
    ratios = np.array(list(EXPOSURES.values())) / EXPOSURES["sample1.dng"]
    return Burst(np.stack(frames), 0, Domain.RAW_BAYER, exposure_ratio=ratios, **known)


def find_color_matrix(xyz_to_camera: np.ndarray) -> np.ndarray:
    """White-balanced camera RGB to linear sRGB; rows add up to 1."""
    srgb_to_xyz = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])
    matrix = xyz_to_camera @ srgb_to_xyz
    return np.linalg.inv(matrix / matrix.sum(1, keepdims=True))


def show_compressed(linear: FloatImage, burst: Burst) -> FloatImage:
    """Develop after 0.9·x / (x + 0.8): what lies above white still shows."""
    bright = np.maximum(linear, 0) * burst.white_balance.astype(np.float32)
    grey = bright.mean(-1, keepdims=True)
    return to_display(np.maximum(linear, 0) * (0.9 / (grey + 0.8)), burst)


def measure_noise(image: FloatImage) -> float:
    """Median deviation of the diagonal detail of pixels two apart: noise, where most of the image is smooth."""
    flat = image if image.ndim == 2 else image.mean(-1)
    detail = flat[:-2:2, :-2:2] - flat[2::2, :-2:2] - flat[:-2:2, 2::2] + flat[2::2, 2::2]
    return float(np.median(np.abs(detail))) / 2 / 0.6745


def reduce(image: FloatImage, factor: int) -> FloatImage:
    """Average over factor x factor pixels."""
    size = (image.shape[1] // factor, image.shape[0] // factor)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)


def save(name: str, images: list[FloatImage]) -> None:
    """Write images side by side."""
    height = images[0].shape[0]
    parts = [part for image in images for part in (image, np.ones((height, GAP, 3), np.float32))][:-1]
    write_png(HERE, name, np.rint(np.clip(np.hstack(parts), 0, 1) * 255).astype(np.uint8))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
