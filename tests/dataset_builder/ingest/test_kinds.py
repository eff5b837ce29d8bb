"""What a kind of source is made of, and that a new one is a file and a line."""

from __future__ import annotations

import subprocess
import sys

import cv2
import numpy as np
import pytest
from click.testing import CliRunner

from dataset_builder.cli.main import main
from dataset_builder.ingest.kinds.catalogue import KINDS
from dataset_builder.ingest.source import CaptureSource
from manifests.store import read_dataset_table, read_labels
from tests.places import ROOT

ADD_AND_RUN = """
from dataset_builder.ingest.kinds import catalogue
from tests.dataset_builder.ingest.listed_bursts import ListedSource
catalogue.KINDS = (*catalogue.KINDS, ListedSource)  # the line
from dataset_builder.cli.main import main
main()
"""


@pytest.mark.slow
def test_a_new_kind_is_a_file_and_a_line(tmp_path):
    rng = np.random.default_rng(0)
    names = [f"{index}.png" for index in range(5)]
    for name in names:
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (40, 48, 3), dtype=np.uint8))
    (tmp_path / "mine.txt").write_text(f"first {names[0]} {names[1]}\nsecond {' '.join(names[2:])}\n")

    def run(*arguments):
        command = [sys.executable, "-c", ADD_AND_RUN, *arguments]
        return subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout

    built = tmp_path / "built"
    assert "Bursts that a list names." in run("ingest", "--help")
    assert "--list-name" in run("ingest", "listed", "--help")
    run("ingest", "listed", str(tmp_path), "--list-name", "mine.txt", "--out", str(built))
    assert read_dataset_table(built, "bursts").column("num_frames").to_pylist() == [2, 3]
    assert read_labels(built, ["subjective/listed"]).column("score").to_pylist() == [0, 1, 0, 1, 2]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.command)
def test_every_setting_of_a_kind_is_an_option_with_its_default(kind):
    answer = CliRunner().invoke(main, ["ingest", kind.command, "--help"], terminal_width=200)
    assert answer.exit_code == 0
    for name, field in kind.model_fields.items():
        if name in CaptureSource.model_fields:
            continue
        flag = "--" + name.removesuffix("_seconds").replace("_", "-")
        assert flag in answer.output
        if field.default not in (None, ()):
            assert f"[default: {field.default}]" in " ".join(answer.output.split())


def test_kinds_have_names_and_commands_of_their_own():
    assert len({kind.name_kind() for kind in KINDS}) == len({kind.command for kind in KINDS}) == len(KINDS)
