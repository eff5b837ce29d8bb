"""A grouped data set as FiftyOne stores its own (`fiftyone.types.FiftyOneDataset`): `metadata.json`, `samples.json` and `data/`.

A burst is a group whose slices are its frames, `00`, `01` …, and `truth`. Pictures are developed to be looked at; what is known of frames,
and their scores, are fields.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dataset_builder.export.bursts import Sample, iterate_samples
from dataset_builder.records.developing import DevelopedPicture, develop_frames
from dataset_builder.records.reading import FramesToRead, pick_frames
from dataset_builder.work.local import ONE_WORKER, Workers
from dataset_builder.work.unit import WORK_FOLDER
from manifests.confined.writing import remove_tree, replace_file, write_file, write_text
from manifests.description import read_description
from manifests.images.pixels import UINT16_MAX
from manifests.operations.output import write_new_folder
from manifests.problem import Progress
from manifests.schema import LABELS
from manifests.store import list_label_files, read_dataset_table, read_table

SIZE = 1024
"""Longest side of a picture, pixels."""
_VERSION = "1.0.0"
"""Of FiftyOne's own documents; later releases bring them up to theirs as they read them."""
_FIELDS = "fiftyone.core.fields."
_BURST_TEXTS = ("burst_id", "scene_id", "source", "preset", "domain", "license")
_FRAME_NUMBERS = (
    "timestamp", "exposure_ratio", "exposure_time", "iso", "shot_noise", "read_noise", "displacement", "blur_length", "defocus",
    "occlusion", "object_shift", "sharpness",
)  # fmt: skip
LabelSet = tuple[str, str, str]
"""Scenario, estimator and metric."""


def export_fiftyone(
    root: Path,
    out: Path,
    *,
    on_progress: Progress | None = None,
    size: int = SIZE,
    workers: Workers = ONE_WORKER,
) -> list[Path]:
    """Write a data set for FiftyOne.

    Args:
        root: the data set.
        out: new folder.
        on_progress: called with the number of bursts written and of all.
        size: longest side of a picture, pixels; smaller ones keep theirs.
        workers: who decodes and develops.

    Returns:
        `metadata.json` and `samples.json`.

    Raises:
        ManifestError: if `out` holds something, or a table or file is damaged.
    """
    fields = name_score_fields(root)
    slices: dict[str, str] = {}
    total = read_dataset_table(root, "bursts").num_rows
    with write_new_folder(out) as folder:
        with replace_file(folder, "samples.json") as stream:
            stream.write(b'{"samples": [')
            for number, sample in enumerate(iterate_samples(root), start=1):
                wanted = list_pictures(sample)
                digests = [*(frame["sha256"] for frame in sample.frames), sample.burst["ground_truth_sha256"]]
                pictures = develop_frames(
                    root,
                    [*wanted.values()],
                    size,
                    ".jpg",
                    workers=workers,
                    digests=digests[: len(wanted)],
                    scratch=folder,
                )
                for name, picture in zip(wanted, pictures, strict=True):
                    write_file(folder, _locate(sample, name), picture.data)
                    slices[name] = "image"
                documents = list(_describe_samples(sample, dict(zip(wanted, pictures, strict=True)), fields))
                _append(stream, documents, first=number == 1)
                if on_progress is not None:
                    on_progress(number, total)
            stream.write(b"]}\n")
        remove_tree(folder, WORK_FOLDER)
        write_text(folder, "metadata.json", json.dumps(_describe_dataset(root, fields, slices), indent=1) + "\n")
    return [out / "metadata.json", out / "samples.json"]


def name_score_fields(root: Path) -> dict[LabelSet, str]:
    """A field for each scenario, estimator and metric: their names with `_` for all that no field's name may hold, numbered where equal."""
    found: set[LabelSet] = set()
    for path in list_label_files(root):
        table = read_table(root, path, LABELS, columns=["scenario", "estimator", "metric"])
        rows = table.group_by(["scenario", "estimator", "metric"]).aggregate([]).to_pylist()
        found |= {(row["scenario"], row["estimator"], row["metric"]) for row in rows}
    names: dict[LabelSet, str] = {}
    for labels in sorted(found):
        base = "score_" + re.sub(r"[^A-Za-z0-9]+", "_", "_".join(labels)).strip("_")
        taken = {*names.values()}
        names[labels] = next(
            name for name in (base, *(f"{base}_{n}" for n in range(2, len(found) + 2))) if name not in taken
        )
    return names


def list_pictures(sample: Sample) -> dict[str, FramesToRead]:
    """The frames of a burst by the names of their slices, then its truth where there is one."""
    pictures = {f"{index:02d}": pick_frames(sample.burst, [frame]) for index, frame in enumerate(sample.frames)}
    if sample.burst["ground_truth_path"]:
        pictures["truth"] = _pick_truth(sample.burst)
    return pictures


def _pick_truth(burst: Mapping[str, Any]) -> FramesToRead:
    """Ground truth as a frame in linear light; that of developed frames has the primaries of sRGB and needs no colours of a camera."""
    linear = {
        **burst,
        "domain": "linear_rgb",
        "cfa": None,
        "height": burst["height"] * burst["scale"],
        "width": burst["width"] * burst["scale"],
        "black_level": 0.0,
        "white_level": UINT16_MAX / burst["ground_truth_white"],
    }
    if burst["domain"] == "srgb":
        linear |= {"white_balance": None, "color_matrix": None}
    return pick_frames(linear, [{"path": burst["ground_truth_path"], "orientation": 1}])


def _append(stream: io.BufferedRandom, documents: Sequence[Mapping[str, Any]], *, first: bool) -> None:
    text = ",\n".join(json.dumps(document, allow_nan=False) for document in documents)
    stream.write(((("\n" if first else ",\n") + text) if text else "").encode())


def _describe_samples(
    sample: Sample, pictures: Mapping[str, DevelopedPicture], fields: Mapping[LabelSet, str]
) -> Iterator[dict[str, Any]]:
    """A document for each picture of a burst."""
    burst = sample.burst
    scores: dict[int, dict[str, float]] = {}
    for row in sample.labels:
        if row["score"] is not None:
            field = fields[row["scenario"], row["estimator"], row["metric"]]
            scores.setdefault(row["frame_index"], {})[field] = row["score"]
    for index, (name, picture) in enumerate(pictures.items()):
        frame = sample.frames[index] if index < len(sample.frames) else None
        digest = hashlib.sha256(f"{burst['burst_id']} {name}".encode()).hexdigest()
        yield {
            "_id": {"$oid": digest[:24]},
            "filepath": _locate(sample, name),
            "tags": [sample.split, *(["reference"] if index == burst["reference_index"] and frame is not None else [])],
            "metadata": {
                "_cls": "ImageMetadata",
                "size_bytes": len(picture.data),
                "mime_type": "image/jpeg",
                "width": picture.width,
                "height": picture.height,
                "num_channels": 3,
            },
            "_media_type": "image",
            "_rand": int(digest[:13], 16) / 16**13,
            "group": {"_id": {"$oid": _identify(burst["burst_id"])}, "_cls": "Group", "name": name},
            **{column: burst[column] for column in _BURST_TEXTS},
            "split": sample.split,
            "frame_index": None if frame is None else index,
            **{column: None if frame is None else _finite(frame[column]) for column in _FRAME_NUMBERS},
            **{field: scores.get(index, {}).get(field) if frame is not None else None for field in fields.values()},
        }


def _describe_dataset(root: Path, fields: Mapping[LabelSet, str], slices: Mapping[str, str]) -> dict[str, Any]:
    """FiftyOne's document of the data set."""
    name = str(read_description(root).get("name") or root.name)
    metadata = [("size_bytes", "IntField"), ("mime_type", "StringField")]
    metadata += [(part, "IntField") for part in ("width", "height", "num_channels")]
    image = [_describe_field(part, kind) for part, kind in metadata]
    group = [_describe_field("id", "ObjectIdField", db_field="_id"), _describe_field("name", "StringField")]
    documents = {"metadata": "fiftyone.core.metadata.ImageMetadata", "group": "fiftyone.core.groups.Group"}
    return {
        "name": name,
        "version": _VERSION,
        "persistent": False,
        "media_type": "group",
        "group_field": "group",
        "group_media_types": dict(sorted(slices.items())),
        "default_group_slice": min(slices, default=None),
        "tags": [],
        "info": {
            "score_fields": {
                field: dict(zip(("scenario", "estimator", "metric"), labels, strict=True))
                for labels, field in fields.items()
            }
        },
        "sample_fields": [
            _describe_field("id", "ObjectIdField", db_field="_id"),
            _describe_field("filepath", "StringField"),
            _describe_field("tags", "ListField", subfield=f"{_FIELDS}StringField"),
            _describe_field("metadata", "EmbeddedDocumentField", document=documents["metadata"], fields=image),
            _describe_field("created_at", "DateTimeField", read_only=True),
            _describe_field("last_modified_at", "DateTimeField", read_only=True),
            _describe_field("group", "EmbeddedDocumentField", document=documents["group"], fields=group),
            *(_describe_field(one, "StringField") for one in (*_BURST_TEXTS, "split")),
            _describe_field("frame_index", "IntField"),
            *(_describe_field(one, "FloatField") for one in _FRAME_NUMBERS),
            *(_describe_field(field, "FloatField", about=", ".join(labels)) for labels, field in fields.items()),
        ],
        "frame_fields": [],
        "saved_views": [],
        "workspaces": [],
        "annotation_runs": {},
        "brain_methods": {},
        "evaluations": {},
        "runs": {},
    }


def _describe_field(
    name: str,
    kind: str,
    *,
    db_field: str | None = None,
    subfield: str | None = None,
    document: str | None = None,
    fields: Sequence[Mapping[str, Any]] = (),
    about: str | None = None,
    read_only: bool = False,
) -> dict[str, Any]:
    return {
        "_cls": "SampleFieldDocument",
        "name": name,
        "ftype": _FIELDS + kind,
        "embedded_doc_type": document,
        "subfield": subfield,
        "fields": list(fields),
        "db_field": db_field or name,
        "description": about,
        "info": None,
        "read_only": read_only,
        "created_at": None,
    }


def _locate(sample: Sample, name: str) -> str:
    return f"data/{sample.burst['burst_id']}/{name}.jpg"


def _identify(text: str) -> str:
    """24 hexadecimal digits, as MongoDB names things."""
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def _finite(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None
