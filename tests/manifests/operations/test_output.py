"""New folders appear whole or not at all; what a killed command left is replaced, and nobody's own folder is touched."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from manifests.errors import OutputExistsError
from manifests.operations.output import write_new_folder
from manifests.operations.pack import pack_dataset
from manifests.seal import seal_dataset
from manifests.verification.verify import verify
from tests.tiny_dataset import make_description

COMMANDS = {
    "pack": ["pack", "{root}"],
    "hf": ["export", "{root}", "--format", "hf"],
    "webdataset": ["export", "{root}", "--format", "webdataset"],
    "croissant": ["export", "{root}", "--format", "croissant"],
    "csv": ["export", "{root}", "--format", "csv"],
    "subset": ["subset", "{root}", "--where", "num_frames > 2"],
    "merge": ["merge", "{root}", "{root}"],
}


@pytest.fixture(scope="module")
def root(tiny_original: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny data set with a recipe that can be read, so that its report can be made again."""
    root = Path(shutil.copytree(tiny_original, tmp_path_factory.mktemp("output") / "dataset"))
    seal_dataset(root, {**make_description(), "recipe": {"name": "tiny"}})
    return root


def list_tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.slow
@pytest.mark.parametrize("struck_by", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_that_was_struck_does_its_work_when_it_is_run_again(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, struck_by: signal.Signals
) -> None:
    command = [word.replace("{root}", str(root)) for word in COMMANDS[name]]
    command += ["--out", str(tmp_path / "out")]

    def stop(_path: Path, _target: Path) -> None:
        signal.raise_signal(struck_by)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "rename", stop)
        result = CliRunner().invoke(main, command)
    assert result.exit_code == 128 + struck_by
    assert "Run the same command again" in result.output
    assert list_tree(tmp_path) == []
    # What a command leaves that has no time to clear away.
    (tmp_path / ".out.unfinished/manifests").mkdir(parents=True)
    (tmp_path / ".out.unfinished/manifests/bursts.parquet").write_text("torn")
    (tmp_path / ".out.unfinished/left_over").symlink_to(root)
    result = CliRunner().invoke(main, command)
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert "left_over" not in list_tree(tmp_path / "out")
    assert verify(root) == []
    assert "is not empty" in CliRunner().invoke(main, command).output


def test_a_folder_of_the_users_own_is_not_touched(root: Path, tmp_path: Path) -> None:
    own = tmp_path / "out"
    own.mkdir()
    (own / ".unfinished").touch()
    (own / "thesis.tex").write_text("all of it")
    before = list_tree(tmp_path)
    with pytest.raises(OutputExistsError, match="is not empty; name a new folder"):
        pack_dataset(root, own)
    assert list_tree(tmp_path) == before


def test_an_empty_folder_keeps_its_mode_and_a_link_its_target(root: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    (tmp_path / "link").symlink_to(tmp_path / "real")
    pack_dataset(root, tmp_path / "link")
    assert (tmp_path / "real/dataset.json").is_file()
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "link").is_symlink()


def test_two_at_once_do_not_write_one_folder(tmp_path: Path) -> None:
    with write_new_folder(tmp_path / "out") as first:
        (first / "file").touch()
        with pytest.raises(OutputExistsError, match="another process writes it"), write_new_folder(tmp_path / "out"):
            pass
        assert not (tmp_path / "out").exists()
    assert list_tree(tmp_path) == ["out", "out/file"]


def test_an_error_leaves_nothing(tmp_path: Path) -> None:
    def fail(folder: Path) -> None:
        (folder / "file").touch()
        raise BlockingIOError

    with pytest.raises(BlockingIOError), write_new_folder(tmp_path / "deep/out") as folder:
        fail(folder)
    assert list_tree(tmp_path) == ["deep"]


@pytest.mark.slow
@pytest.mark.parametrize(("mask", "file_mode", "folder_mode"), [(0o027, 0o640, 0o750), (0o002, 0o664, 0o775)])
def test_files_have_the_mode_that_the_user_wants(
    root: Path, tmp_path: Path, mask: int, file_mode: int, folder_mode: int
) -> None:
    before = os.umask(mask)
    try:
        for name in ("pack", "webdataset", "subset"):
            command = [word.replace("{root}", str(root)) for word in COMMANDS[name]]
            assert CliRunner().invoke(main, [*command, "--out", str(tmp_path / name)]).exit_code == 0
            # Workers may be those of an earlier test, and of its mask; all that they make is below .work.
            made = [path for path in (tmp_path / name).rglob("*") if ".work" not in path.parts]
            paths = [tmp_path / name, *made]
            modes = {path: path.stat().st_mode & 0o777 for path in paths}
            wanted = {path: folder_mode if path.is_dir() else file_mode for path in paths}
            assert modes == wanted
    finally:
        os.umask(before)
