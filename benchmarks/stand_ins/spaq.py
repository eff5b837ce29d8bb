"""A tiny SPAQ: `TestImage/%05d.jpg` and the table of mean opinion scores."""

import cv2
import numpy as np
from PIL import Image

from benchmarks.stand_ins.scenes import make_scene


def write_spaq(root, *, groups=(3, 1, 2), height=120, width=160):
    """Photographs of `len(groups)` scenes, so many of each; returns the scores by name."""
    import openpyxl

    rng = np.random.default_rng(0)
    (root / "TestImage").mkdir(parents=True)
    (root / "Annotations").mkdir()
    book = openpyxl.Workbook()
    book.active.append(["Image name", "MOS", "Brightness", "Colorfulness", "Contrast", "Noisiness", "Sharpness"])
    scores, number = {}, 0
    for scene, count in enumerate(groups):
        coarse = rng.uniform(0, 255, (5, 6, 3))
        base = (
            cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
            + make_scene(height, width, seed=scene) * 40
        )
        for _ in range(count):
            number += 1
            name = f"{number:05d}.jpg"
            image = (base + rng.normal(0, 3, base.shape)).clip(0, 255).astype(np.uint8)
            Image.fromarray(image).save(root / "TestImage" / name, quality=95)
            scores[name] = round(float(rng.uniform(10, 90)), 3)
            book.active.append([name, scores[name], 50, 50, 50, 50, 50])
    book.save(root / "Annotations/MOS and Image attribute scores.xlsx")
    return scores
