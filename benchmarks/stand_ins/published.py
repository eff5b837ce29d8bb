"""Stand-ins for the five public sets of the published benchmark: their layouts and, at full size, as many files; tiny pictures.

`python -m benchmarks.published` builds the benchmark of them.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from benchmarks.stand_ins.burstsr import write_crop
from benchmarks.stand_ins.hdrplus import write_hdrplus_burst
from benchmarks.stand_ins.photo_triage import write_photo_triage
from benchmarks.stand_ins.photographs import make_photograph
from benchmarks.stand_ins.spaq import write_spaq

CROPS, SEQUENCES, FRAMES = 882, 20, 14
PHOTOGRAPHS = 1204
HDRPLUS_BURSTS, HDRPLUS_FRAMES = 153, 1357
"""Of the curated subset as many as are left for HDR+ (151 of 1,339), and two more."""
TRIAGE_DECIDED = {
    "train": {2: 2284, 3: 1007, 4: 461, 5: 155, 6: 78, 7: 23, 8: 6},
    "val": {2: 91, 3: 45, 4: 22, 5: 3, 6: 1, 7: 1, 8: 1},
}
TRIAGE_UNDECIDED = {"train": {2: 507, 3: 36, 4: 3}, "val": {2: 31}}
"""Series of the public lists by number of photographs: with a pair that is preferred by 0.6 or more, and without."""
SPAQ_PHOTOGRAPHS, SPAQ_GROUPS, SPAQ_GROUPED = 11125, 934, 3970


def write_published(root: Path, share: float = 1.0) -> dict[str, Path]:
    """Write a share of each set below `root`, at least some of each; the folders by the names that `recipes/buiqa.toml` has for them."""
    write_burstsr_val(root / "burstsr", crops=scale(CROPS, share))
    write_hdrplus_subset(root / "hdrplus", bursts=scale(HDRPLUS_BURSTS, share))
    write_zurich(root / "zurich", photographs=scale(PHOTOGRAPHS, share))
    write_triage(root / "photo_triage", share)
    write_spaq_groups(root / "spaq", share)
    return {path.name: path for path in sorted(root.iterdir())}


def scale(count: int, share: float) -> int:
    return max(2, round(count * share)) if count > 1 else count


def write_burstsr_val(root: Path, *, crops: int) -> None:
    for number in range(crops):
        sequence, crop = number % SEQUENCES, number // SEQUENCES
        write_crop(root / f"val/{sequence + 1:04d}_{crop:04d}", side=16, frames=FRAMES, seed=number)


def write_hdrplus_subset(root: Path, *, bursts: int) -> None:
    # Nine frames each, but for some that the archive has of two to ten.
    lengths = np.full(bursts, 9)
    short = round((9 * HDRPLUS_BURSTS - HDRPLUS_FRAMES) / 7 * bursts / HDRPLUS_BURSTS)
    lengths[np.linspace(0, bursts - 1, short).round().astype(int)] = 2
    for number, frames in enumerate(lengths.tolist()):
        name = f"{number:04x}_2016{number % 12 + 1:02d}22_{115000 + number}_431"
        reference = min(1, frames - 1)
        write_hdrplus_burst(root, name, seed=number, frames=frames, height=176, width=208, reference=reference)


def write_zurich(root: Path, *, photographs: int) -> None:
    for part, count in (("train", 2), ("test", photographs)):
        (root / part / "canon").mkdir(parents=True)
        (root / part / "huawei_raw").mkdir()
        for number in range(count):
            small = make_photograph(224, 224, seed=number + (part == "train") * PHOTOGRAPHS)
            large = cv2.resize(small, (448, 448), interpolation=cv2.INTER_CUBIC)
            Image.fromarray(large).save(root / part / f"canon/{number}.jpg", quality=95)
        Image.fromarray(np.zeros((224, 224), np.uint16)).save(root / part / "huawei_raw/0.png")


def write_triage(root: Path, share: float) -> None:
    numbers = iter(range(1, 10_000))
    lists: dict[str, list[tuple[int, int]]] = {"train": [], "val": []}
    undecided = set()
    for counts, decided in ((TRIAGE_DECIDED, True), (TRIAGE_UNDECIDED, False)):
        for part, lengths in counts.items():
            for photos, count in lengths.items():
                new = [next(numbers) for _ in range(scale(count, share))]
                lists[part] += [(number, photos) for number in new]
                undecided |= set() if decided else set(new)
    write_photo_triage(root, **lists, undecided=undecided)


def write_spaq_groups(root: Path, share: float) -> None:
    groups = scale(SPAQ_GROUPS, share)
    grouped = round(SPAQ_GROUPED / SPAQ_GROUPS * groups)
    sizes = np.full(groups, 4)
    # Of two to six, four in the mean, and the rest one by one.
    sizes[0 : groups - groups % 2 : 2] += np.arange(groups // 2) % 3
    sizes[1 : groups - groups % 2 : 2] -= np.arange(groups // 2) % 3
    sizes[: grouped - sizes.sum()] += 1
    write_spaq(
        root, groups=(*sizes.tolist(), *[1] * round((SPAQ_PHOTOGRAPHS - SPAQ_GROUPED) * share)), height=96, width=128
    )
