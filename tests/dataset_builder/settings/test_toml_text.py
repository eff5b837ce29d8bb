"""What is written as TOML reads as what it was."""

import math
import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dataset_builder.settings.toml_text import render_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
SCALARS = TEXT | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=3))


@settings(max_examples=25)
@given(st.dictionaries(TEXT, VALUES | st.lists(st.dictionaries(TEXT, VALUES, max_size=3), max_size=3), max_size=5))
def test_it_reads_as_what_was_written(data):
    assert tomllib.loads(render_toml(data)) == data


def test_what_it_looks_like():
    data = {"seed": 1, "sources": [{"name": "a", "files": ["x"] * 60, "limit": None}], "splits": {"test": 0.2}}
    files = "".join('  "x",\n' for _ in range(60))
    expected = f'seed = 1\n\n[[sources]]\nname = "a"\nfiles = [\n{files}]\n\n[splits]\ntest = 0.2\n'
    assert render_toml(data) == expected


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), b"x"])
def test_what_toml_does_not_have(value):
    with pytest.raises(ValueError, match=r"expected text|not JSON compliant"):
        render_toml({"a": value})
