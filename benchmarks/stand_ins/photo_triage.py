"""A tiny Photo Triage: pair lists `SERIES PHOTO1 PHOTO2 P RANK1 RANK2` and `train_val_imgs/%06d-%02d.JPG`."""

import itertools

import numpy as np
from PIL import Image

from benchmarks.stand_ins.photographs import make_photograph


def write_photo_triage(root, *, train=((1, 3), (2, 2), (4, 4)), val=((15, 3),), seed=0, undecided=None):
    """Lists of (series, photos); scores of a series are drawn, and its list follows the model of Bradley and Terry exactly.

    With `undecided`, numbers of series, no share in these is beyond 0.55, and in all others some is beyond 0.6.
    """
    rng = np.random.default_rng(seed)
    scores = {}
    (root / "train_val_imgs").mkdir(parents=True)
    for name, series in (("train", train), ("val", val)):
        lines = []
        for number, photos in series:
            scores[number] = rng.normal(0, 1.5, photos)
            if undecided is not None:
                scores[number] = rng.permutation(photos) * (0.2 / photos if number in undecided else 0.5)
            rank = (-scores[number]).argsort().argsort() + 1
            for i, j in itertools.combinations(range(photos), 2):
                share = 1 / (1 + np.exp(scores[number][j] - scores[number][i]))
                lines.append(f"{number} {i + 1} {j + 1} {share:.3f} {rank[i]} {rank[j]}")
            for photo in range(photos):
                image = make_photograph(40, 60, seed=100 * number + photo)
                Image.fromarray(image).save(root / f"train_val_imgs/{number:06d}-{photo + 1:02d}.JPG")
        (root / f"{name}_pairlist.txt").write_text("\n".join(lines) + "\n")
    return scores
