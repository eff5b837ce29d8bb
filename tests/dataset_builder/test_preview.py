"""A dry run says what the build then does, and changes nothing."""

import re

import pytest
from click.testing import CliRunner

from dataset_builder.build import build_dataset
from dataset_builder.cli.main import main
from dataset_builder.preview import preview_dataset
from dataset_builder.recipe import read_recipe
from manifests.confined.plain import hash_plain
from manifests.verification.verify import verify
from tests.photographs import write_photographs

SCENARIOS = '[[scenarios]]\nname = "denoise/mean"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("preview")
    write_photographs(folder / "photos", 2, height=180, width=180)
    return folder


def write_recipe(folder, *, settings="", scenarios=SCENARIOS):
    source = 'kind = "photographs"\nname = "photos"\nroot = "photos"\nbursts_per_photograph = 1\nframe_height = 32\n'
    (folder / "recipe.toml").write_text(f"seed = 1\n[[sources]]\n{source}{settings}\n{scenarios}")
    return folder / "recipe.toml"


def counts(reports):
    return {report.stage: {action: count for action, count in report.counts.items() if count} for report in reports}


def list_files(root):
    return {path.relative_to(root): hash_plain(path) for path in root.rglob("*") if path.is_file()}


def preview(recipe, root):
    return preview_dataset(recipe, read_recipe(recipe), root)


@pytest.mark.slow
def test_it_says_what_the_build_does(folder):
    root = folder / "set"
    recipe = write_recipe(folder, settings="frame_width = 32")
    reports = preview(recipe, root)
    assert counts(reports) == {"bursts": {"created": 2}, "labels": {}}
    assert reports[1].remarks == ["labels of 2 bursts that are yet to be made are not counted"]
    assert not root.exists()
    build_dataset(recipe, read_recipe(recipe), root)
    before = list_files(root)
    assert counts(preview(recipe, root)) == {"bursts": {"reused": 2}, "labels": {"reused": 2}}
    changes = {
        "frame_width = 40": {"rebuilt": 2},
        'frame_width = 40\nfiles = ["photo_0.png"]': {"removed": 1, "reused": 1},
    }
    more = SCENARIOS + '[[scenarios]]\nname = "denoise/nlm"\n'
    recipe = write_recipe(folder, settings="frame_width = 32", scenarios=more)
    assert counts(preview(recipe, root))["labels"] == {"reused": 2, "created": 2}
    for settings, expected in changes.items():
        recipe = write_recipe(folder, settings=settings)
        announced = preview(recipe, root)
        assert list_files(root) == before
        done = build_dataset(recipe, read_recipe(recipe), root)
        assert counts(announced)["bursts"] == counts(done)["bursts"] == expected
        before = list_files(root)


def test_bursts_of_an_interrupted_build_are_counted_as_reused(folder, monkeypatch):
    root = folder / "interrupted"
    recipe = write_recipe(folder, settings="frame_width = 32")
    monkeypatch.setattr("dataset_builder.bursts.write_burst_tables", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_dataset(recipe, read_recipe(recipe), root)
    assert counts(preview(recipe, root))["bursts"] == {"reused": 2}
    next(root.glob("frames/photos/*/00.png")).unlink()
    assert counts(preview(recipe, root))["bursts"] == {"reused": 1, "created": 1}


def interrupt(*_):
    raise KeyboardInterrupt


def test_the_command(folder):
    recipe = write_recipe(folder, settings="frame_width = 32")
    result = CliRunner().invoke(main, ["build", str(recipe), "--out", str(folder / "new"), "--dry-run"])
    assert result.exit_code == 0
    assert re.search(r"bursts +2 +0 +0 +0 +0 +0", result.output)
    assert not (folder / "new").exists()
    (folder / "full").mkdir()
    (folder / "full" / "thesis.tex").touch()
    result = CliRunner().invoke(main, ["build", str(recipe), "--out", str(folder / "full"), "--dry-run"])
    assert result.exit_code == 1
    assert "is not empty and holds no data set" in result.output


@pytest.mark.slow
def test_linked_frames_are_rendered_again(folder, tmp_path):
    root = folder / "linked"
    recipe = write_recipe(folder, settings="frame_width = 32")
    build_dataset(recipe, read_recipe(recipe), root)
    first, second = sorted(root.glob("frames/photos/*/00.png"))
    first.rename(first.with_name("moved.png"))
    first.symlink_to("moved.png")
    assert counts(preview(recipe, root))["bursts"] == {"reused": 1, "rebuilt": 1}
    second.rename(tmp_path / "outside.png")
    second.symlink_to(tmp_path / "outside.png")
    assert counts(preview(recipe, root))["bursts"] == {"rebuilt": 2}
    build_dataset(recipe, read_recipe(recipe), root)
    assert verify(root) == []
    assert (tmp_path / "outside.png").is_file()
