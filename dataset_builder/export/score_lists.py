"""Scores as CSV in the meta-info form of pyiqa: a line for each image with its name, score and split."""

from __future__ import annotations

import csv
import io
from pathlib import Path, PurePosixPath

from manifests.confined.members import name_plain
from manifests.confined.writing import write_text
from manifests.matching import read_burst_tables, read_label_file, read_splits
from manifests.operations.output import write_new_folder
from manifests.problem import Progress
from manifests.store import list_label_files


def export_score_lists(root: Path, out: Path, *, on_progress: Progress | None = None) -> list[Path]:
    """Write a CSV for each scenario, estimator and metric: `name` (the frame's path in the data set), `score`, `split`.

    Frames without a score have no line. Splits are named `train`, `val` and `test`.

    Args:
        root: the data set.
        out: new folder.
        on_progress: called with the number of label files done and of all.

    Raises:
        ManifestError: if `out` holds something, or a table is damaged.
    """
    with write_new_folder(out) as folder:
        return [out / name for name in _write_lists(root, folder, on_progress)]


def _write_lists(root: Path, out: Path, on_progress: Progress | None) -> list[str]:
    tables = read_burst_tables(root)
    paths = {
        (row["burst_id"], row["frame_index"]): name_plain(row["path"])
        for row in tables.frames.select(["burst_id", "frame_index", "path"]).to_pylist()
    }
    splits = {row["burst_id"]: row["split"] for row in read_splits(root, tables).to_pylist()}
    files: list[str] = []
    sources = list_label_files(root)
    for number, source in enumerate(sources, start=1):
        columns = ["burst_id", "frame_index", "estimator", "metric", "score"]
        lists: dict[tuple[str, str], list[tuple[str, float, str]]] = {}
        for row in read_label_file(root, source, tables, columns=columns).to_pylist():
            if row["score"] is not None:
                line = _name(paths[row["burst_id"], row["frame_index"]]), row["score"], splits[row["burst_id"]]
                lists.setdefault((row["estimator"], row["metric"]), []).append(line)
        for (estimator, metric), lines in sorted(lists.items()):
            files.append(f"{PurePosixPath(source).stem}.{estimator}.{metric}.csv")
            text = io.StringIO(newline="")
            csv.writer(text, lineterminator="\n").writerows([("name", "score", "split"), *lines])
            write_text(out, files[-1], text.getvalue())
        if on_progress is not None:
            on_progress(number, len(sources))
    return files


def _name(path: str) -> str:
    """A path that no spreadsheet takes for a formula."""
    return f"./{path}" if path.startswith(("=", "+", "-", "@")) else path
