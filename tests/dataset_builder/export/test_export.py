"""Exports are opened by the tools that they are for, and hold what the data set holds."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from dataset_builder.build import add_source
from dataset_builder.cli.main import main
from dataset_builder.export.croissant import export_croissant
from dataset_builder.export.fiftyone import export_fiftyone
from dataset_builder.export.hugging_face import export_hugging_face
from dataset_builder.export.score_lists import export_score_lists
from dataset_builder.export.web_dataset import export_web_dataset
from dataset_builder.recipe import parse_source
from manifests.confined.plain import hash_plain
from manifests.documents.croissant import describe_croissant, write_croissant
from manifests.errors import ImageFileError, OutputExistsError, SchemaError
from manifests.images.pixels import read_pixels, write_png
from manifests.operations.pack import pack_dataset
from manifests.store import read_dataset_table, read_labels
from tests.photographs import make_photograph
from tests.tiny_dataset import INGESTED, LENGTHS

# webdataset leaves the closing of shards to the collector.
leaves_files_open = pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnraisableExceptionWarning", "ignore::ResourceWarning"
)
EXPORTERS = [export_hugging_face, export_web_dataset, export_croissant, export_fiftyone, export_score_lists]


def run_snippets(path: Path) -> dict[str, Any]:
    """What the code defines that a page tells its readers to copy."""
    names: dict[str, Any] = {}
    for code in re.findall(r"```python\n(import numpy.*?)```", path.read_text(encoding="utf-8"), re.DOTALL):
        exec(code, names)
    return names


def find_stored(root: Path, burst_id: str) -> tuple[list[np.ndarray], np.ndarray | None]:
    """Stored values of a burst's frames, and of its truth."""
    paths = [row["path"] for row in read_rows(root, "frames") if row["burst_id"] == burst_id]
    truth = next(row["ground_truth_path"] for row in read_rows(root, "bursts") if row["burst_id"] == burst_id)
    return [read_pixels(root, path) for path in paths], None if truth is None else read_pixels(root, truth)


def read_rows(root: Path, name: str) -> list[dict[str, Any]]:
    rows = read_labels(root) if name == "labels" else read_dataset_table(root, name)
    return rows.to_pylist()


@pytest.mark.parametrize("shard_bytes", [1, 2000, 1 << 30])
def test_hugging_face_opens_images_and_labels(tiny_original: Path, tmp_path: Path, shard_bytes: int) -> None:
    import datasets

    files = export_hugging_face(tiny_original, tmp_path / "out", shard_bytes=shard_bytes)
    assert len(files) == {1: 5, 2000: 4, 1 << 30: 2}[shard_bytes]
    to_colours = run_snippets(tmp_path / "out/README.md")["to_colours"]
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {name: part["burst_id"] for name, part in loaded.items()} == {
        "train": [INGESTED, "tiny-0", "tiny-1", "tiny-2"],
        "test": ["tiny-3"],
    }
    bursts = {row["burst_id"]: row for row in read_rows(tiny_original, "bursts")}
    frames, labels = read_rows(tiny_original, "frames"), read_rows(tiny_original, "labels")
    for part in loaded.values():
        assert isinstance(part.features["ground_truth"], datasets.Image)
        for row in part:
            burst = bursts[row["burst_id"]]
            assert all(
                row[name] == burst[name]
                for name in (
                    "scene_id",
                    "cfa",
                    "black_level",
                    "reference_index",
                    "license",
                    "white_balance",
                    "color_matrix",
                )
            )
            own = [frame for frame in frames if frame["burst_id"] == row["burst_id"]]
            assert row["shot_noise"] == [frame["shot_noise"] for frame in own]
            assert row["homography"] == [frame["homography"] for frame in own]
            stored, truth = find_stored(tiny_original, row["burst_id"])
            for image, values in zip(row["frames"], stored, strict=True):
                got = np.asarray(image) if row["domain"] == "raw_bayer" else to_colours(image)
                assert (got.dtype, got.max()) == (values.dtype, values.max())
                np.testing.assert_array_equal(got, values)
            assert (row["ground_truth"] is None) == (truth is None)
            if truth is not None:
                assert truth.max() > 255
                np.testing.assert_array_equal(to_colours(row["ground_truth"]), truth)
            found = {
                (label["scenario"], label["estimator"], index): both
                for label in row["labels"]
                for index, both in enumerate(zip(label["score"], label["noise_error"], strict=True))
            }
            assert found == {
                (label["scenario"], label["estimator"], label["frame_index"]): (label["score"], label["noise_error"])
                for label in labels
                if label["burst_id"] == row["burst_id"]
            }
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert card.startswith("---\npretty_name:")
    assert "## Licences" in card
    assert "not pictures to look at" in card
    import huggingface_hub

    data = huggingface_hub.DatasetCard(card).data.to_dict()
    assert data["license"] == "other"
    assert [entry["split"] for entry in data["configs"][0]["data_files"]] == ["test", "train"]


@leaves_files_open
@pytest.mark.parametrize("shard_bytes", [1, 4000, 1 << 30])
def test_webdataset_reads_the_shards_back(tiny_original: Path, tmp_path: Path, shard_bytes: int) -> None:
    import webdataset

    shards = export_web_dataset(tiny_original, tmp_path / "out", shard_bytes=shard_bytes)
    frames, bursts = read_rows(tiny_original, "frames"), read_rows(tiny_original, "bursts")
    seen = []
    for sample in webdataset.WebDataset([str(path) for path in shards], shardshuffle=False):
        facts = json.loads(sample["json"])
        name = sample["__key__"]
        seen.append(name)
        members = facts["members"]
        burst = next(row for row in bursts if row["burst_id"] == name)
        digests = [hashlib.sha256(sample[member]).hexdigest() for member in members["frames"]]
        assert facts["frames"] == [
            {**row, "sha256": digest}
            for row, digest in zip([row for row in frames if row["burst_id"] == name], digests, strict=True)
        ]
        truth = members["ground_truth"] and hashlib.sha256(sample[members["ground_truth"]]).hexdigest()
        assert facts["burst"] == {**burst, "ground_truth_sha256": truth}
        assert facts["labels"] == [
            row
            for row in sorted(read_rows(tiny_original, "labels"), key=lambda row: row["burst_id"])
            if row["burst_id"] == name
        ]
        for member, frame in zip(members["frames"], facts["frames"], strict=True):
            if not member.endswith(".npy"):
                assert sample[member] == (tiny_original / frame["path"]).read_bytes()
        assert Path(sample["__url__"]).name.startswith(facts["split"])
    assert sorted(seen) == sorted([INGESTED, *LENGTHS])
    assert len(shards) == {1: 5, 4000: len(shards), 1 << 30: 2}[shard_bytes]


def test_csv_is_name_score_split(tiny_original: Path, tmp_path: Path) -> None:
    files = export_score_lists(tiny_original, tmp_path / "out")
    assert [path.name for path in files] == [
        "denoise--mean.add_one.psnr.csv",
        "denoise--mean.leave_one_out.psnr.csv",
        "denoise--nlm.solo.psnr.csv",
    ]
    splits = {row["burst_id"]: row["split"] for row in read_rows(tiny_original, "splits")}
    expected = [
        {"name": f"frames/tiny/{row['burst_id']}/{row['frame_index']:02d}.png", "score": str(row["score"])}
        | {"split": splits[row["burst_id"]]}
        for row in read_rows(tiny_original, "labels")
        if row["estimator"] == "add_one" and row["score"] is not None
    ]
    with files[0].open(encoding="utf-8", newline="") as stream:
        assert list(csv.DictReader(stream)) == expected
    assert all((tiny_original / line["name"]).is_file() for line in expected)


@pytest.mark.filterwarnings("ignore")  # of rdflib and pandas, within mlcroissant
def test_croissant_is_valid_and_gives_the_records(tiny: Path, caplog: pytest.LogCaptureFixture) -> None:
    import mlcroissant

    found = mlcroissant.Dataset(jsonld=str(write_croissant(tiny)))
    issues = found.metadata.ctx.issues
    assert not issues.errors
    # No date is stated, for equal data sets are to be equal files.
    assert [text for text in issues.warnings if "datePublished" not in text] == []
    for name, records in {
        "bursts": read_rows(tiny, "bursts"),
        "frames": read_rows(tiny, "frames"),
        "splits": read_rows(tiny, "splits"),
        "labels-denoise--nlm": [row for row in read_rows(tiny, "labels") if row["scenario"] == "denoise/nlm"],
    }.items():
        rows = list(found.records(name))
        assert len(rows) == len(records)
        for row, record in zip(rows, records, strict=True):
            for key, value in record.items():
                got = row[f"{name}/{key}"]
                if isinstance(value, str):
                    assert got == value.encode()
                elif isinstance(value, int | float):
                    assert got == value


@pytest.mark.filterwarnings("ignore")  # of rdflib and pandas, within mlcroissant
def test_mlcroissant_reads_an_exported_folder_alone(tiny: Path, tmp_path: Path) -> None:
    import mlcroissant

    stored = {burst_id: find_stored(tiny, burst_id) for burst_id in (INGESTED, *LENGTHS)}
    paths = {row["ground_truth_path"] for row in read_rows(tiny, "bursts")} | {
        row["path"] for row in read_rows(tiny, "frames")
    }
    lengths = {name: len(read_rows(tiny, name)) for name in ("bursts", "frames", "splits")}
    files = export_croissant(tiny, tmp_path / "out", shard_bytes=10_000)
    assert 1 < sum(path.parent.name == "images" for path in files) < len(stored)
    shutil.rmtree(tiny)
    folder = Path(shutil.move(tmp_path / "out", tmp_path / "elsewhere"))
    found = mlcroissant.Dataset(jsonld=str(folder / "croissant.json"))
    assert not found.metadata.ctx.issues.errors
    assert {name: len(list(found.records(name))) for name in lengths} == lengths
    to_colours = run_snippets(folder / "README.md")["to_colours"]
    rows = list(found.records("images"))
    assert {row["images/path"].decode() for row in rows} == paths - {None}
    for row in rows:
        frames, truth = stored[row["images/burst_id"].decode()]
        index, image = row["images/frame_index"], row["images/image"]
        values = truth if index is None else frames[index]
        got = np.asarray(image) if values.ndim == 2 else to_colours(image)
        assert (got.dtype, got.max()) == (values.dtype, values.max())
        np.testing.assert_array_equal(got, values)


def test_croissant_lists_every_file_with_its_digest(tiny_original: Path) -> None:
    files = describe_croissant(tiny_original)["distribution"]
    assert len(files) == 5
    assert all(hash_plain(tiny_original / file["contentUrl"]) == file["sha256"] for file in files)


@pytest.mark.parametrize("export", EXPORTERS)
def test_equal_data_sets_give_equal_exports(tiny_original: Path, tmp_path: Path, export: Callable[..., Any]) -> None:
    seen: list[tuple[int, int]] = []
    export(tiny_original, tmp_path / "a", on_progress=lambda done, total: seen.append((done, total)))
    export(tiny_original, tmp_path / "b")
    assert seen[-1][0] == seen[-1][1] == len(seen)
    files = [path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*") if path.is_file()]
    assert files
    assert all((tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes() for file in files)


@pytest.mark.parametrize("export", EXPORTERS)
def test_what_cannot_be_exported(tiny: Path, tmp_path: Path, export: Callable[..., Any]) -> None:
    with pytest.raises(OutputExistsError, match="not empty"):
        export(tiny, tiny)
    if export is export_score_lists:
        return
    pack_dataset(tiny, tmp_path / "pack")
    with pytest.raises(SchemaError, match="is a pack"):
        export(tmp_path / "pack", tmp_path / "from-pack")
    (tiny / "frames/tiny/tiny-1/00.png").write_bytes(b"damaged")
    with pytest.raises(ImageFileError, match="SHA-256 differs"):
        export(tiny, tmp_path / "damaged")


@pytest.mark.parametrize("form", ["hf", "webdataset", "croissant", "fiftyone", "csv"])
def test_the_command(tiny_original: Path, tmp_path: Path, form: str) -> None:
    command = ["export", str(tiny_original), "--format", form, "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert "files" in result.output
    assert CliRunner().invoke(main, command).exit_code == 1


@leaves_files_open
def test_no_decoder_of_webdataset_loses_bits(tiny_original: Path, tmp_path: Path) -> None:
    import webdataset

    shards = [str(path) for path in export_web_dataset(tiny_original, tmp_path / "out")]
    stored = {burst_id: find_stored(tiny_original, burst_id) for burst_id in (INGESTED, *LENGTHS)}
    for decoder in ("pil", "rgb8", "l8", "torchrgb"):
        deep = 0
        for sample in webdataset.WebDataset(shards, shardshuffle=False).decode(decoder):
            frames, truth = stored[sample["__key__"]]
            members = sample["json"]["members"]
            pairs = [*zip(members["frames"], frames, strict=True), (members["ground_truth"], truth)]
            for member, values in pairs:
                if values is None:
                    assert member is None
                elif values.dtype == np.uint16:
                    deep += 1
                    assert sample[member].dtype == np.uint16
                    np.testing.assert_array_equal(sample[member], values)
                elif decoder == "pil":
                    np.testing.assert_array_equal(np.asarray(sample[member]), values)
        assert deep == sum(LENGTHS.values()) + len(LENGTHS)


def test_hugging_face_says_what_its_own_reader_leaves_to_do(tmp_path: Path) -> None:
    import datasets

    turned = Image.Exif()
    turned[0x0112] = 6
    for index in range(2):
        picture = make_photograph(24, 32, seed=index)
        write_png(tmp_path / "in/deep", f"{index}.png", picture.astype(np.uint16) * 257)
        (tmp_path / "in/turned").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / f"in/turned/{index}.jpg", exif=turned)
    add_source(tmp_path / "data", parse_source(name="set", kind="folders", root=str(tmp_path / "in")))
    export_hugging_face(tmp_path / "data", tmp_path / "out")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    rows = [row for part in loaded.values() for row in part]
    assert len(rows) == 2
    for row in rows:
        assert row["orientation"] == [1, 1]
        deep = row["white_level"] > 255
        assert [frame.size for frame in row["frames"]] == [(row["width"], row["height"] * (3 if deep else 1))] * 2
        for index, frame in enumerate(row["frames"]) if deep else ():
            values = run_snippets(tmp_path / "out/README.md")["to_colours"](frame)
            np.testing.assert_array_equal(values, make_photograph(24, 32, seed=index).astype(np.uint16) * 257)


def take_in(folder: Path) -> Path:
    """A data set of two photographs that tell of people and places, one of them turned."""
    (folder / "in/b").mkdir(parents=True)
    for index, orientation in enumerate((6, 6)):
        exif = Image.Exif()
        exif[0x0112], exif[0x013B] = orientation, "A. Person"
        exif.get_ifd(0x8769).update({0xA431: "SERIAL", 0x9003: "2024:05:05 10:00:00"})
        exif.get_ifd(0x8825).update({1: "N", 2: (47.0, 22.0, 0.0), 3: "E", 4: (8.0, 32.0, 0.0)})
        picture = Image.fromarray(make_photograph(40, 56, seed=index))
        picture.save(folder / f"in/b/{index}.jpg", exif=exif, comment=b"SERIAL")
    add_source(folder / "data", parse_source(name="set", kind="folders", root=str(folder / "in")))
    return folder / "data"


def test_exports_tell_nothing_but_pixels(tmp_path: Path) -> None:
    root = take_in(tmp_path)
    assert "location: 2" in (root / "DATASET.md").read_text(encoding="utf-8")
    for form in ("hf", "webdataset"):
        result = CliRunner().invoke(main, ["export", str(root), "--format", form, "--out", str(tmp_path / form)])
        assert result.exit_code == 0, result.output
        kept = CliRunner().invoke(
            main, ["export", str(root), "--format", form, "--out", str(tmp_path / f"{form}_kept"), "--keep-metadata"]
        )
        assert kept.exit_code == 0, kept.output
        files, whole = (
            b"".join(path.read_bytes() for path in sorted((tmp_path / name).rglob("*")) if path.is_file())
            for name in (form, f"{form}_kept")
        )
        assert b"SERIAL" not in files
        assert b"A. Person" not in files
        assert b"SERIAL" in whole
    assert "were left out" in (tmp_path / "hf/README.md").read_text(encoding="utf-8")
    assert "were left out" not in (tmp_path / "hf_kept/README.md").read_text(encoding="utf-8")
    with tarfile.open(next((tmp_path / "webdataset").glob("*.tar"))) as tar:
        members = {member.name: tar.extractfile(member).read() for member in tar}  # type: ignore[union-attr]
    (facts,) = (json.loads(data) for name, data in members.items() if name.endswith("json"))
    pictures = [data for name, data in sorted(members.items()) if name.endswith("jpg")]
    assert [frame["sha256"] for frame in facts["frames"]] == [hashlib.sha256(data).hexdigest() for data in pictures]
    assert [Image.open(io.BytesIO(data)).getexif().get(0x0112) for data in pictures] == [6, 6]


def test_configurations_of_exports_are_told_apart(tiny_original: Path, tiny: Path, tmp_path: Path) -> None:
    """`datasets` served the first of two exports again, for their folders had one name."""
    text = (tiny / "dataset.json").read_text(encoding="utf-8")
    (tiny / "dataset.json").write_text(text.replace('"manifests": {', '"manifests": {"other": "0",'), encoding="utf-8")
    headers = []
    for index, root in enumerate((tiny_original, tiny_original, tiny)):
        export_hugging_face(root, tmp_path / str(index) / "out")
        card = (tmp_path / str(index) / "out/README.md").read_text(encoding="utf-8")
        headers.append(next(line for line in card.splitlines() if line.startswith("configs:")))
    assert headers[0] == headers[1] != headers[2]
