"""Data sets on S3-compatible storage: what comes back is what was sent, or an error."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from pyarrow import fs

from dataset_builder.cli.main import main
from manifests import BurstQualityDataset
from manifests.description import write_description
from manifests.errors import ManifestError, MissingManifestError, SchemaError, StorageError
from manifests.operations.pack import pack_dataset
from manifests.storage import default_cache, fetch_dataset, upload_dataset
from manifests.verification.verify import verify


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server that speaks S3 on loopback, with a bucket of its own."""
    server = pytest.importorskip("moto.server")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x", "AWS_REGION": "us-east-1"}.items():
            patch.setenv(name, value)
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        running.start()
        host, port = running.get_host_and_port()
        address = f"{host}:{port}"
        fs.S3FileSystem(endpoint_override=address, scheme="http", allow_bucket_creation=True).create_dir("bucket")
        yield address
        running.stop()


@pytest.fixture
def uri(endpoint: str, request: pytest.FixtureRequest) -> str:
    """A place of the test's own."""
    return f"s3://bucket/{request.node.name}?endpoint_override={endpoint}&scheme=http"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("BUIQA_CACHE", str(tmp_path / "cache"))
    assert default_cache() == tmp_path / "cache"
    return tmp_path / "cache"


def read_all(root: Path) -> dict[str, bytes]:
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_what_comes_back_is_what_was_sent(tiny_original: Path, uri: str, cache: Path) -> None:
    seen: list[tuple[int, int]] = []
    count = upload_dataset(tiny_original, uri, on_progress=lambda done, total: seen.append((done, total)))
    assert count == len(read_all(tiny_original)) == seen[-1][1] + 1
    root = fetch_dataset(uri)
    assert root.is_relative_to(cache)
    assert read_all(root) == read_all(tiny_original)
    assert verify(root) == []


def test_a_pack_is_read_like_a_local_one(tiny_original: Path, tmp_path: Path, uri: str, cache: Path) -> None:
    pack_dataset(tiny_original, tmp_path / "pack", shard_bytes=2000)
    upload_dataset(tmp_path / "pack", uri)
    remote, local = (BurstQualityDataset(root, "all", ["denoise/nlm"]) for root in (uri, tmp_path / "pack"))
    assert remote.burst_ids == local.burst_ids
    assert all(torch.equal(one["frames"], other["frames"]) for one, other in zip(remote, local, strict=True))


def test_the_cache_fetches_only_what_is_wrong(tiny: Path, uri: str, cache: Path) -> None:
    upload_dataset(tiny, uri)
    root = fetch_dataset(uri)
    kept, damaged, lost = (root / "frames/tiny/tiny-1" / name for name in ("00.png", "01.png", "02.png"))
    before = kept.stat().st_mtime_ns
    expected = read_all(root)
    damaged.write_bytes(b"damaged")
    lost.unlink()
    assert fetch_dataset(uri) == root
    assert read_all(root) == expected
    assert kept.stat().st_mtime_ns == before


def test_what_was_withdrawn_is_no_longer_served(tiny: Path, uri: str, cache: Path) -> None:
    upload_dataset(tiny, uri)
    root = fetch_dataset(uri)
    expected = read_all(root)
    (root / "manifests/labels/denoise--withdrawn.parquet").write_bytes(b"of an earlier upload")
    assert fetch_dataset(uri) == root
    assert read_all(root) == expected


def test_damage_on_the_storage_is_found(tiny: Path, uri: str, endpoint: str, cache: Path) -> None:
    upload_dataset(tiny, uri)
    place = uri.removeprefix("s3://").partition("?")[0]
    storage = fs.S3FileSystem(endpoint_override=endpoint, scheme="http")
    with storage.open_output_stream(f"{place}/frames/tiny/tiny-1/00.png") as stream:
        stream.write(b"damaged")
    with pytest.raises(StorageError, match=r"frames/tiny/tiny-1/00\.png: SHA-256: expected"):
        fetch_dataset(uri)
    assert not list(cache.rglob("tiny-1/00.png"))
    storage.delete_file(f"{place}/frames/tiny/tiny-1/00.png")
    with pytest.raises(MissingManifestError, match=r"frames/tiny/tiny-1/00\.png: not there"):
        fetch_dataset(uri)


def test_a_list_that_leaves_the_cache(tiny: Path, uri: str, endpoint: str, cache: Path) -> None:
    upload_dataset(tiny, uri)
    place = uri.removeprefix("s3://").partition("?")[0]
    write_description(tiny, {"manifests": {"../../outside.txt": "0" * 64}})
    with fs.S3FileSystem(endpoint_override=endpoint, scheme="http").open_output_stream(
        f"{place}/dataset.json"
    ) as stream:
        stream.write((tiny / "dataset.json").read_bytes())
    with pytest.raises(ManifestError, match="expected a relative POSIX path"):
        fetch_dataset(uri)


def test_what_is_not_there(uri: str, cache: Path, tmp_path: Path) -> None:
    with pytest.raises(MissingManifestError, match="not there"):
        fetch_dataset(uri)
    with pytest.raises(ManifestError):
        fetch_dataset(uri.replace("bucket", "no-such-bucket"))
    with pytest.raises(ManifestError):
        fetch_dataset("nowhere://x")
    with pytest.raises(MissingManifestError):
        upload_dataset(tmp_path, uri)


def test_a_damaged_data_set_is_not_sent(tiny: Path, uri: str) -> None:
    (tiny / "frames/tiny/tiny-1/00.png").write_bytes(b"damaged")
    with pytest.raises(SchemaError, match="SHA-256 differs"):
        upload_dataset(tiny, uri)


def test_a_list_without_digests(tiny: Path, tmp_path: Path, cache: Path) -> None:
    write_description(tiny, {})
    shutil.copytree(tiny, tmp_path / "there")
    with pytest.raises(SchemaError, match="expected digests"):
        fetch_dataset(f"file://{tmp_path}/there")


def test_the_commands(tiny_original: Path, tmp_path: Path, cache: Path) -> None:
    there = f"file://{tmp_path}/there"
    assert CliRunner().invoke(main, ["upload", str(tiny_original), there]).output == f"{there}: 29 files\n"
    result = CliRunner().invoke(main, ["fetch", there, "--cache", str(tmp_path / "elsewhere")])
    assert result.exit_code == 0
    assert read_all(Path(result.output.strip())) == read_all(tiny_original)
    assert CliRunner().invoke(main, ["fetch", f"file://{tmp_path}/nowhere"]).exit_code == 1
