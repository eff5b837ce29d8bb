"""Texts that a page would run, a terminal obey, a spreadsheet compute or a Markdown reader mark up, and where a data set may hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from manifests.description import read_description, write_description
from manifests.schema import TABLES, TableSchema
from manifests.store import list_label_files, read_unchecked, table_path, write_table

HOSTILE_TEXT = (
    "</script><script>window.hacked=1</script><img src=x onerror=window.hacked=2>"
    '" onmouseover="window.hacked=3" x=\' --> ]]> {{ 7*7 }} ${window.hacked=4} '
    "\\\\| | ` ``` **b** ![x](http://127.0.0.1:9/x.png) [x](javascript:window.hacked=5) <b>&lt;i&gt; [red]rich[/] "
    "\x1b[31m\x1b]0;title\x07\x9b2J\u202eabc\u2066 \u2028"
)
"""One line; `=` and the like begin others of `FORMULAE`."""
FORMULAE = ("=1+1", "+1", "-1", "@x")
SHORT = '"><img src=x onerror=hacked=1>\u202e'
COLUMNS = {
    "bursts": ("origin_path", "camera", "ground_truth_method", "license"),
    "frames": ("origin_name",),
    "failures": ("error_type", "message"),
}


def plant_texts(root: Path) -> None:
    """Put hostile texts wherever the rules leave a text to whoever writes the data set."""
    for name, columns in COLUMNS.items():
        change(root, table_path(name), TABLES[name], dict.fromkeys(columns, HOSTILE_TEXT))
    for path in list_label_files(root):
        change(root, path, TABLES["labels"], {"unit": SHORT})
    failure = {
        "stage": "bursts", "source": "x", "burst_id": "x", "scenario": "", "error_type": HOSTILE_TEXT, "message": HOSTILE_TEXT,
        "attempts": 1, "estimator": None, "metric": None, "frame_index": None,
    }  # fmt: skip
    write_table(root, table_path("failures"), TABLES["failures"], [failure])
    write_description(root, spoil(read_description(root)))


def change(root: Path, path: str, kind: TableSchema, values: dict[str, Any]) -> None:
    rows = read_unchecked(root, path, kind).to_pylist()
    write_table(root, path, kind, [{**row, **values} for row in rows])


def spoil(description: dict[str, Any]) -> dict[str, Any]:
    """`dataset.json` of which every text is hostile, but for names that the tables have."""
    source = {"name": HOSTILE_TEXT, "kind": HOSTILE_TEXT, "root": HOSTILE_TEXT}
    return {
        **description,
        "name": HOSTILE_TEXT,
        "software": {"buiqa-toolkit": HOSTILE_TEXT, HOSTILE_TEXT: HOSTILE_TEXT},
        "estimators": {**dict.fromkeys(description["estimators"], HOSTILE_TEXT), HOSTILE_TEXT: HOSTILE_TEXT},
        "metrics": {**description["metrics"], HOSTILE_TEXT: {HOSTILE_TEXT: HOSTILE_TEXT}},
        "scenarios": {
            **{name: dict.fromkeys(facts, HOSTILE_TEXT) for name, facts in description["scenarios"].items()},
            HOSTILE_TEXT: {"task": HOSTILE_TEXT, "summary": HOSTILE_TEXT},
        },
        "provenance": {HOSTILE_TEXT: HOSTILE_TEXT},
        "recipe": {
            **description["recipe"],
            "sources": [source],
            "scenarios": [{"name": HOSTILE_TEXT}],
            HOSTILE_TEXT: HOSTILE_TEXT,
        },
    }
