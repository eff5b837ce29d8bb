"""Make the picture of docs/labels.md: `python docs/make_label_picture.py`. A burst of the demo, and what estimators say of its frames."""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image, ImageDraw, ImageFont

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

from benchmarks.demo_tasks import make_demo_tasks  # noqa: E402  # lies beside this folder, in no package that is installed
from dataset_builder.labeling.estimators import find_estimator  # noqa: E402
from dataset_builder.labeling.game import FidelityGame, LabelingTask  # noqa: E402
from manifests.images.pixels import write_png  # noqa: E402
from restorers import create  # noqa: E402
from restorers.fidelity import PSNR  # noqa: E402
from restorers.imaging.color import to_display  # noqa: E402
from restorers.imaging.mosaic import demosaic  # noqa: E402

SCENARIO, BURST = "denoise/hdrplus", 8
ROWS = ("leave_one_out", "add_one", "half_sum", "shapley", "banzhaf", "best_subset(4)", "interaction")
TILE, GAP, BAR, LABEL = 104, 8, 64, 128
PAPER, INK, LINE = "#ffffff", "#1c1e21", "#d9dcdf"
# Okabe & Ito, "Color universal design" (2008).
GAIN, LOSS = "#0072b2", "#d55e00"


def main() -> None:
    """Draw the frames, and below them a row of bars for each estimator."""
    with TemporaryDirectory() as scratch:
        task = make_demo_tasks(Path(scratch), every=4)[BURST // 4]
    game = FidelityGame(create(SCENARIO), task, PSNR)
    width = LABEL + task.burst.num_frames * (TILE + GAP)
    canvas = Image.new("RGB", (width, TILE + GAP + len(ROWS) * (BAR + GAP)), PAPER)
    draw, font = ImageDraw.Draw(canvas), ImageFont.load_default(13)
    draw.multiline_text((4, 4), f"{SCENARIO}\npsnr, dB", fill=INK, font=font)
    for index in range(task.burst.num_frames):
        canvas.paste(Image.fromarray(show(task, index)).resize((TILE, TILE)), (LABEL + index * (TILE + GAP), 0))
    draw.text((LABEL + 4, TILE - 18), "reference", fill=PAPER, font=font)
    for row, name in enumerate(ROWS):
        score = find_estimator(name).function(game, np.random.default_rng(0)).score
        draw_row(draw, font, name, score, TILE + GAP + row * (BAR + GAP))
    write_png(HERE, "labels.png", np.asarray(canvas))


def show(task: LabelingTask, index: int) -> np.ndarray:
    """A frame in natural colours, uint8 [H, W, 3]."""
    burst = task.burst.single(index)
    colours = demosaic(np.asarray(burst.reference), burst.cfa)
    display = to_display(colours, burst)
    return np.asarray(np.round(np.clip(display, 0, 1) * 255), np.uint8)


def draw_row(draw: ImageDraw.ImageDraw, font: ImageFont.FreeTypeFont, name: str, score: np.ndarray, top: int) -> None:
    """Bars from a common zero, to a scale of the row's own."""
    high, low = max(np.nanmax(score), 0), min(np.nanmin(score), 0)
    scale = (BAR - 18) / (high - low)
    zero = top + 16 + high * scale
    draw.text((4, top + BAR / 2 - 8), name, fill=INK, font=font)
    draw.line((LABEL, zero, LABEL + len(score) * (TILE + GAP) - GAP, zero), fill=LINE)
    for index, value in enumerate(score):
        if np.isfinite(value):
            left = LABEL + index * (TILE + GAP) + 8
            ends = sorted((zero, zero - value * scale))
            draw.rectangle((left, ends[0], left + 30, ends[1]), fill=GAIN if value > 0 else LOSS)
            draw.text((left + 36, zero - 16 if value > 0 else zero + 1), f"{value:+.2f}", fill=INK, font=font)


if __name__ == "__main__":
    main()
