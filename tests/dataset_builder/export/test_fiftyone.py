"""The folder is laid out as FiftyOne documents it: `metadata.json`, `samples.json` and `data/`, with types that it knows."""

from __future__ import annotations

import io
import json
import re
from collections import defaultdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from dataset_builder.camera.develop import demosaic_bilinear, develop
from dataset_builder.export.fiftyone import export_fiftyone, name_score_fields
from manifests.images.pixels import read_linear, read_pixels
from manifests.schema import LABELS
from manifests.store import labels_path, read_dataset_table, read_labels, write_table
from restorers import CFA
from tests.tiny_dataset import BLACK, INGESTED, LENGTHS, WHITE

# What `FiftyOneDatasetImporter` and the documents behind it (fiftyone 1.22, core/odm) read of each type.
TYPES = {
    "StringField": str,
    "FloatField": (float, int),
    "IntField": int,
    "ObjectIdField": dict,
    "ListField": list,
    "EmbeddedDocumentField": dict,
}


@pytest.fixture(scope="module")
def exported(tiny_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("fiftyone") / "out"
    export_fiftyone(tiny_original, out)
    return out


def load(exported: Path) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    samples = json.loads((exported / "samples.json").read_text())["samples"]
    return json.loads((exported / "metadata.json").read_text()), samples


def test_every_value_is_of_its_field(exported: Path) -> None:
    metadata, samples = load(exported)
    assert (metadata["media_type"], metadata["group_field"], metadata["default_group_slice"]) == (
        "group",
        "group",
        "00",
    )
    fields = {field["db_field"]: field for field in metadata["sample_fields"]}
    assert len(fields) == len(metadata["sample_fields"])
    assert all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", field["name"]) for field in metadata["sample_fields"])
    assert samples
    for sample in samples:
        # FiftyOne sets these two itself.
        assert sample.keys() | {"created_at", "last_modified_at"} == fields.keys() | {"_media_type", "_rand"}
        for name, value in sample.items():
            if name in fields and value is not None:
                assert isinstance(value, TYPES[fields[name]["ftype"].rpartition(".")[2]])
        assert re.fullmatch(r"[0-9a-f]{24}", sample["_id"]["$oid"])
        assert 0 <= sample["_rand"] < 1
    for name in ("group", "metadata"):
        inner = {field["db_field"] for field in fields[name]["fields"]}
        assert all(sample[name].keys() == inner | {"_cls"} for sample in samples)
        assert fields[name]["embedded_doc_type"].endswith(samples[0][name]["_cls"])
    assert len({sample["_id"]["$oid"] for sample in samples}) == len(samples)


def test_a_burst_is_a_group_with_a_slice_for_each_picture(exported: Path) -> None:
    metadata, samples = load(exported)
    groups: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for sample in samples:
        groups[sample["group"]["_id"]["$oid"]].append(sample)
    found = {group[0]["burst_id"]: [sample["group"]["name"] for sample in group] for group in groups.values()}
    expected = {burst: [*(f"{index:02d}" for index in range(length)), "truth"] for burst, length in LENGTHS.items()}
    assert found == {**expected, INGESTED: ["00", "01", "02"]}
    assert metadata["group_media_types"] == dict.fromkeys(("00", "01", "02", "03", "truth"), "image")
    for group in groups.values():
        assert sum("reference" in sample["tags"] for sample in group) == 1


def test_scores_are_fields_of_frames(exported: Path, tiny_original: Path) -> None:
    metadata, samples = load(exported)
    by_frame = {(sample["burst_id"], sample["frame_index"]): sample for sample in samples}
    named = {tuple(labels.values()): field for field, labels in metadata["info"]["score_fields"].items()}
    assert named == name_score_fields(tiny_original)
    assert named["denoise/mean", "leave_one_out", "psnr"] == "score_denoise_mean_leave_one_out_psnr"
    rows = read_labels(tiny_original).to_pylist()
    for row in rows:
        sample = by_frame[row["burst_id"], row["frame_index"]]
        assert sample[named[row["scenario"], row["estimator"], row["metric"]]] == row["score"]
    given = sum(sample[field] is not None for sample in samples for field in named.values())
    assert given == sum(row["score"] is not None for row in rows)
    shot = {
        (row["burst_id"], row["frame_index"]): row["shot_noise"]
        for row in read_dataset_table(tiny_original, "frames").to_pylist()
    }
    assert {key: sample["shot_noise"] for key, sample in by_frame.items() if key[1] is not None} == shot


def test_pictures_are_developed(exported: Path, tiny_original: Path) -> None:
    _, samples = load(exported)
    bursts = {row["burst_id"]: row for row in read_dataset_table(tiny_original, "bursts").to_pylist()}
    for sample in samples:
        data = (exported / sample["filepath"]).read_bytes()
        with Image.open(io.BytesIO(data)) as picture:
            shown = np.asarray(picture, float)
        assert (len(data), *shown.shape) == tuple(
            sample["metadata"][name] for name in ("size_bytes", "height", "width", "num_channels")
        )
        burst = bursts[sample["burst_id"]]
        if sample["group"]["name"] == "truth":
            scale = burst["scale"]
            linear = read_pixels(tiny_original, burst["ground_truth_path"]).astype(np.float32) / 65535
            assert shown.shape[:2] == (burst["height"] * scale, burst["width"] * scale)
        elif burst["domain"] == "raw_bayer":
            path = f"frames/tiny/{sample['burst_id']}/{sample['frame_index']:02d}.png"
            mosaic = read_linear(tiny_original, path, black_level=BLACK, white_level=WHITE)
            linear = demosaic_bilinear(mosaic, CFA(burst["cfa"]))
        else:
            continue
        expected = 255 * np.clip(develop(linear, burst["white_balance"], burst["color_matrix"]), 0, 1)
        encoded = cv2.imencode(".jpg", np.rint(expected)[..., ::-1], (cv2.IMWRITE_JPEG_QUALITY, 92))[1]
        assert np.abs(cv2.imdecode(encoded, cv2.IMREAD_COLOR)[..., ::-1] - shown).mean() < 1


def test_names_that_fall_together_are_numbered(tiny: Path) -> None:
    rows = read_labels(tiny, ["denoise/mean"]).to_pylist()
    write_table(tiny, labels_path("denoise_mean"), LABELS, [{**row, "scenario": "denoise_mean"} for row in rows])
    names = name_score_fields(tiny)
    assert len(set(names.values())) == len(names) == 5
    assert names["denoise_mean", "add_one", "psnr"] == "score_denoise_mean_add_one_psnr_2"
