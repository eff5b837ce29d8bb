"""Make docs/synthesis/real_bursts.png: how real bursts move and are exposed, beside the presets: `python -m docs.make_motion_picture DATA`.

DATA holds the folders `burst_phone_night` (twenty JPEG frames of a phone in the night) and `raw_bracket_hdrmerge` (three DNG exposures of a
camera). Motion is given as an angle, shift over focal length, which does not depend on the size of pixels.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from dataset_builder.randomness import derive_seed
from dataset_builder.synthesis.builtin import PRESETS
from dataset_builder.synthesis.draw import sample_burst
from docs.make_pictures import EXPOSURES, read_bracket
from manifests.images.pixels import read_pixels, write_png
from restorers import Burst, Domain
from restorers.imaging.color import linearise
from restorers.motion.align import align_burst

HERE = Path(__file__).parent
PHONE_FOCAL_LENGTH = 3500.0
"""px, of a phone of 2016 with 4608 columns and a lens as 27 mm on film; its file does not say more."""
CAMERA_FOCAL_LENGTH = 5000.0
"""px, guessed for want of a statement in the files: a lens as 42 mm on film before 4310 columns."""
BURSTS = 60
Numbers = NDArray[np.float64]


def measure_phone(folder: Path) -> Numbers:
    """Angle in mrad of frames 3 to 20 against frame 2; the first went another way through the phone."""
    window = np.s_[1200:1968, 1500:2524]
    paths = [f"IMG_20160402_210944_BURST{number}.jpg" for number in range(2, 21)]
    frames = [read_pixels(folder, path)[window] for path in paths if (folder / path).exists()]
    burst = Burst(np.stack(frames).astype(np.float32) / 255, domain=Domain.SRGB)
    return measure_shifts(linearise(burst)) / PHONE_FOCAL_LENGTH * 1e3


def measure_shifts(burst: Burst) -> Numbers:
    """Shift in px of the centre of each frame that can be aligned, but the reference's."""
    alignment = align_burst(burst)
    height, width = burst.reference.shape[:2]
    centre = np.array([(width - 1) / 2, (height - 1) / 2, 1])
    shifts = [alignment.homographies[index] @ centre for index in burst.others if alignment.aligned[index]]
    return np.array([np.hypot(*(shift[:2] / shift[2] - centre[:2])) for shift in shifts])


def sample_preset(name: str) -> tuple[Numbers, Numbers]:
    """Angles in mrad and exposures in stops of the frames of some bursts, against their references."""
    angles, stops, preset = [], [], PRESETS[name]
    for seed in range(BURSTS):
        burst = sample_burst(
            preset, derive_seed(name, seed), photograph_size=(4000, 4000), height=64, width=64, scale=preset.scale
        )
        for index, frame in enumerate(burst.frames):
            if index != burst.reference_index and frame.outlier is None:
                angles.append(np.hypot(*frame.mid_pose[:2]) / 2900 * 1e3)
                stops.append(np.log2(frame.exposure_time / burst.frames[burst.reference_index].exposure_time))
    return np.array(angles), np.array(stops)


def draw(rows: list[tuple[str, Numbers, Numbers]]) -> NDArray[np.uint8]:
    """Quantiles (5, 25, 50, 75, 95 %) of each row; single values where there are few."""
    font, left, wide, high = ImageFont.load_default(14), 250, 330, 30
    sheet = Image.new("RGB", (left + 2 * wide + 40, high * (len(rows) + 2) + 10), "white")
    pen = ImageDraw.Draw(sheet)
    for column, (title, ticks) in enumerate(
        (
            ("angle against the reference, mrad", (0.01, 0.1, 1, 10)),
            ("exposure time against it, stops", (-4, -2, 0, 2, 4)),
        )
    ):
        start = left + column * (wide + 20)

        def place(value: float, start: int = start, column: int = column) -> float:
            share = (np.log10(max(value, 0.01)) + 2) / 3 if column == 0 else (value + 4.5) / 9
            return float(start + np.clip(share, 0, 1) * (wide - 20))

        pen.text((start, 6), title, fill="black", font=font)
        for tick in ticks:
            pen.line((place(tick), high, place(tick), high * (len(rows) + 1)), fill=(225, 225, 225))
            pen.text((place(tick) - 8, high * (len(rows) + 1) + 4), f"{tick:g}", fill=(90, 90, 90), font=font)
        for number, (name, *values) in enumerate(rows):
            middle, shown, real = high * (number + 1) + high // 2, values[column], name.startswith("real")
            colour = (190, 60, 30) if real else (31, 90, 160)
            if column == 0:
                pen.text((6, middle - 8), name, fill=colour, font=font)
            if not len(shown):
                pen.text((start, middle - 8), "not known", fill=(150, 150, 150), font=font)
            elif len(shown) < 5:
                for value in shown:
                    pen.ellipse((place(value) - 4, middle - 4, place(value) + 4, middle + 4), fill=colour)
            else:
                low, quarter, half, three, most = (
                    place(value) for value in np.quantile(shown, (0.05, 0.25, 0.5, 0.75, 0.95))
                )
                pen.line((low, middle, most, middle), fill=colour, width=2)
                pen.rectangle((quarter, middle - 6, max(three, quarter + 2), middle + 6), fill=colour)
                pen.line((half, middle - 9, half, middle + 9), fill="black", width=2)
    return np.asarray(sheet)


def main(data: Path) -> None:
    """Measure, print and draw."""
    night, bracket = measure_phone(data / "burst_phone_night"), read_bracket(data / "raw_bracket_hdrmerge")
    shifts = measure_shifts(bracket) / CAMERA_FOCAL_LENGTH * 1e3
    times = np.array(list(EXPOSURES.values()))
    rows = [
        (f"real: phone, night, {len(night)} frames", night, np.zeros(len(night))),
        (f"real: camera, bracket, {len(shifts)} frames", shifts, np.log2(times[1:] / times[0])),
        *((name, *sample_preset(name)) for name in PRESETS),
    ]
    for name, angles, stops in rows:
        print(
            f"{name:34s} mrad {np.quantile(angles, (0.05, 0.5, 0.95)).round(3)}  stops {np.quantile(stops, (0.05, 0.5, 0.95)).round(2)}"
        )
    write_png(HERE / "synthesis", "real_bursts.png", draw(rows))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
