"""Tables keep their word: types, keys, order, bytes, versions; and nothing is read or written outside its folder."""

from __future__ import annotations

import itertools
import random
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image, ImageOps

from dataset_builder.decoding.source_files import resolve_inside
from manifests import table_writer
from manifests.confined.writing import replace_file
from manifests.description import check_format_version, read_description, write_description
from manifests.errors import (
    FormatVersionError,
    ImageFileError,
    MissingManifestError,
    SchemaError,
    SelectionError,
    UnsafePathError,
)
from manifests.images.pixels import (
    apply_orientation,
    decode_pixels,
    encode_png,
    quantise,
    read_linear,
    read_pixels,
    write_png,
)
from manifests.schema import BURSTS, FAILURES, FORMAT_VERSION, FRAMES, LABELS, SPLITS, TABLES, TableSchema
from manifests.store import (
    labels_path,
    list_label_files,
    read_dataset_table,
    read_labels,
    read_or_empty,
    read_table,
    table_path,
    write_table,
)
from tests.tiny_dataset import LENGTHS, SCENARIOS, make_burst_row, make_frame_row, make_label_rows


def make_rows(kind: TableSchema) -> list[dict[str, Any]]:  # noqa: PLR0911  # one return for each table reads best
    """A few rows of every table, sorted, with a null in every column that may hold one."""
    rng = np.random.default_rng(1)
    empty = {field.name: None for field in kind.schema if field.nullable}
    match kind.name:
        case "bursts":
            return [
                make_burst_row("a"),
                make_burst_row("b", **empty, domain="srgb", ground_truth_kind="none"),
                make_burst_row("c"),
            ]
        case "frames":
            return [make_frame_row("a", 0), make_frame_row("a", 1, **empty), make_frame_row("b", 0)]
        case "labels":
            return make_label_rows("tiny-2", "denoise/mean", "add_one", rng)
        case "splits":
            return [{"burst_id": name, "scene_id": "s", "split": "test", "fold": None} for name in "abc"]
        case "reliability":
            figures = {"bursts": 2, "frames": 9, "stable_best": 0.5, "median_score": 0.1, "noise_error": 0.05}
            known = {"spearman": 0.9, "icc": 0.8, "length_spearman": 0.7}
            names = {"scenario": "denoise/mean", "metric": "psnr", "preset": "night"}
            return [
                {**names, "estimator": "add_one", **figures, **known},
                {**names, "estimator": "solo", **figures, **empty},
            ]
        case "packs":
            facts = {"shard": "s", "offset": 0, "length": 1, "dtype": "uint8", "sha256": "0" * 64}
            return [{"burst_id": name, **facts} for name in "abc"]
        case "failures":
            facts = {"stage": "bursts", "source": "s", "burst_id": "b", "scenario": "", "message": "m", "attempts": 1}
            facts |= dict.fromkeys(("estimator", "metric", "frame_index"))
            return [{**facts, "error_type": "A"}, {**facts, "error_type": "B"}, {**facts, "error_type": "B"}]
    raise AssertionError(kind.name)


@pytest.fixture(params=sorted(TABLES))
def kind(request: pytest.FixtureRequest) -> TableSchema:
    return TABLES[request.param]


# ---------------------------------------------------------------------------------------------------------------- tables


def test_rows_come_back_as_they_went_in(tmp_path: Path, kind: TableSchema) -> None:
    rows = make_rows(kind)
    path = tmp_path / "t.parquet"
    write_table(path.parent, path.name, kind, rows)
    assert read_table(path.parent, path.name, kind).to_pylist() == rows
    first = kind.sort_by[0]
    assert read_table(path.parent, path.name, kind, columns=[first]).column_names == [first]


def test_a_table_may_be_written_from_arrow_in_any_column_order(tmp_path: Path, kind: TableSchema) -> None:
    table = pa.Table.from_pylist(make_rows(kind), schema=kind.schema)
    write_table(tmp_path, "a", kind, table)
    write_table(tmp_path, "b", kind, table.select(table.column_names[::-1]))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_permuted_rows_give_equal_bytes(tmp_path: Path, kind: TableSchema) -> None:
    rows = make_rows(kind)
    write_table(tmp_path, "sorted", kind, rows)
    for seed in range(5):
        shuffled = rows.copy()
        random.Random(seed).shuffle(shuffled)
        write_table(tmp_path, "shuffled", kind, shuffled)
        assert (tmp_path / "shuffled").read_bytes() == (tmp_path / "sorted").read_bytes()


def test_every_column_is_documented_and_named_once(kind: TableSchema) -> None:
    names = kind.schema.names
    assert len(set(names)) == len(names)
    assert set(kind.sort_by) <= set(names)
    assert all(field.metadata[b"doc"].decode().endswith(".") for field in kind.schema)


def test_an_empty_table_is_a_table(tmp_path: Path, kind: TableSchema) -> None:
    write_table(tmp_path, "t", kind, [])
    assert read_table(tmp_path, "t", kind).num_rows == 0
    assert read_or_empty(tmp_path, "absent", kind).num_rows == 0


def test_other_readers_see_the_declared_types(tmp_path: Path, kind: TableSchema) -> None:
    write_table(tmp_path, "t.parquet", kind, make_rows(kind), metadata={"note": "x"})
    schema = pq.read_schema(tmp_path / "t.parquet")
    assert [(field.name, field.type, field.nullable) for field in schema] == [
        (field.name, field.type, field.nullable) for field in kind.schema
    ]
    assert schema.metadata[b"format_version"] == str(FORMAT_VERSION).encode()
    assert schema.metadata[b"note"] == b"x"


def test_a_value_of_the_wrong_type_is_refused(tmp_path: Path, kind: TableSchema) -> None:
    wrong: dict[str, Any] = {"string": 3, "int32": "three", "int64": "three", "double": "x", "bool": "yes"}
    for field in kind.schema:
        rows = make_rows(kind)
        rows[0][field.name] = wrong.get(str(field.type), 1.5)
        with pytest.raises(SchemaError):
            write_table(tmp_path, "t", kind, rows)
    assert not list(tmp_path.iterdir())


def test_lists_of_fixed_length_keep_it(tmp_path: Path) -> None:
    with pytest.raises(SchemaError):
        write_table(tmp_path, "t", BURSTS, [make_burst_row("a", white_balance=[1.0, 1.0])])


def test_a_missing_or_unknown_column_is_named(tmp_path: Path, kind: TableSchema) -> None:
    rows = make_rows(kind)
    for name in kind.schema.names:
        with pytest.raises(SchemaError, match=name):
            write_table(tmp_path, "t", kind, [{key: value for key, value in rows[0].items() if key != name}])
        with pytest.raises(SchemaError, match=name):
            write_table(tmp_path, "t", kind, pa.Table.from_pylist(rows, schema=kind.schema).drop_columns(name))
    with pytest.raises(SchemaError, match="surprise"):
        write_table(tmp_path, "t", kind, [{**rows[0], "surprise": 1}])
    table = pa.Table.from_pylist(rows, schema=kind.schema)
    with pytest.raises(SchemaError, match="surprise"):
        write_table(tmp_path, "t", kind, table.append_column("surprise", table.column(0)))


def test_null_in_a_required_column_is_refused(tmp_path: Path, kind: TableSchema) -> None:
    for field in kind.schema:
        if not field.nullable:
            rows = make_rows(kind)
            rows[-1][field.name] = None
            with pytest.raises(SchemaError, match=field.name):
                write_table(tmp_path, "t", kind, rows)


@pytest.mark.parametrize("name", ["bursts", "frames", "labels", "splits"])
def test_a_repeated_key_is_refused(tmp_path: Path, name: str) -> None:
    rows = make_rows(TABLES[name])
    with pytest.raises(SchemaError, match="1 rows repeat the key"):
        write_table(tmp_path, "t", TABLES[name], [*rows, rows[0]])


@pytest.mark.parametrize("rows_per_group", [1, 3, 7, 10, 1000])
def test_row_groups_hold_whole_bursts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows_per_group: int) -> None:
    monkeypatch.setattr(table_writer, "ROWS_PER_GROUP", rows_per_group)
    lengths = [1, 9, 2, 2, 14, 1, 1, 5]
    rows = [make_frame_row(f"b{burst}", index) for burst, length in enumerate(lengths) for index in range(length)]
    write_table(tmp_path, "t", FRAMES, rows)
    file = pq.ParquetFile(tmp_path / "t")
    groups = [file.read_row_group(group).column("burst_id").to_pylist() for group in range(file.num_row_groups)]
    assert list(itertools.chain(*groups)) == [row["burst_id"] for row in rows]
    assert sum(len(set(group)) for group in groups) == len(lengths)  # no burst is in two groups
    assert all(len(group) >= rows_per_group for group in groups[:-1])
    assert file.num_row_groups == (8 if rows_per_group == 1 else file.num_row_groups)


def test_a_failure_while_writing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "t.parquet"
    write_table(path.parent, path.name, SPLITS, make_rows(SPLITS))
    before = path.read_bytes()

    class FullDisk(pq.ParquetWriter):
        def write_table(self, *args: Any, **kwargs: Any) -> None:
            super().write_table(*args, **kwargs)
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "ParquetWriter", FullDisk)
    with pytest.raises(OSError, match="No space left"):
        write_table(path.parent, path.name, SPLITS, make_rows(SPLITS)[:1])
    assert path.read_bytes() == before
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.parquet"]


def test_the_target_appears_only_when_complete(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file"
    with replace_file(tmp_path, "new/file") as stream:
        stream.write(b"half")
        assert not path.exists()
    assert path.read_text() == "half"

    def interrupt() -> None:
        with replace_file(tmp_path, "new/file") as stream:
            stream.write(b"other")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupt()
    assert path.read_text() == "half"
    assert [entry.name for entry in path.parent.iterdir()] == ["file"]


# -------------------------------------------------------------------------------------------------------------- versions


def rewrite(path: Path, table: pa.Table, version: str | None) -> None:
    metadata = {} if version is None else {"format_version": version}
    pq.write_table(table.replace_schema_metadata(metadata), path)


@pytest.mark.parametrize(
    ("version", "hint"),
    [
        (str(FORMAT_VERSION + 1), "pip install --upgrade buiqa-toolkit"),
        (str(FORMAT_VERSION - 1), "buiqa migrate"),
        (None, "not written by this toolkit"),
        ("one", "not written by this toolkit"),
    ],
)
def test_other_versions_are_refused_with_the_way_out(tmp_path: Path, version: str | None, hint: str) -> None:
    rewrite(tmp_path / "t", pa.Table.from_pylist(make_rows(SPLITS), schema=SPLITS.schema), version)
    with pytest.raises(FormatVersionError, match=hint) as caught:
        read_table(tmp_path, "t", SPLITS)
    assert str(tmp_path / "t") in str(caught.value)
    check_format_version(FORMAT_VERSION, tmp_path)


def test_a_table_of_another_shape_is_refused(tmp_path: Path) -> None:
    table = pa.Table.from_pylist(make_rows(SPLITS), schema=SPLITS.schema)
    rewrite(tmp_path / "lacks", table.drop_columns("scene_id"), str(FORMAT_VERSION))
    with pytest.raises(SchemaError, match="'scene_id' is missing"):
        read_table(tmp_path, "lacks", SPLITS)
    large = table.set_column(2, "split", table.column("split").cast(pa.large_string()))
    rewrite(tmp_path / "large", large, str(FORMAT_VERSION))
    with pytest.raises(SchemaError, match="'split': expected string, got large_string"):
        read_table(tmp_path, "large", SPLITS)


@pytest.mark.parametrize("damage", [b"", b"PAR1", b"\0" * 500])
def test_what_is_not_parquet_is_refused(tmp_path: Path, damage: bytes) -> None:
    (tmp_path / "t").write_bytes(damage)
    with pytest.raises(SchemaError, match="cannot be read as Parquet"):
        read_table(tmp_path, "t", SPLITS)


def test_a_damaged_page_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    write_table(path.parent, path.name, LABELS, make_rows(LABELS))
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    data = bytearray(path.read_bytes())
    data[column.dictionary_page_offset + column.total_compressed_size - 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(SchemaError, match=r"t\.parquet"):
        read_table(path.parent, path.name, LABELS)


def test_a_folder_named_like_a_partition_adds_no_column(tmp_path: Path) -> None:
    path = tmp_path / "split=other" / "t.parquet"
    write_table(path.parent, path.name, SPLITS, make_rows(SPLITS))
    assert read_table(path.parent, path.name, SPLITS).to_pylist() == make_rows(SPLITS)


def test_an_absent_table_is_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(MissingManifestError, match="buiqa build"):
        read_dataset_table(tmp_path, "bursts")


# --------------------------------------------------------------------------------------------------- the data set's files


def test_labels_have_a_file_for_each_scenario(tiny: Path) -> None:
    folder = "manifests/labels"
    assert list_label_files(tiny) == [f"{folder}/denoise--mean.parquet", f"{folder}/denoise--nlm.parquet"]
    assert (tiny / labels_path("my.module:Attr")).name == "my.module~Attr.parquet"
    everything, one = read_labels(tiny), read_labels(tiny, ["denoise/nlm"])
    assert set(everything.column("scenario").to_pylist()) == set(SCENARIOS)
    assert one.num_rows == sum(LENGTHS.values())
    with pytest.raises(MissingManifestError, match="sr--none"):
        read_labels(tiny, ["sr/none"])
    assert read_labels(tiny / "frames").num_rows == 0


def test_the_description_comes_back_and_checks_itself(tmp_path: Path) -> None:
    write_description(tmp_path, {"name": "é", "totals": {"bursts": 1}})
    first = (tmp_path / "dataset.json").read_bytes()
    description = read_description(tmp_path)
    assert (description["format_version"], description["name"]) == (FORMAT_VERSION, "é")
    write_description(tmp_path, description)  # with the checksum that was read
    assert (tmp_path / "dataset.json").read_bytes() == first
    with pytest.raises(ValueError, match="JSON"):
        write_description(tmp_path, {"mean": float("nan")})


@pytest.mark.parametrize("text", ["", "[]", "{}", "{", '"x"', "3", "null", b"\xff\xfe"])
def test_a_damaged_description_is_refused(tmp_path: Path, text: str | bytes) -> None:
    (tmp_path / "dataset.json").write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SchemaError, match=r"dataset\.json"):
        read_description(tmp_path)


def test_the_description_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingManifestError, match="not a data set"):
        read_description(tmp_path)
    (tmp_path / "dataset.json").write_text('{"format_version": 99}')
    with pytest.raises(FormatVersionError, match="pip install --upgrade"):
        read_description(tmp_path)


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "frames/../../x", "a\\b", "frames\0", "link/x", "file"])
def test_no_path_leaves_its_folder(tmp_path: Path, path: str) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "x").write_text("secret")
    (root / "link").symlink_to(tmp_path)
    (root / "file").symlink_to(tmp_path / "x")
    with pytest.raises(UnsafePathError, match="inside"):
        resolve_inside(root, path)


def test_paths_inside_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    assert resolve_inside(tmp_path, "link/a.png") == tmp_path / "link" / "a.png"
    assert resolve_inside(tmp_path, "a..b/c") == tmp_path / "a..b" / "c"


def test_selection_errors_read_as_sentences() -> None:
    assert str(SelectionError("no split 'x'")) == "no split 'x'"


# ---------------------------------------------------------------------------------------------------------------- pixels


@pytest.mark.parametrize("shape", [(6, 10), (6, 10, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_pixels_come_back_bit_by_bit(tmp_path: Path, shape: tuple[int, ...], dtype: Any) -> None:
    image = np.random.default_rng(0).integers(0, np.iinfo(dtype).max, shape, dtype, endpoint=True)
    data = write_png(tmp_path, "x.png", image)
    assert (tmp_path / "x.png").read_bytes() == data == encode_png(image)
    for result in (read_pixels(tmp_path, "x.png"), decode_pixels(data, tmp_path)):
        assert result.dtype == dtype
        np.testing.assert_array_equal(result, image)


def test_red_comes_first_in_the_file_and_in_memory(tmp_path: Path) -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0] = 200
    write_png(tmp_path, "x.png", image)
    with Image.open(tmp_path / "x.png") as picture:  # Pillow is the independent judge
        assert picture.getpixel((0, 0)) == (200, 0, 0)
    Image.new("RGB", (4, 4), (250, 10, 10)).save(tmp_path / "x.jpg", quality=95)
    assert read_pixels(tmp_path, "x.jpg")[0, 0, 0] > 240


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_as_pillow_does(tmp_path: Path, orientation: int) -> None:
    image = np.arange(4 * 6 * 3, dtype=np.uint8).reshape(4, 6, 3)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(image).save(tmp_path / "x.png", exif=exif)
    with Image.open(tmp_path / "x.png") as picture:
        upright = np.asarray(ImageOps.exif_transpose(picture))
    stored = read_pixels(tmp_path, "x.png")
    np.testing.assert_array_equal(stored, image)  # reading does not turn
    np.testing.assert_array_equal(apply_orientation(stored, orientation), upright)
    np.testing.assert_array_equal(apply_orientation(stored[..., 0], orientation), upright[..., 0])
    linear = read_linear(tmp_path, "x.png", black_level=0, white_level=255, orientation=orientation)
    np.testing.assert_allclose(linear * 255, upright, atol=1e-4)


def test_levels_become_zero_and_one_and_nothing_is_clipped(tmp_path: Path) -> None:
    write_png(tmp_path, "x.png", np.array([[0, 1024], [33280, 65535]], np.uint16))
    linear = read_linear(tmp_path, "x.png", black_level=1024, white_level=65535)
    assert linear.dtype == np.float32
    np.testing.assert_allclose(linear, [[-1024 / 64511, 0], [32256 / 64511, 1]], rtol=1e-6)


def test_quantising_rounds_and_clips() -> None:
    values = np.array([-1.0, 0.0, 0.5 / 65535, 1.5 / 65535, 1.0, 2.0])
    np.testing.assert_array_equal(quantise(values), [0, 0, 0, 2, 65535, 65535])
    every = np.arange(65536)
    np.testing.assert_array_equal(quantise((every / 65535).astype(np.float32)), every)


def test_what_is_no_image_is_refused(tmp_path: Path) -> None:
    good = encode_png(np.zeros((4, 4), np.uint16))
    with pytest.raises(ImageFileError, match="No such file"):
        read_pixels(tmp_path, "absent.png")
    alpha = cv2.imencode(".png", np.zeros((4, 4, 4), np.uint8))[1].tobytes()
    for data in (b"", b"text", good[:20], alpha):
        (tmp_path / "x.png").write_bytes(data)
        with pytest.raises(ImageFileError, match=r"x\.png"):
            read_pixels(tmp_path, "x.png")


def test_failures_may_repeat(tmp_path: Path) -> None:
    write_table(tmp_path, table_path("failures"), FAILURES, make_rows(FAILURES))
    assert read_dataset_table(tmp_path, "failures").num_rows == 3
