"""A data set from strangers: whatever it holds, no command reads, writes, deletes or hangs outside it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from dataset_builder.cli.main import main
from manifests.errors import ManifestError
from manifests.loading.dataset import BurstQualityDataset
from manifests.schema import TABLES
from manifests.store import labels_path, read_table, table_path, write_table
from manifests.verification.verify import verify
from tests.tiny_dataset import seal

SECRET = "the secret of somebody else"
FRAME = "frames/tiny/tiny-0/00.png"
LABELS = labels_path("denoise/mean")
NAMES = (*(table_path(name) for name in ("bursts", "frames", "splits", "failures")), LABELS)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder whose content nothing may read or change."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret").write_text(SECRET)
    return folder


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


def run(command: str, root: Path) -> Result:
    """Run a command in the current folder; an error must be one of those that the command line explains."""
    line = [word.replace("ROOT", str(root)).replace("HERE", str(Path.cwd())) for word in COMMANDS[command].split()]
    result = CliRunner().invoke(main, line)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def plant_link(place: Path, target: Path) -> None:
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    place.symlink_to(target)


def plant_pipe(place: Path) -> None:
    place.unlink(missing_ok=True)
    place.parent.mkdir(parents=True, exist_ok=True)
    os.mkfifo(place)


def read_all(folder: Path) -> bytes:
    """All that plain files below a folder hold."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and not path.is_symlink())
    return b"".join(path.read_bytes() for path in files)


COMMANDS = {
    "verify": "verify ROOT",
    "audit": "audit ROOT",
    "split": "split ROOT --test 0.5",
    "label": "label ROOT --scenario denoise/mean",
    "show": "show ROOT tiny-0 --out show.png",
    "restore": "restore ROOT tiny-0 --scenario denoise/mean --out restore.png",
    "diff": "diff ROOT ROOT",
    "pack": "pack ROOT --out pack",
    "subset": "subset ROOT --where num_frames>0 --out subset",
    "hf": "export ROOT --format hf --out hf",
    "webdataset": "export ROOT --format webdataset --out webdataset",
    "csv": "export ROOT --format csv --out csv",
    "croissant": "export ROOT --format croissant --out croissant",
    "migrate": "migrate ROOT",
    "upload": "upload ROOT file://HERE/uploaded",
}

DOCUMENTS = ("verify", "pack", "upload", "split")
TABLES_READ = ("verify", "pack", "subset", "webdataset", "csv", "croissant", "diff")
IMAGES_READ = ("verify", "pack", "subset", "hf", "webdataset", "show", "restore", "upload", "audit")
PLACES = {
    ".work/lock": ("migrate", "audit"),
    ".work/holder.json": ("migrate", "split"),
    ".work/photographs/part.json": ("split",),
    "audit/index.html": ("audit",),
    "audit/features.parquet": ("audit", "migrate"),
    "audit/restorations.parquet": ("audit", "split"),
    "dataset.json": (*DOCUMENTS, "audit", "migrate"),
    "recipe.toml": DOCUMENTS,
    "DATASET.md": DOCUMENTS,
    "croissant.json": DOCUMENTS,
    "notes.txt": DOCUMENTS,
    "manifests/reliability.parquet": ("verify", "pack", "audit"),
    "manifests/packs.parquet": ("verify", "pack"),
    "frames/tiny/tiny-0/ground_truth.png": ("verify", "subset", "hf", "restore"),
    FRAME: IMAGES_READ,
    LABELS: (*TABLES_READ, "audit", "label"),
    **dict.fromkeys((table_path(name) for name in ("bursts", "frames", "splits", "failures")), TABLES_READ),
}
FOLDERS = {
    ".work": ("migrate", "label"),
    ".work/labels": ("label",),
    "audit": ("audit", "migrate", "pack"),
    "manifests": (*TABLES_READ, "split"),
    "manifests/labels": (*TABLES_READ, "label"),
    "frames": IMAGES_READ,
    "frames/tiny": IMAGES_READ,
    "frames/tiny/tiny-0": IMAGES_READ,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PLACES, *FOLDERS])
def test_a_link_is_not_followed(tiny: Path, outside: Path, name: str) -> None:
    plant_link(tiny / name, outside / "secret" if name in PLACES else outside)
    for command in (PLACES | FOLDERS)[name]:
        run(command, tiny)
        assert os.listdir(outside) == ["secret"], command  # noqa: PTH208
        assert (outside / "secret").read_text() == SECRET, command
    assert SECRET.encode() not in read_all(Path.cwd())
    assert SECRET.encode() not in read_all(tiny)


@pytest.mark.slow
@pytest.mark.timeout(120)
@pytest.mark.parametrize("name", PLACES)
def test_a_pipe_hangs_nobody(tiny: Path, name: str) -> None:
    plant_pipe(tiny / name)
    if not name.startswith((".work", "audit")):
        assert verify(tiny)
    for command in PLACES[name]:
        run(command, tiny)


@pytest.mark.parametrize("name", [FRAME, *NAMES])
@pytest.mark.parametrize("plant", [plant_pipe, lambda place: plant_link(place, Path("/dev/zero"))])
def test_the_loader_is_not_hung(tiny: Path, name: str, plant: Callable[[Path], None]) -> None:
    plant(tiny / name)
    if name == table_path("failures"):
        return  # nothing that the loader reads
    with pytest.raises(ManifestError):
        list(BurstQualityDataset(tiny, "train" if "splits" in name else None, ["denoise/mean"], estimator="add_one"))


HOSTILE_NAMES = ["../../../outside/secret", "/etc/passwd", "..", ".", "", "a/b", "a\0b", "a\\b", "A B", "é", "x" * 33]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("table", "column"),
    [
        ("bursts", "burst_id"),
        ("bursts", "source"),
        ("bursts", "scene_id"),
        ("bursts", "preset"),
        ("frames", "burst_id"),
        ("splits", "burst_id"),
        ("splits", "scene_id"),
        ("labels", "burst_id"),
        ("labels", "scenario"),
        ("labels", "estimator"),
        ("labels", "metric"),
    ],
)
def test_names_keep_to_their_pattern(tiny: Path, outside: Path, table: str, column: str) -> None:
    kind = TABLES[table]
    file = LABELS if table == "labels" else table_path(table)
    rows = read_table(tiny, file, kind).to_pylist()
    for name in HOSTILE_NAMES:
        if column in {"scenario", "metric", "estimator"} and name in {"a/b", "x" * 33}:
            continue  # such scenarios and metrics there are
        write_table(tiny, file, kind, [{**row, column: name} if row == rows[-1] else row for row in rows])
        seal(tiny)
        assert any(problem.file == file and column in problem.message for problem in verify(tiny)), name
    write_table(tiny, file, kind, [{**row, column: HOSTILE_NAMES[0]} if row == rows[-1] else row for row in rows])
    seal(tiny)
    asked = {
        ("frames", "burst_id"): ("subset", "webdataset", "csv"),
        ("labels", "estimator"): ("subset", "webdataset", "csv"),
        ("labels", "metric"): ("subset", "webdataset", "csv"),
        ("labels", "scenario"): ("subset", "webdataset"),
    }.get((table, column), ("subset",))
    for command in asked:
        result = run(command, tiny)
        assert (result.exit_code, f"{column}: expected" in result.output) == (1, True), result.output
    assert (outside / "secret").read_text() == SECRET
    assert os.listdir(outside) == ["secret"]  # noqa: PTH208
