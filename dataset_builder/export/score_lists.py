"""Scores as CSV in the meta-info form of pyiqa: a line for each image with its name, score and split."""

from __future__ import annotations

import contextlib
import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import TextIO

import pyarrow as pa

from dataset_builder.export.bursts import read_split_names
from manifests.confined.members import name_plain
from manifests.confined.writing import replace_file
from manifests.matching import LabelCursor, iterate_burst_tables
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
    splits = read_split_names(root)
    files: list[str] = []
    sources = list_label_files(root)
    for number, source in enumerate(sources, start=1):
        with contextlib.ExitStack() as stack:
            streams: dict[tuple[str, str], TextIO] = {}
            for names, lines in _iterate_lines(root, source, splits):
                if (stream := streams.get(names)) is None:
                    file = stack.enter_context(replace_file(out, _name_list(source, names)))
                    streams[names] = stream = io.TextIOWrapper(file, "utf-8", newline="")
                    stack.callback(stream.detach)
                    csv.writer(stream, lineterminator="\n").writerow(("name", "score", "split"))
                csv.writer(stream, lineterminator="\n").writerows(lines)
            files += [_name_list(source, names) for names in sorted(streams)]
        if on_progress is not None:
            on_progress(number, len(sources))
    return files


def _name_list(source: str, names: tuple[str, str]) -> str:
    return f"{PurePosixPath(source).stem}.{names[0]}.{names[1]}.csv"


def _iterate_lines(
    root: Path, source: str, splits: Mapping[str, str]
) -> Iterator[tuple[tuple[str, str], list[tuple[str, float, str]]]]:
    """Estimator and metric, and lines of some bursts, one after the other."""
    cursor = LabelCursor(root, source, columns=["burst_id", "frame_index", "estimator", "metric", "score"])
    for tables in iterate_burst_tables(root, frame_columns=["burst_id", "frame_index", "is_reference", "path"]):
        labels, frames = cursor.take(tables)
        paths = tables.frames.column("path").take(pa.array(frames)).to_pylist()
        lists: dict[tuple[str, str], list[tuple[str, float, str]]] = {}
        for path, row in zip(paths, labels.to_pylist(), strict=True):
            if row["score"] is not None:
                line = _name(name_plain(path)), row["score"], splits[row["burst_id"]]
                lists.setdefault((row["estimator"], row["metric"]), []).append(line)
        yield from sorted(lists.items())
    cursor.finish()


def _name(path: str) -> str:
    """A path that no spreadsheet takes for a formula."""
    return f"./{path}" if path.startswith(("=", "+", "-", "@")) else path
