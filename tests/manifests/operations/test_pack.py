"""A pack gives what its data set gives, and damage to it is found."""

from __future__ import annotations

import hashlib
import pickle
import random
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader

from dataset_builder.cli.main import main
from manifests import BurstQualityDataset
from manifests.errors import ImageFileError, ManifestError, OutputExistsError, SchemaError
from manifests.images.pixels import read_pixels
from manifests.loading.reader import scale_codes
from manifests.operations.pack import pack_dataset
from manifests.schema import PACKS
from manifests.store import read_dataset_table, read_table, table_path, write_table
from manifests.verification.verify import verify
from tests.tiny_dataset import INGESTED, LENGTHS


@pytest.fixture
def packed(tiny_original: Path, tmp_path: Path) -> Path:
    """The tiny data set in shards of a burst or two."""
    assert pack_dataset(tiny_original, tmp_path / "pack", shard_bytes=1500) == 4
    return tmp_path / "pack"


def open_dataset(root: Path, split: str = "all") -> BurstQualityDataset:
    return BurstQualityDataset(root, split, ["denoise/nlm"])


@pytest.mark.parametrize("split", ["all", "train", "test"])
def test_a_pack_gives_what_its_data_set_gives(tiny_original: Path, packed: Path, split: str) -> None:
    ours, theirs = open_dataset(packed, split), open_dataset(tiny_original, split)
    assert ours.burst_ids == theirs.burst_ids
    for one, other in zip(ours, theirs, strict=True):
        assert one.keys() == other.keys()
        for name, value in other.items():
            if isinstance(value, torch.Tensor):
                torch.testing.assert_close(one[name], value, rtol=0, atol=0, equal_nan=True)
            else:
                assert one[name] == value


def test_it_is_sound_and_repeats_itself(tiny_original: Path, packed: Path, tmp_path: Path) -> None:
    assert verify(packed) == []
    pack_dataset(tiny_original, tmp_path / "again", shard_bytes=1500)
    files = [path.relative_to(packed) for path in packed.rglob("*") if path.is_file()]
    assert all((tmp_path / "again" / file).read_bytes() == (packed / file).read_bytes() for file in files)


def test_shards_are_arrow_files_of_stored_values(tiny_original: Path, packed: Path) -> None:
    found = {}
    for path in sorted((packed / "shards").iterdir()):
        for row in pa.ipc.open_file(path).read_all().to_pylist():
            found[row["burst_id"]] = np.frombuffer(row["pixels"], row["dtype"]).reshape(row["shape"])
    assert list(found) == [INGESTED, *LENGTHS]
    frames = read_dataset_table(tiny_original, "frames").to_pylist()
    for row in read_table(packed, table_path("packs"), PACKS).to_pylist():
        codes = found[row["burst_id"]]
        data = (packed / row["shard"]).read_bytes()[row["offset"] : row["offset"] + row["length"]]
        assert data == codes.tobytes()
        assert hashlib.sha256(data).hexdigest() == row["sha256"]
        if row["burst_id"] != INGESTED:
            paths = [frame["path"] for frame in frames if frame["burst_id"] == row["burst_id"]]
            np.testing.assert_array_equal(codes[:, 0], [read_pixels(tiny_original, path) for path in paths])


@given(
    st.sampled_from(["uint8", "uint16"]),
    st.one_of(st.integers(-5, 300), st.floats(0, 300, width=32)),
    st.one_of(st.integers(301, 70_000), st.floats(301, 70_000, width=32)),
    st.integers(0, 2**32),
)
def test_codes_are_scaled_between_any_levels(dtype: str, black: float, white: float, seed: int) -> None:
    top = np.iinfo(dtype).max
    codes = np.random.default_rng(seed).integers(0, top + 1, (2, 3, 4, 5)).astype(dtype)
    codes.flat[:2] = 0, top
    frames = scale_codes(codes, np.float32(black), np.float32(white))
    assert frames.dtype == np.float32
    expected = np.clip((codes.astype(np.float64) - np.float32(black)) / (np.float32(white) - np.float32(black)), 0, 1)
    np.testing.assert_allclose(frames, expected, atol=3e-7)
    assert 0 <= frames.min() <= frames.max() <= 1


def test_items_are_the_callers_own(packed: Path) -> None:
    dataset = open_dataset(packed)
    before = dataset[1]["frames"].clone()
    dataset[1]["frames"].fill_(9)
    assert torch.equal(dataset[1]["frames"], before)
    assert verify(packed) == []


def test_it_travels_to_workers(packed: Path) -> None:
    dataset = open_dataset(packed)
    _ = dataset[0]
    copy = pickle.loads(pickle.dumps(dataset))
    for mine, theirs, loaded in zip(dataset, copy, DataLoader(dataset, batch_size=None, num_workers=2), strict=True):
        assert torch.equal(mine["frames"], theirs["frames"])
        assert torch.equal(mine["frames"], loaded["frames"])


@pytest.mark.slow
def test_a_flipped_bit_in_any_file_is_found(packed: Path) -> None:
    source = random.Random(1)
    for path in sorted(path for path in packed.rglob("*") if path.is_file()):
        data = path.read_bytes()
        damaged = bytearray(data)
        damaged[source.randrange(len(data))] ^= 1 << source.randrange(8)
        path.write_bytes(damaged)
        assert any(problem.file == path.relative_to(packed).as_posix() for problem in verify(packed)), path
        path.write_bytes(data)
    assert verify(packed) == []


def test_the_damaged_burst_is_named(packed: Path) -> None:
    row = read_table(packed, table_path("packs"), PACKS).to_pylist()[2]
    path = packed / row["shard"]
    data = bytearray(path.read_bytes())
    data[row["offset"] + 5] ^= 1
    path.write_bytes(data)
    assert (row["shard"], f"burst_id={row['burst_id']}") in [(problem.file, problem.row) for problem in verify(packed)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"shard": "shards/gone.arrow"}, "cannot be read"),
        ({"offset": 1 << 40}, "cannot be read"),
        ({"offset": -1}, "offset: expected at least 0"),
        ({"shard": "../outside.arrow"}, "shard: expected a relative POSIX path"),
    ],
)
def test_rows_that_lead_nowhere(packed: Path, change: dict[str, object], message: str) -> None:
    rows = read_table(packed, table_path("packs"), PACKS).to_pylist()
    rows[1] |= change
    write_table(packed, table_path("packs"), PACKS, rows)
    with pytest.raises(ManifestError, match=message):
        _ = open_dataset(packed)[1]
    assert any(message in problem.message for problem in verify(packed))


def test_bursts_without_pixels(packed: Path) -> None:
    rows = read_table(packed, table_path("packs"), PACKS).to_pylist()
    write_table(packed, table_path("packs"), PACKS, rows[1:])
    with pytest.raises(SchemaError, match="a row for each burst"):
        open_dataset(packed)


def test_what_cannot_be_packed(tiny: Path, packed: Path, tmp_path: Path) -> None:
    with pytest.raises(OutputExistsError, match="not empty"):
        pack_dataset(tiny, packed)
    with pytest.raises(SchemaError, match="is a pack already"):
        pack_dataset(packed, tmp_path / "new")
    path = tiny / "frames/tiny/tiny-1/02.png"
    path.write_bytes((tiny / "frames/tiny/tiny-1/01.png").read_bytes())
    with pytest.raises(ImageFileError, match="SHA-256 differs"):
        pack_dataset(tiny, tmp_path / "new")
    assert CliRunner().invoke(main, ["pack", str(tiny), "--out", str(tmp_path / "newer")]).exit_code == 1


def test_the_command(tiny_original: Path, tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["pack", str(tiny_original), "--out", str(tmp_path / "pack")])
    assert (result.exit_code, result.output) == (0, f"{tmp_path}/pack: 1 shard\n")
    assert CliRunner().invoke(main, ["verify", str(tmp_path / "pack")]).exit_code == 0
