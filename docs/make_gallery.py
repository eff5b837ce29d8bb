"""Make the pictures of restorers in docs/gallery.md: `python -m docs.make_gallery [TASK...]`.

One burst for each task, rendered from photographs that scikit-image ships, and what every scenario that needs no extra makes of it.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dataset_builder import BurstMixture, BurstWithTruth, RenderedBursts
from dataset_builder.labeling.truth import project_truth
from manifests.images.pixels import write_png
from restorers import Burst, Domain, Restorer, create
from restorers.burst import FloatImage
from restorers.errors import UnsupportedBurstError
from restorers.fidelity import psnr
from restorers.imaging.color import to_display
from restorers.imaging.mosaic import demosaic
from restorers.registry import BUILT_IN

FOLDER = Path(__file__).parent / "gallery"
PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
BURSTS = {
    "denoise": ("night", 3),
    "demosaic": ("daylight", 1),
    "sr": ("burst_sr", 2),
    "deblur": ("hurried", 2),
    "hdr": ("bracket", 3),
    "focus": ("focus", 4),
}
"""Preset of each task's burst, and its place in the stream."""
NEED_EXTRAS = ("restorers.learned.demosaicnet:", "restorers.learned.realesrgan:")
SIDE, SHOWN, COLUMNS, GAP, LINE = 96, 224, 4, 6, 18
Picture = NDArray[np.uint8]


def main(tasks: Iterable[str]) -> None:
    """Make one sheet for each task."""
    FOLDER.mkdir(exist_ok=True)
    for task in tasks:
        write_png(FOLDER, f"{task}.png", draw_sheet(list_pictures(task)))


def render(task: str) -> BurstWithTruth:
    """The burst of a task."""
    folder = Path(importlib.util.find_spec("skimage").origin).parent / "data"  # type: ignore[union-attr,arg-type]  # is installed
    preset, place = BURSTS[task]
    photographs = tuple(folder / name for name in PHOTOGRAPHS)
    mixture = BurstMixture(photographs, {preset: 1.0}, height=SIDE, width=SIDE, shorter_side=300, seed=3)
    (rendered,) = RenderedBursts(mixture, start=place, stop=place + 1)
    return rendered


def list_pictures(task: str) -> list[tuple[str, Picture]]:
    """A frame, the restorations, and the truth, each with a line of text."""
    rendered = render(task)
    burst = rendered.burst
    gain = find_gain(rendered)
    pictures = [(f"one of {burst.num_frames} frames, {rendered.preset}", develop(burst.reference, burst, gain, task))]
    for spec in BUILT_IN:
        if spec.scenario.startswith(f"{task}/") and not spec.target.startswith(NEED_EXTRAS):
            restorer = create(spec.scenario)
            image = restorer.restore(burst.single(burst.reference_index) if restorer.info.single_frame else burst)
            pictures.append(show_restoration(spec.scenario, restorer, image, rendered, gain))
    pictures.append(("truth", develop(rendered.truth, burst, gain, task)))
    return pictures


def show_restoration(
    scenario: str, restorer: Restorer, image: FloatImage, rendered: BurstWithTruth, gain: float
) -> tuple[str, Picture]:
    """A restoration and its line."""
    burst = rendered.burst
    if restorer.info.output_domain is Domain.SRGB:
        return scenario, np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
    if restorer.info.task == "hdr":  # decibels of light would be those of the brightest highlight
        return scenario, develop(image, burst, gain, "hdr")
    try:
        truth = project_truth(rendered.truth, restorer.info, domain=burst.domain, scale=rendered.scale, cfa=burst.cfa)
    except UnsupportedBurstError:  # the truth is no multiple of its scale
        return scenario, develop(image, burst, gain, restorer.info.task)
    decibels = psnr(image, truth, border=round(8 * restorer.info.scale))
    print(f"{scenario:26} {decibels:.1f} dB")
    return f"{scenario}  {decibels:.1f} dB", develop(image, burst, gain, restorer.info.task)


def find_gain(rendered: BurstWithTruth) -> float:
    """What makes the brightest percent of the truth white."""
    bright = np.quantile((rendered.truth * rendered.burst.white_balance.astype(np.float32)).max(-1), 0.99)
    return 0.95 / max(float(bright), 1e-3)


def develop(image: FloatImage, burst: Burst, gain: float, task: str) -> Picture:
    """Display values of light; that of high dynamic range is compressed first, 0.9·x / (x + 0.8)."""
    assert burst.cfa is not None
    colours = np.maximum(demosaic(image, burst.cfa) if image.ndim == 2 else image, 0)
    if task == "hdr":
        shown = colours * (np.float32(0.9) / (colours * burst.white_balance.astype(np.float32) + np.float32(0.8)))
    else:
        shown = colours * np.float32(gain)
    return np.rint(to_display(shown, burst) * 255).astype(np.uint8)


def draw_sheet(pictures: list[tuple[str, Picture]]) -> Picture:
    """Pictures of one size in rows, each below its line."""
    rows = -(-len(pictures) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (SHOWN + GAP) - GAP, rows * (SHOWN + LINE + GAP) - GAP), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (text, picture) in enumerate(pictures):
        left, top = place % COLUMNS * (SHOWN + GAP), place // COLUMNS * (SHOWN + LINE + GAP)
        how = cv2.INTER_AREA if picture.shape[0] > SHOWN else cv2.INTER_NEAREST
        draw.text((left + 2, top + 3), text, fill="black", font=ImageFont.load_default(12))
        sheet.paste(Image.fromarray(cv2.resize(picture, (SHOWN, SHOWN), interpolation=how)), (left, top + LINE))
    return np.asarray(sheet)


if __name__ == "__main__":
    main(sys.argv[1:] or BURSTS)
