"""An album in a data set: a burst of photographs of people's own, and the folder that they came from."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from manifests.schema import BURSTS, FRAMES, LABELS
from manifests.seal import seal_dataset
from manifests.store import labels_path, read_dataset_table, table_path, write_table
from tests.tiny_dataset import INGESTED, make_description, make_label_rows

NAMES = ("IMG_1.CR2", "IMG_2.CR2", "IMG_3.JPG")
FOLDER = "trip/day 1"
SCENARIO = "denoise/album"
SCORES = (None, 0.5, -0.25)


def write_album(root: Path, photographs: Path, *, grouped: bool = False, names: tuple[str, ...] = NAMES) -> None:
    """Let the ingested burst of the tiny data set come from photographs, and give it labels."""
    rows = read_dataset_table(root, "frames").to_pylist()
    waiting = iter(names)
    rows = [{**row, "origin_name": next(waiting)} if row["burst_id"] == INGESTED else row for row in rows]
    write_table(root, table_path("frames"), FRAMES, rows)
    path = f"{FOLDER}/IMG" if grouped else FOLDER
    bursts = read_dataset_table(root, "bursts").to_pylist()
    bursts = [{**row, "origin_path": path} if row["burst_id"] == INGESTED else row for row in bursts]
    write_table(root, table_path("bursts"), BURSTS, bursts)
    (photographs / FOLDER).mkdir(parents=True)
    for name in names:
        (photographs / FOLDER / name).write_bytes(b"photograph")
    write_table(root, labels_path(SCENARIO), LABELS, [*make_scores(SCORES)])
    seal_dataset(root, {**make_description(), "recipe": {"name": "tiny"}})


def make_scores(scores: tuple[float | None, ...]) -> list[dict[str, object]]:
    """Rows of the album's labels."""
    (template, *_) = make_label_rows("tiny-0", SCENARIO, "solo", np.random.default_rng(0))
    known = sorted((score for score in scores if score is not None), reverse=True)
    return [
        {
            **template,
            "burst_id": INGESTED,
            "estimator": "leave_one_out",
            "frame_index": index,
            "score": score,
            "std_error": None if score is None else 0.0,
            "rank": None if score is None else known.index(score) + 1,
            "score_norm": None if score is None else (score - known[-1]) / (known[0] - known[-1]),
        }
        for index, score in enumerate(scores)
    ]
