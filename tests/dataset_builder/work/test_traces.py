"""Where an error came from, in words that are the same on every machine."""

import sys
import types

import pytest

from dataset_builder.errors import BuildError
from dataset_builder.work.traces import format_traceback, name_place
from dataset_builder.work.unit import Failure
from restorers.errors import RestorationError

SOURCE = """
import json

def restore(burst):
    return blend(burst)

def blend(burst):
    if burst is None:
        return json.loads("nonsense")
    raise ValueError("no such frame")

def dive(depth):
    return dive(depth - 1) if depth else blend(0)
"""


@pytest.fixture
def module(monkeypatch):
    found = types.ModuleType("mine.restoring")
    exec(compile(SOURCE, "/somewhere/on/this/machine/mine/restoring.py", "exec"), found.__dict__)
    monkeypatch.setitem(sys.modules, "mine.restoring", found)
    return found


def catch(function, *arguments):
    try:
        function(*arguments)
    except Exception as error:  # noqa: BLE001  # any will do
        # As the toolkit's own calls, those of this test say nothing.
        error.__traceback__ = error.__traceback__.tb_next
        return error
    raise AssertionError("it should fail")


def test_file_line_and_function_of_own_code(module):
    place = name_place(catch(module.restore, 1))
    assert place == "at mine/restoring.py:10 in blend, called from mine/restoring.py:5 in restore"


def test_own_code_is_named_where_a_library_fails(module):
    place = name_place(catch(module.restore, None))
    assert place.startswith("at json/decoder.py:")
    assert place.endswith(", called from mine/restoring.py:5 in restore")
    assert place.count("called from") == 2


def test_of_many_calls_the_innermost_and_the_outermost_are_named(module):
    place = name_place(catch(module.dive, 500))
    assert place.split(", called from ") == [
        "at mine/restoring.py:10 in blend",
        "mine/restoring.py:13 in dive",
        "mine/restoring.py:13 in dive",
    ]
    assert format_traceback(catch(module.dive, 500)).count("in dive") <= 20


def test_errors_on_purpose_need_no_place():
    for kind in (BuildError, RestorationError):

        def fail(kind=kind):
            raise kind("expected this, got that")

        assert name_place(catch(fail)) == format_traceback(catch(fail)) == ""
    assert name_place(ValueError("never raised")) == ""


def test_a_failure_says_where(module):
    failure = Failure.from_exception(catch(module.restore, 1))
    assert failure.message == (
        "no such frame (at mine/restoring.py:10 in blend, called from mine/restoring.py:5 in restore)"
    )
    assert "in blend" in failure.trace
    assert failure == Failure("ValueError", failure.message)  # the trace is for people
    long = Failure.from_exception(catch(lambda: module.json.loads("[" * 100_000)))
    assert len(long.message) <= 2000
