"""Bursts that are listed, described, and meant by the beginning of their name."""

import json

import pandas as pd
import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from manifests.errors import SelectionError
from manifests.listing import find_burst, select_bursts, tell_best_frames
from manifests.schema import LABELS
from manifests.store import list_label_files, read_dataset_table, read_table


def run(*arguments):
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def labels(tiny_original):
    parts = [read_table(tiny_original, path, LABELS).to_pandas() for path in list_label_files(tiny_original)]
    return pd.concat(parts, ignore_index=True)


def test_what_labels_say_of_a_burst_is_what_its_rows_say(tiny_original, labels):
    scenario = labels["scenario"].iloc[0]
    told = tell_best_frames(tiny_original, scenario)
    assert len(told)
    for row in told.itertuples():
        mine = labels[(labels["scenario"] == scenario) & (labels["burst_id"] == row.burst_id)]
        mine = mine[(mine["estimator"] == row.estimator) & (mine["metric"] == row.metric) & mine["score"].notna()]
        scores = dict(zip(mine["frame_index"], mine["score"], strict=True))
        assert scores[row.best] == max(scores.values())
        assert scores[row.worst] == min(scores.values())
        assert row.spread == pytest.approx(max(scores.values()) - min(scores.values()))


def test_a_list_is_chosen_sorted_and_cut(tiny_original, labels):
    rows = select_bursts(tiny_original)
    least = int(rows["num_frames"].min())
    listed = [json.loads(line) for line in run("list", tiny_original, "--json").output.splitlines()]
    assert [row["burst_id"] for row in listed] == rows["burst_id"].tolist()
    where = f"num_frames > {least}"
    chosen = [json.loads(line) for line in run("list", tiny_original, "--where", where, "--json").output.splitlines()]
    assert {row["burst_id"] for row in chosen} == set(rows.loc[rows["num_frames"] > least, "burst_id"])
    scenario = labels["scenario"].iloc[0]
    result = run("list", tiny_original, "--scenario", scenario, "--sort=-spread", "--json")
    spreads = [json.loads(line)["spread"] for line in result.output.splitlines()]
    assert len(spreads) > 1
    assert spreads == sorted(spreads, reverse=True)
    middle = sorted(spreads)[len(spreads) // 2]
    query = f"spread >= {middle!r} and num_frames > {least}"
    chosen = run("list", tiny_original, "--scenario", scenario, "--where", query, "--sort", "highest", "--json").output
    found = [json.loads(line) for line in chosen.splitlines()]
    told = tell_best_frames(tiny_original, scenario).merge(rows, on="burst_id")
    assert len(found) == ((told["spread"] >= middle) & (told["num_frames"] > least)).sum() > 0
    assert [row["highest"] for row in found] == sorted(row["highest"] for row in found)
    assert all(row["highest"] - row["lowest"] == pytest.approx(row["spread"]) for row in found)
    cut = run("list", tiny_original, "--limit", "1").output
    assert rows["burst_id"][0] in cut
    assert f"1 of {len(rows)} bursts" in cut


def test_what_cannot_be_listed_is_said_in_one_line(tiny_original):
    for arguments, expected in (
        (("--sort", "nope"), "no such column: expected one of"),
        (("--sort", "num_frame"), "did you mean num_frames?"),
        (("--sort", "spread"), "--scenario adds best, worst"),
        (("--scenario", "nope/nope"), "no labels of scenario"),
        (("--scenario", "denoise/men"), "did you mean denoise/mean"),
        (("--where", "num_frames >"), "expected a condition"),
        (("--where", "num_frames > 999"), "chooses none"),
    ):
        result = run("list", tiny_original, *arguments)
        assert result.exit_code == 1
        assert expected in result.output


def test_a_data_set_is_described(tiny_original):
    printed = run("info", tiny_original).output
    bursts = read_dataset_table(tiny_original, "bursts").to_pandas()
    for source in bursts["source"].unique():
        assert source in printed
    assert f"{int(bursts['num_frames'].min())}" in printed
    for path in list_label_files(tiny_original):
        assert read_table(tiny_original, path, LABELS).column("scenario")[0].as_py() in printed


def test_the_beginning_of_a_name_means_the_burst_if_only_one_begins_so(tiny_original, tmp_path):
    names = sorted(select_bursts(tiny_original)["burst_id"])
    for name in names:
        shortest = next(
            name[:end]
            for end in range(1, len(name) + 1)
            if sum(n.startswith(name[:end]) for n in names) == 1 or name[:end] == name
        )
        assert find_burst(tiny_original, shortest) == name
        assert find_burst(tiny_original, name) == name
    with pytest.raises(SelectionError, match="did you mean"):
        find_burst(tiny_original, names[0] + "x")
    with pytest.raises(SelectionError, match="not among"):
        find_burst(tiny_original, "")
    shared = next((name[:1] for name in names if sum(n.startswith(name[:1]) for n in names) > 1), None)
    if shared:
        with pytest.raises(SelectionError, match="bursts begin so"):
            find_burst(tiny_original, shared)
    result = run("show", tiny_original, names[0], "--out", tmp_path / "sheet.png")
    assert result.exit_code == 0, result.output


def test_an_unknown_command_is_answered_with_those_that_come_close():
    result = run("infoo")
    assert result.exit_code == 2
    assert "did you mean info?" in result.output
    assert "No such command" in run("quux").output
