"""A data set of others is data: whatever its strings name, commands that read it import and open nothing; what the user names runs."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from dataset_builder.audit.restorations import read_restorations
from dataset_builder.build import add_labels, build_dataset
from dataset_builder.cli.main import main
from dataset_builder.recipe import parse_recipe, parse_scenario
from dataset_builder.redo import redo_audit
from manifests.description import read_description, write_description
from manifests.schema import FORMAT_VERSION, LABELS, RELIABILITY
from manifests.seal import seal_dataset
from manifests.store import (
    labels_path,
    list_label_files,
    read_or_empty,
    read_table,
    table_path,
    write_table,
)
from restorers import create, create_known
from restorers.adapters import files
from restorers.errors import InvalidRestorerError, UnknownScenarioError, UntrustedScenarioError
from tests.photographs import write_photographs

RESTORER = """
from restorers import Domain, RestorerInfo
from {helper} import FACTOR


class Darken:
    info = RestorerInfo("denoise", "1", frozenset({{Domain.RAW_BAYER}}), Domain.RAW_BAYER)

    def restore(self, burst):
        return FACTOR * burst.frames.mean(0)
"""
READING = (
    ("audit", "DIR"),
    ("audit", "DIR", "--json", "--against", "DIR"),
    ("split", "DIR", "--test", "0.5"),
    ("verify", "DIR"),
    ("show", "DIR", "BURST"),
    ("export", "DIR", "--format", "csv", "--out", "scores"),
    ("export", "DIR", "--format", "croissant", "--out", "croissant"),
    ("export", "DIR", "--format", "webdataset", "--out", "shards"),
    ("export", "DIR", "--format", "hf", "--out", "rows"),
    ("pack", "DIR", "--out", "packed"),
    ("merge", "DIR", "DIR", "--out", "merged"),
    ("subset", "DIR", "--where", "num_frames > 1", "--out", "part"),
    ("diff", "DIR", "DIR"),
    ("migrate", "DIR"),
    ("reliability", "DIR", "--bursts", "1", "--base", "BASE"),
    ("restore", "DIR", "BURST", "--scenario", "denoise/mean"),
    ("label", "DIR", "--scenario", "denoise/robust_mean"),
)


@pytest.fixture(scope="module")
def built(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("built")
    write_photographs(folder / "photos", 2, height=200, width=220)
    source = {"kind": "photographs", "name": "photos", "root": "photos", "bursts_per_photograph": 1}
    recipe = {
        "sources": [{**source, "frame_height": 32, "frame_width": 32}],
        "scenarios": [{"name": "denoise/mean"}],
    }
    (folder / "recipe.toml").touch()
    build_dataset(folder / "recipe.toml", parse_recipe(recipe, "recipe"), folder / "data")
    return folder / "data"


@pytest.fixture
def ran(tmp_path, monkeypatch) -> Path:
    """A file that does not exist unless planted code ran; that code lies in the working directory, from which it can be imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setitem(sys.modules, "planted", None)
    del sys.modules["planted"]
    mark = tmp_path / "ran"
    (tmp_path / "planted.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\n")
    monkeypatch.setattr(files, "load_model", lambda scenario, **_: mark.write_text(scenario))
    return mark


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def read_all(root: Path, folder: Path) -> dict[str, Result]:
    """Run all commands that read a data set; return what became of them."""
    words = {"DIR": root, "BURST": sorted((root / "frames").glob("*/*"))[0].name, "BASE": folder}
    results = {}
    for arguments in READING:
        before = list(sys.path)
        results[" ".join(arguments)] = run(*(words.get(argument, argument) for argument in arguments))
        assert sys.path == before, arguments
    return results


def replace_strings(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: replace_strings(part, name) for key, part in value.items()}
    if isinstance(value, list):
        return [replace_strings(part, name) for part in value]
    return name if isinstance(value, str) else value


def rewrite_columns(path: Path, name: str) -> None:
    table = pq.read_table(path)
    for place, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            table = table.set_column(place, field, pa.array([name] * len(table), pa.string()))
    pq.write_table(table, path)


def plant_scenario(root: Path, name: str) -> None:
    """Make a data set name a scenario wherever it names one, and be whole and sealed for all that."""
    (label_file,) = list_label_files(root)
    path = root / label_file
    table = pq.read_table(path)
    column = table.schema.get_field_index("scenario")
    table = table.set_column(column, table.schema.field(column), pa.array([name] * len(table), pa.string()))
    facts = json.loads(table.schema.metadata[b"scenario"]) | {"name": name}
    write_table(root, labels_path(name), LABELS, table, metadata={"scenario": json.dumps(facts)})
    path.unlink()
    (root / "audit/restorations.parquet").unlink()
    description = read_description(root)
    description["recipe"]["scenarios"][0]["name"] = name
    description["scenarios"] = {name: facts}
    description["recipe"]["sources"][0]["license"] = name
    write_description(root, description)
    seal_dataset(root, description)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["planted:Restorer", "onnx:planted.onnx"])
def test_scenarios_that_a_data_set_names_are_not_run(built, tmp_path, ran, name):
    root = shutil.copytree(built, tmp_path / "data")
    plant_scenario(root, name)
    results = read_all(root, built.parent)
    assert not ran.exists()
    assert {command for command, result in results.items() if result.exit_code} == set()
    for command in ("audit DIR", "split DIR --test 0.5", "subset DIR --where num_frames > 1 --out part"):
        assert (
            f"not restored for the report: scenario '{name}' is neither built in nor installed"
            in results[command].output
        )
    assert f"left out: scenario '{name}'" in results["reliability DIR --bursts 1 --base BASE"].output
    assert "denoise/robust_mean" in {row["scenario"] for row in read_restorations(root).to_dict("records")}


@pytest.mark.slow
@pytest.mark.parametrize("place", ["dataset.json", "root of the source", "manifests", "labels"])
def test_no_string_of_a_data_set_is_run(built, tmp_path, ran, place):
    root = shutil.copytree(built, tmp_path / "data")
    description = read_description(root)
    if place == "dataset.json":
        write_description(root, replace_strings(description, "planted:Restorer") | {"format_version": FORMAT_VERSION})
    elif place == "root of the source":
        # To look into planted, Python would import it.
        description["recipe"]["sources"][0]["root"] = "package:planted.inner/data"
        write_description(root, description)
    else:
        for path in (
            (root / "manifests").glob("*.parquet")
            if place == "manifests"
            else [root / path for path in list_label_files(root)]
        ):
            rewrite_columns(path, "planted:Restorer")
    read_all(root, built.parent)
    assert not ran.exists()


def test_names_read_from_data_are_those_of_the_list():
    assert create_known("denoise/mean") == create("denoise/mean")
    for name in ("json:JSONDecoder", "os:abort", "onnx:a.onnx", "", "\0", "x" * 10_000_000, "denoise/mean\n"):
        with pytest.raises(UntrustedScenarioError, match="only if you name them") as caught:
            create_known(name)
        assert len(str(caught.value)) < 1000
    with pytest.raises(UntrustedScenarioError, match="did you mean denoise/mean"):
        create_known("denoise/meann")
    with pytest.raises(InvalidRestorerError, match="JSONDecoder: expected a restorer"):
        create_known("json:JSONDecoder", named=["json:JSONDecoder"])


@pytest.fixture
def mine(tmp_path, monkeypatch) -> str:
    """A restorer of the user's own, whose module needs another one beside it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path not in ("", str(tmp_path))])
    for name in ("my_own_darken", "my_own_factor"):
        # Known to monkeypatch, so that it takes the modules out again after the test.
        monkeypatch.setitem(sys.modules, name, None)
        del sys.modules[name]
    (tmp_path / "my_own_factor.py").write_text("FACTOR = 0.5\n")
    (tmp_path / "my_own_darken.py").write_text(RESTORER.format(helper="my_own_factor"))
    return "my_own_darken:Darken"


def test_the_working_directory_is_searched_only_while_a_restorer_of_it_is_imported(mine):
    before = list(sys.path)
    assert create(mine).info.task == "denoise"
    assert sys.path == before
    with pytest.raises(UnknownScenarioError):
        create("my_own_nothing:Darken")
    assert sys.path == before


def forget(mine: str, folder: Path, mark: Path) -> None:
    """What the user had is gone, and other code lies in its place."""
    module = mine.partition(":")[0]
    del sys.modules[module]
    (folder / f"{module}.py").write_text(f"from pathlib import Path\nPath({str(mark)!r}).touch()\n")


@pytest.mark.slow
def test_what_the_users_own_restorer_restored_stays_and_is_made_again_when_named(built, tmp_path, mine):
    root = shutil.copytree(built, tmp_path / "data")
    (report,) = add_labels(root, [parse_scenario(name=mine)])
    assert report.counts["created"] == 2
    assert report.remarks == []
    path = root / "audit/restorations.parquet"
    made, before = read_restorations(root), path.read_bytes()
    assert (made["scenario"] == mine).any()

    source = (tmp_path / "my_own_darken.py").read_text()
    forget(mine, tmp_path, tmp_path / "ran")
    assert redo_audit(root)[1] == []
    assert path.read_bytes() == before
    path.unlink()
    (remark,) = redo_audit(root)[1]
    assert f"scenario '{mine}' is neither built in nor installed" in remark
    assert set(read_restorations(root)["scenario"]) == {"denoise/mean"}
    assert not (tmp_path / "ran").exists()

    (tmp_path / "my_own_darken.py").write_text(source)
    result = run("audit", root, "--scenario", mine)
    assert (result.exit_code, result.stderr) == (0, "")
    assert path.read_bytes() == before


@pytest.mark.slow
def test_what_was_restored_goes_with_the_scores_that_it_shows(built, tmp_path, mine):
    root = shutil.copytree(built, tmp_path / "data")
    add_labels(root, [parse_scenario(name=mine)])
    forget(mine, tmp_path, tmp_path / "ran")
    table = read_or_empty(root, labels_path(mine), LABELS)
    column = table.schema.get_field_index("score")
    field = table.schema.field(column)
    other = [None if score is None else score + 1 for score in table.column("score").to_pylist()]
    changed = table.set_column(column, field, pa.array(other, field.type))
    write_table(root, labels_path(mine), LABELS, changed, metadata={"scenario": json.dumps({"name": mine})})
    (remark,) = redo_audit(root)[1]
    assert f"scenario '{mine}' is neither built in nor installed" in remark
    assert set(read_restorations(root)["scenario"]) == {"denoise/mean"}
    assert not (tmp_path / "ran").exists()


@pytest.mark.slow
def test_reliability_of_the_users_own_restorer_is_measured_when_named(built, tmp_path, mine):
    root = shutil.copytree(built, tmp_path / "data")
    add_labels(root, [parse_scenario(name=mine)])
    arguments = ("reliability", root, "--bursts", 1, "--base", built.parent)
    assert f"left out: scenario '{mine}'" in run(*arguments).output
    result = run(*arguments, "--scenario", mine)
    assert (result.exit_code, "left out" in result.output) == (0, False), result.output
    rows = read_table(root, table_path("reliability"), RELIABILITY).to_pylist()
    assert mine in {row["scenario"] for row in rows}
