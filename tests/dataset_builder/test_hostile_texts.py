"""Texts of a data set are text: in the terminal, in Markdown and in CSV, as in the report (`audit/test_browser.py`)."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner
from markdown_it import MarkdownIt

from dataset_builder.cli.main import main
from dataset_builder.export.score_lists import export_score_lists
from manifests.documents.card import render_card
from manifests.documents.markdown import quote_code, render_table
from manifests.schema import FRAMES
from manifests.store import read_table, table_path, write_table
from manifests.verification.verify import verify
from tests.hostile_texts import FORMULAE, HOSTILE_TEXT, plant_texts

OBEYED = {
    chr(code) for code in (*range(32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x2028, 0x2029)
} - {"\n"}


@pytest.fixture
def planted(tiny: Path) -> Path:
    plant_texts(tiny)
    return tiny


COMMANDS = (
    "verify ROOT",
    "audit ROOT --json",
    "audit ROOT",
    "diff SOUND ROOT",
    "diff SOUND ROOT --json",
    "show ROOT absent",
    "split ROOT --test 0.5",
    "subset ROOT --where license==1 --out OUT",
    "export ROOT --format csv --out OUT",
    "merge SOUND ROOT --out OUT",
    "label ROOT --scenario BAD",
    "restore ROOT tiny-0 --scenario BAD",
)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::RuntimeWarning")  # of the audit's statistics of so little
@pytest.mark.parametrize("command", COMMANDS)
def test_a_terminal_obeys_nothing(planted: Path, tiny_original: Path, tmp_path: Path, command: str) -> None:
    places = {"ROOT": planted, "SOUND": tiny_original, "OUT": tmp_path / "out", "BAD": "\x1b[31m\u202ex/y"}
    result = CliRunner().invoke(main, [str(places.get(word, word)) for word in command.split()])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    assert not OBEYED & set(result.output), result.output
    assert result.output


def test_what_verify_says_of_a_damaged_name_is_one_line(planted: Path) -> None:
    (planted / "frames" / "\x1b[31mred\u202e\n.png").write_bytes(b"x")
    result = CliRunner().invoke(main, ["verify", str(planted)])
    assert not OBEYED & set(result.output)
    assert len(result.output.splitlines()) == len(verify(planted)) + 1


@pytest.mark.slow
def test_markdown_marks_nothing_up(planted: Path) -> None:
    """By an independent reader that takes HTML, links and tables."""
    reader = MarkdownIt("gfm-like", {"html": True, "linkify": False})
    tokens = reader.parse(render_card(planted))
    inner = [child for token in tokens for child in (token.children or ())]
    kinds = {token.type for token in [*tokens, *inner]}
    assert not kinds & {"html_block", "html_inline", "image", "link_open", "em_open", "s_open"}, kinds
    texts = [child.content for child in inner if child.type in {"text", "code_inline"}]
    assert any("</script><script>window.hacked=1</script>" in text for text in texts)
    assert not OBEYED - {"\n"} & set(render_card(planted))
    assert "pip install buiqa-toolkit\n" in render_card(planted)  # and not what stands for its version
    tables = sum(token.type == "table_open" for token in tokens)
    plain = reader.parse(render_card(planted.parent / "dataset"))
    assert tables == sum(token.type == "table_open" for token in plain) > 10


@pytest.mark.parametrize("text", [HOSTILE_TEXT, "\\\\|", "a\\", "|", "`", "<x", "&lt;", "[a](b)", "a*b*", *FORMULAE])
def test_a_cell_says_what_it_was_given(text: str) -> None:
    table = MarkdownIt("gfm-like", {"html": True, "linkify": False}).parse(render_table(["A", "B"], [[text, "end"]]))
    cells = [token for token in table if token.type == "inline"]
    assert [cell.content for cell in cells[:2]] == ["A", "B"]
    assert len(cells) == 4
    shown = "".join(child.content for child in cells[2].children or ())
    assert shown == escape_cell_text(text)
    assert "`" not in quote_code(text)


def escape_cell_text(text: str) -> str:
    """What a cell should show: everything on one line, with controls as escapes."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in " ".join(text.split())
    )


def test_no_spreadsheet_computes_a_name(tiny: Path, tmp_path: Path) -> None:
    rows = read_table(tiny, table_path("frames"), FRAMES).to_pylist()
    own = [row for row in rows if row["burst_id"] == "tiny-3"]
    for row, start in zip(own, FORMULAE, strict=True):
        name = f"{start}.png"
        shutil.copyfile(tiny / row["path"], tiny / name)
        row["path"] = name
    write_table(tiny, table_path("frames"), FRAMES, rows)
    for file in export_score_lists(tiny, tmp_path / "out"):
        with file.open(newline="") as stream:
            names = [line[0] for line in csv.reader(stream)][1:]
        assert not [name for name in names if name.startswith(("=", "+", "-", "@", "\t", "\r"))]
        assert all((tiny / name).is_file() for name in names)
        assert {f"./{start}.png" for start in FORMULAE[:3]} <= set(names)
