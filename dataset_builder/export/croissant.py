"""A folder that `mlcroissant` reads by itself: the tables, the images in Parquet, and Croissant metadata of both."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from dataset_builder.export.bursts import Sample, iterate_samples
from dataset_builder.export.pictures import read_pictures
from dataset_builder.export.reading import MEANING, PLANES, TO_COLOURS
from dataset_builder.work.local import ONE_WORKER, Workers
from manifests.confined.reading import hash_file
from manifests.confined.writing import copy_file, replace_file, write_text
from manifests.documents.card import render_card
from manifests.documents.croissant import CROISSANT_NAME, describe_croissant, describe_file
from manifests.operations.output import write_new_folder
from manifests.problem import Progress
from manifests.store import list_label_files, read_dataset_table, table_path

SHARD_BYTES = 256 << 20
_SCHEMA = pa.schema(
    [
        ("path", pa.string()),
        ("burst_id", pa.string()),
        ("frame_index", pa.int32()),
        ("split", pa.string()),
        ("image", pa.binary()),
    ]
)
_DOCS = {
    "path": "As in frames/path or bursts/ground_truth_path.",
    "burst_id": "Burst.",
    "frame_index": "Frame; null for ground truth.",
    "split": "train, val or test.",
    "image": "The picture; see README.md for what its numbers are.",
}
_TYPES = {"frame_index": "sc:Integer", "image": "sc:ImageObject"}
_README = f"""# Images by `mlcroissant`

```python
import mlcroissant

data = mlcroissant.Dataset("{CROISSANT_NAME}")
for row in data.records("images"):
    row["images/path"], row["images/image"]  # bytes, a Pillow image
```

The record sets `bursts`, `frames`, `splits` and `labels-…` are the tables; `images/path` is `frames/path` or `bursts/ground_truth_path`.
The digests in them are those of the data set's own files, which were written anew here where they had metadata or 16-bit colours.

{PLANES}
{TO_COLOURS}
{MEANING}"""


def export_croissant(
    root: Path,
    out: Path,
    *,
    shard_bytes: int = SHARD_BYTES,
    on_progress: Progress | None = None,
    strip: bool = True,
    workers: Workers = ONE_WORKER,
) -> list[Path]:
    """Write tables, images and `croissant.json` into a folder that holds all it names.

    Images are in the forms of `pictures` that Pillow, and so `mlcroissant`, gives back bit for bit.

    Args:
        root: the data set.
        out: new folder.
        shard_bytes: a file of images is closed after the burst that takes it beyond this size.
        on_progress: called with the number of bursts written and of all.
        strip: whether to leave out metadata that are not what pixels mean: places, serial numbers, names.
        workers: who decodes what is written anew.

    Returns:
        The files.

    Raises:
        ManifestError: if `out` holds something, or a table or file is damaged.
    """
    tables = [*(table_path(name) for name in ("bursts", "frames", "splits")), *list_label_files(root)]
    with write_new_folder(out) as folder:
        metadata = describe_croissant(root)
        for path in tables:
            copy_file(root, path, folder)
        rows = _make_rows(root, folder, on_progress, strip=strip, workers=workers)
        shards = list(_write_shards(folder, rows, shard_bytes))
        _add_images(metadata, folder, shards)
        write_text(folder, CROISSANT_NAME, json.dumps(metadata, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
        write_text(folder, "DATASET.md", render_card(root))
        write_text(folder, "README.md", _README)
    return [out / name for name in (*tables, *shards, CROISSANT_NAME, "DATASET.md", "README.md")]


def _make_rows(
    root: Path, scratch: Path, on_progress: Progress | None, *, strip: bool, workers: Workers
) -> Iterator[list[dict[str, Any]]]:
    """The images of each burst."""
    total = read_dataset_table(root, "bursts").num_rows
    for number, sample in enumerate(iterate_samples(root), start=1):
        pictures = read_pictures(root, sample, "planes", strip=strip, scratch=scratch, workers=workers)
        yield [_make_row(sample, place, picture.data) for place, picture in enumerate(pictures)]
        if on_progress is not None:
            on_progress(number, total)


def _make_row(sample: Sample, place: int, data: bytes) -> dict[str, Any]:
    truth = place == len(sample.frames)
    return {
        "path": sample.burst["ground_truth_path"] if truth else sample.frames[place]["path"],
        "burst_id": sample.burst["burst_id"],
        "frame_index": None if truth else place,
        "split": sample.split,
        "image": data,
    }


def _write_shards(out: Path, bursts: Iterator[list[dict[str, Any]]], shard_bytes: int) -> Iterator[str]:
    """Write files of images; their names."""
    number = 0
    waiting = next(bursts, None)
    while waiting is not None:
        name = f"images/{number:05d}.parquet"
        written = 0
        with replace_file(out, name) as stream, pq.ParquetWriter(stream, _SCHEMA, compression="none") as writer:
            while waiting is not None and written < shard_bytes:
                # A row group for each burst: images are large, and dictionaries of them would only be copies.
                writer.write_table(pa.Table.from_pylist(waiting, schema=_SCHEMA))
                written += sum(len(row["image"]) for row in waiting)
                waiting = next(bursts, None)
        yield name
        number += 1


def _add_images(metadata: dict[str, Any], out: Path, shards: list[str]) -> None:
    """Say in the metadata where the images are and what their columns mean."""
    if not shards:
        return
    metadata["distribution"] += [describe_file(name, name, hash_file(out, name)) for name in shards]
    metadata["distribution"].append(
        {
            "@type": "cr:FileSet",
            "@id": "image-files",
            "name": "image-files",
            "description": "The images, in files of some bursts each.",
            "encodingFormat": "application/x-parquet",
            "includes": "images/*.parquet",
        }
    )
    metadata["recordSet"].append(
        {
            "@type": "cr:RecordSet",
            "@id": "images",
            "name": "images",
            "key": [{"@id": "images/path"}],
            "field": [
                {
                    "@type": "cr:Field",
                    "@id": f"images/{name}",
                    "name": name,
                    "description": _DOCS[name],
                    "dataType": _TYPES.get(name, "sc:Text"),
                    "source": {"fileSet": {"@id": "image-files"}, "extract": {"column": name}},
                }
                for name in _SCHEMA.names
            ],
        }
    )
