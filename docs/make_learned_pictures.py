"""Make the pictures of docs/learned_tasks.md: `python docs/make_learned_pictures.py FOLDER...`.

FOLDERs hold the test photographs of training/restorers/photographs.toml.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont
from scipy import stats

from dataset_builder import BurstMixture, BurstWithTruth, RenderedBursts
from dataset_builder.labeling.truth import project_truth
from manifests.images.pixels import write_png
from restorers import Burst, LinearMerge, Restorer, SubsetRestorer, create, list_scenarios
from restorers.burst import FloatImage
from restorers.fidelity import psnr
from restorers.imaging.color import to_display
from restorers.imaging.mosaic import demosaic
from training.restorers.photographs import find_photographs

HERE = Path(__file__).parent
GAP, LINE = 6, 18
ROWS = (
    ("kpn", 7, "denoise/hdrplus@spatial", "denoise/kpn"),
    ("handheld", 2, "denoise/hdrplus@spatial", "denoise/kpn"),
    ("night", 2, "denoise/hdrplus@spatial", "denoise/recurrent"),
    ("action", 2, "demosaic/burst", "demosaic/burst_network"),
    ("burst_sr", 2, "sr/handheld@x2", "sr/dbsr@x2"),
    ("night", 3, "deblur/fourier", "deblur/burst_network"),
)
"""Preset, place in its stream, classical restorer, network."""
COMPARED = (
    "denoise/mean",
    "denoise/robust_mean",
    "denoise/hdrplus",
    "denoise/hdrplus@spatial",
    "denoise/handheld",
    "denoise/kpn",
    "denoise/recurrent",
    "demosaic/burst_network",
    "sr/handheld@x2",
    "sr/backprojection@x2",
    "sr/dbsr@x2",
    "deblur/fourier",
    "deblur/burst_network",
)
FRAMES, BURSTS = 10, 8


def main(folders: Sequence[Path]) -> None:
    """Make both."""
    photographs = find_photographs("test", folders)
    draw_restorations(photographs)
    draw_agreement(photographs)


def draw_restorations(photographs: Sequence[Path]) -> None:
    """One row for each network: the reference, the classical restorer, the network, and the truth."""
    rows = []
    for preset, place, classical, network in ROWS:
        if network not in list_scenarios():
            continue
        mixture = BurstMixture(tuple(photographs), {preset: 1.0}, seed=11)
        (rendered,) = RenderedBursts(mixture, start=place, stop=place + 1)
        rows.append(draw_row(rendered, classical, network))
        print(preset, classical, network, rendered.photograph.name)
    width = max(row.width for row in rows)
    sheet = Image.new("RGB", (width, sum(row.height + GAP for row in rows) - GAP), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height + GAP
    write_png(HERE, "learned.png", np.asarray(sheet))


def draw_row(rendered: BurstWithTruth, classical: str, network: str) -> Image.Image:
    """Pictures of 288 px, each with a line of text above it."""
    burst = rendered.burst
    assert burst.cfa is not None
    restorers = {name: create(name) for name in (classical, network)}
    shown = [(f"one of {burst.num_frames} frames, {rendered.preset}", demosaic(burst.reference, burst.cfa))]
    for name, restorer in restorers.items():
        image = restorer.restore(burst)
        shown.append((f"{name}  {measure(restorer, image, rendered):.2f} dB", image))
    size = np.array(shown[-1][1].shape[:2])
    truth = np.asarray(cv2.resize(rendered.truth, tuple(size[::-1].tolist()), interpolation=cv2.INTER_AREA), np.float32)
    shown.append(("truth", truth))
    # Exposed alike, so that the brightest percent of the truth is white.
    bright = np.quantile((truth * burst.white_balance.astype(np.float32)).max(-1), 0.99)
    gain = np.float32(0.95 / max(float(bright), 1e-3))
    pictures = [(text, develop(image * gain, burst)) for text, image in shown]
    sheet = Image.new("RGB", (4 * 288 + 3 * GAP, 288 + LINE), "white")
    draw = ImageDraw.Draw(sheet)
    for place, (text, picture) in enumerate(pictures):
        left = place * (288 + GAP)
        draw.text((left + 2, 3), text, fill="black", font=ImageFont.load_default(12))
        sheet.paste(Image.fromarray(picture).resize((288, 288), Image.Resampling.NEAREST), (left, LINE))
    return sheet


def develop(image: FloatImage, burst: Burst) -> np.ndarray:
    """Display values, uint8; mosaics are demosaicked."""
    assert burst.cfa is not None
    colours = demosaic(image, burst.cfa) if image.ndim == 2 else image
    return np.rint(to_display(colours, burst) * 255).astype(np.uint8)


def measure(restorer: Restorer, image: FloatImage, rendered: BurstWithTruth) -> float:
    """PSNR against the truth."""
    burst, info = rendered.burst, restorer.info
    truth = project_truth(rendered.truth, info, domain=burst.domain, scale=rendered.scale, cfa=burst.cfa)
    return psnr(image, truth, border=round(8 * info.scale))


def draw_agreement(photographs: Sequence[Path]) -> None:
    """Rank correlation within bursts between the leave_one_out labels of scenarios, each under other noise; their own on the diagonal."""
    names = [name for name in COMPARED if name in list_scenarios()]
    scores = []
    for redraw in (0, 1):
        restorers = [create(name) for name in names]
        bursts = [each for preset in ("handheld", "night", "action") for each in render(photographs, preset, redraw)]
        scores.append(np.array([[leave_one_out(restorer, each) for each in bursts] for restorer in restorers]))
    first, second = scores
    count = len(names)
    table = np.zeros((count, count))
    for i in range(count):
        for j in range(count):
            pairs = [*zip(first[i], second[j], strict=True), *zip(second[i], first[j], strict=True)]
            table[i, j] = np.mean([stats.spearmanr(a, b).statistic for a, b in pairs])
    print_table(names, table)
    write_png(HERE, "task_agreement.png", draw_table(names, table))


def render(photographs: Sequence[Path], preset: str, redraw: int) -> list[BurstWithTruth]:
    """Bursts of ten frames."""
    mixture = BurstMixture(tuple(photographs), {preset: 1.0}, lengths=(FRAMES, FRAMES), scale=2, seed=13, redraw=redraw)
    return list(RenderedBursts(mixture, stop=BURSTS))


def leave_one_out(restorer: Restorer, rendered: BurstWithTruth) -> list[float]:
    """What each frame but the reference adds to the PSNR of all."""
    burst = rendered.burst
    if isinstance(restorer, LinearMerge):
        parts = restorer.contributions(burst)

        def merge(members: Sequence[int]) -> FloatImage:
            return np.asarray(parts[[burst.reference_index, *members]].mean(0), np.float32)
    else:
        assert isinstance(restorer, SubsetRestorer)
        prepared = restorer.prepare(burst)

        def merge(members: Sequence[int]) -> FloatImage:
            return restorer.fuse(prepared, members)

    whole = measure(restorer, merge(burst.others), rendered)
    rest = [[each for each in burst.others if each != gone] for gone in burst.others]
    return [whole - measure(restorer, merge(members), rendered) for members in rest]


def print_table(names: Sequence[str], table: np.ndarray) -> None:
    """One line for each scenario."""
    for name, row in zip(names, table, strict=True):
        print(f"{name:26}", " ".join(f"{value:5.2f}" for value in row))


def draw_table(names: Sequence[str], table: np.ndarray) -> np.ndarray:
    """Cells from white, 0, to blue, 1, with their numbers."""
    font, cell, left, top = ImageFont.load_default(13), 46, 190, 176
    sheet = Image.new("RGB", (left + cell * len(names) + 4, top + cell * len(names) + 4), "white")
    draw = ImageDraw.Draw(sheet)
    for number, name in enumerate(names):
        draw.text((4, top + number * cell + 15), name, fill="black", font=font)
        label = Image.new("RGB", (top, 18), "white")
        ImageDraw.Draw(label).text((2, 1), name, fill="black", font=font)
        sheet.paste(label.rotate(90, expand=True), (left + number * cell + 14, 0))
    for row, values in enumerate(table):
        for column, value in enumerate(values):
            strength = float(np.clip(value, 0, 1))
            colour = tuple(round(255 + strength * (end - 255)) for end in (31, 90, 160))
            x, y = left + column * cell, top + row * cell
            draw.rectangle((x, y, x + cell - 2, y + cell - 2), fill=colour)
            draw.text((x + 9, y + 14), f"{value:.2f}", fill="white" if strength > 0.55 else "black", font=font)
    return np.asarray(sheet)


if __name__ == "__main__":
    main([Path(each) for each in sys.argv[1:]])
