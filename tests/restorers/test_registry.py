"""How names become restorers: the list, installed packages, `module:attr`; and what fingerprints notice."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from dataset_builder.cli.scenarios import command as scenarios
from restorers import Burst, Domain, RestorerInfo, create, list_scenarios, registry
from restorers.base import LinearMerge, Restorer, SubsetRestorer, fingerprint
from restorers.burst import CFA
from restorers.classical.backprojection import BackProjection
from restorers.classical.hdrplus import HdrPlusMerge
from restorers.classical.mean import MeanMerge
from restorers.errors import (
    DuplicateScenarioError,
    InvalidRestorerError,
    RestorerError,
    UnknownScenarioError,
    UnsupportedBurstError,
)
from restorers.registry import BUILT_IN, ScenarioSpec, build_registry, fingerprint_scenario

RESTORER_SOURCE = """
from dataclasses import dataclass
from restorers import Domain, RestorerInfo


@dataclass(frozen=True)
class Darken:
    factor: float = 0.5

    @property
    def info(self):
        return RestorerInfo("denoise", "1", frozenset({Domain.RAW_BAYER}), Domain.RAW_BAYER)

    def restore(self, burst):
        return self.factor * burst.reference


class Needy(Darken):
    def __init__(self, weights):
        pass


class Broken(Darken):
    def __init__(self):
        raise OSError("no weights here")


class WithoutExtra(Darken):
    def __init__(self):
        from restorers.errors import MissingExtraError
        raise MissingExtraError("this", "foo", "foo")


class RaisingInfo:
    @property
    def info(self):
        raise RuntimeError("info is not ready")


class WithoutRestore:
    info = Darken().info


class WithoutInfo:
    def restore(self, burst):
        return burst.reference


class Namespace:
    Inner = Darken


ready = Darken(0.25)
number = 3


def __getattr__(name):
    if name == "lazy":
        raise RuntimeError("cannot be made")
    raise AttributeError(name)
"""


@pytest.fixture
def module(tmp_path, monkeypatch) -> str:
    """Name of a module of restorers in the working directory."""
    return write_module("my_restorers_under_test", RESTORER_SOURCE, tmp_path, monkeypatch)


def write_module(name: str, source: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (folder / f"{name}.py").write_text(source)
    monkeypatch.chdir(folder)
    monkeypatch.setattr(sys, "path", [path for path in sys.path if path])
    # Known to monkeypatch, so that it takes the module out again after the test.
    monkeypatch.setitem(sys.modules, name, None)
    del sys.modules[name]
    return name


def install(folder: Path, package: str, entries: str) -> None:
    """What pip leaves of a package that has entry points."""
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[buiqa.restorers]\n{entries}\n")


def make_burst(num_frames: int = 2) -> Burst:
    return Burst(np.full((num_frames, 32, 32), 0.5, np.float32), cfa=CFA.RGGB)


def test_every_listed_scenario_can_be_created():
    scenarios = list_scenarios()
    assert {"denoise/mean", "denoise/hdrplus", "denoise/nlm", "sr/backprojection@x2"} <= set(scenarios)
    for name in scenarios:
        restorer = create(name)
        assert isinstance(restorer, Restorer)
        assert restorer.info.task == name.partition("/")[0]
        assert restorer.info.summary


def test_settings_reach_the_restorer():
    assert create("sr/backprojection@x2") == BackProjection(scale=2)
    assert isinstance(create("denoise/hdrplus"), LinearMerge)
    assert isinstance(create("sr/backprojection@x2"), SubsetRestorer)
    assert not isinstance(create("denoise/nlm"), (LinearMerge, SubsetRestorer))


def test_the_list_cannot_be_changed():
    with pytest.raises(TypeError):
        list_scenarios()["denoise/mine"] = BUILT_IN[0]


def test_duplicates_are_refused():
    specs = [ScenarioSpec("denoise/mean", "a:A"), ScenarioSpec("denoise/mean", "b:B")]
    with pytest.raises(DuplicateScenarioError, match="'denoise/mean' is claimed by a:A and by b:B: rename one"):
        build_registry(specs)


@pytest.mark.parametrize(
    "name",
    [
        "mean",
        "denoise/",
        "/mean",
        "a/b/c",
        "../mean",
        "denoise/../../x",
        "Denoise/mean",
        "denoise/my mean",
        "",
        "a/b@",
        "denoise--x/mean",
        "denoise/a--b",
        "denoise/mean\n",
        "a:b",
        "a/b@x2/y",
        "a\\b/c",
    ],
)
def test_malformed_names_are_refused(name):
    with pytest.raises(InvalidRestorerError, match="expected task/restorer or task/restorer@setting"):
        build_registry([ScenarioSpec(name, "a:A")])


@pytest.mark.parametrize("name", ["denoise/mean", "sr/handheld@x2", "hdr/my-net_2@gain1.5", "demosaic/a@x-y"])
def test_proper_names(name):
    assert list(build_registry([ScenarioSpec(name, "a:A")])) == [name]


@pytest.mark.parametrize(
    ("name", "close"),
    [
        ("denoise/hdrpluss", "denoise/hdrplus"),
        ("denoise/HDRplus", "denoise/hdrplus"),
        ("sr/backprojection", "sr/backprojection@x2"),
        ("sr/backprojection@x3", "sr/backprojection@x2"),
        ("mean", "denoise/mean"),
    ],
)
def test_unknown_names_are_answered_with_close_ones(name, close):
    with pytest.raises(UnknownScenarioError, match=f"'{name}' is unknown: did you mean .*{close}"):
        create(name)


@pytest.mark.parametrize("name", ["", "zzz", "../../etc/passwd", "\0", "sr/\n"])
def test_hopeless_names_are_answered_with_the_list(name):
    with pytest.raises(UnknownScenarioError, match=r"there are .*deblur/fourier, .* named module:attr"):
        create(name)


@pytest.mark.parametrize("attribute", ["Darken", "ready", "Namespace.Inner"])
def test_classes_and_instances_of_the_working_directory(module, attribute):
    restorer = create(f"{module}:{attribute}")
    expected = 0.125 if attribute == "ready" else 0.25
    np.testing.assert_array_equal(restorer.restore(make_burst()), np.full((32, 32), expected))


@pytest.mark.parametrize(
    "scenario", [":", "a:", ":b", "a b:c", ".a:b", "a..b:c", "a:b:c", "a:b.", "/tmp/a.py:b", "a-b:c"]
)
def test_malformed_targets_are_refused(scenario):
    with pytest.raises(UnknownScenarioError, match="expected module:attr, such as mymodule:MyRestorer, got"):
        create(scenario)


def test_missing_modules_are_named_with_the_place(module, tmp_path):
    with pytest.raises(UnknownScenarioError, match=f"no module 'my_restorer' in {tmp_path}"):
        create("my_restorer:Darken")
    with pytest.raises(UnknownScenarioError, match=r"no module 'restorers\.nothing'"):
        create("restorers.nothing:Darken")


@pytest.mark.parametrize("needed", ["absent_package", "absent_package_of"])
def test_a_package_that_the_module_lacks_is_named(tmp_path, monkeypatch, needed):
    # Also where the name of the package begins that of the module.
    name = write_module("absent_package_of_mine", f"import {needed}\n", tmp_path, monkeypatch)
    with pytest.raises(UnknownScenarioError, match=f"{name} needs the package '{needed}': install it"):
        create(f"{name}:Darken")


@pytest.mark.parametrize(
    ("source", "kind"),
    [("1 / 0", "ZeroDivisionError"), ("def (", "SyntaxError"), ("from os import nope", "ImportError")],
)
def test_modules_that_fail(tmp_path, monkeypatch, source, kind):
    name = write_module("failing_restorers", source, tmp_path, monkeypatch)
    with pytest.raises(InvalidRestorerError, match=rf"failing_restorers:A: importing it failed \({kind}: "):
        create(f"{name}:A")


def test_missing_attributes_are_answered_with_close_ones(module):
    with pytest.raises(UnknownScenarioError, match="has no 'Darkan'; it has Darken"):
        create(f"{module}:Darkan")
    with pytest.raises(UnknownScenarioError, match="has no 'inner'; it has Inner"):
        create(f"{module}:Namespace.inner")
    with pytest.raises(UnknownScenarioError, match="has no 'real_part'"):
        create(f"{module}:number.real_part")


@pytest.mark.parametrize(
    ("attribute", "message"),
    [
        ("number", r"cannot be built without further arguments \('int' object is not callable\)"),
        ("Needy", r"cannot be built without further arguments \(.*missing 1 required positional argument: 'weights'\)"),
        ("Broken", r"cannot be built \(OSError: no weights here\)"),
        ("RaisingInfo", r"cannot be built \(RuntimeError: info is not ready\)"),
        ("WithoutRestore", r"expected a restorer with `info: RestorerInfo` and `restore\(burst\)`, got WithoutRestore"),
        ("WithoutInfo", r"expected a restorer with `info: RestorerInfo` and `restore\(burst\)`, got WithoutInfo"),
        ("dataclass", "got function"),
        ("lazy", r"reading 'lazy' failed \(RuntimeError: cannot be made\)"),
    ],
)
def test_what_is_no_restorer_is_refused(module, attribute, message):
    with pytest.raises(InvalidRestorerError, match=f"^{module}:{attribute}: .*{message}"):
        create(f"{module}:{attribute}")


def test_a_restorer_says_itself_what_it_lacks(module):
    with pytest.raises(RestorerError, match=r"^this: needs the package 'foo': pip install 'buiqa-toolkit\[foo\]'$"):
        create(f"{module}:WithoutExtra")


def test_installed_packages_add_scenarios(tmp_path, monkeypatch):
    module = write_module("my_restorers_under_test", RESTORER_SOURCE, make_folder(tmp_path / "site"), monkeypatch)
    monkeypatch.chdir(make_folder(tmp_path / "elsewhere"))
    install(tmp_path / "site", "buiqa-darken", f"denoise/darken = {module}:Darken\ndenoise/zz@x = {module}:ready")
    assert "denoise/darken" not in list_scenarios()
    monkeypatch.syspath_prepend(tmp_path / "site")
    assert list(list_scenarios())[-2:] == ["denoise/darken", "denoise/zz@x"]
    assert module not in sys.modules
    assert create("denoise/darken").factor == 0.5
    assert create("denoise/zz@x").factor == 0.25
    with pytest.raises(UnknownScenarioError, match="did you mean denoise/darken"):
        create("denoise/darker")


def make_folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize(
    ("entries", "problem"),
    [
        ("denoise/mean = thief:Mean", "claimed by restorers.classical.mean:MeanMerge and by thief:Mean"),
        ("../labels = thief:Mean", "'../labels' of thief:Mean: expected task/restorer"),
    ],
)
def test_installed_packages_cannot_take_names(tmp_path, monkeypatch, entries, problem):
    before = list_scenarios()
    install(tmp_path, "thief", entries)
    monkeypatch.syspath_prepend(tmp_path)
    assert list_scenarios() == before
    (found,) = registry.read_scenarios().problems
    assert problem in found
    assert create("denoise/mean") == MeanMerge()


def test_two_packages_cannot_share_a_name(tmp_path, monkeypatch):
    for package in ("first", "second"):
        install(tmp_path, package, f"denoise/new = {package}:New")
    monkeypatch.syspath_prepend(tmp_path)
    assert "denoise/new" not in list_scenarios()
    with pytest.raises(DuplicateScenarioError, match="claimed by first:New and by second:New"):
        create("denoise/new")


def test_a_broken_package_costs_its_own_scenario_only(tmp_path, monkeypatch):
    install(tmp_path, "broken", "denoise/gone = not_there:Gone\ndenoise/odd = no_attribute")
    monkeypatch.syspath_prepend(tmp_path)
    assert create("denoise/mean") == MeanMerge()
    with pytest.raises(UnknownScenarioError, match="scenario 'denoise/gone': no module 'not_there'"):
        create("denoise/gone")
    with pytest.raises(UnknownScenarioError, match="scenario 'denoise/odd': expected module:attr"):
        create("denoise/odd")


def test_broken_packages_are_named_beside_the_other_scenarios(tmp_path, monkeypatch):
    lines = ("gone = not_there:Gone", "fails = broken_scenario:Fails", "odd = no_attribute", "bad = broken_module:Bad")
    install(tmp_path, "broken", "\n".join(f"denoise/{line}" for line in lines))
    (tmp_path / "broken_module.py").write_text("raise OSError('libmissing.so: cannot open')\n")
    (tmp_path / "broken_scenario.py").write_text(
        "from tests.restorers.test_registry import Plain\n"
        "class Fails(Plain):\n    def restore(self, burst):\n        raise ZeroDivisionError('at work')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "BUILT_IN", [spec for spec in BUILT_IN if spec.scenario == "denoise/mean"])
    listed = CliRunner().invoke(scenarios, ["--json"])
    assert listed.exit_code == 0, listed.output
    found = json.loads(listed.stdout)
    assert found["denoise/mean"]["seconds_per_megapixel_frame"] > 0
    for name, reason in (
        ("denoise/gone", "not_there:Gone cannot be used: scenario 'denoise/gone': no module 'not_there'"),
        ("denoise/odd", "expected module:attr"),
        ("denoise/bad", "libmissing.so: cannot open"),
        ("denoise/fails", "broken_scenario:Fails cannot be used: ZeroDivisionError: at work"),
    ):
        assert reason in found[name]["unavailable"]
        assert f"warning: {name}: " in listed.stderr
        assert reason in listed.stderr


@dataclass(frozen=True)
class Versioned:
    """Takes its facts as they come, without them being parameters."""

    facts: dict = field(default_factory=dict)

    @property
    def info(self) -> RestorerInfo:
        return RestorerInfo(
            **{
                "task": "denoise",
                "version": "1",
                "input_domains": frozenset({Domain.SRGB}),
                "output_domain": Domain.SRGB,
                **self.facts,
            }
        )


class Plain:
    def __init__(self, **facts: object) -> None:
        self.info = Versioned(facts).info


@pytest.mark.slow
def test_fingerprints_are_equal_in_every_process():
    code = "from restorers.registry import *; print([fingerprint_scenario(name, create(name)) for name in list_scenarios()])"
    here = str([fingerprint_scenario(name, create(name)) for name in list_scenarios()])
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "1"})
    assert done.stdout.strip() == here


def test_every_scenario_has_its_own_fingerprint():
    seen = {fingerprint_scenario(name, create(name)) for name in list_scenarios()}
    assert len(seen) == len(list_scenarios())
    assert all(len(value) == 64 and set(value) <= set("0123456789abcdef") for value in seen)


def test_fingerprints_follow_settings():
    values = [
        fingerprint("denoise/hdrplus", restorer)
        for restorer in (HdrPlusMerge(), HdrPlusMerge(tile_size=8), HdrPlusMerge(tolerance=4.0))
    ]
    assert len({*values, fingerprint("denoise/other", HdrPlusMerge())}) == 4
    assert values[0] == fingerprint("denoise/hdrplus", HdrPlusMerge(tile_size=16))


@pytest.mark.parametrize(
    "facts",
    [
        {"version": "2"},
        {"scale": 2},
        {"output_domain": Domain.LINEAR_RGB},
        {"missing_frames": "repeat_reference"},
        {"weights_sha256": "0" * 64},
    ],
)
def test_fingerprints_follow_facts_that_change_the_output(facts):
    assert fingerprint("a/b", Plain(**facts)) != fingerprint("a/b", Plain())


@pytest.mark.parametrize("facts", [{"summary": "words"}, {"paper": "P"}, {"license": "MIT"}])
def test_fingerprints_ignore_words(facts):
    assert fingerprint("a/b", Plain(**facts)) == fingerprint("a/b", Plain())


def test_the_order_of_a_mapping_does_not_matter():
    first, second = Versioned({"version": "2", "scale": 3}), Versioned({"scale": 3, "version": "2"})
    assert fingerprint("a/b", first) == fingerprint("a/b", second)


@pytest.mark.parametrize("value", [np.zeros(3), np.nan, object(), Path("weights")])
def test_settings_that_cannot_be_written_down_are_refused(value):
    with pytest.raises(InvalidRestorerError, match="a/b: its dataclass fields must be plain"):
        fingerprint("a/b", replace(HdrPlusMerge(), tolerance=value))


def test_editing_the_file_of_a_module_changes_its_fingerprint(module, tmp_path):
    scenario = f"{module}:Darken"
    before = fingerprint_scenario(scenario, create(scenario))
    assert fingerprint_scenario(scenario, create(scenario)) == before
    path = tmp_path / f"{module}.py"
    path.write_text(path.read_text() + "# edited\n")
    assert fingerprint_scenario(scenario, create(scenario)) != before


def test_bursts_that_a_restorer_cannot_take():
    single = create("denoise/nlm")
    with pytest.raises(UnsupportedBurstError, match="frames: expected 1 to 1, got 2"):
        single.restore(make_burst(2))
