"""Data sets on S3-compatible storage: what comes back is what was sent, or an error."""

from __future__ import annotations

import logging
import shutil
import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from pyarrow import fs

from dataset_builder.cli.main import main
from manifests import BurstQualityDataset
from manifests.address import drop_credentials, hide_credentials, hide_in_text
from manifests.description import write_description
from manifests.errors import ManifestError, MissingManifestError, SchemaError, StorageError
from manifests.operations.combine import subset_dataset
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
    for scheme in ("nowhere", "http", "https"):
        with pytest.raises(StorageError, match=f"{scheme}:// cannot be read or written; expected one of s3://"):
            fetch_dataset(f"{scheme}://x/y")
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


def replace_remote(root: Path, there: Path) -> str:
    """Have a data set on a mounted storage in the place of another."""
    shutil.rmtree(there, ignore_errors=True)
    upload_dataset(root, f"file://{there}")
    return f"file://{there}"


def test_what_the_remote_withdrew_goes(tiny: Path, tmp_path: Path, cache: Path) -> None:
    root = fetch_dataset(replace_remote(tiny, tmp_path / "there"))
    kept = root / "frames/tiny/tiny-1/00.png"
    before = kept.stat().st_mtime_ns
    subset_dataset(tiny, tmp_path / "part", "burst_id == 'tiny-1'", scenarios=["denoise/nlm"])
    assert fetch_dataset(replace_remote(tmp_path / "part", tmp_path / "there")) == root
    assert read_all(root) == read_all(tmp_path / "part")
    assert kept.stat().st_mtime_ns == before
    (root / "left_over").touch()
    (root / "frames/tiny/tiny-1/02.png").unlink()
    fetch_dataset(f"file://{tmp_path}/there")
    assert read_all(root) == read_all(tmp_path / "part")
    assert {path.name for path in cache.iterdir()} == {root.name, f"{root.name}.lock"}


def test_a_failed_fetch_harms_neither_what_was_there_nor_the_next(tiny: Path, tmp_path: Path, cache: Path) -> None:
    root = fetch_dataset(replace_remote(tiny, tmp_path / "there"))
    subset_dataset(tiny, tmp_path / "part", "burst_id == 'tiny-1'")
    uri = replace_remote(tmp_path / "part", tmp_path / "there")
    for broken in ("manifests/frames.parquet", "frames/tiny/tiny-1/01.png"):
        path = tmp_path / "there" / broken
        data = path.read_bytes()
        path.write_bytes(b"damaged")
        (root / broken).write_bytes(b"damaged, too")
        with pytest.raises(StorageError, match="SHA-256: expected"):
            fetch_dataset(uri)
        assert len(read_all(root)) == len(read_all(tiny))
        path.write_bytes(data)
    (tmp_path / "there/frames/tiny/tiny-1/01.png").unlink()
    with pytest.raises(MissingManifestError):
        fetch_dataset(uri)
    fetch_dataset(replace_remote(tiny, tmp_path / "there"))
    assert read_all(root) == read_all(tiny)


def test_the_cache_is_private(tiny: Path, tmp_path: Path, cache: Path) -> None:
    root = fetch_dataset(replace_remote(tiny, tmp_path / "there"))
    assert (cache.stat().st_mode & 0o777, root.stat().st_mode & 0o777) == (0o700, 0o700)


@pytest.mark.parametrize(
    "uri",
    [
        "s3://AKIAUSER:se%2Fcr+et@no-such-bucket/tiny?endpoint_override={endpoint}&scheme=http",
        "s3://AKIAUSER:se/cr+et@bucket/tiny",
        "s3://AKIAUSER:se%2Fcr+et@bucket/tiny?surprise=1",
        "s3://AKIAUSER:se%2Fcr+et@:8",
        "http://AKIAUSER:se%2Fcr+et@host/tiny",
        "abfs://place@account/path?client_secret=se%2Fcr+et&surprise=1",
        "bad://AKIAUSER:se/cr+et@host/tiny",
    ],
)
@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_credentials_are_not_shown(tiny_original: Path, cache: Path, endpoint: str, uri: str, debug: list[str]) -> None:
    uri = uri.replace("{endpoint}", endpoint)
    for command in (["fetch", uri], ["upload", str(tiny_original), uri], ["verify", uri], ["pack", uri, "--out", "x"]):
        result = CliRunner().invoke(main, [*debug, *command])
        raised = "".join(traceback.format_exception(result.exception)) if result.exception else ""
        for secret in ("AKIAUSER", "se/cr", "se%2Fcr", "cr+et"):
            assert secret not in result.output + raised, command


def test_credentials_name_no_other_place(tiny: Path, tmp_path: Path) -> None:
    assert drop_credentials("s3://KEY:SECRET@bucket/a@b?region=x") == "s3://bucket/a@b?region=x"
    assert drop_credentials("s3://bucket/a@b") == hide_credentials("s3://bucket/a@b") == "s3://bucket/a@b"
    assert hide_credentials("s3://KEY:SECRET@bucket/a@b?region=x") == "s3://***@bucket/a@b?region=x"
    assert hide_in_text("no address: a@b.c, ratio 1:2, /path/a:b@c") == "no address: a@b.c, ratio 1:2, /path/a:b@c"
