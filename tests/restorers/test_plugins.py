"""Installed packages of restorers that are malformed, clash, or end the process: one line names them, and all else works."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from dataset_builder.errors import MissingSourceError
from dataset_builder.recipe import parse_source
from restorers import create, list_scenarios, registry
from restorers.classical.mean import MeanMerge
from restorers.containment import describe_error
from restorers.errors import InvalidRestorerError, UnknownScenarioError
from restorers.registry import BUILT_IN, read_scenarios
from tests.restorers.test_registry import install

ENDINGS = {
    "exit": "raise SystemExit(0)",
    "exit_call": "import sys; sys.exit('gone\\nfor good')",
    "interrupt": "raise KeyboardInterrupt",
    "generator": "raise GeneratorExit",
    "base": "class Ending(BaseException): pass\nraise Ending('of all')",
    "mute": "class Mute(Exception):\n    def __str__(self): raise ValueError\nraise Mute",
    "long": "raise OSError('x' * 1_000_000)",
    "control": "raise OSError('\\x1b[2J\\u202e')",
    "late": "def Restorer(): raise SystemExit(1)",
    "info": "class Restorer:\n    @property\n    def info(self): raise SystemExit(1)",
}


@pytest.fixture
def few(monkeypatch):
    monkeypatch.setattr(registry, "BUILT_IN", [spec for spec in BUILT_IN if spec.scenario == "denoise/mean"])


@pytest.fixture
def plugins(tmp_path, monkeypatch) -> Path:
    """Where packages are installed; their modules are forgotten after the test."""
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - known:
        if name.startswith("plugin_"):
            del sys.modules[name]


@pytest.mark.usefixtures("few")
def test_packages_that_end_the_process_cost_their_own_scenarios(plugins):
    for name, source in ENDINGS.items():
        (plugins / f"plugin_{name}.py").write_text(source)
    install(plugins, "endings", "\n".join(f"denoise/{name} = plugin_{name}:Restorer" for name in ENDINGS))
    handler = signal.getsignal(signal.SIGINT)
    result = CliRunner().invoke(main, ["scenarios", "--json", "--no-cost"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["denoise/mean"]["protocol"] == "LinearMerge"
    for name in ENDINGS:
        (line,) = [line for line in result.stderr.split("\n") if f"denoise/{name}:" in line]
        assert f"plugin_{name}:Restorer" in line
        assert line.isprintable()
        assert len(line) < 600
        with pytest.raises(InvalidRestorerError, match=f"^plugin_{name}:Restorer: "):
            create(f"denoise/{name}")
    assert len(result.stderr.splitlines()) == len(ENDINGS)
    assert create("denoise/mean") == MeanMerge()
    assert signal.getsignal(signal.SIGINT) is handler


def test_an_interrupt_that_somebody_typed_passes(plugins):
    (plugins / "plugin_slow.py").write_text("import signal\nsignal.raise_signal(signal.SIGINT)\n")
    install(plugins, "slow", "denoise/slow = plugin_slow:Restorer")
    with pytest.raises(KeyboardInterrupt):
        create("denoise/slow")


def test_a_restorer_that_exits_at_work_costs_its_line(plugins, few):
    (plugins / "plugin_work.py").write_text(
        "from tests.restorers.test_registry import Plain\n"
        "class Restorer(Plain):\n    def restore(self, burst): raise SystemExit('at work')\n"
    )
    install(plugins, "work", "denoise/work = plugin_work:Restorer")
    result = CliRunner().invoke(main, ["scenarios"])
    assert result.exit_code == 0
    assert "denoise/mean" in result.stdout
    assert "warning: denoise/work: plugin_work:Restorer cannot be used: " in result.stderr
    assert "SystemExit: at work" in result.stderr


def test_malformed_entry_points_cost_their_own_package(plugins):
    before = list(list_scenarios())
    for package, content in (("nonsense", b"nonsense"), ("binary", b"a/b = \xff\xfe:A")):
        install(plugins, package, "")
        (plugins / f"{package}-1.0.dist-info/entry_points.txt").write_bytes(b"[buiqa.restorers]\n" + content + b"\n")
    install(plugins, "sound", "denoise/sound = plugin_sound:Restorer")
    assert list(list_scenarios()) == [*before, "denoise/sound"]
    problems = read_scenarios().problems
    assert [problem.partition(":")[0] for problem in problems] == ["package binary", "package nonsense"]
    assert all("its entry points cannot be read" in problem and problem.isprintable() for problem in problems)


def test_of_two_places_of_a_package_the_first_counts(plugins, tmp_path_factory, monkeypatch):
    install(plugins, "twice", "denoise/twice = plugin_old:Restorer")
    newer = tmp_path_factory.mktemp("newer")
    install(newer, "twice", "denoise/twice = plugin_new:Restorer")
    monkeypatch.syspath_prepend(str(newer))
    assert list_scenarios()["denoise/twice"].target == "plugin_new:Restorer"
    assert read_scenarios().problems == []


def test_commands_warn_of_packages_and_go_on(plugins, tmp_path):
    install(plugins, "thief", "denoise/mean = thief:Mean\nNo Name = thief:Mean")
    result = CliRunner().invoke(main, ["restorer", "check", "denoise/mean"])
    assert result.exit_code == 0, result.output
    claimed, malformed = result.stderr.splitlines()
    assert malformed.startswith(
        "warning: scenario 'denoise/mean' is claimed by restorers.classical.mean:MeanMerge and by thief:Mean"
    )
    assert claimed.startswith("warning: scenario 'No Name' of thief:Mean: expected task/restorer")
    result = CliRunner().invoke(main, ["label", str(tmp_path), "--scenario", "denoise/mean"])
    assert result.stderr.splitlines()[:2] == [claimed, malformed]
    assert "not a data set" in result.stderr


def test_installed_scenarios_are_not_looked_for_in_the_working_directory(plugins, tmp_path_factory, monkeypatch):
    monkeypatch.chdir(tmp_path_factory.mktemp("here"))
    Path("plugin_here.py").write_text("raise AssertionError\n")
    install(plugins, "here", "denoise/here = plugin_here:Restorer")
    with pytest.raises(UnknownScenarioError, match="no module 'plugin_here' among the installed packages"):
        create("denoise/here")


@pytest.mark.parametrize(
    ("root", "message"),
    [
        ("package:", "expected package:NAME/FOLDER"),
        ("package:/data", "expected package:NAME/FOLDER"),
        ("package:plugin_package.inner/data", "expected package:NAME/FOLDER"),
        ("package:../skimage", "expected package:NAME/FOLDER"),
        ("package:os", "'os' is a module without a folder"),
        ("package:sys", "'sys' is a module without a folder"),
        ("package:json.tool", "expected package:NAME/FOLDER"),
        ("package:__main__/data", "is not installed|without a folder"),
        ("package:no_such_package/data", "'no_such_package' is not installed"),
        ("package:plugin_package/data", "no folder .*plugin_package/data"),
    ],
)
def test_packages_that_hold_no_photographs(plugins, root, message):
    (plugins / "plugin_package").mkdir()
    (plugins / "plugin_package/__init__.py").write_text("raise AssertionError('was imported')\n")
    source = parse_source(name="a", kind="photographs", root=root)
    with pytest.raises(MissingSourceError, match=f"^source 'a': root: .*{message}") as caught:
        source.resolve_root(plugins)
    assert str(caught.value).isprintable()
    assert "plugin_package" not in sys.modules


def test_the_folder_of_a_package_is_found_without_importing_it(plugins):
    (plugins / "plugin_package/data").mkdir(parents=True)
    (plugins / "plugin_package/__init__.py").write_text("raise AssertionError('was imported')\n")
    source = parse_source(name="a", kind="photographs", root="package:plugin_package/data")
    assert source.resolve_root(Path("elsewhere")) == (plugins / "plugin_package/data").resolve()


def test_errors_of_others_are_one_line():
    assert describe_error(ValueError("a\n  b")) == "ValueError: a b"
    assert describe_error(ValueError()) == "ValueError"
    assert describe_error(ValueError("\x07")) == r"ValueError: '\x07'"
