"""What a shell completes: the words that click offers for a command line that is being typed."""

import pytest
from click.shell_completion import BashComplete

from dataset_builder.cli.main import main
from dataset_builder.synthesis.builtin import PRESETS
from manifests.store import read_dataset_table
from restorers.registry import BUILT_IN
from tests.tiny_dataset import SCENARIOS

SCENARIO_NAMES = [spec.scenario for spec in BUILT_IN]


def offer(*words, typed=""):
    complete = BashComplete(main, {}, "buiqa", "_BUIQA_COMPLETE")
    return [item.value for item in complete.get_completions(list(map(str, words)), typed)]


def test_commands_and_presets():
    assert offer(typed="un") == ["unlabel"]
    assert offer("synthesize", "photos", "--preset") == list(PRESETS)
    assert offer("synthesize", "photos", "--preset", typed="ni") == ["night"]
    assert offer("ingest", "zurich", "photos", "--preset", typed="ni") == ["night"]


def test_scenarios(tiny_original):
    assert offer("label", tiny_original, "--scenario", typed="sr/handheld") == [
        name for name in SCENARIO_NAMES if name.startswith("sr/handheld")
    ]
    for command in ("list", "unlabel", "predict", "evaluate", "audit", "subset"):
        assert offer(command, tiny_original, "--scenario") == sorted(SCENARIOS), command


@pytest.mark.parametrize("command", ["show", "restore"])
def test_bursts(tiny_original, tmp_path, command):
    ids = read_dataset_table(tiny_original, "bursts").column("burst_id").to_pylist()
    assert offer(command, tiny_original) == ids
    assert offer(command, tiny_original, typed=ids[0]) == [ids[0]]
    assert offer(command, tmp_path / "nothing") == []
