"""Parquet with image features and a filled card, as the Hugging Face hub and `datasets` read them."""

from __future__ import annotations

import functools
import hashlib
import io
import json
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.export.bursts import Sample, iterate_samples
from dataset_builder.export.pictures import read_pictures
from dataset_builder.export.reading import MEANING, PLANES, TO_COLOURS
from dataset_builder.work.local import ONE_WORKER, Workers
from manifests.confined.writing import replace_file, write_text
from manifests.description import read_description
from manifests.documents.card import render_card
from manifests.documents.statistics import count_licenses
from manifests.operations.output import write_new_folder
from manifests.problem import Progress
from manifests.store import read_dataset_table

SHARD_BYTES = 256 << 20
_GROUP_BYTES = 8 << 20
_HUB_NAMES = {"train": "train", "val": "validation", "test": "test"}
_ORIENTATION = 0x0112
_READING = f"""## Reading the pictures

{PLANES}
{TO_COLOURS}
{MEANING}"""
_STRIPPED = """## Metadata of pictures

Places, serial numbers, names and all other metadata were left out of the files here; what pixels mean was kept.
"""
_IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
_LABEL = pa.struct(
    [
        ("scenario", pa.string()),
        ("estimator", pa.string()),
        ("metric", pa.string()),
        ("unit", pa.string()),
        ("score", pa.list_(pa.float64())),
        ("std_error", pa.list_(pa.float64())),
        ("noise_error", pa.list_(pa.float64())),
    ]
)
_FACTS: tuple[tuple[str, pa.DataType], ...] = (
    ("burst_id", pa.string()),
    ("scene_id", pa.string()),
    ("source", pa.string()),
    ("preset", pa.string()),
    ("license", pa.string()),
    ("domain", pa.string()),
    ("cfa", pa.string()),
    ("num_frames", pa.int32()),
    ("reference_index", pa.int32()),
    ("height", pa.int32()),
    ("width", pa.int32()),
    ("scale", pa.int32()),
    ("black_level", pa.float64()),
    ("white_level", pa.float64()),
    ("ground_truth_kind", pa.string()),
    ("ground_truth_white", pa.float64()),
)
_COLOUR_FACTS = ("white_balance", "color_matrix")
"""Columns of `bursts` that are lists of numbers."""
_FRAME_FACTS: tuple[tuple[str, pa.DataType], ...] = (
    ("orientation", pa.int32()),
    ("exposure_ratio", pa.float64()),
    ("shot_noise", pa.float64()),
    ("read_noise", pa.float64()),
    ("timestamp", pa.float64()),
)
_NAMES = {pa.string(): "string", pa.int32(): "int32", pa.float64(): "float64"}
_HOMOGRAPHY = pa.list_(pa.list_(pa.float64()))
_SCHEMA = pa.schema(
    [
        *_FACTS,
        *((name, pa.list_(pa.float64())) for name in _COLOUR_FACTS),
        ("frames", pa.list_(_IMAGE)),
        ("ground_truth", _IMAGE),
        *((name, pa.list_(kind)) for name, kind in _FRAME_FACTS),
        ("homography", _HOMOGRAPHY),
        ("labels", pa.list_(_LABEL)),
    ]
)


def export_hugging_face(
    root: Path,
    out: Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    on_progress: Progress | None = None,
    strip: bool = True,
    workers: Workers = ONE_WORKER,
) -> list[Path]:
    """Write one row for each burst: its frames as images, what is known of them, and its labels by scenario.

    Whatever `datasets` makes of an image holds all stored values: images are the stored files, byte for byte but for stripped metadata,
    or PNG of their planes where Pillow would lose bits (`pictures`); the card says how to read them. `datasets` turns images upright by
    their EXIF, so `orientation` is what is left to do then.

    Args:
        root: the data set.
        out: new folder.
        shard_bytes: a file is closed after the burst that takes it beyond this size.
        on_progress: called with the number of bursts written and of all.
        strip: whether to leave out metadata that are not what pixels mean: places, serial numbers, names.
        workers: who decodes what is written anew.

    Returns:
        The Parquet files.

    Raises:
        ManifestError: if `out` holds something, or a table or file is damaged.
    """
    with write_new_folder(out) as folder:
        make_row = functools.partial(_make_row, root, strip=strip, scratch=folder, workers=workers)
        files = _write_files(root, folder, shard_bytes, on_progress, make_row)
        write_text(folder, "README.md", _render_card(root, sorted(files), strip=strip))
    return [out / name for parts in files.values() for name in parts]


def _write_files(
    root: Path,
    out: Path,
    shard_bytes: int,
    on_progress: Progress | None,
    make_row: Callable[[Sample], dict[str, Any]],
) -> dict[str, list[str]]:
    """Write the Parquet files; return their names by split."""
    total = read_dataset_table(root, "bursts").num_rows
    files: dict[str, list[str]] = {}
    done = 0
    for split, samples in groupby(iterate_samples(root), key=lambda sample: sample.split):
        rows = _count(map(make_row, samples), done, total, on_progress)
        parts = files[split] = []
        while (first := next(rows, None)) is not None:
            name = f"data/{_HUB_NAMES[split]}-{len(parts):05d}.parquet"
            parts.append(name)
            done += _write_file(out, name, first, rows, shard_bytes)
    return files


def _count(
    rows: Iterator[dict[str, Any]], done: int, total: int, on_progress: Progress | None
) -> Iterator[dict[str, Any]]:
    for number, row in enumerate(rows, start=done + 1):
        yield row
        if on_progress is not None:
            on_progress(number, total)


def _write_file(out: Path, name: str, first: dict[str, Any], rows: Iterator[dict[str, Any]], shard_bytes: int) -> int:
    """Write rows until the file is full; return their number."""
    features = {"info": {"features": _describe_features()}}
    schema = _SCHEMA.with_metadata({"huggingface": json.dumps(features)})
    written = group_bytes = count = 0
    group: list[dict[str, Any]] = []
    dictionaries = [name for name, _ in _FACTS]
    with (
        replace_file(out, name) as stream,
        # Images do not compress, and dictionaries of them would only be copies.
        pq.ParquetWriter(stream, schema, compression="none", use_dictionary=dictionaries) as writer,
    ):
        row: dict[str, Any] | None = first
        while row is not None:
            group.append(row)
            size = sum(len(image["bytes"]) for image in row["frames"])
            group_bytes, written, count = group_bytes + size, written + size, count + 1
            row = None if written >= shard_bytes else next(rows, None)
            if row is None or group_bytes >= _GROUP_BYTES:
                writer.write_table(pa.Table.from_pylist(group, schema=schema))
                group, group_bytes = [], 0
    return count


def _make_row(root: Path, sample: Sample, *, strip: bool, scratch: Path, workers: Workers) -> dict[str, Any]:
    pictures = read_pictures(root, sample, "planes", strip=strip, scratch=scratch, workers=workers)
    images = [{"bytes": picture.data, "path": picture.path} for picture in pictures]
    return {
        **{name: sample.burst[name] for name, _ in _FACTS},
        **{name: sample.burst[name] for name in _COLOUR_FACTS},
        "frames": images[: len(sample.frames)],
        "ground_truth": images[-1] if len(images) > len(sample.frames) else None,
        **{name: [frame[name] for frame in sample.frames] for name, _ in _FRAME_FACTS},
        "orientation": [
            _find_rest(picture.data, frame["orientation"])
            for picture, frame in zip(pictures, sample.frames, strict=False)
        ],
        "homography": [frame["homography"] for frame in sample.frames],
        "labels": list(_gather_labels(sample.labels)),
    }


def _find_rest(data: bytes, orientation: int) -> int:
    """Orientation still to be applied once `datasets` has turned a picture by its own EXIF."""
    if orientation == 1:
        return 1
    from PIL import Image

    with Image.open(io.BytesIO(data)) as image:
        return 1 if image.getexif().get(_ORIENTATION) == orientation else orientation


def _gather_labels(rows: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """One entry for each scenario, estimator and metric, with a score for each frame."""
    keys = ("scenario", "estimator", "metric", "unit")
    ordered = sorted(rows, key=lambda row: (*(row[key] for key in keys), row["frame_index"]))
    for names, group in groupby(ordered, key=lambda row: tuple(row[key] for key in keys)):
        members = list(group)
        values = {name: [row[name] for row in members] for name in ("score", "std_error", "noise_error")}
        yield {**dict(zip(keys, names, strict=True)), **values}


def _describe_features() -> dict[str, Any]:
    """The schema in the words of `datasets`."""

    def value(kind: pa.DataType) -> dict[str, Any]:
        return {"dtype": _NAMES[kind], "_type": "Value"}

    def listed(feature: Any) -> dict[str, Any]:
        return {"feature": feature, "_type": "List"}

    image = {"_type": "Image"}
    label = {
        field.name: listed(value(pa.float64())) if pa.types.is_list(field.type) else value(field.type)
        for field in _LABEL
    }
    return {
        **{name: value(kind) for name, kind in _FACTS},
        **{name: listed(value(pa.float64())) for name in _COLOUR_FACTS},
        "frames": listed(image),
        "ground_truth": image,
        **{name: listed(value(kind)) for name, kind in _FRAME_FACTS},
        "homography": listed(listed(value(pa.float64()))),
        "labels": listed(label),
    }


def _name_config(root: Path, *, strip: bool) -> str:
    """A name that no other data set has."""
    description = read_description(root)
    digest = hashlib.sha256(
        json.dumps([description.get("manifests", description), strip], sort_keys=True).encode()
    ).hexdigest()
    return f"bursts-{digest[:12]}"


def _render_card(root: Path, splits: Sequence[str], *, strip: bool) -> str:
    """The data set's card under the header that the hub reads; JSON is YAML."""
    licenses = sorted(set(count_licenses(root)["license"]))
    header = {
        "pretty_name": read_description(root).get("name") or root.name,
        "license": "other",
        "license_name": "; ".join(licenses),
        "task_categories": ["image-to-image"],
        "tags": ["burst-photography", "image-quality-assessment"],
        "configs": [
            {
                # `datasets` keeps what it prepared by the names of folder and configuration, whatever they hold.
                "config_name": _name_config(root, strip=strip),
                "default": True,
                "data_files": [{"split": _HUB_NAMES[s], "path": f"data/{_HUB_NAMES[s]}-*.parquet"} for s in splits],
            }
        ],
    }
    lines = [f"{name}: {json.dumps(value)}" for name, value in header.items()]
    return "\n".join(["---", *lines, "---", "", render_card(root), *([_STRIPPED] if strip else []), "", _READING])
