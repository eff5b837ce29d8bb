"""Images in packs: the same images and labels, the same bytes whatever came in between, and nothing left beside them."""

from __future__ import annotations

import shutil
import tarfile
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from click.testing import CliRunner

import dataset_builder.audit.stage
import dataset_builder.bursts
from dataset_builder.build import add_labels, build_dataset
from dataset_builder.cli.main import main
from dataset_builder.errors import OutputError
from dataset_builder.export.web_dataset import export_web_dataset
from dataset_builder.recipe import parse_scenario, read_recipe
from dataset_builder.records import held, packing
from dataset_builder.redo import redo_reports
from dataset_builder.work.dealing import BuildPart
from manifests import BurstQualityDataset
from manifests.confined.members import find_member
from manifests.images.listing import use_plain_paths
from manifests.images.pixels import write_png
from manifests.images.shards import number_shard
from manifests.operations.combine import merge_datasets, subset_dataset
from manifests.operations.parts import merge_parts
from manifests.storage import fetch_dataset, upload_dataset
from manifests.store import labels_path, read_dataset_table
from manifests.verification.verify import verify
from tests.photographs import make_photograph
from tests.workshop import Here, fingerprint, write_workshop


def build(folder: Path, out: Path, **choices) -> Path:
    count_bursts(folder, out, **choices)
    return out


def count_bursts(folder: Path, out: Path, *, part=None, store="packs", backwards=False) -> Counter[str]:
    """Build without labels, which take most of the time; what became of the bursts."""
    path = folder / "recipe.toml"
    recipe = read_recipe(path).model_copy(update={"scenarios": (), "noise_redraws": 0})
    parsed = part and BuildPart.parse(part)
    bursts, _ = build_dataset(path, recipe, out, part=parsed, store=store, workers=Here(backwards=backwards))
    return bursts.counts


def list_images(root: Path) -> list[str]:
    return sorted(path.relative_to(root / "frames").as_posix() for path in (root / "frames").rglob("*"))


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    return write_workshop(tmp_path_factory.mktemp("packs"))


@pytest.fixture(scope="module", autouse=True)
def _no_page():
    """The page costs more than all else, and reads frames as others do."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dataset_builder.audit.stage, "write_audit", lambda _root, **_choices: SimpleNamespace(remarks=()))
        patch.setattr(dataset_builder.audit.stage, "restore_bursts", lambda _root, **_choices: [])
        yield


@pytest.fixture(scope="module")
def plain(workshop):
    return build(workshop, workshop / "plain", store=None)


@pytest.fixture(scope="module")
def packed(workshop):
    return build(workshop, workshop / "packed")


@pytest.fixture
def copy(packed, tmp_path):
    return Path(shutil.copytree(packed, tmp_path / "copy"))


def test_images_lie_in_shards_and_nowhere_else(packed):
    assert verify(packed) == []
    bursts, frames = (read_dataset_table(packed, name).to_pandas() for name in ("bursts", "frames"))
    members = [find_member(path) for path in [*frames.path, *bursts.ground_truth_path.dropna()]]
    assert set(list_images(packed)) == {member.shard.removeprefix("frames/") for member in members}
    scenes = bursts.set_index("burst_id").scene_id
    assert all(
        path.startswith(f"frames/{number_shard(scenes[burst_id]):03x}-")
        for burst_id, path in zip(frames.burst_id, frames.path, strict=True)
    )


def test_images_are_those_of_single_files(plain, packed):
    for name in ("bursts", "frames", "splits", "failures"):
        one, other = (read_dataset_table(root, name) for root in (plain, packed))
        assert one.equals(use_plain_paths(other))
    with_files = {path.removeprefix("frames/"): data for path, data in read_all(plain).items()}
    assert {name: data for shard in (packed / "frames").iterdir() for name, data in unpack(shard)} == with_files


def read_all(root: Path) -> dict[str, bytes]:
    return {f"frames/{name}": (root / "frames" / name).read_bytes() for name in list_images(root) if "." in name}


def unpack(shard: Path):
    with tarfile.open(shard) as archive:
        yield from [(name, archive.extractfile(name).read()) for name in archive.getnames()]


def test_what_reads_frames_reads_both(plain, packed, tmp_path):
    one, other = (BurstQualityDataset(root, truth=True) for root in (plain, packed))
    assert len(one) == len(other) > 0
    for left, right in zip(one, other, strict=True):
        assert torch.equal(left["frames"], right["frames"])
        assert torch.allclose(left["truth"], right["truth"], equal_nan=True)
    exported = []
    for root in (plain, packed):
        export_web_dataset(root, tmp_path / root.name)
        exported.append({p.name: p.read_bytes() for p in (tmp_path / root.name).rglob("*.tar")})
    assert exported[0] == exported[1]


@pytest.mark.slow
def test_labels_are_those_of_single_files(plain, packed, copy, tmp_path):
    roots = Path(shutil.copytree(plain, tmp_path / "plain")), copy
    for root in roots:
        add_labels(root, [parse_scenario(name="denoise/mean", metrics=("psnr",))], workers=Here())
    one, other = ((root / labels_path("denoise/mean")).read_bytes() for root in roots)
    assert one == other
    assert verify(copy) == []
    assert list_images(copy) == list_images(packed)


def test_a_subset_and_a_union_have_single_files(plain, packed, tmp_path):
    for root in (plain, packed):
        subset_dataset(root, tmp_path / root.name, "source == 'photos'")
    assert read_all(tmp_path / "plain") == read_all(tmp_path / "packed") != {}
    assert verify(tmp_path / "packed") == []
    merge_datasets(packed, plain, tmp_path / "union")
    assert read_all(tmp_path / "union") == read_all(plain)


def test_a_pack_is_uploaded_shard_by_shard(packed, tmp_path):
    upload_dataset(packed, (tmp_path / "remote").as_uri())
    fetched = fetch_dataset((tmp_path / "remote").as_uri(), cache=tmp_path / "cache")
    assert list_images(fetched) == list_images(packed)
    assert verify(fetched) == []


def test_any_order_of_work_gives_the_same_bytes(workshop, packed, tmp_path):
    assert fingerprint(build(workshop, tmp_path / "out", backwards=True)) == fingerprint(packed)


@pytest.mark.slow
def test_single_files_become_packs(workshop, plain, packed, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "_IMAGES_AT_ONCE", 5)  # shards are written some at a time
    out = Path(shutil.copytree(plain, tmp_path / "out"))
    build(workshop, out)
    assert fingerprint(out) == fingerprint(packed)
    assert list_images(out) == list_images(packed)
    with pytest.raises(OutputError, match="holds its images in packs"):
        build(workshop, out, store="files")


@pytest.mark.slow
def test_packs_in_parts(workshop, packed, tmp_path):
    parts = [build(workshop, tmp_path / f"{number}", part=f"{number}/2") for number in (1, 2)]
    assert all(verify(part) == [] for part in parts)
    merge_parts(parts, tmp_path / "merged", finish=redo_reports)
    assert fingerprint(tmp_path / "merged") == fingerprint(packed)


def test_bursts_come_and_go(workshop, packed, copy, tmp_path):
    """One more photograph touches its own shard only; without it, all is as before."""
    before = fingerprint(packed)
    extra = workshop / "photos/extra.png"
    write_png(workshop, "photos/extra.png", make_photograph(180, 200, seed=50))
    try:
        build(workshop, copy, store=None)
        assert len(list_images(copy)) == len(list_images(packed)) + 1
        assert set(list_images(packed)) <= set(list_images(copy))
        assert verify(copy) == []
    finally:
        extra.unlink()
    build(workshop, copy, store=None)
    assert fingerprint(copy) == before


@pytest.mark.slow
def test_a_shard_that_is_gone_is_made_again(workshop, packed, copy):
    next((copy / "frames").iterdir()).unlink()
    assert verify(copy) != []
    build(workshop, copy, store=None)
    assert fingerprint(copy) == fingerprint(packed)


@pytest.mark.parametrize("place", [0.0, 0.3, 0.999])
def test_any_bit_that_is_changed_is_found(copy, place):
    shard = next((copy / "frames").iterdir())
    data = bytearray(shard.read_bytes())
    data[int(place * (len(data) - 1))] ^= 1
    shard.write_bytes(data)
    assert any(shard.name in problem.file for problem in verify(copy))


class Killed(BaseException):
    """As a signal that nobody answers."""


@pytest.mark.slow
@pytest.mark.parametrize("strike", range(1, 32, 3))
def test_a_build_that_was_killed_loses_nothing_and_leaves_nothing(workshop, packed, tmp_path, monkeypatch, strike):
    """Struck at each call, in turn, of what writes shards, results and tables, and of what removes files."""
    calls = 0

    def count(function):
        def strike_or_call(*arguments, **choices):
            nonlocal calls
            calls += 1
            if calls == strike:
                raise Killed
            return function(*arguments, **choices)

        return strike_or_call

    with monkeypatch.context() as patch:
        for module, names in (
            (packing, ("write_shard", "write_part", "remove_tree", "remove_file", "write_moved")),
            (held, ("open_writer",)),
            (dataset_builder.bursts, ("move_folder", "remove_part", "pack_images", "remove_loose")),
        ):
            for name in names:
                patch.setattr(module, name, count(getattr(module, name)))
        with pytest.raises(Killed):
            build(workshop, tmp_path / "out")
    finished = len(list((tmp_path / "out/.work/bursts").glob("*.json")))
    assert count_bursts(workshop, tmp_path / "out")["reused"] >= finished
    assert fingerprint(tmp_path / "out") == fingerprint(packed)
    assert list_images(tmp_path / "out") == list_images(packed)
    left = [path.name for path in (tmp_path / "out/.work").rglob("*") if path.is_file()]
    assert not {name for name in left if name == "unpacked" or "burst" in name}


def test_the_command_line_packs(workshop, tmp_path):
    arguments = ["build", str(workshop / "recipe.toml"), "--out", str(tmp_path / "out"), "--store"]
    assert "'files', 'packs'" in CliRunner().invoke(main, [*arguments, "zip"]).output
